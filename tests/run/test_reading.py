"""YAML as its writers spell it: read for what it means, or refused with its file and line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from axialcast.run.cli import app
from axialcast.run.config import ConfigError, load_config

FILES = [
    ("", "pipeline: missing; expected: Pipelines in order"),
    ("# nothing\n", "pipeline: missing; expected: Pipelines in order"),
    ("5\n", ": expected KEY: VALUE pairs, got a single value"),
    ("- train\n", ": expected KEY: VALUE pairs, got a list"),
    ("pipeline: [train\n", ": not valid YAML: did not find expected ',' or ']'"),
    ("pipeline: train\n\tdata: 1\n", ":2: not valid YAML: found a tab character"),
    ("pipeline: train\npipeline: verify\n", ":2: not valid YAML: found duplicate key pipeline"),
    ("seed: {a: 1, a: 2}\n", ":1: not valid YAML: found duplicate key a"),
    ("seed: 1\n---\nseed: 2\n", "not valid YAML: but found another document"),
    ("seed: \x00\n", "not valid YAML: unacceptable character"),
    ("seed: !!int x\n", "not valid YAML: invalid literal for int()"),
    ("seed: !!python/object:os.system {}\n", ":1: not valid YAML: could not determine a const"),
    ("seed: !!timestamp 2001-01-01\n", "seed: Value 'date' is not a supported primitive type"),
    ("seed: *x\n", ":1: not valid YAML: found undefined alias"),
    ("seed: &x [*x]\n", ":1: not valid YAML: YAML recursive aliases are not supported"),
    ("seed: 1: 2\n", ":1: not valid YAML: mapping values are not allowed"),
    ("null: 1\n", "a key: YAML reads a key that is no text; quote it"),
    ("1: 2\n", "1: YAML reads this key as 1, not as text; quote it"),
    ("data: {variables: {on: 1}}\n", "data.variables.true: YAML reads this key as True, not as"),
    ("seed: ???\n", "seed: ??? stands for a value that is still to be given; give it"),
    ("seed: ${x\n", "seed: not a valid interpolation; expected ${oc.env:NAME} or ${KEY}"),
    ("seed: ${output}\noutput: ${seed}\n", "seed: an interpolation that leads back to itself"),
    ("data.train: [2001, 2002]\n", "data.train: unknown key; write data: and below it train:"),
    ("seed: 010\n", ":1: YAML reads 010 as 8; write it without 0 or :"),
    (f"seed: {'[' * 3000}{']' * 3000}\n", "nest"),  # in words of ours or of PyYAML
]  # fmt: skip


@pytest.mark.parametrize(("text", "fragment"), FILES)
def test_a_file_that_is_no_config_is_refused(
    config_here: Path, text: str, fragment: str, plain: Callable[[str], bool]
) -> None:
    Path("x.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config("x.yaml")
    assert any(fragment in line for line in caught.value.lines), caught.value.lines
    assert all(line.startswith("x.yaml:") and plain(line) for line in caught.value.lines)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", "pipeline: trän\n".encode("latin-1")])
def test_a_file_that_is_no_text_is_refused(config_here: Path, content: bytes) -> None:
    Path("x.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.yaml: not a text file; expected YAML in UTF-8"):
        load_config("x.yaml")


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n", b"# comment\r\n"])
def test_marks_of_other_systems_are_read(config_here: Path, before: bytes) -> None:
    text = Path("x.yaml").read_text()
    Path("x.yaml").write_bytes(before + text.replace("\n", "\r\n").encode())
    assert load_config("x.yaml").pipeline == ["train", "forecast", "verify"]


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("train.learning_rate=1e-3", "train.learning_rate", 0.001),
        ("data.step_hours='24'", "data.step_hours", 24.0),
        ("data.step_hours=06", "data.step_hours", 6.0),
        ("model.reversible=on", "model.reversible", True),
        ("data.train=[2001-01-01,2001-01-05]", "data.train", ("2001-01-01", "2001-01-05")),
        ("data.train=[1999,2000]", "data.train", ("1999", "2000")),
        ("data.train=['2001-01-01 06:00',2001-01-05]", "data.train",
         ("2001-01-01 06:00", "2001-01-05")),
        ("seed=1_000", "seed", 1000),
        ("data.levels=[850,500]", "data.levels", [850.0, 500.0]),
        ("forecast.init_times=[2001-01-29]", "forecast.init_times", ["2001-01-29"]),
        ("verify.baselines=[]", "verify.baselines", []),
        ("data.units={z: m2 s-2}", "data.units", {"z": "m2 s-2"}),
        ("verify.regions={'Côte 1': {latitude: [0, 9], longitude: [350, 9]}}", "seed", 0),
        ("device=cuda:1", "device", "cuda:1"),
        ("train.save_every=5 minutes", "train.save_every", "5 minutes"),
    ],
)  # fmt: skip
def test_other_spellings_are_read(
    config_here: Path, override: str, key: str, value: object
) -> None:
    found: object = load_config("x.yaml", [override])
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value


def test_a_place_at_home_is_spelt_out(config_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(config_here))
    config = load_config("x.yaml", ["output=~/runs", "data.store=~/analysis.nc"])
    assert (config.output, config.source_store) == (
        config_here / "runs",
        f"{config_here}/analysis.nc",
    )


def test_a_folder_is_no_config(config_here: Path) -> None:
    Path("folder.yaml").mkdir()
    result = CliRunner().invoke(app, ["check", "folder.yaml"])
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert line == "axialcast: error: config folder.yaml: a folder; expected a YAML file"
