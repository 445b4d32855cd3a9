"""Statistics of an analysis, and the normalisation made of them.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.channels import Channels
from axialcast.data.moments import Moments, moments_of
from axialcast.data.plausible import warn_implausible
from axialcast.data.reader import Analysis
from axialcast.data.transform import inverted_, too_low, transformed_
from axialcast.grid import grid_of
from axialcast.times.calendars import time_text

__all__ = [
    "Statistics",
    "cell_weights",
    "first_infinity",
    "normalize_",
    "statistics",
    "statistics_of",
    "unnormalize",
]

MEMORY_GIB = 0.5
"""What may be held while statistics are gathered (GiB)."""

READ_BYTES = 2**27
"""What may be held while one channel is looked through."""

SMALLEST_SPREAD = 1e-6
"""Standard deviation over mean below which too few digits of single precision tell values apart."""


@dataclass(frozen=True)
class Statistics:
    """Moments of every channel over time and grid, of the cells that are not NaN.

    Mean, deviation and change are in the channel's units, or of its logarithm where it has one.

    Args:
        mean: (c,) over times and cells.
        std: (c,) standard deviation.
        increment_std: (c,) root mean square change over one model step.
        missing: (c,) share of the cells that are NaN; by default none.
        lowest, highest: (c,) of the values, in the channel's units; by default NaN, which is
            unknown.
        log1p: (c,) scale of the channel's logarithm, in its units (see `axialcast.data.transform`);
            by default 0: its values are normalised as they are.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    increment_std: NDArray[np.float64]
    missing: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))
    lowest: NDArray[np.float64] = field(default_factory=lambda: np.full((), np.nan))
    highest: NDArray[np.float64] = field(default_factory=lambda: np.full((), np.nan))
    log1p: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))

    def __post_init__(self) -> None:
        # Checkpoints of version 0.1 do not say what was missing: nothing could be.
        for name in ("missing", "lowest", "highest", "log1p"):
            given = np.asarray(getattr(self, name), np.float64)
            object.__setattr__(self, name, np.broadcast_to(given, self.mean.shape))

    @property
    def increment_scale(self) -> NDArray[np.float64]:
        """(c,) change over one model step in units of the standard deviation."""
        return self.increment_std / self.std

    def __getitem__(self, chosen: slice | list[int]) -> "Statistics":
        """Those of some of the channels."""
        return Statistics(*(getattr(self, each.name)[chosen] for each in fields(self)))

    def to_dict(self) -> dict[str, list[float]]:
        """JSON-ready, the inverse of `from_dict`; without the ends where any is unknown, and
        without logarithms where there are none."""
        left_out = {"log1p"} if not self.log1p.any() else set()
        if np.isnan([self.lowest, self.highest]).any():
            left_out |= {"lowest", "highest"}
        kept = [each.name for each in fields(self) if each.name not in left_out]
        return {name: getattr(self, name).tolist() for name in kept}

    @classmethod
    def from_dict(cls, value: Mapping[str, Sequence[float]]) -> "Statistics":
        """The statistics that `to_dict` gave."""
        return cls(**{name: np.array(numbers, np.float64) for name, numbers in value.items()})


def statistics(
    analysis: Analysis | xr.Dataset,
    channels: Channels,
    *,
    step: int,
    area_weighted: bool = True,
    memory_gib: float = MEMORY_GIB,
    log1p: NDArray[np.float64] | None = None,
) -> Statistics:
    """Statistics of the analysis, read once in blocks of time that need not fit in memory together.

    Args:
        analysis: training years only.
        channels: which channels, in which order.
        step: how many times of the analysis one model step spans; across a gap in the times there
            is no increment.
        area_weighted: whether cells count by their area; otherwise each counts the same.
        memory_gib: for the states that are held.
        log1p: (c,) as of Statistics.

    Warns by the log of values that cannot be right, see `axialcast.data.plausible`.

    Raises:
        ValueError: a channel is NaN throughout, infinite somewhere, constant, or below zero where
            its logarithm is wanted.
    """
    source = Analysis.of(analysis, channels)
    moments = moments_of(
        source,
        span=source.cadence * step,
        overlap=step,
        weights=cell_weights(source.dataset, area_weighted=area_weighted),
        num_bytes=int(memory_gib * 2**30),
        scales=log1p,
    )
    place = partial(first_infinity, source)
    found = statistics_of(moments, channels, place=place, log1p=log1p)
    warn_implausible(channels, found.lowest, found.highest)
    return found


