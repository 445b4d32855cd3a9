"""The part of a config that says how forecasts are packed."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from axialcast.names import canonical
from axialcast.run.section import Section
from axialcast.run.values import Name, each_once

__all__ = ["BitRoundingConfig", "Int16Config", "Packed"]


def _in_order(value: tuple[float, float]) -> tuple[float, float]:
    low, high = value
    if not low < high:
        raise ValueError(f"got [{low:g}, {high:g}], expected the lowest value first")
    return value


class BitRoundingConfig(Section):
    """Values whose mantissas are rounded: a relative error, whatever the values."""

    kind: Literal["bit_rounding"]
    """Round mantissas."""
    bits: Annotated[int, Field(ge=1, le=22)] = 10
    """Of the mantissa, of 23: with 10 the error is at most 0.05 % of a value."""


class Int16Config(Section):
    """Values as whole numbers of 16 bits: an absolute error, and a range that holds them."""

    kind: Literal["int16"]
    """Pack into whole numbers."""
    ranges: Annotated[
        dict[Name, Annotated[tuple[float, float], AfterValidator(_in_order)]],
        each_once(canonical),
    ] = {}
    """Lowest and highest value by variable, in its units; of others, what the training years hold
    and as much again on both sides, within data.bounds."""


Packed = Annotated[BitRoundingConfig | Int16Config, Field(discriminator="kind")]
"""Whichever of them it is."""
