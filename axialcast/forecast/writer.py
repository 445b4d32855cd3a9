"""Writes forecasts from a bounded background queue, each initial time whole or not at all."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import xarray as xr

from axialcast.files.atomic import remove, room_error, sync, writing
from axialcast.forecast.layout import Layout, encoded
from axialcast.forecast.store import ForecastStore, Staged
from axialcast.names import INIT_TIME
from axialcast.times.dates import date_text

__all__ = ["ForecastWriter"]

UNFINISHED = ".unfinished"


class ForecastWriter:
    """Writes blocks of initial times into a forecast store that is made, or grows, as they need.

    A block is encoded and written by one thread, while the caller computes the next; memory holds
    at most `queue` blocks besides the caller's. Once `wait` or the end of the context has returned,
    every initial time of every block is complete; after an error, an interrupt or a kill each is
    complete or absent, and writing may go on with those that `missing` names.

    Args:
        path: of the store; or of a NetCDF file, if it ends in `.nc`: then a store of that name and
            `.unfinished` is written, and the file made of it when all initial times are complete.
        template: labels of all that will be written (see Forecaster.template).
        belongs_to: what decides the values (see ForecastStore.prepare).
        queue: blocks that may be written or wait to be before `write` waits for them.
        layout: axialcast or weatherbench2 (see ForecastStore.prepare).

    Raises:
        ValueError: what is at `path` is of something else; the layout does not allow the
            longitudes.
        OSError: names `path` and what went wrong: the disk is full, or the folder is read-only.

    Example:
        >>> with ForecastWriter("forecast.zarr", forecaster.template(inits, leads)) as writer:
        ...     for n in writer.missing:
        ...         writer.write(forecaster.predict(analysis, inits[[n]], leads))
    """

    def __init__(
        self,
        path: str | Path,
        template: xr.Dataset,
        *,
        belongs_to: Mapping[str, Any] | None = None,
        queue: int = 2,
        layout: Layout = "axialcast",
    ) -> None:
        self.path, self.queue = Path(path), queue
        self._inits = template[INIT_TIME].values
        self._is_netcdf = self.path.suffix == ".nc"
        store = self.path.with_name(self.path.name + UNFINISHED) if self._is_netcdf else self.path
        with self._named_errors():
            self.store = ForecastStore.prepare(
                store, template, belongs_to=belongs_to, layout=layout
            )
            self.missing = self.store.missing(self._inits)
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> "ForecastWriter":
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="axialcast-writer")
        return self

    def write(self, block: xr.Dataset, *, inputs: Sequence[str] | None = None) -> None:
        """Queues a block of initial times, whole: at every lead time and level.

        Args:
            block: (init_time, lead_time, [level], latitude, longitude).
            inputs: a checksum of what each initial time was made of.

        Raises:
            OSError: an earlier block could not be written.
        """
        while self._pending and (self._pending[0].done() or len(self._pending) >= self.queue):
            self._pending.popleft().result()
        made_of = inputs or [""] * block.sizes[INIT_TIME]
        self._pending.append(self._thread.submit(self._write, block, made_of))

    def wait(self) -> None:
        """Returns when every queued block is complete.

        Raises:
            OSError: one of them could not be written.
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
                if self._is_netcdf:
                    with self._named_errors():
                        self._make_netcdf()
        finally:
            self._thread.shutdown(cancel_futures=True)

    def _write(self, block: xr.Dataset, inputs: Sequence[str]) -> None:
        dates = [date_text(time) for time in block[INIT_TIME].values]
        with self._named_errors(needed=block.nbytes):
            folder = self.store.staging()
            try:
                files: list[dict[str, tuple[int, str]]] = [{} for _ in dates]
                for name, array in block.data_vars.items():
                    for number, chunks in enumerate(encoded(array.values)):
                        for key, value in chunks.items():
                            file = folder / str(number) / str(name) / key
                            file.parent.mkdir(parents=True, exist_ok=True)
                            file.write_bytes(value)
                            sync(file)
                            checksum = sha256(value).hexdigest()
                            files[number][f"{name}/{key}"] = len(value), checksum
                self.store.publish(
                    [
                        Staged(date, folder / str(number), files[number], inputs[number])
                        for number, date in enumerate(dates)
                    ]
                )
            finally:
                remove(folder)

    def _make_netcdf(self) -> None:
        missing = self.store.missing(self._inits)
        if missing:
            raise ValueError(
                f"{self.path}: {len(missing)} initial times were not written, the first "
                f"{date_text(self._inits[missing[0]])}; write all of them"
            )
        with (
            xr.open_zarr(self.store.path, chunks={}, decode_timedelta=True) as forecast,
            writing(self.path) as partial,
        ):
            deflate = {"zlib": True, "complevel": 1, "shuffle": True}
            forecast.to_netcdf(partial, encoding=dict.fromkeys(forecast.data_vars, deflate))
        remove(self.store.path)

    @contextmanager
    def _named_errors(self, needed: int | None = None) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError) as error:  # the NetCDF library raises RuntimeErrors
            if isinstance(error, OSError):
                error = room_error(self.path, error, needed)
            cause = getattr(error, "strerror", None) or error
            text = str(cause).removeprefix(f"{self.path}: ")
            raise OSError(f"{self.path}: the forecast cannot be written ({text})") from error
