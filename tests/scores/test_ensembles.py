"""Scores of ensembles against scoringrules, and against sums over every pair written out."""

import numpy as np
import pytest
import scoringrules
import xarray as xr

from axialcast.baselines import Climatology, Persistence, ProbabilisticClimatology
from axialcast.baselines.cycle import season
from axialcast.grid import grid_of
from axialcast.scores.blocks import blocks_of
from axialcast.scores.ensembles import judged, mean_of
from axialcast.scores.kept import KeptSums
from axialcast.verify import evaluate, to_table

DAY = np.timedelta64(24 * 3600 * 10**9, "ns")
LEADS = np.arange(1, 4) * DAY
MEMBERS = 5


@pytest.fixture
def inits(noise):
    return noise.time.values[800:811]


@pytest.fixture
def ensemble(noise, forecast_of, inits):
    """Five members beside the truth, reliable by construction."""
    rng = np.random.default_rng(3)
    truth = forecast_of(noise, inits, LEADS)
    members = [truth.copy(deep=True) for _ in range(MEMBERS)]
    centre = 4 * rng.standard_normal(truth.pressure.shape)
    for member in members:
        drawn = 4 * rng.standard_normal(truth.pressure.shape)
        member.pressure.values += (centre + drawn).astype(np.float32)
    return (
        xr.concat(members, "number")
        .assign_coords(number=np.arange(MEMBERS))
        .transpose("init_time", "number", "lead_time", ...)
    )


def truth_of(noise, inits, forecast_of):
    return forecast_of(noise, inits, LEADS).pressure.values.astype(float)


def area_mean(field, analysis):
    weights = grid_of(analysis).areas / grid_of(analysis).areas.sum()
    return (field * weights).sum((-2, -1))


def test_they_are_those_of_scoringrules(noise, climatology, ensemble, inits, forecast_of):
    scores = evaluate(ensemble, noise, climatology=climatology, baselines={})
    truth = truth_of(noise, inits, forecast_of)
    values = ensemble.pressure.values.astype(float)
    found = scores.pressure.sel(model="forecast", region="all")
    fair = scoringrules.crps_ensemble(truth, values, m_axis=1, estimator="fair")
    np.testing.assert_allclose(found.sel(metric="crps"), area_mean(fair, noise).mean(0), rtol=1e-9)
    variance = area_mean(values.var(1, ddof=1), noise).mean(0)
    np.testing.assert_allclose(found.sel(metric="spread"), np.sqrt(variance), rtol=1e-9)
    # The mean over members is scored as it is, in double precision.
    apart = values.mean(1) - truth
    error = area_mean(apart**2, noise).mean(0)
    for metric, expected in (
        ("rmse", np.sqrt(error)),
        ("mae", area_mean(np.abs(apart), noise).mean(0)),
        ("bias", area_mean(apart, noise).mean(0)),
        ("spread_skill", np.sqrt((MEMBERS + 1) / MEMBERS * variance / error)),
    ):
        np.testing.assert_allclose(found.sel(metric=metric), expected, rtol=1e-12)
    each = area_mean((values - truth[:, None]) ** 2, noise).mean((0, 1))
    np.testing.assert_allclose(found.sel(metric="member_rmse"), np.sqrt(each), rtol=1e-12)
    assert scores.attrs["num_members"] == MEMBERS
    assert set(to_table(scores).metric) == {
        *("rmse", "mae", "bias", "acc", "crps", "spread", "spread_skill", "member_rmse")
    }


def test_the_rank_histogram_counts_members_below(noise, climatology, ensemble, inits, forecast_of):
    scores = evaluate(ensemble, noise, climatology=climatology)
    truth = truth_of(noise, inits, forecast_of)
    ranks = (ensemble.pressure.values < truth[:, None]).sum(1)
    expected = [area_mean(ranks == rank, noise).mean(0) for rank in range(MEMBERS + 1)]
    found = scores.pressure_rank_histogram.sel(region="all")
    np.testing.assert_allclose(found.transpose("rank", "lead_time"), expected, atol=1e-12)
    np.testing.assert_allclose(found.sum("rank"), 1)


def test_ties_are_shared_among_the_ranks_that_they_could_have():
    members = np.array([0.0, 0.0, 0.0, 2.0], np.float32).reshape(4, 1, 1)
    seen = judged(members, np.zeros((1, 1), np.float32))
    assert (int(seen.below[0, 0]), int(seen.ties[0, 0])) == (0, 3)


