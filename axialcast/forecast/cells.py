"""The intervals that forecasts are of: means, sums and extremes as CF says it.

`cell_methods` name the dimension of lead times, whose bounds stand beside it where all variables
that are of an interval are of the same one; `cell_hours`, or `cell_months`, of each variable say it
always.
"""

import numpy as np
import xarray as xr

from axialcast.names import LEAD_TIME
from axialcast.times.cells import CELL_METHODS, Cell
from axialcast.times.dates import Leads
from axialcast.times.steps import in_months

__all__ = ["BOUNDS", "lead_units", "renamed_cells", "with_cells"]

BOUNDS = "lead_time_bnds"
SIDES = "bnds"
SECONDS = {"hours": 3600, "seconds": 1}


def with_cells(forecast: xr.Dataset, leads: Leads) -> xr.Dataset:
    """The forecast, whose variables say over which interval they are.

    Args:
        forecast: as its channels label it; of the cells of an analysis.
        leads: its lead times.
    """
    cells = {name: Cell.of(array.attrs) for name, array in forecast.data_vars.items()}
    known = {name: cell for name, cell in cells.items() if cell is not None}
    if not known:
        return forecast
    for name, cell in known.items():
        forecast[name].attrs |= cell.attrs(LEAD_TIME)
    intervals = {(c.span, c.unit) for c in known.values() if not c.is_point}
    if len(intervals) != 1:
        return forecast
    ((span, unit),) = intervals
    months = in_months(leads)
    if span is None or months != (unit == "cell_months"):
        return forecast
    if months:
        ends = leads.astype(np.int64)[:, None] + np.array(span, np.int64)
    else:
        seconds = leads.astype("timedelta64[s]").astype(np.int64)[:, None]
        ends = seconds + np.round(np.array(span) * 3600).astype(np.int64)
        units = "seconds" if (seconds % 3600).any() or (ends % 3600).any() else "hours"
        ends = ends // SECONDS[units]
        forecast[LEAD_TIME].encoding |= {"units": units, "dtype": "int64"}
    forecast = forecast.assign_coords({BOUNDS: ((LEAD_TIME, SIDES), ends)})
    forecast[LEAD_TIME].attrs["bounds"] = BOUNDS
    return forecast


def lead_units(leads: xr.DataArray) -> str:
    """What lead times are stored in, and numbers of their bounds are: hours if all are whole."""
    stated = leads.encoding.get("units")
    if "bounds" in leads.attrs and stated in SECONDS:
        return str(stated)
    return "seconds" if (leads.dt.seconds % 3600).any() else "hours"


def renamed_cells(forecast: xr.Dataset, dim: str) -> xr.Dataset:
    """The forecast, whose variables name by `dim` the dimension of their intervals."""
    for name, array in forecast.data_vars.items():
        if CELL_METHODS in array.attrs and (cell := Cell.of(array.attrs)) is not None:
            forecast[name].attrs = {**array.attrs, **cell.attrs(dim)}
    return forecast
