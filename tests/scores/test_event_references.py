"""Scores of events and of rain against the library scores, and against every point counted."""

import itertools
import operator

import numpy as np
import pytest
import scores.categorical
import scores.spatial
import xarray as xr

from axialcast.baselines import Percentiles
from axialcast.baselines.percentiles import Percentile
from axialcast.data.channels import Channel
from axialcast.grid import grid_of
from axialcast.scores.events import HEAVY
from axialcast.scores.fractions import counts_around
from axialcast.verify import EVENT_METRICS, Climatology, Events, evaluate, to_table

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.arange(1, 4) * DAY
RAIN = Channel("total_precipitation", None, "m")
PLACES = ["y", "x"]
CLOSE = {"rtol": 1e-6, "atol": 1e-9}
SIDES = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
NAMES = {
    "csi": "critical_success_index",
    "frequency_bias": "frequency_bias",
    "hit_rate": "hit_rate",
    "false_alarm_ratio": "false_alarm_ratio",
    "ets": "equitable_threat_score",
    "hss": "heidke_skill_score",
    "sedi": "symmetric_extremal_dependence_index",
}


@pytest.fixture(scope="module")
def truth():
    """Two years of rain on cells of one area, so that every point counts alike."""
    rng = np.random.default_rng(0)
    values = rng.gamma(0.3, 0.01, (731, 11, 13)).astype("f4")
    season = np.cos(2 * np.pi * np.arange(731) / 365)[:, None, None]
    values = np.where(rng.random(values.shape) < 0.4 + 0.2 * season, 0, values).astype("f4")
    values[:, 0, :4] = 0  # a desert
    mapping = {"grid_mapping_name": "lambert_cylindrical_equal_area", "earth_radius": 6.371e6}
    mapping |= {"standard_parallel": 0.0, "longitude_of_central_meridian": 0.0}
    coords = {
        "time": np.datetime64("2001-01-01", "ns") + np.arange(731) * DAY,
        "y": np.arange(11) * 50e3,
        "x": np.arange(13) * 50e3,
    }
    fields = {"total_precipitation": (tuple(coords), values, {"units": "m"})}
    return xr.Dataset(fields, {**coords, "crs": ((), 0, mapping)})


@pytest.fixture(scope="module")
def forecast(truth):
    """What fell the day before, from 30 days of the second year."""
    inits = truth.time.values[400:430]
    shape = (len(inits), len(LEADS), 11, 13)
    rng = np.random.default_rng(1)
    values = np.empty(shape, np.float32)
    for lead in range(len(LEADS)):
        valid = truth.total_precipitation.sel(time=inits + LEADS[lead]).values
        shifted = np.roll(valid, 1, axis=-1)
        values[:, lead] = np.where(rng.random(valid.shape) < 0.5, valid, shifted)
    coords = {"init_time": inits, "lead_time": LEADS, **{dim: truth[dim] for dim in PLACES}}
    fields = {"total_precipitation": (("init_time", "lead_time", *PLACES), values)}
    found = xr.Dataset(fields, coords).assign_coords(crs=truth.crs)
    found.total_precipitation.attrs["units"] = "m"
    return found


@pytest.fixture(scope="module")
def climatology(truth):
    return Climatology.fit(truth, harmonics=0)


@pytest.fixture(scope="module")
def pair(forecast, truth):
    valid = (forecast.init_time + forecast.lead_time).rename("valid_time")
    observed = truth.total_precipitation.sel(time=valid).drop_vars("time")
    return forecast.total_precipitation, observed


@pytest.mark.parametrize("side", SIDES)
def test_tables_are_those_of_scores(forecast, truth, climatology, pair, side):
    value = float(np.float32(2e-3))
    found = evaluate(
        forecast,
        truth,
        climatology=climatology,
        metrics=["rmse", *EVENT_METRICS],
        events=Events({"total_precipitation": [f"{side} {value!r}"]}),
    )
    event = scores.categorical.ThresholdEventOperator()
    manager = event.make_contingency_manager(*pair, event_threshold=value, op_fn=SIDES[side])
    expected = manager.transform(preserve_dims=["lead_time"])
    for metric, name in NAMES.items():
        got = found[f"total_precipitation_{metric}"].sel(model="forecast", region="all")
        np.testing.assert_allclose(got.squeeze(), getattr(expected, name)(), **CLOSE)


