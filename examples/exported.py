"""Forecasts by a program that `axialcast export` wrote: torch, numpy and xarray, no axialcast."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray


class Exported:
    """The program, and what its file says of it.

    Args:
        path: of the .pt2 file.

    Attributes:
        labels: names, units, levels and roles of channels, the grid, the step and the shape of each
            input; null in a shape stands for any number of forecasts.
    """

    def __init__(self, path: str | Path) -> None:
        extra = {"axialcast.json": ""}
        self.program = torch.export.load(path, extra_files=extra).module()
        self.labels: dict[str, Any] = json.loads(extra["axialcast.json"])

    def forecasts(
        self, states: NDArray[np.float32], time: Any, **coming: Iterator[NDArray[np.float32]]
    ) -> Iterator[xr.DataArray]:
        """One step after another, (forecast, channel, latitude, longitude) in physical units.

        Args:
            states: (b, t, r, h, w) as labels["inputs"]["states"] says, the last at the initial
                time; NaN where a value is missing.
            time: (b,) datetime64 of the initial times.
            coming: for each step, of the inputs forcings, boundary and noise those that there are.
        """
        given = torch.from_numpy(np.asarray(states, np.float32))
        seconds = torch.from_numpy(np.asarray(time).astype("M8[s]").astype(np.int64))
        memory = torch.zeros(len(given), self.labels["inputs"]["memory"]["shape"][1])
        while True:
            told = {name: torch.from_numpy(next(fields)) for name, fields in coming.items()}
            with torch.inference_mode():
                forecast, given, seconds, memory = self.program(given, seconds, memory, **told)
            yield self._labelled(forecast.numpy(), seconds.numpy())

    def _labelled(self, values: NDArray[np.float32], seconds: NDArray[np.int64]) -> xr.DataArray:
        about = self.labels["outputs"]["forecast"]
        coords: dict[str, Any] = {
            name: axis for name, axis in self.labels["grid"].items() if name in about["dims"]
        }
        coords["channel"] = [_name(channel) for channel in about["channels"]]
        coords["units"] = ("channel", [channel["units"] for channel in about["channels"]])
        coords["valid_time"] = ("forecast", seconds.astype("M8[s]").astype("M8[ns]"))
        return xr.DataArray(values, coords, about["dims"])


def _name(channel: Mapping[str, Any]) -> str:
    level = channel["level"]
    return str(channel["variable"]) + ("" if level is None else f" {level:g} hPa")
