"""Files that are there as a whole or not at all, and what a killed writer leaves."""

import errno
import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from axialcast.files import atomic
from axialcast.files.atomic import (
    aside,
    is_running,
    room_error,
    start_of,
    sweep,
    this_host,
    writing,
)

LEAVES = """
import os, sys
from pathlib import Path
from axialcast.files.atomic import aside
path = aside(Path(sys.argv[1]))
path.write_text("torn")
print(path, flush=True)
"""


def left(path: Path) -> Path:
    """What a process that is gone left of a file."""
    program = [sys.executable, "-c", LEAVES, str(path)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_a_file_is_as_it_was_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with writing(path) as partial:
        partial.write_text("one")
        assert not path.exists()
        assert partial.parent == path.parent
    assert path.read_text() == "one"
    with pytest.raises(IsADirectoryError), writing(path) as partial:
        (partial.write_text("two"), tmp_path.write_text("impossible"))
    assert path.read_text() == "one"
    atomic.write_json(path, {"a": [1, None]})
    assert json.loads(path.read_text()) == {"a": [1, None]}
    atomic.write_text(path, "größe")
    assert path.read_text("utf-8") == "größe"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_killed_anywhere_a_file_is_old_or_new_and_swept(tmp_path: Path, killed_at) -> None:
    path = tmp_path / "file"
    for number in itertools.count(1):
        path.write_text("old")
        if not killed_at(lambda: atomic.write_text(path, "new"), number, tmp_path):
            break
        assert path.read_text() in ("old", "new")
        sweep(tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert number > 3


def test_names_aside_are_never_the_same(tmp_path: Path) -> None:
    names = []
    threads = [
        threading.Thread(target=lambda: names.extend(aside(tmp_path / "x") for _ in range(200)))
        for _ in range(7)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 1400


def test_sweep_removes_what_the_dead_left_and_nothing_else(tmp_path: Path) -> None:
    dead = left(tmp_path / "store.zarr")
    folder = left(tmp_path / "a.b-c.json")
    folder.unlink()
    (folder / "below").mkdir(parents=True)
    mine = aside(tmp_path / "store.zarr")
    elsewhere = tmp_path / ".store.zarr.other-17-23-5.partial"
    users = [tmp_path / name for name in (".partial", ".my.partial", "x.partial", ".x.old", "y")]
    for path in (mine, elsewhere, *users):
        path.write_text("")
    assert sorted(sweep(tmp_path)) == sorted([dead, folder])
    assert sorted(tmp_path.iterdir()) == sorted([mine, elsewhere, *users])
    assert sweep(tmp_path, alone=True) == [elsewhere]
    assert sorted(tmp_path.iterdir()) == sorted([mine, *users])
    assert sweep(tmp_path / "nowhere") == []


def test_sweep_knows_what_version_0_1_0_left_of_outputs(tmp_path: Path) -> None:
    leftovers = [
        ".store.partial",
        ".store.old",
        ".store.tmp",
        ".store-abcd1234",
        ".store-old-abcd1234",
    ]
    others = [".other.partial", "store", "store.unfinished", ".store-abc", "store.old"]
    for name in (*leftovers, *others):
        (tmp_path / name).mkdir()
    assert sweep(tmp_path, outputs=("store",)) == []
    removed = sweep(tmp_path, alone=True, outputs=("store",))
    assert sorted(path.name for path in removed) == sorted(leftovers)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_processes_are_told_apart() -> None:
    start = start_of(os.getpid())
    assert is_running(this_host(), os.getpid(), start) is True
    assert is_running(this_host(), os.getpid(), 0) is True
    assert is_running("elsewhere", os.getpid(), start) is None
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    known = start_of(process.pid)
    assert is_running(this_host(), process.pid, known) is True
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    # Ended, but nobody has asked yet: a zombie.
    assert is_running(this_host(), process.pid, known) is False
    process.communicate()
    assert is_running(this_host(), process.pid, known) is False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the start of a process")
def test_a_number_that_another_process_got_does_not_count() -> None:
    assert is_running(this_host(), os.getpid(), start_of(os.getpid()) + 1) is False


def test_who_runs_counts_where_the_system_says_no_start(monkeypatch) -> None:
    monkeypatch.setattr("axialcast.files.atomic.start_of", lambda pid: 0)
    assert is_running(this_host(), os.getpid(), 7) is True


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "disk quota exceeded")]
)
def test_a_full_disk_is_said_in_one_line(tmp_path: Path, number: int, words: str) -> None:
    path = tmp_path / "new" / "file"
    with (
        pytest.raises(
            OSError, match=f"^{path}: {words}: 3 GB needed, .* free; make room"
        ) as caught,
        writing(path, needed=3 * 10**9),
    ):
        raise OSError(number, os.strerror(number))
    assert caught.value.errno == number
    assert list(path.parent.iterdir()) == []
    other = PermissionError(errno.EACCES, "denied")
    assert room_error(path, other) is other
    with pytest.raises(PermissionError) as denied, writing(path):
        raise other
    assert denied.value.__cause__ is None


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1234, "1.23 kB"), (3.2e9, "3.2 GB")]
)
def test_sizes_in_words(size: float, words: str) -> None:
    assert atomic.readable_size(size) == words


def test_what_is_written_is_synced_before_it_is_moved(tmp_path: Path, monkeypatch) -> None:
    events = []
    sync, move = atomic.sync, Path.replace
    monkeypatch.setattr(atomic, "sync", lambda path: (events.append(path.name), sync(path)))
    monkeypatch.setattr(
        Path, "replace", lambda path, to: (events.append("moved"), move(path, to))[1]
    )
    atomic.write_text(tmp_path / "file", "x")
    assert [e.startswith(".file.") or e for e in events] == [True, "moved", tmp_path.name]
    events.clear()
    (tmp_path / "below").mkdir()
    atomic.sync_all(tmp_path)
    assert sorted(events) == sorted(["file", tmp_path.name, "below"])