def test_where_neither_has_rain_every_rank_is_as_likely(analysis_of, forecast_of):
    truth = np.zeros((800, 4, 6), np.float32)
    truth[:, 2:] = np.arange(800)[:, None, None] % 7 + 1
    analysis = analysis_of(truth)
    inits = analysis.time.values[760:770]
    one = forecast_of(analysis, inits, LEADS[:1])
    dry = one.pressure == 0
    members = [one.where(dry, one - 0.5), one.where(dry, one + 0.5), one.where(dry, one + 1)]
    ensemble = xr.concat(members, "number").assign_coords(number=[0, 1, 2])
    ensemble.pressure.attrs.update(one.pressure.attrs)
    fitted = Climatology.fit(analysis.isel(time=slice(0, 731)), harmonics=1)
    scores = evaluate(ensemble, analysis, climatology=fitted)
    share = float(area_mean(dry.values[0, 0].astype(float), analysis))
    found = scores.pressure_rank_histogram.sel(region="all").isel(lead_time=0)
    np.testing.assert_allclose(found, share / 4 + (1 - share) * np.array([0, 1, 0, 0]), atol=1e-9)


def test_members_that_are_missing_are_left_out_of_what_is_judged():
    rng = np.random.default_rng(1)
    members = rng.standard_normal((6, 3, 5)).astype(np.float32)
    truth = rng.standard_normal((3, 5)).astype(np.float32)
    members[2:, 0, 0] = members[1:, 0, 1] = members[3, 1] = np.nan
    seen = judged(members, truth)
    assert np.isnan(seen.crps[0, 1])
    for place, who in (((0, 0), [0, 1]), ((1, 2), [0, 1, 2, 4, 5]), ((2, 4), range(6))):
        own = members[(list(who), *place)].astype(float)
        fair = scoringrules.crps_ensemble(float(truth[place]), own, estimator="fair")
        assert seen.crps[place] == pytest.approx(fair)
        assert seen.variance[place] == pytest.approx(own.var(ddof=1))
    expected = members[:, 2].mean(0, dtype=np.float64)
    np.testing.assert_allclose(mean_of(members, axis=0)[2], expected, rtol=1e-15)
    assert np.isnan(mean_of(members, axis=0)[0, 1])


def test_of_one_member_the_crps_is_the_absolute_error(noise, climatology, ensemble):
    training = noise.sel(time=slice("2001", "2002"))
    drawn = ProbabilisticClimatology(climatology, training.time.values)
    baselines = {"persistence": Persistence(), "probabilistic_climatology": drawn}
    scores = evaluate(ensemble, noise, climatology=climatology, baselines=baselines).pressure
    one = scores.sel(model="persistence")
    np.testing.assert_array_equal(one.sel(metric="crps"), one.sel(metric="mae"))
    np.testing.assert_array_equal(one.sel(metric="member_rmse"), one.sel(metric="rmse"))
    assert np.isnan(one.sel(metric=["spread", "spread_skill"])).all()
    # White noise: an ensemble of it is reliable, and twice as good as a state of it.
    many = scores.sel(model="probabilistic_climatology", region="all")
    assert abs(many.sel(metric="spread_skill") - 1).max() < 0.12
    np.testing.assert_allclose(many.sel(metric="crps"), 10 / np.sqrt(np.pi), rtol=0.08)
    single = evaluate(ensemble.isel(number=0), noise, climatology=climatology)
    assert single["metric"].values.tolist() == ["rmse", "mae", "bias", "acc"]
    with pytest.raises(ValueError, match="metrics: crps judges ensembles"):
        evaluate(ensemble.isel(number=[1]), noise, climatology=climatology, metrics=["crps"])


