"""What a checkpoint or a store holds, in words."""

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from axialcast.data.channels import Channels
from axialcast.disclosure import shown
from axialcast.files import inventory
from axialcast.files.atomic import readable_size
from axialcast.forecast import Checkpoint, ForecastStore, load_checkpoint
from axialcast.forecast.ancestry import ancestors
from axialcast.forecast.base import base_in_words
from axialcast.forecast.checkpoint import DESCRIPTION
from axialcast.forecast.own import COPY
from axialcast.model.hearing import hearing
from axialcast.names import (
    FORCING,
    GRID_MAPPING,
    INIT_TIME,
    LATITUDE,
    LEAD_TIME,
    LONGITUDE,
    PROGNOSTIC,
    ROLES,
    TIME,
    X,
    Y,
)
from axialcast.run.provenance import PREFIX, in_words
from axialcast.run.stamps import damage, damaged_stamps, stamped
from axialcast.times.calendars import time_text
from axialcast.times.decoding import is_dated
from axialcast.times.leads import MONTHS
from axialcast.times.steps import step_of_numbers, step_text

__all__ = ["describe", "verify"]

GROUP = ("zarr.json", ".zgroup", ".zmetadata")
"""Files of which a Zarr store has one."""

MOST_FEATURES = 2**25
"""Of all cells: what a few steps on one processor take a minute for, about."""
_URL = re.compile(r"[a-z][a-z0-9+]*:/")


def describe(path: str | Path) -> list[str]:
    """Lines about a checkpoint folder, or a forecast, analysis or score file that xarray opens.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: it is neither a checkpoint nor a store.
    """
    path = Path(path)
    _require(path)
    if (path / DESCRIPTION).is_file():
        return _describe_checkpoint(path)
    if (path / "checkpoint" / DESCRIPTION).is_file():
        return _describe_checkpoint(path / "checkpoint")
    return _describe_store(path)


def verify(path: str | Path) -> tuple[list[inventory.Damage], str]:
    """Each damaged or missing part of what axialcast made, every byte compared; what was looked at.

    Args:
        path: a run's folder; or a forecast, an analysis, a training store, a checkpoint, a saved
            state or a folder of such; or a file that a run made.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: there are no checksums to compare with.
    """
    path = Path(path)
    _require(path)
    folders = {found.parent for found in path.rglob(inventory.FOLDER)} if path.is_dir() else set()
    run = path if path.is_dir() else path.parent
    found = {part.path: part for part in damaged_stamps(run)}
    looked_at: dict[Path, int] = {}
    for stage, stamp in stamped(run).items():
        for part in damage(run, stage, read_all=True):
            found[part.path] = part
        for key, content in stamp["outputs"].items():
            if isinstance(content, dict):
                folder = run / key if (run / key).is_dir() else run
                looked_at |= {folder / name: size for name, (size, _) in content.items()}
    for folder in sorted(folders):
        for part in inventory.problems(folder, read_all=True):
            found[part.path] = part
        with suppress(ValueError):
            looked_at |= {folder / name: n for name, (n, _) in inventory.read(folder).items()}
    if not path.is_dir():
        looked_at = {file: size for file, size in looked_at.items() if file == path}
        found = {file: part for file, part in found.items() if file == path}
    if not looked_at and not found:
        raise ValueError(
            f"{path}: has no checksums to compare with, as what this axialcast made has"
        )
    size = readable_size(sum(looked_at.values()))
    return list(found.values()), f"{len(looked_at):,} files of {size}"


def _require(path: Path) -> None:
    if _URL.match(str(path)):
        raise ValueError(
            f"{path}: inspect reads files of this machine; for what lies elsewhere, name it in a "
            "config's data.store and run axialcast check"
        )
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")


def _describe_checkpoint(path: Path) -> list[str]:
    checkpoint = load_checkpoint(path)
    listed = ("forcings", "boundary", "departures", "floor", "sha256")
    network = {name: value for name, value in checkpoint.network.items() if name not in listed}
    lines = [
        f"checkpoint {path}",
        *_roles(checkpoint),
        *_logarithms(checkpoint),
        *_boundary(checkpoint),
        *_departures(checkpoint),
        *_heard(checkpoint),
        f"grid: {checkpoint.grid}",
        f"step: {step_text(checkpoint.step)}",
        f"parameters: {_num_parameters(checkpoint)}",
        *([f"members: {num}"] if (num := len(checkpoint.members)) > 1 else []),
        f"network: {_pairs(network)}",
        *([f"base: {base}"] if (base := base_in_words(checkpoint)) else []),
        *_file(checkpoint),
    ]
    # Version 0.1.0 kept addresses with their passwords.
    told = {k: v for k, v in checkpoint.provenance.items() if k != "start_from"}
    if isinstance(kept := told.get("weights"), list):
        del told["weights"]
        lines += [f"weights of member {number}: {text}" for number, text in enumerate(kept)]
    lines += [f"{key}: {shown(_words(value))}" for key, value in told.items()]
    lines += [f"start_from: {line}" for line in ancestors(checkpoint.provenance)]
    return lines + _skill(path.parent / "scores.csv")


