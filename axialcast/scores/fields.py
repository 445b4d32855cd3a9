"""The fields of a report: a variable, at a level where it has any."""

from collections.abc import Sequence
from dataclasses import dataclass

import xarray as xr

from axialcast.names import LEVEL
from axialcast.report.wording import pretty_units

__all__ = ["Field", "fields_of", "headline"]

MAX_FIELDS = 6
"""Fields with curves and tables of their own; the scorecard shows the rest."""

PREFERRED_LEVEL = 500.0
"""Where the weather's steering flow is judged (hPa)."""


@dataclass(frozen=True)
class Field:
    """A variable, at a level where it has any."""

    variable: str
    level: float | None

    def of(self, dataset: xr.Dataset) -> xr.DataArray:
        array = dataset[self.variable]
        return array if self.level is None else array.sel({LEVEL: self.level})

    def name(self, dataset: xr.Dataset, *, inside: bool = False) -> str:
        """What it is called, as a heading or `inside` a sentence."""
        name = str(dataset[self.variable].attrs.get("long_name", self.variable.replace("_", " ")))
        name = name if inside else name[:1].upper() + name[1:]
        if self.level is None:
            return name
        return f"{name} at {self.level:g} hPa" if inside else f"{name}, {self.level:g} hPa"

    def units(self, dataset: xr.Dataset) -> str:
        return pretty_units(str(dataset[self.variable].attrs.get("units", "1")))


def fields_of(dataset: xr.Dataset) -> list[Field]:
    """Every variable at every level, in order."""
    return [
        Field(str(name), level)
        for name, array in dataset.data_vars.items()
        for level in (array[LEVEL].values.tolist() if LEVEL in array.dims else [None])
    ]


def headline(fields: Sequence[Field]) -> list[Field]:
    """One field of each variable, the one nearest 500 hPa; geopotential first if there is any."""
    best: dict[str, Field] = {}
    for field in fields:
        old = best.get(field.variable)
        if old is None or abs((field.level or 0) - PREFERRED_LEVEL) < abs(
            (old.level or 0) - PREFERRED_LEVEL
        ):
            best[field.variable] = field
    return sorted(best.values(), key=lambda field: field.variable != "geopotential")[:MAX_FIELDS]
