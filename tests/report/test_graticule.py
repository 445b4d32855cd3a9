"""A map in its projection: equal scales, and parallels and meridians where they are."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from axialcast.grid import ProjectedGrid
from axialcast.grid.proj import pyproj
from axialcast.report.graticule import map_axes, place_ticks


@pytest.mark.parametrize(("code", "half"), [("EPSG:3413", 3e6), ("EPSG:3035", 8e5)])
def test_lines_are_where_proj_says(code, half):
    crs = pyproj().CRS(code)
    middle = pyproj().Proj(crs)(10, 50) if code == "EPSG:3035" else (0.0, 0.0)
    line = np.linspace(-half, half, 61)
    grid = ProjectedGrid(line + middle[1], line + middle[0], crs.to_cf())
    axes = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    rows, columns = map_axes(grid)
    np.testing.assert_allclose(rows, grid.y / 1e3)
    axes.set_xlim(columns[0], columns[-1])
    place_ticks(axes, grid)
    assert axes.get_aspect() == 1
    assert axes.xaxis.get_major_formatter()(1000, 0) == "1000 km"
    known = {text.get_text(): lines for lines in axes.collections for text in lines.labelTexts}
    assert len(known) >= 5
    to_places = pyproj().Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    for text, lines in known.items():
        size = float(text.rstrip("°NSEW")) * (-1 if text[-1] in "SW" else 1)
        for path in lines.get_paths():
            longitude, latitude = to_places.transform(*(path.vertices.T * 1e3))
            if text.endswith(("N", "S")):
                np.testing.assert_allclose(latitude, size, atol=0.1)
                continue
            inner = latitude < 85  # drawn from centres 100 km apart, where meridians meet
            away = (longitude[inner] - size + 180) % 360 - 180
            np.testing.assert_allclose(away, 0, atol=0.5)
