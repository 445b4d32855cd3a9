"""A folder and its copy in an object store that lives in memory: whole after every kill."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore

from axialcast.files import inventory, leasing, mirroring
from axialcast.files.atomic import write_json, write_text
from axialcast.files.clearing import clear
from axialcast.files.holding import SILENT_SECONDS, FolderHeldError
from axialcast.files.leasing import LEASE, PROBE, Lease
from axialcast.files.mirroring import MARK, TOKEN, Mirror
from axialcast.files.outline import outline


def mirror(host: Path, store: Any, require: Callable[[], None] = lambda: None) -> Mirror:
    """That of a host, as a process that begins there finds it."""
    return Mirror(host / "run", store, host / "record.json", ".stages", require)


def made(folder: Path, text: str, num: int = 3) -> None:
    """A folder with an inventory and a stamp beside it, as a stage leaves them."""
    (folder / ".stages" / "made.json").unlink(missing_ok=True)
    clear(folder / "made")
    for index in range(num):
        write_text(folder / f"made/c/{index}", text * (index + 1))
    inventory.write(folder / "made", inventory.take(folder / "made"))
    write_json(
        folder / ".stages" / "made.json", inventory.fingerprint(inventory.read(folder / "made"))
    )


def state(folder: Path) -> None:
    """What a training goes on from."""
    for name in ("moments", "weights"):
        write_text(folder / name, f"{name} of {folder.name}")
    inventory.write(folder, inventory.take(folder))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def objects(store: Any) -> dict[str, bytes]:
    names = [meta["path"] for page in obstore.list(store) for meta in page]
    return {name: bytes(obstore.get(store, name).bytes()) for name in names if name != TOKEN}


def test_the_store_holds_what_the_folder_does(tmp_path: Path) -> None:
    store, here = MemoryStore(), tmp_path / "here"
    one = mirror(here, store)
    one.pull()
    one.begin()
    made(here / "run", "a")
    (here / "run/.x.host-1-2-3.partial").write_text("half")
    (here / "run/.held.json").write_text("held")
    one.push()
    assert f"made/.inventory/{MARK}" in objects(store)
    one.push(settled=True)
    (here / "run/.x.host-1-2-3.partial").unlink()
    (here / "run/.held.json").unlink()
    assert objects(store) == contents(here / "run")
    there = tmp_path / "there"
    mirror(there, store).pull()
    assert contents(there / "run") == contents(here / "run")


def test_only_what_changed_is_sent_and_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, sent, got = MemoryStore(), list[str](), list[str]()
    one = mirror(tmp_path / "here", store)
    made(tmp_path / "here/run", "a")
    counted = SimpleNamespace(
        put=lambda store, name, *rest, **words: (
            sent.append(name),
            obstore.put(store, name, *rest, **words),
        )[1],
        get=lambda store, name: (got.append(name), obstore.get(store, name))[1],
        list=obstore.list,
        delete=obstore.delete,
    )
    monkeypatch.setattr(mirroring, "obstore", counted)
    one.begin()
    one.push(settled=True)
    assert sorted(sent) == sorted(
        ["made/.inventory/files.json", TOKEN, ".stages/made.json"]
        + [f"made/c/{index}" for index in range(3)]
    )
    sent.clear()
    write_text(tmp_path / "here/run/log", "line")
    one.push(settled=True)
    assert sent == ["log"]
    other = mirror(tmp_path / "there", store)
    other.pull()
    got.clear()
    write_text(tmp_path / "there/run/log", "another")
    other.begin()
    other.push(settled=True)
    mirror(tmp_path / "here", store).pull()
    assert [name for name in got if name != TOKEN] == ["log"]
    assert (tmp_path / "here/run/log").read_text() == "another"


def test_what_a_killed_run_left_here_goes_on_and_elsewhere_what_it_had_sent(tmp_path: Path) -> None:
    store, here, there = MemoryStore(), tmp_path / "here", tmp_path / "there"
    one = mirror(here, store)
    one.begin()
    made(here / "run", "a")
    one.push()
    write_text(here / "run/state", "newer")  # and is killed
    again = mirror(here, store)
    again.pull()
    assert (here / "run/state").read_text() == "newer"
    other = mirror(there, store)
    other.pull()
    assert not (there / "run/state").exists()
    other.begin()
    write_text(there / "run/made/c/9", "there")
    other.push(settled=True)
    mirror(here, store).pull()
    assert contents(here / "run") == contents(there / "run")


def test_what_others_removed_or_put_there_is_so_here(tmp_path: Path) -> None:
    store, here = MemoryStore(), tmp_path / "here"
    one = mirror(here, store)
    one.begin()
    made(here / "run", "a")
    one.push(settled=True)
    for name in [name for name in objects(store) if name.startswith("made/")]:
        obstore.delete(store, name)
    obstore.put(store, "notes.txt", b"a user's")
    one = mirror(here, store)
    one.pull()
    assert not (here / "run/made").exists()
    assert (here / "run/notes.txt").read_text() == "a user's"
    one.begin()
    one.push(settled=True)
    assert objects(store)["notes.txt"] == b"a user's"
    # What a cleaner of old files took away here is fetched again.
    (here / "run/notes.txt").unlink()
    one = mirror(here, store)
    one.pull()
    assert (here / "run/notes.txt").read_text() == "a user's"


def test_what_is_gone_is_deleted_by_few_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, here, asked = MemoryStore(), tmp_path / "here", list[int]()
    one = mirror(here, store)
    made(here / "run", "a", num=17)
    one.push()
    clear(here / "run/made")

    def delete(store: Any, names: list[str]) -> None:
        asked.append(len(names))
        obstore.delete(store, names)

    counted = SimpleNamespace(put=obstore.put, get=obstore.get, list=obstore.list, delete=delete)
    monkeypatch.setattr(mirroring, "obstore", counted)
    monkeypatch.setattr(mirroring, "NUM_TOGETHER", 7)
    one.push(settled=True)
    assert asked == [1, 7, 7, 4]  # the inventory, then data and the mark
    assert set(objects(store)) == {".stages/made.json"}


def test_probes_of_the_time_are_no_files(tmp_path: Path) -> None:
    store, here = MemoryStore(), tmp_path / "here"
    obstore.put(store, f"{PROBE}host-1-2", b"")  # of a process that was killed
    obstore.put(store, "notes.txt", b"a user's")
    assert outline(store, tmp_path / "seen", None) == 1
    mirror(here, store).pull()
    assert contents(here / "run") == contents(tmp_path / "seen") == objects(store)


class Killed(BaseException):
    """What stands for SIGKILL."""


class Dying:
    """obstore, until so many objects have been put or deleted."""

    def __init__(self, left: int) -> None:
        self.left, self.lock = left, threading.Lock()
        self.get, self.list = obstore.get, obstore.list

    def put(self, *given: Any, **words: Any) -> Any:
        self._count()
        return obstore.put(*given, **words)

    def delete(self, store: Any, names: str | list[str]) -> None:
        for name in [names] if isinstance(names, str) else names:
            self._count()
            obstore.delete(store, name)

    def _count(self) -> None:
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise Killed


def test_killed_anywhere_nothing_there_counts_as_whole_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirroring, "NUM_AT_ONCE", 1)
    for kill in range(100):
        store, here, there = MemoryStore(), tmp_path / f"{kill}/here", tmp_path / f"{kill}/there"
        one = mirror(here, store)
        one.begin()
        made(here / "run", "a")
        state(here / "run/states/1")
        one.push()
        made(here / "run", "b", num=2)
        clear(here / "run/states/1")
        state(here / "run/states/2")
        dying = Dying(kill)
        monkeypatch.setattr(mirroring, "obstore", dying)
        with suppress(Killed):
            one.push(settled=True)
        monkeypatch.setattr(mirroring, "obstore", obstore)
        other = mirror(there, store)
        other.pull()
        stamp, folder = there / "run/.stages/made.json", there / "run/made"
        if inventory.inventories(folder):
            assert inventory.problems(folder, read_all=True) == []
        if stamp.exists():
            fingerprint = inventory.fingerprint(inventory.read(folder))
            assert stamp.read_text() == f'"{fingerprint}"\n'
        states = (there / "run/states").iterdir()
        assert any(inventory.problems(path, read_all=True) == [] for path in states)
        clear(folder)  # ours still, whatever is there
        obstore.put(store, "notes.txt", b"a user's")
        (here / "run/made/c/0").unlink()
        with suppress(FileNotFoundError):
            obstore.delete(store, "made/c/1")
        again = mirror(here, store)
        again.pull()
        again.push(settled=True)
        users = {} if (here / "run/notes.txt").exists() else {"notes.txt": b"a user's"}
        assert objects(store) == contents(here / "run") | users
        if dying.left >= 0:
            break
    assert 5 < kill < 99


def test_who_stood_still_within_a_push_changes_nothing_of_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands still after each of the changes that a push makes, and another run takes over."""
    monkeypatch.setattr(mirroring, "NUM_AT_ONCE", 1)
    for stop in range(1, 100):
        store, here, there = MemoryStore(), tmp_path / f"{stop}/here", tmp_path / f"{stop}/there"
        mine, changes = Lease(store, "s3://b/run"), 0
        mine.take()
        one = mirror(here, store, mine.require)
        one.begin()
        made(here / "run", "a")
        one.push()
        made(here / "run", "b", num=2)
        theirs: dict[str, bytes] = {}

        def take_over(store: Any = store, there: Path = there, theirs: Any = theirs) -> None:
            stub = SimpleNamespace(clock_gettime=lambda clock: time.monotonic() + SILENT_SECONDS)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(mirroring, "obstore", obstore)
                obstore.put(store, LEASE, b"another's")
                other = mirror(there, store)
                other.pull()
                other.begin()
                made(there / "run", "c", num=4)
                other.push(settled=True)
            monkeypatch.setattr(leasing, "time", stub)
            theirs.update(objects(store))

        def changing(change: Callable[..., Any], stop: int = stop) -> Callable[..., Any]:
            def changed(*given: Any, **words: Any) -> Any:
                nonlocal changes
                answer = change(*given, **words)
                changes += 1
                if changes == stop:
                    take_over()
                return answer

            return changed

        with monkeypatch.context() as patch:
            stopping = SimpleNamespace(get=obstore.get, list=obstore.list)
            stopping.put, stopping.delete = changing(obstore.put), changing(obstore.delete)
            patch.setattr(mirroring, "obstore", stopping)
            with suppress(FolderHeldError):
                one.push(settled=True)
        if not theirs:
            break
        assert objects(store) == theirs
        with pytest.raises(FolderHeldError, match="s3://b/run: taken by another run"):
            mine.require()
        monkeypatch.setattr(leasing, "time", time)
    assert 5 < stop < 99


