import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.files import inventory
from axialcast.files.holding import FolderHeldError, hold
from axialcast.run.config import Config, load_config
from axialcast.run.stages import Stage, differences, made_from, run_stages
from axialcast.run.stamps import damaged_stamps

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


@pytest.mark.parametrize("damage", ["{", "[]", "", None])
def test_a_damaged_stamp_counts_as_none(here: Path, damage: str | None) -> None:
    ran()
    stamp = Path("out/.stages/first.json")
    text = stamp.read_text()
    stamp.write_text(text.replace("model.dim", "model.dln") if damage is None else damage)
    assert [str(part) for part in damaged_stamps(Path("out"))] == [
        "out/.stages/first.json: damaged, its checksum differs"
    ]
    assert ran()[0] == "first: runs"
    assert damaged_stamps(Path("out")) == []


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


def test_what_is_made_anew_runs_what_was_made_of_it(here: Path) -> None:
    """Also where only the one stage ran."""
    Path("first.py").write_text(FIRST.replace("config.seed", "(config.output / 'x').read_text()"))
    Path("out/x").write_text("1")
    ran()
    Path("out/x").write_text("2")
    assert ran("pipeline=first.py", force=True) == ["first: runs"]
    assert ran()[1] == "second: runs again, for first.json changed"
    assert ran("pipeline=first.py", force=True) == ["first: runs"]
    assert ran() == SKIPPED, "the same bytes are the same input"


def test_what_changes_while_a_stage_runs_does_not_count_as_what_it_ran_on(here: Path) -> None:
    Path("second.py").write_text(
        SECOND
        + "    import os, pathlib\n"
        + "    if not (config.output / 'late').exists():\n"
        + "        os.utime('store.nc', ns=(1, 1))\n"
        + "        program = pathlib.Path('second.py')\n"
        + "        program.write_text(program.read_text() + '# edited')\n"
    )
    ran()
    Path("out/late").touch()
    assert ran() == [SKIPPED[0], "second: runs again, for program, store changed"]
    assert ran() == SKIPPED


NEEDY = """
READS = ("verify.harmonics",)
NEEDS = ("first.json",)
OUTPUTS = ("needy",)
def run(config):
    (config.output / "needy").mkdir(exist_ok=True)
    for name in "ab":
        (config.output / "needy" / name).write_text(name * 20)
"""


def test_a_stage_depends_on_what_it_needs_alone(here: Path) -> None:
    Path("needy.py").write_text(NEEDY)
    line = "pipeline=[first.py,second.py,needy.py]"
    ran(line)
    assert ran(line, "data.variables=[b]") == [
        SKIPPED[0],
        "second: runs again, for data.variables changed",
        "needy: up to date, skipped (--force runs it again)",
    ]
    assert (
        ran(line, "data.variables=[b]", "seed=3")[2] == "needy: runs again, for first.json changed"
    )


@pytest.mark.parametrize("damage", ["truncated", "flipped", "deleted"])
def test_a_damaged_part_is_named_and_made_again(here: Path, damage: str) -> None:
    Path("needy.py").write_text(NEEDY)
    line = "pipeline=[first.py,needy.py]"
    ran(line)
    part = Path("out/needy/b")
    if damage == "deleted":
        part.unlink()
    else:
        part.write_text("b" * 19 + ("c" if damage == "flipped" else ""))
    said = ran(line)
    assert said[1].startswith("needy: out/needy/b: ")
    assert said[2:] == ["needy: runs again, for a part of its outputs is damaged"]
    assert part.read_text() == "b" * 20


