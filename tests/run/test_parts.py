"""`axialcast run --part`: jobs that share a stage without talking."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from axialcast.files.holding import hold
from axialcast.run.config import Config, load_config
from axialcast.run.parts import Part, in_turn, making, mine
from axialcast.run.stages import run_part, run_stages
from axialcast.run.status import status

SHARED = """
from axialcast.run.parts import in_turn, mine
from axialcast.run.progress import track
READS = ("seed",)
OUTPUTS = ("numbers",)
RESUMES = ("numbers",)
IN_PARTS = True
def run(config):
    folder = config.output / "numbers"
    with in_turn(config.output):
        folder.mkdir(exist_ok=True)
    for number in track(mine(range(17)), description="shared", unit="numbers"):
        (folder / str(number)).touch()
"""


@pytest.fixture
def config(data_here: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr("axialcast.run.progress.RECORD_SECONDS", 0.0)
    Path("shared.py").write_text(SHARED)
    Path("other.py").write_text("def run(config): ...\n")
    return load_config("x.yaml", ["pipeline=./shared.py", "output=out"])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 17, 19])
def test_parts_are_neighbours_and_together_all(count: int) -> None:
    found = []
    for number in range(1, count + 1):
        with making(Part(number, count)):
            found.append(list(mine(range(17))))
    assert list(itertools.chain(*found)) == list(range(17))
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert mine(range(17)) == range(17)


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "-1/3", "1/0", "a/b", "1/3/5", "1.5/2"])
def test_what_is_no_part(config: Config, text: str) -> None:
    with pytest.raises(ValueError, match=r"--part: got .*, expected a number of how many"):
        run_part(config, text)


def test_who_runs_the_stage_after_its_parts_makes_what_is_missing(config: Config) -> None:
    lines: list[str] = []
    run_part(config, "2/3", say=lines.append)
    assert lines == ["shared: part 2 of 3"]
    made = sorted(int(path.name) for path in Path("out/numbers").iterdir())
    assert made == list(range(5, 11))
    assert not Path("out/.stages/shared.json").exists()
    assert not Path("out/.parts").exists()
    run_stages(config, say=lines.append)
    assert lines[-1] == "shared: runs on, from numbers"
    assert len(list(Path("out/numbers").iterdir())) == 17
    assert Path("out/.stages/shared.json").exists()


def test_a_part_and_a_whole_run_exclude_one_another(config: Config) -> None:
    with hold(config.output), pytest.raises(OSError, match="out: held by process"):
        run_part(config, "1/2")
    with hold(config.output / ".parts" / "1-of-2"):
        with pytest.raises(OSError, match="1-of-2: held by process"):
            run_part(config, "1/2")
        with pytest.raises(OSError, match="1-of-2: held by process"):
            run_stages(config)
        run_part(config, "2/2")


def test_one_part_at_a_time_has_its_turn(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axialcast.run.parts.WAIT_SECONDS", 0.05)
    busy = pytest.raises(OSError, match="turn: held by process")
    with making(Part(1, 2)), in_turn(config.output), busy, in_turn(config.output):
        pass
    with in_turn(config.output):
        assert not (config.output / ".parts" / "turn").exists()


def test_a_stage_that_is_not_made_in_parts(config: Config) -> None:
    for pipeline in (["./other.py"], ["./shared.py", "./other.py"]):
        other = config.model_copy(update={"pipeline": pipeline})
        with pytest.raises(ValueError, match="one pipeline that can be made in parts"):
            run_part(other, "1/2")


def test_status_names_parts_at_work(config: Config) -> None:
    run_part(config, "1/2")
    record = Path("out/.stages/shared.2-of-2.progress.json")
    record.write_text(json.dumps({"done": 3, "total": 4, "unit": "n", "per_second": None}))
    with hold(config.output / ".parts" / "2-of-2"):
        assert status("out")[1:] == ["shared: running in parts: 2/2 (75%)"]
    assert status("out")[1:] == ["shared: not run yet"]
    run_stages(config)
    assert not record.exists()


def test_the_command_makes_a_part(config: Config) -> None:
    command = [sys.executable, "-m", "axialcast", "run", "x.yaml", "pipeline=./shared.py"]
    made = subprocess.run([*command, "--part", "3/3"], capture_output=True, text=True, check=True)
    assert made.stdout == "shared: part 3 of 3\n"
    assert len(list(Path("runs/x/numbers").iterdir())) == 6