def _is_own(checkpoint: Checkpoint) -> bool:
    """Whether a user's file builds the network, which is not run to look at it."""
    return bool(checkpoint.network.get("kind") == "file")


def _num_parameters(checkpoint: Checkpoint) -> str:
    if _is_own(checkpoint):
        named = checkpoint.weights.items()
        return f"about {sum(t.numel() for name, t in named if name.startswith('body.')):,}"
    return f"{sum(p.numel() for p in checkpoint.build().parameters()):,}"


def _file(checkpoint: Checkpoint) -> Iterator[str]:
    """What builds the network, where that is a user's file."""
    if _is_own(checkpoint):
        yield (
            f"built by: a file of SHA-256 {checkpoint.network['sha256']}, whose copy is {COPY}; it "
            "was not run"
        )


def _roles(checkpoint: Checkpoint) -> Iterator[str]:
    """What is given, what is forecast, and what is both."""

    def named(channels: Channels) -> list[str]:
        return [f"{c} ({c.units}{f', {c.cell.told}' if c.cell else ''})" for c in channels]

    told = {role: named(checkpoint.channels.having(role)) for role in ROLES}
    told[FORCING] += checkpoint.network.get("forcings", [])
    for label, names in (*told.items(), ("static", named(checkpoint.static))):
        if names:
            yield f"{label}: {', '.join(names)}"
    if checkpoint.bounds is not None:
        pairs = zip(checkpoint.channels.forecast, checkpoint.bounds.tolist(), strict=True)
        held = [f"{channel} {low:g} to {high:g}" for channel, (low, high) in pairs]
        yield f"bounds: {', '.join(one for one in held if not one.endswith('-inf to inf'))}"


def _logarithms(checkpoint: Checkpoint) -> Iterator[str]:
    """What channels become before they are normalised, where that is something else."""
    pairs = zip(checkpoint.channels, checkpoint.statistics.log1p.tolist(), strict=True)
    if told := [f"{name} log(1 + x / {scale:g} {name.units})" for name, scale in pairs if scale]:
        yield f"transforms: {', '.join(told)}"


def _boundary(checkpoint: Checkpoint) -> Iterator[str]:
    """The frame of a region in which forecasts need a boundary."""
    if frame := checkpoint.network.get("boundary"):
        yield f"boundary: {frame['width']}-point frame ({frame['relaxation']})"


def _departures(checkpoint: Checkpoint) -> Iterator[str]:
    """What states are given as departures from, if they are."""
    match checkpoint.network.get("departures", False):
        case True:
            yield "departures: from the means of the calendar months"
        case {"hours": hours, "harmonics": number}:
            at = ", ".join(f"{hour:g}" for hour in hours)
            yield f"departures: from the mean and {number} harmonics of the year at {at} h UTC"


def _heard(checkpoint: Checkpoint) -> Iterator[str]:
    """What of the fields that a network is told moves its forecasts, if there are any."""
    if _is_own(checkpoint):
        return
    network = checkpoint.build()
    channels = checkpoint.channels
    names = [*map(str, checkpoint.static), *map(str, channels.having(FORCING)), *network.forcings]
    if network.frame is not None:
        names += [f"boundary of {channel}" for channel in channels.having(PROGNOSTIC)]
    names += [f"noise {number}" for number in range(network.num_noise)]
    if not names:
        return
    if math.prod(checkpoint.grid.shape) * checkpoint.network.get("dim", 128) > MOST_FEATURES:
        yield f"listens: not tried on so large a grid, to {', '.join(names)}"
        return
    moves = zip(names, hearing(network, step=checkpoint.step), strict=True)
    told = ", ".join(f"{name} {share:.2g}" for name, share in moves)
    yield f"listens: {told} (for one deviation more, a forecast changes by so many of a step's)"


def _skill(scores: Path) -> list[str]:
    """RMSE of the forecast beside persistence's, if the run was verified."""
    if not scores.is_file():
        return ["skill: not verified yet"]
    try:
        return list(_skills(pd.read_csv(scores)))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{scores}: not a table of scores ({reason}); remove it and run the pipeline verify"
        ) from None


