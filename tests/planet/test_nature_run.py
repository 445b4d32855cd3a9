from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.grid import EARTH_RADIUS
from axialcast.names import COORDINATE_ATTRS, VARIABLES
from axialcast.planet.nature_run import nature_run
from axialcast.planet.quasigeostrophic import LEVELS, QuasiGeostrophicModel

OMEGA = 7.292e-5
DAY = 86_400.0


def ideal_model(truncation=21, **changes):
    """Inviscid, unforced, over flat ground."""
    settings = {
        "truncation": truncation,
        "relaxation_days": np.inf,
        "drag_days": np.inf,
        "diffusion_days": np.inf,
        "mountain_height": 0.0,
    }
    return QuasiGeostrophicModel(**settings | changes)


def integrate(model, q, *, days, time_step):
    for index in range(round(days * DAY / time_step)):
        q = model.step(q, index * time_step, time_step)
    return q


def single_harmonic(model, degree, order, value):
    harmonics = model.harmonics
    return np.where((harmonics.degree == degree) & (harmonics.order == order), value, 0.0)


def solid_rotation(model, speed):
    """Streamfunction (k,) of winds that are eastward, speed x cos(latitude)."""
    sine = np.sin(np.radians(model.harmonics.grid.latitude))[:, None]
    field = -speed * EARTH_RADIUS * sine * np.ones(model.harmonics.grid.shape)
    return model.harmonics.analysis(field[None])[0]


@pytest.mark.parametrize(("degree", "order"), [(5, 4), (8, 5), (3, 1)])
def test_rossby_haurwitz_wave_moves_at_its_phase_speed(degree, order):
    # One harmonic of degree l on solid rotation (u = U cos latitude) turns unchanged at
    # U / a - (2 Omega + 2 U / a) / (l (l + 1)) radians per second (Haurwitz 1940).
    model, speed, hours = ideal_model(), 12.0, 30
    wave = single_harmonic(model, degree, order, 4e7 + 0j)
    psi = np.tile(solid_rotation(model, speed) + wave, (3, 1))
    q = integrate(model, model.potential_vorticity(psi), days=hours / 24, time_step=3600.0)
    end = model.streamfunction(q)
    turning = speed / EARTH_RADIUS
    expected = turning - 2 * (OMEGA + turning) / (degree * (degree + 1))
    is_wave = wave != 0
    turned = -np.angle(end[:, is_wave] / psi[:, is_wave]) / order
    np.testing.assert_allclose(turned, expected * hours * 3600, rtol=1e-4)
    np.testing.assert_allclose(abs(end), abs(psi), atol=1e-5 * abs(wave).max())


def test_decoupled_levels_are_three_barotropic_fluids():
    model = ideal_model(rossby_radii=(np.inf, np.inf))
    streamfunctions = [
        solid_rotation(model, speed) + single_harmonic(model, 6, 3, 2e7 + 1e7j)
        for speed in (5.0, 11.0, -7.0)
    ]
    q = integrate(
        model, model.potential_vorticity(np.stack(streamfunctions)), days=1, time_step=3600.0
    )
    together = model.streamfunction(q)
    for level, psi in enumerate(streamfunctions):
        alone = integrate(
            model, model.potential_vorticity(np.tile(psi, (3, 1))), days=1, time_step=3600.0
        )
        expected = model.streamfunction(alone)[level]
        np.testing.assert_allclose(together[level], expected, atol=1e-9 * abs(psi).max())


def turbulent_state(model):
    return QuasiGeostrophicModel(truncation=model.truncation).initial_state(3) - (
        QuasiGeostrophicModel(truncation=model.truncation).planetary - model.planetary
    )


@pytest.mark.parametrize("mountain_height", [0.0, 3000.0])
def test_tendency_keeps_energy_and_potential_enstrophy_to_rounding(mountain_height):
    model = ideal_model(mountain_height=mountain_height)
    q = turbulent_state(model)
    tendency, psi = model.tendency(q), model.streamfunction(q)
    inner = model.harmonics.inner
    rate = inner(psi, tendency).sum() / np.sqrt(inner(psi, psi) * inner(tendency, tendency)).sum()
    assert abs(rate) < 1e-14
    rates = inner(q, tendency) / np.sqrt(inner(q, q) * inner(tendency, tendency))
    assert abs(rates).max() < 1e-14


