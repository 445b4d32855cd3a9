"""A network that takes over from another one does at first what that one did."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.data import Static
from axialcast.grid import LatLonGrid
from axialcast.transfer import taken_over
from axialcast.transfer.units import changes, told_fields

GLOBE = LatLonGrid.regular(6, 10, poles=False)


def drawn(shape=(6, 10), num=3, times=2):
    torch.manual_seed(1)
    return 3 + 2 * torch.randn(2, times, num, *shape, dtype=torch.float64)


def started(parent, child):
    return replace(child, weights=taken_over(parent, child).weights)


def close(here, there):
    torch.testing.assert_close(here, there, rtol=1e-5, atol=1e-5)


def test_the_same_network_is_taken_as_it_is(checkpoint):
    parent, child = checkpoint(seed=7), checkpoint()
    found = taken_over(parent, child)
    assert all(torch.equal(found.weights[name], value) for name, value in parent.weights.items())
    assert found.lines == ["51 of 51 tensors as they are"]
    assert len(found.carried) == 51


@pytest.mark.parametrize("local", [0, 8])
def test_other_statistics_are_folded_into_the_weights(checkpoint, physical, local):
    parent, child = checkpoint(seed=7, local=local), checkpoint(scaled=5, local=local)
    given = drawn()
    there = physical(parent, given)
    close(physical(started(parent, child), given), there)
    assert not torch.allclose(there, given[:, -1], atol=1e-2)
    lines = taken_over(parent, child).lines
    assert [line.split(" normalised otherwise")[0] for line in lines[1:]] == ["inputs", "forecasts"]


@pytest.mark.parametrize("local", [0, 8])
@pytest.mark.parametrize("position", ["learned", "rotary", "sinusoidal", "none"])
def test_the_same_places_in_another_order(checkpoint, physical, position, local):
    """From south to north, as many stores are. Positions without parameters count rows."""
    flipped = LatLonGrid(GLOBE.latitude[::-1], GLOBE.longitude)
    parent = checkpoint(GLOBE, seed=7, position=position, local=local)
    child = started(parent, checkpoint(flipped, position=position, local=local))
    given = drawn()
    here = physical(child, given.flip(-2)).flip(-2)
    if position in ("learned", "none"):
        close(here, physical(parent, given))


@pytest.mark.parametrize("local", [0, 8])
def test_longitudes_that_begin_elsewhere(checkpoint, physical, local):
    rolled = LatLonGrid(GLOBE.latitude, [*GLOBE.longitude[4:], 360, 396, 432, 468])
    parent = checkpoint(GLOBE, seed=7, local=local)
    child = started(parent, checkpoint(rolled, local=local))
    given = drawn()
    close(physical(child, given.roll(-4, -1)).roll(4, -1), physical(parent, given))


@pytest.mark.parametrize(("was", "local"), [(0, 0), (8, 8), (0, 8)])
def test_what_it_is_told_besides_does_not_count_at_first(
    checkpoint, channels_of, physical, was, local
):
    parent = checkpoint(seed=7, local=was)
    more = channels_of(
        ["geopotential", "specific_humidity", "temperature", "mean_sea_level_pressure", "sst"],
        sst="forcing",
    )
    child = checkpoint(
        channels=more,
        static=channels_of(["land"]),
        forcings=["cosine_of_solar_zenith_angle"],
        scaled=3,
        local=local,
    )
    found = taken_over(parent, child)
    assert found.lines[1] == (
        "inputs that begin at zero: specific_humidity (1), land (1), sst (1), "
        "cosine_of_solar_zenith_angle (computed)"
    )
    assert "body.embed.project.weight" not in found.carried
    given = drawn(num=4)
    kept = [0, 2, 3]
    child = replace(child, weights=found.weights)
    forcings = torch.randn(2, 2, 1, 6, 10, dtype=torch.float64)
    here = physical(child, given, forcings=forcings)
    close(here[:, kept], physical(parent, given[:, :, kept]))
    close(here[:, 1], given[:, -1, 1])  # nothing is known of it: persistence


def test_fields_that_are_left_out(checkpoint, channels_of):
    parent, child = checkpoint(seed=7), checkpoint(channels=channels_of(["temperature"]))
    found = taken_over(parent, child)
    assert found.lines[1] == (
        "inputs left out: geopotential 500 hPa (1), mean_sea_level_pressure (1)"
    )
    assert torch.isfinite(found.weights["body.head.project.weight"]).all()


def test_diagnostic_fields_keep_their_values(checkpoint, channels_of, physical):
    names = ["geopotential", "temperature", "total_precipitation"]
    parent = checkpoint(channels=channels_of(names, total_precipitation="diagnostic"), seed=7)
    names = ["geopotential", "temperature", "wind", "total_precipitation"]
    roles = {"total_precipitation": "diagnostic", "wind": "diagnostic"}
    child = started(parent, checkpoint(channels=channels_of(names, **roles), scaled=4))
    given = drawn(num=2)
    here, there = physical(child, given), physical(parent, given)
    close(here[:, [0, 1, 3]], there)
    close(here[:, 2], torch.full_like(here[:, 2], child.statistics.mean[2]))


def test_more_blocks_add_nothing_at_first(checkpoint, physical):
    parent, child = checkpoint(seed=7), checkpoint(depth=3, reversible=True)
    found = taken_over(parent, child)
    assert found.lines[1] == ("3 blocks, 2 in the checkpoint: those beyond add nothing at first")
    given = drawn()
    close(physical(replace(child, weights=found.weights), given), physical(parent, given))
    assert not any(".blocks.2." in name for name in found.carried)


def test_fewer_blocks_are_the_first_ones(checkpoint):
    found = taken_over(checkpoint(seed=7), checkpoint(depth=1))
    assert found.lines[1].startswith("the first 1 of 2 blocks alone")


def test_patches_of_more_times_hear_the_latest_as_before(checkpoint, physical):
    parent = checkpoint(seed=7, input_steps=1)
    child = started(parent, checkpoint(patch=(2, 2, 2)))
    given = drawn()
    close(physical(child, given), physical(parent, given[:, -1:]))


@pytest.mark.parametrize(("patch", "most"), [((1, 4, 4), 0.35), ((1, 2, 2), 0.9)])
def test_twice_the_resolution_of_a_smooth_state(checkpoint, physical, patch, most):
    """About the parent's forecast, interpolated: nearer to it than persistence, most of all where
    patches are as large in degrees."""
    coarse, fine = LatLonGrid.regular(16, 24, poles=False), LatLonGrid.regular(32, 48, poles=False)
    parent = checkpoint(coarse, seed=7)
    child = started(parent, checkpoint(fine, patch=patch))
    # Averages of two by two fine cells, as the coarse ones lie over them.
    fields = 3 + waves(fine)
    pooled = coarsened(fields)
    there = physical(parent, pooled) - pooled[:, -1]
    here = coarsened(physical(child, fields) - fields[:, -1])
    error, size = ((here - there) ** 2).mean().sqrt(), (there**2).mean().sqrt()
    assert error < most * size


def coarsened(fields):
    return torch.nn.functional.avg_pool2d(fields.flatten(0, -3), 2).unflatten(0, fields.shape[:-2])


def waves(grid):
    """(2, 2, 3, h, w) of wavenumbers 1 to 3, which move."""
    phi = torch.tensor(grid.latitudes).deg2rad().cos() ** 2
    theta = torch.tensor(grid.longitudes).deg2rad()
    numbers = torch.arange(1, 13).view(2, 2, 3, 1, 1)
    return 2 * phi * (theta * (1 + numbers % 3) + 0.4 * numbers).sin() + 0 * phi


def test_what_does_not_fit_is_refused(checkpoint):
    for key, value in (("dim", 32), ("heads", 4), ("mlp_ratio", 3.0)):
        with pytest.raises(ValueError, match=rf"model.{key} is {value}, .* set it to"):
            taken_over(checkpoint(seed=7), checkpoint(**{key: value}))


def test_departures_of_one_climatology_in_other_units(checkpoint, physical):
    """What is usual is of no interest to the body; in which units departures are, is."""
    seasons = {"hours": [0.0], "harmonics": 1, "step_days": 0.25, "year_days": 365.25}
    parent = with_usual(checkpoint(seed=7, departures=seasons), [0.5, 0.7, 0.9])
    child = with_usual(checkpoint(scaled=5, departures=seasons), [0.8, 0.6, 0.4])
    given = drawn()
    close(physical(started(parent, child), given), physical(parent, given))


def test_of_months_departures_count_as_they_vary(checkpoint, physical):
    parent = with_usual(checkpoint(seed=7, departures=True), [0.5, 0.7, 0.9])
    child = with_usual(checkpoint(scaled=5, departures=True), [0.8, 0.6, 0.4])
    given = drawn()
    close(physical(started(parent, child), given), physical(parent, given))


def with_usual(one, spread):
    """A checkpoint whose climatology is 1 in every channel's units, at all times."""
    weights = dict(one.weights)
    usual = torch.zeros_like(weights["departures.usual"])
    normal = torch.tensor((1 - one.statistics.mean) / one.statistics.std)[:, None, None].float()
    (usual if usual.ndim == 4 else usual[:, 0])[:] = normal
    weights |= {"departures.usual": usual, "departures.spread": torch.tensor(spread)[:, None, None]}
    return replace(one, weights=weights)


