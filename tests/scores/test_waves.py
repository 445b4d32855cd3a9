"""Waves against sums of analytic harmonics and cosines, whose energies are known."""

import numpy as np
import pytest
import scipy.fft
import scipy.special

from axialcast.grid import EARTH_RADIUS, LatLonGrid, ProjectedGrid
from axialcast.scores.waves import power, waves_of

GRIDS = {
    "poles": LatLonGrid.regular(13, 23, poles=True),
    "no poles": LatLonGrid.regular(12, 26, poles=False),
    "Gauss": LatLonGrid.gauss_legendre(11, 24),
    "few columns": LatLonGrid.regular(17, 11, poles=True),
    "few rows between poles": LatLonGrid.regular(4, 24, poles=True),
    "few rows": LatLonGrid.regular(2, 24, poles=False),
}
RESOLVED = {"poles": 11, "no poles": 11, "Gauss": 10, "few columns": 5,
            "few rows between poles": 2, "few rows": 1}  # fmt: skip


def of_harmonics(grid, largest, rng):
    """A field of random harmonics, and its energy by degree."""
    colatitude, longitude = np.radians(90 - grid.latitudes), np.radians(grid.longitudes)
    field, energy = np.zeros(grid.shape), np.zeros(largest + 1)
    for degree in range(largest + 1):
        for order in range(degree + 1):
            number = rng.standard_normal() + 1j * rng.standard_normal() * (order > 0)
            wave = scipy.special.sph_harm_y(degree, order, colatitude, longitude)
            twice = 2 if order else 1
            field += twice * (number * wave).real
            energy[degree] += twice * abs(number) ** 2 / (4 * np.pi)
    return field, energy


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("turned", [False, True])
def test_energies_are_those_of_analytic_harmonics(name, turned):
    grid = GRIDS[name]
    if turned:
        grid = LatLonGrid(grid.latitude[::-1], grid.longitude - 170)
    waves = waves_of(grid)[0]
    assert waves.kind == "spherical harmonics"
    largest = RESOLVED[name]
    assert waves.numbers.tolist() == list(range(1, largest + 1))
    rng = np.random.default_rng(2)
    fields, energies = zip(*(of_harmonics(grid, largest, rng) for _ in range(3)), strict=True)
    found = waves.power(np.stack(fields)[None])
    np.testing.assert_allclose(found[0], np.stack(energies)[:, 1:], rtol=1e-9)
    assert waves.length_km == pytest.approx(2 * np.pi * EARTH_RADIUS / 1000)


def test_energies_add_up_to_the_variance_over_the_sphere():
    grid = LatLonGrid.gauss_legendre(16, 32)  # whose quadrature is exact
    field, _ = of_harmonics(grid, 7, np.random.default_rng(4))
    _, shares = np.polynomial.legendre.leggauss(16)
    weights = np.broadcast_to(shares[:, None], grid.shape)
    mean = np.average(field, weights=weights)
    variance = np.average((field - mean) ** 2, weights=weights)
    assert waves_of(grid)[0].power(field).sum() == pytest.approx(variance)


def test_poles_alone_have_waves_along_rows():
    assert [waves.kind for waves in waves_of(LatLonGrid.regular(2, 12, poles=True))] == ["rows"]


def test_a_belt_or_rows_of_no_known_rule_have_waves_along_rows():
    uneven = np.array([80.0, 55, 22, 1, -31, -50, -85])
    for latitude in (np.linspace(60, -60, 7), uneven):
        grid = LatLonGrid(latitude, np.arange(12) * 30.0)
        (waves,) = waves_of(grid)
        assert waves.of_rows
        assert waves.numbers.tolist() == list(range(1, 7))


@pytest.mark.parametrize("is_periodic", [True, False])
@pytest.mark.parametrize("width", [7, 8])
def test_energies_add_up_to_the_variance_of_a_row(width, is_periodic):
    rows = np.random.default_rng(0).normal(size=(3, width))
    np.testing.assert_allclose(power(rows, is_periodic).sum(-1), rows.var(-1))


@pytest.fixture
def region():
    """7 x 11 cells of a map, 25 km wide."""
    mapping = {
        "grid_mapping_name": "lambert_azimuthal_equal_area",
        "latitude_of_projection_origin": 52.0,
        "longitude_of_projection_origin": 10.0,
        "earth_radius": EARTH_RADIUS,
    }
    return ProjectedGrid(np.arange(7) * 25_000.0, np.arange(11) * 25_000.0, mapping)


def denis(field):
    """Variance by band, element by element as Denis et al. (2002, section 2c) have it."""
    height, width = field.shape
    waves = scipy.fft.dctn(field, norm="ortho")
    shorter = min(height, width)
    energy = np.zeros(shorter)
    for row, column in np.ndindex(field.shape):
        alpha = np.sqrt((row / height) ** 2 + (column / width) ** 2)
        for band in range(1, shorter):
            low = 0 if band == 1 else band / shorter
            if (row or column) and low - 1e-12 <= alpha < (band + 1) / shorter - 1e-12:
                energy[band] += waves[row, column] ** 2 / field.size
    return energy[1:]


def test_bands_of_the_cosine_transform_are_those_of_denis(region):
    waves = waves_of(region)[0]
    assert waves.kind == "cosine transform"
    assert waves.numbers.tolist() == [0.5, 1, 1.5, 2, 2.5, 3]
    field = np.random.default_rng(1).standard_normal((2, *region.shape))
    np.testing.assert_allclose(waves.power(field), [denis(one) for one in field])
    assert waves.length_km == pytest.approx(7 * 25, rel=1e-2)


def test_a_cosine_has_its_energy_in_its_own_band(region):
    across = np.cos(np.pi * 3 * (np.arange(7) + 0.5) / 7)[:, None] * np.ones(11)
    found = waves_of(region)[0].power(5 * across + 9)
    np.testing.assert_allclose(found, np.where(np.arange(1, 7) == 3, 12.5, 0), atol=1e-9)


def test_a_slope_is_one_long_wave_and_nothing_is_lost_along_the_longer_side(region):
    slope = np.ones(7)[:, None] * np.linspace(0, 10, 11)
    found = waves_of(region)[0].power(slope)
    assert found[0] / slope.var() > 0.98
    assert found.sum() == pytest.approx(slope.var(), rel=1e-3)
