"""What axialcast writes passes the compliance checker of IOOS, the field's independent judge.

It reads NetCDF; what lies in a Zarr store is copied as it lies there: dimensions, numbers as they
are stored, attributes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from axialcast.data import open_analysis
from axialcast.data.channels import Channels
from axialcast.data.opening.kinds.stacked import write_template
from axialcast.forecast import ForecastWriter
from axialcast.forecast.cells import with_cells
from axialcast.grid import ProjectedGrid
from axialcast.grid.proj import pyproj
from axialcast.names import COORDINATE_ATTRS, VARIABLES
from axialcast.planet.nature_run import NatureRun
from axialcast.planet.rain_cells import RainCells
from axialcast.planet.simulation import Simulation
from axialcast.times.cells import Cell

INITS = np.array(["2001-01-02", "2001-01-05", "2001-01-20"], "M8[ns]")
LEADS = np.array([24, 48, 72], "m8[h]").astype("m8[ns]")

EXPECTED = (
    # init_time and lead_time both are time, which CF knows one dimension of.
    "spatio-temporal dimensions are not in the recommended order",
    # The names of WeatherBench 2.
    "variable 2m_temperature should begin with a letter",
)
"""Warnings that stay, and why."""
IN_WEATHERBENCH2 = "Coordinate variable 'time' should have standard_name='time'"
"""The only error, of the layout that calls the initial time so. CF gives no name a meaning; were it
said to be the time that a forecast is valid at, readers that go by standard names would misread."""


@pytest.fixture(scope="module")
def judged() -> Callable[[Path], tuple[list[str], list[str]]]:
    """A function that gives the errors and the warnings of the checker about a file."""
    runner = pytest.importorskip("compliance_checker.runner", exc_type=ImportError)
    runner.CheckSuite.load_all_available_checkers()

    def judge(path: Path) -> tuple[list[str], list[str]]:
        report = path.with_suffix(".json")
        _, raised = runner.ComplianceChecker.run_checker(
            str(path), ["cf:1.11"], 0, "strict", output_filename=str(report), output_format="json"
        )
        assert not raised, "the checker itself failed"
        found = json.loads(report.read_text())["cf:1.11"]
        errors, *warnings = (
            [message for one in found[f"{kind}_priorities"] for message in one["msgs"]]
            for kind in ("high", "medium", "low")
        )
        return errors, [*warnings[0], *warnings[1]]

    return judge


def as_netcdf(store: Path) -> Path:
    """A Zarr store's contents as they lie there, in a NetCDF file beside it."""
    path = store.with_suffix(".nc")
    raw = xr.open_zarr(store, decode_cf=False, chunks=None).load()
    for variable in raw.variables.values():
        variable.encoding = {}
    nothing: Any = {"_FillValue": None}
    encoding = {n: nothing for n, v in raw.variables.items() if "_FillValue" not in v.attrs}
    # The checker knows no strings.
    encoding |= {n: {"dtype": "S1"} for n, v in raw.variables.items() if v.dtype.kind in "OTU"}
    raw.to_netcdf(path, encoding=encoding)
    return path


def assert_passes(judged: Callable[[Path], Any], path: Path, layout: str = "axialcast") -> None:
    errors, warnings = judged(path)
    is_known = layout == "weatherbench2"
    assert not [line for line in errors if not (is_known and line.startswith(IN_WEATHERBENCH2))]
    assert not [line for line in warnings if not any(known in line for known in EXPECTED)]


def lambert() -> ProjectedGrid:
    mapping = pyproj().CRS("+proj=lcc +lat_1=38.5 +lat_0=38.5 +lon_0=-97.5 +R=6371229").to_cf()
    return ProjectedGrid(np.arange(7) * 5e4, np.arange(11) * 5e4, mapping)


def on_a_map(analysis: xr.Dataset) -> xr.Dataset:
    grid = lambert()
    small = analysis.isel(latitude=slice(7), longitude=slice(11))
    names = {"latitude": "y", "longitude": "x"}
    return small.drop_vars(names).rename(names).assign_coords(grid.labels | grid.more_labels)


