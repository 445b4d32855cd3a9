import collections
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

from axialcast.files.holding import hold
from axialcast.run import shipped
from axialcast.run.cli import app


@pytest.fixture
def here(data_here: Path) -> Path:
    """The small config without verification."""
    text = Path("x.yaml").read_text()
    Path("x.yaml").write_text(text.replace("[train, forecast, verify]", "[train, forecast]"))
    return data_here


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def refused(*arguments: str) -> str:
    """The one line that the command says, with exit status 2 and nothing else."""
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    [line] = result.stderr.splitlines()
    assert line.startswith("axialcast: error: ")
    return line.removeprefix("axialcast: error: ")


def test_help_appears_at_once() -> None:
    """Processor time, for the wall clock is anybody's guess on a busy machine."""
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "axialcast", "--help"]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    for name in ("run", "submit", "ls", "cp", "check", "inspect", "status"):
        assert f"  {name} " in result.stdout
    assert min(seconds) < 0.3


def test_the_command_itself_exits_2_without_a_traceback(here: Path) -> None:
    command = [sys.executable, "-m", "axialcast", "run", "x.yaml", "model.dims=3"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        "axialcast: error: command line: model.dims: unknown key; did you mean dim?\n"
    )


def test_ls_names_what_is_shipped() -> None:
    words = call("ls").stdout.split()
    assert {*shipped.pipelines(), *shipped.configs()} <= set(words)
    assert {path.name for path in shipped.scripts().values()} <= set(words)


def test_cp_copies_and_overwrites_nothing(here: Path) -> None:
    assert call("cp", "smallest", "mine.yaml").exit_code == 0
    assert Path("mine.yaml").read_text() == shipped.configs()["smallest"].read_text()
    assert call("cp", "slurm.sh", ".").exit_code == 0
    assert Path("slurm.sh").read_text() == shipped.scripts()["slurm"].read_text()
    assert call("cp", "train", ".").exit_code == 0
    assert call("cp", "network", "my_network.py").exit_code == 0
    assert "def build(" in Path("my_network.py").read_text()
    assert Path("train.py").read_text() == shipped.pipelines()["train"].read_text()
    assert refused("cp", "train", ".") == "train.py: exists already; give another name"
    assert refused("cp", "trian", ".").startswith(
        "trian: no such pipeline, config, example or script; did you mean"
    )


