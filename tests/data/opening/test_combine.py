"""Files that differ: what can be said alike is joined with the right values, the rest is named."""

import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.data import Analysis, open_analysis

LATITUDE = np.array([60.0, 30.0, 0.0, -30.0, -60.0])
LONGITUDE = np.arange(7) * 360 / 7
LATER = "2001-01-02T18"
"""The time after the last of seven, six hours apart."""
SINCE = {"units": "hours since 2000-01-01", "standard_name": "forecast_reference_time"}


def field(name="t2m", units="K", *, base=280.0, start="2001-01-01", num=7, freq="6h", **attrs):
    """One variable with noise that is the same for every start."""
    noise = np.random.default_rng(0).standard_normal((num, len(LATITUDE), len(LONGITUDE)))
    attrs |= {} if units is None else {"units": units}
    return xr.Dataset(
        {name: (("time", "latitude", "longitude"), base + noise, attrs)},
        {
            "time": pd.date_range(start, periods=num, freq=freq, unit="ns"),
            "latitude": LATITUDE,
            "longitude": LONGITUDE,
        },
    )


def on_levels(levels, start="2001-01-01"):
    """Temperature that says at which level it is."""
    stacked = xr.concat(
        [field("t", base=level, start=start).t for level in levels], pd.Index(levels, name="level")
    )
    stacked["level"].attrs["units"] = "hPa"
    return stacked.transpose("time", "level", ...).assign_attrs(units="K").to_dataset(name="t")


@pytest.fixture
def pair(tmp_path):
    """A function that writes two files and gives the pattern that matches both."""

    folders = (tmp_path / str(number) for number in itertools.count())

    def write(one, other, encodings=(None, None)):
        folder = next(folders)
        folder.mkdir()
        for name, dataset, encoding in zip("ab", (one, other), encodings, strict=True):
            dataset.to_netcdf(folder / f"{name}.nc", encoding=encoding)
        return str(folder / "*.nc")

    return write


@pytest.fixture
def refusal(pair):
    """A function that gives the one line which names both files that do not fit."""

    def refuse(one, other, **options):
        pattern = pair(one, other)
        with pytest.raises(ValueError, match=r"[ab]\.nc") as raised:
            open_analysis(pattern, **options)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return refuse


def packed(scale, offset, fill=-32767):
    return {"t2m": {"dtype": "i2", "scale_factor": scale, "add_offset": offset, "_FillValue": fill}}


ALIKE = {
    "degrees Celsius": (field(units="degC", base=6.85, start=LATER), None),
    "names": (field("2t", start=LATER), None),
    "coordinates": (field(start=LATER).rename(latitude="lat", longitude="lon"), None),
    "order of dimensions": (field(start=LATER).transpose("longitude", "time", "latitude"), None),
    "precision": (field(start=LATER).astype("f4"), None),
    "packing": (field(start=LATER), packed(0.001, 280.0)),
    "other packing": (field(start=LATER), packed(0.002, 270.0, fill=0)),
    "single-precision grid": (
        field(start=LATER).assign_coords(
            latitude=LATITUDE.astype("f4"), longitude=LONGITUDE.astype("f4")
        ),
        None,
    ),
    "a remark of methods": (
        field(start=LATER, cell_methods="area: time: mean (interval: 1 hour)"),
        None,
    ),
    "version of the experiment": (field(start=LATER).assign_coords(expver="0005"), None),
    "initial time": (field(start=LATER).assign_coords(reftime=((), 1002.0, SINCE)), None),
    "an unknown standard name": (field(start=LATER, standard_name="unknown"), None),
}


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize("turned", [False, True])
def test_files_that_say_the_same_in_other_words_are_one(pair, kind, turned):
    second, encoding = ALIKE[kind]
    first = field(cell_methods="time: mean", standard_name="air_temperature")
    first = first.assign_coords(expver="0001", reftime=((), 960.0, SINCE))
    files = [(first, packed(0.001, 279.0) if encoding else None), (second, encoding)]
    files = files[::-1] if turned else files
    (one, other), encodings = zip(*files, strict=True)
    opened = open_analysis(pair(one, other, encodings))
    values = np.tile(field().t2m.values, (2, 1, 1))
    times = pd.date_range("2001-01-01", periods=14, freq="6h")
    np.testing.assert_array_equal(opened.time, times)
    np.testing.assert_allclose(opened["2m_temperature"], values, atol=1.1e-3)
    np.testing.assert_allclose(Analysis(opened).read([13, 2])[:, 0], values[[13, 2]], atol=1.1e-3)


@pytest.mark.parametrize(
    ("name", "units", "factor"), [("tp", ("m", "mm"), 1000), ("msl", ("hPa", "Pa"), 100)]
)
def test_each_file_is_in_its_own_units(pair, name, units, factor):
    one = field(name, units[0], base=5)
    other = field(name, units[1], start=LATER)
    other[name] = (field(name, base=5, start=LATER)[name] * factor).assign_attrs(units=units[1])
    (values,) = open_analysis(pair(one, other)).data_vars.values()
    np.testing.assert_allclose(values[:7], values[7:], rtol=1e-6)


def moved(**coords):
    return field(start=LATER).assign_coords(coords)


