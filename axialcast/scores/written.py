"""Scores as a NetCDF file that follows the CF conventions."""

import shutil
from pathlib import Path
from typing import Any

import xarray as xr

from axialcast.conventions import described, is_text, no_fill_values
from axialcast.files.atomic import readable_size, writing
from axialcast.names import ON_SCALE
from axialcast.times.cells import CELL_ATTRS

__all__ = ["conforming", "write_scores"]

OF_VALUES = ("standard_name", *CELL_ATTRS)
"""Attributes of values that a score of them has not: it is no such quantity of no such interval,"""
ENCODED = "quantization"
"""and has not their errors, nor bits, whose names begin so."""
DIFFERENCE = {"units_metadata": "temperature: difference"}


def conforming(scores: xr.Dataset) -> xr.Dataset:
    """The scores with attributes that CF wants.

    A score of a temperature is none: it has its units, but not its standard name, and is no point
    on a scale. Bounds of lead times are those of values, too.
    """
    found = scores.assign_attrs(described("axialcast scores", "verify") | scores.attrs)
    for name, array in found.data_vars.items():
        kept = {
            key: value
            for key, value in array.attrs.items()
            if key not in OF_VALUES and not key.startswith(ENCODED)
        }
        is_temperature = ON_SCALE.items() <= kept.items()
        found[name].attrs = kept | (DIFFERENCE if is_temperature else {})
        found[name].attrs.setdefault("long_name", str(name).replace("_", " "))
    for name, array in found.coords.items():
        if array.attrs.get("bounds", name) not in found.variables:
            del array.attrs["bounds"]
        array.attrs.setdefault("long_name", str(name).replace("_", " "))
    return found


def write_scores(path: Path, scores: xr.Dataset) -> None:
    """Writes the scores, as a whole or not at all.

    Names of models, metrics and regions are rows of characters: CF knows no coordinate variable
    that is a string, and labels of its section 6.1 are such rows.

    Raises:
        OSError: they cannot be written.
    """
    scores = conforming(scores)
    texts: dict[Any, Any] = {
        name: {"dtype": "S1"} for name, array in scores.coords.items() if is_text(array)
    }
    with writing(path) as partial:
        try:
            scores.to_netcdf(partial, encoding=no_fill_values(scores) | texts)
        except RuntimeError as error:  # all that the NetCDF library says of a full disk
            free = readable_size(shutil.disk_usage(path.parent).free)
            raise OSError(
                f"{path}: cannot be written ({error}), with {free} free; make room and run again"
            ) from error