def test_run_then_skip_then_inspect(here: Path) -> None:
    result = call("run", "x.yaml")
    assert result.exit_code == 0, result.output
    ran = [line for line in result.stdout.splitlines() if line.endswith(": runs")]
    assert ran == ["train: runs", "forecast: runs"]
    assert "no departures from the climatology: 3 annual harmonics need" in result.stdout
    assert "train: keeps weights of step " in result.stdout
    assert "depth: 2" in Path("runs/x/config.yaml").read_text()
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")}
    assert call("run", "runs/x/config.yaml").stdout.splitlines()[:2] == [
        "train: up to date, skipped (--force runs it again)",
        "forecast: up to date, skipped (--force runs it again)",
    ]
    assert before == {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")}

    checkpoint = call("inspect", "runs/x/checkpoint").stdout
    assert "geopotential 500 hPa (m2 s-2), geopotential 850 hPa (m2 s-2), mean_sea" in checkpoint
    assert "step: 24 h\n" in checkpoint
    assert "train: 2001-01-01 to 2001-01-20\n" in checkpoint
    assert "skill: not verified yet" in checkpoint
    assert re.search(
        r"weights: of step \d of \d, best on data.validate at 1 to \d steps", checkpoint
    )
    Path("runs/x/scores.csv").write_text(
        "model,variable,level,lead_time_hours,metric,region,value\n"
        "forecast,geopotential,500,24,rmse,all,12.5\n"
        "persistence,geopotential,500,24,rmse,all,21\n"
        "forecast,geopotential,500,24,mae,all,1\n"
    )
    checkpoint = call("inspect", "runs/x").stdout
    assert "RMSE of geopotential 500 hPa: 24 h 12.5 (persistence 21)\n" in checkpoint

    forecast = call("inspect", "runs/x/forecast.zarr").stdout
    assert "init_time: 2001-01-28T00 to 2001-02-09T00, 5 values\n" in forecast
    assert "lead_time: 24 h to 48 h, 2 values\n" in forecast
    assert "variable mean_sea_level_pressure (Pa): init_time, lead_time, latitude" in forecast
    assert "dimensions: time 40, level 2, lat" in call("inspect", "analysis.nc").stdout

    # Another grid: the checkpoint no longer fits, and the forecast that is there stays.
    xr.open_dataset("analysis.nc").isel(longitude=slice(1, None)).to_netcdf("other.nc")
    line = refused("run", "x.yaml", "data.store=other.nc", "pipeline=forecast")
    assert "does not fit the checkpoint: longitude: expected 12 values" in line
    assert Path("runs/x/forecast.zarr").exists()


def test_check_says_what_a_run_will_cost(here: Path) -> None:
    result = call("check", "x.yaml")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "grid: 7 x 12, global" in lines
    assert any("every 24 h" in line and "(train 20, validate 7, test 13)" in line for line in lines)
    # 20 times x 3 channels x 7 x 12 points x 4 bytes
    assert "read per epoch: 20.2 kB (decoded), once: they are then held in memory" in lines
    for stage in ("training", "forecasting"):
        assert any(line.startswith(f"peak memory while {stage}: about ") for line in lines)
    # 64 MiB that wait, and 7 x 32 x 3 x 7 x 12 x 4 bytes: two states before and after a step and
    # what follows, a part of both lead times.
    assert any("states of 32 initial times 67.3 MB" in line for line in lines)
    assert not Path("runs").exists()


def test_check_counts_the_parameters_that_training_saves(here: Path) -> None:
    lines = call("check", "x.yaml").stdout.splitlines()
    assert call("run", "x.yaml", "pipeline=train").exit_code == 0
    [parameters] = [line for line in lines if line.startswith("parameters: ")]
    assert parameters in call("inspect", "runs/x/checkpoint").stdout.splitlines()


def test_check_compares_free_space_with_what_is_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = collections.namedtuple("usage", "total used free")(10**12, 10**12 - 10**4, 10**4)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    result = call("check", "smallest")
    assert result.exit_code == 2
    assert "all checks passed" not in result.stdout
    [line] = result.stderr.splitlines()
    assert line.startswith("axialcast: error: output runs/smallest: the run writes about ")
    assert line.endswith(" before compression, 10 kB are free; make room, or set output= elsewhere")


def test_damage_is_named_and_made_again(here: Path) -> None:
    assert call("run", "x.yaml").exit_code == 0
    whole = call("inspect", "--verify", "runs/x")
    assert whole.exit_code == 0
    assert whole.stdout.startswith("runs/x: whole, ")
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    weights = Path("runs/x/checkpoint/weights.safetensors")
    chunk = Path("runs/x/forecast.zarr/geopotential/c/3/0/0/0/0")
    for path in (weights, chunk):
        data = bytearray(path.read_bytes())
        data[-3] ^= 1
        path.write_bytes(bytes(data))
    for where in ("runs/x", "runs"):
        result = call("inspect", "--verify", where)
        assert result.exit_code == 1
        assert set(result.stdout.splitlines()[:-1]) == {
            f"{path}: its bytes changed (SHA-256 differs)" for path in (weights, chunk)
        }
    assert call("inspect", "--verify", "runs/x/checkpoint").exit_code == 1
    assert call("inspect", "--verify", str(chunk.parents[6])).exit_code == 1
    said = call("run", "x.yaml", "--verify").stdout.splitlines()
    assert f"train: {weights}: its bytes changed (SHA-256 differs)" in said
    assert f"forecast: {chunk}: its bytes changed (SHA-256 differs)" in said
    assert "forecast: 4 of 5 initial times kept" in said
    after = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    changed = {str(path) for path in before.keys() | after.keys() if before[path] != after[path]}
    assert changed <= {"runs/x/log.jsonl", "runs/x/.stages/train.json"}
    assert "no checksums to compare with" in refused("inspect", "--verify", "analysis.nc")


def test_two_runs_at_once(here: Path) -> None:
    with hold(Path("runs/x")):
        line = refused("run", "x.yaml")
        assert line.startswith(f"runs/x: held by process {os.getpid()} on ")
        assert line.endswith("; wait for it, stop it, or set another output")
        assert call("status", "runs/x").exit_code == 2
    assert call("run", "x.yaml").exit_code == 0
    with hold(Path("runs/x")):
        # What is up to date needs nobody's leave.
        assert call("run", "x.yaml").exit_code == 0
        lines = call("status", "runs/x").stdout.splitlines()
    assert lines[0].startswith(f"runs/x: held by process {os.getpid()} on ")
    assert lines[1:] == ["train: done", "forecast: done"]


def test_check_knows_the_planet_that_will_be_simulated(here: Path) -> None:
    result = call("check", "smallest", "device=cpu")
    assert result.exit_code == 0, result.output
    assert "prognostic: geopotential 500 hPa" in result.stdout
    # 4 hours of the day, 4 lead times and twice 200 patterns of 16 x 32 points of 4 bytes
    assert "(at most verify.memory_gib 2.15 GB, fitted baselines 836 kB, libr" in result.stdout
    assert "grid: 16 x 32, global" in result.stdout
    assert "times: 360, every 6 h, 2001-01-01T00 to 2001-03-31T18" in result.stdout
    line = refused("check", "smallest", "data.variables=[temperature]", "device=cpu")
    assert "no variable temperature; the store has geopotential, u_component" in line


Change = Callable[[xr.Dataset], xr.Dataset]


def second_time(name: str, value: object) -> Change:
    def change(analysis: xr.Dataset) -> xr.Dataset:
        times = analysis.time.values.copy()
        times[1] = value
        return analysis.assign_coords({name: times})

    return change


def spoil(value: float, times: slice) -> Change:
    def change(analysis: xr.Dataset) -> xr.Dataset:
        analysis = analysis.copy(deep=True)
        analysis["mean_sea_level_pressure"][times] = value
        return analysis

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda a: a.drop_vars("mean_sea_level_pressure"), "no variable mean_sea_level_pressure"),
        (lambda a: a.isel(time=slice(None, None, -1)), "not sorted"),
        (lambda a: a.isel(time=[0, *range(40)]), "occurs twice; drop it"),
        (lambda a: a.isel(time=[0, *range(2, 40)]), "cadence changes from 48 h to 24 h"),
        (lambda a: a.assign_coords(latitude=a.latitude * 2), "expected degrees within -90 to 90"),
        (lambda a: a.isel(latitude=[0, 2, 1, *range(3, 7)]), "latitude: expected strictly mono"),
        (lambda a: a.isel(longitude=[*range(6, 12), *range(6)]), "longitude: expected strictly"),
        (lambda a: a.rename(latitude="rows").drop_vars("rows"), "no dimension 'latitude'"),
        (spoil(np.nan, slice(None)), "mean_sea_level_pressure: is NaN"),
        (spoil(1e5, slice(None)), "mean_sea_level_pressure: is constant"),
    ],
)
def test_bad_data_is_refused_before_anything_runs(
    here: Path, analysis: xr.Dataset, change: Change, expected: str
) -> None:
    change(analysis).to_netcdf("bad.nc")
    line = refused("check", "x.yaml", "data.store=bad.nc")
    assert line.startswith("bad.nc: ")
    assert expected in line
    result = call("run", "x.yaml", "data.store=bad.nc")
    assert result.exit_code == 2
    assert expected.split(";")[0] in result.stderr
    assert not Path("runs/x/checkpoint").exists()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("data.store=nowhere.nc", "nowhere.nc: no such file or folder; set data.store to"),
        ("data.store=x.yaml", "x.yaml: not a readable NetCDF file"),
        ("data.levels=[700]", "analysis.nc: no level [700.0] hPa; the store has [500.0, 850.0]"),
        ("data.test=[2001-01-28,2001-03]", "data.test: 2001-01-28 to 2001-03 is not within the"),
        ("data.train=[2000,2000]", "data.train: 2000 to 2000 is not within the store, which holds"),
        ("data.train=[2001-01-01,2001-01-03]", "data.train: 3 times (2001-01-01T00 to 2001-01"),
        ("data.validate=[2001-01-21,2001-01-22]", "data.validate: 2 times"),
        ("train.batch_size=99", "data.train: 17 windows are too few for a batch of 99"),
        ("data.step_hours=16", "data.step_hours: 16 is not a multiple of the cadence"),
        ("forecast.lead_time_hours=36", "forecast.lead_time_hours: 36 is not a multiple of the"),
        ("forecast.init_every_hours=36", "forecast.init_every_hours: 36 is not a multiple of the"),
        ("forecast.init_times=[2001-01-29,2002-01-01]", "init_times: 2002-01-01T00 needs"),
        ("forecast.init_times=[2001-01-01]", "needs the analysis of 2000-12-31T00, which"),
        ("device=mps", "device: 'mps' is not on this machine"),
        ("output=x.yaml/deep", "output x.yaml/deep: "),
        ("output=/proc/nowhere", "output /proc/nowhere: cannot write in /proc"),
    ],
)  # fmt: skip
def test_a_config_that_does_not_fit_is_refused(here: Path, override: str, expected: str) -> None:
    for command in ("check", "run"):
        assert expected in refused(command, "x.yaml", override)
        assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("verify.regions.all={latitude: [0, 40], longitude: [0, 90]}", "verify.regions: the name"),
        (
            "verify.regions.x={latitude: [0, 0.5], longitude: [0, 1]}",
            "verify.regions: 'x', latitude",
        ),
        ("verify.metrics=[]", "verify.metrics: got [], "),
    ],
)
def test_what_could_not_be_verified_is_refused_before_training(override, expected) -> None:
    assert expected in refused("check", "smallest", "device=cpu", override)


