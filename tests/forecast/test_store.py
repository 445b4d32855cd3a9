"""Forecast stores: sets of initial times, each complete or absent, whoever wrote them and when."""

import itertools
import multiprocessing
import os
import pickle
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.data.arrays.chunks import Chunks
from axialcast.files import inventory
from axialcast.forecast import ForecastStore, ForecastWriter, save_checkpoint
from axialcast.forecast.layout import CHUNK_BYTES, FIELD_BYTES, chunking

LEADS = np.array([24, 48, 72], "m8[h]").astype("m8[ns]")
INITS = np.datetime64("2001-01-29", "ns") + np.arange(7) * np.timedelta64(1, "D")


def forecast_of(inits, leads=LEADS):
    """A forecast whose values follow from its labels alone."""
    inits = np.asarray(inits)
    latitude, longitude, level = np.linspace(60, -60, 5), np.arange(11) * 30.0, [500.0, 850.0]
    day = inits.astype("M8[h]").astype(float)[:, None, None, None, None]
    lead = leads.astype("m8[h]").astype(float)[None, :, None, None, None]
    place = np.arange(2 * 5 * 11).reshape(2, 5, 11)
    values = (day % 1009 + lead / 7 + place).astype("f4")
    dims = ("init_time", "lead_time", "level", "latitude", "longitude")
    return xr.Dataset(
        {
            "geopotential": (dims, values, {"units": "m2 s-2"}),
            "mean_sea_level_pressure": ((*dims[:2], *dims[3:]), values[:, :, 0], {"units": "Pa"}),
        },
        {
            "init_time": inits,
            "lead_time": leads,
            "valid_time": (("init_time", "lead_time"), inits[:, None] + leads),
            "level": level,
            "latitude": latitude,
            "longitude": longitude,
        },
        {"title": "axialcast forecast"},
    )


def write(path, inits, *, block=2, planned=None, **options):
    """Writes what a store lacks of these initial times."""
    inits = np.asarray(inits)
    template = forecast_of(inits if planned is None else planned)
    with ForecastWriter(path, template, **options) as writer:
        missing = writer.store.missing(inits)
        for first in range(0, len(missing), block):
            writer.write(forecast_of(inits[missing[first : first + block]]))
    return writer.store


def check(path, inits):
    """The store holds these initial times, whole, and nothing else lies in it."""
    expected = forecast_of(np.sort(inits))
    xr.testing.assert_identical(
        ForecastStore(path).dataset().load().drop_attrs(), expected.drop_attrs()
    )
    assert inventory.problems(path, read_all=True) == []
    assert not [p for p in Path(path).rglob(".*") if p.name != inventory.FOLDER]


def test_it_is_plain_zarr(tmp_path):
    write(tmp_path / "a.zarr", INITS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = xr.open_zarr(tmp_path / "a.zarr", decode_timedelta=True).load()
        names = dict(zarr.open_group(tmp_path / "a.zarr", mode="r").arrays())
    xr.testing.assert_equal(read, forecast_of(INITS))
    assert set(names) == set(read.variables)
    check(tmp_path / "a.zarr", INITS)


def test_absent_initial_times_read_as_nan(tmp_path):
    write(tmp_path / "a.zarr", INITS[[1, 3]], planned=INITS)
    read = xr.open_zarr(tmp_path / "a.zarr", decode_timedelta=True).load()
    np.testing.assert_array_equal(read.init_time, INITS)
    absent = [0, 2, 4, 5, 6]
    assert np.isnan(read.geopotential[absent]).all()
    assert np.isnan(read.mean_sea_level_pressure[absent]).all()
    xr.testing.assert_equal(read.isel(init_time=[1, 3]), forecast_of(INITS[[1, 3]]))
    store = ForecastStore(tmp_path / "a.zarr")
    assert store.missing(INITS) == absent
    np.testing.assert_array_equal(store.dataset().init_time, INITS[[1, 3]])
    assert list(store.complete()) == ["2001-01-30T00:00:00", "2001-02-01T00:00:00"]


def test_values_are_read_when_asked_for_each_chunk_once(tmp_path, monkeypatch):
    """Also in another process, and as a part of the store."""
    write(tmp_path / "a.zarr", INITS[[1, 3, 4]], planned=INITS)
    read, original = [], Chunks.read
    monkeypatch.setattr(
        Chunks, "read", lambda self, where, out: read.append(where) or original(self, where, out)
    )
    dataset = ForecastStore(tmp_path / "a.zarr").dataset()
    assert dataset.chunks == {}
    part = dataset.isel(init_time=[0, 2], lead_time=slice(1, 3)).sel(level=850)
    assert read == []
    for again in (part, pickle.loads(pickle.dumps(part))):
        xr.testing.assert_equal(
            again.load(), forecast_of(INITS[[1, 4]]).isel(lead_time=slice(1, 3)).sel(level=850)
        )
        assert sorted(read) == [(1, 0, 0, 0), (1, 0, 0, 0, 0), (4, 0, 0, 0), (4, 0, 0, 0, 0)]
        read.clear()


def test_a_chunk_that_is_lost_is_no_nan(tmp_path):
    write(tmp_path / "a.zarr", INITS)
    (tmp_path / "a.zarr/geopotential/c/2/0/0/0/0").unlink()
    dataset = ForecastStore(tmp_path / "a.zarr").dataset()
    with pytest.raises(
        ValueError, match=r"c/2/0/0/0/0 is missing.*Run the pipeline forecast again"
    ):
        dataset.geopotential.load()
    xr.testing.assert_equal(dataset.drop_isel(init_time=2).load(), forecast_of(np.delete(INITS, 2)))


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(7)), st.lists(st.integers(0, 7), max_size=3), st.integers(1, 3))
def test_equal_sets_are_equal_to_the_byte(tmp_path_factory, content, order, cuts, block):
    folder = tmp_path_factory.mktemp("stores")
    write(folder / "one.zarr", INITS)
    edges = [0, *sorted(cuts), 7]
    for first, last in itertools.pairwise(edges):
        if last > first:
            write(folder / "many.zarr", INITS[list(order[first:last])], block=block)
    assert content(folder / "many.zarr") == content(folder / "one.zarr")


