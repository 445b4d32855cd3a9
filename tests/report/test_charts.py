"""Maps: every point shows the cell that PROJ puts there, coasts end at seams, gaps stay gaps."""

import numpy as np
import pytest
import xarray as xr

from axialcast.grid import CurvilinearGrid, LatLonGrid, ProjectedGrid
from axialcast.grid.proj import pyproj
from axialcast.report.charts import box_of, chart_of
from axialcast.report.coastlines import coastlines, split_at
from axialcast.report.maps import contour_levels, map_panel
from axialcast.report.rasters import raster_of, sampled

GRIDS = {
    "eqearth": LatLonGrid.regular(19, 36, poles=True),
    "eqearth offset": LatLonGrid(np.linspace(-85, 85, 18), np.arange(-175, 185, 10.0)),
    "eqc": LatLonGrid(np.arange(-30.0, 31, 5), np.arange(0, 360, 5.0)),
    "stere": LatLonGrid(np.arange(60.0, 91, 2.5), np.arange(0, 360, 5.0)),
    "stere half": LatLonGrid(np.arange(-60.0, -91, -3), np.arange(0, 180, 5.0)),
    "aea": LatLonGrid(np.arange(70.0, 29, -2.5), np.arange(-50, 61, 2.5)),
    "aea across the dateline": LatLonGrid(np.arange(30.0, 61, 2.5), np.arange(150, 221, 2.5)),
    "cea": LatLonGrid(np.arange(-20.0, 21, 2), np.arange(100, 180, 2.0)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_points_show_what_lies_there(name):
    grid = GRIDS[name]
    chart = chart_of(grid)
    assert chart.text.startswith(f"+proj={name.split()[0]} ")
    raster = raster_of(chart)
    to_map = pyproj().Transformer.from_crs(
        "+proj=longlat +R=6371000", f"{chart.text} +R=6371000", always_xy=True
    )
    # The middle of every cell, but for those that a seam or pole cuts, is a point of the map.
    south, north, half = chart.sides
    latitude, longitude = np.broadcast_arrays(grid.latitudes, grid.longitudes)
    aside = (longitude - chart.middle + 180) % 360 - 180
    inner = (np.abs(aside) < half - 2) & (latitude > south + 2) & (latitude < north - 2)
    x, y = to_map.transform(longitude[inner], latitude[inner])
    few = np.random.default_rng(0).permutation(len(x))[:40]
    x, y = x[few], y[few]
    rows, columns = np.array(
        [
            np.ravel(chart.positions(np.array([one]) / 1e3, np.array([other]) / 1e3))
            for one, other in zip(x, y, strict=True)
        ]
    ).T
    want = np.argwhere(inner)[few]
    np.testing.assert_allclose(rows, want[:, 0], atol=1e-6)
    width = grid.shape[1]
    apart = (
        (columns - want[:, 1] + width / 2) % width - width / 2
        if grid.is_periodic
        else (columns - want[:, 1])
    )
    np.testing.assert_allclose(apart, 0, atol=1e-6)
    assert np.isfinite(raster.rows).all()
    assert np.isfinite(raster.columns).all()


@pytest.mark.parametrize("name", GRIDS)
def test_smooth_fields_are_smooth_across_seams_and_poles(name):
    grid = GRIDS[name]
    east, north = np.radians(grid.longitudes), np.radians(grid.latitudes)
    field = np.cos(east) * np.cos(north) + np.sin(north)
    raster = raster_of(chart_of(grid))
    drawn = sampled(field, raster, is_periodic=grid.is_periodic)
    assert np.isfinite(drawn).all()
    for axis in (0, 1):
        both = raster.is_on & np.roll(raster.is_on, 1, axis)
        steps = np.abs(drawn - np.roll(drawn, 1, axis))[both]
        steps = np.sort(steps)[: -2 * sum(drawn.shape)]  # but for the ends that roll joins
        assert steps.max() < 0.05


def test_an_area_is_drawn_as_large_as_it_is():
    for name in ("eqearth", "aea", "cea"):
        grid = GRIDS[name]
        raster = raster_of(chart_of(grid))
        left, right, bottom, top = box_of(chart_of(grid))
        whole = raster.is_on.mean() * (right - left) * (top - bottom)
        assert whole == pytest.approx(grid.areas.sum() * 6371.0**2, rel=0.01)


def test_missing_cells_are_missing_to_their_edges():
    grid = LatLonGrid(np.arange(-20.0, 21, 10), np.arange(0, 50, 10.0))
    field = np.ones(grid.shape)
    field[2, 2] = np.nan
    raster = raster_of(chart_of(grid))
    drawn = sampled(field, raster, is_periodic=False)
    inside = (np.abs(raster.rows - 2) < 0.5) & (np.abs(raster.columns - 2) < 0.5)
    assert np.isnan(drawn[inside]).all()
    outside = (np.abs(raster.rows - 2) > 0.5) | (np.abs(raster.columns - 2) > 0.5)
    np.testing.assert_allclose(drawn[outside], 1)


def test_own_projection_is_drawn_by_its_rows_and_columns():
    crs = pyproj().CRS("EPSG:3413")
    line = np.linspace(-3e6, 3e6, 61)
    grid = ProjectedGrid(line[::-1], line, crs.to_cf())
    chart = chart_of(grid)
    assert box_of(chart) == pytest.approx((-3050, 3050, -3050, 3050))
    rows, columns = chart.positions(np.array([-3050.0, 0, 1000]), np.array([3000.0, 0]))
    np.testing.assert_allclose(columns, [[0, 30, 40]] * 2)
    np.testing.assert_allclose(rows, [[0] * 3, [30] * 3])
    coasts = [piece for one in coastlines() for piece in chart.lines(one)]
    places = np.concatenate(coasts) * 1e3
    _, north = (
        pyproj().Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(*places.T)
    )
    assert 45 < north.min() < north.max() < 84
    leaps = [np.hypot(*np.diff(piece, axis=0).T).max() for piece in coasts]
    assert max(leaps) < 1000


def test_coasts_are_those_of_the_earth():
    lines = coastlines()
    every = np.concatenate(lines)
    assert np.abs(every[:, 0]).max() <= 180
    assert every[:, 1].min() == pytest.approx(-85.6, abs=0.1)
    assert every[:, 1].max() == pytest.approx(83.6, abs=0.1)
    # Gibraltar, Good Hope, Cape York, the Algarve
    for east, north in ((-5.6, 36.0), (18.5, -34.1), (142.5, -10.7), (-8.5, 37.1)):
        assert np.hypot(*(every - (east, north)).T).min() < 1.5
    for seam in (180.0, 330.0, 10.0):
        for line in coastlines(seam):
            assert (np.abs(np.diff(line[:, 0])) < 30).all()
            assert line[:, 0].min() >= seam - 360
            assert line[:, 0].max() <= seam


def test_a_line_ends_at_a_seam_where_it_crosses():
    line = np.array([[170.0, 10.0], [-170.0, 20.0], [-160.0, 20.0], [175.0, 30.0]])
    first, second, third = split_at(line, 180.0)
    np.testing.assert_allclose(first, [[170, 10], [180, 15]])
    np.testing.assert_allclose(second, [[-180, 15], [-170, 20], [-160, 20], [-180, 28]])
    np.testing.assert_allclose(third, [[180, 28], [175, 30]])
    np.testing.assert_allclose(split_at(line, 90.0)[0][:, 0] % 360, line[:, 0] % 360)


def test_a_panel_of_nothing_but_gaps_is_drawn():
    grid = GRIDS["eqearth"]
    field = xr.DataArray(
        np.full(grid.shape, np.nan),
        dims=grid.dims,
        coords=dict(zip(grid.dims, grid.axes, strict=True)),
    )
    levels = contour_levels(field.values, symmetric=False)
    panel = map_panel(field, title="t", note="", label="m", levels=levels, cmap="viridis")
    assert panel.startswith("<svg")


def test_a_curved_grid_is_told_to_be_regridded():
    north, east = np.meshgrid(np.arange(4.0), np.arange(5.0), indexing="ij")
    with pytest.raises(ValueError, match=r"prepare\.grid"):
        chart_of(CurvilinearGrid(north, east))
