"""Forecasts on disk: what is written is whole, and no error is swallowed."""

import errno
import os
import subprocess
import threading
import time

import numpy as np
import pytest
import xarray as xr

from axialcast.files import inventory
from axialcast.forecast import ForecastStore, ForecastWriter
from axialcast.forecast.encoding import VariableFiles
from axialcast.forecast.layout import Chunking

INITS = np.array(["2001-01-02", "2001-01-05", "2001-01-20"], "M8[ns]")
LEADS = np.array([24, 48, 72], "m8[h]").astype("m8[ns]")


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_written_forecast_is_the_one_in_memory(forecaster, analysis, tmp_path, batch_size):
    template = forecaster.template(INITS, LEADS)
    with ForecastWriter(tmp_path / "forecast.zarr", template) as writer:
        for forecast, inputs in forecaster.hindcast(
            analysis,
            init_times=INITS,
            lead_times=LEADS,
            batch_size=batch_size,
            leads_together=writer.leads_together,
        ):
            writer.write(forecast, inputs=inputs)
    read = xr.open_zarr(tmp_path / "forecast.zarr").load()
    want = forecaster.predict(analysis, init_times=INITS, lead_times=LEADS, batch_size=batch_size)
    xr.testing.assert_allclose(read, want, rtol=1e-6)
    assert read.lead_time.dtype == "timedelta64[ns]"
    assert read.attrs == want.attrs
    assert [path.name for path in tmp_path.iterdir()] == ["forecast.zarr"]


def test_bits_do_not_depend_on_what_is_forecast_together(forecaster, analysis):
    inits = np.datetime64("2001-01-02", "ns") + np.arange(13) * np.timedelta64(1, "D")

    def hindcast(chosen):
        blocks = forecaster.hindcast(
            analysis, init_times=chosen, lead_times=LEADS, batch_size=4, leads_together=3
        )
        values, inputs = zip(*blocks, strict=True)
        return xr.concat(values, "init_time"), [one for block in inputs for one in block]

    whole, inputs = hindcast(inits)
    assert len(set(inputs)) == 13
    for chosen in ([5], [1, 3, 5, 7, 9, 11], [12, 0, 6], list(range(3, 13))):
        part, same = hindcast(inits[chosen])
        xr.testing.assert_identical(part, whole.isel(init_time=chosen))
        assert same == [inputs[n] for n in chosen]
    again = forecaster.inputs(analysis, init_times=inits, lead_times=LEADS, batch_size=5)
    assert [one for block in again for one in block] == inputs


@pytest.mark.parametrize("shards", [None, (1, 4, 5, 3)])
def test_all_that_is_published_is_on_the_disk(tmp_path, monkeypatch, shards):
    synced = []
    monkeypatch.setattr("axialcast.forecast.encoding.sync", synced.append)
    files = VariableFiles(tmp_path, Chunking((1, 2, 5, 3), shards, 2))
    files.append(np.ones((2, 5, 3), "f4"))
    files.append(np.ones((1, 5, 3), "f4"))
    written = files.finish()
    assert synced == [tmp_path / key for key in written]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(synced)


def threads():
    return [t.name for t in threading.enumerate() if t.name.startswith("axialcast-writer")]


def write_all(path, template, **options):
    with ForecastWriter(path, template, **options) as writer:
        for number in writer.missing:
            writer.write(template.isel(init_time=[number]))


@pytest.fixture
def failing_store(monkeypatch):
    """A function after which so many chunks go to the store, and no more: the disk is full."""
    original = VariableFiles._add

    def fail_after(num_chunks):
        left = iter(range(num_chunks))

        def fill(self, key, data):
            if self.folder.name == "geopotential" and next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder / key))
            return original(self, key, data)

        monkeypatch.setattr(VariableFiles, "_add", fill)

    return fail_after


@pytest.fixture
def template(forecaster):
    """Labels of eleven forecasts, and values that are not all alike."""
    inits = np.datetime64("2001-01-02", "ns") + np.arange(11) * np.timedelta64(1, "D")
    template = forecaster.template(inits, LEADS)
    values = np.random.default_rng(0).standard_normal(template.geopotential.shape)
    return template.assign(geopotential=template.geopotential.copy(data=values.astype("f4")))


