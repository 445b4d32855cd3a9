"""Levels of an analysis: pressures in hPa."""

import logging

import numpy as np
import xarray as xr

from axialcast.data.opening.units import linear_conversion
from axialcast.names import COORDINATE_ATTRS, LEVEL

__all__ = ["level_in_hpa"]

logger = logging.getLogger(__name__)

HIGHEST_PRESSURE = 1100.0
"""No air pressure is above (hPa)."""


def level_in_hpa(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with its levels, if any, in hPa; without units they are taken as hPa."""
    if LEVEL not in dataset.dims:
        return dataset
    values, units = dataset[LEVEL].values.astype(np.float64), dataset[LEVEL].attrs.get("units")
    if units is None:
        if values.max() > HIGHEST_PRESSURE:
            raise ValueError(
                f"{LEVEL}: has no units, and {values.max():g} is no pressure in hPa; state them, "
                f"for instance ds[{LEVEL!r}].attrs['units'] = 'Pa'"
            )
        logger.info("%s: has no units; taken as hPa", LEVEL)
    else:
        try:
            factor, offset = linear_conversion(str(units), "hPa")
        except ValueError as error:
            raise ValueError(
                f"{LEVEL}: expected units of pressure such as hPa or Pa, got {units!r} ({error})"
            ) from None
        values = np.round(values * factor + offset, 6)
        if factor != 1.0:
            logger.info("%s: converted from %s to hPa", LEVEL, units)
    if len(set(values.tolist())) < len(values):
        raise ValueError(f"{LEVEL}: expected every level once, got {values.tolist()}")
    return dataset.assign_coords({LEVEL: (LEVEL, values, COORDINATE_ATTRS[LEVEL])})
