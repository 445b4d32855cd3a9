"""Plumes in the report: members, mean and analysis at places that are what they are called."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data.channels import Channels
from axialcast.report import plumes
from axialcast.report.plumes import places_of, plumes_of
from axialcast.scores.shown import headline
from axialcast.verify import Climatology, DrawnField, evaluate

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 3, 5, 7]) * DAY
WORST = (3, 6)


@pytest.fixture(scope="module")
def case(analysis_of, forecast_of):
    """An ensemble of three whose mean errs by far the most at one place, and in the fifth case."""
    rng = np.random.default_rng(1)
    analysis = analysis_of(rng.standard_normal((50, 2, 5, 7)), levels=[500, 850])
    analysis["surface"] = analysis.pressure.isel(level=0, drop=True) * 3
    analysis["surface"].attrs = {"units": "K", "long_name": "surface"}
    exact = forecast_of(analysis, analysis.time.values[35:46], LEADS)
    size = np.where(np.arange(11) == 4, 9.0, 0.5 + np.arange(11) / 11)
    error = xr.zeros_like(exact.pressure.isel(lead_time=0, level=0, drop=True)) + 0.1
    error[{"latitude": WORST[0], "longitude": WORST[1]}] = 4.0
    error = error * xr.DataArray(size, dims="init_time")
    members = [exact + error + part for part in (-0.25, 0.0, 0.5)]
    forecast = xr.concat(members, "number").assign_coords(number=[0, 1, 2])
    for name in forecast:
        forecast[name].attrs = analysis[name].attrs
    drawn = DrawnField(forecast)
    evaluate(forecast, analysis, climatology=Climatology.fit(analysis, harmonics=0), drawn=drawn)
    return forecast, analysis, drawn


@pytest.fixture
def shown(case, monkeypatch):
    found, original = [], plumes.svg
    monkeypatch.setattr(
        plumes,
        "svg",
        lambda figure, about: found.append((about, figure)) or original(figure, about),
    )
    forecast, analysis, drawn = case
    page = plumes_of(forecast, analysis, drawn, headline(Channels.of(forecast)))
    assert len(page["figures"]) == len(found)
    return found


def test_members_mean_and_analysis_are_those_of_the_place(case, shown):
    forecast, analysis, drawn = case
    assert np.argsort(drawn.cases)[[5, 10]].tolist() == [drawn.typical_case(), 4]
    expected = [(init, at) for init in (drawn.typical_case(), 4) for at in ((2, 3), WORST)]
    assert len(shown) == len(expected)
    for (about, figure), (init, (row, column)) in zip(shown, expected, strict=True):
        assert ("Largest error" in about) == ((row, column) == WORST)
        assert ("of the largest error" in about) == (init == 4)
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert titles == ["Pressure, 500 hPa", "Surface"]
        for axes, name in zip(figure.axes, ("pressure", "surface"), strict=True):
            at = {"latitude": row, "longitude": column}
            one = forecast[name].isel(init_time=init, **at)
            truth = analysis[name].isel(at)
            if name == "pressure":
                one, truth = one.sel(level=500), truth.sel(level=500)
            valid = forecast.init_time.values[init] + LEADS
            *each, mean, dashed = axes.lines
            for line, member in zip(each, one.transpose("number", ...).values, strict=True):
                np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 5, 7])
                np.testing.assert_array_equal(line.get_ydata(), member)
            np.testing.assert_allclose(mean.get_ydata(), one.mean("number"), rtol=1e-6)
            wanted = truth.reindex(time=valid).values
            np.testing.assert_allclose(dashed.get_ydata(), wanted, rtol=1e-6)


def test_places_are_named_by_their_coordinates(case, shown):
    forecast = case[0]
    north, east = (
        float(forecast[name][k]) for name, k in zip(case[2].grid.dims, WORST, strict=True)
    )
    side = f"{abs(north):g}°{'N' if north > 0 else 'S'}"
    assert f"Largest error: {side} {abs((east + 180) % 360 - 180):.4g}" in shown[1][0]


def test_of_a_place_without_values_there_is_another_or_nothing(case, monkeypatch):
    """As of the sea, whose fields have none in the middle of a continent."""
    forecast, analysis, drawn = case
    holes = forecast.copy()
    holes["surface"] = forecast.surface.where(forecast.longitude != forecast.longitude[3])
    drawn_holes = DrawnField(holes)
    drawn_holes.error, drawn_holes.cases = drawn.error.copy(), drawn.cases
    drawn_holes.error[..., 2:4] = 0.0
    assert places_of(drawn_holes)["Middle of the grid"] == (2, 4)
    seen = []
    monkeypatch.setattr(plumes, "svg", lambda figure, about: seen.append(figure))
    monkeypatch.setattr(plumes, "places_of", lambda drawn: {"there": (2, 3), "here": (2, 2)})
    plumes_of(holes, analysis, drawn, headline(Channels.of(holes)))
    assert [len(figure.axes) for figure in seen] == [1, 2, 1, 2]


def test_only_what_is_shown_is_read(case):
    """Of two initial times one point of each member, of the truth their valid times."""
    forecast, analysis, drawn = case
    cases = sorted({drawn.typical_case(), 4})
    rest = [k for k in range(forecast.sizes["init_time"]) if k not in cases]
    broken = forecast.copy(deep=True)
    broken["pressure"][{"init_time": rest}] = np.nan
    channels = headline(Channels.of(forecast))
    assert plumes_of(broken, analysis, drawn, channels) == plumes_of(
        forecast, analysis, drawn, channels
    )
    assert plumes_of(forecast.isel(number=[0]), analysis, drawn, channels) is None
    assert plumes_of(forecast.isel(number=0, drop=True), analysis, drawn, channels) is None


def test_one_place_is_shown_once(case):
    drawn = DrawnField(case[0])
    assert places_of(drawn) == {"Middle of the grid": (2, 3), "Largest error": (0, 0)}
    drawn.error[:, 2, 3] = 1.0
    assert places_of(drawn) == {"Largest error": (2, 3)}
