"""Figures: what is drawn is what was scored, the right way up, with the right sign and colour."""

import json
import re

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

from axialcast.data import open_analysis
from axialcast.data.arrays.chunks import Chunks
from axialcast.data.reader import Analysis
from axialcast.forecast import ForecastStore, ForecastWriter
from axialcast.grid import grid_of
from axialcast.report import drawing, figures, maps
from axialcast.report.atlas import chosen_of
from axialcast.report.charts import chart_of
from axialcast.report.frames import COAST
from axialcast.report.packing import unpacked
from axialcast.report.page import report_html
from axialcast.report.rasters import raster_of
from axialcast.verify import Climatology, DrawnField, Persistence, evaluate

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 3, 5, 7]) * DAY


@pytest.fixture(scope="module")
def case(analysis_of, forecast_of):
    """Scores, forecast, analysis and climatology; the forecast errs more in the north-east."""
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((50, 2, 5, 7))
    slope = 3 * np.arange(5)[:, None] - 2 * np.arange(7)
    analysis = analysis_of(noise / 2 + slope, levels=[500, 850])
    inits = analysis.time.values[30:41]
    forecast = forecast_of(analysis, inits, LEADS)
    error = np.arange(5)[::-1, None] * 0.7 + np.arange(7) * 0.3 - 2
    scale = np.linspace(0.5, 1.5, len(inits))[:, None, None, None, None]
    scale = scale * np.array([0.5, 1.0, 1.5, 2.0, 4.0])[:, None, None, None]
    forecast = forecast.assign(pressure=forecast.pressure + (error * scale).astype("f4"))
    forecast.pressure.attrs = analysis.pressure.attrs
    climatology = Climatology.fit(analysis, harmonics=0)
    baselines = {"persistence": Persistence(), "climatology": climatology}
    filled = DrawnField(forecast)
    scores = evaluate(
        forecast, analysis, climatology=climatology, baselines=baselines, drawn=filled
    )
    return scores, forecast, analysis, climatology, filled


def page_of(case):
    *given, filled = case
    return report_html(*given, title="x", facts={}, config="", drawn=filled)


@pytest.fixture(scope="module")
def page(case):
    """The page, (description, figure) of all that is drawn on it, and the arguments of its maps."""
    drawn, shown, svg, panel = [], [], drawing.svg, maps.map_panel
    with pytest.MonkeyPatch.context() as patch:
        for module in (figures, maps):
            patch.setattr(module, "svg", lambda f, about: drawn.append((about, f)) or svg(f, about))
        patch.setattr(
            "axialcast.report.pictures.map_panel",
            lambda field, **options: shown.append((field, options)) or panel(field, **options),
        )
        return page_of(case), drawn, shown


@pytest.fixture(scope="module")
def drawn(page):
    return page[1]


def test_curves_are_the_scores(case, drawn):
    scores = case[0].sel(region="all")
    shown = [(about, figure.axes[0]) for about, figure in drawn if "against lead time" in about]
    assert len(shown) == 2
    for (about, axes), metric in zip(shown, ("rmse", "acc"), strict=True):
        assert ("correlation" in about) == (metric == "acc")
        wanted = scores.pressure.sel(metric=metric, level=500)
        wanted = wanted.isel(model=np.isfinite(wanted).any("lead_time").values)
        lines = axes.lines[: wanted.sizes["model"]]
        labels = {text.get_text(): text for text in axes.texts}
        assert labels.keys() >= {"Forecast", "Persistence"}
        for line, model in zip(lines, wanted.model.values, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 5, 7])
            np.testing.assert_allclose(line.get_ydata(), wanted.sel(model=model))
            label = labels[str(model).capitalize()]
            assert label.get_color() == line.get_color()
            assert label.xy == (7, line.get_ydata()[-1])
        assert axes.get_ylim()[0] <= min(0, float(wanted.min()))


@pytest.mark.parametrize("sign", [1, -1])
def test_curves_of_biases_are_seen_on_either_side_of_zero(case, monkeypatch, sign):
    found = []
    monkeypatch.setattr(figures, "svg", lambda figure, about: found.append(figure))
    bias = case[0].pressure.sel(region="all", level=500, metric="bias")
    for values in (sign * abs(bias), sign * bias - 0.001):
        figures.curves(values, title="t", label="l")
        low, high = found[-1].axes[0].get_ylim()
        assert low <= min(0, float(values.min()))
        assert high >= max(0, float(values.max()))


def is_blue(colour):
    return colour[2] > colour[0]


