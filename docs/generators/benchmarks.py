"""What each benchmark measures, as its docstring says, and where its numbers are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from generators.messages import ROOT
from generators.prose import prose

__all__ = ["text"]

FOLDER = "tests/benchmarks"
CITED = ("docs/**/*.md", "notebooks/*.ipynb")
SHARED = ("measuring.py", "layouts.py")
"""What scripts share; they measure nothing themselves."""
COMMAND = re.compile(r":? *`?python tests/benchmarks/\S+[^.`]*`?\.?$")
"""How a script is called, which the first line of its docstring may end with."""


def text(root: Path = ROOT) -> str:
    """A row for each script: what it measures, and the pages that state its numbers.

    Raises:
        ValueError: a script has no docstring.
    """
    head = ["| script | what it measures | its numbers |", "| --- | --- | --- |"]
    return "\n".join([*head, *_rows(root)])


def _rows(root: Path) -> Iterator[str]:
    pages = {path: path.read_text("utf-8") for path in _pages(root)}
    for path in sorted((root / FOLDER).glob("*.py")):
        if path.name in SHARED:
            continue
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        if not doc:
            raise ValueError(f"{FOLDER}/{path.name}: has no docstring")
        called = f"{FOLDER}/{path.name}"
        places = [_link(page, root) for page, page_text in pages.items() if called in page_text]
        what = COMMAND.sub("", " ".join(doc.split("\n\n")[0].split()))
        yield f"| [`{path.name}`](../{called}) | {prose(what)} | {', '.join(places)} |"


def _pages(root: Path) -> list[Path]:
    found = [root / FOLDER / "README.md", *(p for one in CITED for p in sorted(root.glob(one)))]
    return [page for page in found if page != root / "docs" / "benchmarks.md"]


def _link(page: Path, root: Path) -> str:
    name = page.relative_to(root).as_posix()
    title = "tables" if name.startswith(FOLDER) else page.stem
    return f"[{title}](../{name})"
