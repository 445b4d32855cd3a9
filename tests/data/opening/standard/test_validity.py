"""Forecasts are read at the times they are valid at, or refused with the lead times they have."""

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.data import open_analysis
from axialcast.data.arrays.lazy import part_of

DAY = np.timedelta64(1, "D")
HOUR = np.timedelta64(1, "h")
NOTHING = np.timedelta64(0, "h")


@pytest.fixture
def field(analysis):
    """Sea-level pressure alone, its times without attributes, as many stores have them."""
    field = analysis[["mean_sea_level_pressure"]].rename(mean_sea_level_pressure="msl")
    return field.assign_coords(time=field.time.values)


def opened(dataset, tmp_path, kind):
    """The analysis as it is read from memory, from NetCDF or from Zarr."""
    if kind == "memory":
        return open_analysis(dataset)
    path = tmp_path / f"a.{kind}"
    if kind == "nc":
        dataset.to_netcdf(path)
    else:
        dataset.to_zarr(path, consolidated=False)
    return open_analysis(path)


def cfgrib(field, lead):
    """As cfgrib gives an analysis or a forecast of one lead time."""
    valid = ("time", field.time.values + lead, {"standard_name": "time"})
    dataset = field.assign_coords(step=lead, valid_time=valid, number=0, surface=0.0)
    dataset["time"].attrs["standard_name"] = "forecast_reference_time"
    dataset["step"].attrs["standard_name"] = "forecast_period"
    return dataset


def without_attributes(dataset):
    for name in dataset.coords:
        if name not in ("latitude", "longitude"):
            dataset[name].attrs = {}
    return dataset


def met_office(field, lead):
    """By CF conventions: `time` is the valid time, what the forecast began with is beside it."""
    dataset = field.assign_coords(
        time=("time", field.time.values + lead, {"standard_name": "time"}),
        forecast_period=((), lead / HOUR, {"units": "hours", "standard_name": "forecast_period"}),
    )
    start = ("time", field.time.values, {"standard_name": "forecast_reference_time"})
    return dataset.assign_coords(forecast_reference_time=start)


FORECASTS = {
    "cfgrib": cfgrib,
    "cfgrib without attributes": lambda d, lead: without_attributes(cfgrib(d, lead)),
    "Met Office": met_office,
    "Met Office without attributes": lambda d, lead: met_office(d, lead).assign_coords(
        time=("time", d.time.values + lead, {})
    ),
    "WeatherBench 2": lambda d, lead: d.expand_dims(prediction_timedelta=[lead], axis=1),
    "a scalar": lambda d, lead: d.assign_coords(lead_time=lead),
    "hours by their name": lambda d, lead: d.expand_dims(fhour=[lead / HOUR]),
    "whole hours with units": lambda d, lead: d.assign_coords(
        leadtime=((), int(lead / HOUR), {"units": "hours"})
    ),
    "a name of its own": lambda d, lead: d.assign_coords(
        reach=((), lead / HOUR, {"units": "h", "standard_name": "forecast_period"})
    ),
    "minutes": lambda d, lead: d.assign_coords(step=((), 60 * lead / HOUR, {"units": "minutes"})),
    "axialcast": lambda d, lead: (
        d.rename(time="init_time")
        .expand_dims(lead_time=[lead], axis=1)
        .assign_coords(valid_time=(("init_time", "lead_time"), d.time.values[:, None] + lead))
    ),
    "init_time and valid_time": lambda d, lead: d.rename(time="init_time").assign_coords(
        valid_time=("init_time", d.time.values + lead)
    ),
    "a lead time for each time": lambda d, lead: d.assign_coords(
        step=("time", np.full(d.sizes["time"], lead))
    ),
}


@pytest.mark.parametrize("kind", ["memory", "nc", "zarr"])
@pytest.mark.parametrize("lead", [NOTHING, 10 * DAY], ids=["0", "240"])
@pytest.mark.parametrize("forecast", FORECASTS)
def test_fields_of_one_lead_time_are_at_their_valid_times(
    field, tmp_path, caplog, forecast, lead, kind
):
    caplog.set_level(logging.INFO, "axialcast")
    found = opened(FORECASTS[forecast](field, lead), tmp_path, kind)
    np.testing.assert_array_equal(found.time, field.time + lead)
    assert set(found.coords) & {"step", "lead_time", "prediction_timedelta", "init_time"} == set()
    np.testing.assert_array_equal(found.mean_sea_level_pressure, field.msl)
    assert kind == "memory" or part_of(found.mean_sea_level_pressure) is not None
    told = "forecasts of a lead time of 240 h, at the times they are valid at" in caplog.text
    assert told == (lead != NOTHING and forecast != "init_time and valid_time")


LEADS = np.array([6, 30, 240]) * HOUR


@pytest.mark.parametrize(
    "forecast",
    [
        lambda d: d.expand_dims(prediction_timedelta=LEADS, axis=1),
        lambda d: d.expand_dims(step=LEADS),
        lambda d: d.rename(time="init_time").expand_dims(lead_time=LEADS, axis=1),
        lambda d: d.isel(time=0).expand_dims(step=LEADS),
        lambda d: (
            d.isel(time=0)
            .expand_dims(step=LEADS)
            .assign_coords(valid_time=("step", d.time.values[0] + LEADS))
        ),
        lambda d: d.expand_dims(
            fhour=xr.DataArray(LEADS / HOUR, dims="fhour", attrs={"units": "hours"})
        ),
        lambda d: (
            d.rename(time="forecast_reference_time")
            .expand_dims(lead=3)
            .assign_coords(forecast_period=("lead", LEADS))
        ),
    ],
)
@pytest.mark.parametrize("kind", ["memory", "nc", "zarr"])
def test_several_lead_times_are_refused_and_named(field, tmp_path, forecast, kind):
    with pytest.raises(ValueError, match=r"the lead times 6, 30, 240 h.*ncks -d") as raised:
        opened(forecast(field), tmp_path, kind)
    assert "\n" not in str(raised.value)
    assert kind == "memory" or f"a.{kind}: " in str(raised.value)