def test_the_scorecard_says_by_how_much_and_blue_is_better(case, drawn):
    (axes,) = next(figure for about, figure in drawn if "relative to the reference" in about).axes
    rmse = case[0].pressure.sel(region="all", metric="rmse")
    skill = 100 * (rmse.sel(model="forecast") / rmse.sel(model="persistence") - 1)
    skill = skill.transpose("level", "lead_time").values
    assert (skill < 0).any()
    assert (skill > 0).any()
    (mesh,) = axes.collections
    np.testing.assert_allclose(mesh.get_array(), skill)
    for (row, column), value in np.ndenumerate(skill):
        text = next(t for t in axes.texts if t.get_position() == (column + 0.5, row + 0.5))
        assert text.get_text() == f"{value:+.0f}".replace("-", "−")
        if abs(value) > 5:
            assert is_blue(mesh.to_rgba(value)) == (value < 0)
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "Pressure, 500 hPa",
        "Pressure, 850 hPa",
    ]
    assert axes.yaxis_inverted()  # the first row is at the top
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "24",
        "48",
        "72",
        "120",
        "168",
    ]


def test_the_atlas_holds_forecast_truth_and_difference_of_its_cases(case, page):
    """To half a step of a byte, in the order that the page's script reads."""
    _, forecast, analysis, _, filled = case
    text = re.search('id="atlas-data">(.*?)</script>', page[0])[1]
    atlas, chosen = json.loads(text), chosen_of(forecast, filled)
    assert atlas["grid"] == [5, 7]
    assert chosen.first == filled.typical_case() in chosen.cases
    inits = forecast.init_time.values[chosen.cases]
    shape = (3, len(inits), 5, 5, 7)
    for channel, fields in zip(chosen.channels, atlas["channels"], strict=True):
        one = channel.of(forecast).sel(init_time=inits)
        times = (inits[:, None] + LEADS).ravel()
        truth = channel.of(analysis).reindex(time=times).values.reshape(one.shape)
        got = unpacked(fields["bytes"], np.uint8, shape)
        assert ((got == 255) == np.isnan(np.stack([one, truth, one - truth]))).all()
        for values, wanted, kind in zip(
            got, (one.values, truth, one.values - truth), ("state", "state", "error"), strict=True
        ):
            low, high = fields["scales"][kind]["ends"]
            step = (high - low) / 254
            known = np.isfinite(wanted)
            wanted = np.clip(wanted, low, high)[known]
            np.testing.assert_allclose(low + values[known] * step, wanted, atol=0.51 * step)
        levels = np.array(fields["scales"]["error"]["levels"])
        np.testing.assert_allclose(levels, -levels[::-1], atol=1e-9)
        colours = fields["scales"]["error"]["colours"]
        assert is_blue(mpl.colors.to_rgb(colours[1]))  # too little
        assert not is_blue(mpl.colors.to_rgb(colours[-2]))


def test_maps_of_skill_are_of_the_errors_of_all(case, page):
    _, forecast, analysis, *_ = case
    for lead, (field, _) in zip(LEADS[[0, 2, 3]], page[2], strict=True):
        one = forecast.pressure.sel(lead_time=lead, level=500)
        truth = analysis.pressure.sel(time=(one.init_time + lead).values, level=500)
        mean = analysis.pressure.sel(level=500).mean("time")
        error = ((one.values - truth.values) ** 2).mean(0)
        wanted = 1 - error / ((mean.values - truth.values) ** 2).mean(0)
        np.testing.assert_allclose(field, wanted, rtol=1e-4)


def test_of_skill_blue_is_better(page):
    _, options = page[2][0]
    colours = mpl.colormaps[options["cmap"]]
    assert not is_blue(colours(0.1))
    assert is_blue(colours(0.9))


@pytest.mark.parametrize("flip", [1, -1], ids=["north first", "south first"])
def test_a_map_has_north_up_east_right_and_every_value_in_its_place(monkeypatch, flip):
    found = []
    monkeypatch.setattr(maps, "svg", lambda figure, about: found.append(figure))
    latitude, longitude = np.linspace(50, -40, 5)[::flip], np.arange(7) * 30.0
    values = 2.0 * np.arange(5)[::flip, None] ** 2 - 3.0 * np.arange(7) + 0.4
    field = xr.DataArray(
        values, {"latitude": latitude, "longitude": longitude}, ("latitude", "longitude")
    )
    maps.map_panel(
        field, title="t", note="n", label="l", levels=np.arange(-30.0, 40, 5), cmap="RdBu"
    )
    axes, chart = found[0].axes[0], chart_of(grid_of(field))
    [image] = axes.images
    raster = raster_of(chart)
    for row, column in np.ndindex(5, 7):
        place = np.array([[longitude[column], latitude[row]]] * 2)
        x, y = chart.lines(place)[0][0]
        at = np.abs(raster.y - y).argmin(), np.abs(raster.x - x).argmin()
        assert image.get_array()[at] == pytest.approx(values[row, column], abs=0.2)
    (left, low), (right, high) = axes.transData.transform(
        [chart.lines(np.array([place] * 2))[0][0] for place in ((30, -30), (150, 45))]
    )
    assert left < right
    assert low < high


