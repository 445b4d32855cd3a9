"""Forecasts of fewer bits: no value is further off than the store says, and none is clipped."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from axialcast.forecast import ForecastStore, ForecastWriter
from axialcast.forecast.packing import packed, packing_of

INITS = np.array(["2001-01-02", "2001-01-05", "2001-01-20"], "M8[ns]")
LEADS = np.array([24, 48, 72], "m8[h]").astype("m8[ns]")
INT16 = {"kind": "int16", "ranges": {}}
ROUNDED = {"kind": "bit_rounding", "bits": 9}
ABSOLUTE, RELATIVE = (f"quantization_maximum_{kind}_error" for kind in ("absolute", "relative"))


@pytest.fixture
def template(forecaster):
    return forecaster.template(INITS, LEADS)


def filled(template: xr.Dataset, forecaster) -> xr.Dataset:
    """Values all over the range that int16 is given, its ends and NaN among them."""
    rng, found = np.random.default_rng(0), template.copy()
    for name, array in packed(template, INT16, forecaster.checkpoint).data_vars.items():
        reach = (2**15 - 1) * float(array.encoding["scale_factor"])
        ends = float(array.encoding["add_offset"]) + reach * np.array([-1, 1])
        values = rng.uniform(*ends, array.shape).astype("f4")
        values.flat[:3] = *ends, np.nan
        values[rng.random(array.shape) < 0.1] = np.nan
        found[name] = template[name].copy(data=values)
    return found


def write(path, forecast: xr.Dataset, how, forecaster, layout="axialcast") -> None:
    """Each initial time by itself, a few lead times at once."""
    labels = packed(forecast, how, forecaster.checkpoint)
    with ForecastWriter(path, labels, layout=layout) as writer:
        for number in writer.missing:
            one = forecast.isel(init_time=[number])
            for lead in range(0, len(LEADS), writer.leads_together):
                writer.write(one.isel(lead_time=slice(lead, lead + writer.leads_together)))


def assert_within(read: xr.Dataset, want: xr.Dataset) -> None:
    for name, array in want.data_vars.items():
        got = read[name]
        np.testing.assert_array_equal(np.isnan(got), np.isnan(array))
        off = np.abs(got.values.astype("f8") - array.values)
        if ABSOLUTE in got.attrs:
            assert 0 < np.nanmax(off) <= got.attrs[ABSOLUTE]
        else:
            assert 0 < np.nanmax(off / np.abs(array.values)) <= got.attrs[RELATIVE]


@pytest.mark.parametrize("how", [INT16, ROUNDED], ids=["int16", "bit_rounding"])
@pytest.mark.parametrize("layout", ["axialcast", "weatherbench2"])
def test_no_value_is_further_off_than_the_store_says(how, layout, template, forecaster, tmp_path):
    """To xarray and to us, after initial times were added before and between."""
    want, path = filled(template, forecaster), tmp_path / "forecast.zarr"
    write(path, want.isel(init_time=[1]), how, forecaster, layout)
    write(path, want, how, forecaster, layout)
    assert_within(ForecastStore(path).dataset().load(), want)
    names = (
        {} if layout == "axialcast" else {"time": "init_time", "prediction_timedelta": "lead_time"}
    )
    assert_within(xr.open_zarr(path, decode_timedelta=True).load().rename(names), want)
    write(tmp_path / "forecast.nc", want, how, forecaster, layout)
    with xr.open_dataset(tmp_path / "forecast.nc", decode_timedelta=True) as made:
        assert_within(made.load().rename(names), want)
        is_packed = made.geopotential.encoding["dtype"] == "int16"
        assert is_packed == (how is INT16)


@pytest.mark.parametrize("how", [INT16, ROUNDED], ids=["int16", "bit_rounding"])
def test_equal_forecasts_are_equal_to_the_byte(how, template, forecaster, tmp_path, content):
    want = filled(template, forecaster)
    write(tmp_path / "a.zarr", want, how, forecaster)
    for chosen in ([2], [0, 2], [0, 1, 2]):
        write(tmp_path / "b.zarr", want.isel(init_time=chosen), how, forecaster)
    assert content(tmp_path / "a.zarr") == content(tmp_path / "b.zarr")


def test_an_absent_initial_time_is_missing(template, forecaster, tmp_path):
    with ForecastWriter(
        tmp_path / "x.nc.unfinished", packed(template, INT16, forecaster.checkpoint)
    ):
        pass
    assert xr.open_zarr(tmp_path / "x.nc.unfinished").geopotential.isnull().all()


def test_a_value_beyond_the_range_is_refused_not_clipped(template, forecaster, tmp_path):
    want = filled(template, forecaster)
    want.geopotential.values[0, 1, 0, 2, 3] = 1e7
    with pytest.raises(
        ValueError, match=r"geopotential: 1e\+07 is beyond .* widen forecast\.packing\.ranges\.geop"
    ):
        write(tmp_path / "a.zarr", want, INT16, forecaster)
    assert "2001-01-02T00:00:00" not in ForecastStore(tmp_path / "a.zarr").complete()
    wide = {"kind": "int16", "ranges": {"geopotential": (0.0, 2e7)}}
    write(tmp_path / "b.zarr", want, wide, forecaster)
    assert_within(ForecastStore(tmp_path / "b.zarr").dataset().load(), want)


def test_the_range_is_that_of_training_thrice_within_bounds(template, forecaster):
    checkpoint = forecaster.checkpoint

    def ends(of, name="mean_sea_level_pressure"):
        encoding = packed(template, INT16, of)[name].encoding
        reach = (2**15 - 1) * float(encoding["scale_factor"])
        return np.array([-reach, reach]) + float(encoding["add_offset"])

    index = [str(channel) for channel in checkpoint.channels].index("mean_sea_level_pressure")
    low, high = (getattr(checkpoint.statistics, of)[index] for of in ("lowest", "highest"))
    np.testing.assert_allclose(ends(checkpoint), [2 * low - high, 2 * high - low], rtol=1e-4)
    bounds = np.full((3, 2), (-np.inf, np.inf))
    bounds[index] = low - 1, np.inf
    np.testing.assert_allclose(
        ends(replace(checkpoint, bounds=bounds)), [low - 1, 2 * high - low], rtol=1e-4
    )
    unknown = replace(checkpoint.statistics, lowest=np.array(np.nan), highest=np.array(np.nan))
    mean, std = unknown.mean[index], unknown.std[index]
    np.testing.assert_allclose(
        ends(replace(checkpoint, statistics=unknown)), [mean - 16 * std, mean + 16 * std], rtol=1e-4
    )
    logarithm = replace(checkpoint, statistics=replace(unknown, log1p=np.ones(3)))
    with pytest.raises(ValueError, match="does not know the extremes of geopotential; set"):
        ends(logarithm)
    with pytest.raises(
        ValueError, match=r"ranges: total_precipitation is not forecast; expected one of geopot"
    ):
        packed(template, {"kind": "int16", "ranges": {"tp": (0, 1)}}, checkpoint)


@pytest.mark.parametrize("bits", [1, 7, 22])
def test_what_is_not_finite_stays_as_it_is(bits):
    odd = np.array([np.inf, -np.inf, np.finfo("f4").max, 0.0, -0.0], "f4")
    odd = np.concatenate([odd, np.array([0x7FFFFFFF, 0xFFFFFFFF], "u4").view("f4")])
    packing = packing_of("x", {"quantization_nsb": bits})
    np.testing.assert_array_equal(packing.encode(odd), odd)


def test_what_has_leading_zeros_keeps_its_relative_error():
    """A mantissa that does not begin with a one has fewer digits than are kept."""
    rng = np.random.default_rng(0)
    values = (10.0 ** rng.uniform(-44, -36, 1000)).astype("f4")
    stored = packing_of("x", {"quantization_nsb": 5}).encode(values)
    assert (np.abs(stored.astype("f8") - values) <= 2.0**-6 * values).all()
    assert (stored != values).any()


@pytest.mark.parametrize("value", [0.0, 273.25, -5e4])
def test_a_field_that_never_changed_is_no_missing_one(value, template, forecaster, tmp_path):
    """Its range has no width, nor has a step of it any."""
    same = replace(
        forecaster.checkpoint.statistics, lowest=np.array(value), highest=np.array(value)
    )
    still = replace(forecaster.checkpoint, statistics=same)
    labels = packed(template, INT16, still)
    want = template.map(lambda array: array.copy(data=np.full(array.shape, value, "f4")))
    with ForecastWriter(tmp_path / "a.zarr", labels) as writer:
        for number in writer.missing:
            writer.write(want.isel(init_time=[number]))
    for array in ForecastStore(tmp_path / "a.zarr").dataset().load().data_vars.values():
        off = np.abs(array.values.astype("f8") - value)
        assert off.max() <= array.attrs[ABSOLUTE]
    with pytest.raises(ValueError, match=r"is beyond .* which forecast\.packing: int16 can"):
        packing_of("geopotential", labels.geopotential.encoding).encode(
            np.array([value + 1e5], "f4")
        )
