"""Opens an analysis from any store, in the project's names, order and units.

Everything foreign stops at this door: names and units are converted once, and what cannot be
stated with certainty (cadence, order, units) is refused with the remedy.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr
from zarr.abc.store import Store

from axialcast.data.arrays.backed import in_parts
from axialcast.data.arrays.zarrs import MissingChunks
from axialcast.data.opening.combine import combine
from axialcast.data.opening.kinds.backends import Reading, open_raw
from axialcast.data.opening.renaming import named_there, renamed
from axialcast.data.opening.selection import select_levels, select_region
from axialcast.data.opening.standard.contradictions import refuse_contradictions
from axialcast.data.opening.standard.units import require_known
from axialcast.data.opening.standardise import standardise
from axialcast.disclosure import shown
from axialcast.names import TIME
from axialcast.times.calendars import Gaps, cadence, select_period

__all__ = ["open_analysis"]


def open_analysis(
    store: str | Path | Sequence[str | Path] | Store | xr.Dataset,
    *,
    variables: Sequence[str] | None = None,
    levels: Sequence[float] | None = None,
    period: tuple[Any, Any] | None = None,
    region: Mapping[str, tuple[float, float]] | None = None,
    member: int | str | None = None,
    gaps: Gaps = "refuse",
    rename: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    missing_chunks: MissingChunks = "refuse",
    storage_options: Mapping[str, Any] | None = None,
    timeout_seconds: float = 60.0,
    round_times_seconds: int | None = None,
) -> xr.Dataset:
    """A lazily loaded analysis with dimensions (time, [level], latitude, longitude).

    Coordinates and variables are renamed by aliases, `standard_name` and units; values of
    well-known variables are converted to the units of `axialcast.names.VARIABLES`, and each
    conversion is logged.

    Args:
        store: NetCDF or GRIB file, a pattern such as "era5_*.nc" or a sequence of them; Zarr store
            or anemoi dataset, local or by URL (http, s3, gs, az; anonymous); Icechunk repository; a
            zarr Store, as obstore and Icechunk sessions give; or a Dataset.
        variables: names to keep, in this order; foreign names are accepted. None: all.
        levels: pressure levels to keep (hPa), in this order. None: all.
        period: first and last date to keep, both included: text, years or datetimes. None: all.
        region: "latitude": (south, north), "longitude": (west, east), in degrees; an east below
            west is reached across the meridian of 0° or 180°. None: all.
        member: the one to keep of an ensemble, by its number or name, or its place where members
            have neither.
        gaps: "refuse", or "keep" times that are missing from an otherwise even axis.
        rename: names of the store's variables and coordinates that say nothing or something else,
            and what they are to be called; before anything else is understood.
        units: by variable, or of `level`, those that the store does not state, or states wrongly.
        missing_chunks: "refuse" chunks that a Zarr store lacks, or "fill" them with its fill value.
        storage_options: for a URL, in fsspec's words (anon, key, secret, token, endpoint_url, …) or
            obstore's; "anon": False takes credentials from the environment. None: anonymous.
        timeout_seconds: how long to wait for a server's answer, and to ask again.
        round_times_seconds: rounds times to multiples of so many seconds from midnight; None:
            only where they are off by no more than the type of their numbers, and the log says so.

    Raises:
        FileNotFoundError, ConnectionError: there is no such store, or it cannot be reached.
        ValueError: what is asked for is not there; times are unsorted, repeated or uneven;
            coordinates are no grid in degrees; units are absent or foreign.
    """
    names = named_there(variables, rename)
    reading = Reading(storage_options, timeout_seconds, missing_chunks, names, levels)
    parts = (
        {"analysis": in_parts(store)} if isinstance(store, xr.Dataset) else open_raw(store, reading)
    )
    parts = renamed(parts, rename)
    refuse_contradictions(parts)
    settings = {"variables": variables, "units": units, "member": member}
    settings["round_times_seconds"] = round_times_seconds
    parts = {name: _standardised(name, raw, **settings) for name, raw in parts.items()}
    require_known(units, {str(name) for part in parts.values() for name in part.variables})
    analysis = combine(parts, variables)
    try:
        return _part(analysis, levels, period, region, gaps)
    except ValueError as error:
        raise ValueError(f"{_name(store)}: {error}") from None


def _standardised(name: str, raw: xr.Dataset, **settings: Any) -> xr.Dataset:
    try:
        return standardise(raw, **settings)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _part(
    analysis: xr.Dataset,
    levels: Sequence[float] | None,
    period: tuple[Any, Any] | None,
    region: Mapping[str, tuple[float, float]] | None,
    gaps: Gaps,
) -> xr.Dataset:
    """What is asked for; units and order are settled before, so that reading can include them."""
    if period is not None:
        analysis = select_period(analysis, period)
    if analysis.sizes[TIME] > 1:  # a forecast may start from one time
        cadence(analysis, gaps=gaps)
    analysis = select_levels(analysis, levels)
    return analysis if region is None else select_region(analysis, region)


def _name(store: Any) -> str:
    if isinstance(store, xr.Dataset):
        return "analysis"
    if isinstance(store, Sequence) and not isinstance(store, str):
        return f"{store[0]} and {len(store) - 1} more"
    return shown(str(store))
