"""Forecasts as GRIB 2, by ecCodes: a file for each initial time, a message for each field.

A message holds a field of a member at a lead time and a level; what is a mean, a sum or an extreme
says so, with its interval. The edition knows dates of the
Gregorian calendar, lead times of whole seconds, and grids by templates: regular latitudes and
longitudes, Gaussian ones, Lambert's conformal map and the polar stereographic one.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.files.atomic import writing
from axialcast.forecast.gribgrid import grid_keys
from axialcast.forecast.layout import canonical
from axialcast.grid import grid_of
from axialcast.names import INIT_TIME, LEVEL, NUMBER, VARIABLES
from axialcast.times.cells import Cell
from axialcast.times.dates import date_text
from axialcast.times.leads import leads_of
from axialcast.times.steps import in_months

__all__ = ["refuse_grib", "refuse_interval", "write_grib"]

SAMPLE = "regular_ll_pl_grib2"
MISSING = 3.4e38
UNKNOWN_CENTRE = 255
FORECAST, PERTURBED = 1, 4
"""What a message is of (code table 1.4)."""
INSTANT, INSTANT_OF_MEMBER = 0, 1
INTERVAL, INTERVAL_OF_MEMBER = 8, 11
"""Templates of its product (code table 4.0)."""
PROCESSES = {"mean": 0, "sum": 1, "maximum": 2, "minimum": 3}
"""What was done along time (code table 4.10). ecCodes has parameters of their own for most."""
AMOUNTS = {"total_precipitation": 1000.0}
"""Variables that are sums over an interval always, and what takes them to GRIB's units: from m of
water to kg m-2."""
UNITS = {3600: "h", 60: "m", 1: "s"}


def refuse_grib(forecast: xr.Dataset) -> None:
    """Makes sure that forecasts can be written.

    Raises:
        ValueError: a variable has no code, their grid has no template, or GRIB knows no such times.
    """
    forecast = canonical(forecast)
    for name in forecast.data_vars:
        known = VARIABLES.get(str(name))
        if known is None or known.grib is None:
            raise ValueError(f"deliver.formats: grib2 has no code for {name}; deliver netcdf")
        refuse_interval(str(name), Cell.of(forecast[name].attrs), leads_of(forecast).min())
    if not np.issubdtype(forecast[INIT_TIME].dtype, np.datetime64):
        raise ValueError(
            f"deliver.formats: grib2 knows no dates of the calendar "
            f"{forecast[INIT_TIME].dt.calendar}; deliver netcdf"
        )
    if in_months(leads_of(forecast)):
        raise ValueError("deliver.formats: grib2 is not written in steps of months; deliver netcdf")
    grid_keys(grid_of(forecast))


def refuse_interval(name: str, cell: Cell | None, lead: np.timedelta64) -> None:
    """Makes sure that a message can say which interval a variable is of.

    Args:
        name: of the variable.
        cell: that it is of; None: nothing is stated.
        lead: the shortest lead time.

    Raises:
        ValueError: it is an amount, a mean or an extreme, and no message can say so.
    """
    if (cell is None or cell.is_point) and name not in AMOUNTS:
        return
    instead = "say so in the data's cell_methods and time bounds, or deliver netcdf"
    if cell is None or (name in AMOUNTS and cell.method != "sum"):
        is_told = "nothing says over which interval" if cell is None else f"it is a {cell.method}"
        raise ValueError(f"deliver.formats: grib2: {name} is an amount, and {is_told}; {instead}")
    if cell.method not in PROCESSES:
        raise ValueError(
            f"deliver.formats: grib2 has no code for a {cell.method} of {name}; deliver netcdf"
        )
    if cell.span is None or cell.unit != "cell_hours":
        raise ValueError(
            f"deliver.formats: grib2: {name} is a {cell.method}, and no hours say over which "
            f"interval; {instead}"
        )
    first = 0.0 if in_months(lead) else lead / np.timedelta64(1, "h")
    if not in_months(lead) and first + cell.span[0] < 0:
        raise ValueError(
            f"deliver.formats: grib2: {name} is a {cell.told}, which begins before the initial "
            f"time at the lead time of {first:g} h, as no message can say; deliver netcdf"
        )


def write_grib(path: Path, forecast: xr.Dataset, *, bits: int) -> None:
    """Writes forecasts, as a whole or not at all.

    Args:
        path: of the file.
        forecast: of few initial times: a variable of one lead time is in memory.
        bits: of each value: the error is at most half of a field's range over 2^bits, rounded up
            to a power of two.

    Raises:
        ValueError: see `refuse_grib`; or a value is infinite.
        OSError: it cannot be written.
    """
    refuse_grib(forecast)
    with writing(path) as partial, partial.open("wb") as file:
        for message in _messages(canonical(forecast), bits):
            file.write(message)


def _messages(forecast: xr.Dataset, bits: int) -> Iterator[bytes]:
    """Each field as it is encoded, in order of time, member, lead time, variable and level."""
    import eccodes

    grid = grid_keys(grid_of(forecast))
    sample = eccodes.codes_grib_new_from_samples(SAMPLE)
    try:
        for keys, values in _fields(forecast):
            handle = eccodes.codes_clone(sample)
            try:
                _fill(eccodes, handle, {**keys, **grid.keys, "bitsPerValue": bits})
                eccodes.codes_set_values(handle, _marked(eccodes, handle, grid.ordered(values)))
                yield eccodes.codes_get_message(handle)
            finally:
                eccodes.codes_release(handle)
    finally:
        eccodes.codes_release(sample)


def _fill(eccodes: Any, handle: Any, keys: Mapping[str, Any]) -> None:
    for name, value in keys.items():
        eccodes.codes_set(handle, name, value)


def _marked(eccodes: Any, handle: Any, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values with a mark, and a bitmap, for what is missing."""
    missing = np.isnan(values)
    if missing.any():
        eccodes.codes_set(handle, "bitmapPresent", 1)
        eccodes.codes_set(handle, "missingValue", MISSING)
    return np.where(missing, MISSING, values)