def test_invariants_drift_only_by_the_time_step():
    model = ideal_model(mountain_height=3000.0)
    start = turbulent_state(model)
    drifts = []
    for hours in (3, 1.5, 0.75):
        end = integrate(model, start, days=3, time_step=hours * 3600)
        energy = abs(model.energy(end) / model.energy(start) - 1)
        enstrophy = model.potential_enstrophy(end) / model.potential_enstrophy(start) - 1
        drifts.append((energy, abs(enstrophy).max()))
    assert max(drifts[0]) < 1e-4
    assert max(drifts[2]) < 1e-7
    for coarse, fine in pairwise(drifts):
        # The scheme is of fourth order; the amplitudes it loses converge as the fifth power.
        assert np.log2(np.array(coarse) / fine).min() > 3.9


def test_energy_of_solid_rotation_and_of_sheared_rotation():
    model = ideal_model()
    speed, (upper, lower) = 10.0, model.rossby_radii
    # Mean over the sphere of cos^2 latitude is 2/3, of sin^2 latitude 1/3.
    kinetic = 0.5 * speed**2 * 2 / 3
    psi = np.tile(solid_rotation(model, speed), (3, 1))
    assert model.energy(model.potential_vorticity(psi)) == pytest.approx(kinetic)
    thickness = (speed * EARTH_RADIUS) ** 2 / 3
    psi[1:] = 0
    expected = (kinetic + 0.5 * thickness / upper**2) / 3
    assert model.energy(model.potential_vorticity(psi)) == pytest.approx(expected)
    psi[1] = psi[0]
    expected = (2 * kinetic + 0.5 * thickness / lower**2) / 3
    assert model.energy(model.potential_vorticity(psi)) == pytest.approx(expected)


def test_winds_and_geopotential_of_solid_rotation():
    model, speed = ideal_model(), 17.0
    latitude = np.radians(model.harmonics.grid.latitude)[:, None]
    psi = solid_rotation(model, speed)[None]
    eastward, northward = model.winds(psi)
    np.testing.assert_allclose(eastward[0], speed * np.cos(latitude) + 0 * eastward[0], atol=1e-11)
    np.testing.assert_allclose(northward, 0, atol=1e-11)
    # Geostrophy, d(Phi)/dy = -f u, integrated from pole to pole.
    expected = -OMEGA * EARTH_RADIUS * speed * (np.sin(latitude) ** 2 - 1 / 3)
    geopotential = model.geopotential(psi)[0]
    np.testing.assert_allclose(geopotential, expected + 0 * geopotential, atol=1e-8)


def test_winds_are_geostrophic_and_free_of_divergence():
    model = QuasiGeostrophicModel()
    psi = model.streamfunction(model.initial_state(5))
    eastward, northward = model.winds(psi)
    divergence = model.harmonics.potential(np.stack([-northward, eastward], axis=1))
    assert abs(divergence).max() < 1e-10 * abs(psi).max() / EARTH_RADIUS


def test_relaxation_drag_and_diffusion_have_their_time_scales():
    at_rest = ideal_model(seasonality=0.0)
    wave = 1e3 * single_harmonic(at_rest, 21, 0, 1.0 + 0j)
    q = at_rest.potential_vorticity(np.tile(wave, (3, 1)))
    tendency = ideal_model(diffusion_days=2.0).tendency(q)
    anomaly = q - at_rest.planetary
    np.testing.assert_allclose(tendency, -anomaly / (2 * DAY), atol=1e-9 * abs(anomaly).max() / DAY)
    tendency = ideal_model(drag_days=3.0).tendency(q)
    vorticity = at_rest.harmonics.laplacian / EARTH_RADIUS**2 * wave
    expected = np.stack([0 * wave, 0 * wave, -vorticity / (3 * DAY)])
    np.testing.assert_allclose(tendency, expected, atol=1e-9 * abs(anomaly).max() / DAY)


def test_resting_planet_is_drawn_to_jets_stronger_in_winter():
    model = ideal_model(relaxation_days=40.0)
    for seconds, is_north_stronger in [(0.0, True), (182.6 * DAY, False)]:
        heating = model.tendency(model.planetary, seconds)
        spun_up = model.planetary + heating * DAY
        eastward, _ = model.winds(model.streamfunction(spun_up))
        shear = (eastward[0] - eastward[2]).mean(axis=1)
        north, south = shear[:16].max(), shear[16:].max()
        assert min(north, south) > 0
        assert (north > south) == is_north_stronger


@pytest.fixture(scope="module")
def month():
    return list(
        nature_run(start="2001-02-27", end="2001-03-03", truncation=11, spinup_days=7, block_days=3)
    )


def test_blocks_join_to_evenly_spaced_days(month):
    assert [block.sizes["time"] for block in month] == [12, 8]
    times = xr.concat(month, "time").time.values
    expected = pd.date_range("2001-02-27", "2001-03-03T18", freq="6h")
    np.testing.assert_array_equal(times, expected)


