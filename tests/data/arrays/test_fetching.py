"""Bytes of every kind of store: the same ones, or None, or one line that says why not."""

import asyncio
import os
import pickle

import obstore
import obstore.exceptions
import pytest
import zarr

from axialcast.data import open_analysis
from axialcast.data.arrays import fetching
from axialcast.data.arrays.fetching import fetcher, is_remote

CONTENT = bytes(range(53))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a" / "c").mkdir(parents=True)
    (tmp_path / "a" / "c" / "0").write_bytes(CONTENT)
    (tmp_path / "a" / "c" / "1").write_bytes(b"")
    return tmp_path


STORES = {
    "folder": lambda path: zarr.storage.LocalStore(path, read_only=True),
    "objects": lambda path: zarr.storage.ObjectStore(
        obstore.store.LocalStore(str(path)), read_only=True
    ),
    "any": lambda path: zarr.storage.WrapperStore(zarr.storage.LocalStore(path)),
}


@pytest.mark.parametrize("kind", STORES)
def test_the_whole_a_part_and_the_end(folder, kind):
    fetch = fetcher(STORES[kind](folder))
    for span, want in [
        (None, CONTENT),
        ((0, 53), CONTENT),
        ((7, 11), CONTENT[7:18]),
        ((50, 2), CONTENT[50:52]),
        ((-5, 5), CONTENT[-5:]),
    ]:
        assert bytes(fetch("a/c/0", span)) == want
    assert bytes(fetch("a/c/1", None)) == b""
    for span in (None, (0, 5), (-5, 5)):
        assert fetch("a/c/2", span) is None


def test_who_waits_for_a_network(folder):
    assert [is_remote(make(folder)) for make in STORES.values()] == [False, False, True]
    http = zarr.storage.ObjectStore(obstore.store.HTTPStore("https://example.org/a"))
    assert is_remote(pickle.loads(pickle.dumps(http)))


def test_an_end_that_a_store_cannot_give_is_found_by_its_size(folder, monkeypatch):
    get = obstore.get

    def no_suffix(store, key, *, options=None):
        if options is not None:
            raise obstore.exceptions.NotSupportedError("suffix")
        return get(store, key)

    monkeypatch.setattr(obstore, "get", no_suffix)
    fetch = fetcher(STORES["objects"](folder))
    assert bytes(fetch("a/c/0", (-5, 5))) == CONTENT[-5:]
    assert fetch("a/c/2", (-5, 5)) is None


class Broken(zarr.storage.WrapperStore):
    def __init__(self, store):
        super().__init__(store)
        self.asked = []

    async def get(self, key, prototype, byte_range=None):
        self.asked.append(key)
        raise OSError("500 Internal Server Error")


class Hanging(Broken):
    async def get(self, key, prototype, byte_range=None):
        self.asked.append(key)
        await asyncio.sleep(0.5)


@pytest.mark.parametrize(
    ("kind", "message"), [(Broken, "500 Internal Server Error"), (Hanging, "TimeoutError")]
)
def test_a_store_that_fails_or_hangs_is_asked_three_times(folder, monkeypatch, kind, message):
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(fetching, "TIMEOUT_SECONDS", 0.05)
    store = kind(zarr.storage.LocalStore(folder))
    with pytest.raises(ConnectionError, match=rf"chunk a/c/0 .*{message}.*tried 3 times") as raised:
        fetcher(store)("a/c/0", None)
    assert store.asked == ["a/c/0"] * 3
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("no such codec"), ValueError),
        (MemoryError("too much"), MemoryError),
        (TypeError("a defect"), TypeError),
        (KeyError("a defect"), KeyError),
        (PermissionError("403 Forbidden"), PermissionError),
        (obstore.exceptions.PermissionDeniedError("403 Forbidden"), PermissionError),
        (obstore.exceptions.UnauthenticatedError("401 Unauthorized"), PermissionError),
    ],
)
def test_what_is_no_failure_of_transport_is_what_it_is_and_asked_for_once(folder, error, kind):
    class Refusing(Broken):
        async def get(self, key, prototype, byte_range=None):
            self.asked.append(key)
            raise error

    store = Refusing(zarr.storage.LocalStore(folder))
    with pytest.raises(kind) as raised:
        fetcher(store)("a/c/0", None)
    assert not isinstance(raised.value, ConnectionError)
    assert "network" not in str(raised.value)
    assert store.asked == ["a/c/0"]


class ClientError(Exception):
    """As libraries of the network derive their own."""


@pytest.mark.parametrize(
    "error", [ClientError("reset"), obstore.exceptions.GenericError("reset"), TimeoutError("reset")]
)
def test_transport_that_fails_once_is_tried_again(folder, monkeypatch, error):
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.0)

    class Shaky(Broken):
        async def get(self, key, prototype, byte_range=None):
            self.asked.append(key)
            if len(self.asked) < 3:
                raise error
            return prototype.buffer.from_bytes(CONTENT)

    store = Shaky(zarr.storage.LocalStore(folder))
    assert fetcher(store)("a/c/0", None) == CONTENT
    assert len(store.asked) == 3


def test_a_folder_in_the_place_of_a_chunk_is_named(folder):
    (folder / "a" / "c" / "2").mkdir()
    with pytest.raises(OSError, match="a/c/2"):
        fetcher(zarr.storage.LocalStore(folder))("a/c/2", None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_is_told_and_does_not_hang(tmp_path, monkeypatch):
    (tmp_path / "key").write_bytes(b"value")
    fetch = fetcher(zarr.storage.ObjectStore(obstore.store.LocalStore(tmp_path), read_only=True))
    assert bytes(fetch("key", None)) == b"value"
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a child
    with pytest.raises(RuntimeError, match=r"forked after they .* the method spawn"):
        fetch("key", None)


def test_a_process_forked_after_opening_alone_is_told(analysis, tmp_path, monkeypatch):
    analysis.to_zarr(tmp_path / "a.zarr", zarr_format=2)
    store = zarr.storage.ObjectStore(
        obstore.store.LocalStore(str(tmp_path / "a.zarr")), read_only=True
    )
    monkeypatch.setattr(fetching, "_fetching", set())
    opened = open_analysis(store)
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a child
    for read in (opened.load, lambda: open_analysis(store)):
        with pytest.raises(RuntimeError, match="the method spawn"):
            read()
