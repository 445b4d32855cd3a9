"""The initial state carried along by the motion seen up to it: what radar nowcasts must beat.

Shapes: i initial times, l lead times, c channels, h rows, w columns.
"""

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.baseline import ALL, States, Which, labelled, whole_steps
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.grid.proj import pyproj
from axialcast.times.dates import Leads, Times, later

__all__ = ["LagrangianPersistence", "is_installed"]

RATE, DRY = "mm h-1", 0.1
"""Rates are seen as log(1 + rate / DRY): linear, the strongest cell alone would be followed."""


@dataclass(frozen=True)
class LagrangianPersistence:
    """Extrapolation along the motion, nothing grows or decays (Germann and Zawadzki 2002).

    Motion is found from the state at the initial time and the one before, by Lucas and Kanade's
    optical flow, smoothed over the grid; the state is carried along it backwards, bilinearly
    (semi-Lagrangian). pysteps (Pulkkinen et al. 2019) does both, with its defaults. Motion counts
    in grid points, each channel by its own, and does not go on across the date line of a global
    grid. Points whose air comes from outside of the grid are NaN: scores leave them out for all
    models, and say what share they are.

    Args:
        channels: that it forecasts.
        step: between the two states.

    Raises:
        ValueError: pysteps is not installed; or the step is of months, in which nothing is carried.
    """

    channels: Channels
    step: np.timedelta64

    def __post_init__(self) -> None:
        if not is_installed():
            raise ValueError(
                "baselines: lagrangian_persistence needs pysteps and OpenCV, which are not "
                "installed; pip install 'axialcast[nowcast]', or leave it out"
            )
        if np.datetime_data(self.step)[0] in "YM":
            raise ValueError(
                "baselines: lagrangian_persistence follows motion over minutes or hours, the "
                f"analysis comes every {self.step}; leave it out"
            )

    def forecast(
        self, analysis: Analysis | xr.Dataset, init_times: Times, lead_times: Leads
    ) -> xr.Dataset:
        source = Analysis.of(analysis, self.channels)

        def states(times: Times) -> NDArray[np.float32]:
            return source.read(source.rows(times))

        shape = (len(init_times), len(lead_times), *source.shape)
        values = self.values(states, init_times, lead_times, np.empty(shape, np.float32))
        return labelled(values, self.channels, source.dataset, init_times, lead_times)

    def values(
        self,
        states: States,
        init_times: Times,
        lead_times: Leads,
        normal: NDArray[np.float32],
        channels: Which = ALL,
    ) -> NDArray[np.float32]:
        flow, carry = _pysteps()
        last, before = states(init_times), states(later(init_times, -self.step))
        steps = whole_steps("lead_times", lead_times, self.step)
        out = np.full(normal.shape, np.nan, np.float32)
        units = [self.channels[n].units for n in np.arange(len(self.channels))[channels]]
        for case, place in np.ndindex(last.shape[:2]):
            field = last[case, place]
            pair = np.stack([before[case, place], field])
            if np.isfinite(pair).any((1, 2)).all():
                pair = np.log1p(np.maximum(pair, 0) / DRY) if units[place] == RATE else pair
                out[case, :, place] = carry(field, flow(pair), steps)
        return out

    def parts(self) -> dict[str, Any]:
        return {"step": self.step.astype("m8[ns]"), "pysteps": version("pysteps")}

    def states(self, init_times: Times) -> Times:
        return np.concatenate([later(init_times, -self.step), init_times])


def is_installed() -> bool:
    """Whether pysteps and what it needs for optical flow are there."""
    return all(importlib.util.find_spec(name) is not None for name in ("pysteps", "cv2"))


Flow = Callable[[NDArray[Any]], NDArray[np.float64]]
Carry = Callable[[NDArray[Any], NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]


@cache
def _pysteps() -> tuple[Flow, Carry]:
    """Motion (2, h, w) in points a step of states (2, h, w), and a field carried along it."""
    pyproj()  # pysteps imports it, too, and would not look after its libraries
    # It prints where its settings are.
    with contextlib.redirect_stdout(io.StringIO()):
        import cv2
        from pysteps.extrapolation.semilagrangian import extrapolate
        from pysteps.motion.lucaskanade import dense_lucaskanade
    # Of places with too few features to tell which of them move apart from the others.
    warnings.filterwarnings("ignore", module=r"pysteps\.")
    cv2.setNumThreads(1)  # scoring brings threads of its own

    def flow(pair: NDArray[Any]) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):
            return np.asarray(dense_lucaskanade(pair))

    def carry(
        field: NDArray[Any], motion: NDArray[np.float64], steps: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        # All steps up to the last: where a path leads depends on which times it is asked for.
        whole = extrapolate(field, motion, int(steps.max()), allow_nonfinite_values=True)
        return np.asarray(whole[steps - 1])

    return flow, carry
