"""Drawn configs, and stores that they fit: whatever the line may be asked for, in small."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import xarray as xr

HOUR = np.timedelta64(3_600_000_000_000, "ns")
FIRST = np.datetime64("2001-03-01", "ns")

VARIABLES: dict[str, Any] = {
    # foreign names, whether it has levels, (units, factor, offset to canonical), mean and spread
    "geopotential": (("z", "phi"), True, [("m2 s-2", 1, 0), ("m**2 s**-2", 1, 0)], 5e4, 900),
    "temperature": (("t", "ta"), True, [("K", 1, 0), ("degC", 1, 273.15)], 260, 5),
    "mean_sea_level_pressure": (("msl",), False, [("Pa", 1, 0), ("hPa", 100, 0)], 1e5, 800),
    "2m_temperature": (("t2m", "2t"), False, [("K", 1, 0), ("degC", 1, 273.15)], 285, 7),
    "total_precipitation": (("tp",), False, [("m", 1, 0), ("mm", 1e-3, 0)], 0.004, 0.0003),
}
"""Of which stores are drawn."""

PREPARE = [
    None,
    {},
    {"aggregate_hours": 24},
    {"aggregate_hours": 24, "accumulated": ["tp"]},
    {"aggregate_hours": 24, "accumulated": []},
    {"regrid": {"num_latitudes": 4, "num_longitudes": 6, "poles": False}},
]
METRICS = ["rmse", "mae", "bias", "acc"]
BASELINES = ["persistence", "climatology", "damped_persistence", "linear_inverse_model"]


class Dice:
    """Draws, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def of(self, *choices: Any) -> Any:
        """One of them."""
        return choices[self.rng.integers(len(choices))]

    def some(self, choices: Sequence[Any], least: int = 1) -> list[Any]:
        """Some of them, at least so many, in any order."""
        num = self.rng.integers(least, len(choices) + 1)
        return [choices[place] for place in self.rng.permutation(len(choices))[:num]]


@dataclass(frozen=True)
class Drawn:
    """A store and a config for it.

    Args:
        truth: (time, [level], latitude, longitude) what the store holds, in canonical names and
            units, in the store's order of levels and places.
        files: what each of the store's files holds, in foreign names and units.
        sections: the config.
    """

    truth: xr.Dataset
    files: list[xr.Dataset]
    sections: dict[str, Any]


