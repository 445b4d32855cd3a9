"""Forecasts as NetCDF files."""

from pathlib import Path
from typing import Any

import xarray as xr

from axialcast.conventions import no_fill_values
from axialcast.files.atomic import writing
from axialcast.forecast.cells import lead_units
from axialcast.forecast.layout import lead_axis, with_mapping
from axialcast.forecast.packing import kept

__all__ = ["write_netcdf"]


def write_netcdf(path: Path, forecast: xr.Dataset, *, leads: int = 1) -> None:
    """Writes a forecast, as a whole or not at all, packed as its store is.

    Args:
        path: of the file.
        forecast: as a store has it, of any layout.
        leads: lead times that are read at once.
    """
    forecast = with_mapping(forecast)
    dims = next(iter(forecast.data_vars.values())).dims
    lead_time = lead_axis(dims)
    forecast = forecast.chunk({**dict.fromkeys(dims[:lead_time], 1), dims[lead_time]: leads})
    deflate = {"zlib": True, "complevel": 1, "shuffle": True}
    encoding: dict[Any, Any] = no_fill_values(forecast)
    line = forecast[dims[lead_time]]
    if "bounds" in line.attrs and line.dtype.kind == "m":  # bounds are numbers in such units
        stated = {"units": lead_units(line), "dtype": "int64"}
        encoding[dims[lead_time]] = encoding.get(dims[lead_time], {}) | stated
    encoding |= {name: deflate | kept(array) for name, array in forecast.data_vars.items()}
    with writing(path) as partial:
        forecast.to_netcdf(partial, encoding=encoding)
