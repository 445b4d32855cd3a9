"""An anemoi dataset becomes the analysis it was made of."""

import numpy as np
import pytest
import xarray as xr
import zarr

from axialcast.data import Analysis, Channels, cadence, open_analysis
from axialcast.data.arrays.chunks import Chunks
from axialcast.data.arrays.lazy import part_of

UNITS = {"z": "m2 s-2", "msl": "Pa"}


@pytest.fixture
def make(analysis, tmp_path):
    """A function that writes the analysis as an anemoi dataset of `members` equal members."""

    def write(*, members=1, shape=(7, 12), missing=(), drop=(), units=None):
        columns = {"z_850": analysis.geopotential.sel(level=850)}
        columns["msl"] = analysis.mean_sea_level_pressure
        columns["z_500"] = analysis.geopotential.sel(level=500)
        columns["z"] = analysis.geopotential.sel(level=500) * 0 + 7
        columns = {name: field for name, field in columns.items() if name not in drop}
        stacked = np.stack([field.values.reshape(40, -1) for field in columns.values()], 1)
        group = zarr.open_group(tmp_path / "anemoi.zarr", mode="w", zarr_format=2)
        data = np.repeat(stacked[:, :, None], members, axis=2)
        group.create_array("data", data=data, chunks=(1, *data.shape[1:]))
        group.create_array("dates", data=analysis.time.values.astype("datetime64[s]"))
        latitude, longitude = xr.broadcast(analysis.latitude, analysis.longitude)
        group.create_array("latitudes", data=latitude.values.ravel())
        group.create_array("longitudes", data=longitude.values.ravel())
        described = {name: {"units": (units or {}).get(name)} for name in columns}
        group.attrs.update(
            variables=list(columns),
            field_shape=list(shape),
            frequency="1d",
            missing_dates=list(missing),
            variables_metadata=described if units else {},
        )
        return tmp_path / "anemoi.zarr"

    return write


def test_levels_cells_and_the_single_member_are_unfolded(make, analysis):
    store = make()
    opened = open_analysis(store, variables=["geopotential", "msl"], units=UNITS)
    assert part_of(opened.geopotential) is not None
    assert opened.geopotential.dims == ("time", "level", "latitude", "longitude")
    xr.testing.assert_equal(opened.load(), analysis)
    both = open_analysis(store, levels=[850], units={**UNITS, "geopotential_at_surface": "m2 s-2"})
    np.testing.assert_array_equal(both.geopotential[:, 0], analysis.geopotential[:, 1])
    np.testing.assert_array_equal(both.geopotential_at_surface, 7.0)


def test_each_chunk_is_decoded_once_for_all_variables(make, analysis, monkeypatch):
    reads = []
    read = Chunks.read
    monkeypatch.setattr(Chunks, "read", lambda *args: reads.append(args[1]) or read(*args))
    # In other units, and with a date missing.
    opened = open_analysis(
        make(missing=["2001-01-03T00:00:00"], drop=["z"]),
        units={"z": "m2 s-2", "msl": "hPa"},
        gaps="keep",
    )
    blocks = list(Analysis(opened).blocks(7000))
    assert sorted(reads) == [(time, 0, 0, 0) for time in range(40) if time != 2]
    values = np.delete(analysis.mean_sea_level_pressure.values, 2, 0) * np.float32(100)
    place = list(opened).index("mean_sea_level_pressure")
    place = 2 if place else 0
    np.testing.assert_array_equal(np.concatenate([b.new for b in blocks])[:, place], values)


def test_nothing_is_read_before_it_is_asked_for(make):
    store = make()
    (store / "data" / "7.0.0.0").unlink()
    opened = open_analysis(store, variables=["msl"], units=UNITS).mean_sea_level_pressure
    with pytest.raises((OSError, ValueError), match=r"7\.0\.0\.0 is missing"):
        opened.load()


def test_units_are_those_stated_or_refused(make):
    store = make(drop=["z"])
    with pytest.raises(ValueError, match=r"geopotential.*: has no units attribute.*units: \{"):
        open_analysis(store)
    store = make(drop=["z"], units={"z_850": "m2 s-2", "z_500": "m**2 s**-2", "msl": "hPa"})
    with pytest.raises(ValueError, match="geopotential: has no units attribute"):
        open_analysis(store)
    store = make(drop=["z"], units={"z_850": "m2 s-2", "z_500": "m2 s-2", "msl": "hPa"})
    assert float(open_analysis(store).mean_sea_level_pressure.mean()) > 9e6


