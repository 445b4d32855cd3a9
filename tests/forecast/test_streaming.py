"""Forecasts that are written as they come: few lead times at a time, into one file a variable."""

import os
import re
import threading
import time

import numpy as np
import pytest
import xarray as xr
import zarr

from axialcast.data.arrays.chunks import Chunks
from axialcast.data.reader import Analysis
from axialcast.files import inventory
from axialcast.forecast import ForecastStore, ForecastWriter, layout
from axialcast.forecast import inputs as inputs_module
from axialcast.forecast.encoding import VariableFiles
from axialcast.forecast.layout import Chunking

LEADS = np.arange(1, 8) * np.timedelta64(24 * 3600 * 10**9, "ns")
INITS = np.datetime64("2001-01-29", "ns") + np.arange(5) * np.timedelta64(1, "D")


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of two lead times and two levels of what `forecast_of` makes."""
    monkeypatch.setattr(layout, "FIELD_BYTES", 500)
    monkeypatch.setattr(layout, "CHUNK_BYTES", 1000)


def forecast_of(inits):
    """Five initial times at most, seven lead times, three levels, 5 x 11 points: no two alike."""
    day = (np.asarray(inits).astype("M8[D]") - np.datetime64("2001-01-01")).astype(int)
    place = np.arange(7 * 3 * 5 * 11).reshape(7, 3, 5, 11)
    values = (day[:, None, None, None, None] * 1e4 + place).astype("f4")
    dims = ("init_time", "lead_time", "level", "latitude", "longitude")
    fields = {"temperature": (dims, values), "pressure": ((*dims[:2], *dims[3:]), values[:, :, 0])}
    coords = {
        "init_time": np.asarray(inits),
        "lead_time": LEADS,
        "level": [850.0, 500.0, 250.0],
        "latitude": np.linspace(60, -60, 5),
        "longitude": np.arange(11) * 30.0,
    }
    return xr.Dataset(fields, coords)


def write(path, inits, *, planned=INITS, together=2):
    forecast = forecast_of(inits)
    with ForecastWriter(path, forecast_of(planned)) as writer:
        for first in range(0, len(LEADS), together):
            writer.write(forecast.isel(lead_time=slice(first, first + together)))
    return writer.store


def test_it_is_plain_zarr_in_a_file_a_variable(tmp_path, small_chunks):
    write(tmp_path / "a.zarr", INITS)
    for read in (
        xr.open_zarr(tmp_path / "a.zarr", decode_timedelta=True),
        ForecastStore(tmp_path / "a.zarr").dataset(),
    ):
        xr.testing.assert_equal(read.load(), forecast_of(INITS))
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert (group["pressure"].chunks, group["pressure"].shards) == ((1, 2, 5, 11), (1, 8, 5, 11))
    assert group["temperature"].chunks == (1, 2, 2, 5, 11)
    assert group["temperature"].shards == (1, 8, 4, 5, 11)
    files = [path for path in (tmp_path / "a.zarr/temperature/c").rglob("*") if path.is_file()]
    assert len(files) == len(INITS)
    assert inventory.problems(tmp_path / "a.zarr", read_all=True) == []


def test_zarr_writes_the_same_chunks(tmp_path, small_chunks):
    """In another order within a file, perhaps; what is in a shard's chunk is the same."""
    write(tmp_path / "a.zarr", INITS[:1], planned=INITS[:1])
    ours = zarr.open_group(tmp_path / "a.zarr", mode="r")["temperature"]
    theirs = zarr.create_array(
        tmp_path / "b.zarr",
        shape=ours.shape,
        chunks=ours.chunks,
        shards=ours.shards,
        dtype="f4",
        fill_value=np.nan,
        compressors=ours.compressors,
        config={"write_empty_chunks": True},
    )
    theirs[:] = forecast_of(INITS[:1]).temperature.values
    encoded = []
    for array in (ours, theirs):
        chunks = Chunks(array)
        places = [(0, lead, level, 0, 0) for lead in range(4) for level in range(2)]
        encoded.append([bytes(chunks._fetch_chunk(place)[1]) for place in places])
    assert encoded[0] == encoded[1]


@pytest.mark.parametrize("together", [4, 6, 7])
def test_bytes_do_not_depend_on_the_parts(tmp_path, small_chunks, content, together):
    write(tmp_path / "a.zarr", INITS)
    write(tmp_path / "b.zarr", INITS[1:3], planned=INITS[1:3], together=together)
    write(tmp_path / "b.zarr", INITS[[0, 3, 4]], together=together)
    assert content(tmp_path / "b.zarr") == content(tmp_path / "a.zarr")


