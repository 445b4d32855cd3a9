"""Rain cells through the whole line: simulated on a map, learnt, forecast, judged by events."""

import pandas as pd
import pytest
import xarray as xr

from axialcast.run.config import load_config
from axialcast.run.stages import run_stages

CONFIG = """
pipeline: [simulate, train, forecast, verify]
simulate: {kind: rain_cells, start: "2001-06-01", end: "2001-06-04", step_minutes: 10, points: 32}
data:
  variables: [rain_rate]
  train: ["2001-06-01", "2001-06-02"]
  validate: ["2001-06-03", "2001-06-03"]
  test: ["2001-06-04", "2001-06-04"]
  step: 10 min
  transform: {rain_rate: {log1p: 2}}
  bounds: {rain_rate: [0, null]}
model: {dim: 8, depth: 1, heads: 2, patch: [2, 4, 4]}
train: {batch_size: 4, schedule: [{steps: 3}]}
forecast: {lead_time: 20 min, init_every: 2 hours}
verify:
  metrics: [rmse, csi, frequency_bias]
  thresholds: {rain_rate: [0.1, 2]}
  baselines: [persistence, lagrangian_persistence]
  harmonics: 0
"""


def test_the_whole_line(tmp_path) -> None:
    pytest.importorskip("pysteps")
    (tmp_path / "nowcast.yaml").write_text(CONFIG)
    run_stages(load_config(tmp_path / "nowcast.yaml", [f"output={tmp_path}/run"]), say=print)
    run = tmp_path / "run"
    with xr.open_zarr(run / "forecast.zarr", decode_timedelta=True) as forecast:
        assert forecast.rainfall_rate.dims == ("init_time", "lead_time", "y", "x")
        assert forecast.rainfall_rate.shape == (12, 2, 32, 32)
        assert float(forecast.rainfall_rate.min()) >= 0
        assert forecast.crs.attrs["grid_mapping_name"] == "lambert_azimuthal_equal_area"
    table = pd.read_csv(run / "scores.csv").set_index(["metric", "model"])
    assert set(table.lead_time_hours.round(6)) == {0.166667, 0.333333}
    csi = table.loc["csi"]
    assert set(csi.threshold) == {">= 0.1", ">= 2"}
    assert csi.value.between(0, 1).all()
    # What came in from outside is left out for all.
    masked = csi.masked.groupby("model").apply(list)
    assert min(masked["lagrangian_persistence"]) > 0.05
    assert masked["forecast"] == masked["persistence"] == masked["lagrangian_persistence"]
    page = (run / "report.html").read_text("utf-8")
    assert "Rain rate ≥ 2 mm h⁻¹" in page
    assert "Lagrangian persistence" in page
