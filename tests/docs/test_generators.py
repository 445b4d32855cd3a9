"""What programs write of themselves is whole, and refuses what is not described."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from generators import (
    api,
    benchmarks,
    checkpoints,
    commands,
    errors,
    forecasts,
    metrics,
    papers,
    public,
)
from generators import settings as config_keys
from generators.messages import Message, messages
from generators.outside import fetched
from generators.prose import arguments, prose
from pydantic import Field

from axialcast.forecast import checkpoint
from axialcast.run.config import Config
from axialcast.run.section import Section
from axialcast.run.values import Count, Location

ROOT = Path(__file__).parents[2]


class Inner(Section):
    """Within."""

    of: Literal["a", "b"] = "a"
    """Which."""


class Whole(Section):
    """All."""

    place: Location | None = None
    """Where."""
    size: Annotated[Count, Field(le=9)] = 3
    """How large."""
    inner: Inner = Inner()


def test_keys_have_kind_default_and_meaning() -> None:
    lines = config_keys.text(Whole).splitlines()
    assert "`place`{#config-place} *path or URL or null*, default `null`" in lines
    assert "`size`{#config-size} *whole number, from 1 to 9*, default `3`" in lines
    assert '`inner.of`{#config-inner-of} *a or b*, default `"a"`' in lines
    assert lines.index(": How large.") == lines.index(": Where.") + 3


def test_a_key_without_docstring_is_refused() -> None:
    class Silent(Section):
        """Says nothing of its key."""

        key: int = 1

    with pytest.raises(ValueError, match=r"Silent\.key: the key has no docstring"):
        config_keys.text(Silent)


def test_every_key_that_is_written_down_is_described() -> None:
    text = config_keys.text()
    written = Config(pipeline=["simulate"], output="runs/x").model_dump()
    dotted = [
        f"{name}.{key}" for name, one in written.items() if isinstance(one, dict) for key in one
    ]
    assert len(dotted) > 40
    assert not [key for key in dotted if f"`{key}`{{#" not in text]


def test_commands_and_their_options_are_described() -> None:
    program = typer.Typer()

    @program.command()
    def first(
        name: Annotated[str, typer.Argument(metavar="NAME", help="Whose.")],
        size: Annotated[int, typer.Option(help="How large.")] = 3,
    ) -> None:
        """Do it."""

    program.command("silent")(lambda: None)
    with pytest.raises(ValueError, match="axialcast silent: the command has no help"):
        commands.text(program)
    text = commands.text()
    for name in ("run", "check", "inspect"):
        assert f"## `axialcast {name}`" in text
    assert "`--part N/M`\n: Make the n-th" in text


def test_messages_are_read_from_the_source(tmp_path: Path) -> None:
    folder = tmp_path / "axialcast" / "room"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text(
        "def f(path, sizes):\n"
        "    line = f'{path.name}: got {len(sizes)}, ' + 'expected more'\n"
        "    if path:\n"
        "        raise ValueError(line)\n"
        "    raise TypeError('a defect is no message')\n"
        "def g(value):\n"
        "    yield f'model.dim: {value!r} is odd; make it even'\n"
        "    yield f'{value} is no remedy'\n"
        "    raise OSError(f'{value}: {value}')\n"
    )
    assert messages(tmp_path) == [
        Message("room", "room.module", "‹name›: got ‹sizes›, expected more"),
        Message("room", "room.module", "model.dim: ‹value› is odd; make it even"),
    ]


def test_every_message_has_its_place() -> None:
    text = errors.text()
    assert text.count("\n- ") > 600
    with pytest.raises(ValueError, match=r"explains .* which nothing says"):
        errors.text([Message("nn", "nn.checks", "dim: got ‹dim›, expected a number above 0")])
    with pytest.raises(ValueError, match="messages of elsewhere have no place"):
        errors.text([*messages(), Message("elsewhere", "elsewhere.module", "nobody knows of this")])


def test_common_messages_are_explained() -> None:
    assert len(errors.explained(errors.TROUBLES)) >= 20


def test_papers_that_are_named_are_in_the_table(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "axialcast").mkdir()
    (tmp_path / "axialcast" / "one.py").write_text(
        '"""After Noether and Klein (1918), section 2."""\n'
    )
    table = tmp_path / "docs" / "papers.md"
    table.write_text("| Noether and Klein (1918), Invariants | symmetries |\n")
    assert "| `one` | Noether 1918 |" in papers.text(tmp_path)
    table.write_text("| Hilbert (1918), Foundations | none |\n")
    with pytest.raises(ValueError, match=r"names .'Noether 1918'., which docs/papers.md lacks"):
        papers.text(tmp_path)


def test_public_names_are_described_once() -> None:
    assert list(public.undocumented()) == []
    homes = [
        (public.home_of(name), name.name) for m in public.PUBLIC for name in public.names_of(m)
    ]
    pages = {module: api.text(module) for module in public.PUBLIC}
    for home, name in homes:
        assert sum(f":: {home}.{name}\n" in f"{page}\n" for page in pages.values()) == 1, name
        assert (ROOT / "docs/reference/api" / api.page_of(home)).is_file()


def test_packages_that_export_names_are_public() -> None:
    """So that a new one is described, or exports nothing; the command is none."""
    exporting = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "axialcast").rglob("__init__.py")
        if "\n__all__ = [" in path.read_text("utf-8")
    }
    assert exporting <= {*public.PUBLIC, "axialcast.run.cli"}


def test_formats_are_those_that_are_written() -> None:
    text = checkpoints.text()
    assert all(f"| `{key}` | yes |" in text for key in checkpoint.KEYS)
    stored = forecasts.text()
    assert "| `geopotential` | init_time, number, lead_time, level, latitude, longitude |" in stored
    assert "`prediction_timedelta` for lead_time" in stored


def test_every_score_says_what_it_is() -> None:
    text = metrics.text()
    assert "| `rmse` | forecasts, or the mean of members | Root-mean-square error" in text
    with pytest.raises(ValueError, match="nothing is said of luck"):
        metrics.text(["rmse", "luck"])


def test_every_benchmark_says_what_it_measures() -> None:
    scripts = {path.name for path in (ROOT / "tests/benchmarks").glob("*.py")}
    text = benchmarks.text()
    assert {name for name in scripts if f"[`{name}`]" in text} == scripts - {*benchmarks.SHARED}


def test_what_is_fetched_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        '<a href="https://elsewhere.org">a link</a><img src="picture.png">'
        '<script async src="https://cdn.org/x.js"></script>'
        '<link rel="stylesheet" href="//cdn.org/x.css">'
    )
    (tmp_path / "page.css").write_text("@font-face { src: url('https://fonts.org/f.woff') }")
    found = list(fetched(tmp_path))
    assert len(found) == 3
    assert any("fonts.org" in one for one in found)


def test_prose_and_arguments() -> None:
    assert prose("runs/<name>\n  of `a_b`") == r"runs/\<name\> of `a_b`"
    docstring = (
        "A pair.\n\n    Args:\n        a, b: numbers,\n            both.\n        c: none.\n"
    )
    assert arguments(docstring) == {"a": "numbers, both.", "b": "numbers, both.", "c": "none."}
