"""Fills pages: where one says `<!-- generated: config -->`, what that generator writes stands."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from generators import (
    api,
    benchmarks,
    checkpoints,
    commands,
    errors,
    forecasts,
    metrics,
    papers,
    settings,
)
from generators.outside import fetched

LOG = logging.getLogger(__name__)

MARK = re.compile(r"^<!-- generated: (\w+) ?(\S*) -->$", re.MULTILINE)

GENERATORS: Mapping[str, Callable[..., str]] = {
    "api": api.overview,
    "benchmarks": benchmarks.text,
    "checkpoint": checkpoints.text,
    "commands": commands.text,
    "config": settings.text,
    "errors": errors.text,
    "forecast": forecasts.text,
    "metrics": metrics.text,
    "module": api.text,
    "papers": papers.text,
}
"""Each gives Markdown, and raises ValueError where something public is not documented."""

FORWARD = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=docs/index.html">
<title>axialcast</title>
<a href="docs/index.html">axialcast</a>
"""
"""The site begins at the folder's index, its first page is one of those in docs/."""


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Writes the generated parts of a page into its text."""

    def generated(mark: re.Match[str]) -> str:
        app.env.note_reread()
        try:
            return GENERATORS[mark[1]](*filter(None, [mark[2]]))
        except ValueError as error:
            LOG.warning("%s", error, location=page)  # with -W the build fails at its end
            return ""

    source[0] = MARK.sub(generated, source[0])


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Makes the folder's index lead to the first page; refuses pages that would fetch something."""
    if exception is not None:
        return
    site = Path(app.outdir)
    (site / "index.html").write_text(FORWARD, "utf-8")
    if found := list(fetched(site)):
        raise ExtensionError("fetched from elsewhere: " + "; ".join(found))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", fill)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
