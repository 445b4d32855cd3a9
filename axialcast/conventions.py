"""What a file of ours says of itself, after the CF conventions.

Nothing here depends on when or where a file was written: equal files are equal to the byte. So a
line of `history` names the program and what it did, and has no date.
"""

from collections.abc import Hashable
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from axialcast.names import CONVENTIONS, GRID_MAPPING

__all__ = ["described", "history", "is_text", "no_fill_values"]


def described(title: str, done: str) -> dict[str, str]:
    """Attributes of a dataset.

    Args:
        title: begins with axialcast, see `axialcast.files.clearing`.
        done: what was done to make it.
    """
    return {"Conventions": CONVENTIONS, "title": title, "history": history(done)}


def history(done: str, before: str = "") -> str:
    """The attribute `history`: a line for each program, the last one last.

    Args:
        done: what this one did.
        before: what an input says.
    """
    return "\n".join([*before.splitlines(), f"axialcast {version('axialcast')}: {done}"])


def no_fill_values(dataset: xr.Dataset) -> dict[Hashable, dict[str, Any]]:
    """Encoding of the coordinates that are numbers: CF allows none of them a fill value, and
    xarray gives every float one unless told."""
    return {
        name: {"_FillValue": None}
        for name, array in dataset.coords.items()
        if name != GRID_MAPPING and not is_text(array)
    }


def is_text(array: xr.DataArray) -> bool:
    """Whether a coordinate is made of words."""
    return array.dtype.kind in "SU" or (
        array.dtype == object and array.size > 0 and isinstance(np.ravel(array.values)[0], str)
    )
