"""What an argument or an input must be, and the words for one that is not."""

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor

__all__ = ["check_channel", "check_features", "check_per_axis", "check_span"]

T = TypeVar("T")


def check_channel(name: str, dim_index: int, num_dimensions: int) -> int:
    """`dim_index` counted from the first dimension, if it is one that can hold features."""
    if num_dimensions < 1:
        raise ValueError(f"num_dimensions: expected 1 or more axes, got {num_dimensions}")
    rank = num_dimensions + 2
    channel = dim_index + rank if dim_index < 0 else dim_index
    if not 1 <= channel < rank:
        raise ValueError(
            f"{name}: expected 1 to {rank - 1} or {1 - rank} to -1 for {num_dimensions} axes "
            f"(dimension 0 is the batch), got {dim_index}"
        )
    return channel


def check_per_axis(
    name: str, values: Sequence[T] | None, num_dimensions: int, default: T
) -> tuple[T, ...]:
    """`values` as a tuple, one for each axis; the default for all if None."""
    if values is None:
        return (default,) * num_dimensions
    if len(values) != num_dimensions:
        raise ValueError(
            f"{name}: expected {num_dimensions} values, one per axis, got {tuple(values)}"
        )
    return tuple(values)


def check_features(x: Tensor, dim: int, channel: int, num_dimensions: int) -> None:
    rank = num_dimensions + 2
    if x.ndim != rank or x.shape[channel] != dim:
        raise ValueError(
            f"x: expected {rank} dimensions with {dim} features in dimension {channel}, "
            f"got shape {tuple(x.shape)}"
        )


def check_span(span: int | None) -> None:
    if span is not None and (span < 1 or span % 2 == 0):
        raise ValueError(
            f"span: expected an odd number of tokens, as many on either side of the middle, "
            f"got {span}; use {max(span, 0) + 1}, or None for the whole axis"
        )
