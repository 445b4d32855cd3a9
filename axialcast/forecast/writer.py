"""Writes forecasts: labels first, then whole chunks from a bounded background queue."""

import math
import shutil
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import dask.array
import numpy as np
import xarray as xr
import zarr

from axialcast.forecast.encoding import CODEC, write_chunks
from axialcast.names import INIT_TIME, LEAD_TIME, LONGITUDE, VALID_TIME

__all__ = ["ForecastWriter"]

CHUNK_BYTES = 2**24
"""Largest chunk, decoded: Blosc and those who read one field want no more."""


class ForecastWriter:
    """Writes blocks of initial times into a store that appears only when it is complete.

    A block holds so many initial times at every lead time and level, on the whole grid. It is
    written in whole chunks by one thread, while the caller computes the next; memory holds at most
    `queue` blocks besides the caller's. Leaving the context moves the store into place. An error
    on the way, an interrupt too, removes what was written; an error of writing is raised by the
    next `write`, or on leaving, and no thread is left.

    Args:
        path: of the Zarr store, or of a NetCDF file if it ends in `.nc` (made of the chunks on
            leaving the context); replaced if it exists.
        template: the forecast's labels (see Forecaster.template).
        block: initial times in a block.
        queue: blocks that may be written or wait to be before `write` waits for them.
        layout: axialcast, or weatherbench2: `time` for init_time, `prediction_timedelta` for
            lead_time, no valid_time, longitudes 0 to 360 (Rasp et al. 2024, WeatherBench 2).

    Raises:
        OSError: names `path` and what went wrong: the disk is full, or the folder is read-only.
        ValueError: the layout does not allow the longitudes; on leaving, a block is missing.
    """

    def __init__(
        self,
        path: str | Path,
        template: xr.Dataset,
        *,
        block: int,
        queue: int = 2,
        layout: Literal["axialcast", "weatherbench2"] = "axialcast",
    ) -> None:
        self.path = Path(path)
        self.temporary = self.path.with_name(f".{self.path.name}.partial")
        self.block, self.queue = block, queue
        self._template = _weatherbench2(template) if layout == "weatherbench2" else template
        self._num_inits = template.sizes[INIT_TIME]
        self._missing = set(range(0, self._num_inits, block))
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> "ForecastWriter":
        _remove(self.temporary)
        try:
            with self._named_errors():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._write_template()
                self._arrays = zarr.open_group(self.temporary, mode="r+")
        except BaseException:
            _remove(self.temporary)
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="axialcast-writer")
        return self

    def write(self, first: int, block: xr.Dataset) -> None:
        """Queues a block whose first initial time is the template's number `first`.

        Raises:
            OSError: an earlier block could not be written.
        """
        assert first in self._missing, "blocks are written once, in whole chunks"
        assert block.sizes[INIT_TIME] == min(self.block, self._num_inits - first)
        while self._pending and (self._pending[0].done() or len(self._pending) >= self.queue):
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(self._write, first, block))
        self._missing.remove(first)

    def wait(self) -> None:
        """Returns when every queued block is written.

        Raises:
            OSError: one of them could not be.
        """
        while self._pending:
            self._pending.popleft().result()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.wait()
                if self._missing:
                    raise ValueError(
                        f"{self.path}: {len(self._missing)} blocks of {self.block} initial times "
                        f"were not written, the first at number {min(self._missing)}; write all"
                    )
                with self._named_errors():
                    self._finish()
        finally:
            self._thread.shutdown(cancel_futures=True)
            _remove(self.temporary)

    def _write(self, first: int, block: xr.Dataset) -> None:
        with self._named_errors():
            for name, array in block.data_vars.items():
                target = self._arrays[str(name)]
                assert isinstance(target, zarr.Array)
                write_chunks(target, first, array.values)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError) as error:  # the NetCDF library raises RuntimeErrors
            cause = getattr(error, "strerror", None) or error
            raise OSError(f"{self.path}: the forecast cannot be written ({cause})") from error

    def _write_template(self) -> None:
        lazy = self._template.copy()
        encoding: dict[str, Any] = _time_encoding(self._template)
        for variable, array in self._template.data_vars.items():
            chunks = _chunks(array.shape, self.block)
            zeros = dask.array.zeros(array.shape, dtype=np.float32, chunks=chunks)
            lazy[variable] = (array.dims, zeros, array.attrs)
            encoding[str(variable)] = {"chunks": chunks, "compressors": [CODEC]}
        with warnings.catch_warnings():
            # Zarr warns that version 3 has not standardised consolidated metadata; xarray reads
            # stores with and without.
            warnings.filterwarnings("ignore", "Consolidated metadata")
            lazy.to_zarr(self.temporary, mode="w", compute=False, encoding=encoding)

    def _finish(self) -> None:
        """Moves what was written into place; the old one goes when the new one is there."""
        written = self.temporary
        if self.path.suffix == ".nc":
            written = self.temporary / "forecast.nc"
            with xr.open_zarr(self.temporary, chunks={}, decode_timedelta=True) as forecast:
                deflate = {"zlib": True, "complevel": 1, "shuffle": True}
                forecast.to_netcdf(written, encoding=dict.fromkeys(forecast.data_vars, deflate))
        old = self.path.with_name(f".{self.path.name}.old")
        if self.path.exists():
            self.path.rename(old)
        written.rename(self.path)
        _remove(old)


def _chunks(shape: Sequence[int], block: int) -> tuple[int, ...]:
    """Chunk lengths along (init_time, lead_time, [level], latitude, longitude).

    Whole blocks if they are small, else fewer initial times (that divide a block), then fewer lead
    times, then fewer levels; the grid stays whole.
    """
    chunks = [min(block, shape[0]), *shape[1:]]
    for axis in range(len(shape) - 2):
        per_unit = 4 * math.prod(chunks) // chunks[axis]
        most = max(1, CHUNK_BYTES // per_unit)
        if axis == 0:
            chunks[0] = max(n for n in range(1, min(most, chunks[0]) + 1) if chunks[0] % n == 0)
        else:
            chunks[axis] = -(-chunks[axis] // -(-chunks[axis] // most))
    return tuple(chunks)


def _time_encoding(template: xr.Dataset) -> dict[str, Any]:
    """How times are stored: integers of hours, or else of seconds, in their own calendar."""
    encoding: dict[str, Any] = {}
    for name, array in template.coords.items():
        if np.issubdtype(array.dtype, np.timedelta64):
            is_whole, since = not (array.dt.seconds % 3600).any(), {}
        elif np.issubdtype(array.dtype, np.datetime64) or array.dtype == object:
            is_whole = not (array.dt.minute.any() or array.dt.second.any())
            since = {"calendar": array.dt.calendar}
        else:
            continue
        units = "hours" if is_whole else "seconds"
        units += " since 1970-01-01" if since else ""
        encoding[str(name)] = {"units": units, "dtype": "int64", **since}
    return encoding


def _weatherbench2(template: xr.Dataset) -> xr.Dataset:
    longitude = template[LONGITUDE].values
    if longitude.min() < 0 or longitude.max() >= 360:
        raise ValueError(
            f"layout: weatherbench2 wants longitudes from 0 to 360, the forecast's run from "
            f"{longitude.min():g} to {longitude.max():g}; take layout='axialcast'"
        )
    names = {INIT_TIME: "time", LEAD_TIME: "prediction_timedelta"}
    return template.drop_vars(VALID_TIME).rename(names)


def _remove(path: Path) -> None:
    """Removes a file or folder as far as that is possible: nothing depends on it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