def forecasts() -> dict[str, Callable[..., xr.Dataset]]:
    """Forecasts of every kind by name, made of labels of one on latitudes and longitudes."""
    days = [np.timedelta64(n, "D").astype(object) for n in (1, 2, 3)]

    def in_calendar(calendar: str) -> Callable[[xr.Dataset], xr.Dataset]:
        times = xr.date_range("2004-02-25", periods=3, calendar=calendar, use_cftime=True).values
        valid = (("init_time", "lead_time"), np.add.outer(times, days))

        def moved(template: xr.Dataset) -> xr.Dataset:
            found = template.assign_coords(init_time=times, valid_time=valid)
            for name in ("init_time", "valid_time"):
                found[name].attrs = dict(template[name].attrs)
            return found

        return moved

    def in_months(template: xr.Dataset) -> xr.Dataset:
        attrs = template.lead_time.attrs | {"units": "months"}
        return template.assign_coords(lead_time=("lead_time", [1, 2, 3], attrs))

    def of_members(template: xr.Dataset) -> xr.Dataset:
        numbers = ("number", np.arange(5), COORDINATE_ATTRS["number"])
        return template.expand_dims(number=5, axis=1).assign_coords(number=numbers)

    def of_others(template: xr.Dataset) -> xr.Dataset:
        fields = template.mean_sea_level_pressure, template.geopotential
        high = ("temperature", "relative_humidity")
        return template.assign(
            {
                name: (fields[name in high].dims, fields[name in high].values, known.attrs)
                for name, known in VARIABLES.items()
                if name in (*high, "total_precipitation", "2m_temperature")
            }
        )

    def of_means(template: xr.Dataset) -> xr.Dataset:
        for array in template.data_vars.values():
            array.attrs |= Cell("mean", (0.0, 24.0)).attrs()
        return with_cells(template, LEADS)

    return {
        "plain": lambda template: template,
        "means": of_means,
        "ensemble": of_members,
        "months": in_months,
        "noleap": in_calendar("noleap"),
        "360_day": in_calendar("360_day"),
        "other variables": of_others,
    }


@pytest.mark.parametrize(
    ("layout", "kind"),
    [("axialcast", kind) for kind in forecasts()]
    + [("weatherbench2", kind) for kind in ("ensemble", "means")],
)
def test_forecasts(kind, layout, forecaster, judged, tmp_path):
    template = forecasts()[kind](forecaster.template(INITS, LEADS))
    with ForecastWriter(tmp_path / "forecast.zarr", template, layout=layout) as writer:
        for number in range(len(INITS)):
            writer.write(template.isel(init_time=[number]))
    assert_passes(judged, as_netcdf(tmp_path / "forecast.zarr"), layout)


def test_forecasts_as_netcdf(forecaster, judged, tmp_path):
    template = forecasts()["ensemble"](forecaster.template(INITS, LEADS))
    with ForecastWriter(tmp_path / "made.nc", template) as writer:
        writer.write(template)
    assert_passes(judged, tmp_path / "made.nc")


def test_forecasts_on_a_map(analysis, make_forecaster, judged, tmp_path):
    template = make_forecaster(on_a_map(analysis)).template(INITS, LEADS)
    for name in ("forecast.zarr", "made.nc"):
        with ForecastWriter(tmp_path / name, template) as writer:
            writer.write(template)
    assert_passes(judged, as_netcdf(tmp_path / "forecast.zarr"))
    assert_passes(judged, tmp_path / "made.nc")
    with xr.open_dataset(tmp_path / "made.nc", decode_coords="all") as read:
        assert read.geopotential.encoding["grid_mapping"] == "crs"


def test_training_stores(analysis, judged, tmp_path):
    for name, states in (("plain", analysis), ("map", on_a_map(analysis))):
        write_template(tmp_path / f"{name}.zarr", states, Channels.of(states))
        assert_passes(judged, as_netcdf(tmp_path / f"{name}.zarr"))


def test_what_was_opened_of_daily_means(analysis, judged, tmp_path):
    """Bounds, areas and flags of their fields stay behind, and are not named any more."""
    times = analysis["time"].values
    ends = np.stack([times, times + np.timedelta64(1, "D")], 1)
    means = analysis.assign(time_bnds=(("time", "nv"), ends))
    means["time"].attrs["bounds"] = "time_bnds"
    means["geopotential"].attrs |= {"cell_methods": "time: mean", "cell_measures": "area: area"}
    means["geopotential"].attrs |= {"ancillary_variables": "flags", "grid_mapping": "sphere"}
    opened = open_analysis(means)
    assert "bounds" not in opened["time"].attrs
    write_template(tmp_path / "states.zarr", opened, Channels.of(opened))
    assert_passes(judged, as_netcdf(tmp_path / "states.zarr"))


def test_simulated_planets(judged, tmp_path):
    planets = {
        "weather": NatureRun(start="2001-01-01", end="2001-01-02", truncation=10, spinup_days=0),
        "rain": RainCells(start="2001-01-01 00", end="2001-01-01 01", points=7),
    }
    for name, planet in planets.items():
        Simulation(planet, tmp_path / f"{name}.zarr", {})
        store = tmp_path / f"{name}.zarr.unfinished" / "store"
        assert_passes(judged, as_netcdf(store.rename(tmp_path / f"{name}.zarr")))
