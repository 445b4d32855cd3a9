"""The command line, as the parser knows it."""

from collections.abc import Iterator
from typing import Any

import typer

from axialcast.run.cli import app
from generators.prose import prose

__all__ = ["text"]


def text(program: typer.Typer = app) -> str:
    """A section for each command: how it is called, what it does, its arguments and options.

    Raises:
        ValueError: a command, an argument or an option says nothing of itself.
    """
    return "\n".join(_commands("axialcast", typer.main.get_command(program)))


def _commands(called: str, command: Any) -> Iterator[str]:
    """A command's section, or those of the commands within it."""
    if hasattr(command, "commands"):
        for name, within in sorted(command.commands.items()):
            yield from _commands(f"{called} {name}", within)
        return
    if not command.help:
        raise ValueError(f"{called}: the command has no help")
    parameters = [one for one in command.params if not one.hidden and "--help" not in one.opts]
    arguments = [one for one in parameters if not _is_option(one)]
    usage = " ".join([called, "[OPTIONS]", *(_shown(one) for one in arguments)])
    yield f"\n## `{called}`\n\n```text\n{usage}\n```\n\n{prose(command.help)}\n"
    for one in parameters:
        if not one.help:
            raise ValueError(f"{called}: {one.name} has no help")
        yield f"`{_shown(one)}`\n: {prose(one.help)}{_default(one)}\n"


def _is_option(parameter: Any) -> bool:
    return parameter.opts[0].startswith("-")


def _shown(parameter: Any) -> str:
    """A parameter as one would type it."""
    value = parameter.metavar or parameter.name.upper()
    if not _is_option(parameter):
        return value if parameter.required or value.startswith("[") else f"[{value}]"
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {value}"


def _default(parameter: Any) -> str:
    taken = _is_option(parameter) and not parameter.is_flag and parameter.default is not None
    return f" Default: `{parameter.default}`." if taken else ""
