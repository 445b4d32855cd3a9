"""Attributes that name other variables (CF 1.11, appendix A), without those that are gone."""

import re
from typing import Any

import xarray as xr

from axialcast.names import GRID_MAPPING

__all__ = ["without_dangling"]

NAMES = ("bounds", "climatology")
LISTS = ("ancillary_variables", "coordinates")
TERMS = re.compile(r"(\S+:)\s+(\S+)")
"""Of `cell_measures`, such as "area: areacella", and `formula_terms`."""


def without_dangling(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset, no attribute of which names a variable that is not there.

    Bounds, areas and flags beside fields are no part of an analysis: what is told of intervals is
    kept by `axialcast.times.cells`, and the grid knows its cells. A grid mapping by another name
    is the one that there is.
    """
    known = {str(name) for name in dataset.variables}
    found = dataset.copy()
    for variable in found.variables.values():
        attrs = dict(variable.attrs)
        for name in (name for name in (*NAMES, *LISTS) if name in attrs):
            _set(attrs, name, [word for word in str(attrs[name]).split() if word in known])
        if "cell_measures" in attrs:
            terms = TERMS.findall(str(attrs["cell_measures"]))
            _set(attrs, "cell_measures", [f"{of} {name}" for of, name in terms if name in known])
        if not {name for _, name in TERMS.findall(str(attrs.get("formula_terms", "")))} <= known:
            del attrs["formula_terms"]  # a formula that lacks a term says nothing
        if "grid_mapping" in attrs and not _mappings(attrs["grid_mapping"]) <= known:
            _set(attrs, "grid_mapping", [name for name in (GRID_MAPPING,) if name in known])
        variable.attrs = attrs
    return found


def _mappings(text: Any) -> set[str]:
    """Variables of "crs" or, with their coordinates, of "crs: x y degrees: latitude longitude"."""
    return {word.rstrip(":") for word in str(text).split()}


def _set(attrs: dict[str, Any], name: str, words: list[str]) -> None:
    """An attribute of these words; none: it is left out."""
    if words:
        attrs[name] = " ".join(words)
    else:
        del attrs[name]
