"""What the command says of values that cannot be right: one line on stderr, once."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

from axialcast.run.cli import app

HECTOPASCALS = "data.units: {mean_sea_level_pressure: hPa}"


@pytest.fixture
def write(config_here: Path, analysis: xr.Dataset):
    """A function that writes the analysis with other pressures at some of its times."""
    text = Path("x.yaml").read_text()
    Path("x.yaml").write_text(text.replace("[train, forecast, verify]", "[prepare, train]"))

    def write(change, times=slice(None)) -> None:
        wrong = analysis.copy(deep=True)
        wrong.mean_sea_level_pressure[times] = change(wrong.mean_sea_level_pressure[times])
        wrong.to_netcdf("analysis.nc")

    return write


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def warnings(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    assert "warning" not in result.stdout
    return [line for line in result.stderr.splitlines() if line.startswith("axialcast: warning: ")]


def test_what_is_right_is_not_warned_of(write):
    write(lambda pressure: pressure)
    assert warnings(call("check", "x.yaml")) == warnings(call("run", "x.yaml")) == []


@pytest.mark.parametrize("pipeline", ["[prepare,train]", "[train]", "[prepare]"])
def test_hectopascals_labelled_as_pascals(write, pipeline):
    write(lambda pressure: pressure / 100)
    for command in ("check", "run"):
        [line] = warnings(call(command, "x.yaml", f"pipeline={pipeline}"))
        assert "mean_sea_level_pressure: holds " in line
        assert HECTOPASCALS in line
    # The remedy mends it.
    mended = ["data.units={mean_sea_level_pressure: hPa}", "output=runs/mended"]
    assert warnings(call("check", "x.yaml", *mended)) == []
    assert warnings(call("run", "x.yaml", *mended)) == []


def test_statistics_that_are_kept_are_warned_of_again(write):
    write(lambda pressure: pressure / 100)
    for dim in ("8", "16"):
        result = call("run", "x.yaml", "pipeline=[train]", f"model.dim={dim}", "--force")
        assert len(warnings(result)) == 1


@pytest.mark.parametrize("period", [slice(20, 27), slice(27, None)])
def test_check_looks_at_all_periods(write, period):
    """A validation or test period in other units, as from another file."""
    write(lambda pressure: pressure / 100, period)
    [line] = warnings(call("check", "x.yaml", "pipeline=[train]"))
    assert "a part of them seems to be in hPa" in line


def test_a_mark_that_nobody_marked(write):
    write(lambda pressure: pressure.where(pressure.longitude > 40, -9999.0))
    for command in ("check", "run"):
        [line] = warnings(call(command, "x.yaml"))
        assert "-9999 is what many files hold where there is no value" in line


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("pipeline", ["[prepare,train]", "[train]"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_an_error_that_says_where(write, command, pipeline, value):
    write(lambda pressure: pressure.where(pressure.latitude != 0, value), [7])
    result = call(command, "x.yaml", f"pipeline={pipeline}")
    assert result.exit_code == 2
    [line] = [line for line in result.stderr.splitlines() if "error" in line]
    assert "mean_sea_level_pressure: is infinite somewhere in the training period, first " in line
    if command == "check" or pipeline == "[train]":
        assert "at 2001-01-08T00, latitude 0, longitude 0" in line


def test_a_channel_that_is_constant_for_a_while_is_not_refused(write, monkeypatch):
    """Such as precipitation in the dry season."""
    monkeypatch.setattr("axialcast.run.sample.SAMPLE_BYTES", 1)
    write(lambda pressure: 0 * pressure + 1e5, slice(18))
    assert call("check", "x.yaml", "pipeline=[train]").exit_code == 0


def test_what_is_gathered_is_json_that_others_read(write):
    write(lambda pressure: pressure)
    assert call("run", "x.yaml").exit_code == 0

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    manifest = json.loads(
        Path("runs/x/training.zarr.json").read_text("utf-8"), parse_constant=refuse
    )
    for end, of in (("lowest", np.min), ("highest", np.max)):
        with xr.open_dataset("analysis.nc") as analysis:
            part = analysis.mean_sea_level_pressure.sel(time=slice("2001-01-01", "2001-01-20"))
            assert manifest["statistics"][end][-1] == of(part.values)
    for path in Path("runs").rglob("*.json"):
        json.loads(path.read_text("utf-8"), parse_constant=refuse)
