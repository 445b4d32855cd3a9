"""Forecasts on disk: whole chunks, complete or not there at all, and no error swallowed."""

import errno
import os
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from axialcast.forecast import ForecastWriter
from axialcast.forecast.writer import CHUNK_BYTES, _chunks

INITS = ["2001-01-02", "2001-01-05", "2001-01-20"]
LEADS = ["24h", "48h", "72h"]


@pytest.mark.parametrize("block", [1, 2, 5])
def test_written_forecast_is_the_one_in_memory(forecaster, analysis, tmp_path, block):
    leads = ["24h", "48h", "72h"]
    blocks = forecaster.predict_blocks(
        analysis, init_times=INITS, lead_times=leads, batch_size=block
    )
    template = forecaster.template(INITS, leads)
    with ForecastWriter(tmp_path / "forecast.zarr", template, block=block) as writer:
        for first, forecast in blocks:
            writer.write(first, forecast)
    read = xr.open_zarr(tmp_path / "forecast.zarr").load()
    want = forecaster.predict(analysis, init_times=INITS, lead_times=leads, batch_size=block)
    xr.testing.assert_equal(read, want)
    assert read.lead_time.dtype == "timedelta64[ns]"
    assert read.attrs == want.attrs
    assert [path.name for path in tmp_path.iterdir()] == ["forecast.zarr"]


def test_a_write_that_fails_stops_the_run_and_leaves_nothing(forecaster, tmp_path):
    template = forecaster.template(INITS, ["24h"])

    def write():
        with ForecastWriter(tmp_path / "forecast.zarr", template, block=1) as writer:
            for first in range(3):
                wrong = template.isel(init_time=[first], latitude=slice(2))
                writer.write(first, wrong)

    with pytest.raises(ValueError, match="shape"):
        write()
    assert list(tmp_path.iterdir()) == []


def threads():
    return [t.name for t in threading.enumerate() if t.name.startswith("axialcast-writer")]


def write_all(path, template, **options):
    with ForecastWriter(path, template, block=1, **options) as writer:
        for first in range(template.sizes["init_time"]):
            writer.write(first, template.isel(init_time=[first]))


@pytest.fixture
def failing_store(monkeypatch):
    """A function after which so many chunks go to the store, and no more: the disk is full."""
    original = Path.write_bytes

    def fail_after(num_chunks):
        left = iter(range(num_chunks))

        def fill(self, data):
            if "geopotential/c/" in str(self) and next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self)
            return original(self, data)

        monkeypatch.setattr(Path, "write_bytes", fill)

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
def test_a_full_disk_stops_the_run(template, tmp_path, failing_store, queue, num_chunks):
    """At the next write, while the queue is full, or on leaving: one line, nothing left."""
    failing_store(num_chunks)
    (tmp_path / "forecast.zarr").mkdir()
    (tmp_path / "forecast.zarr" / "old").touch()
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_all(tmp_path / "forecast.zarr", template, queue=queue)
    assert str(raised.value) == (
        f"{tmp_path / 'forecast.zarr'}: the forecast cannot be written (No space left on device)"
    )
    assert [path.name for path in tmp_path.rglob("*")] == ["forecast.zarr", "old"]
    assert threads() == []


def test_an_error_is_raised_by_the_next_write(template, tmp_path, failing_store):
    failing_store(0)
    reached = []

    def write():
        with ForecastWriter(tmp_path / "forecast.zarr", template, block=1, queue=5) as writer:
            writer.write(0, template.isel(init_time=[0]))
            while not writer._pending[0].done():
                time.sleep(0.01)
            writer.write(1, template.isel(init_time=[1]))
            reached.append(True)

    with pytest.raises(OSError, match="No space left"):
        write()
    assert not reached


