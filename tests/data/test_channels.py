"""Labels to tensors and back, without loss."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data import Channels
from axialcast.data.channels import Channel


def test_channels_are_variables_at_their_levels_in_order(analysis):
    channels = Channels.of(analysis)
    assert [str(c) for c in channels] == [
        "geopotential 500 hPa",
        "geopotential 850 hPa",
        "mean_sea_level_pressure",
    ]
    values = channels.stack(analysis)
    assert values.shape == (40, 3, 7, 12)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[:, 1], analysis.geopotential.sel(level=850))
    np.testing.assert_array_equal(values[:, 2], analysis.mean_sea_level_pressure)


def test_unstack_inverts_stack(analysis):
    channels = Channels.of(analysis)
    coords = {name: analysis[name] for name in ("time", "latitude", "longitude")}
    back = channels.unstack(channels.stack(analysis), coords, ("time",))
    xr.testing.assert_identical(back.drop_attrs(deep=True), analysis.drop_attrs(deep=True))
    assert back.geopotential.attrs == analysis.geopotential.attrs


def test_json_round_trip(analysis):
    channels = Channels.of(analysis)
    assert Channels.from_list(channels.to_list()) == channels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.isel(level=[0]), "lacks geopotential 850 hPa"),
        (lambda ds: ds.assign(extra=ds.geopotential), "has extra 500 hPa, extra 850 hPa besides"),
        (lambda ds: ds.isel(level=[1, 0]), "order of channels differs"),
    ],
)
def test_difference_says_what_differs(analysis, change, message):
    channels = Channels.of(analysis)
    assert channels.difference(Channels.of(change(analysis))) == message


def test_difference_of_units(analysis):
    other = analysis.copy()
    other["geopotential"] = other.geopotential.assign_attrs(units="dam")
    difference = Channels.of(analysis).difference(Channels.of(other))
    assert difference == "geopotential 500 hPa: expected units 'm2 s-2', got 'dam'"


@pytest.fixture
def states():
    """Three variables, the middle one without levels, and one unknown; (n, c, h, w) values."""
    channels = Channels(
        [
            Channel("temperature", 850, "K"),
            Channel("temperature", 500, "K"),
            Channel("snow", None, "m"),
            Channel("specific_humidity", 850, "kg kg-1"),
            Channel("specific_humidity", 500, "kg kg-1"),
        ]
    )
    values = np.random.default_rng(0).standard_normal((11, 5, 3, 7)).astype(np.float32)
    return channels, values


COORDS = {"time": np.arange(11), "latitude": np.arange(3.0), "longitude": np.arange(7.0)}


def test_variables_of_one_array(states):
    """`unstack` and `fields` give the same; levels keep their order, numbers and attributes."""
    channels, values = states
    dims = ("time", "channel", "latitude", "longitude")
    lazy = channels.fields(xr.DataArray(values, COORDS, dims))
    back = channels.unstack(values, COORDS, ("time",))
    for found in (lazy, back):
        assert list(found) == ["temperature", "snow", "specific_humidity"]
        assert found.level.dtype == np.float64
        assert found.level.attrs["units"] == "hPa"
        for channel, part in zip(channels, np.moveaxis(values, 1, 0), strict=True):
            np.testing.assert_array_equal(channel.of(found), part)
            assert found[channel.variable].attrs["units"] == channel.units
        assert found.snow.attrs == {"long_name": "snow", "units": "m"}
        assert found.temperature.attrs["standard_name"] == "air_temperature"
        np.testing.assert_array_equal(channels.stack(found.transpose("time", "level", ...)), values)


def test_channels_elsewhere_in_an_array(states):
    channels, values = states
    first = channels.unstack(np.moveaxis(values, 1, 0), COORDS, ("time",), channel_axis=0)
    xr.testing.assert_identical(first, channels.unstack(values, COORDS, ("time",)))


def test_some_channels_in_another_order(analysis):
    surface, lower = [Channels.of(analysis)[index] for index in (2, 1)]
    values = Channels([surface, lower]).stack(analysis.astype(np.float64))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[:, 0], analysis.mean_sea_level_pressure)
    np.testing.assert_array_equal(values[:, 1], analysis.geopotential.sel(level=850))


def test_channels_that_no_dataset_can_hold_are_refused(states):
    channels, values = states
    apart, other = Channels([channels[n] for n in (0, 3, 1, 4, 2)]), Channels(channels[:4])
    dims = ("time", "channel", "latitude", "longitude")
    for wrong, message in [
        (apart, r"channels: those of temperature stand apart in Channels\(.*; put the levels of"),
        (other, r"channels: temperature is on levels \[850, 500\], specific_humidity on \[850\];"),
    ]:
        some = values[:, : len(wrong)]
        with pytest.raises(ValueError, match=message):
            wrong.unstack(some, COORDS, ("time",))
        with pytest.raises(ValueError, match=message):
            wrong.fields(xr.DataArray(some, COORDS, dims))
    whole = channels.unstack(values, COORDS, ("time",))
    with pytest.raises(ValueError, match="stand apart"):
        apart.stack(whole)
    np.testing.assert_array_equal(other.stack(whole), values[:, :4])


def test_equal_channels_are_one(states):
    channels, _ = states
    other = Channels.from_list(channels.to_list())
    assert len({channels, other, Channels(channels[:2])}) == 2
    assert channels != list(channels)
    assert repr(channels) == (
        "Channels(temperature 850 hPa, temperature 500 hPa, snow, specific_humidity 850 hPa, "
        "specific_humidity 500 hPa)"
    )
    assert channels.difference(Channels(channels[2:])) == (
        "lacks temperature 850 hPa, temperature 500 hPa"
    )
    assert channels.difference(other) is None


def test_a_variable_without_units():
    field = xr.Dataset({"x": (("time", "latitude", "longitude"), np.zeros((1, 1, 1)))})
    assert list(Channels.of(field)) == [Channel("x", None, "1")]


def test_weights_by_variable_and_level():
    """With mean 1; foreign names are accepted."""
    channels = Channels(
        [
            Channel("geopotential", 500.0, "m2 s-2"),
            Channel("geopotential", 850.0, "m2 s-2"),
            Channel("mean_sea_level_pressure", None, "Pa"),
        ]
    )
    assert channels.weights({}) is None
    np.testing.assert_allclose(channels.weights({"msl": 4.0}), [0.5, 0.5, 2.0])
    np.testing.assert_allclose(channels.weights({"z 850": 7.0}), [1 / 3, 7 / 3, 1 / 3])
    np.testing.assert_allclose(channels.weights({"geopotential": 2.0}), [1.2, 1.2, 0.6])
    of_both = channels.weights({"geopotential": 2.0, "geopotential 500": 3.0})
    np.testing.assert_allclose(of_both, [1.5, 1.0, 0.5])
    for name in ("t", "z 700", "msl 850"):
        with pytest.raises(
            ValueError, match=rf"data\.weights: {name} is none of geopotential 500, "
        ):
            channels.weights({name: 2.0})
