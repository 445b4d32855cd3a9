"""Tables of stations as people have them: what is read as it is meant, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.scores.observations import read_observations
from axialcast.scores.station_tables import read_table

TIMES = pd.date_range("2001-01-01", periods=3)


@pytest.fixture
def wide():
    """Value (time, station) at two stations, as files of stations are laid out."""
    return xr.Dataset(
        {"value": (("time", "station"), np.arange(280.0, 286.0).reshape(3, 2))},
        {
            "time": TIMES,
            "latitude": ("station", [3.0, -7.0]),
            "longitude": ("station", [-20.0, 10.0]),
        },
    )


def refused(dataset, path, said):
    dataset.to_netcdf(path / "stations.nc")
    with pytest.raises(ValueError, match=said) as error:
        read_observations(path / "stations.nc", "2m_temperature")
    assert "\n" not in str(error.value)
    assert "stations.nc" in str(error.value)


def test_a_column_of_units_is_heeded(tmp_path):
    rows = {"latitude": 50.0, "longitude": 1.0, "time": TIMES, "value": [0.5, 1.0, 2.0]}
    table = pd.DataFrame({**rows, "units": "mm"})  # as metres they would be possible, too
    table.to_csv(tmp_path / "rain.csv", index=False)
    found = read_observations(tmp_path / "rain.csv", "total_precipitation")
    np.testing.assert_allclose(found.values[:, 0], [0.0005, 0.001, 0.002])
    assert found.units == "mm"
    asked = read_observations(tmp_path / "rain.csv", "total_precipitation", "m")
    np.testing.assert_allclose(asked.values[:, 0], [0.5, 1.0, 2.0])
    table["units"] = ["mm", "m", None]
    table.to_csv(tmp_path / "rain.csv", index=False)
    with pytest.raises(ValueError, match="column units says 'mm' and 'm'; keep values of one"):
        read_observations(tmp_path / "rain.csv", "total_precipitation")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latitude;longitude;time;value\n50;1;2001-01-01;280.5", "separated by semicolons"),
        ("latitude;longitude;time;value\n50;1;2001-01-01;280,5", "more fields than the 1"),
        ("latitude\tlongitude\ttime\tvalue\n50\t1\t2001-01-01\t280", "separated by tabs"),
        # pandas takes the first field of such rows for the name of the row, and shifts the others.
        ("latitude,longitude,time,value\n50,1,2001-01-01,280,5", "more fields than the 4"),
        ("latitude,longitude,time,value\n50,1,2001-01-01,280,", "more fields than the 4"),
        (
            "latitude,longitude,time,value,value\n50,1,2001-01-01,280,9",
            "two columns are called value",
        ),
    ],
)
def test_rows_that_would_be_taken_apart_wrongly_are_refused(tmp_path, text, said):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ValueError, match=said) as error:
        read_table(tmp_path / "table.csv")
    assert "\n" not in str(error.value)


def test_names_of_columns_may_have_blanks_and_files_may_be_packed(tmp_path):
    text = "latitude, longitude, time, value\n50, 1, 2001-01-01T06Z, 280\n"
    (tmp_path / "TABLE.CSV").write_text(text)
    assert read_observations(tmp_path / "TABLE.CSV", "2m_temperature").values.tolist() == [[280.0]]
    table, _ = read_table(tmp_path / "TABLE.CSV")
    table.to_csv(tmp_path / "table.csv.gz", index=False)
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv.gz")[0], table)


def test_parquet_keeps_columns_in_its_index(tmp_path):
    pytest.importorskip("pyarrow")
    rows = {"latitude": 50.0, "longitude": 1.0, "time": TIMES, "value": [280.0, np.nan, 282.0]}
    table = pd.DataFrame(rows)
    for name, frame in (
        ("plain.parquet", table),
        ("index.parquet", table.set_index(["latitude", "time"])),
        ("nullable.pq", table.convert_dtypes()),
    ):
        frame.to_parquet(tmp_path / name)
        found = read_observations(tmp_path / name, "2m_temperature")
        np.testing.assert_array_equal(found.values, [[280.0], [282.0]], name)
        assert found.num_missing == 1


def test_values_do_not_get_places_and_times_of_others(tmp_path, wide):
    """CF's ragged arrays: the file says how many values each station has, not whose each is."""
    ragged = xr.Dataset(
        {"value": ("obs", [280.0, 281.0, 282.0]), "row_size": ("station", [2, 1])},
        {
            "time": ("obs", TIMES),
            "latitude": ("station", [3.0, -7.0]),
            "longitude": ("station", [-20.0, 10.0]),
        },
    )
    refused(ragged, tmp_path, r"latitude lies along station, along which value \(obs\) does not")
    levels = wide.expand_dims(level=[1000, 850])
    refused(levels[["value"]].assign_coords(wide.coords), tmp_path, "value lies along level, .*2$")
    one = wide.expand_dims(level=[1000])[["value"]].assign_coords(wide.coords)
    one.to_netcdf(tmp_path / "one.nc")
    assert read_observations(tmp_path / "one.nc", "2m_temperature").values.shape == (3, 2)


def test_rectangles_that_are_filled_up_are_read(tmp_path, wide):
    times = np.stack([TIMES.values, TIMES.values + np.timedelta64(6, "h")], 1)
    times[2, 1] = np.datetime64("NaT", "ns")
    filled = wide.rename(time="row").drop_vars("row")
    filled = filled.assign(time=(("row", "station"), times))
    filled["value"] = filled["value"].where(filled["time"].notnull())
    filled.to_netcdf(tmp_path / "filled.nc")
    found = read_observations(tmp_path / "filled.nc", "2m_temperature")
    assert np.isfinite(found.values).sum() == 5
    assert found.num_missing == 1


def test_coordinates_say_what_they_are_in(tmp_path, wide):
    for name, units, said in (
        ("latitude", "radians", "latitude is in radians; expected degrees_north"),
        ("longitude", "degrees_west", "longitude is in 'degrees_west', counted the other way"),
    ):
        other = wide.copy()
        other[name] = other[name].assign_attrs(units=units)
        refused(other, tmp_path, said)
    for units, stated in (("ft", [1000.0, 2000.0]), ("km", [0.3048, 0.6096]), ("", [304.8, 609.6])):
        high = wide.assign_coords(elevation=("station", stated, {"units": units}))
        high.to_netcdf(tmp_path / f"in{units}.nc")
        found = read_observations(tmp_path / f"in{units}.nc", "2m_temperature")
        np.testing.assert_allclose(sorted(found.elevation), [304.8, 609.6])
    high["elevation"].attrs["units"] = "hPa"
    refused(high, tmp_path, "elevation: 'hPa' cannot be converted to m")


@pytest.mark.parametrize("calendar", ["360_day", "noleap"])
def test_dates_of_other_calendars_are_not_ours(tmp_path, wide, calendar):
    times = xr.date_range("2001-02-27", periods=3, calendar=calendar, use_cftime=True)
    refused(wide.assign_coords(time=times), tmp_path, f"is of the calendar {calendar}; expected")
