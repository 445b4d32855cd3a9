"""Labelled analysis in, labelled forecast out, and nothing silently wrong in between."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import axialcast
from axialcast.forecast import calendar, load_checkpoint, save_checkpoint

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")


INITS = ["2001-01-02", "2001-01-05", "2001-01-20"]


def test_forecast_is_the_rollout_by_hand(forecaster, analysis):
    forecast = forecaster.predict(analysis, init_times=INITS, lead_times=["24h", "3D"])
    checkpoint = forecaster.checkpoint
    init = np.datetime64("2001-01-05", "ns")
    values = checkpoint.channels.stack(analysis.sel(time=[init - DAY, init])).astype(np.float64)
    mean, std = checkpoint.statistics.mean, checkpoint.statistics.std
    states = (values - mean[:, None, None]) / std[:, None, None]
    states, times = torch.tensor(states)[None], np.array([[init - DAY, init]])
    network = checkpoint.build().double()
    for lead in range(1, 4):
        with torch.no_grad():
            following = network(states, calendar(times).double())
        states = torch.stack([states[:, -1], following], 1)
        times = times + DAY
        if lead in (1, 3):
            got = forecast.sel(init_time=init, lead_time=lead * DAY)
            want = following[0].numpy() * std[:, None, None] + mean[:, None, None]
            np.testing.assert_allclose(got.geopotential, want[:2], rtol=2e-6)
            np.testing.assert_allclose(got.mean_sea_level_pressure, want[2], rtol=2e-6)


def test_labels(forecaster, analysis):
    forecast = forecaster.predict(analysis, init_times=INITS, lead_times="48h")
    assert forecast.geopotential.dims == (
        "init_time",
        "lead_time",
        "level",
        "latitude",
        "longitude",
    )
    assert forecast.mean_sea_level_pressure.attrs == analysis.mean_sea_level_pressure.attrs
    np.testing.assert_array_equal(forecast.init_time, pd.to_datetime(INITS))
    np.testing.assert_array_equal(forecast.valid_time[:, 0], forecast.init_time + 2 * DAY)
    assert forecast.lead_time.attrs["standard_name"] == "forecast_period"
    for name in ("level", "latitude", "longitude"):
        xr.testing.assert_identical(forecast[name].variable, analysis[name].variable)
        assert forecast[name].encoding == {"_FillValue": None}
    assert forecast.attrs["Conventions"] == "CF-1.11"


def test_initial_times_without_all_input_states_are_told(forecaster, analysis):
    times = analysis.time.values
    gap = analysis.isel(time=[0, 1, 2, 4, 5])
    assert np.flatnonzero(forecaster.has_inputs(gap, times[:7], lead_times="24h")).tolist() == [
        1,
        2,
        5,
    ]


def test_batch_size_does_not_matter(forecaster, analysis):
    one = forecaster.predict(analysis, init_times=INITS, lead_times="48h", batch_size=1)
    all_at_once = forecaster.predict(analysis, init_times=INITS, lead_times="48h")
    xr.testing.assert_allclose(one, all_at_once, rtol=1e-6)
    xr.testing.assert_identical(one.coords.to_dataset(), all_at_once.coords.to_dataset())


def test_finer_analysis_gives_the_same_forecast(forecaster, analysis):
    half = analysis.assign_coords(time=analysis.time + np.timedelta64(12, "h"))
    finer = xr.concat([analysis, half], "time").sortby("time")
    want = forecaster.predict(analysis, init_times=INITS, lead_times="48h")
    got = forecaster.predict(finer, init_times=INITS, lead_times="48h")
    xr.testing.assert_identical(want, got)


def test_checkpoint_round_trip_through_files(forecaster, analysis, tmp_path):
    save_checkpoint(tmp_path / "checkpoint", forecaster.checkpoint)
    save_checkpoint(tmp_path / "checkpoint", forecaster.checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    analysis.to_netcdf(tmp_path / "analysis.nc")
    again = axialcast.load(tmp_path / "checkpoint", device="cpu")
    xr.testing.assert_identical(
        again.predict(tmp_path / "analysis.nc", init_times=INITS, lead_times="24h"),
        forecaster.predict(analysis, init_times=INITS, lead_times="24h"),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.isel(latitude=slice(None, None, -1)), "the order is reversed"),
        (
            lambda ds: ds.roll(longitude=6, roll_coords=True).assign_coords(
                longitude=(ds.longitude - 180.0)
            ),
            "the origin differs: let the data start at 0",
        ),
        (lambda ds: ds.isel(longitude=slice(0, 8)), "longitude: expected 12 values"),
        (lambda ds: ds.isel(level=[1]), "no level [500.0] hPa"),
        (lambda ds: ds.drop_vars("geopotential"), "no variable geopotential"),
        (
            lambda ds: ds.isel(time=slice(None, None, 2)),
            "its cadence of 48 h does not divide the model step of 24 h",
        ),
        (lambda ds: ds.where(ds.time != ds.time[3]), "NaN in the analysis of 2001-01-04T00"),
        (lambda ds: ds.isel(time=slice(3)), "2001-01-05T00 needs the analysis of 2001-01-04T00"),
    ],
)
def test_data_that_differ_are_refused(forecaster, analysis, change, message):
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        forecaster.predict(change(analysis), init_times=INITS, lead_times="24h")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("init_times", "lead_times", "message"),
    [
        (INITS, 24, "expected timedeltas such as '24h' or '3 months', got 24 (state the unit)"),
        (INITS, "36h", "multiples of the model step of 24 h, got 36 h"),
        (INITS, ["0h", "24h"], "positive multiples of the model step of 24 h, got 0 h, 24 h"),
        (INITS, ["24h", "1D"], "different positive multiples"),
        (["2001-01-02"] * 2, "24h", "init_times: 2001-01-02T00:00:00 occurs 2 times; name it once"),
        ([], "24h", "init_times: expected one or more times, got none"),
        (["yesterdayish"], "24h", "init_times: expected datetimes"),
        (["2001-01-01"], "24h", "2001-01-01T00 needs the analysis of 2000-12-31T00"),
    ],
)
def test_times_that_make_no_sense_are_refused(
    forecaster, analysis, init_times, lead_times, message
):
    with pytest.raises(ValueError, match=re.escape(message)):
        forecaster.predict(analysis, init_times=init_times, lead_times=lead_times)


def test_damaged_and_missing_checkpoints(forecaster, tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint there"):
        load_checkpoint(tmp_path)
    save_checkpoint(tmp_path / "c", forecaster.checkpoint)
    weights = (tmp_path / "c" / "weights.safetensors").read_bytes()
    (tmp_path / "c" / "weights.safetensors").write_bytes(weights[:-9])
    with pytest.raises(ValueError, match="the checkpoint is damaged"):
        load_checkpoint(tmp_path / "c")
