"""A folder here that an object store has a copy of: what is written here goes there, whole.

Object stores know no folders, links, renames, locks, or files that grow; a working folder on this
machine has them. `Mirror.pull` makes the folder what the store holds, `Mirror.push` the store what
the folder holds, and a push that is killed leaves no inventory and no stamp beside files that are
not theirs: those of what changes are taken away first, and come last.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import obstore
from obstore.exceptions import BaseError

from axialcast.files.atomic import SUFFIX, write_json, writing
from axialcast.files.documents import read_document
from axialcast.files.inventory import FOLDER
from axialcast.files.leasing import LEASE, PROBE

__all__ = ["Mirror", "objects"]

TOKEN = ".working_folder.json"
"""Object that says which working folder wrote last."""
MARK = ".ours"
"""Object that stands for the `.inventory/` of a folder while its inventories may be away."""
NUM_AT_ONCE = 8
NUM_TOGETHER = 1_000
"""Objects that S3 deletes by one request."""
PART_BYTES, MOST_PARTS = 8 * 2**20, 9_000
"""Files larger than one part are sent in parts, of which S3 takes ten thousand."""


class Known(NamedTuple):
    """A file as it was when it and its object were the same.

    Args:
        size, changed: bytes, and the time of its last change (ns).
        tag: ETag of the object.
    """

    size: int
    changed: int
    tag: str


UNKNOWN = Known(-1, -1, "")
"""Of an object that is this folder's, and may hold anything."""