def test_a_gap_that_forecasts_would_begin_in_is_refused(here: Path, analysis: xr.Dataset) -> None:
    analysis.isel(time=[*range(30), *range(31, 40)]).to_netcdf("gap.nc")
    options = ("data.store=gap.nc", "data.gaps=keep", "forecast.init_every_hours=24")
    line = refused("run", "x.yaml", *options)
    assert "forecast.init_times: 2001-02-01T00 needs the analysis of 2001-01-31T00" in line
    days = "forecast.init_times=[2001-01-29,2001-02-02]"
    assert call("check", "x.yaml", *options, days).exit_code == 0


def test_test_period_needs_earlier_times(here: Path) -> None:
    periods = ("data.test=[2001-01-01,2001-01-05]", "data.train=[2001-01-06,2001-01-20]")
    assert "a forecast needs 1 times before it" in refused("check", "x.yaml", *periods)


def test_forecasting_needs_a_checkpoint(here: Path) -> None:
    line = refused("run", "x.yaml", "pipeline=forecast")
    assert line.startswith("runs/x/checkpoint: no checkpoint there")


def test_inspect_of_nothing(here: Path) -> None:
    assert refused("inspect", "nowhere") == "nowhere: no such file or folder"
    assert "neither a checkpoint, a Zarr store nor a NetCDF file" in refused("inspect", "x.yaml")


