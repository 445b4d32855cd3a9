"""Opens an analysis from any store that xarray opens, in the project's names, order and units.

Everything foreign stops at this door: names and units are converted once, and what cannot be
stated with certainty (cadence, order, units) is refused with the remedy.
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cf_xarray.units
import numpy as np
import xarray as xr

from axialcast.grid import LatLonGrid
from axialcast.names import (
    COORDINATE_ALIASES,
    COORDINATE_ATTRS,
    LATITUDE,
    LEVEL,
    LONGITUDE,
    TIME,
    VARIABLES,
)

__all__ = ["cadence", "grid_of", "open_analysis"]

ANONYMOUS = {"gs": {"token": "anon"}, "s3": {"anon": True}}
"""fsspec options by protocol: public buckets are read without credentials."""


def open_analysis(
    store: str | Path | xr.Dataset,
    *,
    variables: Sequence[str] | None = None,
    levels: Sequence[float] | None = None,
) -> xr.Dataset:
    """A lazily loaded analysis with dimensions (time, [level], latitude, longitude).

    Coordinates and variables are renamed by `standard_name` and common aliases; units of
    well-known variables are converted to those of `axialcast.names.VARIABLES`.

    Args:
        store: NetCDF file; Zarr store, local or by URL (http, gs, s3; anonymous); or a Dataset.
        variables: names to keep, in this order; foreign names are accepted. None: all.
        levels: pressure levels to keep (hPa), in this order. None: all.

    Raises:
        FileNotFoundError: there is no such store.
        ConnectionError: it is remote and cannot be reached.
        ValueError: a variable or level is missing; times are unsorted, repeated or unevenly
            spaced; coordinates are not a grid in degrees; units are absent or foreign.
    """
    name = "analysis" if isinstance(store, xr.Dataset) else str(store)
    analysis = _rename(store if isinstance(store, xr.Dataset) else _open(str(store)))
    try:
        for coordinate in (TIME, LATITUDE, LONGITUDE):
            if coordinate not in analysis.dims:
                raise ValueError(
                    f"no dimension {coordinate!r} among {sorted(map(str, analysis.dims))}; "
                    f"rename it to one of {', '.join(COORDINATE_ALIASES[coordinate])}"
                )
        for coordinate in (LATITUDE, LONGITUDE):
            if str(analysis[coordinate].attrs.get("units", "degrees")).startswith("rad"):
                raise ValueError(f"{coordinate}: is in radians; convert with np.degrees")
        cadence(analysis)
        grid_of(analysis)
        analysis = _select_levels(_select_variables(analysis, variables), levels)
        for variable in analysis.data_vars:
            analysis[variable] = _in_canonical_units(analysis[variable])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    order = [d for d in (TIME, LEVEL, LATITUDE, LONGITUDE) if d in analysis.dims]
    return analysis.transpose(*order)


def cadence(analysis: xr.Dataset, dim: str = TIME) -> np.timedelta64:
    """The even spacing of the times (timedelta64[ns]).

    Raises:
        ValueError: fewer than two times, or not sorted, unique and evenly spaced datetimes.
    """
    times = analysis[dim].values
    if not np.issubdtype(times.dtype, np.datetime64):
        raise ValueError(
            f"{dim}: expected datetimes of the standard calendar, got {times.dtype}; "
            "convert with Dataset.convert_calendar('standard')"
        )
    if len(times) < 2:
        raise ValueError(
            f"{dim}: expected at least two times to tell the cadence, got {len(times)}"
        )
    steps = np.diff(times.astype("datetime64[ns]"))
    if (steps == np.timedelta64(0)).any():
        first = times[:-1][steps == np.timedelta64(0)][0]
        raise ValueError(f"{dim}: {first} occurs twice; drop it with .drop_duplicates('{dim}')")
    if (steps < np.timedelta64(0)).any():
        first = times[1:][steps < np.timedelta64(0)][0]
        raise ValueError(f"{dim}: not sorted at {first}; sort with .sortby('{dim}')")
    uneven = np.flatnonzero(steps != steps[0])
    if len(uneven):
        after = times[uneven[0]].astype("datetime64[m]")
        raise ValueError(
            f"{dim}: cadence changes from {_hours(steps[0])} to {_hours(steps[uneven[0]])} after "
            f"{after}; select evenly spaced times or fill the gap with .reindex"
        )
    step: np.timedelta64 = steps[0]
    return step


def grid_of(dataset: xr.Dataset) -> LatLonGrid:
    """The dataset's latitude-longitude grid, checked."""
    return LatLonGrid(dataset[LATITUDE].values, dataset[LONGITUDE].values)


def _hours(step: np.timedelta64) -> str:
    return f"{step / np.timedelta64(1, 'h'):g} h"


