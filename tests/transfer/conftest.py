"""Trained networks of small worlds, and new ones that are to go on from them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from axialcast.data import Channels, Statistics
from axialcast.data.channels import Channel
from axialcast.forecast import Checkpoint
from axialcast.grid import Grid, LatLonGrid
from axialcast.names import PROGNOSTIC

NAMES = {"geopotential": 500.0, "temperature": 850.0, "mean_sea_level_pressure": None}
SETTINGS: dict[str, Any] = {
    **{"input_steps": 2, "dim": 16, "depth": 2, "heads": 2, "mlp_ratio": 2.0},
    **{"patch": (1, 2, 2), "position": "learned", "reversible": False},
}


@pytest.fixture
def channels_of() -> Callable[..., Channels]:
    """A function that makes channels of names, prognostic unless their role is said."""

    def make(names: Sequence[str] = tuple(NAMES), **roles: str) -> Channels:
        return Channels([Channel(n, NAMES.get(n), "1", roles.get(n, PROGNOSTIC)) for n in names])

    return make


def statistics_of(num: int, seed: int = 0) -> Statistics:
    """The same of the first channels, whatever their number."""
    rng = np.random.default_rng(seed)
    mean, std = rng.normal(3.0, 2.0, 9)[:num], rng.uniform(1.0, 5.0, 9)[:num]
    return Statistics(mean, std, std * rng.uniform(0.1, 0.5, 9)[:num])


@pytest.fixture
def checkpoint(channels_of: Callable[..., Channels]) -> Callable[..., Checkpoint]:
    """A function that makes a checkpoint: with a seed, of a network that does something; without,
    of a new one. `scaled` is the seed of its statistics."""

    def make(
        grid: Grid | None = None,
        *,
        channels: Channels | None = None,
        scaled: int = 0,
        static: Channels | None = None,
        seed: int | None = None,
        hours: int = 6,
        bare: bool = False,
        **settings: Any,
    ) -> Checkpoint:
        channels = channels or channels_of()
        found = Checkpoint(
            weights={},
            network=settings if bare else SETTINGS | settings,
            channels=channels,
            statistics=statistics_of(len(channels), scaled),
            grid=grid or LatLonGrid.regular(6, 10, poles=False),
            step=np.timedelta64(hours, "h").astype("m8[ns]"),
            static=static or Channels([]),
        )
        torch.manual_seed(0 if seed is None else seed)
        network = found.untrained()
        if seed is not None:  # else as before training
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        return replace(found, weights=network.state_dict())

    return make


@pytest.fixture
def physical() -> Callable[..., torch.Tensor]:
    """A function: (b, c, h, w) a checkpoint's forecast of (b, t, p, h, w) states, both in physical
    units."""
    return forecast


def forecast(checkpoint: Checkpoint, states: torch.Tensor, **more: Any) -> torch.Tensor:
    statistics = checkpoint.statistics

    def column(values: np.ndarray) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64)[:, None, None]

    num = states.shape[2]
    given = (states - column(statistics.mean[:num])) / column(statistics.std[:num])
    dates = more.pop("dates", torch.linspace(0, 1, 5).expand(*states.shape[:2], 5))
    with torch.no_grad():
        out = checkpoint.build().double()(given, dates.double(), **more)
    num = out.shape[1]
    return out * column(statistics.std[:num]) + column(statistics.mean[:num])