def test_only_the_earth_has_coasts(case, page, monkeypatch):
    """Those of a planet that has none are drawn neither in the atlas nor elsewhere."""
    figures_of, original = [], maps.svg
    monkeypatch.setattr(maps, "svg", lambda f, about: figures_of.append(f) or original(f, about))
    scores, forecast, analysis, *rest = case
    for given in (
        (forecast.assign_attrs(planet="Mars"), analysis),
        (forecast, analysis.assign_attrs(planet="Mars")),
    ):
        assert COAST not in page_of((scores, *given, *rest))
    assert COAST in page[0]
    on_earth = [figure for about, figure in page[1] if about.startswith("Map: ")]
    for one, earth in zip(figures_of, 2 * on_earth, strict=True):
        collections = len(one.axes[0].collections), len(earth.axes[0].collections)
        assert collections[0] == collections[1] - 1


def test_text_of_maps_is_text(page):
    """So that it has the colours of the page, in light and in dark."""
    part = page[0][page[0].index(">Where the skill is</h2>") :]
    for text in ("1 day ahead", "11 forecasts", "0°"):
        assert re.search(f"<text [^>]*>{text}</text>", part), text


def test_the_report_reads_the_cases_that_it_shows(case, page, tmp_path, monkeypatch):
    scores, forecast, analysis, climatology, filled = case
    with ForecastWriter(tmp_path / "forecast.zarr", forecast) as writer:
        writer.write(forecast)
    analysis.chunk(time=1).to_zarr(tmp_path / "analysis.zarr", zarr_format=2)
    stored = ForecastStore(tmp_path / "forecast.zarr").dataset()
    opened = open_analysis(tmp_path / "analysis.zarr")
    read, original = [], Chunks.read
    monkeypatch.setattr(
        Chunks,
        "read",
        lambda self, where, out: (
            read.append((self.array.store, where)) or original(self, where, out)
        ),
    )
    for given in (opened, Analysis(opened)):
        assert page_of((scores, stored, given, climatology, filled)) == page[0]
        shown = chosen_of(forecast, filled).cases
        of_forecast = [where[0] for store, where in read if "forecast" in str(store)]
        assert sorted(of_forecast) == sorted(shown)
        of_analysis = [where[0] for store, where in read if "analysis" in str(store)]
        assert len(of_analysis) <= 5 * len(shown)  # each valid time
        read.clear()


def test_contour_levels_are_round_and_hold_nearly_all():
    values = np.random.default_rng(0).standard_normal(10_000)
    levels = maps.contour_levels(values, symmetric=True)
    np.testing.assert_allclose(levels, -levels[::-1], atol=1e-12)
    assert 12 <= len(levels) <= 25
    assert np.mean((values > levels[0]) & (values < levels[-1])) > 0.98
    assert np.isfinite(maps.contour_levels(np.full(3, np.nan), symmetric=False)).all()
    constant = maps.contour_levels(np.full(3, 7.0), symmetric=False)
    assert constant[0] < 7 < constant[-1]


def test_labels_at_the_ends_do_not_touch(monkeypatch):
    models = ["forecast", "persistence", "climatology"]
    scores = xr.DataArray(
        [[1.0, 2.0], [1.0, 2.01], [1.0, 2.02]],
        {"model": models, "lead_time": LEADS[:2], "metric": "rmse"},
        ("model", "lead_time"),
    )
    found = []
    monkeypatch.setattr(figures, "svg", lambda figure, about: found.append(figure))
    figures.curves(scores, title="t", label="l")
    axes = found[0].axes[0]
    places = sorted(text.xyann[1] for text in axes.texts if hasattr(text, "xyann"))
    assert (np.diff(places) > 0.06 * (axes.get_ylim()[1] - axes.get_ylim()[0])).all()