def draw_places(dice: Dice) -> dict[str, Any]:
    """Latitudes either way, with poles or without or of a part; longitudes of any origin."""
    height, width = dice.of(7, 5, 3, 2), dice.of(11, 7, 5, 4)
    edges = np.linspace(90, -90, height + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    latitude = dice.of(np.linspace(90, -90, height), middles, np.linspace(75, 10, height))
    spacing = dice.of(360 / width, 360 / width, 9.0)
    return {
        "latitude": latitude[:: dice.of(1, -1)].copy(),
        "longitude": np.arange(width) * spacing + dice.of(0.0, 0.0, 0.0, -180.0, 5.0),
    }


def draw_store(dice: Dice, num: int, hours: int) -> tuple[xr.Dataset, list[xr.Dataset]]:
    """The truth at so many times, and the files that hold it."""
    names = dice.some(list(VARIABLES))[:3]
    coords = {
        "time": FIRST + np.arange(num) * hours * HOUR,
        "level": np.array(dice.some([850.0, 500.0, 250.0])),
        **draw_places(dice),
    }
    truth, raw = {}, {}
    for name in names:
        aliases, has_levels, units, mean, spread = VARIABLES[name]
        dims = [dim for dim in coords if dim != "level" or has_levels]
        shape = [len(coords[dim]) for dim in dims]
        values = mean + spread * dice.rng.standard_normal(shape).cumsum(0) / 3
        # Here and there, or never in some places.
        lost = dice.of(0.0, 0.0, dice.rng.random(shape) < 0.03, dice.rng.random(shape[-2:]) < 0.2)
        values = np.where(lost, np.nan, values)
        unit, factor, offset = dice.of(*units)
        given = ((values - offset) / factor).astype(np.float32)
        truth[name] = xr.DataArray(
            given.astype(np.float64) * factor + offset, {dim: coords[dim] for dim in dims}, dims
        )
        raw[dice.of(name, *aliases)] = truth[name].copy(data=given).assign_attrs(units=unit)
    gone = dice.of([], [], dice.rng.integers(1, num - 1, dice.of(1, 3)))
    there = np.setdiff1d(np.arange(num), gone)
    whole = xr.Dataset(raw).isel(time=there)
    if "level" in whole:
        whole["level"].attrs["units"] = "hPa"
    in_time = [whole.isel(time=slice(None, 5)), whole.isel(time=slice(5, None))]
    files = dice.of([whole], [whole], in_time, [whole[[name]] for name in whole])
    return xr.Dataset(truth).isel(time=there), files


def draw_region(dice: Dice, truth: xr.Dataset) -> dict[str, list[float]] | None:
    """A box from some of the store's latitudes and longitudes to others, or None."""
    box, first, last = {}, *dice.of((0, -1), (1, -1), (0, -2))
    for dim in ("latitude", "longitude"):
        found = np.sort(truth[dim].values)
        if len(found) < 4:
            return None
        box[dim] = [float(found[first]), float(found[last])]
    return dice.of(None, box)


def draw(seed: int) -> Drawn:
    """A store and a config that mostly fits it."""
    dice = Dice(seed)
    hours = dice.of(6, 12, 24, 24)
    lengths = [370 if hours == 24 and dice.of(True, False) else dice.of(11, 13, 19)]
    lengths += [dice.of(7, 9), dice.of(5, 8)]
    ends = np.cumsum([0, *lengths]) * np.timedelta64(1, "D") + np.datetime64("2001-03-01")
    periods = [[str(a), str(b - 1)] for a, b in pairwise(ends)]
    # Sums of the last day end with the next.
    num = (sum(lengths) + 1) * 24 // hours
    truth, files = draw_store(dice, num, hours)
    prepare = dice.of(None, None, *PREPARE)
    spacing = 24 if prepare and "aggregate_hours" in prepare else hours
    stride, inputs = dice.of(1, 1, 2), dice.of(1, 2, 3)
    step = spacing * stride
    tested = np.arange(ends[2].astype("M8[h]"), ends[3].astype("M8[h]"), spacing).astype(str)
    names = dice.some(list(truth))
    levels = truth.level.values.tolist() if any("level" in truth[n].dims for n in names) else []
    train, validate, test = periods
    sections = {
        "pipeline": [*(["prepare"] if prepare is not None else []), "train", "forecast", "verify"],
        "device": "cpu",
        "seed": seed,
        "data": {
            "variables": [dice.of(name, *VARIABLES[name][0]) for name in names],
            "levels": dice.of(None, dice.some(levels)) if levels else None,
            "gaps": dice.of("keep", "keep", "keep", "refuse"),
            "region": draw_region(dice, truth),
            "train": train,
            "validate": validate,
            "test": test,
            "input_steps": inputs,
            "step_hours": step if stride > 1 else dice.of(None, step),
        },
        "prepare": prepare,
        "model": {
            **{"dim": 8, "depth": 1, "heads": 2},
            "patch": [dice.of(1, inputs), dice.of(1, 2), dice.of(1, 2, 3)],
            "position": dice.of("learned", "sinusoidal", "rotary", "none"),
            "reversible": dice.of(True, False),
        },
        "train": {
            "schedule": [
                {"steps": 1, "rollout_steps": dice.of(1, 1, 2)} for _ in range(dice.of(1, 2))
            ],
            "batch_size": dice.of(1, 2, 3),
        },
        "forecast": {
            "lead_time_hours": step * dice.of(1, 2, 4),
            "init_times": dice.of("test", tested[:: dice.of(2, 3)][: dice.of(1, 3)].tolist()),
            "init_every_hours": dice.of(None, spacing * 3),
            "batch_size": dice.of(1, 3, 5),
            "layout": dice.of("axialcast", "weatherbench2"),
        },
        "verify": {
            "metrics": dice.some(METRICS),
            "baselines": dice.some(BASELINES, 0),
            "regions": dice.of({}, {"some": {"latitude": [-70, 80], "longitude": [0, 200]}}),
            "harmonics": dice.of(0, 1, 2, 3) if lengths[0] > 366 else 0,
        },
    }
    return Drawn(truth, files, sections)


@pytest.fixture(scope="session")
def draw_line() -> Callable[[int], Drawn]:
    """A function that draws a store and a config for it, the same for the same seed."""
    return draw
