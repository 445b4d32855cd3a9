"""Stores of different variables as one analysis, beside xarray's merge and reindex of the same."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.data import Analysis, open_analysis
from axialcast.data.arrays.chunks import Chunks
from axialcast.data.parts import Computed

LATITUDE, LONGITUDE = np.linspace(75, -75, 7), np.arange(12) * 30.0
UNITS = {
    "10m_u_component_of_wind": "m s-1",
    "temperature": "K",
    "geopotential": "m2 s-2",
    "sea_surface_temperature": "K",
}
WIND, SST = "10m_u_component_of_wind", "sea_surface_temperature"


def fields(name, freq="6h", num=22, start="2001-01-01", levels=None, seed=0):
    """Noise of one variable."""
    rng = np.random.default_rng([seed, *name.encode()])
    times = pd.date_range(start, periods=num, freq=freq, unit="ns")
    coords = {"time": times, "latitude": LATITUDE, "longitude": LONGITUDE}
    if levels is not None:
        coords = {"time": times, "level": ("level", levels, {"units": "hPa"}), **coords}
    shape = [len(levels or [1]) if dim == "level" else np.size(v) for dim, v in coords.items()]
    if levels is not None:
        shape[1] = len(levels)
    values = 280 + rng.standard_normal(shape).astype("f4")
    return xr.Dataset({name: (list(coords), values, {"units": UNITS.get(name, "K")})}, coords)


def weather(**options):
    """Two variables of one store, on levels and not."""
    t = fields("temperature", levels=[500.0, 850.0], **options)
    return t.merge(fields("2m_temperature", **options))


WRITERS = {
    "zarr": lambda ds, path: ds.to_zarr(path, encoding=chunked(ds), consolidated=False),
    "netcdf": lambda ds, path: ds.to_netcdf(path, encoding=chunksizes(ds)),
}


def _sizes(array):
    return tuple(5 if dim == "time" else n for dim, n in array.sizes.items())


def chunked(dataset):
    return {name: {"chunks": _sizes(array)} for name, array in dataset.data_vars.items()}


def chunksizes(dataset):
    return {
        name: {"chunksizes": tuple(min(a, b) for a, b in zip(_sizes(v), v.shape, strict=True))}
        for name, v in dataset.data_vars.items()
    }


@pytest.fixture
def stored(tmp_path):
    """A function that writes a dataset and gives its place."""

    def write(kind, dataset, name):
        path = tmp_path / f"{name}.{'zarr' if kind == 'zarr' else 'nc'}"
        WRITERS[kind](dataset, path)
        return str(path)

    return write


def same(opened, expected):
    """The same labels and values, by xarray and by the reader of windows, in any order of rows."""
    expected = expected[list(opened.data_vars)]
    xr.testing.assert_allclose(opened.drop_attrs(), expected.drop_attrs(), rtol=1e-6)
    analysis = Analysis(pickle.loads(pickle.dumps(opened)))
    order = np.array([len(analysis) - 1, 0, 3, 3])
    expected = Analysis(expected)
    np.testing.assert_allclose(analysis.read(order), expected.read(order), rtol=1e-6)
    block = np.concatenate([block.new for block in analysis.blocks(2**20)])
    np.testing.assert_allclose(block, expected.read(slice(None)), rtol=1e-6)


@pytest.mark.parametrize("kinds", [("zarr", "zarr"), ("netcdf", "netcdf"), ("zarr", "netcdf")])
def test_stores_of_one_cadence_are_merged(stored, kinds):
    parts = weather().assign_attrs(title="A"), fields("geopotential", levels=[500.0, 850.0])
    paths = [stored(kind, part, n) for n, (kind, part) in enumerate(zip(kinds, parts, strict=True))]
    opened = open_analysis(paths)
    same(opened, xr.merge(parts))
    assert opened.attrs == {}
    assert opened.time.attrs == parts[0].time.attrs
    names = ["geopotential", "2m_temperature"]
    assert list(open_analysis(paths, variables=names)) == names


def test_stores_of_one_planet_are_of_it(stored):
    parts = weather(), fields("geopotential", levels=[500.0, 850.0])
    mars, other = (
        [stored("zarr", part.assign_attrs(planet=p), k) for k, part in enumerate(parts, start)]
        for p, start in (("Mars", 0), ("Venus", 2))
    )
    assert open_analysis(mars).attrs == {"planet": "Mars"}
    assert open_analysis([mars[0], other[1]]).attrs == {}


@pytest.mark.parametrize("kinds", [("zarr", "zarr"), ("netcdf", "netcdf"), ("netcdf", "zarr")])
@pytest.mark.parametrize("first", [0, 1])
def test_a_coarser_store_is_held_until_its_next_value(stored, kinds, first, caplog):
    parts = [weather(), fields(SST, "D", num=7, start="2001-01-02")]
    paths = [stored(kind, part, n) for n, (kind, part) in enumerate(zip(kinds, parts, strict=True))]
    if first:
        paths = paths[::-1]
    opened = open_analysis(paths)
    times = parts[0].time[4:]
    held = parts[1].reindex(time=times, method="ffill")
    same(opened, xr.merge([parts[0].sel(time=times), held]))
    assert opened[SST].attrs["held_hours"] == 24
    assert "2001-01-02T00 to 2001-01-06T06 is in all" in caplog.text


@pytest.fixture
def decoded(monkeypatch):
    """How often each chunk was decoded."""
    counts = Counter()
    read = Chunks.read

    def counted(self, where, out):
        counts[self.array.path, where] += 1
        read(self, where, out)

    monkeypatch.setattr(Chunks, "read", counted)
    return counts


@pytest.mark.parametrize("num_bytes", [1, 2**13, 2**30])
def test_each_chunk_of_a_held_store_is_decoded_once_a_pass(stored, decoded, num_bytes):
    paths = [stored("zarr", weather(num=44), "a"), stored("zarr", fields(SST, "D", num=11), "b")]
    analysis = Analysis(open_analysis(paths)).part(slice(3, None))
    decoded.clear()
    assert sum(len(block.new) for block in analysis.blocks(num_bytes)) == 41
    assert len(decoded) > 20
    assert set(decoded.values()) == {1}
    windows = analysis.part(slice(6, 9)).read([0, 1, 2])  # within the second day
    np.testing.assert_array_equal(windows[0, -1], windows[2, -1])


GRIDS = {
    "rounded": lambda ds: ds.assign_coords(
        latitude=ds.latitude + 1e-5, longitude=ds.longitude.astype("f4") - 1e-5
    ),
    "south to north": lambda ds: ds.isel(latitude=slice(None, None, -1)),
    "from 180 degrees west": lambda ds: ds.assign_coords(
        longitude=(ds.longitude + 180) % 360 - 180
    ).sortby("longitude"),
    "turned both ways": lambda ds: GRIDS["south to north"](GRIDS["from 180 degrees west"](ds)),
    "all in another order": lambda ds: ds.transpose("longitude", "latitude", ...),
}


@pytest.mark.parametrize("kind", ["zarr", "netcdf"])
@pytest.mark.parametrize("grid", GRIDS)
def test_grids_that_differ_in_order_origin_and_rounding_are_matched(stored, kind, grid):
    one, other = weather(), fields(SST, "D", num=6)
    paths = stored("zarr", one, "one"), stored(kind, GRIDS[grid](other), "other")
    opened = open_analysis(paths)
    same(opened, xr.merge([one, other.reindex(time=one.time, method="ffill")]))
    assert not any(isinstance(part, Computed) for part in Analysis(opened)._parts)


def test_of_a_larger_grid_the_part_of_the_first_is_taken():
    one, other = weather(), fields(SST)
    part = one.isel(latitude=slice(2, 5), longitude=slice(1, 7))
    same(open_analysis([part, other]), xr.merge([part, other], join="inner"))
    box = {"latitude": (-60, 60), "longitude": (300, 60)}
    around = other.assign_coords(longitude=other.longitude - 180).roll(longitude=6)
    around = around.assign_coords(longitude=np.arange(12) * 30.0 - 180)
    both = open_analysis([one, around], region=box)
    assert both.longitude.values.tolist() == [300, 330, 360, 390, 420]
    same(both, open_analysis(xr.merge([one, other]), region=box))


def test_levels_in_another_order_are_matched(stored):
    one = fields("temperature", levels=[500.0, 850.0, 1000.0])
    other = fields("geopotential", levels=[1000.0, 850.0, 500.0])
    paths = [stored("zarr", one, "a"), stored("netcdf", other, "b")]
    same(open_analysis(paths), xr.merge([one, other.sel(level=one.level)]))
    few = fields(WIND, num=22).merge(fields("geopotential", levels=[500.0, 850.0]))
    chosen = open_analysis([one, few], levels=[850.0])
    same(chosen, xr.merge([one.sel(level=[850.0]), few.sel(level=[850.0])]))
    with pytest.raises(ValueError, match=r"different levels, 500, 850, 1000 hPa and 500, 850 hPa"):
        open_analysis([one, few])


REFUSED = {
    "grid": (
        fields(SST).isel(latitude=slice(0, 5)),
        "another grid .* got 5 values 75 to -25; .* put it first",
    ),
    "closer grid": (
        fields(SST).interp(latitude=np.linspace(75, -75, 13), longitude=np.arange(23) * 15.0),
        "lies on another grid than a.nc: latitude: expected 7 values .* cdo remapcon",
    ),
    "hours": (fields(SST, start="2001-01-01T03"), "no time in common, 2001-01-01T00 to"),
    "years": (fields(SST, start="1999-01-01"), "no time in common, 2001-01-01T00 to 2001-01-06"),
    "days at noon and three": (fields(SST, "D", num=5, start="2001-01-01T03"), "no time in common"),
    "one time": (fields(SST, num=1, start="2001-01-02T03"), "b.nc: holds one time, 2001-01-02T03"),
    "cadence": (fields(SST, "8h"), r"every 6 h and every 8 h.* cdo inttime"),
    "weeks": (fields(SST, "7D", start="2000-12-01"), "held for a day at most"),
    "calendar": (
        fields(SST).convert_calendar("noleap", use_cftime=True),
        "calendars differ, standard and noleap; .* cdo setcalendar",
    ),
    "gap": (fields(SST, "D", num=7).isel(time=[0, 1, 3, 4, 5]), r"b.nc: time: cadence changes"),
    "same variables and others": (fields("2m_temperature"), "both hold 2m_temperature, and b.nc l"),
    "same variables at the same times": (weather(), "both hold 2001-01-01T00"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_joined_is_refused_by_name(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other, message = REFUSED[kind]
    weather().to_netcdf("a.nc")
    other.to_netcdf("b.nc")
    with pytest.raises(ValueError, match=message) as raised:
        open_analysis(["a.nc", "b.nc"])
    assert {"a.nc", "b.nc"} & set(str(raised.value).replace(":", " ").replace(",", " ").split())
    assert "\n" not in str(raised.value)


def test_no_value_is_held_for_longer_than_until_the_next_was_due():
    one, other = weather(), fields(SST, "D", num=6)
    opened = open_analysis([one, other.drop_isel(time=2)], gaps="keep")
    times = one.time.drop_isel(time=np.arange(8, 12))
    expected = other.reindex(time=one.time, method="ffill").sel(time=times)
    same(opened, xr.merge([one.sel(time=times), expected]))


def test_means_are_held_from_where_they_begin():
    one, noon = weather(), fields(SST, "D", num=5, start="2001-01-01T12")
    held = noon.reindex(time=one.time[2:], method="ffill")
    same(open_analysis([one, noon]), xr.merge([one.isel(time=slice(2, None)), held]))
    assert "held_hours" not in noon[SST].attrs
    noon[SST].attrs["cell_methods"] = "area: time: mean"
    with pytest.raises(ValueError, match=r"store.1: sea_.* is a mean over 24 h labelled .*T12"):
        open_analysis([one, noon])
    begun = noon.assign_coords(time=noon.time - np.timedelta64(12, "h"))
    assert open_analysis([one, begun]).sizes["time"] == 20


def test_fields_on_a_map_are_matched_by_their_rows_and_columns():
    def on_map(ds):
        y, x = np.arange(7) * -5e3, np.arange(12) * 5e3
        crs = {"grid_mapping_name": "polar_stereographic", "latitude_of_projection_origin": 90.0}
        crs |= {"straight_vertical_longitude_from_pole": 0.0, "standard_parallel": 60.0}
        ds = ds.rename(latitude="y", longitude="x").assign_coords(
            y=("y", y, {"units": "m", "standard_name": "projection_y_coordinate"}),
            x=("x", x, {"units": "m", "standard_name": "projection_x_coordinate"}),
        )
        for array in ds.data_vars.values():
            array.attrs["grid_mapping"] = "crs"
        return ds.assign(crs=((), 0, crs))

    one, other = on_map(weather()), on_map(fields(SST, "D", num=6))
    turned = other.isel(y=slice(None, None, -1)).assign_coords(x=other.x + 1e-3)
    opened = open_analysis([one, turned])
    held = other[SST].reindex(time=one.time, method="ffill")
    np.testing.assert_array_equal(opened[SST], held)
    np.testing.assert_array_equal(Analysis(opened).read([7])[0, -1], held[7])
    with pytest.raises(ValueError, match=r"data.store.1: lies on another grid than data.store.0"):
        open_analysis([one, other.assign_coords(x=other.x + 2e3)])


def test_what_an_entry_says_holds_for_it_alone(tmp_path):
    one = weather().merge(fields(SST))
    one.to_zarr(tmp_path / "one.zarr", consolidated=False)
    other = fields(SST, "D", num=6, seed=1).rename({SST: "tos"}) - 273.15
    ensemble = xr.concat([other, other + 1], pd.Index([4, 7], name="member"))
    ensemble.tos.attrs["units"] = "nonsense"
    ensemble.to_netcdf(tmp_path / "other.nc")
    entry = {
        "store": tmp_path / "other.nc",
        "variables": ["sst"],
        "rename": {"tos": "sst"},
        "units": {"sst": "degC"},
        "member": 7,
    }
    opened = open_analysis([tmp_path / "one.zarr", entry])
    held = fields(SST, "D", num=6, seed=1).reindex(time=one.time, method="ffill") + 1
    expected = one.assign({SST: held[SST]})
    same(opened, expected)
    with pytest.raises(ValueError, match=r"both hold sea_surface_temperature, and .*other"):
        open_analysis([tmp_path / "one.zarr", {**entry, "variables": None}])
    for wrong, message in [
        (
            {"variables": ["tas"]},
            "other.nc: no variable 2m_temperature; the store has s",
        ),
        ({"rename": {"t0s": "sst"}}, "data.rename: t0s is none of"),
        ({"units": {"sst": "degC", "rain": "mm"}}, "data.units: .*rain"),
        ({"member": 5}, "no member 5; the store has 4, 7"),
        ({"colour": 5}, "data.store.1: unknown key colour"),
    ]:
        with pytest.raises(ValueError, match=message):
            open_analysis([tmp_path / "one.zarr", {**entry, **wrong}])


def test_what_is_said_of_all_holds_where_it_means_something():
    one, other = weather().rename(temperature="q1"), fields(SST).rename({SST: "q2"})
    opened = open_analysis(
        [one, other],
        rename={"q1": "temperature", "q2": "sst"},
        units={"sst": "degC", "temperature": "K"},
    )
    expected = xr.merge([one.rename(q1="temperature"), other.rename(q2=SST) + 273.15])
    same(opened, expected)
    for said, message in [
        ({"rename": {"q3": "sst"}}, "data.rename: q3 is in none of data.store.0 and 1 more"),
        ({"units": {"rain": "m"}}, "data.units: unknown variable 'rain'"),
        (
            {"variables": ["temperatur"]},
            r"no variable temperatur \(did you mean temp.*store.0 has",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            open_analysis([weather(), fields(SST)], **said)


def test_a_store_of_which_nothing_is_wanted_is_left_alone(tmp_path):
    absent = {"store": tmp_path / "absent.nc", "variables": ["lsm"]}
    one = weather()
    same(open_analysis([one, absent], variables=["temperature"]), one[["temperature"]])
    for claims in [[{"store": one, "variables": ["temperature"]}], [one, absent]]:
        with pytest.raises(ValueError, match="sea_ice"):
            open_analysis(claims, variables=["temperature", "sea_ice"])
    same(open_analysis([one, fields(SST)], variables=["temperature"]), one[["temperature"]])


def test_of_series_each_has_a_part_and_others_stand_beside(stored):
    one = [weather(num=12), weather(num=10, start="2001-01-04", seed=1)]
    paths = [stored("zarr", part, n) for n, part in enumerate(one)]
    paths.insert(1, stored("netcdf", fields(SST, "D", num=6), "sst"))
    held = fields(SST, "D", num=6).reindex(
        time=pd.date_range("2001-01-01", periods=22, freq="6h", unit="ns"), method="ffill"
    )
    same(open_analysis(paths), xr.merge([xr.concat(one, "time"), held]))


def test_other_calendars_are_held_likewise():
    one = weather().convert_calendar("360_day", align_on="year", use_cftime=True)
    other = fields(SST, "D", num=6).convert_calendar("360_day", align_on="year", use_cftime=True)
    opened = open_analysis([one, other])
    held = other[SST].isel(time=np.arange(22) // 4)
    np.testing.assert_array_equal(opened[SST], held)
    np.testing.assert_array_equal(Analysis(opened).read([9])[0, -1], other[SST][2])
