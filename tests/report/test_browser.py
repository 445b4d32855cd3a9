"""The page in a browser: nothing fails, nothing is fetched, its maps follow mouse and keyboard."""

import base64
import hashlib
import io
import json
import re

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
import xarray as xr

from axialcast.grid import grid_of
from axialcast.report.charts import chart_of
from axialcast.report.packing import packed, quantised, unpacked
from axialcast.report.page import report_html
from axialcast.report.rasters import raster_of, sampled
from axialcast.verify import Climatology, DrawnField, Persistence, evaluate

from .browser import chromium

LEADS = np.arange(1, 4) * np.timedelta64(86_400_000_000_000, "ns")


@pytest.fixture(scope="module")
def path(analysis_of, forecast_of, tmp_path_factory):
    """A page of an ensemble of two variables, one on two levels, with missing values."""
    rng = np.random.default_rng(7)
    analysis = analysis_of(rng.standard_normal((60, 2, 5, 7)), levels=[500, 850])
    analysis["rain"] = analysis.pressure.isel(level=0, drop=True) * 3
    analysis["rain"].attrs = {"units": "mm", "long_name": "rain"}
    inits = analysis.time.values[-13:-2]
    forecast = forecast_of(analysis, inits, LEADS, error=0.125)
    members = xr.concat([forecast, forecast + 0.5], "number").assign_coords(number=[0, 1])
    for name in forecast:
        members[name].attrs = analysis[name].attrs
    climatology = Climatology.fit(analysis, harmonics=0)
    options = {"climatology": climatology, "baselines": {"persistence": Persistence()}}
    drawn = DrawnField(members)
    scores = evaluate(members, analysis, drawn=drawn, **options)
    page = report_html(
        *(scores, members, analysis, climatology), title="t", facts={}, config="c", drawn=drawn
    )
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page, "utf-8")
    return file


@pytest.fixture(scope="module")
def raster(analysis_of):
    """The points of its maps."""
    return raster_of(chart_of(grid_of(analysis_of(np.zeros((2, 2, 5, 7)), levels=[500, 850]))))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def opened(browser, path):
    browser.open(path)
    yield browser
    assert browser.complaints == []
    assert browser.requests == [path.as_uri()]


def pictures(browser):
    """What the three maps show, by a checksum of their pixels."""
    urls = browser.value("[...document.querySelectorAll('canvas')].map((c) => c.toDataURL())")
    return [hashlib.sha256(url.encode()).hexdigest() for url in urls]


def choose(browser, control, value, event):
    before = browser.value("document.getElementById('atlas-said').textContent")
    browser.value(
        f"document.getElementById('atlas-{control}').value = {value};"
        f"document.getElementById('atlas-{control}').dispatchEvent(new Event('{event}'))"
    )
    browser.until(f"document.getElementById('atlas-said').textContent !== {before!r}")


def test_maps_follow_lead_time_initial_time_and_field(opened):
    seen = [pictures(opened)]
    for control, value, event in (
        ("lead", 1, "input"),
        ("lead", 2, "input"),
        ("init", 0, "change"),
        ("channel", 1, "change"),
        ("channel", 2, "change"),
    ):
        choose(opened, control, value, event)
        seen.append(pictures(opened))
    for map_of_each in list(zip(*seen, strict=True))[:2]:
        assert len(set(map_of_each)) == len(seen)
    labels = opened.value(
        "[...document.querySelectorAll('canvas')].map((c) => c.getAttribute('aria-label'))"
    )
    assert all("Pressure, 850 hPa" in label for label in labels)
    assert "from" in labels[0]
    assert "root-mean-square" in labels[2]


def test_the_keyboard_is_enough(opened):
    first = pictures(opened)
    focused = "document.activeElement.id"
    for _ in range(60):  # past the link, colours, contents
        opened.press("Tab", 9)
        if opened.value(focused) == "atlas-lead":
            break
    assert opened.value(focused) == "atlas-lead"
    opened.press("ArrowRight", 39)
    opened.until("document.getElementById('atlas-ahead').textContent === '2 days'")
    assert pictures(opened) != first
    opened.press("Tab", 9)
    assert opened.value(focused) == "atlas-play"
    opened.press(" ", 32, " ")
    opened.until("document.getElementById('atlas-ahead').textContent === '3 days'")
    opened.until("document.getElementById('atlas-ahead').textContent === '1 day'")  # from anew
    opened.press(" ", 32, " ")
    assert opened.value("document.getElementById('atlas-play').textContent") == "Play"


