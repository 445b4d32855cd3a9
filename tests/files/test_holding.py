"""One folder, one run: real processes that hold, die, and race."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from axialcast.files import holding
from axialcast.files.atomic import start_of, this_host
from axialcast.files.holding import NAME, FolderHeldError, hold, holder

HOLDS = """
import sys, time
from pathlib import Path
from axialcast.files.holding import hold
with hold(Path(sys.argv[1])):
    print("holds", flush=True)
    sys.stdin.readline()
"""

RACES = """
import sys, time
from pathlib import Path
from axialcast.files.holding import FolderHeldError, hold
folder = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    with hold(folder):
        print("won", flush=True)
        sys.stdin.readline()
except FolderHeldError:
    print("held", flush=True)
"""


def start(program: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=60)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the folder."""
    process = start(HOLDS, tmp_path / "run")
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.communicate()


def pretend(folder: Path, *, silent: float = 0.0, **changes: object) -> None:
    """Writes the file of a holder that nobody locks."""
    known = {"host": "elsewhere", "pid": 17, "start": 23, "since": "2001-01-01T00:00:00+00:00"}
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_text(json.dumps(known | changes))
    then = time.time() - silent
    os.utime(folder / NAME, (then, then))


def holds(folder: Path) -> bool:
    """Whether this process could hold the folder, and gave it back."""
    try:
        with hold(folder):
            known = holder(folder)
            assert known is not None
            assert (known.pid, known.is_alive) == (os.getpid(), True)
        assert not (folder / NAME).exists()
        return True
    except FolderHeldError:
        return False


def test_the_second_is_told_who_holds_the_folder(tmp_path: Path, other) -> None:
    known = holder(tmp_path / "run")
    assert (known.host, known.pid, known.is_alive) == (this_host(), other.pid, True)
    assert known.start == start_of(other.pid)
    line = rf"run: held by process {other.pid} on {this_host()} since 20.*\+00:00; wait for it, "
    with pytest.raises(FolderHeldError, match=line), hold(tmp_path / "run"):
        pass
    began = time.monotonic()
    with pytest.raises(FolderHeldError), hold(tmp_path / "run", wait_seconds=0.2):
        pass
    assert time.monotonic() - began >= 0.2
    end(other)
    assert holds(tmp_path / "run")


def test_a_folder_that_was_given_back_is_clean(tmp_path: Path) -> None:
    with hold(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").touch()
        with pytest.raises(FolderHeldError), hold(tmp_path / "a" / "b"):
            pass
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]
    with hold(tmp_path / "empty"):
        pass
    assert not (tmp_path / "empty").exists()
    assert holder(tmp_path / "empty") is None
    with pytest.raises(RuntimeError), hold(tmp_path / "a"):
        raise RuntimeError
    assert holder(tmp_path / "a") is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_who_was_killed_holds_nothing(tmp_path: Path, other, number) -> None:
    other.send_signal(number)
    other.wait()
    known = holder(tmp_path / "run")
    assert (known.pid, known.is_alive) == (other.pid, False)
    assert holds(tmp_path / "run")


def test_who_sleeps_holds_the_folder(tmp_path: Path, other) -> None:
    other.send_signal(signal.SIGSTOP)
    then = time.time() - 3600
    os.utime(tmp_path / "run" / NAME, (then, then))
    assert not holds(tmp_path / "run")
    other.send_signal(signal.SIGCONT)


def test_a_process_that_got_the_number_of_a_dead_one_holds_nothing(
    tmp_path: Path, monkeypatch
) -> None:
    me = {"host": this_host(), "pid": os.getpid(), "start": start_of(os.getpid())}
    for has_locks in (True, False):
        if not has_locks:
            monkeypatch.setattr(holding, "_is_locked", lambda _: None)
        pretend(tmp_path, **me | {"start": me["start"] + 1})
        assert holds(tmp_path)
    # Without locks the number and the start are all there is.
    pretend(tmp_path, **me)
    assert not holds(tmp_path)


@pytest.mark.parametrize("has_locks", [True, False])
def test_another_host_counts_until_it_was_silent_for_two_minutes(
    tmp_path: Path, monkeypatch, has_locks: bool
) -> None:
    if not has_locks:
        monkeypatch.setattr(holding, "_is_locked", lambda _: None)
    pretend(tmp_path, silent=60.0)
    with pytest.raises(FolderHeldError, match="process 17 on elsewhere since 2001"), hold(tmp_path):
        pass
    assert 59 < holder(tmp_path).silent_seconds < 90
    pretend(tmp_path, silent=121.0)
    assert holder(tmp_path).is_alive is False
    assert holds(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"host": "a"}', b'{"pid": 1e999}']
)
def test_a_file_of_something_else_holds_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    if not content:
        # Where a file system has no links, it may be about to be written.
        assert not holds(tmp_path)
        os.utime(tmp_path / NAME, (1, 1))
    assert holds(tmp_path)


def test_a_holder_whose_file_was_written_over_still_holds(tmp_path: Path, other) -> None:
    (tmp_path / "run" / NAME).write_text("garbage")
    assert not holds(tmp_path / "run")
    end(other)
    assert holds(tmp_path / "run")


def test_it_is_touched_while_it_is_held(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(holding, "TOUCH_SECONDS", 0.01)
    with hold(tmp_path):
        os.utime(tmp_path / NAME, (0, 0))
        deadline = time.monotonic() + 60
        while (tmp_path / NAME).stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_who_lost_the_folder_does_not_give_away_anothers(tmp_path: Path) -> None:
    with hold(tmp_path):
        (tmp_path / NAME).unlink()
        pretend(tmp_path)
    assert holder(tmp_path).host == "elsewhere"


@pytest.mark.parametrize(
    ("rounds", "racers"), [(3, 6), pytest.param(30, 12, marks=pytest.mark.slow)]
)
def test_of_many_who_race_for_a_dead_ones_folder_one_wins(
    tmp_path: Path, rounds: int, racers: int
) -> None:
    for number in range(rounds):
        folder = tmp_path / str(number)
        dead = start(HOLDS, folder)
        assert dead.stdout.readline() == "holds\n"
        (folder / "work").touch()
        dead.kill()
        dead.communicate()
        processes = [start(RACES, folder) for _ in range(racers)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.stdout.readline() for process in processes]
        for process in processes:
            end(process)
        assert sorted(said) == ["held\n"] * (racers - 1) + ["won\n"]
        assert [path.name for path in folder.iterdir()] == ["work"]


def test_processes_that_take_turns_in_a_folder_without_files(tmp_path: Path) -> None:
    """Each removes the empty folder as it leaves, under the eyes of those who wait."""
    program = """
import sys
from pathlib import Path
from axialcast.files.holding import hold
for _ in range(60):
    with hold(Path(sys.argv[1]), wait_seconds=60):
        pass
"""
    processes = [start(program, tmp_path / "run") for _ in range(4)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: object, target: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(source))

    monkeypatch.setattr(os, "link", link)
    with hold(tmp_path):
        held = holder(tmp_path)
        assert held is not None
        assert (held.pid, held.is_alive) == (os.getpid(), True)
        with pytest.raises(FolderHeldError), hold(tmp_path):
            pass
    assert not tmp_path.exists(), "an empty folder goes"


@pytest.mark.parametrize("name", ["link", "link/run", "file", "file/run"])
def test_what_is_no_folder_is_no_hold_to_wait_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=name.partition("/")[0]), hold(tmp_path / name):
        pass


def test_a_working_directory_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError), hold(Path("run")):
        pass
