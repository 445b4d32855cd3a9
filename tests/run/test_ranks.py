"""`axialcast run` in several processes: who runs which stage, who speaks."""

import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Outcomes = list[tuple[int, str, str]]
Run = Callable[..., Outcomes]

ALL = """
import sys
import time
from axialcast import parallel

EVERY_RANK = True
READS = ("seed",)
OUTPUTS = ("ranks",)

def run(config):
    me = parallel.launch()
    (config.output / "ranks").mkdir(exist_ok=True)
    time.sleep(0.3 * me.rank)  # the last one ends last
    (config.output / "ranks" / str(me.rank)).write_text(str(parallel.gathered(me.rank)))
    print("rank", me.rank)
    print("note", me.rank, file=sys.stderr)
"""
ONE = """
from axialcast import parallel

READS = ("seed",)
NEEDS = ("ranks",)
OUTPUTS = ("sum",)

def run(config):
    parts = sorted((config.output / "ranks").iterdir())
    with open(config.output / "sum", "a") as file:
        file.write(" ".join(path.name for path in parts))
    print("alone", parallel.launch().rank)
"""
FAILS = """
from axialcast import parallel

EVERY_RANK = True
OUTPUTS = ("ranks",)

def run(config):
    if parallel.launch().rank == config.seed:
        raise {error}
    parallel.barrier()
"""


@pytest.fixture
def config(data_here: Path, tmp_path: Path) -> Path:
    (tmp_path / "all.py").write_text(ALL)
    (tmp_path / "one.py").write_text(ONE)
    text = (data_here / "x.yaml").read_text()
    text = text.replace("[train, forecast, verify]", "[all.py, one.py]\noutput: out")
    (tmp_path / "config.yaml").write_text(text)
    return tmp_path / "config.yaml"


@pytest.fixture
def run(ranks: Callable[..., Outcomes]) -> Callable[..., Outcomes]:
    """A function that runs a config on two ranks, the second one's command going on."""

    def run(config: Path, *more: str, of_second: Sequence[str] = ()) -> Outcomes:
        found = ranks(command(config, *more), command(config, *more, *of_second))
        return [
            (status, out.partition(" in ")[0].strip(), err.strip()) for status, out, err in found
        ]

    return run


def test_a_stage_runs_on_every_rank_or_on_the_leader_alone(config: Path, run: Run) -> None:
    first, second = run(config)
    assert first == (0, "all: runs\nrank 0\none: runs\nalone 0\ndone", "note 0")
    assert second == (0, "", "")
    out = config.parent / "out"
    assert (out / "sum").read_text() == "0 1"
    assert (out / "ranks" / "1").read_text() == "[0, 1]"
    again, silent = run(config)
    assert again[1].count("up to date") == 2
    assert silent == (0, "", "")
    forced, silent = run(config, "--force")
    assert forced[1].splitlines()[0] == "all: runs"
    assert silent == (0, "", "")


def test_what_one_process_made_several_need_not_make_again(config: Path, run: Run) -> None:
    alone = subprocess.run(command(config), capture_output=True, text=True, timeout=60)
    assert alone.returncode == 0, alone.stderr
    assert (config.parent / "out" / "ranks" / "0").read_text() == "[0]"
    assert run(config)[0][1].count("up to date") == 2


@pytest.mark.parametrize(
    ("rank", "error", "status"),
    [
        (0, "ValueError('seed is wrong')", 2),
        (1, "RuntimeError('a defect')", 1),
        pytest.param(1, "ValueError('seed is wrong')", 2, marks=pytest.mark.slow),
        pytest.param(0, "RuntimeError('a defect')", 1, marks=pytest.mark.slow),
    ],
)
def test_an_error_in_a_stage_ends_all(
    config: Path, run: Run, rank: int, error: str, status: int
) -> None:
    (config.parent / "all.py").write_text(FAILS.format(error=error))
    outcomes = run(config, f"seed={rank}")
    assert [code for code, _, _ in outcomes] == [status, status]
    said = outcomes[0][2].splitlines()
    if rank or status == 2:
        at = f"rank 1 on {socket.gethostname()}: " if rank else ""
        kind = "RuntimeError: a defect" if status == 1 else "seed is wrong"
        assert said[-1] == f"axialcast: error: {at}{kind}"
        assert len(said) == 1
    # A defect shows where it is, and a user's mistake never does.
    assert ("Traceback" in outcomes[rank][2]) == (status == 1)
    assert "Traceback" not in outcomes[1 - rank][2]


def test_a_wrong_config_is_said_once(config: Path, run: Run) -> None:
    first, second = run(config, "seed=red")
    assert first[0] == second[0] == 2
    assert first[2].startswith("axialcast: error: command line: seed")
    assert second[1:] == ("", "")


def test_unlike_configs_are_refused_before_anything_is_written(config: Path, run: Run) -> None:
    first, second = run(config, of_second=("train.batch_size=9", "seed=5"))
    assert first[:2] == (2, "")
    assert first[2].startswith("axialcast: error: seed, train: rank 1 was given another value")
    assert second == (2, "", "")
    assert not (config.parent / "out").exists()


def command(config: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "axialcast", "run", str(config), *more]
