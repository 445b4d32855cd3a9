"""Which stored number marks missing data in a Zarr array, beside what an absent chunk reads as."""

import base64
import logging
import struct
from typing import Any

import numpy as np
import xarray as xr
import zarr

from axialcast.data.opening.kinds.packing import MARKS, numbers

__all__ = ["with_marks"]

logger = logging.getLogger(__name__)


def with_marks(dataset: xr.Dataset, group: zarr.Group) -> xr.Dataset:
    """The dataset, not decoded yet, with the `_FillValue` of each variable that has one.

    An attribute `_FillValue` is a mark always. Zarr's own `fill_value` says what an absent chunk
    reads as. In version 2, xarray (and others that write NetCDF's conventions) keep `_FillValue`
    there and write no attribute, so a number such as NaN, -32767 or 1e20 marks missing data, too;
    but 0 is what Zarr writes of itself, and is data: a dry cell, an hour 0. In version 3
    `fill_value` never is a mark.

    Args:
        dataset: as xarray opened it from the group, its attributes not decoded.
        group: the Zarr group.
    """
    for name, variable in dataset.variables.items():
        array = group.get(str(name))
        if not isinstance(array, zarr.Array):
            continue
        variable.attrs.pop("_FillValue", None)  # xarray's, which is Zarr's own of version 2
        mark = _mark(array)
        if mark is not None:
            variable.attrs["_FillValue"] = mark
    return dataset


def _mark(array: zarr.Array[Any]) -> Any:
    """The number that marks missing data in an array; None if there is none."""
    stated = array.attrs.get("_FillValue")
    if stated is not None:
        return _number(stated, array.dtype)
    if array.metadata.zarr_format != 2 or array.dtype.kind not in "fiu":
        return None
    if array.fill_value != 0:
        return array.fill_value
    if array.attrs.get("add_offset", 0) != 0 and not set(MARKS) & set(array.attrs):
        logger.warning(
            "%s: its fill_value is 0, as Zarr sets it, and no _FillValue is stated: stored zeros "
            "are taken for data (%s); if they mark missing values, set the attribute _FillValue",
            array.name,
            array.attrs["add_offset"],
        )
    return None


def _number(value: Any, dtype: np.dtype[Any]) -> Any:
    """A `_FillValue` as it stands in JSON: a number, its text, or xarray's eight bytes of one."""
    if dtype.kind not in "fiu" or numbers(value) is not None:
        return value
    try:
        return struct.unpack("<d", base64.standard_b64decode(value))[0]
    except (ValueError, TypeError, struct.error):
        raise ValueError(f"_FillValue: expected a number, got {value!r}") from None