def test_missing_dates_are_gaps(make, analysis):
    store = make(missing=["2001-01-03T00:00:00", "2001-01-09T00:00:00"])
    with pytest.raises(ValueError, match=r"24 h to 48 h after 2001-01-02T00.*gaps='keep'"):
        open_analysis(store, variables=["msl"], units=UNITS)
    opened = open_analysis(store, variables=["msl"], units={"msl": "Pa"}, gaps="keep")
    kept = np.delete(np.arange(40), [2, 8])
    xr.testing.assert_equal(opened.load(), analysis[["mean_sea_level_pressure"]].isel(time=kept))
    assert cadence(opened) == np.timedelta64(24, "h")


def test_an_ensemble_needs_a_choice(make, analysis):
    store = make(members=3)
    with pytest.raises(ValueError, match=r"'number' of size 3; choose one with data\.member"):
        open_analysis(store, variables=["msl"], units={"msl": "Pa"})
    opened = open_analysis(store, variables=["msl"], units={"msl": "Pa"}, member=2)
    np.testing.assert_array_equal(opened.mean_sea_level_pressure, analysis.mean_sea_level_pressure)
    with pytest.raises(ValueError, match=r"no member 3; the store has 0, 1, 2"):
        open_analysis(store, variables=["msl"], units={"msl": "Pa"}, member=3)


def test_what_is_no_grid_and_variables_on_different_levels_are_refused(make):
    for shape in [(84,), (12, 7), (7, 13)]:
        with pytest.raises(ValueError, match="interpolate the dataset to a latitude-longitude"):
            open_analysis(make(shape=shape))
    store = make()
    with pytest.raises(ValueError, match=r"z: no level \[300.0\] hPa; it has \[500.0, 850.0\]"):
        open_analysis(store, levels=[300], units=UNITS)


def test_level_types_decide_what_the_number_in_a_name_is(make, analysis):
    store = make(drop=["z"])
    group = zarr.open_group(store)
    describe = {"z_850": ("ml", "m2 s-2"), "z_500": ("pl", "m2 s-2"), "msl": ("sfc", "Pa")}
    group.attrs["variables_metadata"] = {
        name: {"mars": {"levtype": kind}, "units": units}
        for name, (kind, units) in describe.items()
    }
    opened = open_analysis(store)
    assert sorted(map(str, Channels.of(opened))) == [
        "geopotential 500 hPa",
        "mean_sea_level_pressure",
        "z_850",
    ]
    np.testing.assert_array_equal(opened.z_850, analysis.geopotential[:, 1])
    np.testing.assert_array_equal(opened.geopotential[:, 0], analysis.geopotential[:, 0])
    with pytest.raises(ValueError, match=r"no level \[850.0\] hPa; it has \[500.0\]"):
        open_analysis(store, levels=[850])


def test_numbers_of_no_known_type_must_be_likely_pressures(make):
    store = make(drop=["z", "msl"])
    group = zarr.open_group(store)
    group.attrs["variables"] = ["z_137", "z_500"]
    with pytest.raises(ValueError, match=r"137, 500 may be numbers of model levels.*data\.units"):
        open_analysis(store, units=UNITS)
    opened = open_analysis(store, units={**UNITS, "level": "hPa"})
    assert opened.level.values.tolist() == [137.0, 500.0]


def test_a_field_at_the_surface_is_another_than_the_levels_of_its_name(make, analysis):
    store = make()
    zarr.open_group(store).attrs["variables"] = ["q_850", "msl", "q_500", "q"]
    opened = open_analysis(store, units={"q": "kg kg-1", "msl": "Pa"})
    np.testing.assert_array_equal(opened.specific_humidity, analysis.geopotential)
    np.testing.assert_array_equal(opened.q_surface, 7.0)


def test_it_may_be_one_of_several_stores(make, analysis):
    daily = analysis.geopotential.sel(level=500, drop=True).rename("sea_ice") * 0.01
    beside = daily.assign_attrs(units="1").to_dataset()
    opened = open_analysis([make(), beside], variables=["msl", "sea_ice"], units=UNITS)
    np.testing.assert_array_equal(opened.sea_ice, beside.sea_ice)
    np.testing.assert_array_equal(opened.mean_sea_level_pressure, analysis.mean_sea_level_pressure)
    alone = open_analysis([make(), beside], variables=["sea_ice"])
    np.testing.assert_array_equal(alone.sea_ice, beside.sea_ice)
