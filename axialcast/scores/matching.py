"""Whether a forecast may be compared with an analysis: a silent mismatch is the enemy."""

import numpy as np
import xarray as xr

from axialcast.grid import coords_of, dims_of, grid_of
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL, NUMBER, TIME
from axialcast.times.dates import Times, later
from axialcast.times.leads import leads_of

__all__ = ["matched", "valid_times"]

REMEDY = "open the analysis that the forecast was made from"


def matched(forecast: xr.Dataset, analysis: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Both in canonical order of dimensions, the analysis reduced to the forecast's fields.

    Raises:
        ValueError: they differ in variables, units, levels or grid, or share no time.
    """
    if not forecast.data_vars:
        raise ValueError("forecast: holds no variable; select at least one")
    if forecast.sizes.get(NUMBER, 2) < 2:
        forecast = forecast.isel({NUMBER: 0}, drop=True)
    if NUMBER in forecast.dims:
        for name, array in forecast.data_vars.items():
            if NUMBER not in array.dims:
                raise ValueError(
                    f"forecast: {name} has no {NUMBER}, which others have; select variables that "
                    "all have members"
                )
    horizontal = dims_of(analysis.dims)
    for name, dataset, dims in (
        ("forecast", forecast, (INIT_TIME, LEAD_TIME, *horizontal)),
        ("analysis", analysis, (TIME, *horizontal)),
    ):
        missing = [dim for dim in dims if dim not in dataset.dims]
        if missing:
            raise ValueError(
                f"{name}: no dimension {missing[0]!r} among {sorted(map(str, dataset.dims))}; "
                "rename the one that is meant"
            )
    for name, times in (("forecast", forecast[INIT_TIME]), ("analysis", analysis[TIME])):
        if not times.size:
            raise ValueError(f"{name}: holds no {times.name}; select at least one")
        if not times.to_index().is_unique:
            twice = times.values[times.to_index().duplicated()][0]
            raise ValueError(
                f"{name}: holds {times.name} {str(twice)[:16]} twice; keep one, as "
                f".drop_duplicates({times.name!r}) does"
            )
    calendars = [times.dt.calendar for times in (forecast[INIT_TIME], analysis[TIME])]
    if calendars[0] != calendars[1]:
        raise ValueError(
            f"forecast: its calendar is {calendars[0]}, the analysis's {calendars[1]}; {REMEDY}"
        )
    leads_of(forecast)
    absent = [str(name) for name in forecast.data_vars if name not in analysis]
    if absent:
        raise ValueError(
            f"forecast: variable {absent[0]!r} is not in the analysis, which has "
            f"{sorted(map(str, analysis.data_vars))}; {REMEDY}"
        )
    analysis = analysis[[str(name) for name in forecast.data_vars]]
    for variable in forecast.data_vars:
        _check_variable(forecast[variable], analysis[variable])
    difference = grid_of(analysis).difference(grid_of(forecast))
    if difference:
        raise ValueError(f"forecast: its grid is not the analysis's, {difference}; {REMEDY}")
    if LEVEL in forecast.dims:
        analysis = analysis.sel({LEVEL: forecast[LEVEL].values})
    # Stores keep coordinates in float32 or float64: take the analysis's, or nothing aligns.
    forecast = forecast.assign_coords(coords_of(analysis))
    if not np.isin(forecast[INIT_TIME].values, analysis[TIME].values).any():
        raise ValueError(
            f"forecast: no init_time from {_span(forecast[INIT_TIME])} is in the analysis, "
            f"{_span(analysis[TIME])}; {REMEDY}"
        )
    order = [INIT_TIME, LEAD_TIME, TIME, LEVEL, NUMBER, *horizontal]
    return forecast.transpose(*order, missing_dims="ignore"), analysis.transpose(
        *order, missing_dims="ignore"
    )


def valid_times(forecast: xr.Dataset | xr.DataArray) -> Times:
    """(init_time, lead_time) times that the forecasts are for; (init_time,) at one lead time."""
    inits, leads = forecast[INIT_TIME].values, leads_of(forecast)
    return later(inits[:, None] if leads.ndim else inits, leads)


def _check_variable(forecast: xr.DataArray, analysis: xr.DataArray) -> None:
    name = f"forecast: {forecast.name}"
    units = forecast.attrs.get("units"), analysis.attrs.get("units")
    if units[0] != units[1]:
        raise ValueError(
            f"{name} is in {units[0]!r}, the analysis in {units[1]!r}; convert one of them"
        )
    if (LEVEL in forecast.dims) != (LEVEL in analysis.dims):
        with_level = "forecast" if LEVEL in forecast.dims else "analysis"
        raise ValueError(
            f"{name} has levels in the {with_level} only; select one with .sel(level=)"
        )
    if LEVEL in forecast.dims:
        absent = sorted(set(forecast[LEVEL].values.tolist()) - set(analysis[LEVEL].values.tolist()))
        if absent:
            raise ValueError(
                f"{name} has level {absent[0]:g}, the analysis {analysis[LEVEL].values.tolist()}; "
                f"{REMEDY}"
            )


def _span(times: xr.DataArray) -> str:
    first, last = (str(time)[:16] for time in (times.values.min(), times.values.max()))
    return f"{first} to {last}"
