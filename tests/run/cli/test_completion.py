"""`axialcast --version`, and what a shell completes."""

from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from axialcast.run.cli import app
from axialcast.run.cli.completion import keys
from axialcast.run.config import Config
from axialcast.run.errors import places


def completed(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What bash is told, by the very call that its completion makes."""
    monkeypatch.setenv("COMP_WORDS", " ".join(["axialcast", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    monkeypatch.setenv("_AXIALCAST_COMPLETE", "complete_bash")
    return CliRunner().invoke(app, prog_name="axialcast").stdout.split()


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"axialcast {version('axialcast')}\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["st"], ["status"]),
        (["run", "smalle"], ["smallest"]),
        (["run", "mi"], ["mine.yaml"]),
        (["run", "nothing_of_this_name"], []),  # the shell then completes paths
        (["run", "smallest", "train.gradient"], ["train.gradient_clip="]),
        (["cp", "netw"], ["network"]),
        (["cp", "slur"], ["slurm"]),
    ],
)
def test_a_shell_completes(
    words: list[str], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").touch()
    assert completed(monkeypatch, *words) == expected


def test_every_key_is_found_a_section_at_a_time() -> None:
    found, pending = set(), [""]
    while pending:
        for word in keys(pending.pop()):
            found.add(word.rstrip("=."))
            pending += [word] if word.endswith(".") else []
    assert found == {*places(Config, in_lists=False)}
