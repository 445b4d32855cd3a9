"""`verify.stations` in a run: what is scored there, and what makes these scores stale."""

import os
import shutil

import numpy as np
import pandas as pd
import xarray as xr
from typer.testing import CliRunner

from axialcast.run.cli import app


def written(path, truth, shift):
    """A table of what an analysis says at four of its points, with something added."""
    places = [(0, 1), (3, 5), (7, 0), (-1, -1)]
    rows = []
    for row, column in places:
        one = truth.isel(latitude=row, longitude=column)
        frame = pd.DataFrame({"time": one["time"].values, "value": one.values + shift})
        where = {"latitude": float(one["latitude"]), "longitude": float(one["longitude"]) - 360}
        rows.append(frame.assign(**where))
    pd.concat(rows).to_csv(path, index=False)


def test_stations_on_points_say_what_the_fields_there_do(smallest_run, tmp_path):
    output, table = tmp_path / "run", tmp_path / "stations.csv"
    shutil.copytree(smallest_run, output)
    with xr.open_zarr(output / "analysis.zarr") as analysis:
        truth = analysis["geopotential"].sel(level=500).load()
    written(table, truth, 0.0)
    arguments = ["run", str(output / "config.yaml"), f"output={output}", "device=cpu"]
    arguments += ["forecast.members=3", "forecast.perturb=0.1", "verify.intervals=null"]
    arguments += [f"verify.stations.store={table}", "verify.stations.variable=geopotential"]
    arguments += ["verify.stations.level=500", "verify.seasons=init"]

    def run(*more):
        result = CliRunner().invoke(app, [*arguments, *more])
        assert result.exit_code == 0, result.output
        with xr.open_dataset(output / "scores.nc") as scores:
            return result.output, scores.sel(region="stations", level=500).load()

    def whole(scores):
        return scores["geopotential"].sel(cases="all")

    said, scores = run()
    assert "geopotential 500 hPa at 4 of 4 stations, 0 beyond the grid" in said
    with xr.open_zarr(output / "forecast.zarr") as opened:
        forecast = opened["geopotential"].sel(level=500).isel(lead_time=-1).load()
    points = [forecast.isel(latitude=r, longitude=c) for r, c in ((0, 1), (3, 5), (7, 0), (-1, -1))]
    apart, errors = [], []
    for point in points:
        latitude, longitude = float(point["latitude"]), float(point["longitude"])
        at = truth.sel(latitude=latitude, longitude=longitude)
        valid = (point["init_time"] + point["lead_time"]).values
        known = np.isin(valid, truth["time"].values)
        errors.append((point.mean("number").values[known] - at.sel(time=valid[known]).values) ** 2)
        apart.append(point.var("number", ddof=1).values[known])
    last = whole(scores).isel(lead_time=-1).sel(model="forecast")
    np.testing.assert_allclose(last.sel(metric="rmse"), np.sqrt(np.mean(errors)), rtol=1e-4)
    np.testing.assert_allclose(last.sel(metric="spread"), np.sqrt(np.mean(apart)), rtol=1e-4)
    assert 0 < last.sel(metric="crps") < last.sel(metric="mae")
    num = scores["geopotential_num_pairs"]
    assert (num.isel(cases=slice(1, None)).sum("cases") == num.sel(cases="all")).all()
    assert scores["geopotential"].sel(metric="rmse").notnull().all()

    assert "verify: up to date" in run()[0]
    written(table, truth, 100.0)
    os.utime(table, (1, 1))
    said, moved = run()
    assert "verify: up to date" not in said
    bias, then = (whole(s).sel(metric="bias", model="persistence") for s in (moved, scores))
    np.testing.assert_allclose(bias, then - 100, atol=0.1)
    pd.read_csv(table).assign(latitude=95).to_csv(table, index=False)
    result = CliRunner().invoke(app, ["check", *arguments[1:]])
    assert result.exit_code == 2
    assert "stations.csv: latitude 95; expected degrees" in result.output.replace("\n", " ")
    table.unlink()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "no such store of stations" in result.output
