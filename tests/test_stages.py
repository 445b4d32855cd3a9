import json
import os
from pathlib import Path

import pytest

from axialcast.config import Config, load_config
from axialcast.stages import Stage, run_stages

FIRST = """
import json
READS = ("seed", "model.dim")
OUTPUTS = ("first.json",)
def run(config):
    (config.output / "first.json").write_text(json.dumps(config.seed))
"""
SECOND = """
READS = ("data",)
OUTPUTS = ("second.txt",)
def run(config):
    if (config.output / "fail").exists():
        raise ValueError("asked to fail")
    (config.output / "second.txt").write_text((config.output / "first.json").read_text())
"""
OWN = """
def run(config):
    with (config.output / "own.txt").open("a") as file:
        file.write("ran ")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("first", FIRST), ("second", SECOND), ("own", OWN)):
        Path(f"{name}.py").write_text(text)
    Path("store.nc").write_text("data")
    Path("out").mkdir()
    Path("x.yaml").write_text(
        "pipeline: [first.py, second.py]\noutput: out\ndata: {store: store.nc, variables: [a], "
        "train: [2001, 2001], validate: [2002, 2002], test: [2003, 2003]}\n"
    )
    return tmp_path


def ran(*overrides: str, force: bool = False) -> list[str]:
    """What each stage did, in words."""
    said: list[str] = []
    run_stages(load_config("x.yaml", overrides), force=force, say=said.append)
    return said


BOTH = ["first: runs", "second: runs"]
SKIPPED = [f"{name}: up to date, skipped (--force runs it again)" for name in ("first", "second")]


def test_what_is_up_to_date_is_skipped(here: Path) -> None:
    assert ran() == BOTH
    assert ran() == SKIPPED
    assert ran("train.batch_size=5") == SKIPPED
    assert ran(force=True) == BOTH


def test_a_change_runs_what_depends_on_it(here: Path) -> None:
    ran()
    assert ran("seed=1") == [
        "first: runs again, for seed changed",
        "second: runs again, for first.json changed",
    ]
    assert ran("seed=1", "model.dim=64", "model.heads=2")[0] == (
        "first: runs again, for model.dim changed"
    )


def test_a_changed_store_runs_what_reads_it(here: Path) -> None:
    ran()
    os.utime("store.nc", ns=(1, 1))
    assert ran() == [SKIPPED[0], "second: runs again, for store changed"]


def test_a_zarr_store_changes_with_its_metadata(here: Path) -> None:
    array = Path("store.zarr/a")
    array.mkdir(parents=True)
    (array / "zarr.json").write_text("{}")
    store = "data.store=store.zarr"
    assert ran(store) == BOTH
    (array / "c").mkdir()
    assert ran(store) == SKIPPED
    (array / "zarr.json").write_text("{ }")
    assert ran(store)[1] == "second: runs again, for store changed"


def test_a_missing_output_is_made_again(here: Path) -> None:
    ran()
    Path("out/first.json").unlink()
    assert ran() == ["first: runs again, for first.json is missing", SKIPPED[1]]


def test_a_changed_program_runs_again(here: Path) -> None:
    ran()
    Path("second.py").write_text(SECOND + "# changed\n")
    assert ran() == [SKIPPED[0], "second: runs again, for program changed"]


def test_a_stage_alone_is_up_to_date_after_the_whole_line(here: Path) -> None:
    for name in ("simulate", "train"):
        Path(f"{name}.py").write_text(FIRST.replace("first", name))
    both, alone = "pipeline=[./simulate.py,./train.py]", "pipeline=[./train.py]"
    assert ran(both) == ["simulate: runs", "train: runs"]
    assert ran(alone)[0].startswith("train: up to date")


def test_a_stage_that_failed_is_unfinished(here: Path) -> None:
    ran()
    Path("out/fail").touch()
    with pytest.raises(ValueError, match="asked to fail"):
        ran("data.variables=[b]")
    Path("out/fail").unlink()
    assert ran() == [SKIPPED[0], "second: runs"]


def test_a_damaged_stamp_counts_as_none(here: Path) -> None:
    ran()
    Path("out/.stages/first.json").write_text("{")
    assert ran()[0] == "first: runs"


def test_your_own_pipeline_always_runs_and_what_follows_it_too(here: Path) -> None:
    own = "pipeline=[own.py,second.py]"
    Path("out/first.json").write_text("1")
    assert ran(own) == ["own: runs", "second: runs"]
    assert ran(own)[1] == "second: runs again, for stage own changed"
    assert Path("out/own.txt").read_text() == "ran ran "


def test_before_is_called_once_and_only_if_something_runs(here: Path) -> None:
    calls: list[int] = []
    for _ in range(2):
        config: Config = load_config("x.yaml")
        run_stages(config, before=lambda: calls.append(1), say=lambda line: None)
    assert calls == [1]


def test_stamps_say_what_outputs_were_made_from(here: Path) -> None:
    ran()
    stamp = json.loads(Path("out/.stages/second.json").read_text())
    assert set(stamp["made_from"]) >= {"axialcast", "program", "store", "first.json", "data.train"}
    assert stamp["outputs"]["second.txt"]["second.txt"][0] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "defines no run"),
        ("def run(config:\n", "bad.py:1: not valid Python"),
        ("READS = tuple('ab')\ndef run(config): ...", "READS is computed; write out its names"),
    ],
)
def test_what_is_no_pipeline(here: Path, text: str, message: str) -> None:
    Path("bad.py").write_text(text)
    with pytest.raises(ValueError, match=message):
        Stage.load(Path("bad.py"))
    with pytest.raises(ValueError, match=message):
        ran("pipeline=[first.py,bad.py]")
    assert not Path("out/first.json").exists()
