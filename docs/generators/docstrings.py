"""Docstrings, which are plain text, made ready to be read as reStructuredText."""

import re

from sphinx.application import Sphinx

STARRED = re.compile(r"\(\*(?=\w)")
"""A shape that begins with dimensions of any number; else it would begin an emphasis."""


def made_ready(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Changes the lines of a docstring in place."""
    lines[:] = [STARRED.sub(r"(\\*", line) for line in lines]
    for number, line in enumerate(lines[:-2]):
        is_prose = line.endswith(":") and " " in line and not line.startswith(" ")
        if is_prose and not lines[number + 1] and lines[number + 2].startswith("    "):
            lines[number] += ":"  # what is indented after a blank line is a formula or code


def without_arguments(
    app: Sphinx, what: str, name: str, value: object, options: object, arguments: str, gives: str
) -> tuple[str, None] | None:
    """No arguments of a protocol: nobody makes one."""
    return ("", None) if getattr(value, "_is_protocol", False) else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-signature", without_arguments)
    app.connect("autodoc-process-docstring", made_ready, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
