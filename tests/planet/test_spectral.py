import numpy as np
import pytest
from scipy.special import sph_harm_y

from axialcast.planet.spectral import SphericalHarmonics


@pytest.fixture(scope="module", params=[5, 13, 21])
def harmonics(request):
    return SphericalHarmonics(request.param)


def random_coefficients(harmonics, num_fields, seed=0):
    shape = (2, num_fields, len(harmonics.degree))
    real, imaginary = np.random.default_rng(seed).standard_normal(shape)
    return real + 1j * imaginary * (harmonics.order > 0)


def angles(harmonics):
    """Colatitude (h, 1) and longitude (w,) in radians."""
    grid = harmonics.grid
    return np.radians(90 - grid.latitude)[:, None], np.radians(grid.longitude)


@pytest.mark.parametrize(
    ("truncation", "shape"), [(21, (32, 64)), (31, (48, 96)), (42, (64, 128)), (63, (96, 192))]
)
def test_grid_is_the_usual_one_of_the_truncation(truncation, shape):
    assert SphericalHarmonics(truncation).grid.shape == shape


def test_latitudes_of_t21_run_north_to_south():
    latitude = SphericalHarmonics(21).grid.latitude
    assert latitude[0] == pytest.approx(85.76, abs=0.005)
    assert (np.diff(latitude) < 0).all()


@pytest.mark.parametrize(("degree", "order"), [(0, 0), (3, 0), (3, 2), (5, 5), (4, 1)])
def test_synthesis_is_the_orthonormal_harmonic_of_scipy(harmonics, degree, order):
    theta, longitude = angles(harmonics)
    value = 1.0 if order == 0 else 0.3 - 0.7j
    coefficients = np.where(
        (harmonics.degree == degree) & (harmonics.order == order), value, 0.0
    ).astype(complex)
    wave = value * sph_harm_y(degree, order, theta, longitude)
    expected = wave.real if order == 0 else 2 * wave.real
    np.testing.assert_allclose(harmonics.synthesis(coefficients[None])[0], expected, atol=1e-13)


def test_round_trip(harmonics):
    coefficients = random_coefficients(harmonics, 7)
    again = harmonics.analysis(harmonics.synthesis(coefficients))
    np.testing.assert_allclose(again, coefficients, atol=1e-12)


def test_laplacian_and_gradient_of_a_known_field(harmonics):
    theta, longitude = angles(harmonics)
    sine, cosine = np.sin(theta), np.cos(theta)
    field = sine**3 * np.cos(3 * longitude) + cosine**2
    coefficients = harmonics.analysis(field[None])
    laplacian = harmonics.synthesis(harmonics.laplacian * coefficients)[0]
    southward, eastward = harmonics.gradient(coefficients)[0]
    expected = -12 * sine**3 * np.cos(3 * longitude) + 2 - 6 * cosine**2
    np.testing.assert_allclose(laplacian, expected, atol=1e-11)
    expected = 3 * sine**2 * cosine * np.cos(3 * longitude) - 2 * cosine * sine
    np.testing.assert_allclose(southward, expected, atol=1e-12)
    np.testing.assert_allclose(eastward, -3 * sine**2 * np.sin(3 * longitude), atol=1e-12)


def test_potential_inverts_gradient(harmonics):
    coefficients = random_coefficients(harmonics, 2) * (harmonics.degree > 0)
    again = harmonics.potential(harmonics.gradient(coefficients))
    np.testing.assert_allclose(again, coefficients, atol=1e-12)


def test_products_are_analysed_without_aliasing(harmonics):
    first, second = harmonics.synthesis(random_coefficients(harmonics, 2))
    finer = SphericalHarmonics(2 * harmonics.truncation + 3)
    index = {
        (degree, order): i
        for i, (degree, order) in enumerate(zip(finer.degree, finer.order, strict=True))
    }
    keep = [index[pair] for pair in zip(harmonics.degree, harmonics.order, strict=True)]
    padded = np.zeros((2, len(finer.degree)), dtype=complex)
    padded[:, keep] = random_coefficients(harmonics, 2)
    exact = finer.analysis(finer.synthesis(padded).prod(axis=0)[None])[:, keep]
    np.testing.assert_allclose(harmonics.analysis((first * second)[None]), exact, atol=1e-11)


def test_inner_is_the_area_mean_of_the_product(harmonics):
    coefficients = random_coefficients(harmonics, 2)
    first, second = harmonics.synthesis(coefficients)
    _, weights = np.polynomial.legendre.leggauss(len(first))
    expected = np.average((first * second).mean(axis=1), weights=weights)
    assert harmonics.inner(*coefficients) == pytest.approx(expected)


def test_truncation_must_be_positive():
    with pytest.raises(ValueError, match=r"^truncation: expected at least 1, got 0; try 21$"):
        SphericalHarmonics(0)
