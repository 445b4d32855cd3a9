"""Reference pages of the public modules, of their docstrings."""

import inspect
from collections.abc import Iterator

from generators.prose import prose
from generators.public import PUBLIC, Name, home_of, module_docs, names_of, undocumented

__all__ = ["overview", "page_of", "text"]

MEMBERS = "    :members:\n    :special-members: __call__, __iter__, __len__"


def overview() -> str:
    """The public modules with all their names, each with its page.

    Raises:
        ValueError: something public has no docstring.
    """
    if missing := list(undocumented()):
        raise ValueError(f"no docstring: {', '.join(missing)}")
    return "\n".join(_modules())


def _modules() -> Iterator[str]:
    for module in reversed(PUBLIC):
        yield f"\n[`{module}`]({page_of(module)})\n: {prose(_first(module_docs(module)))}\n"
        yield f"  {', '.join(_link(name) for name in names_of(module))}"


def text(module: str) -> str:
    """What a module exports: in full where it is at home there, else with a link."""
    names = names_of(module)
    away = [name for name in names if home_of(name) != module]
    said = [f"```{{eval-rst}}\n{_paragraphs(module_docs(module))}\n```\n"]
    if away:
        said += ["| name | what |", "| --- | --- |", *map(_row, away), ""]
    said += [_described(name) for name in names if name not in away]
    return "\n".join(said)


def page_of(module: str) -> str:
    """The file of a module's page, beside the overview."""
    return f"{module.removeprefix('axialcast').lstrip('.') or 'axialcast'}.md"


def _row(name: Name) -> str:
    return f"| {_link(name)} | {prose(_first(name.doc))} |"


def _link(name: Name) -> str:
    return f"{{py:obj}}`{name.name} <{home_of(name)}.{name.name}>`"


def _first(docstring: str) -> str:
    """The first sentence."""
    return docstring.split("\n\n")[0]


def _paragraphs(docstring: str) -> str:
    return docstring.replace("::\n", ":\n")


def _described(name: Name) -> str:
    """The directive that writes a name's reference."""
    full = f"{name.module}.{name.name}"
    if name.is_data:
        body = "\n".join(f"    {line}" for line in name.doc.splitlines())
        said = f".. py:data:: {full}\n{_value(name)}\n{body}"
    elif inspect.isclass(name.value):
        said = f".. autoclass:: {full}\n{MEMBERS}"
    else:
        said = f".. autofunction:: {full}"
    return f"```{{eval-rst}}\n{said}\n```\n"


def _value(name: Name) -> str:
    """The value of a constant, where it fits a line."""
    value = sorted(name.value) if isinstance(name.value, set | frozenset) else name.value
    shown = repr(value)
    return f"    :value: {shown}\n" if len(shown) <= 80 and "<" not in shown else ""
