"""Projections as GRIB messages state them, in CF's words."""

from typing import Any

__all__ = ["MAPS", "mapping_of"]

MAPS = ("lambert", "polar_stereographic", "rotated_ll")
"""Types of grid that are maps whose places ecCodes knows."""


def mapping_of(message: Any) -> dict[str, Any]:
    """Attributes of the CF grid mapping of a message on one of MAPS."""
    kind = message["gridType"]
    if kind == "lambert":
        known = {
            "grid_mapping_name": "lambert_conformal_conic",
            "standard_parallel": [message["Latin1InDegrees"], message["Latin2InDegrees"]],
            "longitude_of_central_meridian": message["LoVInDegrees"],
            "latitude_of_projection_origin": message["LaDInDegrees"],
        }
    elif kind == "polar_stereographic":
        is_south = bool(int(message["projectionCentreFlag"]) & 128)
        known = {
            "grid_mapping_name": "polar_stereographic",
            "standard_parallel": message["LaDInDegrees"],
            "straight_vertical_longitude_from_pole": message["orientationOfTheGridInDegrees"],
            "latitude_of_projection_origin": -90.0 if is_south else 90.0,
        }
    else:
        known = {
            "grid_mapping_name": "rotated_latitude_longitude",
            "grid_north_pole_latitude": -message["latitudeOfSouthernPoleInDegrees"],
            "grid_north_pole_longitude": message["longitudeOfSouthernPoleInDegrees"] - 180.0,
            "north_pole_grid_longitude": message["angleOfRotationInDegrees"],
        }
    return known | _earth(message)


def _earth(message: Any) -> dict[str, float]:
    """Its shape; PROJ takes WGS 84 where nothing is said."""
    try:
        if not int(message["earthIsOblate"]):
            return {"earth_radius": float(message["radius"])}
        axes = {"semi_major_axis": "earthMajorAxisInMetres"}
        axes["semi_minor_axis"] = "earthMinorAxisInMetres"
        return {name: float(message[key]) for name, key in axes.items()}
    except KeyError:
        return {}
