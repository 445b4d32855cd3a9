"""Forecasts in formats of others."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.forecast import ForecastWriter
from axialcast.run.config import ConfigError, load_config

STAGE = runpy.run_path(str(Path(__file__).parents[2] / "pipelines" / "deliver.py"))
CONFIG = """
pipeline: [deliver]
output: {folder}/run
data:
  store: {folder}/analysis.nc
  variables: [geopotential, mean_sea_level_pressure]
  train: ["2001-01-01", "2001-01-20"]
  validate: ["2001-01-21", "2001-01-25"]
  test: ["2001-01-26", "2001-02-05"]
deliver: {{formats: [netcdf, grib2]}}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "x.yaml").write_text(CONFIG.format(folder=tmp_path))
    return tmp_path


def write(path: Path, analysis: xr.Dataset, num_inits: int) -> xr.Dataset:
    one = analysis.isel(time=slice(3)).rename(time="lead_time")
    leads = np.array([24, 48, 72], "m8[h]").astype("m8[ns]")
    inits = np.datetime64("2001-01-26", "ns") + np.arange(num_inits) * np.timedelta64(1, "D")
    one = one.assign_coords(lead_time=leads)
    forecast = xr.concat([one + 100 * n for n in range(num_inits)], "init_time")
    forecast = forecast.assign_coords(init_time=inits).astype("f4")
    for name, array in analysis.data_vars.items():
        forecast[name].attrs = array.attrs
    with ForecastWriter(path, forecast) as writer:
        for number in writer.missing:
            writer.write(forecast.isel(init_time=[number]))
    return forecast


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_file_of_each_format_for_each_initial_time(folder, analysis):
    pytest.importorskip("cfgrib", reason="the extra grib is not installed")
    config = load_config(folder / "x.yaml")
    write(config.output / "forecast.zarr", analysis, 2)
    want = write(config.output / "forecast.zarr", analysis, 3)
    STAGE["run"](config)
    names = [f"2001-01-{day}T000000.{kind}" for day in (26, 27, 28) for kind in ("grib2", "nc")]
    assert sorted(path.name for path in (folder / "run" / "delivered").iterdir()) == names
    with xr.open_mfdataset(
        str(folder / "run" / "delivered" / "*.nc"), decode_timedelta=True
    ) as read:
        xr.testing.assert_equal(read.load(), want)
    STAGE["run"](load_config(folder / "x.yaml", ["deliver.formats=[netcdf]"]))
    assert sorted(path.name for path in (folder / "run" / "delivered").iterdir()) == names[1::2]


def test_what_grib_has_no_code_for_is_refused_before_anything_runs(folder):
    with pytest.raises(ConfigError) as raised:
        load_config(folder / "x.yaml", ["data.variables=[geopotential, rain_rate]"])
    [line] = str(raised.value).splitlines()
    assert line.endswith(
        "deliver.formats: grib2 has no code for rain_rate; deliver netcdf, or leave it out of data"
    )
