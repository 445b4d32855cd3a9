"""Runs that are compared, opened."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from axialcast.disclosure import shown

__all__ = ["BY_INIT", "open_runs"]

BY_INIT = "scores_by_init.nc"


def open_runs(folders: Sequence[str]) -> dict[str, xr.Dataset]:
    """What each pair of each run says, by as short a name as tells the runs apart.

    Raises:
        ValueError: a run is named twice, or has not been verified.
    """
    paths = [Path(folder) for folder in folders]
    resolved = [path.resolve() for path in paths]
    for path in paths:
        if resolved.count(path.resolve()) > 1:
            raise ValueError(f"{shown(str(path))}: named twice; name each run once")
    names = [path.name for path in resolved]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    found = {}
    for name, path in zip(names, paths, strict=True):
        file = path / BY_INIT
        if not file.is_file():
            said = "no such run" if not path.is_dir() else "has no scores of each initial time"
            raise ValueError(
                f"{shown(str(path))}: {said}, {BY_INIT}; run its pipeline `verify` first"
            )
        with xr.open_dataset(file, decode_timedelta=True) as dataset:
            found[name] = dataset.load()
    return found
