"""Scores against sums written out, their masks and counts, and what is refused."""

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import fit_baselines
from axialcast.grid import LatLonGrid
from axialcast.scores.regions import region_weights
from axialcast.verify import (
    Climatology,
    DampedPersistence,
    Persistence,
    evaluate,
    skill_map,
    to_table,
)

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 3]) * DAY


@pytest.fixture
def inits(noise):
    return noise.time.sel(time="2003").values[:11]


@pytest.fixture
def forecast(noise, inits, forecast_of):
    error = np.random.default_rng(1).standard_normal((11, 3, 5, 7))
    return forecast_of(noise, inits, LEADS, error=error)


def weights_of(dataset):
    return LatLonGrid(dataset.latitude.values, dataset.longitude.values).areas


def test_scores_are_sums_over_area_and_cases(noise, forecast, inits, climatology):
    baselines = {"persistence": Persistence()}
    scores = evaluate(forecast, noise, climatology=climatology, baselines=baselines).pressure
    assert scores.dims == ("model", "metric", "region", "lead_time")
    area = weights_of(noise)
    start = int(np.searchsorted(noise.time.values, inits[0]))
    for lead in range(3):
        truth = noise.pressure.values[start + lead + 1 : start + lead + 12].astype(float)
        normal = climatology.at(inits + LEADS[lead]).pressure.values.astype(float)
        models = (forecast.pressure.values[:, lead], noise.pressure.values[start : start + 11])
        for model, values in zip(("forecast", "persistence"), models, strict=True):
            got = scores.sel(model=model, region="all").isel(lead_time=lead)
            error = values.astype(float) - truth
            whole = 11 * area.sum()
            assert got.sel(metric="rmse") == pytest.approx(np.sqrt((area * error**2).sum() / whole))
            assert got.sel(metric="mae") == pytest.approx((area * np.abs(error)).sum() / whole)
            assert got.sel(metric="bias") == pytest.approx((area * error).sum() / whole, abs=1e-9)
            departure, observed = values - normal, truth - normal
            product = (area * departure * observed).sum()
            spread = (area * departure**2).sum() * (area * observed**2).sum()
            assert got.sel(metric="acc") == pytest.approx(product / np.sqrt(spread))


def test_scores_do_not_depend_on_blocks_or_chunks(noise, forecast, climatology):
    baselines = {"persistence": Persistence(), "climatology": climatology}
    options = {"climatology": climatology, "baselines": baselines}
    whole = evaluate(forecast, noise, **options)
    chunked = forecast.chunk(init_time=4, lead_time=2), noise.chunk(time=13, latitude=2)
    for values in (35, 35 * 2, 35 * 3 * 5):
        blocks = evaluate(*chunked, block_values=values, **options)
        xr.testing.assert_allclose(blocks, whole, rtol=1e-12)


def test_the_truth_scores_perfectly_and_climatology_has_no_correlation(
    noise, inits, climatology, forecast_of
):
    scores = evaluate(
        forecast_of(noise, inits, LEADS),
        noise,
        climatology=climatology,
        baselines={"climatology": climatology},
    ).pressure.isel(region=0)
    for metric, value in (("rmse", 0), ("mae", 0), ("bias", 0), ("acc", 1)):
        np.testing.assert_allclose(scores.sel(model="forecast", metric=metric), value, atol=1e-12)
    assert np.isnan(scores.sel(model="climatology", metric="acc")).all()


def test_truth_past_the_end_is_masked_and_counted(noise, climatology, forecast_of):
    inits = noise.time.values[-3:]
    forecast = forecast_of(noise, inits, LEADS, error=2.0)
    scores = evaluate(forecast, noise, climatology=climatology)
    assert scores.num_missing_truth.values.tolist() == [1, 2, 3]
    assert scores.pressure_num_pairs.sel(region="all").values.tolist() == [2, 1, 0]
    bias = scores.pressure.sel(model="forecast", metric="bias", region="all")
    np.testing.assert_allclose(bias, [2.0, 2.0, np.nan], rtol=1e-6)


def test_missing_values_are_masked_for_every_model_and_their_share_is_told(
    noise, inits, climatology, forecast_of
):
    forecast = forecast_of(noise, inits, LEADS, error=1.0)
    forecast.pressure[:, 1, 0] = np.nan
    forecast.pressure[0, 1, 0] = 1e6
    baselines = {"persistence": Persistence()}
    options = {"climatology": climatology, "baselines": baselines}
    holes = forecast.copy(deep=True)
    holes.pressure[0, 1, 0] = np.nan
    got, full = evaluate(holes, noise, **options), evaluate(forecast, noise, **options)
    area = weights_of(noise)
    assert got.pressure_masked.values[0] == pytest.approx([0, area[0].sum() / area.sum(), 0])
    np.testing.assert_allclose(got.pressure.sel(model="forecast", metric="rmse"), 1.0, rtol=1e-4)
    rows = {"regions": {"rest": {"latitude": [-50, 40], "longitude": [0, 360]}}}
    rest = evaluate(forecast, noise, **options, **rows).sel(region="rest")
    np.testing.assert_allclose(
        got.pressure.isel(region=0, lead_time=1).sel(model="persistence"),
        rest.pressure.isel(lead_time=1).sel(model="persistence"),
    )
    assert full.pressure.sel(model="forecast", metric="rmse").max() > 1e3