def test_one_lead_time_costs_its_own_chunk(tmp_path, small_chunks, monkeypatch):
    dataset = write(tmp_path / "a.zarr", INITS).dataset()
    read, original = [], Chunks.read
    monkeypatch.setattr(
        Chunks, "read", lambda self, where, out: read.append(where) or original(self, where, out)
    )
    part = dataset.pressure.isel(init_time=3, lead_time=4)
    np.testing.assert_array_equal(part, forecast_of(INITS).pressure[3, 4])
    assert read == [(3, 2, 0, 0)]


@pytest.mark.parametrize("shards", [None, (1, 8, 4, 5, 11)])
def test_a_store_grows_with_the_chunks_that_it_has(tmp_path, monkeypatch, content, shards):
    def cut(shape, num_members):
        chunks = (1, 4, *([2] if len(shape) == 5 else []), 5, 11)
        return Chunking(chunks, shards and (*shards[: len(chunks) - 2], 5, 11), 4)

    with monkeypatch.context() as then:
        then.setattr(layout, "chunking", cut)
        write(tmp_path / "one.zarr", INITS, together=4)
        write(tmp_path / "a.zarr", INITS[[1, 2]], planned=INITS[[1, 2]], together=4)
    with ForecastWriter(tmp_path / "a.zarr", forecast_of(INITS)) as writer:
        assert writer.leads_together == 4
    write(tmp_path / "a.zarr", INITS[[0, 3, 4]], together=4)
    assert content(tmp_path / "a.zarr") == content(tmp_path / "one.zarr")


def test_parts_that_do_not_follow_are_refused(tmp_path, small_chunks):
    forecast = forecast_of(INITS)
    block, other = forecast.isel(init_time=[0, 1]), forecast.isel(init_time=[2])
    wrong = (
        (block.isel(lead_time=slice(2, 4)), "from 24 h on, a multiple of 2 of them or all, got"),
        (block.isel(lead_time=[0]), "a multiple of 2 of them or all, got those of 24 h"),
        (block.isel(lead_time=[1, 0]), "got those of 48, 24 h"),
        (block.drop_vars("pressure"), "expected the template's fields"),
        (block.isel(level=[0, 1]), "expected the template's fields"),
    )
    with ForecastWriter(tmp_path / "a.zarr", forecast) as writer:
        for part, message in wrong:
            with pytest.raises(ValueError, match=re.escape(message)):
                writer.write(part)
        writer.write(block.isel(lead_time=slice(2)))
        unfinished = "the block of 2001-01-29T00:00:00 lacks lead times from 72 h on; write them"
        with pytest.raises(ValueError, match=f"a.zarr: {unfinished} first"):
            writer.write(other)
        writer.write(block.isel(lead_time=slice(2, None)))
        writer.write(other)
    assert writer.store.missing(INITS) == [3, 4]
    xr.testing.assert_equal(writer.store.dataset().load(), forecast.isel(init_time=slice(3)))


def test_a_block_that_is_not_finished_is_absent(tmp_path, small_chunks):
    forecast, path = forecast_of(INITS), tmp_path / "a.zarr"

    def begin():
        with ForecastWriter(path, forecast) as writer:
            writer.write(forecast.isel(init_time=[0]))
            writer.write(forecast.isel(init_time=[2], lead_time=slice(4)))

    with pytest.raises(ValueError, match="lacks lead times from 120 h on"):
        begin()
    assert list(ForecastStore(path).complete()) == ["2001-01-29T00:00:00"]
    assert not list(path.glob(".*.partial"))
    assert sorted(p.name for p in (path / "pressure/c").iterdir()) == ["0"]


def test_a_part_that_fails_takes_the_rest_of_its_block_along(tmp_path, small_chunks, monkeypatch):
    """The parts that wait behind it do not make a block that begins in its middle."""
    original = VariableFiles.append

    def append(self, values):
        if values.flat[0] == forecast_of(INITS).pressure.values[0, 2, 0, 0]:
            raise OSError(5, os.strerror(5))
        original(self, values)

    monkeypatch.setattr(VariableFiles, "append", append)
    path = tmp_path / "a.zarr"

    def write_two():
        forecast = forecast_of(INITS)
        with ForecastWriter(path, forecast, queue=9) as writer:
            for first in range(0, 7, 2):
                writer.write(forecast.isel(init_time=[0], lead_time=slice(first, first + 2)))
            writer.write(forecast.isel(init_time=[1]))

    with pytest.raises(OSError, match="cannot be written"):
        write_two()
    assert list(ForecastStore(path).complete()) in ([], ["2001-01-30T00:00:00"])
    assert not list(path.glob(".*.partial"))


