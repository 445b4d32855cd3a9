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
        tokens: patches of a state, within a factor of two on each axis.
        local: features of every point beside them.
    """

    dim: int
    depth: int
    tokens: int
    local: int


SIZES = {
    "small": Size(64, 1, 32, 16),
    "medium": Size(128, 2, 64, 32),
    "large": Size(192, 4, 192, 48),
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
    rows, columns = _patch(shape, size.tokens)
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


def _patch(shape: tuple[int, int], tokens: int) -> tuple[int, int]:
    """Rows and columns of a patch: powers of two, which convolutions beside them halve."""
    side = 2 ** round(math.log2(math.prod(shape) / tokens) / 2) if math.prod(shape) > tokens else 1
    rows, columns = (min(side, COARSEST, 2 ** int(math.log2(count))) for count in shape)
    return rows, columns
