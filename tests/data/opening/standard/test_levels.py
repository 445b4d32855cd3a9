"""Levels are pressures where the file says so, in any layout; what else they are is refused."""

import logging
import pickle

import numpy as np
import pytest
import xarray as xr

from axialcast.data import Analysis, Channels, open_analysis
from axialcast.data.arrays.lazy import part_of

HYBRID = "atmosphere_hybrid_sigma_pressure_coordinate"


@pytest.fixture
def on_levels(analysis):
    """A function that gives geopotential on levels of any name, values and attributes."""

    def make(attrs=None, values=(500.0, 850.0), name="level"):
        field = analysis[["geopotential"]].drop_vars("level")
        return field.rename(level=name).assign_coords({name: (name, list(values), attrs or {})})

    return make


def levels_of(dataset, **selection):
    return open_analysis(dataset, **selection).level.values.tolist()


@pytest.mark.parametrize(
    ("name", "values", "attrs"),
    [
        ("plev", [50000.0, 85000.0], {"units": "Pa"}),
        ("plev", np.float32([49999.996, 85000.0]), {"units": "Pa"}),
        ("level", [500, 850], {"units": "millibars", "long_name": "pressure_level"}),
        ("lev", [500.0, 850.0], {"units": "mb", "long_name": "altitude"}),  # as GrADS writes it
        ("lev", [50.0, 85.0], {"units": "kPa"}),
        ("isobaricInhPa", [500.0, 850.0], {"units": "hPa", "standard_name": "air_pressure"}),
        ("pressure", [500.0, 850.0], {"standard_name": "air_pressure", "positive": "up"}),
        ("p", [50000, 85000], {"units": "Pa"}),
        ("level", [500, 850], {}),
    ],
)
def test_pressures_in_any_spelling_are_hectopascals(on_levels, analysis, name, values, attrs):
    opened = open_analysis(on_levels(attrs, values, name))
    assert opened.level.values.tolist() == [500.0, 850.0]
    assert opened.level.attrs == analysis.level.attrs
    np.testing.assert_array_equal(opened.geopotential, analysis.geopotential)


@pytest.mark.parametrize(
    ("name", "values", "attrs", "message"),
    [
        ("lev", [3.6, 992.5], {"units": "hPa", "standard_name": HYBRID}, "hybrid model levels"),
        ("lev", [3.6, 992.5], {"units": "hPa", "formula_terms": "a: hyam"}, "levels of a formula"),
        ("lev", [3.6, 992.5], {"units": "hPa", "long_name": "hybrid level at midpoints"}, "hybrid"),
        ("level", [1, 137], {"standard_name": "model_level_number"}, "model levels"),
        ("level", [10, 135], {"long_name": "model_level_number"}, "model levels"),
        ("level", [0.5, 0.995], {"standard_name": "atmosphere_sigma_coordinate"}, "sigma levels"),
        ("lev", [1, 2], {"standard_name": "atmosphere_ln_pressure_coordinate"}, "of a formula"),
        ("lev", [1, 72], {"units": "layer"}, "levels in 'layer'"),
        ("level", [1.0, 2.0], {"units": "1"}, "levels in '1'"),
        ("lev", [5.0, 15.0], {"units": "m", "positive": "down"}, "levels in 'm'"),
        ("lev", [5.0, 15.0], {"units": "m", "standard_name": "depth"}, "depths"),
        ("level", [10.0, 80.0], {"standard_name": "height", "units": "m"}, "heights"),
        ("height", [10.0, 80.0], {"units": "m"}, "heights"),
        ("level", [300, 350], {"standard_name": "air_potential_temperature"}, "potential temp"),
        ("theta", [300, 350], {"units": "K"}, "potential temp"),
        ("hybrid", [500, 850], {}, "hybrid model levels"),
        ("bottom_top", [500, 850], {}, "model levels"),
        ("pfull", [500, 850], {"units": "mb"}, "model levels"),
        ("depthBelowLand", [0.0, 0.1], {"units": "m"}, "depths"),
    ],
)
def test_what_is_no_pressure_is_refused_or_left_out(
    on_levels, analysis, name, values, attrs, message
):
    foreign = on_levels(attrs, values, name)
    foreign["slp"] = analysis.mean_sea_level_pressure
    with pytest.raises(ValueError, match=f"geopotential: is on .*{message}.*no pressure levels;"):
        open_analysis(foreign)
    xr.testing.assert_equal(
        open_analysis(foreign, variables=["slp"]), analysis[["mean_sea_level_pressure"]]
    )


