"""Shards of a training store in the making: each written by itself, in any order and process."""

import functools
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.data.moments import Moments
from axialcast.data.normalize import cell_weights
from axialcast.data.opening.kinds.stacked import Layout, open_states, shard_path
from axialcast.data.preparing.conversion import MOST_BYTES
from axialcast.data.preparing.prepared import damage
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.reader import Analysis
from axialcast.files import inventory
from axialcast.files.atomic import room_error, sync, write_json
from axialcast.times.steps import step_of_numbers

__all__ = ["UNFINISHED", "place_of", "shards_together", "write_shards"]

UNFINISHED = ".unfinished"

_OPENING = threading.Lock()


def shards_together(analysis: Analysis) -> int:
    """Consecutive shards that are read together: of long chunks, as many as may be read at once."""
    num_channels, height, width = analysis.shape
    length = Layout.of(num_channels, height * width).shard[0]
    return max(1, min(analysis.chunk, MOST_BYTES // analysis.state_bytes) // length)


def write_shards(work: str, numbers: Sequence[int], recipe: Recipe | None = None) -> list[int]:
    """Writes consecutive shards and their records, with checksums and moments; their numbers.

    Their states are read together, so that chunks that are longer than a shard are decoded once.

    Args:
        work: the folder of an unfinished Preparation.
        numbers: of the shards along time.
        recipe: what to make; None: what its plan says, which holds no secrets.
    """
    folder = Path(work)
    text = (folder / "plan.json").read_text("utf-8")
    plan = json.loads(text)
    with _OPENING:  # else every thread would open it at the start
        analysis = _analysis(text, json.dumps(asdict(recipe) if recipe else plan["recipe"]))
    length, step = plan["shard_times"], plan["step"]
    # The states before begin the first increments.
    first = max(numbers[0] * length - step, 0)
    values = analysis.read(slice(first, min((numbers[-1] + 1) * length, len(analysis))))
    for number in numbers:
        low = max(number * length - step, first)
        part = values[low - first : (number + 1) * length - first]
        _write_shard(folder, plan, number, analysis.part(slice(low, low + len(part))), part)
    return list(numbers)


def _write_shard(
    work: Path,
    plan: Mapping[str, Any],
    number: int,
    analysis: Analysis,
    values: NDArray[np.float32],
) -> None:
    """Writes a shard and its record.

    Args:
        analysis: at the times of `values`: those of the shard, and the step before.
    """
    channels, times = Channels.from_list(plan["channels"]), analysis.times
    start = number * plan["shard_times"]
    stop = min(start + plan["shard_times"], plan["source"]["num_times"])
    first = stop - len(values)
    file = _write_states(work, plan, number, values[start - first :])
    # Statistics see the training period only, increments into it included.
    begin, end = plan["train_index"]
    new, low, high = max(start, begin), max(first, begin), min(stop, end)
    moments = Moments.none(len(channels))
    is_exact = "span_seconds" in plan
    span = np.timedelta64(plan["span_seconds"], "s") if is_exact else step_of_numbers(plan)
    if new < high:
        moments = Moments.of(
            values[low - first : high - first],
            times[low - first : high - first],
            span=span,
            weights=cell_weights(analysis.dataset, area_weighted=plan["recipe"]["area_weighted"]),
            first=new - low,
        )
    size, checksum = inventory.entry(place_of(work) / file)
    record = {
        "number": number,
        "file": file,
        "times": [str(time)[:19] for time in times[[start - first, -1]]],
        "bytes": size,
        "sha256": checksum,
        "missing": np.isnan(values[start - first :]).sum((0, 2, 3)).tolist(),
        "moments": moments.to_dict(),
    }
    write_json(work / "shards" / f"{number}.json", record)


def _write_states(
    work: Path, plan: Mapping[str, Any], number: int, values: NDArray[np.float32]
) -> str:
    """Writes the states of a shard unless it is whole; its file, relative to the store."""
    states = open_states(place_of(work))
    file = shard_path(states, number)
    path, record = place_of(work) / file, work / "shards" / f"{number}.json"
    if record.exists() and not damage(place_of(work), json.loads(record.read_text("utf-8"))):
        return file
    # Zarr would read a shard that is there, torn or broken, to fill it up.
    for torn in (path, *path.parent.glob("*.partial")):
        torn.unlink(missing_ok=True)
    start = number * plan["shard_times"]
    try:
        states[start : start + len(values)] = values
        for part in (path, *list(path.parents)[:4]):
            sync(part)
    except OSError as error:
        num_shards = -(-plan["source"]["num_times"] // plan["shard_times"])
        left = num_shards - len(list(record.parent.glob("[!.]*.json")))
        raise room_error(path, error, left * values.nbytes) from error
    return file


def place_of(work: Path) -> Path:
    """Where the store is that a folder belongs to: in it, or in its final place to be mended."""
    fresh = work / "store"
    return fresh if fresh.exists() else work.with_name(work.name.removesuffix(UNFINISHED))


@functools.lru_cache(maxsize=1)
def _analysis(plan: str, recipe: str) -> Analysis:
    """The analysis of a plan and a recipe, JSON, opened once in every process."""
    opened = Recipe(**json.loads(recipe))
    return Analysis(opened.convert(opened.open()))