def _open(store: str) -> xr.Dataset:
    protocol, _, rest = store.partition("://")
    if rest:
        options = {"storage_options": ANONYMOUS[protocol]} if protocol in ANONYMOUS else {}
        return _open_zarr(store, **options)
    path = Path(store)
    if not path.exists():
        raise FileNotFoundError(
            f"{store}: no such file or folder; set data.store to a NetCDF file or a Zarr store"
        )
    if path.is_dir():
        return _open_zarr(store)
    try:
        return xr.open_dataset(path, engine="netcdf4", chunks={})
    except OSError as error:
        raise ValueError(f"{store}: not a readable NetCDF file ({error})") from None


def _open_zarr(store: str, **options: Any) -> xr.Dataset:
    # gcsfs logs the traceback of an error that it also raises.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # Consolidated metadata is optional; without it xarray warns and lists the store.
            warnings.simplefilter("ignore", RuntimeWarning)
            opened: xr.Dataset = xr.open_zarr(store, chunks={}, **options)
            return opened
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{store}: no Zarr store there ({error})") from None
    except OSError as error:
        raise ConnectionError(
            f"{store}: cannot be read ({error}); check the address and the network"
        ) from None


def _rename(dataset: xr.Dataset) -> xr.Dataset:
    """Dataset with the project's names; a name that is right already always wins."""
    names: dict[Any, str] = {}
    for want, aliases in COORDINATE_ALIASES.items():
        standard = COORDINATE_ATTRS[want].get("standard_name")
        candidates: list[Any] = [d for d in dataset.dims if d in aliases]
        candidates += [
            d for d in dataset.dims if d in dataset.coords and _standard(dataset[d]) == standard
        ]
        if want not in dataset.dims and candidates:
            names[candidates[0]] = want
    for want, variable in VARIABLES.items():
        if want in dataset.data_vars:
            continue
        for name, array in dataset.data_vars.items():
            known = (
                variable.standard_name is not None and _standard(array) == variable.standard_name
            )
            if name not in names and (name in variable.aliases or known):
                names[name] = want
                break
    stale = [new for old, new in names.items() if new in dataset.coords and new != old]
    return dataset.drop_vars(stale).rename(names)


def _standard(array: xr.DataArray) -> Any:
    return array.attrs.get("standard_name")


def _canonical(name: str) -> str:
    return next((want for want, v in VARIABLES.items() if name in v.aliases), name)


def _select_variables(dataset: xr.Dataset, variables: Sequence[str] | None) -> xr.Dataset:
    on_grid = [
        str(name)
        for name, array in dataset.data_vars.items()
        if {TIME, LATITUDE, LONGITUDE} <= set(array.dims)
    ]
    wanted = [_canonical(name) if name not in on_grid else name for name in variables or on_grid]
    missing = [name for name in wanted if name not in on_grid]
    if missing:
        raise ValueError(
            f"no variable {', '.join(missing)}; "
            f"the store has {', '.join(sorted(on_grid)) or 'none'}"
        )
    return dataset[wanted]


def _select_levels(dataset: xr.Dataset, levels: Sequence[float] | None) -> xr.Dataset:
    if LEVEL not in dataset.dims:
        return dataset
    values = dataset[LEVEL].values.astype(np.float64)
    units = dataset[LEVEL].attrs.get("units", "hPa")
    if units in ("Pa", "pascal"):
        values = values / 100.0
    elif units not in ("hPa", "millibars", "mbar", "mb", "millibar"):
        raise ValueError(f"level: expected units of hPa or Pa, got {units!r}")
    dataset = dataset.assign_coords({LEVEL: (LEVEL, values, COORDINATE_ATTRS[LEVEL])})
    missing = sorted(set(map(float, levels or ())) - set(values.tolist()))
    if missing:
        raise ValueError(f"no level {missing} hPa; the store has {values.tolist()}")
    return dataset.sel({LEVEL: list(map(float, levels))}) if levels is not None else dataset


def _in_canonical_units(array: xr.DataArray) -> xr.DataArray:
    """The array in the units of VARIABLES; variables that the table lacks pass as they are."""
    known = VARIABLES.get(str(array.name))
    if known is None:
        return array
    units = array.attrs.get("units")
    if units is None:
        raise ValueError(
            f"{array.name}: has no units attribute; state it, for instance "
            f"ds[{array.name!r}].attrs['units'] = {known.units!r}"
        )
    if units != known.units:
        array = _convert(array, str(units), known.units)
    return array.assign_attrs(known.attrs)


def _convert(array: xr.DataArray, units: str, wanted: str) -> xr.DataArray:
    registry = cf_xarray.units.units
    try:
        given = registry.Quantity(np.array([0.0, 1.0]), registry.Unit(units))
        zero, one = given.to(registry.Unit(wanted)).magnitude
    except Exception as error:  # pint raises many unrelated types for text that is no unit
        raise ValueError(f"{array.name}: cannot convert {units!r} to {wanted!r}: {error}") from None
    if (zero, one) == (0.0, 1.0):
        return array
    converted: xr.DataArray = (array * (one - zero) + zero).astype(array.dtype)
    return converted.assign_attrs(array.attrs)