def _fields(forecast: xr.Dataset) -> Iterator[tuple[dict[str, Any], NDArray[np.float64]]]:
    """Keys of each message, and its values (h, w)."""
    members = forecast[NUMBER].values.tolist() if NUMBER in forecast.dims else [None]
    for init, date in enumerate(forecast[INIT_TIME].values):
        for place, member in enumerate(members):
            of = {INIT_TIME: init} | ({} if member is None else {NUMBER: place})
            for lead, step in enumerate(leads_of(forecast)):
                for name, array in forecast.isel({**of, "lead_time": lead}).data_vars.items():
                    code = VARIABLES[str(name)].grib
                    assert code is not None
                    levels = array[LEVEL].values.tolist() if LEVEL in array.dims else [None]
                    fields = array.values.astype(np.float64).reshape(len(levels), *array.shape[-2:])
                    fields *= AMOUNTS.get(str(name), 1.0)
                    cell = Cell.of(array.attrs)
                    is_instant = cell is None or cell.is_point
                    of_time = _instant(step) if cell is None or cell.is_point else _over(step, cell)
                    keys = _date(date) | _member(member, len(members), is_instant=is_instant)
                    if np.isinf(fields).any():
                        raise ValueError(
                            f"deliver.formats: grib2 holds no infinite values, such as {name} has "
                            f"{date_text(date)}; deliver netcdf"
                        )
                    for level, values in zip(levels, fields, strict=True):
                        yield {**keys, "paramId": code, **of_time, **_level(level)}, values


def _date(date: np.datetime64) -> dict[str, Any]:
    day, time = str(date.astype("datetime64[s]")).split("T")
    hour, minute, second = time.split(":")
    return {
        "centre": UNKNOWN_CENTRE,
        "dataDate": int(day.replace("-", "")),
        "hour": int(hour),
        "minute": int(minute),
        "second": int(second),
    }


def _seconds(lead: np.timedelta64) -> int:
    return int(lead / np.timedelta64(1, "s"))


def _unit(*seconds: int) -> int:
    """Seconds of the longest unit that all of these are whole numbers of."""
    return next(length for length in UNITS if not any(one % length for one in seconds))


def _instant(lead: np.timedelta64) -> dict[str, Any]:
    seconds = _seconds(lead)
    unit = _unit(seconds)
    return {"stepUnits": UNITS[unit], "forecastTime": seconds // unit}


def _over(lead: np.timedelta64, cell: Cell) -> dict[str, Any]:
    """Of an interval; ecCodes counts its end and its length."""
    assert cell.span is not None
    begin, end = (_seconds(lead) + round(3600 * side) for side in cell.span)
    unit = _unit(begin, end)
    return {
        "typeOfStatisticalProcessing": PROCESSES[cell.method],
        "stepUnits": UNITS[unit],
        "startStep": begin // unit,
        "endStep": end // unit,
    }


def _member(member: int | None, count: int, *, is_instant: bool) -> dict[str, Any]:
    if member is None:
        template = INSTANT if is_instant else INTERVAL
        return {"productDefinitionTemplateNumber": template, "typeOfProcessedData": FORECAST}
    return {
        "productDefinitionTemplateNumber": INSTANT_OF_MEMBER if is_instant else INTERVAL_OF_MEMBER,
        "typeOfProcessedData": PERTURBED,
        "perturbationNumber": member,
        "numberOfForecastsInEnsemble": count,
    }


def _level(level: float | None) -> dict[str, Any]:
    """Pressure in Pa where it is no whole number of hPa."""
    if level is None:
        return {}
    if level == round(level):
        return {"typeOfLevel": "isobaricInhPa", "level": round(level)}
    return {"typeOfLevel": "isobaricInPa", "level": round(100 * level)}