def test_all_that_is_wrong_one_line_each(here: Path) -> None:
    result = call("check", "x.yaml", "data.test=[2001-01-28,2002]", "forecast.lead_time_hours=7")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 2
    assert all(line.startswith("axialcast: error: ") for line in result.stderr.splitlines())


def test_traceback_is_there_for_those_who_want_it(here: Path) -> None:
    result = call("check", "x.yaml", "--traceback", "data.store=nowhere.nc")
    assert isinstance(result.exception, FileNotFoundError)


def test_a_defect_is_no_user_error(here: Path) -> None:
    Path("own.py").write_text("def run(config):\n    raise TypeError('defect')\n")
    assert isinstance(call("run", "x.yaml", "pipeline=own.py").exception, TypeError)


def test_interrupt_exits_130(here: Path) -> None:
    Path("own.py").write_text("def run(config):\n    raise KeyboardInterrupt\n")
    result = call("run", "x.yaml", "pipeline=own.py")
    assert result.exit_code == 130
    assert result.stderr.splitlines() == [
        "axialcast: interrupted; the unfinished stage will run again"
    ]
    assert not list(Path("runs/x").rglob("own.json"))


def test_an_output_that_this_user_may_not_write(here: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    Path("locked").mkdir(mode=0o500)
    assert "cannot write in" in refused("run", "x.yaml", "output=locked/x")


def test_what_a_store_says_commands_no_terminal(here: Path, analysis: xr.Dataset) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e[red]x[/nothing]\x9b31m\nsecond line"
    analysis.attrs = {"history": hostile, hostile.replace("\n", ""): 1}
    analysis.geopotential.attrs["units"] = hostile
    analysis.rename(mean_sea_level_pressure="a\x1b[31mb").to_zarr("x.zarr", zarr_format=2)
    said = call("inspect", "x.zarr").stdout
    said += call("check", "x.yaml", "data.store=x.zarr").stderr
    said += call("check", "x.yaml", "data.store=x.zarr", f"data.variables=['a{hostile}b']").stderr
    assert "axialcast: error: " in said
    assert "[red]x[/nothing]" in said
    assert all(line.isprintable() for line in said.splitlines())


def test_an_output_that_is_a_link_to_nothing(here: Path) -> None:
    Path("out").symlink_to("nothing")
    for command in ("check", "run"):
        result = CliRunner().invoke(app, [command, "smallest", "output=out"])
        assert result.exit_code == 2
        assert f"{here}/out is a link to nothing; set output= to a folder" in result.stderr


def test_a_working_directory_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = CliRunner().invoke(app, ["check", "smallest"])
    assert result.exit_code == 2
    assert result.stderr == "axialcast: error: the working directory is no more; go to another\n"


def test_what_a_folder_is_called_commands_no_terminal(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor what a run's files are, which another may have made."""
    said: list[str] = []
    monkeypatch.setattr("typer.echo", lambda text, **_: said.append(text))
    stages = Path("a\x1b[31mb/.stages")
    stages.mkdir(parents=True)
    (stages / "mine\x1b[2J.json").write_text("{}")
    for command in (["status"], ["inspect"], ["inspect", "--verify"]):
        call(*command, str(stages.parent))
    call("cp", "smallest", "a\x1b[31mb")
    assert any("mine[2J" in line for line in said)
    assert len(said) >= 5
    assert all(line.isprintable() for line in said)
