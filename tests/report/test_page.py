"""The report: what it says is what was scored, it needs nothing else, and it is reproducible."""

import doctest
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

from axialcast.data.channels import Channel, Channels
from axialcast.report import figures, wording
from axialcast.report.page import report_html
from axialcast.scores.shown import headline
from axialcast.verify import (
    ByInit,
    Climatology,
    DampedPersistence,
    Events,
    LinearInverseModel,
    Persistence,
    evaluate,
    spectra,
    with_intervals,
)

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 3, 4, 5]) * DAY


@pytest.fixture(scope="module")
def scored(analysis_of, forecast_of):
    rng = np.random.default_rng(2)
    analysis = analysis_of(rng.standard_normal((420, 2, 5, 7)), levels=[500, 850])
    analysis["surface"] = analysis.pressure.isel(level=0, drop=True) * 3
    analysis["surface"].attrs = {"units": "m2 s-2", "long_name": "surface <thing>"}
    climatology = Climatology.fit(analysis, harmonics=0)
    baselines = {
        "persistence": Persistence(),
        "climatology": climatology,
        "damped_persistence": DampedPersistence.fit(analysis, climatology, lead_times=LEADS),
        "linear_inverse_model": LinearInverseModel.fit(analysis, climatology),
    }
    inits = analysis.time.values[-13:]
    forecast = forecast_of(analysis, inits, LEADS, error=0.125)
    scores = evaluate(forecast, analysis, climatology=climatology, baselines=baselines)
    return scores, forecast, analysis, climatology


def page_of(scored, **changes):
    options = {"title": "A & B", "facts": {"Trained on": "2001"}, "config": "seed: <0>"}
    return report_html(*scored, **{**options, **changes})


@pytest.fixture(scope="module")
def page(scored):
    return page_of(scored)


def cells(page, caption, model):
    table = page[page.index(f"<caption>{caption}</caption>") :]
    row = table[table.index(f'<th scope="row">{model}</th>') :].split("</tr>")[0]
    return re.findall(r"<td( class=best)?>([^<]*)</td>", row)


def test_the_table_shows_the_scores_and_the_best_in_bold(page, scored):
    scores = scored[0]
    got = cells(page, "Pressure, 500 hPa", "Persistence")
    expected = [
        wording.number(float(value))
        for metric in ("rmse", "acc")
        for value in scores.pressure.sel(
            model="persistence", metric=metric, region="all", level=500, lead_time=LEADS[[0, 2, 4]]
        )
    ]
    assert [value for _, value in got] == expected
    own = cells(page, "Pressure, 500 hPa", "Forecast")
    assert [value for _, value in own[:3]] == ["0.125"] * 3
    assert all(bold for bold, _ in own)
    assert {value for _, value in cells(page, "Pressure, 500 hPa", "Climatology")[3:]} == {"–"}


def test_the_page_says_how_many_pairs_there_were(page):
    assert "13, initialised" in page
    assert "15 of 65, left out" in page  # 1 + 2 + 3 + 4 + 5 valid times past the end


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_the_page_needs_nothing_else(page):
    parser = Links()
    parser.feed(page)
    assert parser.links
    assert all(link.startswith(("#", "data:")) for link in parser.links)
    assert "@import" not in page


def test_baselines_without_error_or_score_are_not_compared_with(scored):
    scores = scored[0].copy(deep=True)
    for model, value in (("persistence", 0.0), ("climatology", np.nan)):
        scores.pressure.loc[{"model": model, "metric": "rmse"}] = value
    lead = re.search('<p class="lead">(.*?)</p>', page_of((scores, *scored[1:])))[1]
    assert re.search("below damped persistence and .* below the linear inverse model", lead)
    assert "climatology" not in lead


def test_text_is_escaped(page):
    assert "<h1>A &amp; B</h1>" in page
    assert "seed: &lt;0&gt;" in page
    assert "surface <thing>" not in page
    assert "Surface &lt;thing&gt;" in page


def test_the_same_scores_give_the_same_page(page, scored):
    assert page_of(scored) == page


def test_other_metrics_and_no_baselines(scored):
    _, forecast, analysis, climatology = scored
    scores = evaluate(forecast, analysis, climatology=climatology, metrics=["bias", "mae"])
    page = page_of((scores, forecast, analysis, climatology))
    assert "Mean absolute error" in page
    assert "Root-mean-square" not in page
    assert "Scorecard" not in page


