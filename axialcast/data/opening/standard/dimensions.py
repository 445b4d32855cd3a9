"""The dimensions of an analysis are its own four: of others one element is kept, or none is."""

import logging
from collections.abc import Collection

import numpy as np
import xarray as xr

from axialcast.data.arrays.lazy import transpose
from axialcast.grid import coords_of, dims_of
from axialcast.names import COORDINATE_ALIASES, LEVEL, NUMBER, TIME

__all__ = ["reorder", "select_member"]

logger = logging.getLogger(__name__)

OF_ERA5 = (
    "1 is ERA5, 5 its preliminary months, each without the other's: download the file again, which "
    "joins them now, or keep one, for instance with: ncks -d expver,0 in.nc out.nc"
)
"""What to do about two versions along `expver`."""


def select_member(dataset: xr.Dataset, member: int | str | None) -> xr.Dataset:
    """One member of an ensemble: by its number or name, or its place where members have neither.

    Raises:
        ValueError: there is no such member, or no ensemble.
    """
    if member is None:
        return dataset
    names = [NUMBER, *COORDINATE_ALIASES[NUMBER]]
    single = next((n for n in names if n in dataset.coords and not dataset[n].ndim), None)
    if NUMBER not in dataset.dims and single is not None:  # a file of one member
        have = [dataset[single].item()]
        if str(have[0]) == str(member):
            return dataset
        raise ValueError(f"member: no member {member}; the store has {have}")
    if NUMBER not in dataset.dims:
        raise ValueError(
            f"member: {member} was asked for, but the store has no ensemble; leave out data.member"
            ", or set member in the entry of data.store that is one"
        )
    if NUMBER not in dataset.coords:
        dataset = dataset.assign_coords({NUMBER: np.arange(dataset.sizes[NUMBER])})
    have = dataset[NUMBER].values.tolist()
    texts = [f"{n:g}" if isinstance(n, float) else str(n) for n in have]
    if str(member) not in texts:
        raise ValueError(f"member: no member {member}; the store has {', '.join(texts)}")
    return dataset.isel({NUMBER: texts.index(str(member))}, drop=True)


def reorder(dataset: xr.Dataset, wanted: Collection[str] | None = None) -> xr.Dataset:
    """Every variable with dimensions (time, [level], latitude, longitude), and no other coordinate.

    Args:
        dataset: in the project's names.
        wanted: variables that must not be left out; None: all.

    Raises:
        ValueError: a wanted variable has other dimensions of more than one element.
    """
    horizontal = dims_of(dataset.dims)
    order = [TIME, LEVEL, *horizontal]
    for name, array in dataset.data_vars.items():
        long = [dim for dim in array.dims if dim not in order and array.sizes[dim] > 1]
        if not long:
            continue
        sizes = ", ".join(f"{dim!r} of size {array.sizes[dim]}" for dim in long)
        if wanted is not None and name not in wanted:
            logger.info("%s: left out: it has also the dimensions %s", name, sizes)
            dataset = dataset.drop_vars(str(name))
            continue
        remedy = (
            "choose one with data.member"
            if long == [NUMBER]
            else OF_ERA5
            if long == ["expver"]
            else "keep one element of it in the file, or leave the variable out with data.variables"
        )
        raise ValueError(
            f"{name}: expected the dimensions time, [level], {' and '.join(horizontal)}, got also "
            f"{sizes}; {remedy}"
        )
    others = set(map(str, dataset.dims)) - set(order)
    dataset = dataset.isel(dict.fromkeys(others, 0), drop=True) if others else dataset
    sorted_dims = {n: [d for d in order if d in a.dims] for n, a in dataset.data_vars.items()}
    turned = {
        name: transpose(dataset[name], dims).variable
        for name, dims in sorted_dims.items()
        if tuple(dims) != dataset[name].dims
    }
    dataset = dataset.assign(turned) if turned else dataset
    kept = {*order, *coords_of(dataset)}
    foreign = [name for name in dataset.coords if name not in kept]
    return dataset.drop_vars(foreign).transpose(*[dim for dim in order if dim in dataset.dims])
