"""Forecasts of a region are led to what comes in along its edges, wherever that comes from."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.forecast import Forecaster, ForecastStore, load_checkpoint, save_checkpoint
from axialcast.forecast.writer import ForecastWriter
from axialcast.frame import relaxation
from axialcast.grid import LatLonGrid

make_checkpoint = runpy.run_path(str(Path(__file__).with_name("conftest.py")))["make_checkpoint"]

GLOBE = LatLonGrid.regular(11, 18, poles=False)
ROWS, COLUMNS = slice(1, 8), slice(3, 16)
WANTED = {"init_times": ["2001-01-11", "2001-01-14"], "lead_times": ["24h", "48h", "72h"]}
INNER = {"latitude": slice(2, -2), "longitude": slice(2, -2)}


@pytest.fixture
def globe(make_analysis):
    return make_analysis(grid=GLOBE)


@pytest.fixture
def region(globe):
    return globe.isel(latitude=ROWS, longitude=COLUMNS)


@pytest.fixture
def checkpoint(region):
    return make_checkpoint(region, boundary={"width": 2, "relaxation": "overwrite"})


def led(checkpoint, source="analysis"):
    return Forecaster(checkpoint, device="cpu", boundary=source)


def same(got, want):
    for name, values in want.data_vars.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


def test_in_the_frame_they_are_the_boundary(checkpoint, region):
    forecast = led(checkpoint).predict(region, **WANTED)
    frame = relaxation(checkpoint.grid, 2, "overwrite") == 1
    truth = region.sel(time=forecast["valid_time"])
    for name, array in forecast.data_vars.items():
        known = truth[name].transpose(*array.dims).values
        np.testing.assert_allclose(array.values[..., frame], known[..., frame], rtol=1e-5)
        assert np.abs(array.values - known)[..., ~frame].min() > 0, "or the interior is none"
    assert forecast.attrs["boundary"] == "2-point frame (overwrite) from the analysis"


def test_what_comes_in_changes_the_interior(checkpoint, region):
    """At once, for the network is told; of times that come later, later."""
    before = led(checkpoint).predict(region, **WANTED)
    changed = region.copy(deep=True)
    changed["geopotential"][12, :, 0] += 3000  # the northern edge on 13 January
    after = led(checkpoint).predict(changed, **WANTED)
    moved = np.abs(after - before).isel(INNER)["geopotential"]
    assert moved.isel(init_time=0).sel(lead_time="24h").max() == 0
    assert moved.isel(init_time=0).sel(lead_time="48h").max() > 1
    assert moved.isel(init_time=0).sel(lead_time="72h").max() > 1


def test_relaxation_is_between_forecast_and_boundary(region):
    checkpoint = make_checkpoint(region, boundary={"width": 3, "relaxation": "davies"})
    network = checkpoint.build()
    weights = torch.tensor(relaxation(checkpoint.grid, 3, "davies")).float()
    random = torch.Generator().manual_seed(0)
    states = torch.randn(2, 2, 3, 7, 13, generator=random)
    coming, dates = torch.randn(2, 3, 7, 13, generator=random), torch.rand(2, 2, 5)
    with torch.inference_mode():
        free = network.following(states, network.told(states, dates, None, coming), dates)
        found = network(states, dates, coming=coming)
        torch.testing.assert_close(found, (1 - weights) * free + weights * coming)
        # Where it is not known, the network is told nothing, and its forecast stays.
        coming[:, 1, 0] = torch.nan
        found = network(states, dates, coming=coming)
        free = network.following(states, network.told(states, dates, None, coming), dates)
        torch.testing.assert_close(found[:, 1, 0], free[:, 1, 0])
        unknown = torch.full_like(coming, torch.nan)
        torch.testing.assert_close(network(states, dates, coming=unknown), network(states, dates))


def test_a_larger_analysis_and_perfect_forecasts_are_as_good_as_its_own(
    checkpoint, region, globe, tmp_path
):
    expected = led(checkpoint).predict(region, **WANTED)
    same(led(checkpoint, globe).predict(region, **WANTED), expected)
    globe.to_netcdf(tmp_path / "globe.nc")
    from_file = led(checkpoint, {"store": tmp_path / "globe.nc"}).predict(region, **WANTED)
    same(from_file, expected)
    store = perfect(make_checkpoint(globe), globe, tmp_path / "forecast.zarr")
    nested = led(checkpoint, store).predict(region, **WANTED)
    same(nested, expected)
    assert nested.attrs["boundary"] == f"2-point frame (overwrite) from forecasts of {store}"


def perfect(checkpoint, globe, path, leads=("24h", "48h", "72h")):
    """A store of forecasts that are the truth."""
    template = Forecaster(checkpoint, device="cpu").template(WANTED["init_times"], list(leads))
    truth = globe.sel(time=template["valid_time"])
    forecast = template.copy()
    for name, array in template.data_vars.items():
        forecast[name] = array.copy(data=truth[name].transpose(*array.dims).values)
    ForecastStore.prepare(path, template)
    with ForecastWriter(path, template) as writer:
        writer.write(forecast)
    return path


def test_members_are_led_to_the_member_of_their_number(checkpoint, region, globe, tmp_path):
    """Whose boundary has two members, where the forecast has three; lagged ones start earlier."""
    truth = xr.open_zarr(perfect(make_checkpoint(globe), globe, tmp_path / "a.zarr"))
    both = xr.concat([truth, truth + 500], "number", join="override").assign_coords(number=[0, 1])
    both = both.transpose("init_time", "number", "lead_time", ...).load()
    for name, array in truth.data_vars.items():
        both[name].attrs = array.attrs
    alone = [
        led(checkpoint, both.sel(number=n, drop=True)).predict(region, **WANTED) for n in (0, 1)
    ]
    many = Forecaster(checkpoint, device="cpu", boundary=both, perturb=1e-9, members=3)
    found = many.predict(region, **WANTED)
    same(found.isel(number=0), alone[0])
    for number, of in ((1, 1), (2, 0)):
        xr.testing.assert_allclose(
            found.isel(number=number, drop=True).geopotential, alone[of].geopotential, atol=1
        )
    lagged = Forecaster(checkpoint, device="cpu", boundary=both, lagged=1)
    with pytest.raises(ValueError, match="lacks init_time 2001-01-10"):
        lagged.predict(region, **WANTED)
    lagged = Forecaster(checkpoint, device="cpu", boundary="analysis", lagged=1)
    led_by_truth = lagged.predict(region, **WANTED)
    frame = relaxation(checkpoint.grid, 2, "overwrite") == 1
    analysis = region.sel(time=led_by_truth["valid_time"]).geopotential
    known = analysis.transpose("init_time", "lead_time", "level", ...).values
    for number in (0, 1):
        values = led_by_truth.geopotential.sel(number=number).values
        np.testing.assert_allclose(values[..., frame], known[..., frame], rtol=1e-5)


def test_a_coarser_analysis_is_interpolated(region, globe, make_analysis):
    """In time, between its own: every other day here."""
    checkpoint = make_checkpoint(region, boundary={"width": 1, "relaxation": "overwrite"})
    seldom = globe.isel(time=slice(0, None, 2))
    forecast = led(checkpoint, seldom).predict(region, **WANTED)
    between = seldom.interp(time=forecast["valid_time"])
    for name, array in forecast.data_vars.items():
        known = between[name].transpose(*array.dims).isel(latitude=ROWS, longitude=COLUMNS)
        np.testing.assert_allclose(array[..., 0, :], known[..., 0, :], rtol=1e-5)


def test_hindcasts_say_what_they_were_made_of(checkpoint, region):
    """Bits do not depend on what is made together; checksums change with the boundary alone."""
    forecaster = led(checkpoint)
    analysis = forecaster.check(region)
    inits = np.array(WANTED["init_times"], "datetime64[ns]")
    arguments = {"lead_times": WANTED["lead_times"], "batch_size": 2}
    [(whole, sums)] = forecaster.hindcast(analysis, init_times=inits, **arguments)
    same(whole, forecaster.predict(region, **WANTED))
    assert next(forecaster.inputs(analysis, inits, **arguments)) == sums
    changed = region.copy(deep=True)
    changed["geopotential"][13, 0, 0, 0] += 1
    [(_, others)] = forecaster.hindcast(forecaster.check(changed), init_times=inits, **arguments)
    assert others[0] != sums[0]


def test_a_checkpoint_keeps_it(checkpoint, region, tmp_path):
    save_checkpoint(tmp_path, checkpoint)
    again = load_checkpoint(tmp_path)
    assert again.network["boundary"] == {"width": 2, "relaxation": "overwrite"}
    same(led(again).predict(region, **WANTED), led(checkpoint).predict(region, **WANTED))


def test_without_one_there_are_no_forecasts(checkpoint, region, globe, tmp_path):
    with pytest.raises(ValueError, match=r"boundary: the network was trained with 2 points of a b"):
        Forecaster(checkpoint, device="cpu").predict(region, **WANTED)
    with pytest.raises(ValueError, match=r"boundary: the network was trained without one; leave"):
        led(make_checkpoint(region))
    late = {**WANTED, "init_times": ["2001-02-08"]}
    with pytest.raises(ValueError, match=r"from 2001-02-08T00 needs the boundary of 2001-02-10"):
        led(checkpoint).predict(region, **late)
    with pytest.raises(ValueError, match=r"needs the boundary of 2001-02-10.* of other analyses"):
        led(checkpoint, globe).predict(region, **late)
    with pytest.raises(ValueError, match=r"boundary: covers .*, less than the region, "):
        led(checkpoint, region.isel(longitude=slice(2, None)))
    with pytest.raises(ValueError, match=r"boundary: does not fit the network: lacks mean_sea"):
        led(checkpoint, globe[["geopotential"]])
    store = perfect(make_checkpoint(globe), globe, tmp_path / "f.zarr", leads=("24h", "72h"))
    with pytest.raises(ValueError, match=r"f\.zarr: lacks lead_time 48 h, of 1 that are needed"):
        led(checkpoint, store).predict(region, **WANTED)
    other = {**WANTED, "init_times": ["2001-01-12"]}
    with pytest.raises(ValueError, match=r"f\.zarr: lacks init_time 2001-01-12"):
        led(checkpoint, store).predict(region, **other)


def test_diagnosed_channels_have_no_boundary(region):
    roles = {"mean_sea_level_pressure": "diagnostic"}
    checkpoint = make_checkpoint(
        region, roles=roles, boundary={"width": 2, "relaxation": "overwrite"}
    )
    forecast = led(checkpoint).predict(region, **WANTED)
    truth = region.sel(time=forecast["valid_time"])
    edge = {"latitude": 0}
    known = truth["geopotential"].transpose(*forecast["geopotential"].dims)
    np.testing.assert_allclose(forecast["geopotential"].isel(edge), known.isel(edge), rtol=1e-5)
    pressure = forecast["mean_sea_level_pressure"]
    known = truth[pressure.name].transpose(*pressure.dims)
    assert np.abs(pressure.isel(edge) - known.isel(edge)).min() > 0
