"""Writes forecasts to Zarr: labels first, then whole chunks from a bounded background queue."""

import shutil
import warnings
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import dask.array
import numpy as np
import xarray as xr
import zarr
import zarr.codecs

from axialcast.names import INIT_TIME, LEAD_TIME, VALID_TIME

__all__ = ["ForecastWriter"]

TIME_ENCODING = {"units": "hours since 1970-01-01", "calendar": "standard", "dtype": "int64"}
LEAD_ENCODING = {"units": "hours", "dtype": "int64"}


class ForecastWriter:
    """Writes blocks of initial times into a store that appears only when it is complete.

    A chunk holds `block` initial times, every lead time and level, and the whole grid, so that no
    chunk is written twice. Leaving the context moves the store into place; an error on the way,
    also one of writing, removes what was written and is raised.

    Args:
        path: of the Zarr store; replaced if it exists.
        template: the forecast's labels (see Forecaster.template).
        block: initial times in a chunk.
        queue: blocks that may wait to be written before `write` waits for them.
    """

    def __init__(
        self, path: str | Path, template: xr.Dataset, *, block: int, queue: int = 2
    ) -> None:
        self.path = Path(path)
        self.temporary = self.path.with_name(f".{self.path.name}.partial")
        self.block, self.queue = block, queue
        self._template = template
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> "ForecastWriter":
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write_template()
        self._arrays = zarr.open_group(self.temporary, mode="r+")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="axialcast-writer")
        return self

    def write(self, first: int, block: xr.Dataset) -> None:
        """Queues a block whose first initial time is the template's number `first`.

        Raises:
            OSError: an earlier block could not be written.
        """
        assert first % self.block == 0, "blocks are written in whole chunks"
        while len(self._pending) >= self.queue:
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(self._write, first, block))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                while self._pending:
                    self._pending.popleft().result()
                self._thread.shutdown()
                shutil.rmtree(self.path, ignore_errors=True)
                self.temporary.rename(self.path)
        finally:
            self._thread.shutdown(cancel_futures=True)
            shutil.rmtree(self.temporary, ignore_errors=True)

    def _write(self, first: int, block: xr.Dataset) -> None:
        stop = first + block.sizes[INIT_TIME]
        for name, array in block.data_vars.items():
            target = self._arrays[str(name)]
            assert isinstance(target, zarr.Array)
            target[first:stop] = array.values

    def _write_template(self) -> None:
        lazy = self._template.copy()
        encoding: dict[str, Any] = {
            INIT_TIME: dict(TIME_ENCODING),
            VALID_TIME: dict(TIME_ENCODING),
            LEAD_TIME: dict(LEAD_ENCODING),
        }
        for variable, array in self._template.data_vars.items():
            chunks = (min(self.block, array.shape[0]), *array.shape[1:])
            zeros = dask.array.zeros(array.shape, dtype=np.float32, chunks=chunks)
            lazy[variable] = (array.dims, zeros, array.attrs)
            codec = zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle")
            encoding[str(variable)] = {"chunks": chunks, "compressors": [codec]}
        with warnings.catch_warnings():
            # Zarr warns that version 3 has not standardised consolidated metadata; xarray reads
            # stores with and without.
            warnings.filterwarnings("ignore", "Consolidated metadata")
            lazy.to_zarr(self.temporary, mode="w", compute=False, encoding=encoding)
