"""Words for times that cannot be read as dates, and what to do about the file."""

import re

import numpy as np
import xarray as xr

__all__ = ["undated"]


def undated(time: xr.DataArray) -> str:
    """What is expected in place of times that are no dates, and what to do."""
    units, dtype = time.attrs.get("units"), time.dtype
    first = np.ravel(time.values)[0]
    if dtype.kind not in "fiu":
        return (
            f"expected dates, got {str(first)!r} and the like; write them as hours since a date, "
            "for instance with: cdo settaxis,2001-01-01,00:00:00,6hour in.nc out.nc"
        )
    if units is None and dtype.kind in "iu" and 10**7 <= first < 10**8:
        return (
            f"expected dates, got {dtype} such as {first} without units; if they are days, say so "
            f"in the file: ncatted -a units,{time.name},o,c,'day as %Y%m%d.%f' file.nc"
        )
    if units is None:
        return (
            f"expected dates, got {dtype}; decode them by units in the file, for instance with: "
            f"ncatted -a units,{time.name},o,c,'hours since 1900-01-01' file.nc"
        )
    if re.match(r"(months?|years?|common_years?|mon|yr|a)\b.* since ", str(units)):
        return (
            f"expected dates, got numbers in {units!r}, which are of different lengths; write them "
            "in days, for instance with: cdo setreftime,1900-01-01,00:00:00,1day in.nc out.nc"
        )
    calendar, (low, high) = time.attrs.get("calendar"), (np.min(time.values), np.max(time.values))
    stated = f"{units!r}" + (f" of the calendar {calendar!r}" if calendar else "")
    return (
        f"expected dates, got numbers in {stated}, which cannot be read ({low:g} to {high:g}); "
        "expected units such as 'hours since 1900-01-01' and a calendar of CF: correct the file, "
        "for instance with: cdo settaxis,2001-01-01,00:00:00,6hour in.nc out.nc"
    )
