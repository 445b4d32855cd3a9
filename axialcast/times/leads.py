"""Lead times as coordinates: timedelta64, or whole numbers of months with these as their units.

No file and no index knows a timedelta in months, whose lengths differ.
"""

from typing import Any

import numpy as np
import xarray as xr

from axialcast.names import COORDINATE_ATTRS, LEAD_TIME
from axialcast.times.dates import Leads
from axialcast.times.steps import in_months

__all__ = ["MONTHS", "lead_coordinate", "lead_labels", "leads_of"]

MONTHS = "months"


def lead_labels(leads: Any) -> Any:
    """Lead times, or one, as they stand in a coordinate and are selected by."""
    if not in_months(leads):
        return leads
    return leads.astype("timedelta64[M]").astype(np.int64)


def lead_coordinate(leads: Leads) -> xr.Variable:
    """(lead_time,) with the attributes of CF."""
    units = {"units": MONTHS} if in_months(leads) else {}
    return xr.Variable(LEAD_TIME, lead_labels(leads), COORDINATE_ATTRS[LEAD_TIME] | units)


def leads_of(dataset: xr.Dataset | xr.DataArray) -> Leads:
    """(l,) lead times of a forecast, of scores or of one of their fields; () where it has one.

    Raises:
        ValueError: its coordinate `lead_time` is neither.
    """
    found = dataset[LEAD_TIME]
    if np.issubdtype(found.dtype, np.timedelta64):
        return np.asarray(found.values)
    if found.dtype.kind in "iu" and found.attrs.get("units") == MONTHS:
        return np.asarray(found.values).astype("timedelta64[M]")
    raise ValueError(
        f"forecast: lead_time is {found.dtype}, expected timedelta64, or whole numbers in units of "
        "months; open it with decode_timedelta=True"
    )