@pytest.mark.parametrize("num_leads", [2, 4, 7])
def test_an_interrupt_leaves_nothing_of_a_block_behind(
    tmp_path, small_chunks, monkeypatch, num_leads
):
    """While its first part is written, and others, the last one even, wait behind that."""
    begun, append = threading.Event(), VariableFiles.append

    def slow(self, values):
        begun.set()
        time.sleep(0.05)
        append(self, values)

    monkeypatch.setattr(VariableFiles, "append", slow)

    def write_and_stop():
        forecast = forecast_of(INITS)
        with ForecastWriter(tmp_path / "a.zarr", forecast, queue=9) as writer:
            for first in range(0, num_leads, 2):
                part = slice(first, min(first + 2, num_leads))
                writer.write(forecast.isel(init_time=[0], lead_time=part))
            begun.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_stop()
    store = ForecastStore(tmp_path / "a.zarr")
    assert not list(store.path.glob(".*.partial"))
    assert inventory.problems(store.path, read_all=True) == []
    assert not store.complete()


@pytest.mark.parametrize("step", [31, pytest.param(3, marks=pytest.mark.slow)])
def test_killed_at_any_event_it_goes_on(tmp_path, small_chunks, content, killed_at, step):
    write(tmp_path / "whole.zarr", INITS)

    def make(path):
        for inits in (INITS[:2], INITS[2:]):
            write(path, inits)

    number, died = 1, True
    while died:
        path = tmp_path / f"{number}.zarr"
        died = killed_at(lambda path=path: make(path), number, path)
        make(path)
        assert content(path) == content(tmp_path / "whole.zarr"), f"event {number}"
        number += step
    assert number > 100


@pytest.mark.parametrize("length", [1, 7, 40])
@pytest.mark.parametrize("batch_size", [3, 16])
def test_each_chunk_of_the_analysis_is_decoded_once(
    forecaster, analysis, tmp_path, monkeypatch, length, batch_size
):
    """By the stage's two passes: neighbours share input states, and chunks."""
    analysis.chunk(time=length, level=1).to_zarr(tmp_path / "analysis.zarr", zarr_format=2)
    inits = analysis.time.values[1:]
    want = list(
        forecaster.hindcast(analysis, init_times=inits, lead_times=LEADS[:2], batch_size=batch_size)
    )
    opened = forecaster.check(tmp_path / "analysis.zarr")
    read, original = [], Chunks.read
    monkeypatch.setattr(
        Chunks, "read", lambda self, where, out: read.append(where) or original(self, where, out)
    )
    got = forecaster.hindcast(opened, init_times=inits, lead_times=LEADS[:2], batch_size=batch_size)
    for (forecast, inputs), (same, as_before) in zip(got, want, strict=True):
        xr.testing.assert_identical(forecast, same)
        assert inputs == as_before
    assert len(read) == -(-40 // length) * 3
    read.clear()
    list(forecaster.inputs(opened, inits, lead_times=LEADS[:2], batch_size=batch_size))
    assert len(read) == -(-40 // length) * 3


def test_what_is_held_of_later_states_is_bounded(analysis, monkeypatch):
    """Few states ahead, in whatever order they are asked for, and the right ones."""
    opened = Analysis.of(analysis.chunk(time=40))
    monkeypatch.setattr(inputs_module, "AHEAD_BYTES", 5 * opened.state_bytes)
    states = opened.read(slice(None))
    for order in (np.arange(1, 40), np.random.default_rng(0).permutation(np.arange(1, 40))):
        rows = np.stack([order - 1, order], 1)
        windows = inputs_module.Inputs(opened, rows)
        for start in range(0, 39, 4):
            np.testing.assert_array_equal(windows.read(start, start + 4), states[rows[start:][:4]])
            assert len(windows._held) <= 5 + 2


def test_parts_are_the_forecast_in_memory(forecaster, analysis):
    inits = analysis.time.values[3:10]
    want = forecaster.predict(analysis, init_times=inits, lead_times=LEADS, batch_size=3)
    for together in (1, 2, 7):
        parts = forecaster.hindcast(
            analysis, init_times=inits, lead_times=LEADS, batch_size=3, leads_together=together
        )
        parts = [part for part, _ in parts]
        assert [part.sizes["lead_time"] for part in parts[:4]] in ([1] * 4, [2, 2, 2, 1], [7] * 3)
        got = xr.combine_by_coords(parts, combine_attrs="override")
        xr.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("is_lazy", [False, True])
def test_the_order_of_channels_is_no_obstacle(forecaster, analysis, tmp_path, is_lazy):
    turned = analysis[["mean_sea_level_pressure", "geopotential"]].isel(level=[1, 0])
    options = {"init_times": ["2001-01-05", "2001-01-20"], "lead_times": ["24h", "72h"]}
    want = forecaster.predict(analysis, **options)
    if is_lazy:
        turned.chunk(time=3).to_zarr(tmp_path / "turned.zarr", zarr_format=2)
        turned = tmp_path / "turned.zarr"
    xr.testing.assert_identical(forecaster.predict(turned, **options), want)
    opened = forecaster.check(turned)
    xr.testing.assert_identical(forecaster.predict(opened, **options), want)
    with pytest.raises(ValueError, match="lacks geopotential 500 hPa"):
        forecaster.check(Analysis.of(analysis.sel(level=[850])))
