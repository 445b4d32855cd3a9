"""GRIB on maps: places as ecCodes has them, on a grid of rows and columns."""

import numpy as np
import pytest

from axialcast.data import open_analysis
from axialcast.grid import ProjectedGrid, grid_of

eccodes = pytest.importorskip("eccodes", exc_type=(ImportError, RuntimeError))
pytest.importorskip("cfgrib", exc_type=(ImportError, RuntimeError))

HEIGHT, WIDTH = 7, 9
FIRST = "OfFirstGridPointInDegrees"
LINES = {"Nx": WIDTH, "Ny": HEIGHT, "DxInMetres": 3000, "DyInMetres": 3000, "jScansPositively": 1}
KINDS = {
    "lambert": {
        **LINES,
        **{"LaDInDegrees": 38.5, "LoVInDegrees": 262.5, "Latin1InDegrees": 38.5},
        **{"Latin2InDegrees": 38.5, f"latitude{FIRST}": 38.0, f"longitude{FIRST}": 262.0},
    },
    "polar_stereographic": {
        **LINES,
        **{"LaDInDegrees": 60, "orientationOfTheGridInDegrees": 250},
        **{f"latitude{FIRST}": 50.0, f"longitude{FIRST}": 262.0},
    },
    "rotated_ll": {
        **{"Ni": WIDTH, "Nj": HEIGHT, "jScansPositively": 1},
        **{"iDirectionIncrementInDegrees": 0.5, "jDirectionIncrementInDegrees": 0.5},
        **{f"latitude{FIRST}": -1.5, "latitudeOfLastGridPointInDegrees": 1.5},
        **{f"longitude{FIRST}": 358, "longitudeOfLastGridPointInDegrees": 2},
        **{"latitudeOfSouthernPoleInDegrees": -39.25, "longitudeOfSouthernPoleInDegrees": 18},
    },
}


def write(path, kind, name="t", **keys):
    """Two times of a field; the places that ecCodes gives its cells."""
    with path.open("wb") as file:
        for day in (1, 2):
            message = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
            every = {"gridType": kind, **KINDS[kind], **keys, "dataDate": 20200100 + day}
            for key, value in {
                **every,
                "shortName": name,
                "level": 500,
                "bitsPerValue": 24,
            }.items():
                eccodes.codes_set(message, key, value)
            eccodes.codes_set_values(message, np.arange(HEIGHT * WIDTH) + 250.0 * day)
            eccodes.codes_write(message, file)
            arrays = (eccodes.codes_get_array(message, n) for n in ("latitudes", "longitudes"))
            places = [array.reshape(HEIGHT, WIDTH) for array in arrays]
            eccodes.codes_release(message)
    return places


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_in_grib(tmp_path, kind):
    latitude, longitude = write(tmp_path / "a.grib", kind)
    opened = open_analysis(tmp_path / "a.grib")
    grid = grid_of(opened)
    assert isinstance(grid, ProjectedGrid)
    np.testing.assert_allclose(grid.latitudes, latitude, atol=2e-5)
    np.testing.assert_allclose((grid.longitudes - longitude + 180) % 360, 180, atol=2e-5)
    spacing = 0.5 if kind == "rotated_ll" else 3000
    np.testing.assert_allclose(np.diff(grid.x), spacing, rtol=1e-4)
    values = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) + 250
    np.testing.assert_allclose(opened["temperature"][0, 0], values, rtol=1e-5)
    assert opened["temperature"].dims == ("time", "level", "y", "x")


def test_winds_along_the_rows_of_a_map(tmp_path):
    write(tmp_path / "a.grib", "lambert", name="u", uvRelativeToGrid=1)
    assert list(open_analysis(tmp_path / "a.grib").data_vars) == ["u"]
    write(tmp_path / "b.grib", "lambert", name="u", uvRelativeToGrid=0)
    assert list(open_analysis(tmp_path / "b.grib").data_vars) == ["u_component_of_wind"]


def test_another_map_is_refused(tmp_path):
    with (tmp_path / "a.grib").open("wb") as file:
        message = eccodes.codes_grib_new_from_samples("reduced_gg_pl_32_grib2")
        eccodes.codes_write(message, file)
    with pytest.raises(ValueError, match=r"its grid \(reduced_gg\) is none of regular_ll, "):
        open_analysis(tmp_path / "a.grib")
