"""How much a network and its linear floor count in the forecast of both.

Shapes: b windows, l lead times, c channels forecast (the prognostic first), h latitudes,
w longitudes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data import Batch, WindowLoader
from axialcast.device import autocast
from axialcast.model import ForecastNetwork
from axialcast.model.blend import both
from axialcast.training.task import ForecastTask, judged_where

__all__ = ["Blended", "Blending"]


@dataclass(frozen=True)
class Blended:
    """What was found.

    Args:
        weights: (l, p) of the network for each prognostic channel, in [0, 1].
        network, floor, blend: (l, p) RMSE of each alone and of both, in standard deviations.
    """

    weights: NDArray[np.float64]
    network: NDArray[np.float64]
    floor: NDArray[np.float64]
    blend: NDArray[np.float64]

    @property
    def words(self) -> str:
        """For a log: what is gained, means over lead times and channels."""
        gains = (self.blend / np.maximum(alone, 1e-30) for alone in (self.floor, self.network))
        linear, own = (100 * (1 - np.exp(np.log(np.maximum(g, 1e-30)).mean())) for g in gains)
        return (
            f"blended with its linear floor: on data.validate RMSE is {linear:.1f} % below the "
            f"floor's and {own:.1f} % below the network's"
        )


@dataclass(frozen=True)
class Blending:
    """Weights by least squares of forecasts that are not fed the truth.

    For each lead time and channel w = Σ a (n - f)(t - f) / Σ a (n - f)², clipped to [0, 1], with
    the network's forecast n, the floor's f, the truth t and the area a: no other weight in [0, 1]
    has a smaller error, so that neither of the two alone has.

    Args:
        task: how a batch is forecast and what of it is judged.
        windows: of data.validate, as many target states as lead times.
    """

    task: ForecastTask
    windows: WindowLoader

    def fitted(
        self, network: ForecastNetwork, total: Callable[[Tensor], Tensor] = lambda sums: sums
    ) -> Blended:
        """The weights of a network's forecasts, in evaluation mode; every process calls it.

        Args:
            total: of sums (5, l, c), those of all processes.
        """
        return _blended(self._gathered(network, total)[..., : network.num_channels])

    def errors(
        self, network: ForecastNetwork, total: Callable[[Tensor], Tensor] = lambda sums: sums
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(l, c) squared errors of the blend, of all channels forecast, and the area of these."""
        sums = self._gathered(network, total)
        area = sums[0]
        return area * _blended(sums).blend ** 2, area

    def _gathered(
        self, network: ForecastNetwork, total: Callable[[Tensor], Tensor]
    ) -> NDArray[np.float64]:
        """`_sums` of all windows and processes, in evaluation mode."""
        was_training = network.training
        network.eval()
        sums: Tensor | None = None
        with torch.inference_mode():
            for batch in self.windows.epoch(0):
                found = self._sums(network, batch).cpu().double()
                sums = found if sums is None else sums + found
        network.train(was_training)
        assert sums is not None
        gathered: NDArray[np.float64] = total(sums).numpy()
        return gathered

    def _sums(self, network: ForecastNetwork, batch: Batch) -> Tensor:
        """(5, l, c) of the area: itself, (n - f)(t - f), (n - f)², (t - f)², (t - n)²; f is
        n for diagnostic channels, which have no floor."""
        task, judged = self.task, judged_where(batch)
        num = network.num_channels
        found = []
        with autocast(batch.states.device, task.precision):
            steps = both(
                network,
                batch.inputs,
                batch.input_times,
                step=task.step,
                num_steps=batch.targets.shape[1],
                forcings=batch.forcings,
                boundary=batch.boundary if task.has_boundary else None,
                valid=None if batch.input_valid is None else batch.input_valid[:, -1],
            )
            for lead, (own, floor) in enumerate(steps):
                own = own.float()
                floor = torch.cat([floor, own[:, num:]], 1)
                truth, area = batch.targets[:, lead], task.area_weights.expand(floor.shape)
                if judged is not None:
                    valid = judged[:, lead]
                    truth, area = torch.where(valid, truth, 0.0), area * valid
                apart, beyond = own - floor, truth - floor
                left = beyond - apart
                terms = (torch.ones_like(apart), apart * beyond, apart**2, beyond**2, left**2)
                found.append(torch.stack([(area * each).sum((0, 2, 3)) for each in terms]))
        return torch.stack(found, 1)


def _blended(sums: NDArray[np.float64]) -> Blended:
    area, products, squares, floor, own = sums
    some = np.isfinite(sums).all(0) & (squares > 0)
    weights = np.divide(products, squares, out=np.ones_like(products), where=some)
    # A network whose forecasts are not finite counts nothing, one that is its floor all.
    weights = np.where(np.isfinite(sums).all(0), weights.clip(0, 1), 0.0)
    both = floor - 2 * weights * products + weights**2 * squares
    area = np.maximum(area, np.finfo(np.float64).tiny)
    roots = (np.sqrt(np.maximum(each, 0) / area) for each in (own, floor, both))
    return Blended(weights, *roots)
