"""Saving: when, how many, and what a disk without room costs."""

import errno
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from axialcast.files.tensors import Snapshot
from axialcast.forecast import load_checkpoint


def steps(output):
    return sorted(int(p.name) for p in (output / "states").iterdir())


@pytest.mark.parametrize("keep", [1, 3])
def test_the_newest_are_kept(runner, tmp_path, keep):
    runner.stopped_at(7, tmp_path, "train.save_every=2", f"train.keep_states={keep}")
    assert steps(tmp_path) == [4, 6, 7][-keep:]


def test_by_the_clock(runner, tmp_path):
    runner(tmp_path / "a", "train.save_every=1 h")
    assert not (tmp_path / "a" / "states").exists()
    runner(tmp_path / "b", "train.save_every=0.001 s", "train.keep_states=99")
    assert steps(tmp_path / "b")


def test_one_is_written_at_a_time(runner, tmp_path, monkeypatch):
    """While a write takes long, training goes on and skips what would be due."""
    write, many = Snapshot.write, []

    def slow_write(self, path):
        many.append(threading.current_thread().daemon)
        started.set()
        release.wait(20)
        return write(self, path)

    started, release = threading.Event(), threading.Event()
    monkeypatch.setattr(Snapshot, "write", slow_write)
    threading.Timer(0.5, release.set).start()
    runner.stopped_at(13, tmp_path, "train.save_every=1", "train.keep_states=99", patient=False)
    assert steps(tmp_path)[0] == 1
    assert steps(tmp_path)[-1] == 13
    assert len(many) == len(steps(tmp_path)) < 13
    assert all(many), "or a second Ctrl-C would wait for them"


def test_a_defect_while_writing_stops_the_training(runner, tmp_path, monkeypatch):
    def write(self, path):
        raise RuntimeError("a defect")

    monkeypatch.setattr(Snapshot, "write", write)
    with pytest.raises(RuntimeError, match="a defect"):
        runner(tmp_path, "train.save_every=3")
    assert not (tmp_path / "checkpoint").exists()
    assert list((tmp_path / "states").iterdir()) == []


def full(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_costs_no_training(runner, reference, same, tmp_path, monkeypatch, capsys):
    write, calls = Snapshot.write, []

    def write_if_there_is_room(self, path):
        calls.append(path)
        return full() if len(calls) in (3, 4) else write(self, path)

    monkeypatch.setattr(Snapshot, "write", write_if_there_is_room)
    runner.stopped_at(11, tmp_path, "train.save_every=2", "train.keep_states=99")
    assert steps(tmp_path) == [2, 4, 10, 11]
    lines = capsys.readouterr().err.splitlines()
    folder = tmp_path / "states" / "00000006"
    assert lines[0].startswith(
        f"train: step 6 not saved, training goes on: {folder}: the disk is full: "
    )
    assert "B needed, " in lines[0]
    assert lines[0].endswith(" free; make room")
    assert len(lines) == 2
    monkeypatch.undo()
    runner(tmp_path)
    same(tmp_path, reference)


def test_stopped_on_a_full_disk(runner, reference, same, tmp_path, monkeypatch):
    runner.stopped_at(3, tmp_path)
    monkeypatch.setattr(Snapshot, "write", full)
    stopped = runner.stopped_at(6, tmp_path)
    assert "stopped by SIGTERM, its last state is that of step 3; run again" in str(stopped)
    stopped = runner.stopped_at(6, tmp_path / "other")
    assert "stopped by SIGTERM, no state could be saved; run again" in str(stopped)
    monkeypatch.undo()
    runner(tmp_path)
    same(tmp_path, reference)


def test_a_log_that_waits_for_room(runner, reference, same, tmp_path, monkeypatch, capsys):
    write, calls = os.pwrite, []

    def some(descriptor, data, offset):
        calls.append(data)
        if len(calls) == 3:
            return write(descriptor, data[:7], offset)
        return full() if 3 < len(calls) < 7 else write(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", some)
    runner(tmp_path)
    same(tmp_path, reference)
    [line] = capsys.readouterr().err.splitlines()
    assert f"train: {tmp_path / 'log.jsonl'}: the disk is full: more needed, " in line
    assert line.endswith("free; make room; training goes on and its lines wait")


def test_a_log_that_never_finds_room(runner, reference, tmp_path, monkeypatch):
    """The weights are safe before the error."""
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match=r"log\.jsonl: the disk is full: .* needed, .* free; make"):
        runner(tmp_path, "train.save_every=2")
    one, other = (p / "checkpoint" / "weights.safetensors" for p in (tmp_path, reference))
    assert one.read_bytes() == other.read_bytes()
    assert not (tmp_path / "states").exists()


def test_a_full_disk_at_the_end(runner, tmp_path, reference, same, monkeypatch, capsys):
    """Older states make room; if that is not enough, the weights go elsewhere and are named."""
    write = Snapshot.write

    def write_unless_full(self, path):
        if tmp_path / "run" / "checkpoint" in path.parents:
            seen.append(steps(tmp_path / "run"))
            if not (room and len(seen) > 1):
                return full()
        return write(self, path)

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(Snapshot, "write", write_unless_full)
    seen, room = [], True
    runner(tmp_path / "run", "train.save_every=4", "train.keep_states=3")
    assert seen == [[4, 8, 12], [12]]
    same(tmp_path / "run", reference)
    seen, room = [], False
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(OSError) as error:
        runner(tmp_path / "run", "train.save_every=4")
    [kept] = (tmp_path / "elsewhere").iterdir()
    weights = tmp_path / "run" / "checkpoint" / "weights.safetensors"
    assert str(error.value).startswith(f"{weights}: the disk is full: ")
    assert str(error.value).endswith(
        f" free; make room and run again; the trained weights are in {kept} until then"
    )
    assert (kept / weights.name).read_bytes() == (
        reference / "checkpoint" / weights.name
    ).read_bytes()
    assert load_checkpoint(kept).provenance["seed"] == 0
    assert steps(tmp_path / "run") == [12]
    monkeypatch.undo()
    runner(tmp_path / "run")
    same(tmp_path / "run", reference)


def test_no_room_anywhere(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(Snapshot, "write", full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "none")
    with pytest.raises(OSError, match=f"the trained weights fit neither there nor in {tmp_path}"):
        runner(tmp_path / "run")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)]
    if os.name != "posix" or os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_is_really_full(runner, reference, same, small_disk, tmp_path, capsys):
    """So full that no state fits, nor all lines, until room is made."""
    ballast = small_disk / "ballast"
    output = small_disk / "run"
    runner.stopped_at(2, output, "train.save_every=1")
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    ballast.write_bytes(bytes(max(free - 4096, 0)))
    capsys.readouterr()
    stopped = runner.stopped_at(9, output, "train.save_every=1")
    assert "its last state is that of step 2" in str(stopped)
    assert capsys.readouterr().err.count("not saved, training goes on") >= 1
    ballast.unlink()
    runner(output)
    same(output, reference)
    lines = (output / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 14))