def test_regions_cross_the_meridian_and_the_date_line():
    grid = LatLonGrid.regular(5, 12, poles=False)
    inside = {
        name: grid.longitude[weights[2] > 0].tolist()
        for name, weights in region_weights(
            grid,
            {
                "europe": {"latitude": [-90, 90], "longitude": [-30, 30]},
                "same": {"latitude": [-90, 90], "longitude": [330, 30]},
                "pacific": {"latitude": [-90, 90], "longitude": [150, -150]},
                "tropics": {"latitude": [-20, 20], "longitude": [-180, 180]},
            },
        ).items()
    }
    assert inside["europe"] == inside["same"] == [0, 30, 330]
    assert inside["pacific"] == [150, 180, 210]
    assert inside["tropics"] == inside["all"] == grid.longitude.tolist()
    with pytest.raises(ValueError, match=r"regions: 'point'.* holds no point"):
        region_weights(grid, {"point": {"latitude": [1, 2], "longitude": [1, 2]}})
    with pytest.raises(ValueError, match="regions: the name 'all'"):
        region_weights(grid, {"all": {"latitude": [0, 20], "longitude": [0, 360]}})


def test_the_table_is_tidy(climatology, noise, forecast):
    table = to_table(evaluate(forecast, noise, climatology=climatology, metrics=["rmse", "acc"]))
    columns = ["model", "variable", "level", "lead_time_hours", "metric", "region", "value"]
    assert list(table) == [*columns, "num_pairs", "masked"]
    assert (table.num_pairs == 11).all()
    assert (table.masked == 0).all()
    assert len(table) == 2 * 3
    assert table.lead_time_hours.tolist() == [24.0, 48.0, 72.0] * 2
    assert table.level.isna().all()


def test_levels_are_scored_apart_and_may_be_a_subset(analysis_of, forecast_of):
    values = np.random.default_rng(0).standard_normal((400, 3, 5, 7))
    analysis = analysis_of(values, levels=[200, 500, 850])
    climatology = Climatology.fit(analysis, harmonics=0)
    part = analysis.isel(level=[2, 0])
    inits = analysis.time.values[300:313]
    forecast = forecast_of(part, inits, LEADS, error=np.array([3.0, 5.0])[:, None, None])
    scores = evaluate(
        forecast, analysis, climatology=climatology, baselines={"persistence": Persistence()}
    )
    bias = scores.pressure.sel(metric="bias", model="forecast", region="all")
    assert bias.dims == ("lead_time", "level")
    np.testing.assert_allclose(bias.sel(level=850), 3.0, rtol=1e-5)
    np.testing.assert_allclose(bias.sel(level=200), 5.0, rtol=1e-5)
    persistence = scores.pressure.sel(metric="rmse", model="persistence", level=200)
    error = values[300:313, 0] - values[301:314, 0]
    area = weights_of(analysis)
    expected = np.sqrt((area * error**2).sum() / (13 * area.sum()))
    assert persistence.values[0, 0] == pytest.approx(expected, rel=1e-6)
    levels = to_table(scores).level.unique()
    assert sorted(levels) == [200.0, 850.0]


def test_skill_map_is_one_where_perfect_and_zero_where_climatological(
    noise, inits, climatology, forecast_of
):
    forecast = forecast_of(noise, inits, LEADS).pressure.isel(lead_time=0)
    normal = climatology.at(inits + LEADS[0]).pressure
    forecast[:, 0] = normal.values[:, 0]
    skill = skill_map(forecast, noise.pressure, normal)
    np.testing.assert_allclose(skill[0], 0.0, atol=1e-12)
    np.testing.assert_allclose(skill[1:], 1.0, atol=1e-12)


def turned(forecast):
    return forecast.isel(latitude=slice(None, None, -1))


def in_hectopascal(forecast):
    return forecast.assign(pressure=forecast.pressure.assign_attrs(units="hPa"))


