"""The whole line with an ensemble: two networks, from two initial times, perturbed."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from axialcast.forecast import Forecaster, ForecastStore, load_checkpoint
from axialcast.run.cli import app

CONFIG = Path(__file__).parents[2] / "configs" / "smallest.yaml"
SETTINGS = [
    "device=cpu",
    "train.members=2",
    "train.schedule=[{steps: 4, rollout_steps: 1}]",
    "forecast.members=5",
    "forecast.perturb=0.5",
    "forecast.lagged=1",
    "forecast.lead_time_hours=12",
    "verify.baselines=[persistence,probabilistic_climatology]",
]


def run(output, *overrides):
    arguments = ["run", str(CONFIG), f"output={output}", *SETTINGS, *overrides]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    output = tmp_path_factory.mktemp("ensemble")
    run(output)
    return output


def test_a_store_holds_all_members(ensemble):
    forecast = ForecastStore(ensemble / "forecast.zarr").dataset()
    assert forecast.geopotential.dims[:3] == ("init_time", "number", "lead_time")
    assert forecast.sizes["number"] == 5
    assert (forecast.geopotential.std("number") > 0).all()
    assert len(load_checkpoint(ensemble / "checkpoint").members) == 2


def test_scores_know_the_ensemble(ensemble):
    with xr.open_dataset(ensemble / "scores.nc", decode_timedelta=True) as scores:
        assert scores.attrs["num_members"] == 5
        found = scores.geopotential.sel(region="all", model="forecast", level=500)
        assert {"crps", "spread", "spread_skill", "member_rmse"} <= {*found["metric"].values}
        assert (found.sel(metric="member_rmse") >= found.sel(metric="rmse")).all()
        assert (found.sel(metric="crps") < found.sel(metric="mae")).all()
        np.testing.assert_allclose(scores.geopotential_rank_histogram.sum("rank"), 1)
    page = (ensemble / "report.html").read_text()
    assert ">The ensemble</h2>" in page
    assert "judge the mean of 5 members" in page


def test_other_members_make_forecasts_anew_and_nothing_else(ensemble):
    said = run(ensemble, "forecast.members=2", "forecast.perturb=0", "forecast.lagged=0")
    assert "train: up to date" in said
    assert "forecast: made anew, for forecast.lagged was 1, is 0" in said
    assert ForecastStore(ensemble / "forecast.zarr").dataset().sizes["number"] == 2
    run(ensemble)


def test_equal_members_are_refused_before_anything_runs(tmp_path):
    arguments = ["check", str(CONFIG), f"output={tmp_path}", "forecast.members=3"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "forecast.members: 3 would not differ" in result.output


def test_a_user_asks_a_checkpoint_for_members(ensemble):
    forecaster = Forecaster(load_checkpoint(ensemble / "checkpoint"), device="cpu", lagged=2)
    assert [(member.network, member.lag) for member in forecaster.members] == [
        *((0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2))
    ]
