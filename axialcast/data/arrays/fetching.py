"""Bytes of a Zarr store: read from a file, asked of an object store, or of any other store."""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import obstore
import obstore.exceptions
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.buffer import default_buffer_prototype
from zarr.storage import LocalStore, MemoryStore, ObjectStore, ZipStore

from axialcast.data.arrays.borrowed import sync
from axialcast.data.arrays.failures import reason
from axialcast.data.arrays.memory import workspace
from axialcast.disclosure import shown

__all__ = ["Encoded", "Fetch", "Span", "fetcher", "is_remote", "refuse_fork"]

ATTEMPTS = 3
"""Times that a remote chunk is asked for before the reader gives up."""
PAUSE_SECONDS = 0.5
"""Pause after the first attempt; twice as long after the second."""
TIMEOUT_SECONDS = 60.0
"""Longest wait for one answer of a store that has no limit of its own."""

Encoded = bytes | memoryview | NDArray[np.uint8]
Span = tuple[int, int]
"""Offset and length in bytes; a negative offset counts from the end."""
Fetch = Callable[[str, Span | None], Encoded | None]
"""Bytes of a key, all or from a span, as far as there are any; None where there is no such key."""


def is_remote(store: Store) -> bool:
    """Whether reading a store waits for a network."""
    if isinstance(store, ObjectStore):
        return not isinstance(store.store, obstore.store.LocalStore | obstore.store.MemoryStore)
    return not isinstance(store, LocalStore | MemoryStore | ZipStore)


def fetcher(store: Store) -> Fetch:
    """What reads a store.

    What it returns may be overwritten by the next call of the same thread. It raises a
    ConnectionError where a store that is no local folder cannot be reached.
    """
    if isinstance(store, LocalStore):
        return _files(str(store.root))
    fetch = _objects(store.store) if isinstance(store, ObjectStore) else _any(store)
    return _patient(fetch, store) if is_remote(store) else _named(fetch, store)


def _files(root: str) -> Fetch:
    def fetch(key: str, span: Span | None) -> Encoded | None:
        try:
            file = os.open(f"{root}/{key}", os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            size = os.fstat(file).st_size
            offset, length = span or (0, size)
            start = offset if offset >= 0 else max(0, offset + size)
            out = workspace("encoded", max(0, min(length, size - start)))
            return out[: os.preadv(file, [out.data], start)]
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}: {root}/{key}") from None
        finally:
            os.close(file)

    return fetch


def _objects(store: Any) -> Fetch:
    def last(key: str, length: int) -> Any:
        try:
            return obstore.get(store, key, options={"range": {"suffix": length}}).bytes()
        except obstore.exceptions.NotSupportedError:  # of Azure
            size = obstore.head(store, key)["size"]
            return obstore.get_range(store, key, start=max(0, size - length), end=size)

    def fetch(key: str, span: Span | None) -> Encoded | None:
        refuse_fork()
        try:
            if span is None:
                found: Any = obstore.get(store, key).bytes()
            elif span[0] < 0:
                found = last(key, span[1])
            else:
                found = obstore.get_range(store, key, start=span[0], length=span[1])
        except FileNotFoundError:
            return None
        return memoryview(found)

    return fetch


class ForkedError(RuntimeError):
    """A process that was forked after obstore was used, which would hang there."""


_fetching: set[int] = set()
"""The process that used obstore first."""


def refuse_fork() -> None:
    """To be called before obstore is used, by whoever opens or reads.

    Raises:
        ForkedError: this process was forked from one that had called it.
    """
    if not _fetching:
        _fetching.add(os.getpid())
    elif os.getpid() not in _fetching:
        raise ForkedError(
            "stores behind a URL cannot be read in a process that was forked after they were; "
            "start processes with the method spawn"
        )


def _any(store: Store) -> Fetch:
    def fetch(key: str, span: Span | None) -> Encoded | None:
        match span:
            case None:
                request: ByteRequest | None = None
            case (offset, _) if offset < 0:
                request = SuffixByteRequest(-offset)
            case (offset, length):
                request = RangeByteRequest(offset, offset + length)
        answer = store.get(key, default_buffer_prototype(), byte_range=request)
        found = sync(answer, timeout=TIMEOUT_SECONDS)
        return None if found is None else found.to_bytes()

    return fetch


REFUSED = (
    PermissionError,
    obstore.exceptions.PermissionDeniedError,
    obstore.exceptions.UnauthenticatedError,
)
"""Answers of a server that stay the same when it is asked again."""


def _patient(fetch: Fetch, store: Store) -> Fetch:
    """Asks up to ATTEMPTS times, where it is transport that failed.

    Its errors stand alone: those of a client may hold a signed address.
    """
    name = shown(str(store))

    def ask(key: str, span: Span | None) -> Encoded | None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return fetch(key, span)
            except REFUSED as error:
                raise PermissionError(
                    f"{name}: chunk {key} is refused ({reason(error)}); see data.storage_options"
                ) from None
            except Exception as error:  # every store has errors of its own
                if not _is_transport(error):
                    raise
                if attempt == ATTEMPTS:
                    raise ConnectionError(
                        f"{name}: chunk {key} cannot be read ({reason(error)}), tried {ATTEMPTS} "
                        "times; check the address and the network"
                    ) from None
                time.sleep(PAUSE_SECONDS * attempt)
        raise AssertionError

    return ask


LOCAL = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""Errors of the system that are no failure of a network."""


def _named(fetch: Fetch, store: Store) -> Fetch:
    """Asks once, and says what cannot be read."""
    name = shown(str(store))

    def ask(key: str, span: Span | None) -> Encoded | None:
        try:
            return fetch(key, span)
        except (ForkedError, MemoryError):
            raise
        except Exception as error:  # every store has errors of its own
            raise OSError(f"{name}: chunk {key} cannot be read ({reason(error)})") from None

    return ask


def _is_transport(error: Exception) -> bool:
    """Whether an error is one of the way to a store: of the system, or of a client's own kind.

    Clients derive errors of their own from Exception; what Python itself raises for a wrong value,
    a defect or want of memory would be the same at the next attempt.
    """
    if isinstance(error, OSError):
        return not isinstance(error, LOCAL)
    own = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
    return own is Exception