@pytest.mark.parametrize("queue", [1, 2, 11])
@pytest.mark.parametrize("num_chunks", [0, 3, 10])
def test_a_full_disk_stops_the_run_and_costs_nothing(
    template, tmp_path, failing_store, monkeypatch, queue, num_chunks
):
    """At the next write, while the queue is full, or on leaving: one line, whole parts stay."""
    path = tmp_path / "forecast.zarr"
    failing_store(num_chunks)
    with pytest.raises(OSError, match="the disk is full") as raised:
        write_all(path, template, queue=queue)
    assert str(raised.value).startswith(
        f"{path}: the forecast cannot be written (the disk is full: "
    )
    assert "needed" in str(raised.value)
    assert "free" in str(raised.value)
    assert threads() == []
    assert len(ForecastStore(path).complete()) == num_chunks
    assert inventory.problems(path, read_all=True) == []
    monkeypatch.undo()
    write_all(path, template)
    xr.testing.assert_equal(ForecastStore(path).dataset().load(), template)


def test_an_error_is_raised_by_the_next_write(template, tmp_path, failing_store):
    failing_store(0)
    reached = []

    def write():
        with ForecastWriter(tmp_path / "forecast.zarr", template, queue=5) as writer:
            writer.write(template.isel(init_time=[0]))
            while not writer._pending[0].done():
                time.sleep(0.01)
            writer.write(template.isel(init_time=[1]))
            reached.append(True)

    with pytest.raises(OSError, match="disk is full"):
        write()
    assert not reached


def test_a_disk_that_is_really_full(template, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)]
    if not hasattr(os, "geteuid") or os.geteuid() or subprocess.run(mount).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        with pytest.raises(OSError, match=r"forecast.zarr: .*disk is full: .* needed, .* free"):
            write_all(disk / "forecast.zarr", template)
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        write_all(disk / "forecast.zarr", template)
        xr.testing.assert_equal(ForecastStore(disk / "forecast.zarr").dataset().load(), template)
        assert inventory.problems(disk / "forecast.zarr", read_all=True) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupt_leaves_what_is_whole(template, tmp_path, error):
    def write():
        with ForecastWriter(tmp_path / "forecast.zarr", template) as writer:
            writer.write(template.isel(init_time=[0]))
            writer.wait()
            raise error

    with pytest.raises(error):
        write()
    store = ForecastStore(tmp_path / "forecast.zarr")
    assert list(store.complete()) == ["2001-01-02T00:00:00"]
    assert inventory.problems(store.path, read_all=True) == []
    assert not list(store.path.glob(".*.partial"))
    assert threads() == []


def test_a_folder_that_cannot_be_made_is_named(template, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"forecast\.zarr: the forecast cannot be written \("):
        write_all(tmp_path / "file" / "forecast.zarr", template)


def test_no_more_blocks_wait_than_the_queue_holds(template, tmp_path, monkeypatch):
    begun, go_on, most = [], threading.Semaphore(0), 0
    write = ForecastWriter._write

    def slow(self, *arguments):
        go_on.acquire()
        write(self, *arguments)

    monkeypatch.setattr(ForecastWriter, "_write", slow)
    with ForecastWriter(tmp_path / "forecast.zarr", template, queue=3) as writer:
        releaser = threading.Timer(0.3, lambda: go_on.release(11))
        releaser.start()
        for number in range(11):
            writer.write(template.isel(init_time=[number]))
            begun.append(time.perf_counter())
            most = max(most, len(writer._pending))
        releaser.join()
    assert most == 3
    assert begun[3] - begun[2] > 0.1  # the fourth waited


def test_netcdf(template, tmp_path):
    write_all(tmp_path / "forecast.nc", template)
    read = xr.open_dataset(tmp_path / "forecast.nc", decode_timedelta=True).load()
    xr.testing.assert_equal(read, template)
    assert read.geopotential.attrs == template.geopotential.attrs
    assert read.attrs == template.attrs
    assert [path.name for path in tmp_path.iterdir()] == ["forecast.nc"]
    write_all(tmp_path / "forecast.nc", template)


