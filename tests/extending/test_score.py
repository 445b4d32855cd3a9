"""A score of one's own against its definition by hand, however pairs are divided: copy this."""

from pathlib import Path

import numpy as np
import xarray as xr

from axialcast.baselines import Climatology
from axialcast.own import OwnFile
from axialcast.scores.own import OwnScore
from axialcast.verify import evaluate

SCORE = """
def statistic(forecast, truth, climatology):
    return abs(forecast.astype(float) - truth) ** 4
def score(mean):
    return mean ** 0.25
"""
DAYS = np.array([1, 2]) * np.timedelta64(24, "h").astype("timedelta64[ns]")


def test_a_score_is_its_definition(analysis: xr.Dataset, tmp_path: Path) -> None:
    truth = analysis[["mean_sea_level_pressure"]]
    fitted = Climatology.fit(truth.isel(time=slice(0, 30)), harmonics=0)
    inits = truth["time"].values[30:37]
    forecast = fitted.forecast(truth, inits, DAYS)
    (tmp_path / "fourth.py").write_text(SCORE)
    own = OwnScore(OwnFile.read(tmp_path / "fourth.py"))
    own.check()

    def scored(forecast: xr.Dataset) -> xr.DataArray:
        found = evaluate(forecast, truth, climatology=fitted, baselines={}, own=[own])
        return found["mean_sea_level_pressure"].sel(metric="fourth", model="forecast", region="all")

    # By hand: the mean over pairs of means by area.
    made = forecast["mean_sea_level_pressure"]
    happened = truth["mean_sea_level_pressure"].sel(time=made["valid_time"])
    fourth = (made.astype(float) - happened) ** 4
    weights = np.cos(np.radians(truth["latitude"]))
    by_hand = fourth.weighted(weights).mean(["init_time", "latitude", "longitude"]) ** 0.25
    np.testing.assert_allclose(scored(forecast), by_hand, rtol=1e-4)
    # Means are taken before the root: of halves, too.
    first, second = (scored(forecast.isel(init_time=part)) for part in (slice(3), slice(3, 7)))
    whole = ((3 * first**4 + 4 * second**4) / 7) ** 0.25
    np.testing.assert_allclose(scored(forecast), whole, rtol=1e-6)