class Mirror:
    """A working folder and the prefix of an object store that it is copied to.

    Args:
        folder: the working folder; nothing but this mirror and one run writes there.
        store: an obstore store, whose prefix is the folder's counterpart.
        record: file beside the folder, for what is known of both.
        stamps: name of the folder whose files say that all else is whole.
        require: called before each change of the store; raises where it is not this mirror's.
    """

    def __init__(
        self,
        folder: Path,
        store: Any,
        record: Path,
        stamps: str,
        require: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.store, self.stamps, self._require = folder, store, stamps, require
        self._record = record
        self._known: dict[str, Known] = {}
        self._id, self._is_settled = uuid.uuid4().hex, False
        with suppress(FileNotFoundError, ValueError):
            found = read_document(record, "id", "settled", "files")
            self._id, self._is_settled = found["id"], found["settled"]
            self._known = {name: Known(*values) for name, values in found["files"].items()}

    def pull(self) -> None:
        """Makes the folder what the store holds, unless it is what a killed run left to be pushed.

        Objects whose files are here already are not read again.
        """
        if self._wrote_last() and not self._is_settled:
            self._compare()
            return
        there = {name: meta for name, meta in self._objects().items() if name not in (TOKEN, LEASE)}
        self._delete([name for name in there if name.startswith(PROBE)])
        there = {name: meta for name, meta in there.items() if not name.startswith(PROBE)}
        here = self._files(marked=True)
        for name in here.keys() - there.keys():
            (self.folder / name).unlink(missing_ok=True)
        _each(
            lambda name: self._fetch(name, there[name]),
            (name for name in there if not self._is_same(name, here, there[name]["e_tag"])),
        )
        self._known = {name: self._known[name] for name in there}
        for top, _, _ in os.walk(self.folder, topdown=False):
            if Path(top).name != FOLDER or f"{self._name(Path(top))}/{MARK}" not in there:
                with suppress(OSError):
                    os.rmdir(top)  # only if it is empty
        self._save(settled=True)

    def begin(self) -> None:
        """Says that from now on this folder is ahead of the store."""
        self._save(settled=False)
        if not self._wrote_last():
            self._require()
            obstore.put(self.store, TOKEN, json.dumps({"id": self._id}).encode())

    def push(self, *, settled: bool = False) -> None:
        """Makes the store hold what the folder holds; what changes meanwhile waits for the next.

        Args:
            settled: whether the run has ended, so that nothing here is ahead of the store.
        """
        here = self._files(marked=not settled)
        last = {name: self._read(name) for name in here if self._comes_last(name)}
        changed = [name for name in here if not self._is_same(name, here)]
        gone = self._known.keys() - here.keys()
        self._delete(self._outdated(changed, gone))
        self._announce(changed)
        _each(lambda name: self._send(name, here[name]), (n for n in changed if n not in last))
        stamps = [name for name in changed if self._is_stamp(name)]
        for name in (name for name in changed if name in last and name not in stamps):
            self._put_last(name, last[name], here[name])
        # After what says that its successor is whole, and before what says that nothing is left.
        self._delete(gone)
        for name in stamps:
            self._put_last(name, last[name], here[name])
        self._save(settled=settled)

    def _compare(self) -> None:
        """Forgets what a killed run knew of objects that are gone, or others, by now.

        Files that are not here any more are fetched: a folder for scratch may have been purged.
        """
        there, here = self._objects(), self._files(marked=True)
        lost = [
            name
            for name, known in self._known.items()
            if name in there and name not in here and there[name]["e_tag"] == known.tag
            if not name.endswith(f"/{MARK}")
        ]
        _each(lambda name: self._fetch(name, there[name]), lost)
        self._known = {
            name: known if there[name]["e_tag"] == known.tag else UNKNOWN
            for name, known in self._known.items()
            if name in there
        }

    def _announce(self, names: Iterable[str]) -> None:
        """Notes what is about to be sent: killed after that, it is still known to be ours."""
        if new := [name for name in names if name not in self._known]:
            self._known |= dict.fromkeys(new, UNKNOWN)
            self._save(settled=False)

    def _wrote_last(self) -> bool:
        try:
            found = json.loads(bytes(obstore.get(self.store, TOKEN).bytes()))
            return bool(found["id"] == self._id)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return False

    def _objects(self) -> dict[str, Any]:
        return objects(self.store)

    def _files(self, *, marked: bool) -> dict[str, tuple[int, int]]:
        """Size and time of change of each file in the folder that is to be in the store.

        Args:
            marked: also of marks, which are in the store alone.
        """
        found = {}
        for top, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.endswith(SUFFIX)]
            for name in names:
                path = Path(top, name)
                state = None if name.endswith(SUFFIX) or name == LEASE else _state(path)
                if state is not None:
                    found[self._name(path)] = state
            if Path(top).name == FOLDER and (marked or not names):
                found[f"{self._name(Path(top))}/{MARK}"] = (0, 0)
        return found

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _is_same(
        self, name: str, here: Mapping[str, tuple[int, int]], tag: str | None = None
    ) -> bool:
        known = self._known.get(name)
        return known is not None and here.get(name) == known[:2] and tag in (None, known.tag)

    def _is_stamp(self, name: str) -> bool:
        return name.startswith(f"{self.stamps}/") and not name.endswith(".progress.json")

    def _comes_last(self, name: str) -> bool:
        return self._is_stamp(name) or _is_inventory(name)

    def _outdated(self, changed: Iterable[str], gone: Iterable[str]) -> list[str]:
        """Objects that say of others what will not be so in a moment."""
        replaced = [name for name in changed if name in self._known]
        data = [name for name in replaced if not self._comes_last(name)]
        folders = {str(above) for name in data for above in Path(name).parents}
        return [
            name
            for name in {*replaced, *gone}
            if self._is_stamp(name)
            or (_is_inventory(name) and str(Path(name).parent.parent) in folders)
        ]

    def _fetch(self, name: str, meta: Mapping[str, Any]) -> None:
        path = self.folder / name
        if path.name == MARK:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._known[name] = Known(0, 0, meta["e_tag"])
            return
        with writing(path, needed=meta["size"]) as partial, partial.open("wb") as file:
            for part in obstore.get(self.store, name).stream(min_chunk_size=PART_BYTES):
                file.write(part)
        state = _state(path)
        assert state is not None
        self._known[name] = Known(*state, meta["e_tag"])

    def _send(self, name: str, state: tuple[int, int]) -> None:
        if name.endswith(f"/{MARK}"):
            self._put(name, b"", state)
            return
        with suppress(FileNotFoundError):  # it was there, and is no more: the next push tells
            self._put(name, self.folder / name, state)

    def _put(self, name: str, content: Path | bytes, state: tuple[int, int]) -> None:
        size = max(PART_BYTES, state[0] // MOST_PARTS)
        self._require()
        sent = obstore.put(self.store, name, content, chunk_size=size)
        self._known[name] = Known(*state, sent["e_tag"] or "")

    def _put_last(self, name: str, content: bytes | None, state: tuple[int, int]) -> None:
        """Puts what speaks of others, unless it changed meanwhile: the next push tells."""
        if content is not None and _state(self.folder / name) == state:
            self._put(name, content, state)

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def _delete(self, names: Iterable[str]) -> None:
        """Stamps first, then inventories, then what they speak of."""

        def rank(name: str) -> tuple[bool, bool]:
            return not self._is_stamp(name), not _is_inventory(name)

        for _, alike in groupby(sorted(names, key=rank), key=rank):
            gone = list(alike)
            for start in range(0, len(gone), NUM_TOGETHER):
                self._delete_together(gone[start : start + NUM_TOGETHER])
            for name in gone:
                self._known.pop(name, None)

    def _delete_together(self, names: list[str]) -> None:
        """In one request where the store knows such, and all of them are there."""

        def delete(name: str) -> None:
            self._require()
            with suppress(FileNotFoundError):
                obstore.delete(self.store, name)

        self._require()
        try:
            obstore.delete(self.store, names)
        except (BaseError, FileNotFoundError):
            _each(delete, names)

    def _save(self, *, settled: bool) -> None:
        files = {name: list(known) for name, known in sorted(self._known.items())}
        write_json(self._record, {"id": self._id, "settled": settled, "files": files})


def objects(store: Any) -> dict[str, Any]:
    """What a prefix holds, by name, without the empty objects that consoles make for folders."""
    found = {meta["path"]: meta for page in obstore.list(store) for meta in page}
    folders = {str(above) for name in found for above in PurePosixPath(name).parents} | {""}
    return {n: meta for n, meta in found.items() if meta["size"] or n not in folders}


def _is_inventory(name: str) -> bool:
    path = Path(name)
    return path.parent.name == FOLDER and path.name != MARK


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _each(work: Callable[[str], None], names: Iterable[str]) -> None:
    """Does so with all names; what has not begun when one fails is left."""
    with ThreadPoolExecutor(NUM_AT_ONCE, "axialcast-mirror") as pool:
        jobs = [pool.submit(work, name) for name in names]
        wait(jobs, return_when=FIRST_EXCEPTION)
        for begun in [job for job in jobs if not job.cancel()]:
            begun.result()
