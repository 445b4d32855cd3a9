"""The size of a network that `model.size` names, or leaves to the data: width, depth, patches."""

import math
from dataclasses import dataclass
from typing import Any

from axialcast.run.config import Config
from axialcast.run.model_section import AxialConfig

__all__ = ["SIZES", "Size", "automatic", "sized"]


@dataclass(frozen=True)
class Size:
    """A network, small or large.

    Args:
        dim: feature width.
        depth: blocks.
        tokens: patches of a state, about.
        local: features of every point beside them.
    """

    dim: int
    depth: int
    tokens: int
    local: int


SIZES = {
    "small": Size(64, 2, 64, 16),
    "medium": Size(128, 4, 96, 32),
    "large": Size(192, 6, 192, 48),
}
FEW, MANY = 750, 10_000
"""States of the training period: fewer are learned by heart by more than the smallest network, and
more of them teach a larger one something."""
CHANNELS = 16
"""From as many on a network is one size larger."""
MOST_POINTS = 2**17
"""Of a grid with features of every point: on more of them these would outweigh all else."""
COARSEST = 8
"""Points along a side of a patch, at most: within it nothing is seen apart."""


def automatic(num_samples: int, num_channels: int) -> str:
    """The size for so many states, of so many channels."""
    names = list(SIZES)
    number = (num_samples >= FEW) + (num_samples >= MANY) + (num_channels >= CHANNELS)
    return names[min(number, len(names) - 1)]


def sized(config: Config, *, shape: tuple[int, int], num_channels: int, num_samples: int) -> Config:
    """The config with the keys of its network that `model.size` decides; others win.

    Args:
        shape: (h, w) of the grid.
        num_channels: of its states.
        num_samples: states of the training period.
    """
    model = config.model
    if not isinstance(model, AxialConfig) or model.size is None:
        return config
    assert config.data is not None
    name = automatic(num_samples, num_channels) if model.size == "auto" else model.size
    size = SIZES[name]
    side = round(math.sqrt(math.prod(shape) / size.tokens))
    rows, columns = (min(max(side, 1), COARSEST, count) for count in shape)
    times = config.data.input_steps
    is_local = math.prod(shape) <= MOST_POINTS and config.train.domain_ranks == 1
    decided: dict[str, Any] = {
        "dim": size.dim,
        "depth": size.depth,
        "patch": (times if times <= COARSEST else 1, rows, columns),
        "local": size.local if is_local else 0,
    }
    given = {key: value for key, value in decided.items() if key not in model.model_fields_set}
    known = {**dict(model), **given, "size": None}
    return config.model_copy(update={"model": AxialConfig.model_validate(known)})
