"""Means, sums and extremes stay what they are: from the analysis to stores, NetCDF and GRIB."""

import json

import numpy as np
import pytest
import xarray as xr

from axialcast.data import Channels, open_analysis
from axialcast.forecast.cells import with_cells
from axialcast.forecast.grib import refuse_grib, write_grib
from axialcast.forecast.layout import arranged, canonical
from axialcast.forecast.netcdf import write_netcdf
from axialcast.grid import LatLonGrid
from axialcast.names import COORDINATE_ATTRS, VARIABLES
from axialcast.times.cells import Cell

GRID = LatLonGrid.regular(7, 12, poles=False)
INITS = np.array(["2001-01-02", "2001-01-05"], "M8[ns]")
HOURS = np.array([6, 12, 18])
LEADS = HOURS.astype("m8[h]").astype("m8[ns]")
DAY, SIX = Cell("mean", (0.0, 24.0)), Cell("sum", (-6.0, 0.0))


def forecast(cells: dict[str, Cell | None], leads=LEADS):
    """A forecast of some variables without levels, of these cells."""
    shape = (2, 3, *GRID.shape)
    values = np.random.default_rng(0).uniform(0.01, 0.02, shape).astype("f4")
    dims = ("init_time", "lead_time", *GRID.dims)
    coords = {
        "init_time": ("init_time", INITS, COORDINATE_ATTRS["init_time"]),
        "lead_time": ("lead_time", leads, COORDINATE_ATTRS["lead_time"]),
        **GRID.labels,
    }
    fields = {
        name: (dims, values, VARIABLES[name].attrs | (cell.attrs() if cell else {}))
        for name, cell in cells.items()
    }
    return with_cells(xr.Dataset(fields, coords), leads)


def test_bounds_stand_beside_lead_times_that_are_intervals(tmp_path):
    found = forecast({"2m_temperature": DAY, "mean_sea_level_pressure": None})
    assert found["2m_temperature"].attrs["cell_methods"] == "lead_time: mean"
    assert "cell_methods" not in found["mean_sea_level_pressure"].attrs
    assert found.lead_time.attrs["bounds"] == "lead_time_bnds"
    path = tmp_path / "a.nc"
    write_netcdf(path, found.isel(init_time=[0]))
    with xr.open_dataset(path, decode_cf=False) as raw:
        leads, ends = raw["lead_time"], raw["lead_time_bnds"]
        assert leads.attrs["units"] == "hours"
        assert "units" not in ends.attrs
        np.testing.assert_array_equal(leads, HOURS)
        np.testing.assert_array_equal(ends, HOURS[:, None] + [0, 24])
    # Lead times of whole hours, whose intervals do not end at one.
    halves = forecast({"2m_temperature": Cell("mean", (-0.5, 0.0))})
    halves.to_netcdf(path)
    with xr.open_dataset(path, decode_cf=False) as raw:
        assert raw["lead_time"].attrs["units"] == "seconds"
        np.testing.assert_array_equal(
            raw["lead_time_bnds"], raw["lead_time"].values[:, None] + [-1800, 0]
        )


def test_bounds_of_months_are_months(tmp_path):
    labels = ("lead_time", [1, 2, 3], {"units": "months"})
    plain = forecast({"2m_temperature": None}).assign_coords(lead_time=labels)
    plain["2m_temperature"].attrs |= Cell("mean", (0.0, 1.0), "cell_months").attrs()
    found = with_cells(plain, np.array([1, 2, 3], "m8[M]"))
    np.testing.assert_array_equal(found["lead_time_bnds"], [[1, 2], [2, 3], [3, 4]])
    write_netcdf(tmp_path / "a.nc", found)
    with xr.open_dataset(tmp_path / "a.nc", decode_cf=False) as raw:
        assert raw["lead_time"].attrs["units"] == "months"
        np.testing.assert_array_equal(raw["lead_time_bnds"], found["lead_time_bnds"])
    # Hours say nothing of months, whose lengths differ.
    days = plain.copy()
    days["2m_temperature"].attrs = DAY.attrs()
    assert "lead_time_bnds" not in with_cells(days, np.array([1, 2, 3], "m8[M]")).coords


