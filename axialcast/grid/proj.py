"""pyproj, imported when it is needed, and with the PROJ that it came with."""

import json
import os
import sys
from functools import lru_cache
from typing import Any

__all__ = ["crs_from_cf", "crs_from_text", "pyproj"]


def pyproj() -> Any:
    """The package.

    ecCodes' package brings a PROJ of its own and offers its functions to all of the process: once
    xarray has looked for readers, pyproj would call them, and crash. So its libraries look among
    their own first.
    """
    if "pyproj" not in sys.modules and hasattr(os, "RTLD_DEEPBIND"):
        flags = sys.getdlopenflags()
        sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
        try:
            import pyproj
        finally:
            sys.setdlopenflags(flags)
    import pyproj

    return pyproj


def crs_from_cf(mapping: dict[str, Any]) -> Any:
    """The coordinate reference system that attributes of a CF grid mapping describe.

    Raises:
        ValueError: PROJ cannot read them.
    """
    try:
        return _from_cf(json.dumps(mapping))
    except (pyproj().exceptions.CRSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"grid mapping {mapping.get('grid_mapping_name')!r}: PROJ cannot read it "
            f"({' '.join(str(error).split())}); name the projection in data.grid_mapping, such as "
            "EPSG:3413"
        ) from None


@lru_cache(32)
def _from_cf(mapping: str) -> Any:
    """Kept, for PROJ takes a quarter of a second, and there may be thousands of files."""
    return pyproj().CRS.from_cf(json.loads(mapping))


def crs_from_text(text: str) -> Any:
    """The coordinate reference system that goes by a text, such as EPSG:3413.

    Raises:
        ValueError: PROJ knows none.
    """
    try:
        return pyproj().CRS.from_user_input(text)
    except pyproj().exceptions.CRSError as error:
        raise ValueError(
            f"PROJ does not know {text!r} ({' '.join(str(error).split())}); expected such as "
            "EPSG:3413, or +proj=lcc +lat_1=38.5 +lat_0=38.5 +lon_0=-97.5 +R=6371229"
        ) from None