def test_the_type_of_level_that_cfgrib_keeps_decides(on_levels):
    foreign = on_levels({}, [50, 100])
    foreign["geopotential"].attrs["GRIB_typeOfLevel"] = "hybrid"
    with pytest.raises(ValueError, match=r"hybrid model levels .GRIB_typeOfLevel 'hybrid'"):
        open_analysis(foreign)
    with pytest.raises(ValueError, match=r"hybrid model levels .GRIB_typeOfLevel 'hybrid'"):
        open_analysis(foreign.isel(level=0, drop=True))
    foreign["geopotential"].attrs["GRIB_typeOfLevel"] = "isobaricInhPa"
    assert levels_of(foreign) == [50.0, 100.0]


@pytest.mark.parametrize(
    ("values", "attrs", "message"),
    [
        ([1, 2], {}, "has no units, and 1, 2 may be numbers of model levels.*{level: hPa}"),
        ([60, 61], {}, "has no units, and 60, 61 may be numbers"),
        ([1, 137], {}, "has no units, and 1, 137 may be numbers"),
        ([100.0, 200.0], {"positive": "up"}, "has no units, and 100, 200 may be .* heights"),
        ([50000.0, 85000.0], {}, "85000 is no pressure in hPa.*data.units: {level: Pa}"),
        ([50000.0, 85000.0], {"units": "hPa"}, "50000, 85000 hPa .* are no pressures of the air"),
        ([250.0, 850.0], {"units": "Pa"}, "250, 850 Pa look like levels in hPa.*{level: hPa}"),
        ([0.0, 850.0], {"units": "hPa"}, "0, 850 hPa .* no pressures of the air"),
        ([np.nan, 850.0], {"units": "hPa"}, "expected levels as numbers, got .nan, 850.0"),
        (["500", "850"], {}, "expected levels as numbers, got .'500', '850'"),
        ([500.0, 500.0], {"units": "hPa"}, "expected every level once"),
        (np.float32([49999.996, 50000]), {"units": "Pa"}, "expected every level once"),
    ],
)
def test_levels_in_doubt_are_refused(on_levels, values, attrs, message):
    with pytest.raises(ValueError, match=f"^analysis: level: .*{message}") as raised:
        open_analysis(on_levels(attrs, values))
    assert "\n" not in str(raised.value)


def test_units_of_levels_can_be_stated(on_levels):
    assert levels_of(on_levels({}, [1, 2]), units={"level": "hPa"}) == [1.0, 2.0]
    assert levels_of(on_levels({"units": "Pa"}, [250, 850]), units={"plev": "hPa"}) == [250, 850]
    assert levels_of(on_levels({"units": "hPa"}, [5e4, 85e3]), units={"level": "Pa"}) == [500, 850]
    assert levels_of(on_levels({"units": "1"}, [500, 850]), units={"level": "hPa"}) == [500, 850]
    with pytest.raises(ValueError, match=r"data\.units: level: expected units of pressure .* 'K'"):
        open_analysis(on_levels({"units": "hPa"}), units={"level": "K"})
    with pytest.raises(ValueError, match=r"data\.units: level: the store has no levels; leave it"):
        open_analysis(on_levels().isel(level=0, drop=True), units={"level": "hPa"})
    hybrid = on_levels({"standard_name": HYBRID}, [500, 850])
    with pytest.raises(ValueError, match="hybrid model levels"):  # no words make it pressures
        open_analysis(hybrid, units={"level": "hPa"})
    # The stratosphere, rightly in Pa.
    assert levels_of(on_levels({"units": "Pa"}, [100, 1000])) == [1.0, 10.0]


def test_a_dimension_without_values_says_no_level(on_levels):
    with pytest.raises(ValueError, match="its dimension 'level' of size 2 has no coordinate"):
        open_analysis(on_levels().drop_vars("level"))
    elsewhere = on_levels().drop_vars("level").assign(level=("time", np.arange(40.0)))
    with pytest.raises(ValueError, match="its dimension 'level' of size 2 has no coordinate"):
        open_analysis(elsewhere)
    beside = on_levels({}, name="z").drop_vars("z")
    beside = beside.assign(plev=("z", [50000.0, 85000.0], {"units": "Pa"}))
    assert levels_of(beside) == [500.0, 850.0]


