"""An index of all error messages, by what they are about, each with the page that explains it."""

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from generators.messages import ROOT, Message, messages

__all__ = ["ROOMS", "code", "explained", "text"]

ROOMS: Mapping[str, tuple[str, str]] = {
    "": ("Files of your own, grids and processes", "your_own_network.md"),
    "adapters": ("Other packages", "other_packages.md"),
    "baselines": ("Fitting baselines", "verification.md"),
    "data": ("Channels and statistics", "your_data.md"),
    "data.arrays": ("Reading values", "your_data.md"),
    "data.opening": ("Several files and stores", "stores.md"),
    "data.opening.kinds": ("Opening files", "your_data.md"),
    "data.opening.standard": ("What a file says of itself", "your_data.md"),
    "data.preparing": ("Preparing a training store", "your_data.md"),
    "data.windows": ("Windows for training", "explanation/windows.md"),
    "exporting": ("Exported networks", "other_packages.md"),
    "files": ("Files and folders", "troubleshooting.md"),
    "forecast": ("Checkpoints and forecasts", "reference/forecast_store.md"),
    "grid": ("Grids", "maps.md"),
    "model": ("The network and its loss", "your_own_network.md"),
    "nn": ("The layers", "explanation/axial_attention.md"),
    "nn.papers": ("Layers of papers", "papers.md"),
    "pipelines": ("Stages", "troubleshooting.md"),
    "planet": ("Simulations", "reference/config.md"),
    "publishing": ("Publishing checkpoints", "other_packages.md"),
    "report": ("Pictures and the report", "troubleshooting.md"),
    "run": ("Config, command, jobs and outputs", "reference/config.md"),
    "scores": ("Scores", "verification.md"),
    "times": ("Times, dates and calendars", "your_data.md"),
    "training": ("Training", "cluster.md"),
    "transfer": ("Starting from a trained network", "fine_tuning.md"),
}
"""By room: what its messages are about, and the page of docs/ that explains it."""

TROUBLES = ROOT / "docs" / "troubleshooting.md"
HEADING = re.compile(r"^### `(.+)`$", re.MULTILINE)


def text(said: list[Message] | None = None) -> str:
    """A section for each room, a line for each message.

    Raises:
        ValueError: a room has no place yet, or a message is explained that nobody says.
    """
    known = said or messages()
    if lost := [heading for heading in explained(TROUBLES) if not _is_said(heading, known)]:
        raise ValueError(f"{TROUBLES.name}: explains {lost[0]!r}, which nothing says")
    return "\n".join(_sections(known))


def explained(page: Path) -> list[str]:
    """The messages that a page explains, each in a heading of its own."""
    return HEADING.findall(page.read_text("utf-8"))


def _sections(known: list[Message]) -> Iterator[str]:
    placed = [(_place(one.room), one) for one in known]
    for room, group in groupby(sorted(placed, key=lambda pair: pair[0]), lambda pair: pair[0]):
        title, page = ROOMS[room]
        yield f"\n## {title}\n\nSee [](../{page}).\n"
        yield from (f"- {code(one.text)} — *{one.module}*" for _, one in group)


def _place(room: str) -> str:
    """The room that has a page: itself, or the one that it is within."""
    while room and room not in ROOMS:
        if "." not in room:
            raise ValueError(f"messages of {room} have no place; name a page in {__name__}.ROOMS")
        room = room.rpartition(".")[0]
    return room


def _is_said(heading: str, known: list[Message]) -> bool:
    """Whether a heading is a message, or a part of one."""
    return any(_plain(heading) in _plain(one.text) for one in known)


def _plain(text: str) -> str:
    """Without what values are called: a heading may call them as its readers do."""
    return " ".join(re.sub(r"‹[^›]*›|…", "‹›", text).split())


def code(text: str) -> str:
    """As code, whatever quotes are in it."""
    text = " ".join(text.split())
    return f"`` {text} ``" if "`" in text else f"`{text}`"
