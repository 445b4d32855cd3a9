"""Scores of events against contingency tables counted by hand, and how they add up."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data.channels import Channels
from axialcast.grid import grid_of
from axialcast.scores.events import Event, events_of
from axialcast.thresholds import Threshold
from axialcast.verify import (
    EVENT_METRICS,
    Climatology,
    Events,
    KeptSums,
    Persistence,
    evaluate,
    to_table,
)

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 3]) * DAY
THRESHOLDS = {"pressure": [1005, 995.5]}
METRICS = ["rmse", *EVENT_METRICS]


@pytest.fixture
def inits(noise):
    return noise.time.sel(time="2003").values[:11]


@pytest.fixture
def forecast(noise, inits, forecast_of):
    error = np.random.default_rng(1).standard_normal((11, 3, 5, 7))
    return forecast_of(noise, inits, LEADS, error=error)


def scored(forecast, analysis, climatology, **options):
    return evaluate(
        forecast,
        analysis,
        climatology=climatology,
        **{"metrics": METRICS, "events": Events(THRESHOLDS)} | options,
    )


def test_scores_are_those_of_the_contingency_table(noise, forecast, inits, climatology):
    scores = scored(forecast, noise, climatology, baselines={"persistence": Persistence()})
    assert scores.pressure_csi.dims == ("model", "pressure_threshold", "region", "lead_time")
    assert scores.pressure_threshold.values.tolist() == [">= 995.5", ">= 1005"]
    area = grid_of(noise).areas
    start = int(np.searchsorted(noise.time.values, inits[0]))
    for lead in range(3):
        truth = noise.pressure.values[start + lead + 1 : start + lead + 12]
        models = forecast.pressure.values[:, lead], noise.pressure.values[start : start + 11]
        for model, values in zip(("forecast", "persistence"), models, strict=True):
            for threshold in (995.5, 1005):
                hits = misses = false_alarms = 0.0
                for case, row, column in np.ndindex(truth.shape):
                    is_there = truth[case, row, column] >= threshold
                    is_said = values[case, row, column] >= threshold
                    hits += area[row, column] * (is_there and is_said)
                    misses += area[row, column] * (is_there and not is_said)
                    false_alarms += area[row, column] * (is_said and not is_there)
                got = scores.sel(model=model, pressure_threshold=f">= {threshold:g}").isel(
                    lead_time=lead
                )
                expected = hits / (hits + misses + false_alarms)
                assert got.pressure_csi.item() == pytest.approx(expected, rel=1e-9)
                expected = (hits + false_alarms) / (hits + misses)
                assert got.pressure_frequency_bias.item() == pytest.approx(expected, rel=1e-9)


def test_the_truth_is_perfect_and_what_never_happens_has_no_score(
    noise, inits, climatology, forecast_of
):
    perfect = forecast_of(noise, inits, LEADS)
    often = float(noise.pressure.median())
    scores = scored(perfect, noise, climatology, events=Events({"pressure": [often, 1e9]}))
    for metric in EVENT_METRICS:
        there, never = scores[f"pressure_{metric}"].transpose("pressure_threshold", ...).values
        np.testing.assert_allclose(there, 0 if metric == "false_alarm_ratio" else 1, atol=1e-6)
        assert np.isnan(never).all()


def test_sums_add_over_blocks_and_groups(noise, forecast, climatology):
    whole = scored(forecast, noise, climatology)
    chunked = forecast.chunk(init_time=4, lead_time=2), noise.chunk(time=13, latitude=2)
    for options in ({"block_values": 35}, {"block_values": 70, "memory_gib": 1e-6}):
        xr.testing.assert_allclose(scored(*chunked, climatology, **options), whole, rtol=1e-12)


def test_points_that_a_model_lacks_are_left_out_for_all(noise, forecast, climatology):
    """As at the border that an extrapolation comes in from."""
    less = forecast.where(forecast.longitude < forecast.longitude[4])
    part = {"region": "west", "regions": {"west": {"latitude": [-90, 90], "longitude": [0, 1]}}}
    edges = float(noise.longitude[0]), float(noise.longitude[3])
    part["regions"]["west"]["longitude"] = [*edges]
    masked = scored(less, noise, climatology).sel(region="all", drop=True)
    west = scored(forecast, noise, climatology, regions=part["regions"]).sel(
        region="west", drop=True
    )
    for metric in EVENT_METRICS:
        name = f"pressure_{metric}"
        xr.testing.assert_allclose(masked[name], west[name])


def test_sums_of_events_are_kept_and_known_by_their_thresholds(
    tmp_path, noise, forecast, inits, climatology
):
    contents = {np.datetime_as_string(time, "s"): "one" for time in inits}

    def again(**thresholds):
        kept = KeptSums(tmp_path, contents)
        found = scored(forecast, noise, climatology, kept=kept, events=Events(thresholds))
        return found, len(kept.taken), len(kept.made)

    first, _, made = again(pressure=[1005, 995.5])
    same, taken, none = again(pressure=[995.5, 1005])
    assert (taken, none) == (made, 0)
    xr.testing.assert_identical(first, same)
    other, taken, _ = again(pressure=[1007.25])
    assert taken == 0
    xr.testing.assert_identical(
        other, scored(forecast, noise, climatology, events=Events({"pressure": [1007.25]}))
    )


def test_scores_are_those_of_pysteps():
    """On cells of one area, where each pair has all of its points."""
    verification = pytest.importorskip("pysteps.verification.detcatscores")
    rng = np.random.default_rng(3)
    times = np.datetime64("2001-01-01", "ns") + DAY * np.arange(40)
    labels = {"time": times, "y": 2e3 * np.arange(11), "x": 2e3 * np.arange(13)}
    mapping = {"grid_mapping_name": "lambert_azimuthal_equal_area", "earth_radius": 6.371e6}
    mapping |= {"latitude_of_projection_origin": 52.0, "longitude_of_projection_origin": 10.0}
    rates = rng.gamma(0.5, 4.0, (40, 11, 13)).astype(np.float32)
    analysis = xr.Dataset(
        {"rainfall_rate": (tuple(labels), rates, {"units": "mm h-1"})},
        {**labels, "crs": ((), 0, mapping)},
    )
    climatology = Climatology.fit(analysis.isel(time=slice(20)), harmonics=0)
    inits = times[20:31]
    forecast = Persistence().forecast(analysis, inits, LEADS)
    found = scored(forecast, analysis, climatology, events=Events({"rainfall_rate": [1, 5]}))
    for lead in range(3):
        truth = rates[21 + lead : 32 + lead]
        for threshold in (1, 5):
            expected = verification.det_cat_fct(rates[20:31], truth, threshold, ["CSI", "BIAS"])
            at = {
                "model": "forecast",
                "rainfall_rate_threshold": f">= {threshold}",
                "region": "all",
            }
            got = found.sel(at).isel(lead_time=lead)
            assert got.rainfall_rate_csi == pytest.approx(expected["CSI"], rel=1e-4)
            assert got.rainfall_rate_frequency_bias == pytest.approx(expected["BIAS"], rel=1e-4)


def test_the_table_says_from_which_value_on(noise, forecast, climatology):
    table = to_table(scored(forecast, noise, climatology))
    assert table.columns[-1] == "threshold"
    events = table[table.metric == "csi"]
    assert set(events.threshold) == {">= 995.5", ">= 1005"}
    assert table[table.metric == "rmse"].threshold.isna().all()
    assert len(events) == 2 * 3
    assert (events.num_pairs == 11).all()
    assert "threshold" not in to_table(evaluate(forecast, noise, climatology=climatology))


def test_events_of_each_level_and_variable():
    labels = {"level": [500.0, 850.0], "latitude": [0.0], "longitude": [0.0]}
    fields = {
        "rainfall_rate": (("latitude", "longitude"), np.zeros((1, 1)), {"units": "mm h-1"}),
        "temperature": (tuple(labels), np.zeros((2, 1, 1)), {"units": "K"}),
    }
    channels = Channels.of(xr.Dataset(fields, labels))
    assert events_of(channels, {"temperature": [273, 263], "rain_rate": [1]}) == (
        Event(0, Threshold.of(1)),
        *(Event(place, Threshold.of(number)) for place in (1, 2) for number in (263, 273)),
    )
    with pytest.raises(ValueError, match="thresholds: ozone is not forecast; choose from rainfall"):
        events_of(channels, {"ozone": [1]})


def test_metrics_that_cannot_be_scored_are_refused(noise, forecast, climatology):
    with pytest.raises(ValueError, match="metrics: csi judges events; say which values they are"):
        scored(forecast, noise, climatology, events=None)
    with pytest.raises(ValueError, match="metrics: none of pairs; choose from rmse"):
        scored(forecast, noise, climatology, metrics=["csi"])
    with pytest.raises(ValueError, match=r"metrics: unknown 'fs'; choose from rmse, .*, csi"):
        scored(forecast, noise, climatology, metrics=["fs"])
    with pytest.raises(ValueError, match="metrics: fss counts events in squares; say how wide"):
        scored(forecast, noise, climatology, metrics=["rmse", "fss"])
    with pytest.raises(ValueError, match="metrics: seeps judges rain; say up to which amount"):
        scored(forecast, noise, climatology, metrics=["rmse", "seeps"])
    with pytest.raises(ValueError, match="neighbourhoods: got 4, expected odd numbers of grid p"):
        scored(forecast, noise, climatology, events=Events(THRESHOLDS, neighbourhoods=[4]))
    with pytest.raises(ValueError, match="thresholds: >= p90 of pressure is of the climate; give"):
        scored(forecast, noise, climatology, events=Events({"pressure": ["p90"]}))