def test_departures_in_place_of_states_are_said(checkpoint):
    child = with_usual(checkpoint(departures=True), [0.8, 0.6, 0.4])
    lines = taken_over(checkpoint(seed=7), child).lines
    assert lines[1].startswith("inputs of another kind than before (logarithms, departures), so ")


def test_static_fields_are_normalised_by_their_own_grids(checkpoint):
    """A region's part of a field has another mean and spread than the globe's."""
    region = LatLonGrid(GLOBE.latitude[1:5], GLOBE.longitude[2:8])
    globe, part = with_height(GLOBE, checkpoint, 7), with_height(region, checkpoint, None)
    there, here = (one.weights["static"][0].numpy() for one in (globe, part))
    there = there[1:5, 2:8]
    for parent, child, old, new in ((globe, part, there, here), (part, globe, here, there)):
        _, change = changes(told_fields(parent, child), told_fields(child))[3]
        np.testing.assert_allclose(change.shift + change.scale * new, old, rtol=1e-5, atol=1e-6)
    elsewhere = LatLonGrid([80, 85], [0, 10, 20])
    lines = taken_over(globe, with_height(elsewhere, checkpoint, None)).lines
    assert not any("height" in line for line in lines)


def with_height(grid, checkpoint, seed):
    """A checkpoint that knows a field of the Earth."""
    field = np.cos(np.deg2rad(grid.latitudes)) * np.sin(np.deg2rad(grid.longitudes / 2))
    labels = {"latitude": grid.latitude, "longitude": grid.longitude}
    known = xr.DataArray(field, labels, list(labels), attrs={"units": "m"})
    static = Static.of(xr.Dataset({"height": known}))
    one = checkpoint(grid, static=static.channels, seed=seed)
    return replace(one, weights=dict(one.weights) | {"static": torch.tensor(static.values)})


