"""CF attributes that say how numbers are stored (sections 2.5.1 and 8.1), before xarray reads them.

Files state them as text, as lists, and in another precision than the values; xarray then passes
over a mark of missing data, and of valid ranges it knows nothing.
"""

import logging
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.backed import stored_of
from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.limited import Limited

__all__ = ["MARKS", "numbers", "unpacked"]

logger = logging.getLogger(__name__)

MARKS = ("_FillValue", "missing_value")
"""Numbers that stand for missing data."""
SCALES = ("scale_factor", "add_offset")


def unpacked(dataset: xr.Dataset, stored: Callable[[xr.Dataset], xr.Dataset]) -> xr.Dataset:
    """The dataset in physical values, lazily, NaN where they are missing; its times stay numbers.

    Args:
        dataset: opened without decoding.
        stored: puts stored arrays in the place of xarray's.

    Raises:
        ValueError: a scale or an offset is no number that can be used.
    """
    dataset = _plainly_packed(dataset)
    with warnings.catch_warnings():
        # Two marks of missing data are two marks.
        warnings.simplefilter("ignore", xr.SerializationWarning)
        physical = xr.decode_cf(dataset, decode_times=False, decode_timedelta=False)
    return _limited(stored(physical), _valid_limits(dataset))


def _plainly_packed(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset, not decoded yet, whose attributes of packing are numbers of the right type."""
    for name, variable in dataset.variables.items():
        attrs = variable.attrs
        for mark in set(MARKS) & set(attrs):
            values = numbers(attrs[mark])
            if values is not None and variable.dtype.kind == "f":
                # 1e20 in double precision is equal to no number in single.
                values = values.astype(variable.dtype)
            if values is not None:
                attrs[mark] = values[0] if len(values) == 1 else values
        for scale in set(SCALES) & set(attrs):
            attrs[scale] = _scale(f"{name}: {scale}", attrs[scale])
    return dataset


def _scale(label: str, value: Any) -> Any:
    values = numbers(value)
    usable = values is not None and len(values) == 1 and bool(np.isfinite(values[0]))
    if values is None or not usable or (label.endswith("scale_factor") and values[0] == 0):
        raise ValueError(
            f"{label}: expected one finite number, not 0 for a scale, got {value}; set the "
            "attribute in the file"
        )
    return values[0]


def numbers(value: Any) -> NDArray[Any] | None:
    """An attribute's numbers, if it is one or more, or text that says one; their type is kept."""
    try:
        found = np.atleast_1d(np.asarray(float(value) if isinstance(value, str) else value))
    except (ValueError, TypeError):
        return None
    return found.ravel() if found.dtype.kind in "fiu" and found.size else None


def _valid_limits(dataset: xr.Dataset) -> dict[Any, tuple[float, float]]:
    """Lowest and highest valid value of each variable that states them, in its units.

    Values beyond are missing data by CF conventions. Limits of the stored type are packed as the
    values are, others are not; what is no range, such as 0 to 0, says nothing.

    Args:
        dataset: not decoded.
    """
    found = {}
    for name, variable in dataset.variables.items():
        if variable.dtype.kind not in "fiu":
            continue
        low, high = _limits(variable.attrs)
        ends = (
            -np.inf if low is None else _unpacked(variable, low),
            np.inf if high is None else _unpacked(variable, high),
        )
        if ends[0] < ends[1] and np.isfinite(ends).any():
            # Half a step beyond, so that rounding takes nothing away.
            spare = 0.0 if variable.dtype.kind == "f" else abs(variable.attrs.get(SCALES[0], 0)) / 2
            found[name] = float(ends[0] - spare), float(ends[1] + spare)
    return found


def _limits(attrs: Mapping[str, Any]) -> list[Any]:
    if "valid_range" in attrs:
        both = numbers(attrs["valid_range"])
        return [None, None] if both is None or len(both) != 2 else list(both)
    ends = [numbers(attrs.get(name)) for name in ("valid_min", "valid_max")]
    return [None if end is None else end[0] for end in ends]


def _unpacked(variable: xr.Variable, limit: np.number[Any]) -> float:
    if variable.dtype.kind == "f":
        return float(variable.dtype.type(limit))
    if limit.dtype.kind == "f":
        return float(limit)
    packed = int(limit)
    if str(variable.attrs.get("_Unsigned", "")).lower() == "true" and packed < 0:
        packed += int(256**variable.dtype.itemsize)
    scale, offset = (float(variable.attrs.get(n, d)) for n, d in zip(SCALES, (1, 0), strict=True))
    return packed * scale + offset


def _limited(dataset: xr.Dataset, limits: Mapping[Any, tuple[float, float]]) -> xr.Dataset:
    """The dataset, decoded, with NaN beyond the limits of its variables, when they are read."""
    variables = {}
    for name, (lowest, highest) in limits.items():
        if name not in dataset.data_vars or dataset[name].dtype.kind not in "fiu":
            continue
        variable = dataset[name].variable
        logger.info("%s: values outside %g to %g count as missing", name, lowest, highest)
        stored = Limited(stored_of(variable), lowest, highest)
        variables[name] = xr.Variable(
            variable.dims, lazily(stored), variable.attrs, variable.encoding
        )
    return dataset.assign(variables) if variables else dataset