def test_figures_are_saved_whole_and_in_light_colours(opened):
    opened.value("document.documentElement.dataset.theme = 'dark'")
    number = opened.value("document.querySelectorAll('figure').length")
    drawings = opened.value(
        "[...document.querySelectorAll('figure')].map((f) =>"
        " alone(f.drawing ? f.drawing() : f.querySelector('svg')))"
    )
    assert len(drawings) == number > 5
    for drawing in drawings:
        assert "var(" not in drawing
        assert 'xmlns="http://www.w3.org/2000/svg"' in drawing
    assert sum("data:image/png" in drawing for drawing in drawings[:3]) == 3
    # As pictures, too: none of them needs what only the page has.
    sizes = opened.value(
        "Promise.all([...document.querySelectorAll('figure')].slice(0, 5).map(async (f) => {"
        " const i = new Image(); i.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent("
        "   alone(f.drawing ? f.drawing() : f.querySelector('svg'))); await i.decode();"
        " return i.width; }))"
    )
    assert all(width > 100 for width in sizes)


def test_tables_are_copied_as_programs_read_them(opened):
    text = opened.value("csvOf(document.querySelector('table'))")
    head, *rows = text.strip().split("\n")
    assert head.startswith(',"Root-mean-square error (Pa), 1 day"')
    assert [row.split(",")[0] for row in rows] == ["Forecast", "Persistence"]
    for row in rows:
        assert all(np.isfinite(float(value)) for value in row.split(",")[1:])


def test_colours_are_readable_in_light_and_in_dark(opened):
    """Contrast of all text with what is behind it: 4.5, as WCAG's level AA asks."""
    for theme in ("light", "dark"):
        opened.value(f"document.documentElement.dataset.theme = '{theme}'")
        found = opened.value(
            "[...document.querySelectorAll('p, dt, dd, th, td, h2, a, button, summary, "
            "svg[role=img] text')].map((e) => { const s = getComputedStyle(e);"
            " return [e.namespaceURI.endsWith('svg') ? s.fill : s.color, e.textContent]; })"
        )
        paper = opened.value("getComputedStyle(document.body).backgroundColor")
        # What stands in a coloured cell has a colour of its own.
        cells = ("rgb(255, 255, 255)", "rgb(22, 32, 42)")
        assert paper == ("rgb(255, 255, 255)" if theme == "light" else "rgb(20, 25, 30)")
        for colour, text in {tuple(pair) for pair in found if pair[1].strip()}:
            if colour not in cells:
                assert contrast(colour, paper) >= 4.5, (theme, colour, text)


def contrast(one, other):
    light = sorted(luminance(colour) for colour in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


def luminance(colour):
    parts = np.array([float(part) for part in colour[4:-1].split(",")]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_canvases_show_what_was_forecast(opened, path, raster):
    """Each pixel has the colour of the band that the field has there, or its edge's."""
    text = re.search('id="atlas-data">(.*?)</script>', path.read_text("utf-8"))[1]
    atlas = json.loads(text)
    channel = atlas["channels"][0]
    shape = (3, len(atlas["inits"]), len(LEADS), 5, 7)
    init = int(opened.value("document.getElementById('atlas-init').value"))
    urls = opened.value("[...document.querySelectorAll('canvas')].map((c) => c.toDataURL())")
    for kind, url in enumerate(urls):
        scale = channel["scales"]["error" if kind == 2 else "state"]
        field = unpacked(channel["bytes"], np.uint8, shape)[kind, init, 0].astype(float)
        low, high = scale["ends"]
        values = low + sampled(field, raster, is_periodic=atlas["periodic"]) * (high - low) / 254
        band = np.searchsorted(scale["levels"], values, side="right")
        wanted = np.array([mpl.colors.to_rgb(colour) for colour in scale["colours"]])[band]
        got = mpl.image.imread(io.BytesIO(base64.b64decode(url.split(",")[1])))
        assert (got[..., 3] == raster.is_on).all()
        near = np.abs(got[..., :3] - wanted).max(-1) < 0.004
        edge = np.abs(got[..., :3] - 0.78 * wanted).max(-1) < 0.004
        assert (near | edge)[raster.is_on].mean() > 0.99
        assert near[raster.is_on].mean() > 0.8


def test_decoded_fields_are_those_packed():
    rng = np.random.default_rng(0)
    for dtype, top in ((np.uint8, 2**8), (np.uint16, 2**16)):
        numbers = rng.integers(0, top, (3, 5, 7)).astype(dtype)
        np.testing.assert_array_equal(unpacked(packed(numbers), dtype, numbers.shape), numbers)
        assert base64.b64decode(packed(numbers))
    steps = quantised(np.array([-9.0, 0.0, 1.0, 2.0, 9.0, np.nan]), 0.0, 2.0)
    assert steps.tolist() == [0, 0, 127, 254, 254, 255]