def test_growing_leaves_old_chunks_as_they_are(tmp_path):
    write(tmp_path / "a.zarr", INITS[:4])
    chunks = tmp_path / "a.zarr" / "geopotential" / "c"
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in chunks.iterdir()}
    write(tmp_path / "a.zarr", INITS)
    after = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in chunks.iterdir()}
    assert {name: after[name] for name in before} == before
    # Half an hour, and another century: no time needs another encoding.
    odd = np.array(["1899-12-31T23:30", "2150-06-01"], "M8[ns]")
    write(tmp_path / "a.zarr", odd)
    check(tmp_path / "a.zarr", [*INITS, *odd])


@pytest.mark.parametrize("step", [59, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_at_any_event_it_goes_on(tmp_path, content, killed_at, step):
    """Made, grown at the end, grown in the middle: dies before an event, then goes on."""

    def make(path):
        write(path, INITS[[1, 2, 5]])
        write(path, INITS[[1, 2, 5, 6]])
        write(path, INITS)

    make(tmp_path / "whole.zarr")
    expected = content(tmp_path / "whole.zarr")
    for number in itertools.count(1, step):
        path = tmp_path / f"{number}.zarr"
        died = killed_at(partial(make, path), number, path)
        make(path)
        assert content(path) == expected, f"event {number}"
        if not died:
            break
    assert number > 300


def test_killed_while_it_goes_on(tmp_path, content, killed_at):
    """One process after another dies a few events later than the one before it."""
    write(tmp_path / "whole.zarr", INITS)
    path = tmp_path / "a.zarr"
    write(path, INITS[3:5])
    deaths = 0
    while killed_at(lambda: write(path, INITS), 60 + 2 * deaths, path):
        deaths += 1
    assert deaths > 5
    assert content(path) == content(tmp_path / "whole.zarr")


@pytest.mark.parametrize("grow", [False, True], ids=["planned", "growing"])
def test_processes_at_once_lose_nothing(tmp_path, content, grow):
    inits = np.datetime64("2001-01-29", "ns") + np.arange(24) * np.timedelta64(6, "h")
    write(tmp_path / "one.zarr", inits)
    expected = content(tmp_path / "one.zarr")
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        path = tmp_path / f"{attempt}.zarr"
        planned = None if grow else inits
        workers = [
            context.Process(target=write, args=(path, inits[n::3]), kwargs={"planned": planned})
            for n in range(3)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        assert content(path) == expected


def test_the_same_initial_times_written_twice_at_once(tmp_path, content):
    write(tmp_path / "one.zarr", INITS)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=write, args=(tmp_path / "a.zarr", INITS)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert content(tmp_path / "a.zarr") == content(tmp_path / "one.zarr")


DAMAGES = {
    "deleted chunk": lambda p: (p / "geopotential/c/2/0/0/0/0").unlink(),
    "truncated chunk": lambda p: os.truncate(p / "geopotential/c/2/0/0/0/0", 5),
    "deleted initial time": lambda p: [
        f.unlink() for f in (p / "geopotential/c/2").rglob("0") if f.is_file()
    ],
    "deleted label": lambda p: (p / "latitude/c/0").unlink(),
    "truncated metadata": lambda p: os.truncate(p / "geopotential/zarr.json", 9),
    "flipped label": lambda p: flip(p / "init_time/c/0"),
    "deleted month": lambda p: (p / ".inventory/2001-02.json").unlink(),
    "truncated month": lambda p: os.truncate(p / ".inventory/2001-02.json", 40),
    "flipped month": lambda p: flip(p / ".inventory/2001-02.json"),
    "deleted labels' inventory": lambda p: (p / ".inventory/labels.json").unlink(),
    "flipped labels' inventory": lambda p: flip(p / ".inventory/labels.json"),
}


def flip(path, position=-7):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_made_again(tmp_path, content, name):
    path = tmp_path / "a.zarr"
    write(path, INITS, belongs_to={"checkpoint": "abc"})
    expected = content(path)
    DAMAGES[name](path)
    assert (
        name.startswith(("deleted month", "deleted init"))
        or inventory.problems(path, read_all=True)
        or "labels' inv" in name
    )
    write(path, INITS, belongs_to={"checkpoint": "abc"})
    assert content(path) == expected


def test_a_flipped_byte_in_a_chunk_is_named(tmp_path, content):
    path = tmp_path / "a.zarr"
    write(path, INITS)
    expected = content(path)
    chunk = path / "geopotential/c/2/0/0/0/0"
    flip(chunk)
    assert [str(p) for p in inventory.problems(path, read_all=True)] == [
        f"{chunk}: its bytes changed (SHA-256 differs)"
    ]
    chunk.unlink()
    assert ForecastStore(path).missing(INITS) == [2]
    write(path, INITS)
    assert content(path) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"belongs_to": {"checkpoint": "b", "lead": 1}}, "holds forecasts of another checkpoint;"),
        ({"belongs_to": {}}, "holds forecasts of another checkpoint and lead;"),
        ({"layout": "weatherbench2"}, "a.zarr: (lacks|has) "),
    ],
)
def test_what_is_of_something_else_is_refused(tmp_path, content, change, message):
    whose = {"belongs_to": {"checkpoint": "a", "lead": 1}}
    write(tmp_path / "a.zarr", INITS, **whose)
    before = content(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "a.zarr", INITS, **{**whose, **change})
    assert content(tmp_path / "a.zarr") == before