def test_block_is_an_analysis_with_cf_attributes(month):
    block = month[0]
    assert block.sizes == {"time": 12, "level": 3, "latitude": 18, "longitude": 36}
    assert tuple(block.level.values) == LEVELS
    assert list(block) == ["geopotential", "u_component_of_wind", "v_component_of_wind"]
    for name, variable in block.items():
        assert variable.attrs == VARIABLES[name].attrs
        assert variable.dtype == np.float32
        assert np.isfinite(variable).all()
    for name, coordinate in block.coords.items():
        assert coordinate.attrs == COORDINATE_ATTRS[name]
    assert block.longitude.values[0] == 0
    assert block.latitude.values[0] > block.latitude.values[-1]


def test_mean_heights_are_those_of_the_standard_atmosphere(month):
    _, weights = np.polynomial.legendre.leggauss(18)
    weights = xr.DataArray(weights, dims="latitude")
    mean = month[0].geopotential.weighted(weights).mean(("latitude", "longitude")) / 9.80665
    expected = np.tile([11_784.0, 5_574.0, 1_949.0], (12, 1))
    np.testing.assert_allclose(mean, expected, rtol=1e-5)


def test_same_seed_same_planet_other_seed_other_weather():
    def last(**settings):
        settings = {"start": "2003-01-01", "end": "2003-01-02", "truncation": 7} | settings
        *_, block = nature_run(spinup_days=3, **settings)
        return block

    xr.testing.assert_identical(last(seed=5), last(seed=5))
    xr.testing.assert_identical(last(), last(seed=0))
    xr.testing.assert_identical(last(block_days=2).isel(time=slice(4, 8)), last(block_days=1))
    assert not last(seed=5).equals(last(seed=6))


def test_end_may_be_a_whole_month():
    *_, block = nature_run(start="2001-02", end="2001-02", truncation=5, spinup_days=0)
    assert block.time.values[-1] == np.datetime64("2001-02-28T18")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"end": "2000-12-31"}, "end: expected a date after start 2001-01-01, got 2000-12-31"),
        ({"spinup_days": -1}, "spinup_days: expected 0 or more, got -1"),
        ({"block_days": 0}, "block_days: expected at least 1, got 0"),
        ({"truncation": 0}, "truncation: expected at least 1, got 0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        next(nature_run(**{"start": "2001-01-01", "end": "2001-01-02"} | settings))


def crossing_days(height, weights):
    """Lead time (days) at which persistence becomes worse than climatology."""
    days = np.arange(len(height)) / 4
    trend = np.stack([np.ones_like(days), days, days**2], axis=1)
    flat = height.reshape(len(height), -1)
    anomaly = (flat - trend @ np.linalg.lstsq(trend, flat)[0]).reshape(height.shape)
    climatology = np.mean(anomaly**2 * weights)
    steps = range(1, 33)
    persistence = [np.mean((height[k:] - height[:-k]) ** 2 * weights) for k in steps]
    return np.interp(climatology, persistence, np.array(steps) / 4)


def test_persistence_crosses_climatology_between_day_1_5_and_day_5():
    blocks = nature_run(start="2001-01-01", end="2001-03-31", spinup_days=75)
    heights = [block.geopotential.sel(level=500).values for block in blocks]
    _, weights = np.polynomial.legendre.leggauss(32)
    crossing = crossing_days(np.concatenate(heights), weights[:, None] / weights.mean())
    assert 1.5 < crossing < 5


@pytest.mark.slow
def test_climate_is_that_of_mid_latitude_weather():
    blocks = nature_run(start="2001", end="2002", seed=7)
    planet = xr.concat(blocks, "time")
    jet = planet.u_component_of_wind.sel(level=200).mean(("time", "longitude"))
    height = planet.geopotential.sel(level=500) / 9.80665
    for hemisphere in (slice(90, 0), slice(0, -90)):
        strongest = jet.sel(latitude=hemisphere)
        assert 20 < strongest.max() < 45
        assert 30 < abs(strongest.idxmax()) < 60
        eddies = (
            height.sel(latitude=hemisphere)
            - height.sel(latitude=hemisphere).rolling(time=80, center=True, min_periods=1).mean()
        )
        assert 80 < eddies.std("time").max() < 200
    assert abs(planet.u_component_of_wind).max() < 150
    _, weights = np.polynomial.legendre.leggauss(32)
    assert 1.5 < crossing_days(height.values, weights[:, None] / weights.mean()) < 5
