"""The log: what a mark stands for, and lines that wait for room."""

import errno
import hashlib
import os
from types import SimpleNamespace

import pytest

from axialcast.training import Log


def known(values):
    """An entry whose numbers are there."""
    return SimpleNamespace(is_there=True, values=lambda: values)


LINES = b'{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n'


def test_a_mark_is_size_and_checksum(tmp_path):
    path = tmp_path / "runs" / "new" / "log.jsonl"
    with Log(path) as log:
        assert path.stat().st_mode & 0o111 == 0, "no program"
        assert log.mark() == (0, hashlib.sha256().hexdigest())
        log.write(known({"step": 1, "loss": 0.5}))
        log.write(known({"step": 2, "loss": 0.25}))
        assert path.read_bytes() == LINES, "at once"
        mark = log.mark()
    assert mark == (len(LINES), hashlib.sha256(LINES).hexdigest())
    assert Log.holds(path, mark)
    assert Log.holds(path, (0, hashlib.sha256().hexdigest()))
    assert not Log.holds(path, (len(LINES) - 1, mark[1]))
    assert not Log.holds(path, (len(LINES) + 1, mark[1]))
    assert not Log.holds(tmp_path / "none", mark)


@pytest.mark.parametrize("num_bytes", [1, 2**20 - 1, 2**20, 2**20 + 1, 2**21 + 7])
def test_going_on_behind_a_mark(tmp_path, num_bytes):
    """The lines of before are part of the marks that follow, however many there are."""
    path, before = tmp_path / "log.jsonl", b"x" * num_bytes
    path.write_bytes(before + b"cut off")
    mark = (num_bytes, hashlib.sha256(before).hexdigest())
    assert Log.holds(path, mark)
    with Log(path, after=mark) as log:
        assert path.read_bytes() == before
        log.write(known({"step": 3}))
        mark = log.mark()
    whole = before + b'{"step": 3}\n'
    assert path.read_bytes() == whole
    assert mark == (len(whole), hashlib.sha256(whole).hexdigest())


def test_a_new_log_in_place_of_an_old_one(tmp_path):
    (tmp_path / "log.jsonl").write_text("old")
    with Log(tmp_path / "log.jsonl"):
        assert (tmp_path / "log.jsonl").read_bytes() == b""


def full(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_lines_wait_and_are_part_of_the_mark(tmp_path, monkeypatch, capsys):
    """Told once. What waits is not on the disk, which whoever waits for it is told."""
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        monkeypatch.setattr(os, "pwrite", full)
        log.write(known({"step": 1, "loss": 0.5}))
        assert log.mark() == (25, hashlib.sha256(LINES[:25]).hexdigest())
        with pytest.raises(OSError) as error:
            log.sync(log.mark())
        assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
        assert error.value.strerror == os.strerror(errno.ENOSPC)
        log.sync((0, ""))
        log.write(known({"step": 2, "loss": 0.25}))
        assert path.read_bytes() == b""
        monkeypatch.undo()
        log.write(known({"step": 3}))
        log.sync(log.mark())
    assert path.read_bytes() == LINES + b'{"step": 3}\n'
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"train: {path}: the disk is full: more needed, ")
    assert line.endswith(" free; make room; training goes on and its lines wait")


def test_lines_that_wait_to_the_end(tmp_path, monkeypatch):
    def train():
        with Log(path) as log:
            monkeypatch.setattr(os, "pwrite", full)
            log.write(known({"step": 1, "loss": 0.5}))

    path = tmp_path / "log.jsonl"
    with pytest.raises(OSError, match=f"^{path}: the disk is full: 25 B needed, .* free") as error:
        train()
    assert error.value.errno == error.value.__cause__.errno == errno.ENOSPC


@pytest.mark.parametrize(
    ("error", "writes"), [(OSError, True), (OSError, False), (ZeroDivisionError, False)]
)
def test_what_else_goes_wrong_is_raised_and_the_file_closed(tmp_path, monkeypatch, error, writes):
    """An error of the training is not hidden by one of the log."""

    def fail(*args):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def train():
        with Log(tmp_path / "log.jsonl") as log:
            monkeypatch.setattr(os, "pwrite", fail)
            monkeypatch.setattr(os, "fsync", fail)
            if error is ZeroDivisionError:
                raise ZeroDivisionError
            if writes:
                log.write(known({"step": 1}))

    def close_and_fail(file):
        closed.append(close(file))
        fail()

    closed, close = [], os.close
    monkeypatch.setattr(os, "close", close_and_fail)
    with pytest.raises(error) as raised:
        train()
    assert len(closed) == 1
    assert raised.value.__cause__ is None