REFUSED = [
    (turned, r"grid is not the analysis's, latitude: .*order is reversed"),
    (lambda f: f.isel(longitude=slice(0, 6)), "grid is not the analysis's, longitude: expected 7"),
    (in_hectopascal, "pressure is in 'hPa', the analysis in 'Pa'; convert one of them"),
    (lambda f: f.rename(pressure="density"), "variable 'density' is not in the analysis"),
    (lambda f: f.expand_dims(level=[500.0], axis=2), "has levels in the forecast only"),
    (lambda f: f.assign_coords(lead_time=[24, 48, 72]), "lead_time is int64, expected timedelta64"),
    (lambda f: f.assign_coords(init_time=f.init_time + 9999 * DAY), "no init_time from 2030"),
    (lambda f: f.rename(lead_time="step"), "no dimension 'lead_time' among"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_cannot_be_compared_is_refused_in_one_line(
    noise, forecast, climatology, change, message
):
    with pytest.raises(ValueError, match=message) as error:
        evaluate(change(forecast), noise, climatology=climatology)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda ds: ds.isel(latitude=slice(None, None, -1)), "its forecast has another latitude"),
        (lambda ds: ds.isel(lead_time=[1, 0, 2]), "its forecast has another lead_time than it was"),
        (lambda ds: ds.isel(init_time=slice(1, None)), "its forecast has another init_time"),
        (lambda ds: ds.rename(pressure="p"), "lacks pressure, which is scored"),
        (
            lambda ds: ds.assign(pressure=ds.pressure.assign_attrs(units="ft")),
            "pressure is in 'ft' and in 'Pa'",
        ),
    ],
)
def test_a_baseline_of_ones_own_with_other_labels_is_refused(
    noise, forecast, climatology, change, told
):
    class Own:
        def forecast(self, analysis, init_times, lead_times):
            forecast = climatology.forecast(analysis, init_times, lead_times)
            return change(forecast)

    with pytest.raises(ValueError, match=f"^mine: {told}"):
        evaluate(forecast, noise, climatology=climatology, baselines={"mine": Own()})


def test_fits_of_another_grid_or_in_other_units_are_refused(noise, forecast, climatology):
    turned = noise.isel(latitude=slice(None, None, -1))
    other = Climatology.fit(turned, harmonics=0)
    damped = DampedPersistence.fit(turned, other, lead_times=forecast.lead_time.values)
    for baseline in (damped, other):
        with pytest.raises(ValueError, match=r"^it: was fitted on another grid than the climat"):
            evaluate(forecast, noise, climatology=climatology, baselines={"it": baseline})
    renamed = [ds.assign(pressure=ds.pressure.assign_attrs(units="ft")) for ds in (forecast, noise)]
    with pytest.raises(ValueError, match=r"^climatology: pressure is in 'Pa' and in 'ft'; fit"):
        evaluate(*renamed, climatology=climatology)
    with pytest.raises(
        ValueError, match=r"^analysis: pressure is in 'ft', the baseline was fitted"
    ):
        climatology.anomalies(renamed[1])


def test_an_unknown_metric_is_refused(noise, forecast, climatology):
    with pytest.raises(ValueError, match="metrics: unknown 'rsme'; choose from rmse, mae"):
        evaluate(forecast, noise, climatology=climatology, metrics=["rsme"])
    twice = evaluate(forecast, noise, climatology=climatology, metrics=["mae", "bias", "mae"])
    assert twice.metric.values.tolist() == ["mae", "bias"]
    with pytest.raises(ValueError, match="metrics: none; choose from rmse, mae"):
        evaluate(forecast, noise, climatology=climatology, metrics=[])


def test_coordinates_in_single_precision_still_match(noise, forecast, climatology):
    single = forecast.assign_coords(longitude=forecast.longitude.astype(np.float32))
    got = evaluate(single, noise, climatology=climatology)
    xr.testing.assert_equal(got, evaluate(forecast, noise, climatology=climatology))


def test_scores_go_by_label_whatever_the_order(make_analysis, forecast_of):
    """Variables, levels and lead times of a forecast in another order than the analysis's."""
    analysis = make_analysis(num_times=60)
    upper = analysis.geopotential.sel(level=[500.0]) * np.float32(1.9) + np.float32(7)
    upper = upper.assign_coords(level=[250.0])
    geopotential = xr.concat([analysis.geopotential, upper], "level")
    geopotential.attrs = analysis.geopotential.attrs
    analysis = analysis.drop_dims("level").assign(geopotential=geopotential)
    leads = np.array([24, 72, 48], "timedelta64[h]").astype("timedelta64[ns]")
    made = forecast_of(analysis, analysis.time.values[40:47], np.sort(leads))
    made["geopotential"] += np.array([3, 5, 11], np.float32)[:, None, None]
    training = analysis.isel(time=slice(30))
    names = ["mean_sea_level_pressure", "geopotential"]
    results = []
    for order, truth in (((500.0, 850.0), (500, 850, 250)), ((850.0, 500.0), (250, 850, 500))):
        own = analysis.sel(level=list(truth))
        climatology, baselines = fit_baselines(
            training.sel(level=list(truth[::-1])), lead_times=leads, harmonics=0
        )
        forecast = made.sel(level=list(order), lead_time=leads)[names]
        results.append(evaluate(forecast, own, climatology=climatology, baselines=baselines))
        assert results[-1].level.values.tolist() == list(order)
        names, leads = names[::-1], np.sort(leads)
    one, other = results
    other = other.sel(level=one.level, lead_time=one.lead_time)
    xr.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-3)
    bias = one.geopotential.sel(model="forecast", metric="bias", region="all")
    np.testing.assert_allclose(bias.sel(level=500.0), 3, atol=0.02)
    np.testing.assert_allclose(bias.sel(level=850.0), 5, atol=0.02)


def test_a_forecast_of_nothing_is_refused(noise, forecast, climatology):
    with pytest.raises(ValueError, match="forecast: holds no variable"):
        evaluate(forecast[[]], noise, climatology=climatology)
