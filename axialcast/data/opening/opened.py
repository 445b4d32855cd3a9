"""A store of an analysis, opened: its files as they are, and in the project's names and units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from axialcast.data.arrays.backed import in_parts
from axialcast.data.opening.entries import Entry, told
from axialcast.data.opening.kinds.backends import Reading, open_raw
from axialcast.data.opening.renaming import named_there, present, renamed
from axialcast.data.opening.standard.contradictions import refuse_contradictions
from axialcast.data.opening.standard.units import require_known
from axialcast.data.opening.standardise import standardise

__all__ = ["Opened", "files_of", "open_entry", "refuse_unused"]


@dataclass(frozen=True)
class Opened:
    """A store that is open.

    Args:
        entry: which, and how it is read.
        raw: its files by name, in their own words but for what is renamed.
        standard: the same, standardised.
    """

    entry: Entry
    raw: Mapping[str, xr.Dataset]
    standard: Mapping[str, xr.Dataset]

    @property
    def held(self) -> list[str]:
        """Its variables on the grid."""
        names = (str(name) for part in self.standard.values() for name in part.data_vars)
        return list(dict.fromkeys(names))


def open_entry(
    entry: Entry,
    variables: Sequence[str] | None,
    levels: Sequence[float] | None,
    timeout_seconds: float,
    curved: bool = False,
) -> Opened:
    """A store, its files standardised and held against one another.

    Args:
        entry: which.
        variables, levels, timeout_seconds, curved: as of `open_analysis`.

    Raises:
        FileNotFoundError, ConnectionError: there is no such store, or it cannot be reached.
        ValueError: its files contradict one another, or are no fields on a grid.
    """
    wanted = entry.asked(variables)
    raw = open_files(entry, wanted, levels, timeout_seconds)
    refuse_contradictions(raw)
    standard = {}
    for name, dataset in raw.items():
        try:
            standard[name] = standardise(
                dataset,
                variables=wanted,
                units=entry.units,
                member=entry.member,
                round_times_seconds=entry.round_times_seconds,
                grid_mapping=entry.grid_mapping,
                curved=curved,
            )
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if "units" in entry.own:
        require_known(entry.units, _names(standard))
    return Opened(entry, raw, standard)


def open_files(
    entry: Entry,
    variables: Sequence[str] | None,
    levels: Sequence[float] | None = None,
    timeout_seconds: float = 60.0,
) -> dict[str, xr.Dataset]:
    """A store's files by name, in their own words but for what is renamed."""
    reading = Reading(
        entry.storage_options,
        timeout_seconds,
        entry.missing_chunks,
        named_there(variables, entry.rename),
        levels,
    )
    store = entry.store
    is_dataset = isinstance(store, xr.Dataset)
    raw = {entry.name: in_parts(store)} if is_dataset else open_raw(store, reading)
    return renamed(raw, entry.rename if "rename" in entry.own else present(raw, entry.rename))


def files_of(stores: Sequence[Opened]) -> dict[str, xr.Dataset]:
    """The files of stores of one kind, standardised, by name.

    Raises:
        ValueError: one is given twice, or they contradict one another.
    """
    found: dict[str, xr.Dataset] = {}
    for one in stores:
        for name in one.standard:
            if name in found:
                raise ValueError(f"data.store: {name} is given twice; give each file once")
        found |= one.standard
    if len(stores) > 1:
        refuse_contradictions({name: raw for one in stores for name, raw in one.raw.items()})
    return found


def refuse_unused(
    stores: Sequence[Opened], rename: Mapping[str, str] | None, units: Mapping[str, str] | None
) -> None:
    """Refuses names to change, or units, that no store has a use for."""
    raws = [raw for one in stores for raw in one.raw.values()]
    for old, new in (rename or {}).items():
        if not any(new in raw.variables or new in raw.dims for raw in raws):
            raise ValueError(
                f"data.rename: {old} is in none of {told([one.entry for one in stores])}; correct "
                "it, or leave it out"
            )
    shared = [one.standard for one in stores if "units" not in one.entry.own]
    if shared:
        require_known(units, {name for standard in shared for name in _names(standard)})


def _names(standard: Mapping[str, xr.Dataset]) -> set[str]:
    return {str(name) for part in standard.values() for name in part.variables}
