"""Grids: where the cells of a field are, how large they are, and what differs between two."""

from axialcast.grid.boxes import cells_within
from axialcast.grid.curvilinear import CurvilinearGrid
from axialcast.grid.known import KNOWN_REGIONS
from axialcast.grid.labels import coords_of, dims_of, grid_from_dict, grid_of, is_curved
from axialcast.grid.latlon import TOLERANCE_DEGREES, LatLonGrid
from axialcast.grid.projected import ProjectedGrid
from axialcast.grid.protocol import EARTH_RADIUS, Grid

__all__ = [
    "EARTH_RADIUS",
    "KNOWN_REGIONS",
    "TOLERANCE_DEGREES",
    "CurvilinearGrid",
    "Grid",
    "LatLonGrid",
    "ProjectedGrid",
    "cells_within",
    "coords_of",
    "dims_of",
    "grid_from_dict",
    "grid_of",
    "is_curved",
]
