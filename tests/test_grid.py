import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axialcast.grid import LatLonGrid

sizes = st.integers(2, 41)


@given(sizes, sizes, st.booleans())
def test_areas_of_a_global_grid_sum_to_the_sphere(h: int, w: int, poles: bool) -> None:
    grid = LatLonGrid.regular(h, w, poles=poles)
    assert grid.shape == (h, w)
    assert grid.is_periodic
    assert grid.areas.sum() == pytest.approx(4 * np.pi, rel=1e-12)
    assert grid.area_weights.mean() == pytest.approx(1.0, rel=1e-12)
    assert (grid.areas > 0).all()


def test_an_area_by_hand() -> None:
    # Rows centred on 45 N and 45 S, edges at the poles and the equator; four columns of 90 degrees.
    grid = LatLonGrid.regular(2, 4, poles=False)
    assert grid.latitude.tolist() == [45.0, -45.0]
    np.testing.assert_allclose(grid.areas, np.pi / 2, rtol=1e-15)


@given(st.integers(2, 61))
def test_gauss_legendre_areas_are_near_its_quadrature_weights(h: int) -> None:
    grid = LatLonGrid.gauss_legendre(h, 2 * h)
    _, weights = np.polynomial.legendre.leggauss(h)
    band = grid.areas.sum(1) / (2 * np.pi)
    np.testing.assert_allclose(band[1:-1], weights[::-1][1:-1], rtol=0.05)
    assert grid.areas.sum() == pytest.approx(4 * np.pi, rel=1e-12)


def test_a_regional_grid_has_the_area_of_its_box() -> None:
    # 30 to 70 N, 70 W to 10 E: the cells reach half a spacing further on every side.
    grid = LatLonGrid(np.arange(70, 29, -2.5), np.arange(-70, 11, 2.5))
    assert grid.shape == (17, 33)
    assert not grid.is_periodic
    south, north = np.sin(np.radians([28.75, 71.25]))
    assert grid.areas.sum() == pytest.approx((north - south) * np.radians(33 * 2.5), rel=1e-12)


@given(st.floats(-180, 180), st.integers(3, 37), st.integers(3, 31))
def test_areas_do_not_depend_on_origin_or_order(origin: float, h: int, w: int) -> None:
    grid = LatLonGrid.regular(h, w, poles=False)
    moved = LatLonGrid(grid.latitude[::-1], grid.longitude + origin)
    assert moved.is_periodic
    np.testing.assert_allclose(moved.areas, grid.areas[::-1], rtol=1e-9)


def test_coordinates_cannot_be_changed() -> None:
    grid = LatLonGrid.regular(3, 5, poles=True)
    for array in (grid.latitude, grid.longitude, grid.areas, grid.area_weights):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_differences_are_named_with_the_remedy() -> None:
    grid = LatLonGrid.regular(5, 12, poles=True)
    assert grid.difference(LatLonGrid.regular(5, 12, poles=True)) is None
    assert grid == LatLonGrid(grid.latitude.astype(np.float32), grid.longitude)
    cases = {
        "latitude: expected 5 values 90 to -90, got 5 values -90 to 90; the order is reversed": (
            grid.latitude[::-1], grid.longitude,
        ),
        "longitude: expected 12 values 0 to 330, got 12 values -180 to 150; the origin differs": (
            grid.latitude, grid.longitude - 180,
        ),
        "longitude: expected 12 values 0 to 330, got 6 values 0 to 300": (
            grid.latitude, grid.longitude[::2],
        ),
        "latitude: expected 5 values 90 to -90, got 3 values 90 to -90": (
            grid.latitude[::2], grid.longitude,
        ),
    }  # fmt: skip
    for message, coordinates in cases.items():
        other = LatLonGrid(*coordinates)
        assert grid != other
        assert (grid.difference(other) or "").startswith(message)


def test_dict_and_back() -> None:
    grid = LatLonGrid.gauss_legendre(7, 13)
    again = LatLonGrid.from_dict(grid.to_dict())
    np.testing.assert_array_equal(again.latitude, grid.latitude)
    np.testing.assert_array_equal(again.longitude, grid.longitude)
    assert hash(again) == hash(grid)


@pytest.mark.parametrize(
    ("latitude", "longitude", "message"),
    [
        ([0, 95], [0, 10], "within -90 to 90, got 2 values 0 to 95; are latitude and longitude"),
        ([np.nan, 1], [0, 10], "within -90 to 90"),
        ([0, 10, 5], [0, 10], "latitude: expected strictly monotonic"),
        ([0, 0], [0, 10], "latitude: expected strictly monotonic"),
        (
            np.radians(np.arange(-80, 81, 20)),
            np.radians(np.arange(0, 360, 20)),
            "look like radians; convert with np.degrees",
        ),
        ([[0, 1]], [0, 10], "latitude: expected one dimension, got shape"),
        ([], [0, 10], "latitude: expected one dimension"),
        ([0, 10], [0, 10, 5], "longitude: expected strictly increasing"),
        ([0, 10], [180, 270, 0, 90], "longitude: expected strictly increasing degrees east"),
        ([0, 10], [0, 10, 30], "longitude: expected even spacing, got steps of 10 to 20 degrees"),
        ([0, 10], [0, 90, 180, 270, 360], "covers more than one turn; drop the repeated column"),
        ([0, 10], [0, 90, 180, 270, 360], "ncks -d longitude,0,3 in.nc out.nc"),
        ([0, 10], [0, 270, 540], "covers more than one turn; give degrees of one turn"),
        ([0, 10], [180, 270, 0, 90], "cdo sellonlatbox,135,495,-90,90"),
        ([0, 10], [20, 10, 0], "cdo sellonlatbox,-5,25,-90,90"),
        ([-1.5, 0, 1.5], np.linspace(0, 2 * np.pi, 9), "look like radians"),
        ([-1.5, 0, 1.5], np.linspace(-np.pi, np.pi, 9), "look like radians"),
        (np.array([0, 10j]), [0, 10], "latitude: expected degrees as real numbers, got type comp"),
        (["0", "10"], [0, 10], "latitude: expected degrees as real numbers, got type <U2"),
        ([0, 10], np.array([0, 10], "M8[D]"), "longitude: expected degrees as real numbers"),
        ([0, 10], [False, True], "longitude: expected degrees as real numbers, got type bool"),
        ([0, 10], [0, np.inf], "longitude: holds NaN or infinity"),
        ([0, 10], [[0]], "longitude: expected one dimension"),
    ],
)
def test_what_is_no_grid_is_refused_with_the_remedy(
    latitude: object, longitude: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message.replace("(", "\\(")):
        LatLonGrid(latitude, longitude)  # type: ignore[arg-type]
