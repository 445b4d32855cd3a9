"""What is to be learned: the loss of a batch.

Shapes: b windows, t input states, k lead times, c channels, h latitudes, w longitudes.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from axialcast.data import Batch, WindowLoader
from axialcast.device import autocast
from axialcast.model import area_weighted_mse, rollout

__all__ = ["ForecastTask"]


@dataclass(frozen=True)
class ForecastTask:
    """To forecast the states that follow the input states of a window.

    Args:
        step: time from one state to the next.
        area_weights: (h, w) with mean 1.
        scale: (c, 1, 1), the error that counts as one (see `area_weighted_mse`).
        precision: of the network's arithmetic; auto: bfloat16 where the GPU computes in it.
    """

    step: np.timedelta64
    area_weights: Tensor
    scale: Tensor
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Loss of rolling a model from the input states of windows through the others, a scalar.

        Points that the last input state lacks are forecast by nobody, so they are not judged.
        """
        known = None if batch.input_valid is None else batch.input_valid[:, -1]
        with autocast(batch.states.device, self.precision):
            steps = rollout(
                model,
                batch.inputs,
                batch.input_times,
                step=self.step,
                num_steps=batch.targets.shape[1],
                valid=known,
            )
            forecast = torch.stack(list(steps), 1).float()
        valid = None
        if known is not None:
            assert batch.target_valid is not None
            valid = batch.target_valid & known[:, None]
        return area_weighted_mse(
            forecast, batch.targets, area_weights=self.area_weights, scale=self.scale, valid=valid
        )

    def mean_loss(self, model: nn.Module, windows: WindowLoader) -> float:
        """Mean loss over all windows of a loader, without dropout."""
        was_training = model.training
        model.eval()
        with torch.inference_mode():
            losses = [
                (self.loss(model, batch).item(), len(batch.states)) for batch in windows.epoch(0)
            ]
        model.train(was_training)
        return float(np.average([loss for loss, _ in losses], weights=[n for _, n in losses]))
