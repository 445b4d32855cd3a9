"""What `check` lists of the data, and of how a network is told of them."""

import numpy as np

from axialcast.run.config import load_config
from axialcast.run.facts import facts
from axialcast.run.preflight import check_run

TEXT = """
pipeline: [train, forecast]
output: {folder}/run
data:
  store: {folder}/analysis.nc
  variables: [geopotential]
  diagnostic: [tp]
  forcings: [toa_incoming_shortwave_flux]
  region: {{latitude: [-70, 70], longitude: [20, 310]}}
  boundary: {{width: 1, relaxation: overwrite}}
  transform: {{tp: {{log1p: 0.001}}, geopotential: none}}
  bounds: {{tp: [0, null], geopotential: [-1000, 100000]}}
  weights: {{geopotential 500: 2}}
  train: ["2001-01-01", "2001-02-28"]
  validate: ["2001-03-01", "2001-03-10"]
  test: ["2001-03-11", "2001-03-20"]
model: {{dim: 8, depth: 1, heads: 2}}
train: {{schedule: [{{steps: 1}}], batch_size: 2}}
forecast: {{lead_time_hours: 24}}
"""


def test_roles_transforms_bounds_weights_and_boundary(make_analysis, tmp_path):
    analysis = make_analysis(num_times=90)
    rain = analysis["mean_sea_level_pressure"].copy()
    rain.values[:] = np.random.default_rng(0).gamma(0.3, 1e-3, rain.shape)
    analysis = analysis[["geopotential"]].assign(tp=rain.assign_attrs(units="m"))
    analysis["tp"].attrs.pop("standard_name")
    analysis.to_netcdf(tmp_path / "analysis.nc")
    (tmp_path / "x.yaml").write_text(TEXT.format(folder=tmp_path))
    preflight = check_run(load_config(tmp_path / "x.yaml"), scan=True)
    assert preflight is not None
    lines = dict(line.split(": ", 1) for line in facts(preflight))
    assert lines["prognostic"] == "geopotential 500 hPa, geopotential 850 hPa"
    assert lines["diagnostic"] == "total_precipitation"
    assert lines["forcing"] == "toa_incoming_shortwave_flux"
    assert lines["grid"] == "5 x 10, regional"
    assert lines["transforms"] == "tp log(1 + x / 0.001 m)"
    assert lines["bounds of forecasts"] == ("tp from 0 m, geopotential -1000 to 100000 m2 s-2")
    assert lines["weights in the loss"] == "geopotential 500 2, all others 1"
    assert lines["boundary"] == "1-point frame (overwrite) from the store itself"
