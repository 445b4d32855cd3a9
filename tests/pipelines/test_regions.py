"""A region through the line: a boundary of its own, of the truth and of global forecasts."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.forecast import ForecastStore
from axialcast.frame import within
from axialcast.grid import LatLonGrid, grid_of
from axialcast.run.config import ConfigError, load_config
from axialcast.run.preflight import check_run
from axialcast.run.stages import run_stages

ROOT = Path(__file__).parents[2]
SETTINGS = [
    "pipeline=[train, forecast, verify]",
    "data.variables=[geopotential, mean_sea_level_pressure]",
    "data.levels=[500]",
    "data.train=[2001-01-01, 2001-03-31]",
    "data.validate=[2001-04-01, 2001-04-20]",
    "data.test=[2001-04-21, 2001-05-10]",
    "model.patch=[1, 2, 2]",
    "train.schedule=[{steps: 3}]",
    "train.batch_size=4",
    "forecast.lead_time_hours=48",
    "forecast.init_every_hours=48",
    "verify.baselines=[persistence]",
    "verify.regions={}",
]
REGION = ["data.region={latitude: [-60, 60], longitude: [60, 300]}", "data.boundary.width=2"]
GRID = LatLonGrid.regular(11, 18, poles=False)


@pytest.fixture
def config(make_analysis, tmp_path):
    """A function that gives a config of an output's name and overrides."""
    make_analysis(num_times=150, grid=GRID).to_netcdf(tmp_path / "analysis.nc")

    def made(name, *overrides):
        places = [f"data.store={tmp_path}/analysis.nc", f"output={tmp_path}/{name}"]
        return load_config(ROOT / "configs/smallest.yaml", [*SETTINGS, *places, *overrides])

    return made


@pytest.mark.parametrize(
    "prepare", [[], ["prepare={}", "pipeline=[prepare,train,forecast,verify]"]]
)
def test_scores_are_of_the_interior_and_say_so(config, prepare, capsys):
    run = config("run", *REGION, *prepare)
    check_run(run, scan=True)
    run_stages(run)
    assert (
        "the boundary is a 2-point frame (davies) from the analysis, which"
        in capsys.readouterr().out
    )
    forecast = ForecastStore(run.output / "forecast.zarr").dataset().load()
    scores = xr.load_dataset(run.output / "scores.nc")
    assert scores.attrs["boundary"] == "2-point frame (davies) from the analysis"
    assert "2-point frame (davies) from the analysis" in (run.output / "report.html").read_text()
    truth = xr.load_dataset(run.output.parent / "analysis.nc").sel(time=forecast["valid_time"])
    inner = within(forecast, 2)
    assert inner.sizes["latitude"] == forecast.sizes["latitude"] - 4
    error = inner["mean_sea_level_pressure"] - truth["mean_sea_level_pressure"]
    weights = xr.DataArray(grid_of(inner).areas, dims=("latitude", "longitude"))
    mean = (error**2).weighted(weights).mean(("latitude", "longitude"))
    expected = np.sqrt(mean.mean("init_time"))
    found = scores["mean_sea_level_pressure"].sel(model="forecast", metric="rmse", region="all")
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    # Nothing is made again while the boundary is the same.
    run_stages(run)
    assert capsys.readouterr().out.count("up to date") == len(run.pipeline)


def test_a_boundary_of_means_is_prepared_as_the_region_is(config, tmp_path):
    means = ["pipeline=[prepare,train]", "prepare.aggregate_hours=48"]
    store = f"data.boundary.store={tmp_path}/analysis.nc"
    with pytest.raises(ValueError, match=r"has states every 24 h, and prepare\.aggregate_hours"):
        check_run(config("a", *REGION, *means, store))
    globe = config("globe", "pipeline=prepare", means[1])
    run_stages(globe)
    prepared = f"data.boundary.store={globe.output}/training.zarr"
    run, own = config("b", *REGION, *means, prepared), config("c", *REGION, *means)
    for each in (run, own):
        run_stages(each)
    one, other = ((each.output / "log.jsonl").read_text().splitlines()[0] for each in (run, own))
    assert json.loads(one)["loss"] == json.loads(other)["loss"]


def test_forecasts_of_the_globe_lead_those_of_a_region(config, capsys):
    globe = config("globe", "pipeline=[train,forecast]")
    run_stages(globe)
    store = globe.output / "forecast.zarr"
    run = config("nested", *REGION, f"forecast.boundary_store={store}")
    check_run(run)
    run_stages(run)
    outer, inner = (
        ForecastStore(output / "forecast.zarr").dataset().load()
        for output in (globe.output, run.output)
    )
    same = outer["geopotential"].sel(latitude=inner["latitude"], longitude=inner["longitude"])
    edge = {"latitude": 0}
    np.testing.assert_allclose(inner["geopotential"].isel(edge), same.isel(edge), rtol=1e-5)
    assert inner.attrs["boundary"] == f"2-point frame (davies) from forecasts of {store}"
    with pytest.raises(ValueError, match=r"holds forecasts, .* in forecast\.boundary_store"):
        check_run(config("mistaken", *REGION, f"data.boundary.store={store}"))
    capsys.readouterr()
    # The network was trained without it; forecasts were not made without it.
    again = config("nested", *REGION)
    run_stages(again)
    out = capsys.readouterr().out
    assert "train: up to date" in out
    assert "forecast: up to date" not in out
    for other in ([], ["data.boundary.width=3"]):
        alone = config("nested", REGION[0], "pipeline=forecast", *other)
        with pytest.raises(
            ConfigError, match=r"data\.boundary: the checkpoint was trained with 2 p"
        ):
            check_run(alone)
    more = config(
        "nested", *REGION, f"forecast.boundary_store={store}", "forecast.init_every_hours=24"
    )
    with pytest.raises(ConfigError, match=r"forecast\.zarr: lacks init_time 2001-04-22T00, of 10"):
        check_run(more)


def test_what_falls_short_is_told_before_anything_runs(config, tmp_path):
    late = config("late", *REGION, "data.test=[2001-04-21, 2001-05-30]")
    with pytest.raises(ConfigError, match=r"data\.boundary: the forecast from 2001-05-29T00 needs"):
        check_run(late)
    with pytest.raises(ConfigError, match=r"forecast\.boundary_store: .*not there"):
        check_run(config("a", *REGION, f"forecast.boundary_store={tmp_path}/nothing.zarr"))
    with pytest.raises(ConfigError, match=r"is of no use without data\.boundary"):
        check_run(config("b", f"forecast.boundary_store={tmp_path}/analysis.nc"))
    with pytest.raises(ValueError, match="is global, so nothing comes in from beyond"):
        check_run(config("c", "data.boundary.width=2"))