def statistics_of(
    moments: Moments,
    channels: Channels,
    *,
    place: Callable[[int], str | None] = lambda _: None,
    log1p: NDArray[np.float64] | None = None,
) -> Statistics:
    """Statistics from moments over the whole training period.

    Args:
        moments: of the channels.
        channels: (c,).
        place: says of a channel, by its place among them, where it is infinite; None: not known.
        log1p: (c,) as of Statistics: what the moments are of.

    Raises:
        ValueError: a channel is NaN throughout, infinite somewhere, or constant, or no two of its
            times are a model step apart; or it is below zero where its logarithm is wanted.
    """
    scales = np.zeros(len(channels)) if log1p is None else log1p
    if negative := too_low(channels, scales, moments.lowest):
        raise ValueError(negative)
    for index, channel in enumerate(channels):
        if moments.weight[index] == 0:
            raise ValueError(
                f"{channel}: is NaN throughout the training period; leave it out of {channel.key}"
            )
        if moments.infinite[index]:
            where = place(index)
            first = f", first {where}," if where else ""
            raise ValueError(
                f"{channel}: is infinite somewhere in the training period{first} or too large for "
                "single precision; mark what is missing in the file (_FillValue), or leave it out "
                f"of {channel.key}"
            )
        if moments.change_weight[index] == 0:
            raise ValueError(
                f"{channel}: no two times of the training period one model step apart hold values; "
                "extend data.train"
            )
    found = Statistics(
        moments.mean,
        np.sqrt(moments.squares / moments.weight),
        np.sqrt(moments.change_squares / moments.change_weight),
        moments.missing / moments.cells,
        moments.lowest,
        moments.highest,
        scales,
    )
    for index, channel in enumerate(channels):
        if what := _too_constant(found, index):
            raise ValueError(
                f"{channel}: {what.format(units=channel.units)} over the training period; leave it "
                f"out of {channel.key}"
            )
    return found


def first_infinity(analysis: Analysis, index: int) -> str | None:
    """Where a channel is infinite first, for which it is read: time and place."""
    channel = Analysis(analysis.dataset, Channels([analysis.channels[index]]))
    (rows, columns), (down, across) = channel.grid.axes, channel.grid.dims
    for block in channel.blocks(READ_BYTES):
        places = np.argwhere(np.isinf(block.new))
        if len(places):
            row, _, y, x = places[0]
            when = time_text(channel.times[block.start + row])
            return f"at {when}, {down} {rows[y]:g}, {across} {columns[x]:g}"
    return None


def _too_constant(found: Statistics, index: int) -> str:
    """In which way a channel varies too little to be normalised; nothing if it does not."""
    mean, std = found.mean[index], found.std[index]
    if scale := found.log1p[index]:
        mean, std = np.expm1(mean) * scale, np.expm1(std) * scale
    if found.lowest[index] == found.highest[index] or std == 0:
        return f"is constant ({mean:g} {{units}})"
    if found.increment_std[index] == 0:
        return f"does not change in time (mean {mean:g} {{units}})"
    if std <= SMALLEST_SPREAD * abs(mean):
        return f"is constant to single precision ({mean:g} ± {std:.2g} {{units}})"
    return ""


def cell_weights(analysis: xr.Dataset, *, area_weighted: bool) -> NDArray[np.float64]:
    """(h, w) weights that sum to one: the cells' areas, or all alike."""
    grid = grid_of(analysis)
    weights = grid.areas if area_weighted else np.ones(grid.shape)
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def normalize_(values: Tensor, statistics: Statistics) -> Tensor:
    """(…, c, h, w) physical values → zero mean and unit variance, in place."""
    mean, std = _columns(values, statistics)
    return transformed_(values, statistics.log1p).sub_(mean).div_(std)


def unnormalize(values: Tensor, statistics: Statistics) -> Tensor:
    """(…, c, h, w) normalised values → physical units."""
    mean, std = _columns(values, statistics)
    return inverted_((values * std).add_(mean), statistics.log1p)


def _columns(values: Tensor, statistics: Statistics) -> tuple[Tensor, Tensor]:
    def column(numbers: NDArray[np.float64]) -> Tensor:
        return torch.as_tensor(numbers, dtype=values.dtype, device=values.device)[:, None, None]

    return column(statistics.mean), column(statistics.std)
