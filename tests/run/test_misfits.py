"""What `check`, and `run` before its first stage, find in a config and its data together."""

from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from typer.testing import CliRunner

from axialcast.run.cli import app
from axialcast.run.config import load_config
from axialcast.run.preflight import check_run

REFUSED_WITH_DATA = [
    ("data.store=nowhere.nc", "nowhere.nc: no such file or folder; set data.store to"),
    ("data.store=~/nowhere.nc", "nowhere.nc: no such file or folder; set data.store to"),
    ("data.store=runs/x/training.zarr", "runs/x/training.zarr: no such file or folder"),
    ("data.variables=[temperature]", "no variable temperature; the store has geopotential"),
    (
        "verify={metrics: [rmse, csi], thresholds: {ozone: [1]}}",
        "verify.thresholds: ozone is not forecast; choose from geopotential",
    ),
    (
        "verify={metrics: [rmse, csi], thresholds: {geopotential: [p90]}, harmonics: 0}",
        "verify.thresholds: percentiles: the training period has no value of month",
    ),
    ("data.levels=[700]", "no level [700.0] hPa; the store has [500.0, 850.0]"),
    ("data.step_hours=16", "data.step_hours: 16 is not a multiple of the cadence, 24 h"),
    ("data.step=16 h", "data.step: 16 h is not a multiple of the cadence, 24 h"),
    (
        "forecast={lead_time: 1 month, lead_time_hours: null}",
        "forecast.lead_time: 1 month is not a multiple of the model step, 24 h; say forecast.lead",
    ),
    (
        "forecast={lead_time: 36 h, lead_time_hours: null}",
        "forecast.lead_time: 36 h is not a multiple of the model step, 24 h",
    ),
    ("model.departures=true", "model.departures: 3 annual harmonics need a training period of a"),
    ("forecast.lead_time_hours=36", "forecast.lead_time_hours: 36 is not a multiple of the model"),
    ("forecast.init_every_hours=36", "forecast.init_every_hours: 36 is not a multiple of the cade"),
    ("forecast.init_times=[2001-01-29,2001-01-29]", "init_times: 2001-01-29T00:00:00 occurs 2"),
    ("forecast.init_times=[9999]", "forecast.init_times: expected datetimes, got ['9999']"),
    ("forecast.init_times=[2002-01-01]", "2002-01-01T00 needs the analysis of 2002-01-01T00, whi"),
    ("data.train=[2000,2000]", "data.train: 2000 to 2000 is not within the store, which holds 20"),
    ("data.test=[2001-01-28,2001-03]", "data.test: 2001-01-28 to 2001-03 is not within the store"),
    ("data.test=[2001-01-28T03,2001-01-28T09]", "data.test: 2001-01-28T03 to 2001-01-28T09 holds "),
    ("data.train=[2001-01-01,2001-01-03]", "data.train: 3 times (2001-01-01T00 to 2001-01-03T00)"),
    ("data.input_steps=1000000000", "are too few for one window of 1000000002 states"),
    ("train.schedule=[{steps: 1, rollout_steps: 1000000}]", "too few for one window of 1000002 st"),
    ("train.batch_size=1000000000", "data.train: 17 windows are too few for a batch of 1000000000"),
    ("data.buffer_gib=1e-9", "data.buffer_gib: holds 0 states beside a batch, expected at least"),
    ("data.region={latitude: [0, 1], longitude: [0, 360]}", "latitude: the grid has one; a foreca"),
    ("data.region={latitude: [-90, 90], longitude: [0, 10]}", "longitude: the grid has one; a for"),
    ("data.region={latitude: [1, 2], longitude: [0, 360]}", "region: latitudes 1 to 2 lie between"),
    ("prepare.aggregate_hours=24", "runs/x/training.zarr: not there, and the section prepare: sa"),
    ("model.patch=[8,2]", "model.patch: 8 of 7 latitudes; make it 7 or less"),
    ("model.patch=[2,13]", "model.patch: 13 of 12 longitudes; make it 12 or less"),
    ("model={dim: 4, heads: 1, position: sinusoidal}", "model.dim: expected at least 6, a sine a"),
    ("model={dim: 6, heads: 2, position: rotary}", "model.dim: of each of 2 heads, rotary po"),
    ("model={dim: 65536, depth: 8}", "model.dim: the network and its optimizer take"),
    ("device=mps", "device: 'mps' is not on this machine"),
    ("device=cuda:99", "device: 'cuda:99'"),
    ("verify.regions.x={latitude: [0, 1], longitude: [1, 2]}", "verify.regions: 'x', latitude 0 t"),
    ("verify.harmonics=2", "verify.harmonics: 2 annual harmonics need a training period of a year"),
    ("forecast.lead_time_hours=480", "forecast.lead_time_hours: "),
    ("forecast.lead_time_hours=876000", "forecast.lead_time_hours: "),
    ("pipeline=forecast", "runs/x/checkpoint: no checkpoint there; the pipeline forecast needs"),
    ("pipeline=verify", "runs/x/forecast.zarr: no forecast.zarr there; the pipeline verify needs"),
    ("pipeline=[forecast,train]", "train makes it: put that first"),
    ("output=x.yaml/deep", "output x.yaml/deep: "),
]  # fmt: skip


