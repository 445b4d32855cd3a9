"""What several files say of the same variable, in their own words: contradictions are refused.

Names, units, levels and packing may differ from file to file; what a number is may not: a mean in
one file and a maximum in the next, one member and another, 2 m and 10 m above ground.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from axialcast.names import (
    COORDINATE_ALIASES,
    INIT_TIME,
    LATITUDE,
    LEVEL,
    LONGITUDE,
    NUMBER,
    TIME,
    canonical,
)
from axialcast.times.cells import methods_of

__all__ = ["refuse_contradictions"]

STANDARDISED = {
    name
    for want in (TIME, INIT_TIME, LATITUDE, LONGITUDE, LEVEL)
    for name in (want, *COORDINATE_ALIASES[want])
}
"""Coordinates that are made alike before files are joined."""
OF_MEMBER = ("variant_label", "realization_index", "source_id", NUMBER, *COORDINATE_ALIASES[NUMBER])
"""Attributes and scalar coordinates that say which model and member a file is of."""
OF_INTERVAL = ("GRIB_stepType", "GRIB_lengthOfTimeRange")
"""Attributes that say over which interval a variable is an amount or a mean."""
UNSTATED = ("", "unknown", "unspecified", "-")
"""What stands in the place of a word that nobody filled in."""


def refuse_contradictions(files: Mapping[str, xr.Dataset]) -> None:
    """Refuses files that cannot be parts of one series.

    Args:
        files: as their backends open them, by name.

    Raises:
        ValueError: names two files, what differs, and what to do.
    """
    known: dict[Any, tuple[str, Any]] = {}
    for file, raw in files.items():
        for what, said in _statements(raw):
            before, other = known.setdefault(what, (file, said))
            if not _agree(said, other):
                kind = "member" if what[0] in OF_MEMBER else "kind"
                raise ValueError(
                    f"{before} and {file}: differ in {' of '.join(map(str, reversed(what[:2])))}: "
                    f"{other} and {said}; give files of one {kind} in data.store"
                )


def _statements(raw: xr.Dataset) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """What a file says, each with what it says it of."""
    scalars = {
        name: coord.values.item()
        for name, coord in raw.coords.items()
        if coord.ndim == 0 and coord.dtype.kind in "fiu" and name not in STANDARDISED
    }
    for word in OF_MEMBER:
        if word in raw.attrs or word in scalars:
            yield (word,), scalars.get(word, raw.attrs.get(word))
    for name, variable in raw.variables.items():
        if variable.ndim < 2 or name in raw.coords:
            continue
        label = canonical(str(name))
        for coord, value in scalars.items():
            yield (label, coord), value
        standard = variable.attrs.get("standard_name")
        if isinstance(standard, str) and standard not in UNSTATED:
            yield (label, "standard_name"), standard
        for word in OF_INTERVAL:
            if word in variable.attrs:
                yield (label, word), variable.attrs[word]
        for dim, method in methods_of(str(variable.attrs.get("cell_methods", ""))).items():
            yield (label, "cell_methods", dim), f"{dim}: {method}"


def _agree(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return bool(np.isclose(one, other, equal_nan=True))
    return bool(np.array_equal(one, other))
