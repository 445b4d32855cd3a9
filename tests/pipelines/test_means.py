"""A whole line on daily means: what comes out is said to be means, of the same days."""

import numpy as np
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

from axialcast.run.cli import app

SETTINGS = {
    "pipeline": ["train", "forecast", "verify", "deliver"],
    "data": {
        "variables": ["geopotential", "mean_sea_level_pressure"],
        "train": ["2001-01-01", "2001-01-20"],
        "validate": ["2001-01-21", "2001-01-27"],
        "test": ["2001-01-28", "2001-02-05"],
    },
    "model": {"dim": 16, "depth": 1, "heads": 2, "departures": False, "base": "persistence"},
    "train": {"schedule": [{"steps": 2, "rollout_steps": 1}], "batch_size": 4, "warmup_steps": 1},
    "forecast": {"lead_time": "2 days"},
    "verify": {"harmonics": 0, "baselines": ["climatology", "persistence"]},
}
DAY = np.timedelta64(1, "D")


@pytest.fixture
def run(tmp_path, analysis):
    def line(*arguments, formats, bounds=True):
        means = analysis.copy()
        means["mean_sea_level_pressure"].attrs["cell_methods"] = "time: mean"
        if bounds:
            means["time"].attrs["bounds"] = "time_bnds"
            times = means["time"].values
            means["time_bnds"] = (("time", "bnds"), np.stack([times, times + DAY], 1))
        means["time"].encoding = {"units": "hours since 1990-01-01"}
        store = tmp_path / f"means_{bounds}.nc"
        means.to_netcdf(store)
        settings = {**SETTINGS, "output": str(tmp_path / "run"), "deliver": {"formats": formats}}
        settings["data"] = {**SETTINGS["data"], "store": str(store)}
        (tmp_path / "x.yaml").write_text(yaml.safe_dump(settings))
        return CliRunner().invoke(app, [*arguments, str(tmp_path / "x.yaml"), "device=cpu"])

    return line


def test_means_come_out_as_means(run, tmp_path):
    result = run("run", formats=["netcdf"])
    assert result.exit_code == 0, result.output
    delivered = sorted((tmp_path / "run" / "delivered").glob("*.nc"))[0]
    for path, engine in ((tmp_path / "run" / "forecast.zarr", "zarr"), (delivered, "netcdf4")):
        with xr.open_dataset(path, engine=engine, decode_timedelta=True) as forecast:
            means = forecast["mean_sea_level_pressure"].attrs
            assert means["cell_methods"] == "lead_time: mean"
            np.testing.assert_array_equal(means["cell_hours"], [0, 24])
            assert "cell_methods" not in forecast["geopotential"].attrs
        with xr.open_dataset(path, engine=engine, decode_cf=False) as raw:
            assert raw["lead_time"].attrs["bounds"] == "lead_time_bnds"
            assert raw["lead_time"].attrs["units"] == "hours"
            np.testing.assert_array_equal(raw["lead_time_bnds"], [[24, 48], [48, 72]])
    assert (
        "mean from 0 to +24 h" in CliRunner().invoke(app, ["inspect", str(tmp_path / "run")]).output
    )


def test_an_interval_that_grib_cannot_say_is_found_before_anything_runs(run):
    result = run("check", formats=["grib2"], bounds=False)
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert "mean_sea_level_pressure is a mean, and no hours say over which interval" in said
    assert run("check", formats=["grib2"]).exit_code == 0
