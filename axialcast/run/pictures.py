"""From a store on disk to a picture in a file, for `axialcast plot`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from axialcast.files.atomic import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["opened", "saved", "target_of"]

SCORES = "axialcast scores"
"""Begins the title of what `verify` writes."""
STILLS, FILMS = (".png", ".svg", ".pdf"), (".gif", ".html", ".mp4", ".webm")


def target_of(out: Path | None, kind: str) -> Path:
    """Where a picture goes; its ending is checked before anything is drawn."""
    endings = FILMS if kind == "animation" else STILLS
    target = out or Path(f"{kind}{endings[0]}")
    if target.suffix.lower() not in endings:
        raise ValueError(
            f"--out {target}: {kind} is written as {', '.join(endings)}, got {target.suffix!r}"
        )
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"--out {target}: no folder {target.parent}; make it first")
    return target


@contextmanager
def opened(store: str) -> Iterator[xr.Dataset]:
    """A forecast in Zarr or NetCDF, or else an analysis; of a run's folder its forecast."""
    path = Path(store)
    if (path / "forecast.zarr").is_dir():
        path = path / "forecast.zarr"
    if not path.exists():
        raise FileNotFoundError(
            f"{store}: not there; name a forecast, an analysis, or a folder that a run wrote"
        )
    try:
        there = xr.open_dataset(path, engine="netcdf4" if path.is_file() else "zarr", chunks={})
    except (OSError, ValueError):  # of another format; if of none, open_analysis says what is wrong
        there = xr.Dataset()
    with there:
        if str(there.attrs.get("title", "")).startswith(SCORES):
            raise ValueError(f"{store}: holds scores, not fields; the report shows them")
        if not {"init_time", "prediction_timedelta"}.isdisjoint(map(str, there.dims)):
            yield there
            return
    from axialcast.data import open_analysis

    yield open_analysis(path)


def saved(figure: "Figure", target: Path) -> None:
    """Writes a figure; the file is there whole or not at all."""
    with writing(target) as path:
        figure.savefig(path, dpi=150, format=target.suffix.lower().lstrip("."))
