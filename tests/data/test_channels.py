"""Labels to tensors and back, without loss."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data import Channels


def test_channels_are_variables_at_their_levels_in_order(analysis):
    channels = Channels.of(analysis)
    assert [str(c) for c in channels] == [
        "geopotential 500 hPa",
        "geopotential 850 hPa",
        "mean_sea_level_pressure",
    ]
    values = channels.stack(analysis)
    assert values.shape == (40, 3, 7, 12)
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
