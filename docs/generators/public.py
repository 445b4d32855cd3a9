"""What is public, and where each name is at home: the one list of it."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from axialcast.baselines.baseline import JointBaseline
from axialcast.grid import Grid

__all__ = ["PUBLIC", "Name", "home_of", "module_docs", "names_of", "undocumented"]

PUBLIC = (
    "axialcast.data",
    "axialcast.grid",
    "axialcast.model",
    "axialcast.nn",
    "axialcast.training",
    "axialcast.transfer",
    "axialcast.forecast",
    "axialcast.exporting",
    "axialcast.publishing",
    "axialcast.adapters.earth2studio",
    "axialcast.baselines",
    "axialcast.scores",
    "axialcast.verify",
    "axialcast",
)
"""Modules whose `__all__` is public; those that gather the names of others come last."""


PROTOCOLS = (Grid, JointBaseline)
"""What several classes satisfy."""

NAMED = re.compile(r"^ +(\w+(?:, \w+)*): ", re.MULTILINE)
"""A member that the docstring of a class describes."""


class Name(NamedTuple):
    """A public name.

    Args:
        module: that exports it.
        name: in its `__all__`.
        value: what it is.
        doc: its docstring; empty: it has none.
    """

    module: str
    name: str
    value: Any
    doc: str

    @property
    def is_data(self) -> bool:
        """Whether it is neither a class nor a function."""
        return not (inspect.isclass(self.value) or inspect.isroutine(self.value))


@cache
def names_of(module: str) -> tuple[Name, ...]:
    """Everything that a module exports."""
    found = importlib.import_module(module)
    named = [(name, getattr(found, name)) for name in found.__all__]
    return tuple(Name(module, name, value, _doc(found, name, value)) for name, value in named)


def home_of(name: Name) -> str:
    """The module whose page describes a name that several export."""
    for module in PUBLIC:
        if any(one.name == name.name and one.value is name.value for one in names_of(module)):
            return module
    return name.module


def module_docs(module: str) -> str:
    """A module's docstring."""
    return inspect.getdoc(importlib.import_module(module)) or ""


def undocumented() -> Iterator[str]:
    """Public names, and methods of public classes, that nothing is said of.

    What a class has because a protocol asks for it is described there.
    """
    for module in PUBLIC:
        if not module_docs(module):
            yield module
        for name in names_of(module):
            if not name.doc:
                yield f"{module}.{name.name}"
            elif inspect.isclass(name.value) and home_of(name) == module:
                yield from (f"{module}.{name.name}.{one}" for one in _silent(name.value))


def _silent(cls: type) -> Iterator[str]:
    """Methods and properties that a class defines and says nothing of."""
    listed = {name for line in NAMED.findall(cls.__doc__ or "") for name in line.split(", ")}
    for name, member in vars(cls).items():
        function = getattr(member, "fget", None) or getattr(member, "func", member)
        function = getattr(function, "__func__", function)
        if name.startswith("_") or name in listed or not inspect.isroutine(function):
            continue
        asked = any(cls is not one and hasattr(one, name) for one in PROTOCOLS)
        if not inspect.getdoc(function) and not asked:
            yield name


def _doc(module: ModuleType, name: str, value: Any) -> str:
    if inspect.isclass(value):
        return value.__dict__.get("__doc__") or ""
    if inspect.isroutine(value):
        return inspect.getdoc(value) or ""
    return _written_below(module.__name__, name)


@cache
def _written_below(module: str, name: str) -> str:
    """The docstring below an assignment, in the module where that is."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(one, ast.Name) and one.id == name for one in targets):
            written = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            return inspect.cleandoc(str(after.value.value)) if written else ""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and name in [one.name for one in node.names]:
            assert node.module is not None
            return _written_below(node.module, name)
    return ""
