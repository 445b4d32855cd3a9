"""A baseline of one's own, where the best forecast is known, and blind to what comes: copy this."""

from pathlib import Path

import numpy as np
import xarray as xr

from axialcast.baselines.own import FileBaseline
from axialcast.own import OwnFile

BASELINE = """
STATES = 2
def fit(training, lead_times):
    steps = lead_times / lead_times[0]
    def forecast(states):
        last, change = states.isel(time=-1), states.isel(time=-1) - states.isel(time=0)
        import xarray as xr
        return last + change.drop_vars("time", errors="ignore") * xr.DataArray(
            steps.astype("float32"), dims="lead_time"
        )
    return forecast
"""
DAY = np.timedelta64(24, "h").astype("timedelta64[ns]")
LEADS = np.array([1, 2, 3]) * DAY


def test_a_baseline_is_right_where_the_best_forecast_is_known(
    analysis: xr.Dataset, tmp_path: Path
) -> None:
    (tmp_path / "onward.py").write_text(BASELINE)
    days = xr.DataArray(np.arange(40, dtype="float32"), dims="time")
    field = analysis[["mean_sea_level_pressure"]]
    field["mean_sea_level_pressure"] = (
        (field["mean_sea_level_pressure"].isel(time=0, drop=True) + 7 * days)
        .transpose("time", ...)
        .assign_attrs(field["mean_sea_level_pressure"].attrs)
    )
    inits = field["time"].values[20:23]
    fitted = FileBaseline.fit(
        OwnFile.read(tmp_path / "onward.py"),
        field.isel(time=slice(0, 15)),
        lead_times=LEADS,
        lag=DAY,
        made_from={"store": "x"},
    )
    made = fitted.forecast(field, inits, LEADS)["mean_sea_level_pressure"]
    happened = field["mean_sea_level_pressure"].sel(time=made["valid_time"])
    np.testing.assert_allclose(made, happened.transpose(*made.dims), rtol=1e-6)

    # What comes after an initial time changes nothing.
    later = field.copy(deep=True)
    later["mean_sea_level_pressure"][21:] = np.nan
    again = fitted.forecast(later, inits[:1], LEADS)["mean_sea_level_pressure"]
    np.testing.assert_array_equal(again, made.isel(init_time=slice(0, 1)))