@pytest.mark.parametrize("width", [1, 3, 7])
def test_fractions_are_those_of_scores(forecast, truth, climatology, pair, width):
    found = evaluate(
        forecast,
        truth,
        climatology=climatology,
        metrics=["rmse", "fss"],
        events=Events({"total_precipitation": [2e-3, "< 1e-4"]}, neighbourhoods=[width, 9]),
    ).total_precipitation_fss
    assert found.dims[-3:] == ("neighbourhood", "region", "lead_time")
    at = {"model": "forecast", "region": "all", "neighbourhood": width}
    for number, side in ((2e-3, np.greater_equal), (1e-4, np.less)):
        expected = scores.spatial.fss_2d(
            *pair,
            event_threshold=np.float32(number),
            window_size=(width, width),
            spatial_dims=("y", "x"),
            preserve_dims=["lead_time"],
            threshold_operator=side,
        )
        word = ">= 0.002" if side is np.greater_equal else "< 0.0001"
        got = found.sel(at).sel(total_precipitation_threshold=word)
        np.testing.assert_allclose(got, expected, **CLOSE)


def test_squares_go_around_the_globe_and_not_over_poles():
    rng = np.random.default_rng(2)
    field = rng.random((7, 11)) < 0.4
    for width in (1, 3, 5, 7):
        half = width // 2
        for is_periodic in (True, False):
            expected = np.zeros(field.shape, int)
            for row, column in np.ndindex(field.shape):
                for up in range(-half, half + 1):
                    for right in range(-half, half + 1):
                        at = row + up, (column + right) % 11 if is_periodic else column + right
                        if 0 <= at[0] < 7 and 0 <= at[1] < 11:
                            expected[row, column] += field[at]
            found = counts_around(field, width, is_periodic=is_periodic)
            np.testing.assert_array_equal(found, expected)


