"""What is to be learned: the loss of a batch, as sums that processes can share.

Shapes: b windows, t input states, k lead times, c channels forecast, h latitudes, w longitudes.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn

from axialcast.data import Batch, WindowLoader
from axialcast.device import autocast
from axialcast.model import rollout
from axialcast.model.crps import almost_fair_crps
from axialcast.model.loss import Loss
from axialcast.model.noise import TRAINING, Noise, drawn_for
from axialcast.training.input_noise import InputNoise

__all__ = ["ForecastTask", "judged_where"]


@dataclass(frozen=True)
class ForecastTask:
    """To forecast the states that follow the input states of a window.

    The loss is a sum of quotients, `upper` over `lower`, a term each. Both add up over windows and
    over bands of latitudes, so that the gradient of a batch is the same however it is shared.

    Args:
        step: time from one state to the next.
        area_weights: (h, w) with mean 1 over the whole grid; of a band of it, those of the band. 0
            where nothing is judged, as in the frame of a region.
        scale: (c, 1, 1), the error that counts as one (see `Loss.upper`).
        precision: of the network's arithmetic; auto: bfloat16 where the GPU computes in it.
        has_boundary: whether the network is given states of the frame of a region before they come.
        loss: of forecasts; the squared error where nothing is said.
        noise: that a network is conditioned on; None: it is not.
        input_noise: added to input states in updates; None: they are as they are.
        seed: of the noise, which follows from it, the update, a window's initial time and the
            member.
    """

    step: np.timedelta64
    area_weights: Tensor
    scale: Tensor
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    has_boundary: bool = False
    loss: Loss = Loss.of("mse")  # noqa: RUF009, it is frozen
    noise: Noise | None = None
    seed: int = 0
    input_noise: InputNoise | None = None

    def forecast(self, model: nn.Module, batch: Batch, update: int = 0) -> Tensor:
        """(m, b, k, c, h, w) what members of a model say of the target states, rolled from the
        input states.

        Args:
            update: that noise is drawn for; 0: for validation.
        """
        num = self.loss.samples

        def each(values: Tensor) -> Tensor:
            """Of each window, once for each of its members."""
            return values if num == 1 else values.repeat_interleave(num, 0)

        forcings, valid, inputs = batch.forcings, batch.input_valid, batch.inputs
        if self.input_noise is not None and update:
            inputs = self.input_noise.added(inputs, batch.input_times[:, -1], update)
        floor = getattr(model, "floor", None) if update else None
        times = np.repeat(batch.input_times, num, 0)
        crossed = nullcontext() if floor is None else floor.crossed(times[:, -1])
        with autocast(batch.states.device, self.precision), crossed:
            steps = rollout(
                model,
                each(inputs),
                times,
                step=self.step,
                num_steps=batch.targets.shape[1],
                forcings=None if forcings is None else map(each, forcings),
                boundary=map(each, batch.boundary) if self.has_boundary else None,
                noise=self._noise(batch.input_times[:, -1], update),
                valid=None if valid is None else each(valid[:, -1]),
            )
            forecast = torch.stack(list(steps), 1).to(batch.targets.dtype)
        return rearrange(forecast, "(b m) ... -> m b ...", m=num)

    def upper(self, model: nn.Module, batch: Batch, update: int = 0) -> Tensor:
        """(n,) what the errors of rolling a model from the input states of windows cost.

        Points that the last input state lacks are forecast by nobody, so they are not judged.

        Args:
            update: as for `forecast`.
        """
        return self.loss.upper(
            self.forecast(model, batch, update),
            batch.targets,
            area_weights=self.area_weights,
            scale=self.scale,
            valid=judged_where(batch),
        )

    def lower(self, batch: Batch) -> Tensor:
        """(n,) what these are divided by, known before they are."""
        return self.loss.lower(
            batch.targets.shape, area_weights=self.area_weights, valid=judged_where(batch)
        )

    def apart(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """(k, c) squared errors, of members their almost fair CRPS, in standard deviations, and
        what each is divided by."""
        valid, targets = judged_where(batch), batch.targets
        errors = self.forecast(model, batch) - targets
        weights = self.area_weights.expand(targets.shape)
        if valid is not None:
            errors, weights = torch.where(valid, errors, 0.0), weights * valid
        cost = errors[0] ** 2 if self.loss.samples == 1 else almost_fair_crps(errors)
        others = (0, 3, 4)
        return (cost * self.area_weights).sum(others), weights.sum(others)

    def _noise(self, inits: NDArray[Any], update: int) -> Iterator[Tensor] | None:
        """For each step, (b m, n, h, w) noise of the members of windows from (b,) times."""
        if self.noise is None:
            return None
        members = range(self.loss.samples)
        return self.noise.steps(
            [drawn_for(self.seed, time, TRAINING, update, m) for time in inits for m in members]
        )

    def mean_loss(
        self,
        model: nn.Module,
        windows: WindowLoader,
        *,
        total: Callable[[Tensor], Tensor] = lambda sums: sums,
    ) -> float:
        """Loss over all windows of a loader, without dropout.

        Args:
            total: of sums (2, n), those of all processes.
        """
        was_training = model.training
        model.eval()
        sums = torch.zeros(2, len(self.loss.terms), dtype=torch.float64)
        with torch.inference_mode():
            for batch in windows.epoch(0):
                pair = [self.upper(model, batch), self.lower(batch)]
                sums += torch.stack(pair).cpu().double()  # in this order: MPS has no float64
        model.train(was_training)
        return float(self.loss.value(*total(sums)))


def judged_where(batch: Batch) -> Tensor | None:
    """(b, k, c, h, w) where forecasts are compared; None: everywhere."""
    if batch.input_valid is None:
        return None
    assert batch.target_valid is not None
    return batch.target_valid & batch.input_valid[:, -1:]
