"""What is to be learned: the loss of a batch, as two sums that processes can share.

Shapes: b windows, t input states, k lead times, c channels forecast, h latitudes, w longitudes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from axialcast.data import Batch, WindowLoader
from axialcast.device import autocast
from axialcast.model import rollout
from axialcast.model.loss import counted_weight, weighted_squares

__all__ = ["ForecastTask"]


@dataclass(frozen=True)
class ForecastTask:
    """To forecast the states that follow the input states of a window.

    The loss is `area_weighted_mse`, a quotient: `squares` over `weight`. Both add up over windows
    and over bands of latitudes, so that the gradient of a batch is the same however it is shared.

    Args:
        step: time from one state to the next.
        area_weights: (h, w) with mean 1 over the whole grid; of a band of it, those of the band. 0
            where nothing is judged, as in the frame of a region.
        scale: (c, 1, 1), the error that counts as one (see `area_weighted_mse`).
        precision: of the network's arithmetic; auto: bfloat16 where the GPU computes in it.
        has_boundary: whether the network is given states of the frame of a region before they come.
    """

    step: np.timedelta64
    area_weights: Tensor
    scale: Tensor
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    has_boundary: bool = False

    def forecast(self, model: nn.Module, batch: Batch) -> Tensor:
        """(b, k, c, h, w) what a model says of the target states, rolled from the input states."""
        with autocast(batch.states.device, self.precision):
            steps = rollout(
                model,
                batch.inputs,
                batch.input_times,
                step=self.step,
                num_steps=batch.targets.shape[1],
                forcings=batch.forcings,
                boundary=batch.boundary if self.has_boundary else None,
                valid=None if batch.input_valid is None else batch.input_valid[:, -1],
            )
            return torch.stack(list(steps), 1).to(batch.targets.dtype)

    def squares(self, model: nn.Module, batch: Batch) -> Tensor:
        """Weighted squares of the errors of rolling a model from the input states of windows.

        Points that the last input state lacks are forecast by nobody, so they are not judged.
        """
        return weighted_squares(
            self.forecast(model, batch),
            batch.targets,
            area_weights=self.area_weights,
            scale=self.scale,
            valid=_judged(batch),
        )

    def squares_apart(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """(k, c) squares in standard deviations, and what each is divided by, as `squares` and
        `weight` are for all lead times and channels together."""
        valid, targets = _judged(batch), batch.targets
        error = self.forecast(model, batch) - targets
        weights = self.area_weights.expand(targets.shape)
        if valid is not None:
            error, weights = torch.where(valid, error, 0.0), weights * valid
        apart = (0, 3, 4)
        return (error**2 * self.area_weights).sum(apart), weights.sum(apart)

    def weight(self, batch: Batch) -> Tensor:
        """What the squares are divided by, known before they are."""
        return counted_weight(batch.targets.shape, self.area_weights, _judged(batch))

    def mean_loss(
        self,
        model: nn.Module,
        windows: WindowLoader,
        *,
        total: Callable[[Tensor], Tensor] = lambda sums: sums,
    ) -> float:
        """Loss over all windows of a loader, without dropout.

        Args:
            total: of sums (2,), those of all processes.
        """
        was_training = model.training
        model.eval()
        sums = torch.zeros(2, dtype=torch.float64)
        with torch.inference_mode():
            for batch in windows.epoch(0):
                pair = [self.squares(model, batch), self.weight(batch)]
                sums += torch.stack(pair).cpu().double()  # in this order: MPS has no float64
        model.train(was_training)
        squares, weight = total(sums).tolist()
        return float(squares / weight) if weight else 0.0


def _judged(batch: Batch) -> Tensor | None:
    """(b, k, c, h, w) where forecasts are compared; None: everywhere."""
    if batch.input_valid is None:
        return None
    assert batch.target_valid is not None
    return batch.target_valid & batch.input_valid[:, -1:]