def test_a_file_that_changes_while_it_is_sent_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, here = MemoryStore(), tmp_path / "here"
    one = mirror(here, store)
    made(here / "run", "a")

    def put(store: Any, name: str, content: Any, **words: Any) -> Any:
        sent = obstore.put(store, name, content, **words)
        if name == "made/c/0" and not (here / "run/again").exists():
            (here / "run/again").touch()
            made(here / "run", "b")
            os.utime(here / "run/made/.inventory/files.json", ns=(1, 1))
        return sent

    patched = SimpleNamespace(put=put, get=obstore.get, list=obstore.list, delete=obstore.delete)
    monkeypatch.setattr(mirroring, "obstore", patched)
    one.begin()
    one.push()
    assert "made/.inventory/files.json" not in objects(store)
    assert ".stages/made.json" not in objects(store)
    one.push(settled=True)
    assert objects(store) == contents(here / "run")


def test_a_purged_working_folder_is_filled_again(tmp_path: Path) -> None:
    """Of a run that was killed: its record is there, files of it are not any more."""
    store, here = MemoryStore(), tmp_path / "here"
    one = mirror(here, store)
    one.begin()
    made(here / "run", "a")
    one.push()
    expected = objects(store)
    for name in ("made/c/1", ".stages/made.json"):
        (here / "run" / name).unlink()
    again = mirror(here, store)
    again.pull()
    again.push()
    assert objects(store) == expected
    assert (here / "run/made/c/1").read_text() == "aa"


def test_unfinished_folders_are_not_sent(tmp_path: Path) -> None:
    store, here = MemoryStore(), tmp_path / "here"
    write_text(here / "run/made/.staged.host-1-2-3.partial/0/x", "half")
    write_text(here / "run/made/x", "whole")
    mirror(here, store).push()
    assert set(objects(store)) == {"made/x"}


def test_objects_that_consoles_make_for_folders_are_none(tmp_path: Path) -> None:
    listed = [("", 0), ("made", 0), ("made/c", 0), ("made/c/0", 3), ("made/empty", 0)]
    pages = [[{"path": name, "size": size} for name, size in listed]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirroring, "obstore", SimpleNamespace(list=lambda store: pages))
        assert set(mirroring.objects(None)) == {"made/c/0", "made/empty"}
