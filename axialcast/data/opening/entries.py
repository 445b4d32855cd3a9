"""The stores that an analysis is joined of, each with how it is read, and which gives what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import xarray as xr

from axialcast.data.arrays.zarrs import MissingChunks
from axialcast.data.opening.selection import chosen_variables
from axialcast.disclosure import concealed, shown
from axialcast.names import canonical

__all__ = ["Entry", "Stores", "entries_of", "given_by", "told", "without_secrets"]

Stores = Any
"""A path, URL, pattern, zarr Store or Dataset; or a sequence of such, and of mappings that say of
one of them what `Entry` holds."""


@dataclass(frozen=True)
class Entry:
    """A store and how it is read.

    Args:
        store: path, URL, pattern, zarr Store or Dataset.
        variables: that it gives, by any of their names; None: what is wanted and it alone holds.
        rename, units, member, round_times_seconds, grid_mapping, missing_chunks,
            storage_options: as of
            `open_analysis`.
        own: which of these are said of this store, not of all.
        number: of the entry among several; None: it is the only one.
    """

    store: Any
    variables: Sequence[str] | None = None
    rename: Mapping[str, str] | None = None
    units: Mapping[str, str] | None = None
    member: int | str | None = None
    round_times_seconds: int | None = None
    grid_mapping: str | None = None
    missing_chunks: MissingChunks = "refuse"
    storage_options: Mapping[str, Any] | None = field(default=None, repr=False)
    own: frozenset[str] = frozenset()
    number: int | None = None

    @property
    def is_alone(self) -> bool:
        """Whether it is the only store, and gives all."""
        return self.number is None

    @property
    def name(self) -> str:
        """What errors call it, without secrets."""
        if isinstance(self.store, xr.Dataset):
            return "analysis" if self.is_alone else f"data.store.{self.number}"
        return shown(str(self.store))

    def asked(self, variables: Sequence[str] | None) -> Sequence[str] | None:
        """Which of these variables are asked of it; None: whatever it holds."""
        if self.variables is None or variables is None:
            return variables if self.variables is None else self.variables
        wanted = {*variables, *map(canonical, variables)}
        return [name for name in self.variables if name in wanted or canonical(name) in wanted]


def entries_of(stores: Stores, **shared: Any) -> list[Entry]:
    """Every store, with what is said of it, or else of all.

    Args:
        stores: one, or several.
        shared: values of `Entry` that hold where an entry does not say another.

    Raises:
        ValueError: an entry has an unknown key, or no store.
    """
    if not _are_several(stores):
        return [Entry(stores, own=frozenset(shared), **shared)]
    found = []
    for number, entry in enumerate(stores):
        if not isinstance(entry, Mapping) or isinstance(entry, xr.Dataset):
            found.append(Entry(entry, number=number, **shared))
            continue
        known = [of.name for of in fields(Entry) if of.name not in ("own", "number")]
        if unknown := sorted(set(entry) - set(known)):
            raise ValueError(
                f"data.store.{number}: unknown key {unknown[0]}; expected {', '.join(known)}"
            )
        if entry.get("store") is None:
            raise ValueError(f"data.store.{number}: names no store; say which under store:")
        said = {key: value for key, value in entry.items() if value is not None}
        found.append(Entry(**{**shared, **said}, own=frozenset(said), number=number))
    if len(found) == 1 and found[0].variables is None:
        return [replace(found[0], own=found[0].own | frozenset(shared), number=None)]
    return found


def without_secrets(stores: Stores, addresses: str | Sequence[str] | None = None) -> Any:
    """Stores as they may be written down.

    Args:
        stores: one, or several with what is said of each, JSON-ready.
        addresses: what is written in the place of each; None: itself, without passwords.
    """
    if not _are_several(stores):
        return shown(str(stores)) if addresses is None else addresses
    found = []
    for number, entry in enumerate(stores):
        said = entry if isinstance(entry, Mapping) else {"store": entry}
        place = shown(str(said["store"])) if addresses is None else addresses[number]
        options = {
            key: concealed(of) for key, of in said.items() if key == "storage_options" and of
        }
        found.append({**said, "store": place, **options} if said is entry else place)
    return found


def told(entries: Sequence[Entry]) -> str:
    """Stores in words: the first, and how many more."""
    first, *others = entries
    return f"{first.name} and {len(others)} more" if others else first.name


def _are_several(stores: Stores) -> bool:
    return isinstance(stores, Sequence) and not isinstance(stores, str | Path)


def given_by(
    entries: Sequence[Entry], held: Sequence[Sequence[str]], wanted: Sequence[str] | None
) -> list[list[str]]:
    """The variables that each store gives.

    What an entry says it gives comes from there alone; the rest from whichever store holds it.

    Args:
        entries: several stores.
        held: the variables on the grid of each.
        wanted: of all of them; None: every one.

    Raises:
        ValueError: none holds one, or two give the same besides others.
    """
    claims = [_claims(entry, wanted, names) for entry, names in zip(entries, held, strict=True)]
    claimed = {name for names in claims for name in names}
    every = list(dict.fromkeys(name for names in held for name in names))
    named = wanted if wanted is None else [n if n in every else canonical(n) for n in wanted]
    found = []
    for entry, names, own in zip(entries, held, claims, strict=True):
        gives = own if entry.variables is not None else [n for n in names if n not in claimed]
        found.append([name for name in gives if named is None or name in named])
    if lacking := sorted(set(named or ()) - {name for names in found for name in names}):
        _refuse_lacking(lacking, entries, held)
    _refuse_shared(entries, found)
    return found


def _claims(entry: Entry, wanted: Sequence[str] | None, held: Sequence[str]) -> list[str]:
    """The variables that it is said to give."""
    if entry.variables is None:
        return []
    try:
        return chosen_variables(entry.asked(wanted) or (), held)
    except ValueError as error:
        raise ValueError(f"{entry.name}: {error}") from None


def _refuse_lacking(
    lacking: Sequence[str], entries: Sequence[Entry], held: Sequence[Sequence[str]]
) -> None:
    have = zip(entries, held, strict=True)
    told = "; ".join(f"{entry.name} has {', '.join(names) or 'none'}" for entry, names in have)
    try:
        chosen_variables(lacking, [name for names in held for name in names])
    except ValueError as error:
        raise ValueError(f"data.store: {str(error).partition('; the store')[0]}; {told}") from None
    raise ValueError(
        f"data.store: none gives {', '.join(lacking)}, though {told}; name it among the variables "
        "of the entry that is to give it"
    )


def _refuse_shared(entries: Sequence[Entry], given: Sequence[Sequence[str]]) -> None:
    """Refuses a variable of two stores, unless all that they give is the same, as files of one."""
    first: dict[str, int] = {}
    for number, names in enumerate(given):
        for name in names:
            before = first.setdefault(name, number)
            beyond = set(given[before]) ^ set(names)
            if not beyond:
                continue
            one, other = entries[before].name, entries[number].name
            lacks = other if beyond & set(given[before]) else one
            raise ValueError(
                f"{one} and {other}: both hold {name}, and {lacks} lacks {min(beyond)}; say which "
                f"gives it, by an entry of data.store such as {{store: {other}, variables: "
                f"[{name}]}}, or give stores of the same variables one after another"
            )
