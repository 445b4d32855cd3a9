"""What README.md and docs/ show can be run: configs are read, commands and keys exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from axialcast.names import VARIABLES
from axialcast.run.cli import app
from axialcast.run.config import load_config
from axialcast.run.shipped import configs

ROOT = Path(__file__).parents[1]
QUICKSTART = configs()["quickstart"]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^([ ]*)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`(axialcast [^`]+)`")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
CALL = re.compile(rf"(?<![\w./-])axialcast (?=(?:{'|'.join(COMMANDS)})\b)(.*?)(?:&&|\||$)")
KEY = re.compile(r"[a-z_.]+=[^…]*$")

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@by_page
def test_yaml_is_a_config_or_a_part_of_one(page: Path, tmp_path: Path) -> None:
    whole = yaml.safe_load(QUICKSTART.read_text("utf-8"))
    whole["data"]["variables"] = [*VARIABLES]  # a part may name any
    for text in blocks(page, "yaml"):
        shown = yaml.safe_load(text)
        path = tmp_path / "shown.yaml"
        path.write_text(yaml.safe_dump(shown if "pipeline" in shown else merged(whole, shown)))
        load_config(path)


@by_page
def test_commands_have_the_options_and_keys_that_are_shown(page: Path) -> None:
    for line in commands(page):
        name, *arguments = shlex.split(line, comments=True)
        options = {option for known in COMMANDS[name].params for option in known.opts}
        assert {text for text in arguments if text.startswith("-")} <= options, line
        if not arguments or arguments[0].startswith("-"):
            continue  # it is only spoken of
        COMMANDS[name].make_context(name, list(arguments))
        config = ROOT / arguments[0]
        keys = [text for text in arguments if KEY.match(text)]
        load_config(config if config.suffix == ".yaml" and config.is_file() else QUICKSTART, keys)


def test_some_are_shown() -> None:
    """So that the tests above do not pass for want of any."""
    assert sum(len(list(blocks(page, "yaml"))) for page in PAGES) >= 5
    assert sum(len(list(commands(page))) for page in PAGES) > 20


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """Fenced blocks of a page, as far to the left as their fences."""
    for indent, language, text in BLOCK.findall(page.read_text("utf-8")):
        if language in languages:
            yield re.sub(f"^{indent}", "", text, flags=re.MULTILINE)


def commands(page: Path) -> Iterator[str]:
    """What follows `axialcast` in shell blocks and in code within a line, wherever it is called."""
    for text in blocks(page, "bash", "console"):
        prompts = "$ " if "$ axialcast" in text else ""
        lines = text.replace("\\\n", " ").splitlines()
        for line in lines:
            if line.startswith(prompts):
                yield from CALL.findall(line)
    for text in CODE.findall(BLOCK.sub("", page.read_text("utf-8"))):
        yield from CALL.findall(" ".join(text.split()))


def merged(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """A config, with the sections of another one in place of its own keys of the same names; whole
    sections where they say of which kind they are."""
    return {
        **whole,
        **{
            k: {**whole.get(k, {}), **v} if isinstance(v, dict) and "kind" not in v else v
            for k, v in part.items()
        },
    }
