"""Forecasts stored with fewer bits than they are computed with, with the error in an attribute.

- `bit_rounding`: the mantissa keeps so many bits, by numcodecs (Klöwer et al. 2021, «Compressing
  atmospheric data into its real information content»). Whatever the values, the error is relative.
- `int16`: whole numbers times `scale_factor` plus `add_offset` (CF conventions, section 8.1). The
  error is absolute, and the range must be decided before a value is known.

The store says how its values are encoded, so whoever adds initial times to it encodes them alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr
import zarr
from numcodecs import BitRound
from numpy.typing import NDArray

from axialcast.names import canonical

if TYPE_CHECKING:
    from axialcast.forecast.checkpoint import Checkpoint

__all__ = ["Packing", "kept", "packed", "packing_of", "packings"]

BITS, RELATIVE = "quantization_nsb", "quantization_maximum_relative_error"
ABSOLUTE = "quantization_maximum_absolute_error"
"""Attributes, as CF names them from version 1.12 on; errors in units of the variable."""

MISSING, LARGEST = -(2**15), 2**15 - 1
MANY_DEVIATIONS = 16.0
"""How far from their mean values are taken to come where nothing tells their extremes."""


class Packing(Protocol):
    """What becomes of values before they are compressed."""

    def encode(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Numbers as they are stored."""
        ...


@dataclass(frozen=True)
class Rounded:
    """Mantissas of so many bits; what is not finite, or has leading zeros in it, stays as it is."""

    bits: int

    def encode(self, values: NDArray[np.float32]) -> NDArray[Any]:
        rounding = BitRound(self.bits)
        found = rounding.decode(rounding.encode(np.array(values, "<f4"))).reshape(values.shape)
        is_normal = np.isfinite(found) & (np.abs(values) >= np.finfo(np.float32).tiny)
        return np.where(is_normal, found, values).astype("<f4")


@dataclass(frozen=True)
class Int16:
    """Whole numbers of 16 bits, the lowest of them for what is missing.

    Args:
        variable: whose values they are.
        scale, offset: in its units, single precision.
    """

    variable: str
    scale: np.float32
    offset: np.float32

    def encode(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Raises ValueError where a value is beyond the range."""
        numbers = np.rint((values.astype(np.float64) - self.offset) / self.scale)
        beyond = np.abs(numbers) > LARGEST
        if beyond.any():
            reach = float(self.scale) * LARGEST
            raise ValueError(
                f"{self.variable}: {values[beyond][0]:g} is beyond {self.offset - reach:g} to "
                f"{self.offset + reach:g}, which forecast.packing: int16 can hold; widen "
                f"forecast.packing.ranges.{self.variable}, or choose kind: bit_rounding"
            )
        return np.where(np.isnan(numbers), MISSING, numbers).astype("<i2")


def packed(template: xr.Dataset, how: Mapping[str, Any] | None, of: "Checkpoint") -> xr.Dataset:
    """The labels of forecasts with attributes and encoding of values that are packed.

    Args:
        template: of forecasts.
        how: `kind`, `bit_rounding` with `bits`, or `int16` with `ranges`: lowest and highest value
            of variables, in their units; None: as they are.
        of: the checkpoint that makes them. Where no range is given, it is that of the training
            years, widened by itself on both sides, within the bounds that forecasts keep to.

    Raises:
        ValueError: a range is not known, or is of a variable that there is not.
    """
    if how is None:
        return template
    template = template.copy()
    if how["kind"] == "bit_rounding":
        for array in template.data_vars.values():
            error = 2.0 ** -(how["bits"] + 1)
            array.attrs = {**array.attrs, BITS: np.int32(how["bits"]), RELATIVE: error}
        return template
    ranges = {canonical(name): ends for name, ends in how["ranges"].items()}
    if unknown := sorted(ranges.keys() - {str(name) for name in template.data_vars}):
        known = ", ".join(map(str, template.data_vars))
        raise ValueError(
            f"forecast.packing.ranges: {unknown[0]} is not forecast; expected one of {known}"
        )
    for name, array in template.data_vars.items():
        low, high = ranges.get(str(name)) or _range(str(name), of)
        # Half a step, and what single precision rounds when numbers are unpacked. A step is no less
        # than that: of a field that never changes it would be none.
        precision = np.spacing(np.float32(max(abs(low), abs(high), np.finfo(np.float32).tiny)))
        scale = np.float32(max((high - low) / (2 * LARGEST - 1), precision))
        offset = np.float32((high + low) / 2)
        rounding = 2 * float(precision)
        array.attrs = {**array.attrs, ABSOLUTE: float(scale) / 2 + rounding}
        array.encoding = {**array.encoding, **_encoding(float(scale), float(offset))}
    return template


def _range(variable: str, of: "Checkpoint") -> tuple[float, float]:
    """Lowest and highest value of a variable that is held, on all of its levels."""
    channels = of.channels.forecast
    places = [n for n, channel in enumerate(channels) if channel.variable == variable]
    known = of.statistics[places]
    low, high = known.lowest, known.highest
    if np.isnan([low, high]).any():
        if known.log1p.any():
            raise ValueError(
                f"forecast.packing: the checkpoint does not know the extremes of {variable}; set "
                f"forecast.packing.ranges.{variable}, such as [0, 1], or choose kind: bit_rounding"
            )
        low = known.mean - MANY_DEVIATIONS * known.std
        high = known.mean + MANY_DEVIATIONS * known.std
    else:
        low, high = low - (high - low), high + (high - low)
    if of.bounds is not None:
        low = np.maximum(low, of.bounds[places, 0])
        high = np.minimum(high, of.bounds[places, 1])
    return float(low.min()), float(high.max())


def packing_of(name: str, attrs: Mapping[str, Any]) -> Packing | None:
    """How a variable's values are packed, by its attributes; None: not at all."""
    if "scale_factor" in attrs:
        return Int16(name, np.float32(attrs["scale_factor"]), np.float32(attrs["add_offset"]))
    return Rounded(int(attrs[BITS])) if BITS in attrs else None


def kept(array: xr.DataArray) -> dict[str, Any]:
    """The encoding of a variable that is packed; nothing of one that is not."""
    said = array.encoding
    return _encoding(said["scale_factor"], said["add_offset"]) if "scale_factor" in said else {}


def _encoding(scale: float, offset: float) -> dict[str, Any]:
    return {
        "dtype": "int16",
        "scale_factor": np.float32(scale),
        "add_offset": np.float32(offset),
        "_FillValue": np.int16(MISSING),
    }


def packings(store: Path, variables: Any) -> dict[str, Packing | None]:
    """How each variable of a forecast store is packed."""
    return {
        str(name): packing_of(str(name), zarr.open_array(store / str(name), mode="r").attrs)
        for name in variables
    }
