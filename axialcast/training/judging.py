"""Which weights of a training are kept: those whose own forecasts are best on data.validate.

Shapes: b windows, k lead times, c channels forecast, h latitudes, w longitudes.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from axialcast.data import WindowLoader
from axialcast.model import ForecastNetwork
from axialcast.training.blending import Blending
from axialcast.training.parallel import shared_like
from axialcast.training.task import ForecastTask

__all__ = ["Best", "Judging", "judged_windows"]

SHARE = 0.1
"""Of the time of training, what judging may add to it, about."""
TRAINING = 3
"""What a model step costs in training, in those of a forecast: forwards, and backwards twice."""
FEWEST, MOST = 16, 256
"""Windows: fewer tell nothing, more little that is new."""


@dataclass(frozen=True)
class Judging:
    """Forecasts that a network makes of its own forecasts, as they will be asked of it.

    A loss of one step or two falls on while forecasts of many steps become worse: what a network
    is to be judged by are errors at the lead times that it is for.

    Args:
        task: how a batch is forecast and what of it is judged.
        windows: of data.validate, as many target states as lead times; always the same.
        weights: (c,) of the channels; None: alike.
        blending: of a network with a linear floor: judged is the blend of both, as it would be with
            these weights of the network.
    """

    task: ForecastTask
    windows: WindowLoader
    weights: Any | None = None
    blending: Blending | None = None

    @property
    def measure(self) -> str:
        """What `rmse` is a mean of."""
        return "RMSE" if self.task.loss.samples == 1 else "CRPS"

    def rmse(
        self, model: nn.Module, total: Callable[[Tensor], Tensor] = lambda sums: sums
    ) -> float:
        """Geometric mean over lead times and channels of area-weighted RMSE, without dropout; of a
        network conditioned on noise, of the CRPS of its members.

        exp(Σ v_c · ln RMSE_kc / Σ v_c) over every k and c with a point that is judged, v the
        channels' weights. A geometric mean, so that neither units nor the largest errors, those of
        the longest lead times, decide: one per cent counts as much anywhere.

        Args:
            total: of sums (2, k, c), those of all processes.

        Returns:
            In standard deviations; infinity where forecasts are not finite.
        """
        if self.blending is None:
            squares, weight = self._errors(model, total)
        else:
            assert isinstance(model, ForecastNetwork)
            squares, weight = self.blending.errors(model, total)
        judged = weight > 0
        channels = np.ones(squares.shape[1]) if self.weights is None else np.asarray(self.weights)
        shares = np.broadcast_to(channels, squares.shape)[judged]
        if not shares.any():
            return math.inf
        mean = squares[judged] / weight[judged]
        power = 0.5 if self.measure == "RMSE" else 1.0
        logs = power * np.log(np.maximum(mean, np.finfo(np.float64).tiny))
        score = float(np.exp(shares @ logs / shares.sum()))
        return score if math.isfinite(score) else math.inf

    def _errors(
        self, model: nn.Module, total: Callable[[Tensor], Tensor]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(k, c) squared errors, or CRPS, and the area they are of."""
        was_training = model.training
        model.eval()
        sums: Tensor | None = None
        with torch.inference_mode():
            for batch in self.windows.epoch(0):
                pair = torch.stack(self.task.apart(model, batch)).cpu().double()
                sums = pair if sums is None else sums + pair
        model.train(was_training)
        assert sums is not None
        squares, weight = total(sums).numpy()
        return squares, weight


class Best:
    """A copy of the best weights so far.

    Args:
        module: whose weights are compared; its present ones are the first.
        constants: names of what all have in common.

    Attributes:
        step: whose weights these are.
        rmse: of `Judging`; infinity until a first look.
    """

    def __init__(self, module: nn.Module, constants: Collection[str] = ()) -> None:
        self.step, self.rmse = 0, math.inf
        named = module.state_dict()
        self.values = {name: named[name].clone() for name in named if name not in constants}

    @torch.no_grad()
    def look(self, step: int, rmse: float, module: nn.Module) -> None:
        """Keeps the weights of a module in place of those before, if they are better.

        Where none was finite so far, the latest are kept.
        """
        if rmse < self.rmse or math.isinf(self.rmse):
            self.step, self.rmse = step, rmse
            named = module.state_dict()
            for name, value in self.values.items():
                value.copy_(named[name])

    def position(self) -> dict[str, float | None]:
        """JSON, which knows no infinity."""
        return {"step": self.step, "rmse": None if math.isinf(self.rmse) else self.rmse}

    @torch.no_grad()
    def go_on_from(self, position: Mapping[str, Any], tensor: Callable[[str], Tensor]) -> None:
        """Stands where another one stood; `tensor` gives what it held by name."""
        self.step = position["step"]
        self.rmse = math.inf if position["rmse"] is None else position["rmse"]
        for name, value in self.values.items():
            value.copy_(shared_like(tensor(name), value))


def judged_windows(
    windows: Callable[..., WindowLoader],
    *,
    steps: int,
    input_steps: int,
    rollout_steps: int,
    batch_size: int,
    every: int,
    fewest: int = 1,
) -> WindowLoader:
    """Windows to judge forecasts by, by time and evenly spread over all there are.

    As many as make judging cost a tenth of the training between two looks, within 16 to 256; a
    batch holds as many states as one of training. Where the period, its gaps or the buffer have no
    room for windows of so many steps, they have half as many, or half of these, and so on.

    Args:
        windows: makes a loader of `target_steps`, `batch_size`, `stride` and `shuffle`.
        steps: model steps of the longest forecast that is asked for.
        input_steps: states that are given.
        rollout_steps: most model steps of a window in training, for which there is room.
        batch_size: windows in a step of training.
        every: steps of training from one look to the next.
        fewest: windows that a batch must have, one for each who shares it.

    Raises:
        ValueError: as WindowLoader, of windows as long as in training.
    """
    lengths = [steps]
    while lengths[-1] > rollout_steps:
        lengths.append(max(rollout_steps, lengths[-1] // 2))
    for length in lengths:
        most = SHARE * TRAINING * every * batch_size * rollout_steps / length
        states = batch_size * (input_steps + rollout_steps)
        of = {
            "target_steps": length,
            "batch_size": max(fewest, min(batch_size, states // (input_steps + length))),
            "shuffle": False,
        }
        try:
            stride = _stride(windows(**of).num_windows, int(min(max(most, FEWEST), MOST)))
            found = windows(**of, stride=stride)
        except ValueError:
            if length == lengths[-1]:
                raise
            continue
        return found
    raise AssertionError("the last length returns or raises")


def _stride(num_windows: int, most: int) -> int:
    """Cadences from one window to the next, evenly, for at most so many.

    It has no factor in common with the times of a day or the months of a year, so that every hour
    and every season has its turn.
    """
    stride = max(1, -(-num_windows // most))
    while math.gcd(stride, 6) > 1:
        stride += 1
    return stride