def test_of_the_initial_times_asked_for_those_that_are_complete_are_given(tmp_path):
    store = write(tmp_path / "a.zarr", INITS[:2], planned=INITS)
    got = store.dataset([INITS[2], INITS[1]])
    xr.testing.assert_equal(got.load(), store.dataset().sel(init_time=INITS[[1]]).load())
    assert store.dataset().sizes["init_time"] == 2


def test_other_labels_are_refused(tmp_path):
    write(tmp_path / "a.zarr", INITS)
    for other, name in (
        (forecast_of(INITS, LEADS[:2]), "lead_time"),
        (forecast_of(INITS).assign_coords(latitude=np.linspace(60, -61, 5)), "latitude"),
        (forecast_of(INITS).drop_vars("geopotential"), "geopotential"),
        (forecast_of(INITS).transpose(..., "latitude"), "geopotential is another"),
    ):
        with pytest.raises(ValueError, match=f"a.zarr: .*{name}"):
            ForecastWriter(tmp_path / "a.zarr", other)


def test_a_store_of_another_program_is_refused(tmp_path):
    forecast_of(INITS).chunk(init_time=1).to_zarr(tmp_path / "a.zarr", zarr_format=2)
    with pytest.raises(FileNotFoundError, match="no such forecast"):
        ForecastStore(tmp_path / "a.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        forecast_of(INITS).chunk(init_time=1).to_zarr(tmp_path / "b.zarr", zarr_format=3)
    with pytest.raises(ValueError, match="not made by this version"):
        ForecastStore(tmp_path / "b.zarr")
    for name in ("a.zarr", "b.zarr"):
        with pytest.raises(ValueError, match=f"{name}: "):
            write(tmp_path / name, INITS)


def test_contents_change_with_what_is_stored_alone(tmp_path):
    write(tmp_path / "a.zarr", INITS[2:])
    first = ForecastStore(tmp_path / "a.zarr").contents()
    assert len(set(first.values())) == 5
    write(tmp_path / "a.zarr", INITS)
    second = ForecastStore(tmp_path / "a.zarr").contents()
    assert {date: second[date] for date in first} == first
    assert len(second) == 7


def test_dropped_initial_times_are_absent(tmp_path, content):
    store = write(tmp_path / "a.zarr", INITS)
    expected = content(store.path)
    store.drop(INITS[[0, 5]])
    assert store.missing(INITS) == [0, 5]
    write(store.path, INITS)
    assert content(store.path) == expected


def test_it_moves_and_is_copied(tmp_path):
    write(tmp_path / "a.zarr", INITS)
    (tmp_path / "a.zarr").rename(tmp_path / "b.zarr")
    check(tmp_path / "b.zarr", INITS)


def test_a_users_file_stays(tmp_path):
    write(tmp_path / "a.zarr", INITS[:3])
    (tmp_path / "a.zarr" / "mine.txt").write_text("notes")
    write(tmp_path / "a.zarr", INITS)
    assert (tmp_path / "a.zarr" / "mine.txt").read_text() == "notes"


@given(
    st.tuples(*[st.integers(1, 40)] * 2, st.integers(1, 13), *[st.sampled_from([7, 181, 721])] * 2)
)
def test_chunks_are_small_and_those_of_an_initial_time_share_a_file(shape):
    chunks, shards, leads = chunking(shape)
    assert leads == chunks[1]
    assert all(1 <= chunk <= length for chunk, length in zip(chunks, shape, strict=True))
    assert chunks[0] == 1
    assert chunks[3:] == shape[3:]
    assert 4 * np.prod(chunks[1:2] + chunks[3:]) <= FIELD_BYTES or chunks[1] == 1
    assert 4 * np.prod(chunks) <= CHUNK_BYTES or chunks[:3] == (1, 1, 1)
    if shards is None:
        assert chunks == (1, *shape[1:])
    else:
        assert shards[0] == 1
        assert all(n % c == 0 for n, c in zip(shards, chunks, strict=True))
        assert all(
            0 <= s - n < c for s, n, c in zip(shards[1:], shape[1:], chunks[1:], strict=True)
        )


PROGRAM = """
import sys, numpy as np, torch
from axialcast.forecast import ForecastWriter, load
torch.set_num_threads(1)
checkpoint, analysis, store, first, step = sys.argv[1:]
forecaster = load(checkpoint, device="cpu")
analysis = forecaster.check(analysis)
inits = analysis.times[1:-2][int(first)::int(step)]
leads = np.array([24, 48], "m8[h]").astype("m8[ns]")
with ForecastWriter(store, forecaster.template(inits, leads), belongs_to={"a": 1}) as writer:
    blocks = forecaster.hindcast(
        analysis,
        init_times=inits[writer.missing],
        lead_times=leads,
        batch_size=4,
        leads_together=writer.leads_together,
    )
    for forecast, inputs in blocks:
        writer.write(forecast, inputs=inputs)
"""


@pytest.mark.slow
def test_two_programs_that_forecast_odd_and_even_days(tmp_path, content, forecaster, analysis):
    """Twenty times the store of one: the bits do not depend on what is forecast together."""
    save_checkpoint(tmp_path / "checkpoint", forecaster.checkpoint)
    analysis.to_netcdf(tmp_path / "analysis.nc")

    def start(store, first, step):
        given = (tmp_path / "checkpoint", tmp_path / "analysis.nc", store, first, step)
        return subprocess.Popen([sys.executable, "-c", PROGRAM, *map(str, given)])

    assert start(tmp_path / "one.zarr", 0, 1).wait() == 0
    expected = content(tmp_path / "one.zarr")
    assert len(expected) > 60
    for attempt in range(20):
        programs = [start(tmp_path / f"{attempt}.zarr", first, 2) for first in (0, 1)]
        assert [program.wait() for program in programs] == [0, 0]
        assert content(tmp_path / f"{attempt}.zarr") == expected


@pytest.mark.parametrize("text", ["", "garbage", "{}"])
def test_a_growth_whose_plan_is_damaged_is_refused_by_name(tmp_path, text):
    write(tmp_path / "x.zarr", INITS[:2])
    (tmp_path / "x.zarr" / ".growing").mkdir()
    (tmp_path / "x.zarr" / ".growing" / "plan.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.zarr/\.growing/plan\.json: damaged, .*; remove "):
        write(tmp_path / "x.zarr", INITS[:3])