def test_the_members_of_climatology_are_of_the_season(noise, climatology, inits):
    training = noise.sel(time=slice("2001", "2002"))
    drawn = ProbabilisticClimatology(climatology, training.time.values)
    times = drawn.drawn(inits)
    assert times.shape == (11, 20)
    apart = np.abs(season(times.ravel()) - np.repeat(season(inits), 20))
    assert (365.25 * np.minimum(apart, 1 - apart)).max() <= 15.01
    assert {str(time)[:4] for time in times[0]} == {"2001", "2002"}
    forecast = drawn.forecast(noise, inits[:2], LEADS)
    assert forecast.pressure.dims[:3] == ("init_time", "number", "lead_time")
    at = noise.pressure.sel(time=drawn.drawn(inits[1:2] + LEADS[2])[0])
    np.testing.assert_array_equal(forecast.pressure[1, :, 2], at)
    with pytest.raises(ValueError, match=r"members are states of the training period.*2001-01-01"):
        evaluate(
            forecast.isel(number=0),
            noise.sel(time=slice("2003", None)),
            climatology=climatology,
            baselines={"probabilistic_climatology": drawn},
        )


def test_climatology_with_missing_states_masks_nothing(noise, climatology, ensemble):
    """A station that is silent every other day: members are those that are known."""
    gaps = noise.copy(deep=True)
    rng = np.random.default_rng(5)
    silent = rng.random((730, 5, 7)) < 0.4
    gaps.pressure.values[:730][silent] = np.nan
    drawn = ProbabilisticClimatology(climatology, noise.time.values[:730])
    scores = evaluate(ensemble, gaps, climatology=climatology, baselines={"drawn": drawn})
    assert (scores.pressure_masked == 0).all()
    found = scores.pressure.sel(model="drawn", metric="crps", region="all")
    np.testing.assert_allclose(found, 10 / np.sqrt(np.pi), rtol=0.1)


@pytest.mark.parametrize("values", [35, 2**20])
def test_bits_do_not_depend_on_pieces_threads_and_what_is_kept(
    noise, climatology, ensemble, tmp_path, values
):
    ensemble = ensemble.copy(deep=True)
    ensemble.pressure.values[2, :, 1, 3] = np.nan  # land, at one time
    drawn = ProbabilisticClimatology(climatology, noise.time.values[:730])
    settings = {"climatology": climatology, "baselines": {"drawn": drawn}}
    settings |= {"regions": {"north": {"latitude": [0, 90], "longitude": [0, 360]}}}
    whole = evaluate(ensemble, noise, **settings, num_threads=1)
    contents = {time: str(time) for time in ensemble.init_time.values}
    several = evaluate(
        ensemble.chunk(init_time=2, lead_time=1),
        noise,
        **settings,
        block_values=values,
        num_threads=3,
    )
    xr.testing.assert_identical(several, whole)
    for _ in range(2):
        kept = KeptSums(tmp_path, contents)
        xr.testing.assert_identical(evaluate(ensemble, noise, **settings, kept=kept), whole)
    assert len(kept.taken) == len(blocks_of(ensemble))
    other = ensemble.isel(number=slice(0, 4))
    kept = KeptSums(tmp_path, contents)
    evaluate(other, noise, **settings, kept=kept)
    assert not kept.taken


def test_levels_and_channels_keep_their_members(make_analysis):
    analysis = make_analysis(num_times=40)
    inits = analysis.time.values[30:34]
    fitted = Climatology.fit(analysis, harmonics=0)
    rng = np.random.default_rng(0)
    rows = np.arange(30, 34)[:, None] + np.arange(1, 3)
    fields = {}
    for name, array in analysis.data_vars.items():
        truth = array.values[rows][:, None]
        noisy = truth + array.values.std() * rng.standard_normal((4, 3, *truth.shape[2:]))
        fields[name] = (
            ("init_time", "number", "lead_time", *array.dims[1:]),
            noisy.astype("f4"),
            array.attrs,
        )
    coords = {n: c for n, c in analysis.coords.items() if n != "time"}
    forecast = xr.Dataset(
        fields, {"init_time": inits, "number": [0, 1, 2], "lead_time": LEADS[:2], **coords}
    )
    scores = evaluate(forecast, analysis, climatology=fitted).sel(region="all", model="forecast")
    for name, dims in (("geopotential", {"level": 850.0}), ("mean_sea_level_pressure", {})):
        values = forecast[name].sel(dims).values.astype(float)
        truth = analysis[name].sel(dims).values[rows].astype(float)
        fair = scoringrules.crps_ensemble(truth, values, m_axis=1, estimator="fair")
        expected = area_mean(fair, analysis).mean(0)
        np.testing.assert_allclose(scores[name].sel(metric="crps", **dims), expected, rtol=1e-6)
        assert scores[f"{name}_rank_histogram"].sel(dims).dims == ("lead_time", "rank")