def test_events_have_curves_and_tables(scored, page):
    _, forecast, analysis, climatology = scored
    options = {"climatology": climatology, "baselines": {"persistence": Persistence()}}
    options |= {
        "metrics": ["rmse", "csi", "frequency_bias"],
        "events": Events({"surface": [0, 2.5]}),
    }
    scores = evaluate(forecast, analysis, **options)
    shown = page_of((scores, *scored[1:]))
    assert ">Events</h2>" in shown
    assert "Surface &lt;thing&gt; ≥ 2.5 m² s⁻²: Critical success index against lead time" in shown
    whole = scores.sel(region="all", lead_time=LEADS[[0, 2, 4]]).transpose(..., "lead_time")
    for caption, name in (
        ("Critical success index, surface &lt;thing&gt;", "surface_csi"),
        ("Frequency bias, surface &lt;thing&gt;", "surface_frequency_bias"),
    ):
        values = whole[name].transpose("model", "surface_threshold", "lead_time").values
        found = cells(shown, caption, "Forecast")
        assert [text for _, text in found] == [wording.number(v) for v in values[0].ravel()]
        cost = -values if name == "surface_csi" else np.abs(np.log(values))
        assert [bool(mark) for mark, _ in found] == (cost[0] <= cost[1]).ravel().tolist()
    assert ">Events</h2>" not in page


def test_further_scores_of_events_are_folded_away(scored):
    """The best is the highest rate or skill, and the lowest share of false alarms."""
    _, forecast, analysis, climatology = scored
    further = ["hit_rate", "false_alarm_ratio", "ets", "hss", "sedi", "fss"]
    scores = evaluate(
        forecast,
        analysis,
        climatology=climatology,
        baselines={"persistence": Persistence()},
        metrics=["rmse", "csi", *further],
        events=Events({"surface": [0, 2.5]}, neighbourhoods=[1, 3]),
    )
    rain = scores.surface_csi.isel(surface_threshold=0, drop=True)
    scores["surface_seeps"] = 1 - rain
    shown = page_of((scores, *scored[1:]))
    folded = shown[shown.index("Further scores of events") :].split("</details>")[0]
    assert folded.count("<table>") == 5 + 2 + 1
    assert "Critical success index, surface" not in folded
    whole = scores.sel(region="all", lead_time=LEADS[[0, 2, 4]]).transpose(..., "lead_time")
    for caption, name, at in (
        ("Probability of detection", "hit_rate", {}),
        ("False-alarm ratio", "false_alarm_ratio", {}),
        ("Equitable threat score", "ets", {}),
        ("Symmetric extremal dependence index", "sedi", {}),
        ("Fractions skill score in squares of 3 × 3 points", "fss", {"neighbourhood": 3}),
        ("SEEPS", "seeps", {}),
    ):
        values = whole[f"surface_{name}"].sel(at).transpose("model", ...).values
        values = values.reshape(len(values), -1)
        found = cells(folded, f"{caption}, surface &lt;thing&gt;", "Forecast")
        assert [text for _, text in found] == [wording.number(v) for v in values[0]], name
        cost = values if name in ("false_alarm_ratio", "seeps") else -values
        known = np.isfinite(cost).any(0)
        best = np.where(known, np.nan_to_num(cost, nan=np.inf).argmin(0), -1)
        assert [bool(mark) for mark, _ in found] == (best == 0).tolist(), name


def test_curves_of_events_have_bands_where_it_is_known_how_sure_they_are(scored):
    _, forecast, analysis, climatology = scored
    by_init = ByInit()
    options = {"metrics": ["rmse", "csi"], "events": Events({"surface": [0, 2.5]})}
    scores = evaluate(forecast, analysis, climatology=climatology, by_init=by_init, **options)
    sure = with_intervals(scores, by_init.dataset)
    sure["surface_csi_lower"] = sure.surface_csi - 0.25
    sure["surface_csi_upper"] = sure.surface_csi + 0.125
    drawn = {}
    with pytest.MonkeyPatch.context() as patch:
        original = figures.svg
        patch.setattr(
            figures, "svg", lambda f, about: drawn.update({about: f}) or original(f, about)
        )
        shown = page_of((sure, *scored[1:]))
    assert shown.count("Bands are intervals of 95&nbsp;%") == 2
    [axes] = next(f for about, f in drawn.items() if "≥ 2.5 m² s⁻²: Critical" in about).axes
    at = {"region": "all", "model": "forecast", "surface_threshold": ">= 2.5"}
    [band] = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    values = sure.surface_csi.sel(at).values
    assert heights.min() == pytest.approx(values.min() - 0.25)
    assert heights.max() == pytest.approx(values.max() + 0.125)


