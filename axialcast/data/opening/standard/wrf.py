"""The projection of a file of WRF, in its global attributes (WRF Users Guide, chapter 5)."""

from collections.abc import Mapping
from typing import Any

__all__ = ["mapping_of_wrf"]

RADIUS = 6_370_000.0
"""WRF's sphere (m)."""


def mapping_of_wrf(attrs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Attributes of the CF grid mapping of a file with such attributes; None: they are not WRF's.

    Places in `XLAT` and `XLONG` say where on the map rows and columns are.
    """
    needed = ("MAP_PROJ", "TRUELAT1", "TRUELAT2", "STAND_LON", "MOAD_CEN_LAT")
    if not all(key in attrs for key in needed):
        return None
    first, second, longitude, latitude = (float(attrs[key]) for key in needed[1:])
    match int(attrs["MAP_PROJ"]):
        case 1:
            return {
                "grid_mapping_name": "lambert_conformal_conic",
                "standard_parallel": [first, second],
                "longitude_of_central_meridian": longitude,
                "latitude_of_projection_origin": latitude,
                "earth_radius": RADIUS,
            }
        case 2:
            return {
                "grid_mapping_name": "polar_stereographic",
                "standard_parallel": first,
                "straight_vertical_longitude_from_pole": longitude,
                "latitude_of_projection_origin": 90.0 if first > 0 else -90.0,
                "earth_radius": RADIUS,
            }
        case 3:
            return {
                "grid_mapping_name": "mercator",
                "standard_parallel": first,
                "longitude_of_projection_origin": longitude,
                "earth_radius": RADIUS,
            }
        case _:
            return None
