"""A checkpoint and a forecast store as the library writes them, small, to be looked at."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from axialcast.data import Channel, Channels, Statistics
from axialcast.forecast import Checkpoint, Forecaster, ForecastWriter, save_checkpoint
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork

__all__ = ["description", "forecast_metadata", "inventory_of"]

LEVELS = (500.0, 850.0)


@cache
def description() -> dict[str, Any]:
    """What a checkpoint's `model.json` holds."""
    with TemporaryDirectory() as folder:
        save_checkpoint(folder, _checkpoint())
        found: dict[str, Any] = json.loads((Path(folder) / "model.json").read_text("utf-8"))
    return found


@cache
def forecast_metadata() -> dict[str, Any]:
    """What a forecast store's `zarr.json` holds: one of two members, two levels and five leads."""
    return _store()[0]


@cache
def inventory_of() -> dict[str, Any]:
    """Its inventories, by file."""
    return _store()[1]


@cache
def _store() -> tuple[dict[str, Any], dict[str, Any]]:
    forecaster = Forecaster(_checkpoint(), device="cpu", members=2, lagged=1)
    inits = np.array(["2001-01-01", "2001-01-02"], "datetime64[ns]")
    leads = np.arange(1, 6) * np.timedelta64(1, "D").astype("timedelta64[ns]")
    template = forecaster.template(inits, leads)
    values = {name: array.copy(data=np.zeros_like(array)) for name, array in template.items()}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "forecast.zarr"
        with ForecastWriter(path, template, belongs_to={"checkpoint": "…"}) as writer:
            writer.write(template.assign(values))
        labels = json.loads((path / "zarr.json").read_text("utf-8"))
        inventories = {
            file.name: json.loads(file.read_text("utf-8"))
            for file in sorted((path / ".inventory").glob("*.json"))
        }
    return labels, inventories


def _checkpoint() -> Checkpoint:
    """An untrained network of geopotential at two levels and of rain, which is forecast alone."""
    channels = Channels(
        [
            *(Channel("geopotential", level, "m2 s-2") for level in LEVELS),
            Channel("total_precipitation", None, "m", "diagnostic"),
        ]
    )
    grid = LatLonGrid.regular(6, 8, poles=False)
    ones = np.ones(len(channels))
    ends, logarithms = (-3 * ones, 3 * ones), np.array([0, 0, 1e-3])
    statistics = Statistics(0 * ones, ones, ones, 0 * ones, *ends, logarithms)
    settings = {"input_steps": 2, "dim": 8, "depth": 1, "heads": 2, "patch": [1, 2, 2]}
    torch.manual_seed(0)
    network = ForecastNetwork(
        **channels.numbers, grid=grid, increment_scale=[1.0] * len(LEVELS), **settings
    )
    return Checkpoint(
        weights=network.state_dict(),
        network=settings,
        channels=channels,
        statistics=statistics,
        grid=grid,
        step=np.timedelta64(1, "D"),
        provenance={"train": ["1979", "2017"]},
        bounds=np.array([[-np.inf, np.inf], [-np.inf, np.inf], [0, np.inf]]),
    )
