"""Scores against libraries of the field, to 1e-6: scores, xskillscore and scoringrules."""

import numpy as np
import pytest
import scores
import scores.categorical
import scores.probability
import scoringrules
import xarray as xr
import xskillscore

from axialcast.grid import grid_of
from axialcast.verify import Climatology, evaluate

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.arange(1, 4) * DAY
SPACE = ["latitude", "longitude"]
MEMBERS = 5
CLOSE = {"rtol": 1e-6, "atol": 1e-9}


@pytest.fixture(scope="module")
def truth():
    """Two years of noise with holes that do not move, and a few that do."""
    rng = np.random.default_rng(0)
    values = (10 + 3 * rng.standard_normal((731, 5, 7))).astype("f4")
    values[:, 1, 2] = np.nan
    values[rng.random(values.shape) < 0.01] = np.nan
    coords = {
        "time": np.datetime64("2001-01-01", "ns") + np.arange(731) * DAY,
        "latitude": np.linspace(60, -60, 5),
        "longitude": np.arange(7) * 10.0,
    }
    return xr.Dataset({"pressure": (tuple(coords), values, {"units": "Pa"})}, coords)


@pytest.fixture(scope="module")
def ensemble(truth):
    """Members beside the truth, from thirteen days."""
    rng = np.random.default_rng(1)
    inits = truth.time.values[600:613]
    valid = xr.DataArray(inits[:, None] + LEADS, {"init_time": inits, "lead_time": LEADS})
    found = truth.pressure.sel(time=valid.rename("valid_time")).drop_vars("time")
    error = rng.standard_normal((MEMBERS, *found.shape)) + rng.standard_normal(found.shape)
    members = found.expand_dims(number=np.arange(MEMBERS)) + error.astype("f4")
    # Forecasts know nothing of what is missing later.
    members = members.where(found.notnull() | (found.latitude < 0), 11.0)
    members.attrs["units"] = "Pa"
    return members.to_dataset(name="pressure").transpose("init_time", "number", "lead_time", ...)


@pytest.fixture(scope="module")
def climatology(truth):
    return Climatology.fit(truth, harmonics=1)


@pytest.fixture(scope="module")
def found(ensemble, truth, climatology):
    return evaluate(ensemble, truth, climatology=climatology)


@pytest.fixture(scope="module")
def pairs(ensemble, truth, climatology):
    """Forecast, truth, climatology and weights (init_time, lead_time, ...), in double precision."""
    members = ensemble.pressure.astype(float)
    valid = (ensemble.init_time + ensemble.lead_time).rename("valid_time")
    observed = truth.pressure.sel(time=valid).drop_vars("time").astype(float)
    normal = climatology.at(valid.values.ravel()).pressure.values.reshape(observed.shape)
    normal = observed.copy(data=normal)
    mean = members.mean("number", skipna=False)
    known = observed.notnull() & mean.notnull() & normal.notnull()
    places = {dim: truth[dim] for dim in SPACE}
    weights = xr.DataArray(grid_of(truth).areas, places, SPACE)
    return mean.where(known), observed.where(known), normal.where(known), weights, members


def over_pairs(per_pair):
    """Pairs count alike."""
    return per_pair.mean("init_time").transpose("lead_time")


def of(found, metric):
    return found.pressure.sel(model="forecast", region="all", metric=metric)


def test_errors_are_those_of_scores_and_xskillscore(found, pairs):
    forecast, truth, _, weights, _ = pairs
    keep = {"preserve_dims": ["init_time", "lead_time"], "weights": weights}
    squares = over_pairs(scores.continuous.mse(forecast, truth, **keep))
    np.testing.assert_allclose(of(found, "rmse"), np.sqrt(squares), **CLOSE)
    absolute = over_pairs(scores.continuous.mae(forecast, truth, **keep))
    np.testing.assert_allclose(of(found, "mae"), absolute, **CLOSE)
    bias = over_pairs(scores.continuous.additive_bias(forecast, truth, **keep))
    np.testing.assert_allclose(of(found, "bias"), bias, **CLOSE)
    other = xskillscore.mse(forecast, truth, dim=SPACE, weights=weights, skipna=True)
    np.testing.assert_allclose(of(found, "rmse"), np.sqrt(over_pairs(other)), **CLOSE)
    other = xskillscore.mae(forecast, truth, dim=SPACE, weights=weights, skipna=True)
    np.testing.assert_allclose(of(found, "mae"), over_pairs(other), **CLOSE)


def test_the_correlation_of_anomalies_is_the_uncentred_one(found, pairs):
    """The mean squares of anomalies are errors against zero, and so is that of their difference."""
    forecast, truth, normal, weights, _ = pairs
    departure, observed = forecast - normal, truth - normal
    keep = {"preserve_dims": ["init_time", "lead_time"], "weights": weights}
    squares = [
        over_pairs(scores.continuous.mse(one, other, **keep))
        for one, other in (
            (departure, 0 * departure),
            (observed, 0 * observed),
            (departure, observed),
        )
    ]
    product = (squares[0] + squares[1] - squares[2]) / 2
    expected = product / np.sqrt(squares[0] * squares[1])
    np.testing.assert_allclose(of(found, "acc"), expected, **CLOSE)


def test_the_crps_is_the_fair_one_of_scores_and_scoringrules(found, pairs):
    _, truth, _, weights, members = pairs
    keep = {"preserve_dims": ["init_time", "lead_time"], "weights": weights}
    fair = scores.probability.crps_for_ensemble(members, truth, "number", method="fair", **keep)
    np.testing.assert_allclose(of(found, "crps"), over_pairs(fair), **CLOSE)
    one = scoringrules.crps_ensemble(
        truth.values, members.transpose(*truth.dims, "number").values, estimator="fair"
    )
    one = truth.copy(data=one).weighted(weights).mean(SPACE)
    np.testing.assert_allclose(of(found, "crps"), over_pairs(one), **CLOSE)


def test_the_spread_is_that_of_unbiased_variances(found, pairs):
    forecast, truth, _, weights, members = pairs
    variance = members.var("number", ddof=1).where(truth.notnull())
    spread = over_pairs(variance.weighted(weights).mean(SPACE))
    np.testing.assert_allclose(of(found, "spread"), np.sqrt(spread), **CLOSE)
    keep = {"preserve_dims": ["init_time", "lead_time"], "weights": weights}
    error = over_pairs(scores.continuous.mse(forecast, truth, **keep))
    ratio = np.sqrt((MEMBERS + 1) / MEMBERS * spread / error)
    np.testing.assert_allclose(of(found, "spread_skill"), ratio, **CLOSE)


def test_ranks_are_those_of_xskillscore(found, pairs):
    """Counted point by point there; here with the area of each, so in one row at a time."""
    _, truth, _, weights, members = pairs
    total = xr.zeros_like(found.pressure_rank_histogram.sel(region="all", drop=True))
    number = truth.sizes["init_time"]
    for init in range(number):
        for lead in range(len(LEADS)):
            at = {"init_time": init, "lead_time": lead}
            area = float(weights.where(truth[at].notnull()).sum())
            for row in range(5):
                seen = truth[at].isel(latitude=row).dropna("longitude")
                if not seen.size:
                    continue
                own = members[at].isel(latitude=row).sel(longitude=seen.longitude)
                counts = xskillscore.rank_histogram(seen, own, member_dim="number")
                share = float(weights[row, 0]) / area / number
                total[lead] += counts.values * share
    expected = found.pressure_rank_histogram.sel(region="all")
    np.testing.assert_allclose(total.values, expected.values, **CLOSE)