@pytest.mark.parametrize("name", ["height", "altitude"])
def test_the_coordinate_of_a_dimension_comes_before_others_along_it(on_levels, name):
    both = on_levels({"units": "hPa"}).assign_coords({name: ("level", [5570.0, 1460.0])})
    assert levels_of(both) == [500.0, 850.0]


@pytest.mark.parametrize("kind", ["memory", "netcdf", "zarr"])
def test_a_scalar_level_is_a_level(on_levels, analysis, tmp_path, kind):
    one = on_levels({"units": "Pa"}, [50000.0, 85000.0], "plev").isel(plev=1)
    one["slp"] = analysis.mean_sea_level_pressure / 100
    one["slp"].attrs["units"] = "hPa"
    store = one
    if kind == "netcdf":
        store = tmp_path / "one.nc"
        one.to_netcdf(store)
    elif kind == "zarr":
        store = tmp_path / "one.zarr"
        one.to_zarr(store, consolidated=False)
    opened = open_analysis(store, levels=[850])
    assert [str(c) for c in Channels.of(opened)] == [
        "geopotential 850 hPa",
        "mean_sea_level_pressure",
    ]
    np.testing.assert_array_equal(opened.geopotential, analysis.geopotential[:, 1:])
    with pytest.raises(ValueError, match=r"no level \[500.0\] hPa; the store has \[850.0\]"):
        open_analysis(store, levels=[500])
    if kind != "memory":
        assert part_of(opened.geopotential) is not None
        again = pickle.loads(pickle.dumps(opened)).isel(time=[3, 5, 7])
        states = Analysis(again).read(slice(None))
        np.testing.assert_array_equal(states[:, 0], analysis.geopotential[[3, 5, 7], 1])
        slp = analysis.mean_sea_level_pressure[[3, 5, 7]]
        np.testing.assert_allclose(states[:, 1], slp, rtol=1e-6)


def test_a_single_level_in_other_units_and_another_order(on_levels, analysis, tmp_path):
    one = on_levels({"units": "hPa"}).isel(level=0).transpose("longitude", "latitude", "time")
    one["geopotential"] = one.geopotential.astype("f8") / 9.80665
    one["geopotential"].attrs["units"] = "gpm"
    one.to_netcdf(tmp_path / "one.nc")
    opened = open_analysis(tmp_path / "one.nc", units={"z": "gpm"})
    assert opened.geopotential.dims == ("time", "level", "latitude", "longitude")
    assert part_of(opened.geopotential) is not None
    np.testing.assert_allclose(opened.geopotential, analysis.geopotential[:, :1], rtol=1e-6)


def test_files_of_one_level_each_are_joined_along_level(on_levels, analysis, tmp_path):
    whole = on_levels({"units": "hPa"})
    for name, piece in {
        "a": whole.isel(level=1),
        "b": whole.isel(level=[0]),
        "c": analysis[["mean_sea_level_pressure"]],
    }.items():
        piece.to_netcdf(tmp_path / f"{name}.nc")
    opened = open_analysis(tmp_path / "*.nc")
    xr.testing.assert_equal(opened.load(), analysis)


@pytest.mark.parametrize(
    ("name", "attrs"),
    [
        ("hybrid", {}),
        ("lev", {"standard_name": HYBRID}),
        ("sigma", {"units": "1"}),
        ("theta", {"units": "K"}),
    ],
)
def test_a_single_model_level_is_not_hidden(on_levels, analysis, name, attrs):
    one = on_levels(attrs, [1, 2], name)
    for single in (one.isel({name: 0}), one.isel({name: [0]})):
        with pytest.raises(ValueError, match=r"geopotential: is on .*, no pressure levels"):
            open_analysis(single)
    # What a surface field's name says is enough, whatever xarray attaches to it.
    surface = analysis[["mean_sea_level_pressure"]].assign_coords(one.isel({name: 0}).coords)
    xr.testing.assert_equal(open_analysis(surface), analysis[["mean_sea_level_pressure"]])


