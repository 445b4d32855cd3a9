"""Extrapolation along the motion: rain that only moves is forecast, and what nobody saw is not."""

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import LagrangianPersistence, fit_baselines
from axialcast.data.channels import Channels
from axialcast.names import VARIABLES
from axialcast.verify import Events, evaluate

MINUTES = np.timedelta64(60_000_000_000, "ns")
STEP = 10 * MINUTES
LEADS = np.array([1, 3, 6]) * STEP
INIT = np.array(["2001-06-01T01:00"], "datetime64[ns]")

pytest.importorskip("pysteps")


def moving(east: float, north: float, *, growth: float = 1.0, shape=(61, 67)) -> xr.Dataset:
    """Six cells that move by so many points each ten minutes from 2001-06-01."""
    rows, columns = np.indices(shape)
    fields = []
    for number in range(15):
        field = np.zeros(shape)
        for row, column in ((11, 7), (17, 31), (33, 12), (41, 37), (27, 44), (50, 20)):
            y, x = rows - row - north * number, columns - column - east * number
            field += 20 * growth**number * np.exp(-(x**2 + y**2) / 18)
        fields.append(field)
    times = np.datetime64("2001-06-01", "ns") + STEP * np.arange(15)
    labels = {
        "time": times,
        "latitude": 0.02 * np.arange(shape[0]),
        "longitude": 0.02 * np.arange(shape[1]),
    }
    return xr.Dataset(
        {"rainfall_rate": (tuple(labels), np.float32(fields), VARIABLES["rainfall_rate"].attrs)},
        labels,
    )


def carried(analysis: xr.Dataset, inits=INIT) -> xr.DataArray:
    baseline = LagrangianPersistence(Channels.of(analysis), STEP)
    return baseline.forecast(analysis, inits, LEADS).rainfall_rate


def test_rain_that_only_moves_is_forecast_where_it_was_seen() -> None:
    analysis = moving(1.5, -0.5)
    found = carried(analysis)
    for number, lead in enumerate((1, 3, 6)):
        truth = analysis.rainfall_rate.sel(time=INIT[0] + lead * STEP).values
        field = found.values[0, number]
        known = np.isfinite(field)
        assert np.abs(field - truth)[known].max() < 1.0  # of 20; each pass smooths a little
        # What comes from the west and the north was not seen.
        assert known[: int(61 - 0.5 * lead) - 2, int(1.5 * lead) + 2 :].all()
        assert not known[:, : int(1.5 * lead) - 1].any()
        assert not known[61 - int(0.5 * lead) + 1 :].any()


def test_it_neither_grows_nor_decays() -> None:
    analysis = moving(1, 0, growth=0.9)
    peak = float(analysis.rainfall_rate.sel(time=INIT[0]).max())
    assert carried(analysis)[0, :, :, 10:].max(("latitude", "longitude")).values == pytest.approx(
        [peak] * 3, rel=0.05
    )


def test_dry_states_stay_dry_and_missing_ones_have_no_forecast() -> None:
    analysis = moving(1, 1)
    inits = INIT + STEP * np.array([0, 2, 4])
    dry = analysis.where(analysis.time != inits[1], 0.0)
    assert carried(dry, inits)[1].max() == 0
    absent = analysis.sel(time=analysis.time != inits[2] - STEP)
    found = carried(absent, inits)
    assert found[2].isnull().all()
    assert found[0].notnull().mean() > 0.5
    holes = analysis.where(analysis.longitude > 0.1)
    assert carried(holes)[0, 0, :, :7].isnull().all()
    assert carried(holes)[0, 0, 2:, 9:].notnull().all()


def test_it_is_scored_on_the_points_that_all_models_know() -> None:
    analysis = moving(1.5, -0.5)
    day = np.timedelta64(1, "D")
    train = xr.concat(
        [analysis.assign_coords(time=analysis.time - n * day) for n in (2, 1)], "time"
    )
    names = ["persistence", "lagrangian_persistence"]
    climatology, baselines = fit_baselines(train, names, lead_times=LEADS, harmonics=0)
    inits = INIT + STEP * np.arange(3)
    truth = [analysis.rainfall_rate.sel(time=inits + lead).values for lead in LEADS]
    forecast = (
        carried(analysis, inits).to_dataset().copy(data={"rainfall_rate": np.stack(truth, 1)})
    )
    options = {"metrics": ["rmse", "csi"], "events": Events({"rainfall_rate": [5]})}
    options |= {"climatology": climatology, "baselines": baselines}
    scores = evaluate(forecast, analysis, **options)
    by_threads = evaluate(forecast, analysis, num_threads=3, block_values=61 * 67, **options)
    xr.testing.assert_equal(by_threads, scores)
    scores = scores.squeeze("rainfall_rate_threshold")
    missing = carried(analysis, inits).isnull().mean(("init_time", "latitude", "longitude"))
    np.testing.assert_allclose(scores.rainfall_rate_masked[0], missing, atol=0.01)
    rmse, csi = (
        scores.rainfall_rate.sel(metric="rmse", region="all"),
        scores.rainfall_rate_csi[:, 0],
    )
    assert (rmse.sel(model="forecast") == 0).all()
    assert (csi.sel(model="forecast") == 1).all()
    others = [rmse.sel(model=name).values for name in names]
    assert (others[1] < 0.1 * others[0]).all()
    assert (csi.sel(model=names[1]) > 0.9).all()
    assert (csi.sel(model=names[0])[1:] < 0.3).all()


def test_what_it_consists_of() -> None:
    baseline = LagrangianPersistence(Channels.of(moving(1, 1)), STEP)
    assert set(baseline.parts()) == {"step", "pysteps"}
    assert baseline.states(INIT).tolist() == [(INIT - STEP)[0].astype(int), INIT[0].astype(int)]
    with pytest.raises(ValueError, match="the analysis comes every 1 months; leave it out"):
        LagrangianPersistence(baseline.channels, np.timedelta64(1, "M"))


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'axialcast\[nowcast\]', or leave it out"):
        LagrangianPersistence(Channels.of(moving(1, 1)), STEP)