def lines_of(override: str) -> list[str]:
    """What `check` says to an override, one line each."""
    result = CliRunner().invoke(app, ["check", "x.yaml", "--", override])
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    lines = result.stderr.splitlines()
    assert all(line.startswith("axialcast: error: ") for line in lines)
    return [line.removeprefix("axialcast: error: ") for line in lines]


@pytest.mark.parametrize(("override", "fragment"), REFUSED_WITH_DATA)
def test_it_is_refused_before_anything_runs(
    data_here: Path, override: str, fragment: str, plain: Callable[[str], bool]
) -> None:
    lines = lines_of(override)
    assert any(fragment in line for line in lines), lines
    assert all(map(plain, lines))
    assert not Path("runs").exists()


def test_a_variable_without_units_is_asked_for_them(data_here: Path, analysis: xr.Dataset) -> None:
    own = analysis.rename(mean_sea_level_pressure="wetness")
    own["wetness"].attrs.clear()
    own.to_netcdf("analysis.nc")
    chosen = "data.variables=[geopotential,wetness]"
    with pytest.raises(ValueError, match=r"analysis\.nc: wetness: has no units") as caught:
        check_run(load_config("x.yaml", [chosen]))
    assert "data.units: {wetness: …}, '1' where they have none" in str(caught.value)
    for units in ("kg m-2", "'1'"):
        preflight = check_run(load_config("x.yaml", [chosen, f"data.units={{wetness: {units}}}"]))
        assert preflight is not None
        assert preflight.analysis.channels[-1].units == units.strip("'")


def test_one_time_tells_no_cadence(data_here: Path, analysis: xr.Dataset) -> None:
    analysis.isel(time=[0]).to_netcdf("analysis.nc")
    with pytest.raises(ValueError, match=r"analysis\.nc: time: expected at least two times"):
        check_run(load_config("x.yaml"))


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "prepare.aggregate_hours=36",
            "analysis.nc: prepare.aggregate_hours: 36 is not a multiple",
        ),
        (
            "prepare.aggregate_hours=5",
            "analysis.nc: prepare.aggregate_hours: 5 is not a multiple of",
        ),
        (
            "prepare.aggregate_hours=8760",
            "prepare.aggregate_hours: no period of 8760 h has all its",
        ),
        ("prepare.accumulated=[rainfall]", "analysis.nc: prepare.accumulated: unknown variable"),
        ("prepare.regrid={num_latitudes: 9, num_longitudes: 10001, poles: no}", "data.buffer_gib"),
        ("prepare.regrid={num_latitudes: 9, num_longitudes: 20001, poles: no}", "20,000 or less"),
    ],
)
def test_what_prepare_cannot_make(data_here: Path, override: str, line: str) -> None:
    more = ["pipeline=[prepare,train]", "data.buffer_gib=0.001", override]
    with pytest.raises(ValueError, match=r".") as caught:
        check_run(load_config("x.yaml", more))
    assert line in str(caught.value)


def test_run_finds_what_check_finds(data_here: Path) -> None:
    for override in ("forecast.lead_time_hours=480", "verify.harmonics=2", "model.patch=[8,2]"):
        result = CliRunner().invoke(app, ["run", "x.yaml", override])
        assert result.exit_code == 2
        assert result.stderr.splitlines() == [f"axialcast: error: {x}" for x in lines_of(override)]
        assert not Path("runs").exists()


def test_a_batch_beyond_all_memory_is_refused(data_here: Path) -> None:
    result = CliRunner().invoke(app, ["check", "x.yaml", "forecast.batch_size=1000000000"])
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("axialcast: error: forecast.batch_size: forecast would take about ")
    assert line.endswith("choose a smaller batch_size, a larger model.patch or a smaller model")


def test_the_config_itself_passes(data_here: Path) -> None:
    assert check_run(load_config("x.yaml")) is not None


def test_what_no_stage_of_the_line_reads_is_not_looked_at(data_here: Path) -> None:
    line = ["pipeline=[train]", "forecast.init_every_hours=36", "forecast.lead_time_hours=36"]
    check_run(load_config("x.yaml", line), scan=True)
