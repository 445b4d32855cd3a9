"""One run at a time holds a prefix, by PUTs that fail; the store lives in memory."""

import json
import time
from datetime import timedelta
from types import SimpleNamespace

import obstore
import pytest
from obstore.store import MemoryStore

from axialcast.files import leasing
from axialcast.files.holding import SILENT_SECONDS, FolderHeldError
from axialcast.files.leasing import LEASE, Lease, held, lease


def another(host: str = "elsewhere", pid: int = 1) -> bytes:
    known = {"host": host, "pid": pid, "start": 1, "since": "2001-01-01", "lease": "x"}
    return json.dumps(known).encode()


def test_one_at_a_time_and_free_when_it_ends() -> None:
    store = MemoryStore()
    with lease(store, "s3://b/run") as mine:
        with pytest.raises(FolderHeldError, match=r"s3://b/run: held by process .* wait for it"):
            Lease(store, "s3://b/run").take()
        mine.beat()
        mine.beat()
        mine.require()
        found = held(store)
        assert found is not None
        assert found[0].is_alive
    assert [page for page in obstore.list(store) if page] == []
    with lease(store, "s3://b/run"):
        pass


def test_a_process_of_this_host_that_is_gone_holds_nothing() -> None:
    store = MemoryStore()
    obstore.put(store, LEASE, another(leasing.this_host(), 2**22 + 7))
    with lease(store, "s3://b/run") as mine:
        mine.require()


def test_of_another_host_two_minutes_of_silence_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = MemoryStore(), leasing._now
    obstore.put(store, LEASE, another())
    with pytest.raises(FolderHeldError, match="process 1 on elsewhere since 2001-01-01"):
        Lease(store, "s3://b/run").take()
    late = timedelta(seconds=SILENT_SECONDS + 1)
    monkeypatch.setattr(leasing, "_now", lambda store: now(store) + late)
    with lease(store, "s3://b/run"):
        assert obstore.get(store, LEASE).bytes() != another()


def test_who_stood_still_and_lost_it_is_told_and_takes_nothing_away() -> None:
    store = MemoryStore()
    with lease(store, "s3://b/run") as mine:
        obstore.put(store, LEASE, another())
        mine.beat()
        with pytest.raises(FolderHeldError, match="taken by another run while this one stood"):
            mine.require()
    assert bytes(obstore.get(store, LEASE).bytes()) == another()


def test_who_stood_still_asks_before_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    store, put, asked = MemoryStore(), obstore.put, list[str]()
    mine = Lease(store, "s3://b/run")
    mine.take()
    monkeypatch.setattr(
        obstore, "put", lambda *given, **words: (asked.append(""), put(*given, **words))[1]
    )
    mine.require()
    assert not asked  # nobody else can have it yet
    later(monkeypatch, SILENT_SECONDS)
    mine.require()
    mine.require()
    assert len(asked) == 1
    later(monkeypatch, 3 * SILENT_SECONDS)
    monkeypatch.setattr(obstore, "put", unreachable)
    with pytest.raises(ConnectionError, match="s3://b/run: does not answer"):
        mine.require()


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    clock = SimpleNamespace(clock_gettime=lambda which: time.clock_gettime(which) + seconds)
    monkeypatch.setattr(leasing, "time", clock)


def unreachable(*given: object, **words: object) -> None:
    raise obstore.exceptions.GenericError("no connection")


def test_of_two_that_take_over_one_does() -> None:
    store = MemoryStore()
    obstore.put(store, LEASE, another(leasing.this_host(), 2**22 + 7))
    found = held(store)
    assert found is not None
    Lease(store, "s3://b/run").take()
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.put(store, LEASE, b"late", mode=found[1])


def test_an_answer_that_was_lost() -> None:
    store, mine = MemoryStore(), Lease(MemoryStore(), "s3://b/run")
    mine.store = store
    obstore.put(store, LEASE, mine._text)
    mine.take()
    mine.beat()
    mine.require()
