"""A bar on a terminal, with what is told beside it below."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from axialcast.run.progress import Watched

__all__ = ["Live"]

WIDE = 80
"""Columns from which on there is a bar; on narrower terminals numbers alone, in two lines."""


class Live(AbstractContextManager["Live"]):
    """Drawn anew a few times a second, however often it is updated; stays as it ends.

    Args:
        description: what is being done.
        total: number of items, if it is known.
        watched: tells of them what stands below the bar.
    """

    def __init__(self, description: str, total: int | None, watched: "Watched | None") -> None:
        self._console, self._watched = Console(stderr=True), watched
        wide = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[counted]}, {task.fields[pace]}", markup=False),
        )
        narrow = (TextColumn("{task.fields[counted]}\n{task.fields[pace]}", markup=False),)
        columns = wide if self._console.width >= WIDE else narrow
        self._progress = Progress(*columns, console=self._console)
        self._task = self._progress.add_task(description, total=total, counted="", pace="")
        self._live = RichLive(get_renderable=self._drawn, console=self._console)
        self._is_shown = False

    def update(self, count: int, counted: str, pace: str) -> None:
        """Takes how far it is."""
        self._progress.update(self._task, completed=count, counted=counted, pace=pace)

    def show(self) -> None:
        """Draws it from now on."""
        if not self._is_shown:
            self._live.start(refresh=True)
            self._is_shown = True

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._live.stop()

    def _drawn(self) -> Group:
        curves = self._console.encoding.startswith("utf")
        lines = self._watched.lines(self._console.width, curves=curves) if self._watched else []
        texts = (Text(line, no_wrap=True, overflow="ellipsis") for line in lines)
        return Group(self._progress, *texts)