def test_heights_near_the_surface_say_no_level(analysis):
    field = analysis[["mean_sea_level_pressure"]].rename(mean_sea_level_pressure="t2m")
    field["t2m"].attrs["units"] = "K"
    for name, value in {"height": 2.0, "heightAboveGround": 2.0, "surface": 0.0}.items():
        attached = field.assign_coords({name: ((), value, {"units": "m", "positive": "up"})})
        assert list(map(str, Channels.of(open_analysis(attached)))) == ["2m_temperature"]
    # A reference pressure of a model is no level.
    field["P0"] = (), 1e5, {"units": "Pa"}
    field["geopotential"] = analysis.geopotential.isel(level=0, drop=True)
    assert "level" not in open_analysis(field).dims


def test_a_level_of_zero_is_none(on_levels, analysis):
    generic = on_levels({"long_name": "generic", "axis": "Z"}, [0.0, 1.0], "lev").isel(lev=[0])
    generic["geopotential"].attrs = {}
    opened = open_analysis(generic.rename(geopotential="tcc"))
    assert list(map(str, Channels.of(opened))) == ["tcc"]
    np.testing.assert_array_equal(opened.tcc, analysis.geopotential[:, 0])


def test_a_dimension_of_one_without_a_level_beside_a_scalar(on_levels, analysis):
    one = on_levels().isel(level=[1]).drop_vars("level")
    opened = open_analysis(one.assign(plev=((), 85000.0, {"units": "Pa"})))
    assert opened.level.values.tolist() == [850.0]
    np.testing.assert_array_equal(opened.geopotential, analysis.geopotential[:, 1:])


def test_a_variable_named_level(on_levels):
    both = on_levels({"units": "hPa"}, name="plev")
    both["level"] = both.geopotential
    with pytest.raises(ValueError, match="level: is a variable, though the coordinate"):
        open_analysis(both)
    assert list(open_analysis(both, variables=["z"])) == ["geopotential"]


def test_levels_asked_of_fields_without_any_are_refused(analysis):
    flat = analysis.isel(level=0, drop=True)
    with pytest.raises(ValueError, match=r"\[500.0\] hPa were asked .* which level geopotential"):
        open_analysis(flat, levels=[500])
    with pytest.raises(
        ValueError, match=r"mean_sea_level_pressure is on no levels; leave data\.lev"
    ):
        open_analysis(flat, variables=["slp"], levels=[500])
    both = analysis.assign(t=analysis.geopotential.isel(level=0, drop=True).assign_attrs(units="K"))
    with pytest.raises(ValueError, match="does not say at which level temperature is"):
        open_analysis(both, levels=[500])


def test_levels_of_many_digits_are_found(on_levels):
    rounded = on_levels({"units": "hPa"}, np.float32([992.556095, 7.0]))
    assert levels_of(rounded, levels=[7, 992.556095]) == pytest.approx([7, 992.556095], rel=1e-7)
    with pytest.raises(ValueError, match=r"no level \[992.6\] hPa"):
        open_analysis(rounded, levels=[992.6])


def test_variables_on_different_pressures_are_told_apart(on_levels, analysis, caplog):
    both = on_levels({"units": "hPa"}, name="plev")
    other = on_levels({"units": "hPa"}, [700.0, 300.0], "plev_2").rename(geopotential="u")
    both["u"] = other.u.assign_attrs(units="m s-1")
    with pytest.raises(ValueError, match="geopotential is on the levels 500, 850 hPa, u_component"):
        open_analysis(both)
    with pytest.raises(ValueError, match=r"name variables of the same levels in data\.variables"):
        open_analysis(both, variables=["u", "z"])
    caplog.set_level(logging.INFO, "axialcast")
    wind = open_analysis(both, variables=["u"])
    assert wind.level.values.tolist() == [700.0, 300.0]
    np.testing.assert_array_equal(wind.u_component_of_wind, analysis.geopotential)
    assert "geopotential: left out: u_component_of_wind is on the levels 700, 300" in caplog.text
    # The same levels under two names are one.
    same = both.assign_coords(plev_2=("plev_2", [50000.0, 85000.0], {"units": "Pa"}))
    assert open_analysis(same).sizes["level"] == 2


def test_conversions_are_said_once_for_all_variables(on_levels, caplog):
    caplog.set_level(logging.INFO, "axialcast")
    both = on_levels({"units": "Pa"}, [50000.0, 85000.0], "plev")
    open_analysis(both.assign(w=both.geopotential.assign_attrs(units="Pa s-1")))
    assert caplog.text.count("level: converted from Pa to hPa") == 1