def test_a_disk_that_is_really_full(template, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if not hasattr(os, "geteuid") or os.geteuid() or subprocess.run(mount).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        with pytest.raises(OSError, match=r"cannot be written .*No space left"):
            write_all(disk / "forecast.zarr", template)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupt_leaves_nothing(template, tmp_path, error):
    def write():
        with ForecastWriter(tmp_path / "forecast.zarr", template, block=1) as writer:
            writer.write(0, template.isel(init_time=[0]))
            raise error

    with pytest.raises(error):
        write()
    assert list(tmp_path.iterdir()) == []
    assert threads() == []


def test_a_folder_that_cannot_be_made_is_named(template, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"forecast\.zarr: the forecast cannot be written \("):
        write_all(tmp_path / "file" / "forecast.zarr", template)


def test_a_forecast_with_a_block_missing_is_not_published(template, tmp_path):
    with (
        pytest.raises(ValueError, match=r"10 blocks of 1 initial times were not written, .* 0;"),
        ForecastWriter(tmp_path / "forecast.zarr", template, block=1) as writer,
    ):
        writer.write(3, template.isel(init_time=[3]))
    assert list(tmp_path.iterdir()) == []


def test_no_more_blocks_wait_than_the_queue_holds(template, tmp_path, monkeypatch):
    begun, go_on, most = [], threading.Semaphore(0), 0
    write = ForecastWriter._write

    def slow(self, first, block):
        go_on.acquire()
        write(self, first, block)

    monkeypatch.setattr(ForecastWriter, "_write", slow)
    with ForecastWriter(tmp_path / "forecast.zarr", template, block=1, queue=3) as writer:
        releaser = threading.Timer(0.3, lambda: go_on.release(11))
        releaser.start()
        for first in range(11):
            writer.write(first, template.isel(init_time=[first]))
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


def test_weatherbench2_layout(template, tmp_path):
    write_all(tmp_path / "forecast.zarr", template, layout="weatherbench2")
    read = xr.open_zarr(tmp_path / "forecast.zarr", decode_timedelta=True).load()
    dims = ("time", "prediction_timedelta", "level", "latitude", "longitude")
    assert read.geopotential.dims == dims
    assert set(read.coords) == set(dims)
    assert read.prediction_timedelta.dtype == "timedelta64[ns]"
    renamed = read.rename(time="init_time", prediction_timedelta="lead_time")
    xr.testing.assert_equal(renamed, template.drop_vars("valid_time"))
    west = template.assign_coords(longitude=template.longitude - 180)
    with pytest.raises(ValueError, match="weatherbench2 wants longitudes from 0 to 360"):
        ForecastWriter(tmp_path / "x.zarr", west, block=1, layout="weatherbench2")


def test_other_calendars_and_half_hours_come_back(template, tmp_path):
    times = xr.date_range("2004-02-25", periods=11, calendar="noleap", use_cftime=True).values
    leads = np.array([90, 180, 270]) * np.timedelta64(60_000_000_000, "ns")
    days = leads.astype("timedelta64[us]").astype(object)
    moved = template.assign_coords(
        init_time=times,
        lead_time=leads,
        valid_time=(("init_time", "lead_time"), np.add.outer(times, days)),
    )
    write_all(tmp_path / "forecast.zarr", moved)
    read = xr.open_zarr(tmp_path / "forecast.zarr", decode_timedelta=True).load()
    xr.testing.assert_equal(read, moved)


@given(
    st.tuples(*[st.integers(1, 40)] * 2, st.integers(1, 13), *[st.sampled_from([7, 181, 721])] * 2),
    st.integers(1, 32),
)
def test_chunks_are_small_and_blocks_are_whole(shape, block):
    chunks = _chunks(shape, block)
    assert all(1 <= chunk <= length for chunk, length in zip(chunks, shape, strict=True))
    assert min(block, shape[0]) % chunks[0] == 0
    assert chunks[3:] == shape[3:]
    assert 4 * np.prod(chunks) <= CHUNK_BYTES or chunks[:3] == (1, 1, 1)