def test_netcdf_goes_on_and_is_made_when_all_is_there(template, tmp_path):
    with (
        pytest.raises(ValueError, match="10 initial times were not written, the first 2001-01-03"),
        ForecastWriter(tmp_path / "forecast.nc", template) as writer,
    ):
        writer.write(template.isel(init_time=[0]))
    assert [path.name for path in tmp_path.iterdir()] == ["forecast.nc.unfinished"]
    with ForecastWriter(tmp_path / "forecast.nc", template) as writer:
        assert writer.missing == list(range(1, 11))
        for number in writer.missing:
            writer.write(template.isel(init_time=[number]))
    with xr.open_dataset(tmp_path / "forecast.nc", decode_timedelta=True) as read:
        xr.testing.assert_equal(read.load(), template)
    assert [path.name for path in tmp_path.iterdir()] == ["forecast.nc"]


def test_weatherbench2_layout(template, tmp_path):
    write_all(tmp_path / "forecast.zarr", template.isel(init_time=slice(5)), layout="weatherbench2")
    write_all(tmp_path / "forecast.zarr", template, layout="weatherbench2")
    read = xr.open_zarr(tmp_path / "forecast.zarr", decode_timedelta=True).load()
    dims = ("time", "prediction_timedelta", "level", "latitude", "longitude")
    assert read.geopotential.dims == dims
    assert set(read.coords) == set(dims)
    assert read.prediction_timedelta.dtype == "timedelta64[ns]"
    renamed = read.rename(time="init_time", prediction_timedelta="lead_time")
    xr.testing.assert_equal(renamed, template.drop_vars("valid_time"))
    xr.testing.assert_equal(ForecastStore(tmp_path / "forecast.zarr").dataset().load(), renamed)
    for degrees in (-180, 30):  # 360 is 0 already
        other = template.assign_coords(longitude=template.longitude + degrees)
        with pytest.raises(ValueError, match="weatherbench2 wants longitudes from 0 to 360"):
            ForecastWriter(tmp_path / "x.zarr", other, layout="weatherbench2")


def test_other_calendars_and_half_hours_come_back(template, tmp_path):
    times = xr.date_range("2004-02-25", periods=11, calendar="noleap", use_cftime=True).values
    leads = np.array([90, 180, 270]) * np.timedelta64(60_000_000_000, "ns")
    days = leads.astype("timedelta64[us]").astype(object)
    moved = template.assign_coords(
        init_time=times,
        lead_time=leads,
        valid_time=(("init_time", "lead_time"), np.add.outer(times, days)),
    )
    for part in (slice(4, 7), slice(None)):
        write_all(tmp_path / "forecast.zarr", moved.isel(init_time=part))
    read = xr.open_zarr(tmp_path / "forecast.zarr", decode_timedelta=True).load()
    xr.testing.assert_equal(read, moved)
    assert list(ForecastStore(tmp_path / "forecast.zarr").complete())[3] == "2004-02-28T00:00:00"


@pytest.mark.parametrize("name", ["../../x", "a/b", "absolute", "zarr.json"])
def test_a_name_leads_out_of_no_store(tmp_path, name):
    name = str(tmp_path / "out") if name == "absolute" else name
    dims = ("init_time", "lead_time", "latitude", "longitude")
    day = np.timedelta64(86_400_000_000_000, "ns")
    forecast = xr.Dataset(
        {name: (dims, np.ones((2, 3, 5, 7), np.float32), {"units": "1"})},
        {
            "init_time": np.datetime64("2001-01-01", "ns") + np.arange(2) * day,
            "lead_time": np.arange(1, 4) * day,
            "latitude": np.linspace(60, -60, 5),
            "longitude": np.arange(7.0),
        },
    )
    with pytest.raises(ValueError, match="no name that can be stored"):
        ForecastWriter(tmp_path / "deep" / "f.zarr", forecast)
    assert not [path for path in tmp_path.rglob("*") if path.name not in ("deep", "f.zarr")]
