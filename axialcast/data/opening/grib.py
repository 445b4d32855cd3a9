"""A GRIB file as a lazy Dataset, by cfgrib."""

from pathlib import Path

import xarray as xr

from axialcast.data.arrays.backed import backed
from axialcast.data.opening.packages import require

__all__ = ["open_grib"]

GRID = ("latitude", "longitude", "y", "x", "values")
"""Dimensions of cfgrib's that make up the grid."""


def open_grib(path: Path) -> xr.Dataset:
    """All messages of the file, in its own names and units.

    Raises:
        ValueError: cfgrib or ecCodes is absent, or the messages do not share one grid and one set
            of times.
    """
    require("cfgrib", path, "a GRIB file", extra="grib")
    try:
        import cfgrib
    except (ImportError, RuntimeError) as error:  # the ecCodes library is not found
        raise ValueError(
            f"{path}: a GRIB file needs ecCodes ({_one_line(error)}); pip install 'axialcast[grib]'"
        ) from None
    # cfgrib would write an index file beside the data, and unpickle it the next time.
    options = {"indexpath": "", "squeeze": False}
    parts = cfgrib.open_datasets(str(path), backend_kwargs=options, cache=False)
    if not parts:
        raise ValueError(f"{path}: holds no GRIB message that cfgrib can place on a grid")
    cleaned = []
    for part in parts:
        if part.sizes.get("step", 1) > 1:
            raise ValueError(f"{path}: holds forecasts (several steps); select one step first")
        part = backed(part)
        single = [d for d, n in part.sizes.items() if n == 1 and d not in ("time", *GRID)]
        part = part.isel(dict.fromkeys(single, 0))
        if "valid_time" in part:
            part = part.assign_coords(time=part["valid_time"])
        # Heights and kinds of surface differ between the parts; the names tell them already.
        cleaned.append(part.drop_vars(set(part.coords) - set(part.dims) - {"time"}))
    try:
        merged: xr.Dataset = xr.merge(cleaned, join="exact", compat="no_conflicts")
    except ValueError as error:
        raise ValueError(
            f"{path}: its variables do not share one grid and one set of times "
            f"({_one_line(error)}); split the file"
        ) from None
    return merged


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or "no further message"