def test_noise_and_a_boundary_begin_at_zero(checkpoint, physical):
    parent = checkpoint(seed=7)
    child = checkpoint(scaled=5, noise=2, boundary={"width": 1, "relaxation": "overwrite"})
    found = taken_over(parent, child)
    assert found.lines[1].startswith("inputs that begin at zero: boundary of geopotential 500 hPa")
    assert found.lines[1].endswith("noise 0, noise 1")
    given, noise = drawn(), torch.randn(2, 2, 6, 10, dtype=torch.float64)
    here = physical(replace(child, weights=found.weights), given, noise=noise)
    close(here, physical(parent, given))


@pytest.mark.parametrize("kind", ["unet", "vit"])
def test_other_kinds_take_what_has_the_same_name_and_shape(checkpoint, channels_of, kind):
    sizes = {"unet": {"dim": 8, "depth": 1}, "vit": {"dim": 8, "depth": 1, "heads": 2}}
    settings = {"kind": kind, "bare": True, **sizes[kind]}
    parent, child = checkpoint(seed=7, **settings), checkpoint(**settings)
    found = taken_over(parent, child)
    assert len(found.lines) == 1
    assert all(torch.equal(found.weights[name], value) for name, value in parent.weights.items())
    one = checkpoint(channels=channels_of(["temperature"]), **settings)
    found = taken_over(parent, one)
    assert sum(line.endswith("begins anew") for line in found.lines) >= 2
    assert found.lines[-1].startswith("fields or their normalisation differ")
    one.untrained().load_state_dict(dict(found.weights))
    with pytest.raises(ValueError, match=f"model.kind is axial, .* is {kind}; set it to {kind}"):
        taken_over(parent, checkpoint())


def test_a_step_of_another_length_is_said(checkpoint):
    lines = taken_over(checkpoint(seed=7), checkpoint(hours=12)).lines
    assert lines[1:] == ["a step is 12 h here, 6 h in the checkpoint"]


def test_a_part_of_the_globe_takes_what_lies_there(checkpoint):
    part = LatLonGrid(GLOBE.latitude[2:6], GLOBE.longitude[2:8])
    parent = checkpoint(GLOBE, seed=7)
    found = taken_over(parent, checkpoint(part))
    assert found.lines == [
        "49 of 51 tensors as they are",
        "positions interpolated from 3 x 5 to 2 x 3 patches",
    ]
    for number, rows in ((1, slice(1, 3)), (2, slice(1, 4))):
        name = f"body.transformer.position.param_{number}"
        old = parent.weights[name].squeeze()[rows]
        torch.testing.assert_close(found.weights[name].squeeze(), old)


def test_the_share_of_a_floor_is_taken_over_where_it_is_learned(checkpoint, channels_of):
    """From a network without one it begins at zero, so that forecasts are as they were."""
    floor = {"patterns": 2, "lags": 1, "rest": 1, "seasons": False, "departures": True, "leads": 3}
    learned, fixed = (
        replace(one, weights=dict(one.weights) | {"floor_share": torch.tensor(share)})
        for one, share in (
            (checkpoint(seed=7, floor=floor), [0.9, 0.7, 0.5]),
            (checkpoint(floor=floor), [0.0, 0.0, 0.0]),
        )
    )
    two = channels_of(["mean_sea_level_pressure", "geopotential"])
    begun = checkpoint(channels=two, floor=floor)
    begun = replace(begun, weights=dict(begun.weights) | {"floor_share": torch.full([2], 0.5)})
    for parent, share in ((learned, [0.5, 0.9]), (fixed, [0.0, 0.0]), (checkpoint(), [0.0, 0.0])):
        found = taken_over(parent, begun)
        assert found.weights["floor_share"].tolist() == pytest.approx(share)
        assert found.lines[-1].startswith("the share of the linear floor begins as it was, ")
    found = taken_over(learned, fixed)
    assert not found.weights["floor_share"].any()
    assert found.lines[-1].endswith("forecasts do not begin as its")
