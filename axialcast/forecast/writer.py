"""Writes forecasts from a bounded background queue, each initial time whole or not at all."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import xarray as xr

from axialcast.files.atomic import remove, room_error
from axialcast.forecast.encoding import VariableFiles
from axialcast.forecast.layout import Layout, chunkings, lead_axis, leads_together
from axialcast.forecast.netcdf import write_netcdf
from axialcast.forecast.ownership import opened
from axialcast.forecast.packing import packings
from axialcast.forecast.store import ForecastStore, Staged
from axialcast.names import INIT_TIME, LEAD_TIME, NUMBER
from axialcast.times.dates import date_text
from axialcast.times.leads import leads_of
from axialcast.times.steps import step_text

__all__ = ["ForecastWriter"]

UNFINISHED = ".unfinished"

QUEUE, QUEUE_BYTES = 2, 2**26
"""Parts that may be written or wait to be, unless told otherwise; or what takes so much memory, for
small ones wait longer for the disk than for one another."""


@dataclass
class _Block:
    """Initial times whose lead times are being written.

    Args:
        dates: of the initial times, as text.
        inputs: a checksum of what each was made of.
        num_leads: lead times that were queued, of all members.
        folder: where they are written; None: not yet, or in vain.
        files: of each initial time, by variable.
    """

    dates: list[str]
    inputs: Sequence[str]
    num_leads: int = 0
    folder: Path | None = None
    files: Sequence[Mapping[str, VariableFiles]] = ()


class ForecastWriter:
    """Writes blocks of initial times into a forecast store that is made, or grows, as they need.

    A block of initial times comes as a whole or in parts of a few lead times, of an ensemble member
    by member. A part is encoded and written by one thread, while the caller computes the next;
    memory holds at most `queue` parts beside the caller's. Once `wait` or the end of the context
    has returned, every initial time of every block is complete; after an error, an interrupt or a
    kill each is complete or absent, and writing may go on with those that `missing` names.

    Args:
        path: of the store; or of a NetCDF file, if it ends in `.nc`: then a store of that name and
            `.unfinished` is written, and the file made of it when all initial times are complete.
        template: labels of all that will be written (see Forecaster.template).
        belongs_to: what decides the values (see ForecastStore.prepare).
        queue: parts that may be written or wait to be before `write` waits for them; None: two, or
            what takes 64 MiB.
        layout: axialcast or weatherbench2 (see ForecastStore.prepare).
        joins: the store is there with room for all that will be written, and others write into it,
            too: the template's initial times and what is missing are of no interest.

    Raises:
        ValueError: what is at `path` is of something else; the layout does not allow the
            longitudes.
        OSError: names `path` and what went wrong: the disk is full, or the folder is read-only.

    Attributes:
        leads_together: lead times that share a chunk: a part of a block holds a multiple of them,
            or the last.

    Example:
        >>> with ForecastWriter("forecast.zarr", forecaster.template(inits, leads)) as writer:
        ...     for n in writer.missing:
        ...         chosen = {"init_times": inits[[n]], "lead_times": leads}
        ...         writer.write(forecaster.predict(analysis, **chosen))
    """

    def __init__(
        self,
        path: str | Path,
        template: xr.Dataset,
        *,
        belongs_to: Mapping[str, Any] | None = None,
        queue: int | None = None,
        layout: Layout = "axialcast",
        joins: bool = False,
    ) -> None:
        self.path, self.queue = Path(path), queue
        self._inits, self._leads = template[INIT_TIME].values, leads_of(template)
        self._members = _members(template)
        self._is_netcdf = self.path.suffix == ".nc"
        store = self.path.with_name(self.path.name + UNFINISHED) if self._is_netcdf else self.path
        with self._named_errors():
            if joins:
                self.store, self.missing = ForecastStore(store), list[int]()
            else:
                self.store = ForecastStore.prepare(
                    store, template, belongs_to=belongs_to, layout=layout
                )
                self.missing = self.store.missing(self._inits)
        self._sizes = _sizes(template)
        self._cut = chunkings(template, self.store.path)
        self._packing = packings(self.store.path, self._cut)
        self.leads_together = leads_together(self._cut.values(), len(self._leads))
        self._pending: deque[Future[None]] = deque()
        self._block: _Block | None = None
        self._folders: set[Path] = set()

    def __enter__(self) -> "ForecastWriter":
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="axialcast-writer")
        return self

    def write(self, part: xr.Dataset, *, inputs: Sequence[str] | None = None) -> None:
        """Queues a block of initial times, or the next lead times of the one before.

        Args:
            part: (init_time, [number], lead_time, [level], latitude, longitude), all levels; of
                several members all lead times.
            inputs: a checksum of what each initial time was made of; those of the last part count.

        Raises:
            ValueError: its members and lead times are not those that come next.
            OSError: an earlier part could not be written.
        """
        block = self._block_of(part, inputs or [""] * part.sizes[INIT_TIME])
        most = self.queue or max(QUEUE, QUEUE_BYTES // part.nbytes)
        while self._pending and (self._pending[0].done() or len(self._pending) >= most):
            self._pending.popleft().result()
        block.inputs = inputs or block.inputs
        is_first, is_last = block.num_leads == 0, self._is_whole(part, block)
        block.num_leads += _num_leads(part)
        self._block = None if is_last else block
        self._pending.append(self._thread.submit(self._write, part, block, is_first, is_last))

    def wait(self) -> None:
        """Returns when every block that was queued to its last lead time is complete.

        Raises:
            OSError: a part could not be written.
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
                self._refuse_unfinished()
                if self._is_netcdf:
                    with self._named_errors():
                        self._make_netcdf()
        finally:
            self._thread.shutdown(cancel_futures=True)
            for folder in self._folders:
                remove(folder)

    def _block_of(self, part: xr.Dataset, inputs: Sequence[str]) -> _Block:
        """The block that a part goes on with, or the one that it begins."""
        dates = [date_text(time) for time in part[INIT_TIME].values]
        block = self._block or _Block(dates, inputs)
        if dates != block.dates:
            self._refuse_unfinished()
        sizes = _sizes(part)
        if sizes != self._sizes:
            raise ValueError(f"part: expected the template's fields, {self._sizes}, got {sizes}")
        member, done = divmod(block.num_leads, len(self._leads))
        members, following = _members(part), self._members[member:]
        is_ragged = len(members) > 1 and part.sizes[LEAD_TIME] < len(self._leads)
        if members != following[: len(members)] or is_ragged:
            raise ValueError(
                f"part: expected member {following[0]} of the template, or several from it on with "
                f"all lead times, got {', '.join(map(str, members))}"
            )
        leads, coming = leads_of(part), self._leads[done:]
        fits = done + len(leads) == len(self._leads) or len(leads) % self.leads_together == 0
        if not fits or not np.array_equal(leads, coming[: len(leads)]):
            raise ValueError(
                f"part: expected the template's lead times from {step_text(coming[0])} on, a "
                f"multiple of {self.leads_together} of them or all, got those of {step_text(leads)}"
            )
        return block

    def _is_whole(self, part: xr.Dataset, block: _Block) -> bool:
        """Whether a block has all lead times with this part."""
        return block.num_leads + _num_leads(part) == len(self._leads) * len(self._members)

    def _refuse_unfinished(self) -> None:
        if self._block is not None:
            lead = step_text(self._leads[self._block.num_leads % len(self._leads)])
            raise ValueError(
                f"{self.path}: the block of {self._block.dates[0]} lacks lead times from {lead} "
                "on; write them first"
            )

    def _write(self, part: xr.Dataset, block: _Block, is_first: bool, is_last: bool) -> None:
        """Adds a part to its block, and publishes that with its last; in the thread."""
        with self._named_errors(needed=part.nbytes):
            try:
                if is_first:
                    self._begin(block)
                if block.folder is None:
                    return
                for name, array in part.data_vars.items():
                    for files, values in zip(block.files, array.values, strict=True):
                        files[str(name)].append(values)
                if is_last:
                    self.store.publish(_staged(block))
                    self._clear(block)
            except BaseException:
                self._clear(block)
                raise

    def _begin(self, block: _Block) -> None:
        folder = self.store.staging()
        self._folders.add(folder)
        block.folder = folder
        block.files = [
            {
                name: VariableFiles(folder / str(n) / name, cut, self._packing[name])
                for name, cut in self._cut.items()
            }
            for n in range(len(block.dates))
        ]

    def _clear(self, block: _Block) -> None:
        """Removes what is left of a block; parts of it that come later are not written."""
        if block.folder is not None:
            remove(block.folder)
            self._folders.discard(block.folder)
        block.folder = None

    def _make_netcdf(self) -> None:
        missing = self.store.missing(self._inits)
        if missing:
            raise ValueError(
                f"{self.path}: {len(missing)} initial times were not written, the first "
                f"{date_text(self._inits[missing[0]])}; write all of them"
            )
        write_netcdf(self.path, opened(self.store.path), leads=self.leads_together)
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


def _members(forecast: xr.Dataset) -> list[int]:
    """Numbers of the members; one, of a forecast that has no such dimension."""
    return forecast[NUMBER].values.tolist() if NUMBER in forecast.dims else [0]


def _num_leads(part: xr.Dataset) -> int:
    """Lead times of all members."""
    return len(_members(part)) * part.sizes[LEAD_TIME]


def _sizes(forecast: xr.Dataset) -> dict[str, tuple[int, ...]]:
    """Shape of each variable at a lead time of a member."""
    return {
        str(name): array.shape[lead_axis(array.dims) + 1 :]
        for name, array in forecast.data_vars.items()
    }


def _staged(block: _Block) -> list[Staged]:
    """The initial times of a block that has all lead times."""
    assert block.folder is not None
    staged = []
    for number, date in enumerate(block.dates):
        files = {
            f"{name}/{key}": entry
            for name, of in block.files[number].items()
            for key, entry in of.finish().items()
        }
        staged.append(Staged(date, block.folder / str(number), files, block.inputs[number]))
    return staged
