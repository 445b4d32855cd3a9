"""Docstrings as a line of Markdown."""

import re
from inspect import cleandoc

__all__ = ["arguments", "prose"]

CODE = re.compile(r"(`[^`]*`)")
SPECIAL = re.compile(r"([<>*_$\[\]{}|~])")


def prose(docstring: str) -> str:
    r"""In one line, in which nothing but code is marked.

    Example:
        >>> prose("runs/<name>\n  of `a_b`")
        'runs/\\<name\\> of `a_b`'
    """
    parts = CODE.split(" ".join(docstring.split()))
    return "".join(part if part.startswith("`") else SPECIAL.sub(r"\\\1", part) for part in parts)


def arguments(docstring: str | None) -> dict[str, str]:
    """What a docstring says of each argument or attribute.

    Example:
        >>> arguments("A pair.\\n\\nArgs:\\n    a, b: numbers, both\\n        above 0.")
        {'a': 'numbers, both above 0.', 'b': 'numbers, both above 0.'}
    """
    section = cleandoc(docstring or "").partition("Args:\n")[2]
    entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(said.split()) for names, said in entries for name in names.split(", ")}
