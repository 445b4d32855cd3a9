"""Observations at stations: what is refused at the door, and interpolation around the Earth."""

import numpy as np
import pandas as pd
import pytest

from axialcast.grid import LatLonGrid
from axialcast.scores.stations import Neighbours, read_observations

ROWS = {
    "latitude": [50.0, 50.0, 51.5],
    "longitude": [-10.0, -10.0, 2.0],
    "time": ["2001-01-01T00:00Z", "2001-01-02T01:00+01:00", "2001-01-01"],
    "value": [280.0, 281.0, np.nan],
}


def table(path, **changed):
    pd.DataFrame({**ROWS, **changed}).to_csv(path / "table.csv", index=False)
    return path / "table.csv"


def test_a_table_is_read(tmp_path):
    found = read_observations(table(tmp_path), "2m_temperature")
    assert found.num_missing == 1
    np.testing.assert_array_equal(found.longitude, [350.0])
    times = np.array(["2001-01-02", "2001-01-03"], "M8[ns]")
    np.testing.assert_array_equal(found.at(times), [[281.0], [np.nan]])
    celsius = table(tmp_path, value=[7.0, 8.0, np.nan])
    converted = read_observations(celsius, "2m_temperature", "degC")
    np.testing.assert_allclose(converted.values[:, 0], [280.15, 281.15])


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_a_dataset_states_its_units(tmp_path, kind):
    frame = pd.DataFrame(
        {**ROWS, "time": pd.to_datetime(["2001-01-01", "2001-01-02", "2001-01-01"])}
    )
    dataset = frame.assign(value=[7.0, 8.0, 9.0]).rename_axis("row").to_xarray()
    dataset["value"].attrs["units"] = "degC"
    path = tmp_path / f"stations.{kind}"
    dataset.to_netcdf(path) if kind == "nc" else dataset.to_zarr(path, zarr_format=2)
    found = read_observations(path, "2m_temperature")
    assert np.nanmax(found.values) == pytest.approx(282.15)


def test_what_is_wrong_is_said(tmp_path):
    for changed, said in (
        ({"value": [7.0, 8.0, 9.0]}, "2m_temperature is 7 to 9 K, where 80 to 420 is possible"),
        ({"latitude": [95.0, 50.0, 51.5]}, "latitude 95; expected degrees"),
        ({"time": ["2001-01-01", "2001-01-01", "2001-01-01"]}, "twice; keep one"),
        ({"time": ["yesterday", "2001-01-01", "2001-01-01"]}, "expected times in UTC"),
        ({"value": [np.nan] * 3}, "holds no value"),
    ):
        with pytest.raises(ValueError, match=said):
            read_observations(table(tmp_path, **changed), "2m_temperature")
    frame = pd.DataFrame(ROWS).drop(columns="time")
    frame.to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(ValueError, match="has no time among"):
        read_observations(tmp_path / "other.csv", "2m_temperature")
    with pytest.raises(FileNotFoundError, match="no such store of stations"):
        read_observations(tmp_path / "none.csv", "2m_temperature")


@pytest.mark.parametrize("descending", [False, True])
def test_linear_fields_are_interpolated_exactly(descending):
    latitude = np.arange(-85.0, 86.0, 10.0)[:: -1 if descending else 1]
    grid = LatLonGrid(latitude, np.arange(0.0, 360.0, 15.0))
    stations = np.array([[12.3, 40.0], [-60.0, 359.0], [88.0, 7.5], [0.0, -1.0]])
    near = Neighbours.of(grid, *stations.T)
    assert near.inside.all()
    rows, columns = np.meshgrid(latitude, np.cos(np.deg2rad(grid.longitude)), indexing="ij")
    found = near.values(np.stack([rows, columns]))
    np.testing.assert_allclose(found[0], [12.3, -60.0, 85.0, 0.0])
    # Between the last column and the first, a fifteenth of the way back.
    last = np.cos(np.deg2rad(345.0))
    np.testing.assert_allclose(found[1, [1, 3]], last + (1 - last) * 14 / 15)


def test_stations_beyond_a_region_are_not_there():
    grid = LatLonGrid(np.arange(30.0, 61.0, 5), np.arange(-10.0, 31.0, 5))
    near = Neighbours.of(grid, np.array([45.0, 45.0, 10.0]), np.array([-3.0, 100.0, 0.0]))
    np.testing.assert_array_equal(near.inside, [True, False, False])
    field = np.arange(7 * 9.0).reshape(7, 9)
    assert np.isfinite(near.values(field)).tolist() == [True, False, False]
    gap = field.copy()
    gap[3, 1] = np.nan
    assert np.isnan(near.values(gap)[0])
