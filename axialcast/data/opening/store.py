"""Opens an analysis from any store, in the project's names, order and units.

Everything foreign stops at this door: names and units are converted once, and what cannot be
stated with certainty (cadence, order, units) is refused with the remedy.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xarray as xr

from axialcast.data.arrays.zarrs import MissingChunks
from axialcast.data.opening.combine import combine
from axialcast.data.opening.entries import Stores, entries_of, given_by, told
from axialcast.data.opening.joining import join_stores
from axialcast.data.opening.opened import Opened, files_of, open_entry, refuse_unused
from axialcast.data.opening.selection import select_levels, select_region
from axialcast.data.opening.standard.references import without_dangling
from axialcast.names import GIVEN_BY, LEVEL, TIME, canonical
from axialcast.times.calendars import Gaps, cadence, select_period
from axialcast.times.months import dated_by_month

__all__ = ["open_analysis"]


def open_analysis(
    store: Stores,
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
    grid_mapping: str | None = None,
    curved: bool = False,
    each: Callable[[xr.Dataset], xr.Dataset] = lambda dataset: dataset,
) -> xr.Dataset:
    """A lazily loaded analysis with dimensions (time, [level], latitude, longitude), or (…, y, x).

    Coordinates and variables are renamed by aliases, `standard_name` and units; values of
    well-known variables are converted to the units of `axialcast.names.VARIABLES`, and each
    conversion is logged. Times that stand for calendar months, wherever in these they lie, become
    the first of each (`axialcast.times.months`).

    Args:
        store: NetCDF or GRIB file, a pattern such as "era5_*.nc" or a sequence of them; Zarr store
            or anemoi dataset, local or by URL (http, s3, gs, az; anonymous); Icechunk repository; a
            zarr Store, as obstore and Icechunk sessions give; or a Dataset. A sequence of them is
            joined: those of the same variables one after another, others side by side, on the grid
            of the first and at the times that all have; a coarser cadence, of a day at most, is
            held until its next value. One of them may be a mapping {"store": …} that says of it
            alone: variables (that it is to give), rename, units, member, round_times_seconds,
            grid_mapping, missing_chunks, storage_options.
        variables: names to keep, in this order; foreign names are accepted. None: all.
        levels: pressure levels to keep (hPa), in this order. None: all.
        period: first and last date to keep, both included: text, years or datetimes. None: all.
        region: "latitude": (south, north), "longitude": (west, east), in degrees; an east below
            west is reached across the meridian of 0° or 180°. Of a map, the smallest rectangle of
            rows and columns that holds all of the box. None: all.
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
        grid_mapping: the projection of the store's grid, as PROJ calls it, such as EPSG:3413; None:
            what the store says, or latitudes and longitudes.
        curved: whether latitudes and longitudes of two dimensions will do where nothing says of
            which projection: such an analysis can be regridded, and nothing else.
        each: what is done to each of several stores before they are joined, such as regridding.

    Raises:
        FileNotFoundError, ConnectionError: there is no such store, or it cannot be reached.
        ValueError: what is asked for is not there; times are unsorted, repeated or uneven;
            coordinates are no grid in degrees or on a map; units are absent or foreign.
    """
    shared: dict[str, Any] = {"rename": rename, "units": units, "member": member}
    shared |= {"round_times_seconds": round_times_seconds, "missing_chunks": missing_chunks}
    shared["grid_mapping"] = grid_mapping
    entries = entries_of(store, storage_options=storage_options, **shared)
    entries = [entry for entry in entries if entry.asked(variables) != []] or entries
    opened = [open_entry(entry, variables, levels, timeout_seconds, curved) for entry in entries]
    refuse_unused(opened, rename, units)
    if entries[0].is_alone:
        analysis = combine(opened[0].standard, variables)
    else:
        analysis = _joined(opened, variables, levels, region, gaps, each)
        region = None
    try:
        return without_dangling(_part(analysis, levels, period, region, gaps))
    except ValueError as error:
        raise ValueError(f"{told(entries)}: {error}") from None


def _joined(
    opened: Sequence[Opened],
    variables: Sequence[str] | None,
    levels: Sequence[float] | None,
    region: Mapping[str, tuple[float, float]] | None,
    gaps: Gaps,
    each: Callable[[xr.Dataset], xr.Dataset],
) -> xr.Dataset:
    """Stores as one: those of the same variables one after another, then these beside others."""
    given = given_by([one.entry for one in opened], [one.held for one in opened], variables)
    alike: dict[frozenset[str], list[Opened]] = {}
    for one, names in zip(opened, given, strict=True):
        if names:
            alike.setdefault(frozenset(names), []).append(one)
    stores = {}
    for of, group in alike.items():
        name = told([one.entry for one in group])
        name = f"{name} (data.store.{group[0].entry.number})" if name in stores else name
        part = combine(files_of(group), [v for one in group for v in one.held if v in of])
        try:
            part = _part(part, levels if LEVEL in part.dims else None, None, region, gaps)
            stores[name] = each(part)
            for array in stores[name].data_vars.values():
                array.attrs = {**array.attrs, GIVEN_BY: name}
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    joined = join_stores(stores) if len(stores) > 1 else next(iter(stores.values()))
    order = variables or [name for names in given for name in names]
    return joined[[name if name in joined else canonical(name) for name in order]]


def _part(
    analysis: xr.Dataset,
    levels: Sequence[float] | None,
    period: tuple[Any, Any] | None,
    region: Mapping[str, tuple[float, float]] | None,
    gaps: Gaps,
) -> xr.Dataset:
    """What is asked for; units and order are settled before, so that reading can include them."""
    analysis = dated_by_month(analysis)
    if period is not None:
        analysis = select_period(analysis, period)
    if analysis.sizes[TIME] > 1:  # a forecast may start from one time
        cadence(analysis, gaps=gaps)
    analysis = select_levels(analysis, levels)
    return analysis if region is None else select_region(analysis, region)