def test_squares_of_more_points_than_16_bits_count():
    field = np.random.default_rng(4).random((191, 193)) < 0.99
    for width in (181, 183, 191):
        found = counts_around(field, width, is_periodic=True)
        around = np.pad(field, ((0, 0), (width // 2,) * 2), mode="wrap")
        rows = np.pad(around, ((width // 2,) * 2, (0, 0))).astype(int)
        for row, column in ((95, 0), (95, 96), (97, 192), (0, 3)):
            expected = rows[row : row + width, column : column + width].sum()
            assert found[row, column] == expected
    assert found.max() > np.iinfo(np.int16).max


def test_fractions_of_every_square_counted_around_the_globe_with_gaps():
    rng = np.random.default_rng(6)
    times = np.datetime64("2001-01-01", "ns") + np.arange(9) * DAY
    labels = {"latitude": np.linspace(-75, 75, 7), "longitude": np.arange(11) * 360 / 11}
    truth = xr.Dataset(
        {"temperature": (("time", *labels), rng.random((9, 7, 11), "f4"), {"units": "K"})},
        {"time": times, **labels},
    )
    climatology = Climatology.fit(truth, harmonics=0)
    values = rng.random((5, 3, 7, 11), "f4")
    values[1, :, 3, 10] = values[2, 0, 0, 4] = np.nan
    truth.temperature[6, 2, 5] = np.nan
    coords = {"init_time": times[:5], "lead_time": LEADS, **labels}
    forecast = xr.Dataset({"temperature": (tuple(coords), values, {"units": "K"})}, coords)
    found = evaluate(
        forecast,
        truth,
        climatology=climatology,
        metrics=["rmse", "fss"],
        events=Events({"temperature": [0.5]}, neighbourhoods=[1, 3, 5]),
    ).temperature_fss.sel(model="forecast", region="all", temperature_threshold=">= 0.5")
    areas = grid_of(truth).areas
    for width, lead in itertools.product((1, 3, 5), range(3)):
        half, parts = width // 2, []
        for init in range(5):
            pair = values[init, lead], truth.temperature.values[init + lead + 1]
            sums = np.zeros(3)
            for row, column in itertools.product(range(half, 7 - half), range(11)):
                rows = range(row - half, row + half + 1)
                columns = [c % 11 for c in range(column - half, column + half + 1)]
                square = [field[np.ix_(rows, columns)] for field in pair]
                if np.isfinite(square).all():
                    said, there = (np.mean(part >= 0.5) for part in square)
                    sums += areas[row, column] * np.array(
                        [(said - there) ** 2, said**2 + there**2, 1]
                    )
            parts.append(sums[:2] / sums[2])
        difference, whole = np.sum(parts, 0)
        got = found.sel(neighbourhood=width).isel(lead_time=lead).item()
        assert got == pytest.approx(1 - difference / whole, rel=1e-12)


def test_seeps_is_that_of_scores_given_the_climate(forecast, truth, climatology, pair):
    least = float(np.float32(2.5e-4))
    wanted = Percentile(RAIN, HEAVY, above=least)
    climate = Percentiles.fit(truth, [wanted])
    found = evaluate(
        forecast,
        truth,
        climatology=climatology,
        metrics=["rmse", "seeps"],
        events=Events(percentiles=climate, dry={"total_precipitation": least}),
    )
    dry = pair[0][0, 0].drop_vars(["init_time", "lead_time"]).copy(data=climate.share(wanted))
    dry = dry.where(dry < 1, 0.99)  # no warning that these are left out
    assert 0 < float((dry > 0.85).sum()) < 10  # the desert is left out
    valid = (forecast.init_time + forecast.lead_time).values
    heavy = climate.at(wanted, valid.ravel()).reshape(pair[0].shape)
    expected = scores.categorical.seeps(
        *pair,
        dry,
        pair[0].copy(data=np.nextafter(heavy, 0)),  # at which rain is light there, heavy here
        dry_light_threshold=np.float32(least),
        preserve_dims=["lead_time"],
    )
    got = found.total_precipitation_seeps.sel(model="forecast", region="all")
    np.testing.assert_allclose(got, expected, **CLOSE)
    table = to_table(found)
    assert len(table[table.metric == "seeps"]) == 3


def test_of_a_climate_constant_forecasts_have_the_error_one(truth, climatology):
    """As the definition has it: always dry, always light or always heavy is as bad by chance."""
    least = 2.5e-4
    climate = Percentiles.fit(truth, [Percentile(RAIN, HEAVY, above=least)])
    inits = truth.time.values[:-1]
    for value in (0.0, 0.004, 1.0):
        values = np.full((730, 1, 11, 13), value, np.float32)
        coords = {"init_time": inits, "lead_time": LEADS[:1], "y": truth.y, "x": truth.x}
        fields = {"total_precipitation": (tuple(coords), values, {"units": "m"})}
        constant = xr.Dataset(fields, coords).assign_coords(crs=truth.crs)
        found = evaluate(
            constant,
            truth,
            climatology=climatology,
            metrics=["rmse", "seeps"],
            events=Events(percentiles=climate, dry={"total_precipitation": least}),
        )
        got = found.total_precipitation_seeps.sel(model="forecast", region="all")
        # Light rain and the share of dry days vary with the season, about which SEEPS knows less.
        np.testing.assert_allclose(got, 1, atol=0.25)


def test_events_beyond_percentiles_happen_as_often_as_these_say(truth, forecast, climatology):
    wanted = [Percentile(RAIN, percent) for percent in (90.0, 95.0)]
    climate = Percentiles.fit(truth, wanted)
    events = Events({"total_precipitation": ["> p90", "<= p95"]}, climate)
    found = evaluate(
        forecast, truth, climatology=climatology, metrics=["rmse", "hit_rate"], events=events
    )
    assert found.total_precipitation_threshold.values.tolist() == ["> p90", "<= p95"]
    valid = (forecast.init_time + forecast.lead_time).values
    observed = truth.total_precipitation.sel(time=valid.ravel()).values.reshape(30, 3, 11, 13)
    values = forecast.total_precipitation.values
    for one, word, side in zip(wanted, ("> p90", "<= p95"), (">", "<="), strict=True):
        limit = climate.at(one, valid.ravel()).reshape(values.shape)
        there = SIDES[side](observed, limit)
        hits = (there & SIDES[side](values, limit)).sum((0, 2, 3)) / there.sum((0, 2, 3))
        got = found.total_precipitation_hit_rate.sel(model="forecast", region="all")
        got = got.sel(total_precipitation_threshold=word)
        np.testing.assert_allclose(got, hits, rtol=0.05)