def test_variables_of_different_intervals_have_no_common_bounds():
    found = forecast({"2m_temperature": DAY, "total_precipitation": SIX})
    assert "bounds" not in found.lead_time.attrs
    assert Cell.of(found["2m_temperature"].attrs) == DAY
    assert Cell.of(found["total_precipitation"].attrs) == SIX


def test_the_other_layout_names_its_own_dimension():
    found = arranged(forecast({"2m_temperature": DAY}), "weatherbench2")
    assert found["2m_temperature"].attrs["cell_methods"] == "prediction_timedelta: mean"
    ours = canonical(found)
    assert ours["2m_temperature"].attrs["cell_methods"] == "lead_time: mean"
    assert Cell.of(found["2m_temperature"].attrs) == DAY


def test_channels_keep_their_cells_and_tell_what_contradicts():
    fields = forecast({"2m_temperature": DAY, "mean_sea_level_pressure": None}).isel(lead_time=0)
    channels = Channels.of(fields)
    again = Channels.from_list(json.loads(json.dumps(channels.to_list())))
    assert [channel.cell for channel in again] == [DAY, None]
    instant = fields.copy()
    instant["2m_temperature"].attrs["cell_methods"] = "time: point"
    said = channels.difference(Channels.of(instant))
    assert (
        said == "2m_temperature: expected its mean from 0 to +24 h, got its point from 0 to +24 h"
    )


def test_grib_says_over_which_interval(tmp_path):
    pytest.importorskip("cfgrib", reason="the extra grib is not installed")
    import eccodes

    want = forecast(
        {"2m_temperature": DAY, "total_precipitation": SIX, "mean_sea_level_pressure": None}
    )
    path = tmp_path / "a.grib2"
    write_grib(path, want, bits=16)
    told = []
    with path.open("rb") as file:
        while (message := eccodes.codes_grib_new_from_file(file)) is not None:
            keys = ("shortName", "stepType", "stepRange")
            told.append(tuple(eccodes.codes_get(message, key) for key in keys))
            eccodes.codes_release(message)
    assert told[:6] == [
        ("avg_2t", "avg", "6-30"),
        ("tp", "accum", "0-6"),
        ("prmsl", "instant", "6") if told[2][0] == "prmsl" else ("msl", "instant", "6"),
        ("avg_2t", "avg", "12-36"),
        ("tp", "accum", "6-12"),
        (told[2][0], "instant", "12"),
    ]
    # Read back as an analysis: m of water from kg m-2, sums as they were.
    first = tmp_path / "tp.grib2"
    write_grib(first, want[["total_precipitation"]].isel(init_time=[0], lead_time=[0]), bits=24)
    read = open_analysis(first)["total_precipitation"]
    assert Cell.of(read.attrs) == SIX
    given = want["total_precipitation"].isel(init_time=0, lead_time=0)
    np.testing.assert_allclose(
        np.sort(read.values.ravel()), np.sort(given.values.ravel()), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "cell", "said"),
    [
        ("total_precipitation", None, "is an amount, and nothing says over which interval"),
        ("total_precipitation", Cell("mean", (-6.0, 0.0)), "is an amount, and it is a mean"),
        ("2m_temperature", Cell("mean"), "is a mean, and no hours say over which interval"),
        ("2m_temperature", Cell("median", (0.0, 6.0)), "no code for a median of 2m_temperature"),
        ("2m_temperature", Cell("mean", (-12.0, 12.0)), "begins before the initial time"),
    ],
)
def test_grib_refuses_what_it_cannot_say(name, cell, said):
    with pytest.raises(ValueError, match=said):
        refuse_grib(forecast({name: cell}))
