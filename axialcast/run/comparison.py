"""Runs that are compared, opened."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from axialcast.disclosure import shown
from axialcast.scores.by_init import statistics_of
from axialcast.scores.shared_pairs import FORECAST

__all__ = ["BY_INIT", "open_runs"]

BY_INIT = "scores_by_init.nc"


def open_runs(folders: Sequence[str]) -> dict[str, xr.Dataset]:
    """What each pair of each run says, by as short a name as tells the runs apart.

    Raises:
        ValueError: a run is named twice, has not been verified, or not so that each initial time's
            scores were kept.
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
        found[name] = _opened(path)
    return found


def _opened(run: Path) -> xr.Dataset:
    """What each pair of a run says.

    Raises:
        ValueError: it does not say.
    """
    file = run / BY_INIT
    if not run.is_dir():
        raise ValueError(f"{shown(str(run))}: no such run; name its output folder")
    if not file.is_file():
        config, output = shown(str(run / "config.yaml")), shown(str(run))
        again = f"`axialcast run {config} output={output} pipeline=[verify]`"
        if (run / "scores.nc").is_file():
            raise ValueError(
                f"{shown(str(run))}: was verified by a version that kept scores of all forecasts "
                f"alone, of which nothing can be compared on the same ones; {again} adds {BY_INIT}"
            )
        if not (run / "config.yaml").is_file():
            raise ValueError(f"{shown(str(run))}: no run wrote this folder; name an output folder")
        raise ValueError(
            f"{shown(str(run))}: has no scores of each initial time, {BY_INIT}; verify it: {again}"
        )
    try:
        with xr.open_dataset(file, engine="netcdf4", decode_timedelta=True) as dataset:
            found = dataset.load()
        is_ours = bool(statistics_of(found)) and FORECAST in found["model"].values
    except (OSError, ValueError, KeyError):
        is_ours = False
    if not is_ours:
        raise ValueError(
            f"{shown(str(file))}: damaged, or not what verify wrote; remove it and run the "
            "pipeline `verify` again"
        )
    return found