def test_of_one_row_or_column_no_map_is_drawn(scored):
    _, forecast, analysis, climatology = scored
    for part in ({"latitude": [2]}, {"longitude": [3]}, {"latitude": [4], "longitude": [0]}):
        fields = forecast.isel(part), analysis.isel(part)
        fitted = Climatology(climatology.coefficients.isel(part))
        page = page_of((evaluate(*fields, climatology=fitted), *fields, fitted))
        assert "No maps are drawn of a grid of one row or column" in page
        assert "atlas-data" not in page


def test_missing_values_are_told(scored):
    _, forecast, analysis, climatology = scored
    holes = forecast.copy(deep=True)
    holes.surface[:, :, 0] = np.nan
    scores = evaluate(holes, analysis, climatology=climatology)
    assert re.search(
        r"<dd>surface: up to [\d.]+ % of the area; left out for all models",
        page_of((scores, holes, analysis, climatology)),
    )


def test_headline_fields_are_nearest_500_hpa_geopotential_first():
    level = ("level", [850.0, 300.0, 450.0])
    dataset = xr.Dataset({"u": level, "geopotential": level, "slp": ((), 0.0)}, {"level": level})
    assert headline(Channels.of(dataset)) == [
        Channel("geopotential", 450.0, "1"),
        Channel("u", 450.0, "1"),
        Channel("slp", None, "1"),
    ]


def test_wording_examples_are_true():
    results = doctest.testmod(wording)
    assert results.attempted >= 6
    assert results.failed == 0


def test_spectra_are_shown_where_they_are_known(page, scored):
    """A line for each lead time, and what the truth has is 1."""
    scores, forecast, analysis, climatology = scored
    assert ">Spectra</h2>" not in page
    known = scores.merge(spectra(forecast, analysis), join="outer")
    shown = page_of((known, forecast, analysis, climatology))
    part = shown[shown.index(">Spectra</h2>") : shown.index(">Where the skill is</h2>")]
    assert part.count("<svg") == 2
    for text in ("1 day", "3 days", "5 days", "Energy over the truth", "waves in a row"):
        assert text in part


def test_intervals_are_bands_and_what_may_be_chance_stands_in_parentheses(page, scored):
    """Of the best baseline at each lead time, as the scores say."""
    scores, forecast, analysis, climatology = scored
    assert "Bands are intervals" not in page
    rng, sure = np.random.default_rng(5), scores.copy()
    for name in ("pressure", "surface"):
        array, of = scores[name], {"interval_of": name}
        own, best = (
            array.sel(model="forecast", drop=True),
            array.sel(model="persistence", drop=True),
        )
        answer = xr.zeros_like(own, "i1") + rng.integers(0, 2, own.shape).astype("i1")
        for what, values in (
            ("lower", 0.9 * array),
            ("upper", 1.2 * array),
            ("difference", own - best),
            ("difference_significant", answer),
        ):
            sure[f"{name}_{what}"] = values.assign_attrs(of)
    sure.attrs["interval_level"] = 0.9
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        original = figures.svg
        patch.setattr(
            figures, "svg", lambda f, about: drawn.append((about, f)) or original(f, about)
        )
        shown = page_of((sure, forecast, analysis, climatology))
    assert "Bands are intervals of 90&nbsp;%" in shown
    axes = next(f for about, f in drawn if "error" in about and "lead time" in about).axes[0]
    wanted = sure.pressure.sel(metric="rmse", region="all", level=500, model="persistence")
    number = sure.model.values.tolist().index("persistence")
    ends = axes.collections[number].get_paths()[0].get_extents()
    assert (ends.y0, ends.y1) == pytest.approx(
        (0.9 * float(wanted.min()), 1.2 * float(wanted.max()))
    )
    card = next(f for about, f in drawn if about.startswith("Scorecard")).axes[0]
    texts = {text.get_position(): text.get_text() for text in card.texts}
    for row, (name, level) in enumerate((("pressure", 500), ("pressure", 850), ("surface", None))):
        at = {"metric": "rmse", "region": "all"} | ({"level": level} if level else {})
        share = scores[name].sel(at).sel(model="forecast") / scores[name].sel(at).sel(
            model="persistence"
        )
        for column, value in enumerate(share.values):
            text = f"{100 * (value - 1):+.0f}".replace("-", "−")
            is_sure = sure[f"{name}_difference_significant"].sel(at).values[column] == 1
            assert texts[column + 0.5, row + 0.5] == (text if is_sure else f"({text})")