def test_of_many_lead_times_some_are_named(field):
    with pytest.raises(ValueError, match=r"the lead times 6, 12, 18, .*, …, 240 h") as raised:
        open_analysis(field.expand_dims(step=np.arange(6, 246, 6) * HOUR))
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d.assign_coords(
                time=("time", d.time.values, {"standard_name": "time"}), step=24 * HOUR
            ),
            "may be the initial or the valid time of forecasts of a lead time of 24 h; say which",
        ),
        (lambda d: d.assign_coords(step=6), "expected lead times in hours, got 6 in None"),
        (
            lambda d: d.assign_coords(step=((), 6, {"units": "fortnights"})),
            "expected lead times in hours, got 6 in 'fortnights'",
        ),
        (
            lambda d: d.assign_coords(step=6 * HOUR, valid_time=("time", d.time.values + DAY)),
            r"valid_time: 2001-01-02T00 is not time 2001-01-01T00 plus step a lead time of 6 h",
        ),
        (lambda d: d.assign_coords(step=np.timedelta64("NaT", "h")), "holds missing lead times"),
        (
            lambda d: d.rename(time="init_time"),
            "no dimension 'time': init_time holds initial times, but neither lead times nor valid",
        ),
        (
            lambda d: d.assign_coords(
                time=("time", np.arange(40), {"units": "steps"}), reftime=d.time.values[0]
            ),
            "time: expected dates, got numbers in 'steps'",
        ),
        (lambda d: d.expand_dims(expver=[1, 5], axis=1), "5 its preliminary months, each without"),
    ],
)
def test_times_that_are_not_told_or_contradict_one_another(field, change, message):
    with pytest.raises(ValueError, match=message) as raised:
        open_analysis(change(field))
    assert "\n" not in str(raised.value)


def test_what_is_no_lead_time_is_let_be(field, tmp_path, caplog):
    """New files of the Climate Data Store; a count of steps; reference times beside valid ones."""
    caplog.set_level(logging.INFO, "axialcast")
    store = field.rename(time="valid_time")
    store["valid_time"].attrs = {"standard_name": "time", "long_name": "time"}
    labels = np.array(["0001", "0005"] * 20, object)
    store = store.assign_coords(number=0, expver=("valid_time", labels))
    counted = field.assign_coords(step=("time", np.arange(40)))
    best = field.assign_coords(reftime=("time", field.time.values - 6 * HOUR))
    lonely = field.copy()
    lonely["time"].attrs["standard_name"] = "forecast_reference_time"  # and the rest was dropped
    for number, dataset in enumerate((store, counted, best, lonely)):
        (tmp_path / str(number)).mkdir()
        for kind in ("memory", "nc", "zarr"):
            found = opened(dataset, tmp_path / str(number), kind)
            np.testing.assert_array_equal(found.time, field.time)
            np.testing.assert_array_equal(found.mean_sea_level_pressure, field.msl)
    assert caplog.text == ""


@pytest.mark.parametrize("kind", ["memory", "nc", "zarr"])
@pytest.mark.parametrize("name", ["time", "valid_time"])
def test_a_single_time_without_a_dimension_gets_one(analysis, tmp_path, kind, name):
    single = analysis.isel(time=7).rename(time=name)
    found = opened(single, tmp_path, kind)
    assert kind == "memory" or part_of(found.geopotential) is not None
    xr.testing.assert_equal(found.load(), analysis.isel(time=[7]))


def test_files_of_a_single_time_are_joined(analysis, tmp_path):
    for number in (2, 0, 1):
        analysis.isel(time=number).to_netcdf(tmp_path / f"a{number}.nc")
    found = open_analysis(tmp_path / "a*.nc")
    xr.testing.assert_equal(found.load(), analysis.isel(time=slice(3)))


def test_a_calendar_of_its_own(field):
    times = xr.date_range("2001-02-27", periods=40, calendar="noleap", use_cftime=True)
    found = open_analysis(
        field.assign_coords(time=times).expand_dims(prediction_timedelta=[2 * DAY])
    )
    assert found.time.values[0].isoformat() == "2001-03-01T00:00:00"
    standard = pd.date_range("2001-02-27", periods=40)
    found = open_analysis(field.assign_coords(time=standard).assign_coords(step=2 * DAY))
    assert found.time.values[0] == np.datetime64("2001-03-01")


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_files_of_one_initial_time_each(field, tmp_path, kind):
    """Each begins at another time; that a lead time is another is no series."""

    def write(number, lead):
        part = met_office(field.isel(time=[number]), lead)
        part = part.assign_coords(forecast_reference_time=field.time[number].drop_vars("time"))
        path = tmp_path / f"a{number}.{kind}"
        part.to_netcdf(path) if kind == "nc" else part.to_zarr(path, consolidated=False)
        return path

    paths = [write(number, 6 * HOUR) for number in (1, 0, 2)]
    found = open_analysis(paths)
    np.testing.assert_array_equal(found.time, field.time[:3] + 6 * HOUR)
    np.testing.assert_array_equal(found.mean_sea_level_pressure, field.msl[:3])
    paths.append(write(3, 12 * HOUR))
    with pytest.raises(ValueError, match=r"differ in forecast_period of .*: 6.* and 12"):
        open_analysis(paths)
