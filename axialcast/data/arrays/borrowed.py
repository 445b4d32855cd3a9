"""The few parts of zarr and xarray that are not public, and why they are used.

`sync`: runs what a zarr Store returns in zarr's own event loop. Stores have no synchronous side in
public, and clients of a store may be tied to the loop that opened it.

`indexing`: what xarray's guide «How to add a new backend» tells to import for arrays that are read
by index, though it lies in `xarray.core`.

The versions of both are capped to those that are tested.
"""

from xarray.core.indexing import (
    IndexingSupport,
    LazilyIndexedArray,
    VectorizedIndexer,
    explicit_indexing_adapter,
)
from zarr.core.sync import sync

__all__ = [
    "IndexingSupport",
    "LazilyIndexedArray",
    "VectorizedIndexer",
    "explicit_indexing_adapter",
    "sync",
]
