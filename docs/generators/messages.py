"""What axialcast says when it refuses something, read from its source: patterns of all messages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Message", "messages"]

ROOT = Path(__file__).parents[2]
SAID = ("ValueError", "OSError", "FileNotFoundError", "FileExistsError", "PermissionError")
"""Exceptions that the command makes a line of; besides all that end in Error and are ours."""
BUILTIN_DEFECTS = {"AssertionError", "AttributeError", "NotImplementedError", "TypeError"}
REMEDIES = ("; ", "expected ")
"""What lines have that are collected before they are raised together."""
LETTERS = 10
"""Fewer that are no value's say nothing that could be looked for."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Message(NamedTuple):
    """Something that may be said.

    Args:
        room: the folder of the module that says it, dotted, without axialcast; empty: its top.
        module: its name, dotted.
        text: what is said, ‹names› in place of values.
    """

    room: str
    module: str
    text: str


def messages(root: Path = ROOT) -> list[Message]:
    """All of the library and the pipelines, by room, in the order of the source."""
    found = []
    for top in ("axialcast", "pipelines"):
        for path in sorted((root / top).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            names = parts[1:] if top == "axialcast" else parts
            said = dict.fromkeys(filter(_tells, _said(ast.parse(path.read_text("utf-8")))))
            found += [Message(".".join(names[:-1]), ".".join(names), text) for text in said]
    return found


def _tells(text: str) -> bool:
    return len(re.findall(r"\w", re.sub(r"‹[^›]*›", "", text))) >= LETTERS


def _said(tree: ast.Module) -> Iterator[str]:
    """Messages of a module: raised at once, or collected by functions that say what is wrong."""
    for function in ast.walk(tree):
        if isinstance(function, Function) and function.name != "__repr__":
            texts = _assigned(function)
            for node in _own_nodes(function):
                yield from _raised(node, texts) if isinstance(node, ast.Raise) else _collected(node)


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """What stands in a function, but not in functions within it."""
    stack: list[ast.AST] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, Function):
            stack += reversed(list(ast.iter_child_nodes(node)))


def _assigned(function: Function) -> dict[str, list[str]]:
    """Texts by the names that they are given before they are raised."""
    found: dict[str, list[str]] = {}
    for node in _own_nodes(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if (text := _text(value)) is not None:
                    found.setdefault(name, []).append(text)
    return found


def _raised(node: ast.Raise, texts: dict[str, list[str]]) -> Iterator[str]:
    call = node.exc
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return
    name = call.func.id
    if name in BUILTIN_DEFECTS or not (name in SAID or name.endswith("Error")):
        return
    for argument in call.args:
        if isinstance(argument, ast.Name):
            yield from texts.get(argument.id, ())
        elif isinstance(argument, ast.List):
            yield from filter(None, map(_text, argument.elts))
        elif (text := _text(argument)) is not None:
            yield text


def _collected(node: ast.AST) -> Iterator[str]:
    """Lines that are returned, yielded or gathered, to be raised by others."""
    values: list[ast.expr | None] = []
    if isinstance(node, ast.Return | ast.Yield | ast.AugAssign):
        values = [node.value]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        values = [*node.args] if node.func.attr == "append" else []
    for value in values:
        inner = [value]
        if isinstance(value, ast.List | ast.Tuple):
            inner = [*value.elts]
        elif isinstance(value, ast.ListComp):
            inner = [value.elt]
        for one in inner:
            text = None if one is None else _text(one)
            if text and any(words in text for words in REMEDIES):
                yield text


def _text(node: ast.expr) -> str | None:
    """What an expression says, values by their names; None: it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [_text(node.left), _text(node.right)]
        if sides == [None, None]:
            return None
        return "".join("…" if side is None else side for side in sides)
    return None


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.FormattedValue)
    name = _name(node.value)
    return f"‹{name.strip('_').replace('_', ' ')}›" if name else "…"


def _name(node: ast.AST) -> str:
    """What a value is called where a message is made."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _name(node.args[0]) if node.args else _name(node.func)
    if isinstance(node, ast.Subscript | ast.Starred):
        return _name(node.value)
    if isinstance(node, ast.List | ast.Tuple):
        return ", ".join(filter(None, map(_name, node.elts)))
    return ""
