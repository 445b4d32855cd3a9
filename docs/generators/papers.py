"""Checks the table of papers: each that a docstring or a page names stands in it."""

import re
from collections.abc import Iterator
from pathlib import Path

from generators.messages import ROOT
from generators.prose import prose

__all__ = ["text"]

YEAR = r",? ?\(?((?:19|20)\d\d)\b"
NAME = r"\b([A-Z][\w’'-]+)"
CITATIONS = (
    re.compile(rf"{NAME},? et al\.?{YEAR}"),
    re.compile(rf"{NAME}(?:, {NAME})*,? (?:&|and) {NAME}{YEAR}"),
    re.compile(rf"(?<!and )(?<!& )(?<!North ){NAME} \(((?:19|20)\d\d)[,)]"),
    re.compile(rf"(?<!and )(?<!& ){NAME} ((?:19|20)\d\d) \("),
    re.compile(rf"[(;] ?{NAME} ((?:19|20)\d\d)[;),]"),
)
"""Of several authors, of two or three, of one, and of one within brackets."""
ENTRY = re.compile(r"^\| ([^|]+?) \((\d{4})\)", re.MULTILINE)
TABLE = "docs/papers.md"


def text(root: Path = ROOT) -> str:
    """A row for each module of the library that names papers, with these.

    Raises:
        ValueError: a paper is named that the table lacks.
    """
    table = (root / TABLE).read_text("utf-8")
    known = {(_first(authors), year) for authors, year in ENTRY.findall(table)}
    rows = ["| module | names |", "| --- | --- |"]
    for path in _sources(root):
        cited = sorted(set(_cited(path)))
        if lacking := [f"{author} {year}" for author, year in cited if (author, year) not in known]:
            raise ValueError(f"{path.relative_to(root)}: names {lacking}, which {TABLE} lacks")
        if cited and path.suffix == ".py":
            module = ".".join(path.relative_to(root / "axialcast").with_suffix("").parts)
            rows.append(f"| `{module}` | {prose('; '.join(f'{a} {y}' for a, y in cited))} |")
    return "\n".join(rows)


def _first(authors: str) -> str:
    """The first author's last name."""
    return re.split(r",| and | et al", authors)[0].split()[-1]


def _sources(root: Path) -> Iterator[Path]:
    yield from sorted((root / "axialcast").rglob("*.py"))
    yield from (path for path in sorted((root / "docs").rglob("*.md")) if path != root / TABLE)


def _cited(path: Path) -> Iterator[tuple[str, str]]:
    """First authors and years."""
    text = " ".join(path.read_text("utf-8").split())
    for pattern in CITATIONS:
        yield from ((found[1], found[found.lastindex or 0]) for found in pattern.finditer(text))