def _skills(table: pd.DataFrame) -> Iterator[str]:
    """RMSE of each channel at a few lead times; raises as pandas where it is no such table."""
    of_all = table.get("cases", "all") == "all"  # not of seasons or hours alone
    table = table[(table.metric == "rmse") & (table.region == "all") & of_all]
    unit = "step_months" if "lead_time_months" in table else "step_hours"
    index = unit.replace("step", LEAD_TIME)
    table["channel"] = table.variable + table.level.map(
        lambda level: "" if pd.isna(level) else f" {level:g} hPa"
    )
    for channel, rows in table.groupby("channel", sort=False):
        rmse = rows.pivot(index=index, columns="model", values="value")
        picked = rmse.iloc[np.unique(np.linspace(0, len(rmse) - 1, 4).round().astype(int))]
        skill = (
            f"{step_text(step_of_numbers({unit: lead}))} {row.forecast:.4g}"
            + (f" (persistence {row.persistence:.4g})" if "persistence" in picked else "")
            for lead, row in picked.iterrows()
        )
        yield f"RMSE of {channel}: {', '.join(skill)}"


def _describe_store(path: Path) -> list[str]:
    with _open(path) as dataset:
        try:
            return _described(path, dataset)
        except (OSError, ValueError):
            raise
        except Exception as error:  # of codecs
            raise ValueError(f"{path}: damaged ({type(error).__name__}: {error})") from None


def _described(path: Path, dataset: xr.Dataset) -> list[str]:
    if not dataset.variables:
        raise ValueError(f"{path}: holds no variable")
    lines = [f"{_kind(dataset)} {path}", f"dimensions: {_pairs(dataset.sizes)}"]
    for name in (TIME, INIT_TIME, LEAD_TIME, "level", LATITUDE, LONGITUDE, Y, X):
        if name in dataset.coords and dataset[name].ndim == 1 and dataset[name].size:
            lines.append(f"{name}: {_range(dataset[name])}")
    for variable, array in dataset.data_vars.items():
        if variable == GRID_MAPPING:
            lines.append(f"projection: {array.attrs.get('grid_mapping_name', 'see crs_wkt')}")
            continue
        units = f" ({array.attrs['units']})" if "units" in array.attrs else ""
        lines.append(f"variable {variable}{units}: {', '.join(map(str, array.dims))}")
    lines += _complete(path)
    lines.append(f"size: {dataset.nbytes / 1e6:.3g} MB decoded")
    others = {k: v for k, v in dataset.attrs.items() if not str(k).startswith(PREFIX)}
    lines += [f"{key}: {value}" for key, value in others.items()]
    return [*lines, *in_words(dataset.attrs)]


def _complete(path: Path) -> list[str]:
    """How many initial times of a forecast store are complete."""
    if ForecastStore.owner(path) is None:
        return []
    store = ForecastStore(path)
    complete, planned = len(store.complete()), store.num_init_times
    absent = f", {planned - complete:,} absent (NaN)" if complete < planned else ""
    return [f"complete: {complete:,} of {planned:,} initial times{absent}"]


def _open(path: Path) -> xr.Dataset:
    if (path / "config.yaml").is_file():
        raise ValueError(f"{path}: a run without a checkpoint so far; see axialcast status {path}")
    try:
        engine = "zarr" if path.is_dir() else "netcdf4"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Failed to open Zarr store with consolidated")
            return xr.open_dataset(path, engine=engine, chunks={})
    except Exception as error:  # zarr, its codecs and xarray raise all kinds for what is damaged
        is_group = not path.is_dir() or any((path / file).exists() for file in GROUP)
        said = getattr(error, "strerror", None) or " ".join(str(error).split())
        why = f" ({said})" if is_group else ""
        raise ValueError(
            f"{path}: neither a checkpoint, a Zarr store nor a NetCDF file that can be read{why}"
        ) from None


def _kind(dataset: xr.Dataset) -> str:
    if INIT_TIME in dataset.dims:
        return "forecast"
    return "analysis" if TIME in dataset.dims else "store"


def _range(coordinate: xr.DataArray) -> str:
    values = coordinate.values
    if coordinate.attrs.get("units") == MONTHS and values.dtype.kind in "iu":
        values = values.astype("timedelta64[M]")
    if is_dated(coordinate):
        ends = [time_text(date) for date in values[[0, -1]]]
    elif np.issubdtype(values.dtype, np.timedelta64):
        ends = [step_text(lead) for lead in values[[0, -1]]]
    else:
        ends = [f"{number:g}" for number in values[[0, -1]]]
    return f"{ends[0]} to {ends[1]}, {len(values):,} values" if len(values) > 1 else ends[0]


def _pairs(values: Mapping[Any, Any]) -> str:
    return ", ".join(f"{key} {_words(value)}" for key, value in values.items())


def _words(value: object) -> str:
    if isinstance(value, list | tuple):
        if any(" " in str(each) for each in value):  # sentences, of members
            return " | ".join(map(str, value))
        return " to ".join(map(str, value)) if len(value) == 2 else str(list(value))
    return f"{value:g}" if isinstance(value, float) and not math.isnan(value) else str(value)