FIRST = field(cell_methods="time: mean", standard_name="air_temperature")
FIRST = FIRST.assign_coords(number=0, height=2.0).assign_attrs(variant_label="r1i1p1f1")
DIFFERENT = {
    "units missing": (field(units=None, start=LATER), "2m_temperature: has no units attribute"),
    "member": (moved(number=1), "a.nc and .*b.nc: differ in number: 0 and 1"),
    "member in an attribute": (
        field(start=LATER).assign_attrs(variant_label="r2i1p1f1"),
        "differ in variant_label: r1i1p1f1 and r2i1p1f1",
    ),
    "height": (moved(height=10.0), r"differ in height of 2m_temperature: 2.0 and 10.0"),
    "method": (
        field(start=LATER, cell_methods="area: mean time: maximum"),
        "differ in cell_methods of 2m_temperature: time: mean and time: maximum",
    ),
    "point": (field(start=LATER, cell_methods="time: point"), "time: mean and time: point"),
    "standard name": (
        field(start=LATER, standard_name="dew_point_temperature"),
        "differ in standard_name of 2m_temperature: air_temperature and dew_point_temperature",
    ),
    "grid": (moved(latitude=LATITUDE * 0.99), "a.nc and .*b.nc: are on different grids: latitude"),
    "size of the grid": (field(start=LATER).isel(latitude=[0, 1]), "got 2 values"),
    "order of latitudes": (field(start=LATER).isel(latitude=slice(None, None, -1)), "invertlat"),
    "origin": (moved(longitude=LONGITUDE + 360), "the origin differs"),
    "calendar": (
        field().assign_coords(
            time=xr.date_range(LATER, periods=7, freq="6h", calendar="noleap", use_cftime=True)
        ),
        "a.nc and .*b.nc: their calendars differ, standard and noleap",
    ),
    "no times": (field(start=LATER).isel(time=slice(0, 0)), "b.nc: .*holds no time"),
    "a hole": (field(start="2001-02-01"), "cadence changes from 6 h to"),
    "another cadence": (field(start="2001-01-03", freq="24h"), "cadence changes"),
    "overlap": (field(start="2001-01-02T12"), "a.nc and .*b.nc: both hold 2001-01-02T12"),
    "other variables": (
        field("msl", "Pa", base=1e5, num=6),
        "do not share their times: files such as .*b.nc lack 2001-01-02T12",
    ),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_files_that_differ_are_named(pair, tmp_path, kind):
    second, message = DIFFERENT[kind]
    pattern = pair(FIRST, second)
    with pytest.raises(ValueError, match=message) as raised:
        open_analysis(pattern)
    assert "\n" not in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_units_of_variables_that_nobody_knows_must_be_the_same(refusal, pair):
    first = field("dust", "kg")
    assert "dust is in kg, and in g;" in refusal(first, field("dust", "g", start=LATER))
    assert "dust is in kg, and in no units;" in refusal(first, field("dust", None, start=LATER))
    assert open_analysis(pair(first, field("dust", "kg", start=LATER))).sizes["time"] == 14


def test_a_variable_that_a_file_lacks_is_named_unless_nobody_wants_it(refusal, pair):
    both = xr.merge([field(), field("msl", "Pa", base=1e5)])
    line = refusal(both, field(start=LATER))
    assert "b.nc: lacks mean_sea_level_pressure" in line
    assert "data.variables" in line
    opened = open_analysis(pair(both, field(start=LATER)), variables=["t2m"])
    assert dict(opened.sizes) == {"time": 14, "latitude": 5, "longitude": 7}
    line = refusal(both, field(start=LATER), variables=["t2m", "z"])
    assert "no variable geopotential; the store has 2m_temperature, mean_sea_level" in line


def test_levels_of_one_file_each_and_levels_in_another_order(pair, refusal):
    opened = open_analysis(pair(*(on_levels([level]).squeeze() for level in (850.0, 500.0))))
    assert opened.level.values.tolist() == [500, 850]
    np.testing.assert_allclose(
        opened.temperature.mean(("time", "latitude", "longitude")), [500, 850], atol=0.2
    )
    turned = open_analysis(pair(on_levels([500.0, 850.0]), on_levels([850.0, 500.0], LATER)))
    want = on_levels([500.0, 850.0]).t.values
    np.testing.assert_allclose(
        turned.temperature.sel(level=[500, 850]), np.tile(want, (2, 1, 1, 1))
    )
    np.testing.assert_allclose(Analysis(turned).read([8])[0, 0], turned.temperature[8, 0])
    falling = open_analysis(pair(on_levels([700.0, 500.0]), on_levels([1000.0, 850.0])))
    assert falling.level.values.tolist() == [1000.0, 850.0, 700.0, 500.0]
    later = on_levels([850.0], LATER).squeeze()
    line = refusal(on_levels([500.0]).squeeze(), later)
    assert "a.nc and" in line
    assert "b.nc: none holds time 2001-01-01T00 to 2001-01-02T12 at level 850" in line
    assert "b.nc: hold level 500, 850, and 500, 700;" in refusal(
        on_levels([500.0, 850.0]), on_levels([500.0, 700.0], LATER)
    )
    assert "temperature has the dimensions time/level" in refusal(
        on_levels([500.0, 850.0]), field("t", start=LATER)
    )


def test_one_file_by_two_names_is_one_file(tmp_path):
    field().to_netcdf(tmp_path / "a.nc")
    (tmp_path / "b.nc").symlink_to(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"b\.nc is given twice, as .*a\.nc as well"):
        open_analysis(tmp_path / "*.nc")


def test_what_is_no_data_among_the_files_is_named(tmp_path):
    field().to_netcdf(tmp_path / "a.nc")
    (tmp_path / "b.txt").write_text("notes")
    with pytest.raises(ValueError, match=r"b\.txt: not a readable NetCDF file"):
        open_analysis(tmp_path / "*")


def test_files_without_fields_are_refused(tmp_path):
    lines = xr.Dataset({"index": ("time", np.arange(7.0))}, field().coords)
    lines.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"a\.nc: no variable of numbers over time, latitude"):
        open_analysis(tmp_path / "a.nc")
