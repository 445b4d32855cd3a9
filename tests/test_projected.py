"""A projected grid says of its cells what PROJ and geodesics say."""

import pickle

import numpy as np
import pytest

from axialcast.grid import EARTH_RADIUS, LatLonGrid, ProjectedGrid, grid_from_dict

pyproj = pytest.importorskip("axialcast.grid.proj").pyproj()

LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic",
    "standard_parallel": 38.5,
    "longitude_of_central_meridian": 262.5,
    "latitude_of_projection_origin": 38.5,
    "earth_radius": 6371229.0,
}
ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
    "earth_radius": 6371229.0,
}
GEOSTATIONARY = {
    "grid_mapping_name": "geostationary",
    "perspective_point_height": 35786023.0,
    "semi_major_axis": 6378137.0,
    "semi_minor_axis": 6356752.31414,
    "latitude_of_projection_origin": 0.0,
    "longitude_of_projection_origin": -75.0,
    "sweep_angle_axis": "x",
}


def grid_of_kind(kind: str) -> ProjectedGrid:
    """Seven columns fewer than rows, rows from north to south."""
    mapping, start, stop, step = {
        "lambert": (LAMBERT, -1.0e6, 1.0e6, 5e4),
        "stereographic": (pyproj.CRS("EPSG:3413").to_cf(), -2.0e6, 2.0e6, 1e5),
        "mercator": (pyproj.CRS("EPSG:32633").to_cf(), 3e5, 7e5, 2e4),
        "equal_area": (pyproj.CRS("EPSG:3035").to_cf(), 3.5e6, 4.5e6, 5e4),
        "geostationary": (GEOSTATIONARY, -0.154, 0.154, 5.6e-3),
        "rotated": (ROTATED, -12.0, 12.0, 0.4),
    }[kind]
    line = np.arange(start, stop, step)
    return ProjectedGrid(line[::-1], line[7:], mapping)


KINDS = ("lambert", "stereographic", "mercator", "equal_area", "geostationary", "rotated")


@pytest.mark.parametrize("kind", KINDS)
def test_areas_are_those_of_geodesics(kind: str) -> None:
    grid = grid_of_kind(kind)
    ellipsoid = pyproj.CRS.from_cf(dict(grid.mapping)).ellipsoid
    geod = pyproj.Geod(a=ellipsoid.semi_major_metre, b=ellipsoid.semi_minor_metre)
    y, x = (np.append(axis, 2 * axis[-1] - axis[-2]) - np.diff(axis)[0] / 2 for axis in grid.axes)
    latitude, longitude = grid.places(y, x)
    known = 0
    for row, column in np.ndindex(grid.shape):
        if (row * 7 + column) % 23:
            continue
        corners = [(row + i, column + j) for i, j in ((0, 0), (0, 1), (1, 1), (1, 0))]
        if not np.isfinite([latitude[corner] for corner in corners]).all():
            assert grid.areas[row, column] == 0
            continue
        area, _ = geod.polygon_area_perimeter(
            [longitude[corner] for corner in corners], [latitude[corner] for corner in corners]
        )
        assert grid.areas[row, column] * EARTH_RADIUS**2 == pytest.approx(abs(area), rel=1e-4)
        known += 1
    assert known > 10
    assert grid.area_weights.mean() == pytest.approx(1)


def test_places_are_those_of_proj() -> None:
    grid = grid_of_kind("lambert")
    proj = pyproj.Proj("+proj=lcc +lat_1=38.5 +lat_0=38.5 +lon_0=-97.5 +R=6371229")
    longitude, latitude = proj(grid.x[3], grid.y[5], inverse=True)
    assert grid.latitudes[5, 3] == pytest.approx(latitude, abs=1e-9)
    assert grid.longitudes[5, 3] == pytest.approx(longitude, abs=1e-9)
    y, x = grid.coordinates(grid.latitudes, grid.longitudes)
    np.testing.assert_allclose(y, grid.y[:, None] + 0 * x, atol=1e-3)
    np.testing.assert_allclose(x, grid.x[None, :] + 0 * y, atol=1e-3)


def test_a_rotated_pole_is_a_turned_sphere() -> None:
    """Two formulas by hand: where the rotated equator's origin is, and the area of the sphere."""
    grid = grid_of_kind("rotated")
    latitude, longitude = grid.places(np.array([0.0]), np.array([0.0]))
    np.testing.assert_allclose([latitude[0, 0], longitude[0, 0]], [90 - 39.25, 18.0], atol=1e-9)
    degrees = LatLonGrid(grid.y, grid.x)
    np.testing.assert_allclose(grid.areas * (EARTH_RADIUS / 6371229.0) ** 2, degrees.areas, 2e-5)
    line = np.arange(-88, 89, 4.0)
    whole = ProjectedGrid(line, np.arange(0, 360, 4.0), ROTATED)
    assert whole.is_periodic
    assert not grid.is_periodic


@pytest.mark.parametrize("kind", KINDS)
def test_a_grid_comes_back_from_its_description(kind: str) -> None:
    grid = grid_of_kind(kind)
    again = grid_from_dict(grid.to_dict())
    assert again == grid
    np.testing.assert_array_equal(again.areas, grid.areas)
    travelled = pickle.loads(pickle.dumps(grid))  # PROJ's objects stay
    assert travelled == grid
    np.testing.assert_array_equal(travelled.latitudes, grid.latitudes)


def test_what_differs_is_said() -> None:
    grid = grid_of_kind("lambert")
    y, x = grid.axes
    assert grid.difference(ProjectedGrid(y.astype(np.float32), x + 400, LAMBERT)) is None
    assert "the order is reversed" in str(grid.difference(ProjectedGrid(y[::-1], x, LAMBERT)))
    assert "x: expected 33 values" in str(grid.difference(ProjectedGrid(y, x + 1e3, LAMBERT)))
    other = {**LAMBERT, "longitude_of_central_meridian": 262.0}
    assert "projection: expected +proj=lcc" in str(grid.difference(ProjectedGrid(y, x, other)))
    as_text = pyproj.CRS.from_cf(LAMBERT).to_cf()
    assert grid == ProjectedGrid(y, x, as_text)
    degrees = LatLonGrid.regular(4, 5, poles=False)
    assert str(grid.difference(degrees)).startswith("expected ProjectedGrid(lambert_conformal")
    assert "got ProjectedGrid(lambert_conformal" in str(degrees.difference(grid))


def test_cells_among_those_of_another_grid() -> None:
    grid = grid_of_kind("lambert")
    part = grid.part(slice(3, 20, 2), slice(5, 9))
    turned = ProjectedGrid(grid.y[::-1], grid.x, LAMBERT)
    rows, columns = part.among(turned) or ([], [])
    np.testing.assert_array_equal(turned.y[rows], part.y)
    np.testing.assert_array_equal(columns, [5, 6, 7, 8])
    assert grid.among(part) is None
    assert part.among(grid_of_kind("equal_area")) is None


@pytest.mark.parametrize(
    ("y", "mapping", "message"),
    [
        ([0.0, 1e3, 500.0], LAMBERT, "y: expected strictly monotonic"),
        ([0.0, np.nan, 2.0], LAMBERT, "y: holds NaN"),
        ([0.0, 1.0, 2.0], {"grid_mapping_name": "lambert"}, "grid mapping 'lambert': PROJ cannot"),
        ([40.0, 41.0, 42.0], GEOSTATIONARY, "no cell .* lies on the Earth; are they in radian"),
    ],
)
def test_what_is_no_grid_is_refused(y: list[float], mapping: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProjectedGrid(y, [0.0, 1e3], mapping)
