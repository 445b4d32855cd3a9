"""WeatherBench-X scores what is written in its layout, and finds what we find.

It is on no package index and its pins are not ours. So it runs in an interpreter of its own, which
AXIALCAST_WEATHERBENCHX names: that of an environment in which it is installed.
"""

import json
import os
import subprocess

import numpy as np
import pytest
import xarray as xr

from axialcast.forecast import ForecastWriter
from axialcast.names import COORDINATE_ATTRS
from axialcast.verify import Climatology, evaluate

PYTHON = os.environ.get("AXIALCAST_WEATHERBENCHX")
PROGRAM = """
import json, sys
import xarray as xr
from weatherbenchX import aggregation, weighting
from weatherbenchX.data_loaders import xarray_loaders
from weatherbenchX.metrics import base, deterministic, probabilistic, wrappers

forecast, analysis = sys.argv[1:]
names = ["geopotential", "mean_sea_level_pressure"]
opened = xr.open_zarr(forecast, decode_timedelta=True)
inits, leads = opened["time"].values, opened["prediction_timedelta"].values
predictions = xarray_loaders.PredictionsFromXarray(path=forecast, variables=names)
targets = xarray_loaders.TargetsFromXarray(path=analysis, variables=names)
# In single precision it would lose the digits that are compared: 5.6e-6 of an RMSE at 500 hPa.
chunks = [
    {name: array.astype("float64") for name, array in loader.load_chunk(inits, leads).items()}
    for loader in (predictions, targets)
]
mean = wrappers.EnsembleMean(which="predictions", ensemble_dim="number")
metrics = {
    "rmse": wrappers.WrappedMetric(deterministic.RMSE(), [mean]),
    "mae": wrappers.WrappedMetric(deterministic.MAE(), [mean]),
    "bias": wrappers.WrappedMetric(deterministic.Bias(), [mean]),
    "crps": probabilistic.CRPSEnsemble(ensemble_dim="number"),
}
statistics = base.compute_unique_statistics_for_all_metrics(metrics, *chunks)
aggregator = aggregation.Aggregator(
    reduce_dims=["init_time", "latitude", "longitude"],
    weigh_by=[weighting.GridAreaWeighting()],
)
values = aggregator.aggregate_statistics(statistics).metric_values(metrics)
found = {f"{m}.{n}": values[f"{m}.{n}"].values.tolist() for m in metrics for n in names}
dims = {key: list(values[key].dims) for key in found}
print(json.dumps({"found": found, "dims": dims}))
"""


@pytest.mark.skipif(PYTHON is None, reason="AXIALCAST_WEATHERBENCHX names no interpreter")
def test_it_finds_what_we_find(analysis, tmp_path):
    inits, leads = analysis.time.values[3:28:5], np.array([24, 48], "m8[h]").astype("m8[ns]")
    valid = xr.DataArray(np.add.outer(inits, leads), dims=("init_time", "lead_time"))
    truth = analysis.sel(time=valid).drop_vars("time").assign_coords(init_time=inits)
    rng, numbers = np.random.default_rng(0), ("number", np.arange(5), COORDINATE_ATTRS["number"])
    forecast = truth.assign_coords(lead_time=leads).expand_dims(number=5, axis=1)
    forecast = forecast.assign_coords(number=numbers)
    for name, array in forecast.data_vars.items():
        values = array.values + rng.normal(20, 100, array.shape)
        forecast[name] = array.copy(data=values.astype("f4"))
        forecast[name].attrs = analysis[name].attrs
    with ForecastWriter(tmp_path / "forecast.zarr", forecast, layout="weatherbench2") as writer:
        for number in range(len(inits)):
            writer.write(forecast.isel(init_time=[number]))
    analysis.to_zarr(tmp_path / "analysis.zarr", zarr_format=3, consolidated=False)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [
            str(PYTHON),
            "-c",
            PROGRAM,
            str(tmp_path / "forecast.zarr"),
            str(tmp_path / "analysis.zarr"),
        ],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = evaluate(
        forecast,
        analysis,
        climatology=Climatology.fit(analysis, harmonics=0),
        metrics=["rmse", "mae", "bias", "crps"],
        baselines={},
    ).sel(model="forecast", region="all")
    for key, values in theirs["found"].items():
        metric, name = key.split(".")
        want = ours[name].sel(metric=metric).transpose(*theirs["dims"][key])
        np.testing.assert_allclose(want, values, rtol=1e-6, err_msg=key)
