"""Observations at stations: what is read, and what is refused at the door."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.scores.observations import read_observations

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
        ({"time": [20010101, 20010102, 20010103]}, "20010101 is a number; expected times"),
        ({"time": ["2001-01-01", "", "2001-01-01"]}, "a row has no time"),
        ({"value": [np.nan] * 3}, "holds no value among 3 rows"),
        ({"value": ["280", "M", "281"]}, "value: .*expected numbers"),
        ({"elevation": ["10", "high", "11"]}, "elevation: .*expected numbers"),
        ({"elevation": [10.0, 12.0, -9999.0]}, "elevation -9999; expected metres"),
        ({"elevation": [10.0, 12.0, 3.0]}, "longitude 350 lies 10 and 12 m high; keep one"),
        ({key: [] for key in ROWS}, "holds no value among 0 rows"),
    ):
        with pytest.raises(ValueError, match=said):
            read_observations(table(tmp_path, **changed), "2m_temperature")
    with pytest.raises(ValueError, match=r"'furlong' is none of .*verify.stations.units"):
        read_observations(table(tmp_path), "2m_temperature", "furlong")
    for name, text in (("empty.csv", ""), ("torn.nc", "CDF"), ("table.txt", "latitude")):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=f"{name}: no table that can be read") as said:
            read_observations(tmp_path / name, "2m_temperature")
        assert "\n" not in str(said.value)
    frame = pd.DataFrame(ROWS).drop(columns="time")
    frame.to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(ValueError, match="has no time among"):
        read_observations(tmp_path / "other.csv", "2m_temperature")
    with pytest.raises(FileNotFoundError, match="no such store of stations"):
        read_observations(tmp_path / "none.csv", "2m_temperature")


def test_order_spelling_of_longitudes_and_format_do_not_matter(tmp_path):
    """The same from shuffled rows east of Greenwich, in another zone, and as NetCDF."""
    rng = np.random.default_rng(3)
    times = pd.date_range("2001-01-01", periods=5, freq="6h", tz="UTC")
    places = pd.DataFrame({"latitude": [3.0, -7.0, 11.0], "longitude": [-20.0, 0.5, -179.0]})
    frame = places.merge(pd.DataFrame({"time": times}), how="cross")
    frame["value"] = 280 + rng.normal(size=len(frame))
    frame.to_csv(tmp_path / "plain.csv", index=False)
    shuffled = frame.sample(frac=1.0, random_state=0)
    shuffled["longitude"] %= 360
    shuffled["time"] = shuffled["time"].dt.tz_convert("Asia/Kathmandu")
    shuffled.to_csv(tmp_path / "shuffled.csv", index=False)
    plain, other = (
        read_observations(tmp_path / name, "2m_temperature")
        for name in ("plain.csv", "shuffled.csv")
    )
    for name in ("latitude", "longitude", "times", "values"):
        np.testing.assert_allclose(
            getattr(plain, name).astype(float), getattr(other, name).astype(float), err_msg=name
        )
    assert plain.times[1] == np.datetime64("2001-01-01T06")
    # Values of (station, time), as files of stations are laid out.
    wide = xr.Dataset(
        {"value": (("station", "time"), frame["value"].to_numpy().reshape(3, 5))},
        {"time": times.tz_localize(None)},
    )
    wide = wide.assign(
        latitude=("station", places["latitude"]), longitude=("station", places["longitude"])
    )
    wide["elevation"] = ("station", [1.0, 2.0, np.nan])
    wide.to_netcdf(tmp_path / "wide.nc")
    found = read_observations(tmp_path / "wide.nc", "2m_temperature")
    np.testing.assert_array_equal(found.values, plain.values)
    np.testing.assert_array_equal(found.elevation, [2.0, 1.0, np.nan])  # by latitude


def test_units_of_a_name_that_nobody_knows_are_those_of_the_forecast(tmp_path):
    path = table(tmp_path, value=[2.0, 3.0, np.nan])
    found = read_observations(path, "smoke", "km", wanted="m")
    np.testing.assert_array_equal(found.values[:, 0], [2000.0, 3000.0])
    with pytest.raises(ValueError, match=r"'K' cannot be converted to m; .*verify.stations.units"):
        read_observations(path, "smoke", "K", wanted="m")


def test_parquet_keeps_zones(tmp_path):
    path = tmp_path / "table.parquet"
    frame = pd.DataFrame(ROWS).assign(time=pd.date_range("2001-01-01", periods=3, tz="Asia/Tokyo"))
    try:
        frame.to_parquet(path)
    except ImportError:
        path.touch()
        with pytest.raises(ValueError, match="Parquet needs pyarrow; pip install pyarrow"):
            read_observations(path, "2m_temperature")
        return
    assert read_observations(path, "2m_temperature").times[0] == np.datetime64("2000-12-31T15")