def test_large_outputs_are_read_when_that_is_asked_for(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axialcast.run.stamps.READ_BYTES", 10)
    Path("needy.py").write_text(NEEDY)
    line = load_config("x.yaml", ["pipeline=[first.py,needy.py]"])
    run_stages(line, say=lambda text: None)
    Path("out/needy/b").write_text("b" * 19 + "c")
    said: list[str] = []
    run_stages(line, say=said.append)
    assert len(said) == 2
    assert all("up to date" in text for text in said)
    run_stages(line, say=said.append, verify=True)
    assert said[3] == "needy: out/needy/b: its bytes changed (SHA-256 differs)"
    assert Path("out/needy/b").read_text() == "b" * 20


RESUMING = """
READS = ("seed",)
OUTPUTS = ("kept", "end.txt")
RESUMES = ("kept", "scratch")
def run(config):
    from axialcast.files import inventory
    for name in ("kept", "scratch"):
        (config.output / name).mkdir(exist_ok=True)
        part = config.output / name / "part"
        part.write_text(part.read_text() + "+" if part.exists() else "1")
    inventory.write(config.output / "kept", inventory.take(config.output / "kept", ["part"]))
    if (config.output / "fail").exists():
        raise ValueError("asked to fail")
    (config.output / "end.txt").write_text("end")
"""


def test_a_stage_goes_on_and_starts_over_when_forced(here: Path) -> None:
    Path("own.py").write_text(RESUMING)
    Path("out/fail").touch()
    for _ in range(2):
        with pytest.raises(ValueError, match="asked to fail"):
            ran("pipeline=own.py")
    assert Path("out/scratch/part").read_text() == "1+"
    Path("out/kept/mine.txt").write_text("mine")
    Path("out/fail").unlink()
    assert ran("pipeline=own.py") == ["own: runs on, from kept, scratch"]
    assert Path("out/kept/part").read_text() == "1++"
    assert not Path("out/scratch").exists()
    assert ran("pipeline=own.py", force=True) == ["own: runs"]
    assert Path("out/kept/part").read_text() == "1"
    assert Path("out/kept/mine.txt").read_text() == "mine"


KEEPING = """
READS = ("seed",)
OUTPUTS = ("end.txt",)
KEEPS = (".fits",)
def run(config):
    from axialcast.files import inventory
    fits = config.output / ".fits"
    fits.mkdir(exist_ok=True)
    (fits / "fit").write_text("found" if (fits / "fit").exists() else "made")
    inventory.write(fits, inventory.take(fits, ["fit"]))
    (config.output / "end.txt").write_text("end")
"""


def test_what_a_stage_keeps_is_no_output_and_goes_when_forced(here: Path) -> None:
    Path("own.py").write_text(KEEPING)
    ran("pipeline=own.py")
    fit = Path("out/.fits/fit")
    ran("pipeline=own.py", "seed=1")
    assert fit.read_text() == "found"
    Path("out/.fits/mine.txt").write_text("mine")
    assert ran("pipeline=own.py", "seed=1", force=True) == ["own: runs"]
    assert fit.read_text() == "made"
    assert Path("out/.fits/mine.txt").read_text() == "mine"
    fit.unlink()
    assert "own: up to date" in ran("pipeline=own.py", "seed=1")[0]


def test_one_folder_one_run(here: Path) -> None:
    with (
        hold(Path("out")),
        pytest.raises(FolderHeldError, match=f"out: held by process {os.getpid()}"),
    ):
        ran()
    assert not Path("out/first.json").exists()
    assert ran() == BOTH
    assert not Path("out/.held.json").exists()


def test_a_run_that_was_killed_holds_nothing_and_its_leftovers_go(here: Path) -> None:
    Path("second.py").write_text(
        SECOND.replace(
            "def run(config):",
            "def run(config):\n"
            "    import os\n    from axialcast.files.atomic import aside\n"
            "    if not (config.output / 'late').exists():\n"
            "        aside(config.output / 'second.txt').write_text('half')\n"
            "        os.kill(os.getpid(), 9)",
        )
    )
    call = (
        "from axialcast.run.config import load_config; from axialcast.run.stages import run_stages"
    )
    died = subprocess.run([sys.executable, "-c", f"{call}; run_stages(load_config('x.yaml'))"])
    assert died.returncode == -9
    Path("out/.forecast.zarr.old").mkdir()
    for name in (".mine.partial", ".first.json.old"):
        Path("out", name).write_text("x")
    assert len(list(Path("out").glob(".*.partial"))) == 2
    Path("out/late").touch()
    assert ran() == [SKIPPED[0], "second: runs"]
    left = {path.name for path in Path("out").iterdir()}
    # Another's names stay; those of version 0.1.0 are known by the stages that are run.
    assert left == {
        *("first.json", "second.txt", "late", ".stages", ".forecast.zarr.old", ".mine.partial"),
        "config.yaml",
    }


def test_what_a_stage_needs_must_be_whole(here: Path) -> None:
    store = Path("store.zarr")
    xr.Dataset({"a": ("time", np.arange(3.0))}).to_netcdf("x.nc")
    store.mkdir()
    for name in ("x", "y"):
        (store / name).write_text(name)
    inventory.write(store, inventory.take(store))
    assert ran("data.store=store.zarr") == BOTH
    (store / "y").unlink()
    with pytest.raises(ValueError, match=r"store.zarr/y: missing; run the pipeline that made"):
        ran("data.store=store.zarr", "data.variables=[b]")


def test_a_store_of_ours_counts_by_its_content(here: Path) -> None:
    store = Path("store.zarr")
    store.mkdir()
    (store / "x").write_text("x")
    inventory.write(store, inventory.take(store))
    ran("data.store=store.zarr")
    os.utime(store / "x", ns=(1, 1))
    assert ran("data.store=store.zarr") == SKIPPED
    (store / "x").write_text("y")
    inventory.write(store, inventory.take(store))
    assert ran("data.store=store.zarr")[1] == "second: runs again, for store changed"


def test_differences_are_told_by_value(here: Path) -> None:
    then = made_from(load_config("x.yaml"), "first.py")
    now = made_from(load_config("x.yaml", ["seed=1", "model.dim=64"]), "first.py")
    assert differences(now, then) == ["model.dim was 128, is 64", "seed was 0, is 1"]


def test_secrets_stay_out_of_stamps(here: Path) -> None:
    ran("data.storage_options={secret: hush}")
    files = [path for path in Path("out").rglob("*") if path.is_file()]
    assert not any(b"hush" in path.read_bytes() for path in files)
    assert ran("data.storage_options={secret: other}") == SKIPPED


def test_what_a_user_keeps_beside_saved_states_stays(here: Path) -> None:
    Path("own.py").write_text(
        'READS = ("seed",)\nOUTPUTS = ("end",)\nRESUMES = ("states",)\n'
        "def run(config):\n"
        "    from axialcast.files import inventory\n"
        "    for step in ('1', '2'):\n"
        "        part = config.output / 'states' / step\n"
        "        part.mkdir(parents=True, exist_ok=True)\n"
        "        (part / 'x').write_text('x')\n"
        "        inventory.write(part, inventory.take(part))\n"
        "    (config.output / 'end').write_text('end')\n"
    )
    Path("out/states").mkdir()
    Path("out/states/mine.txt").write_text("mine")
    ran("pipeline=own.py")
    assert [path.name for path in Path("out/states").iterdir()] == ["mine.txt"]
    Path("out/states/mine.txt").unlink()
    ran("pipeline=own.py", force=True)
    assert not Path("out/states").exists()
    assert ran("pipeline=own.py") == ["own: up to date, skipped (--force runs it again)"]


def test_folders_of_earlier_versions_go_and_those_of_users_stay(here: Path) -> None:
    for name, inside in (
        (".first.json-ab12cd_9", "weights.safetensors"),
        (".first.json-old-ab12cd_9", "checkpoint"),
        (".first.json-20240101", "mine.txt"),
    ):
        Path("out", name).mkdir()
        Path("out", name, inside).write_text("x")
    ran()
    left = {path.name for path in Path("out").glob(".first*")}
    assert left == {".first.json-20240101"}


def test_nothing_is_written_where_nothing_is_to_do_or_to_be_done(here: Path) -> None:
    def refuse() -> None:
        raise ValueError("does not fit")

    with pytest.raises(ValueError, match="does not fit"):
        run_stages(load_config("x.yaml", ["output=runs/new"]), before=refuse)
    assert not Path("runs").exists()
    ran()
    before = Path("out").stat().st_mtime_ns
    assert ran() == SKIPPED
    assert Path("out").stat().st_mtime_ns == before
