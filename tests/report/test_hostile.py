"""Names and units of a store are text on the page, in figures and on the terminal: never code."""

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

from axialcast.data.channels import Channel
from axialcast.report.figures import curves, scorecard
from axialcast.report.page import report_html
from axialcast.report.wording import channel_name, model_name, pretty_units
from axialcast.verify import Climatology, DrawnField, Persistence, evaluate

LEADS = np.array([1, 2]) * np.timedelta64(86_400_000_000_000, "ns")
SCRIPT = "<script>document.title='run'</script><img src=http://127.0.0.1:9/x onerror=alert(1)>"
BREAKS_OUT = '"><svg onload="document.title=\'run\'"></svg></title></style></pre><!--'
MIXED = "$\\frac{$ {{ 7 * 7 }} {% raw %} a\x1b[31m\x00\nb\u202ec [/] & 50 % حرارة 🌍"
HOSTILE = [
    SCRIPT,
    BREAKS_OUT,
    MIXED,
    "$x_2^$ \\alpha $",
    "[red]temperature[/] [/nothing] :smile:",
    "=cmd|'/c calc'!A1",
    "very " * 100,
    "",
]


@pytest.fixture(scope="module")
def made(analysis_of, forecast_of):
    """A function that makes the page of a store with such a long name and such units."""
    analysis = analysis_of(np.random.default_rng(3).standard_normal((60, 2, 5, 7)), levels=[500, 7])
    forecast = forecast_of(analysis, analysis.time.values[-11:-3], LEADS, error=0.125)
    climatology = Climatology.fit(analysis, harmonics=0)
    baselines = {"climatology": climatology, "own": Persistence()}
    options = {"climatology": climatology, "baselines": baselines, "metrics": ["rmse"]}
    drawn = DrawnField(forecast)
    scores = evaluate(forecast, analysis, drawn=drawn, **options)

    def page(name, units):
        for dataset in (scores, forecast, analysis):
            dataset.pressure.attrs = {"long_name": name, "units": units}
        named = scores.assign_coords(model=["forecast", "climatology", name or "own"])
        texts = {"title": name, "facts": {name: units}, "config": f"data: {name}"}
        return report_html(named, forecast, analysis, climatology, drawn=drawn, **texts)

    return page


DATA = [("type", "application/json"), ("id", "atlas-data")]


class Page(HTMLParser):
    """Tags, names of attributes and text of a page; `forbidden` are those that run or fetch."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.forbidden, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "script":
            self.forbidden += [(tag, *pair) for pair in attrs if pair not in DATA]
        for name, value in attrs:
            fetches = name in ("src", "href", "xlink:href") and not value.startswith(("#", "data:"))
            if name.startswith("on") or fetches or tag in ("img", "iframe", "base"):
                self.forbidden.append((tag, name, value))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", [SCRIPT, BREAKS_OUT, MIXED])
def test_names_are_text(made, name):
    page, plain = Page(made(name, name)), Page(made("pressure", "Pa"))
    assert page.forbidden == []
    # The same elements, whatever things are called.
    skeleton = {
        "script",
        "option",
        "header",
        "dl",
        "figure",
        "table",
        "tr",
        "th",
        "td",
        "pre",
        "title",
        "h2",
    }
    assert [t for t in page.tags if t in skeleton] == [t for t in plain.tags if t in skeleton]
    assert channel_name(Channel("pressure", None, name), made_of(name)) in page.text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_in_figures(name):
    scores = xr.DataArray(
        [[1.0, 2.0]], {"model": [name], "lead_time": LEADS}, ["model", "lead_time"]
    )
    word = channel_name(Channel("pressure", None, name), made_of(name))
    figure = curves(scores.assign_coords(metric="rmse"), title=word, label=pretty_units(name))
    figure += scorecard(scores.rename(model="row"), names=[word])
    found = Page(str(figure))
    assert found.forbidden == []
    assert set(found.tags) <= {"svg", "metadata", "rdf:rdf", "cc:work", "dc:type"} | {
        *("defs", "style", "g", "path", "text", "use", "clippath", "rect", "dc:format")
    }
    assert found.text.count(word) >= 2  # neither a formula nor cut


def made_of(name):
    return xr.Dataset({"pressure": ((), 0.0, {"long_name": name})})


def test_the_page_forbids_what_it_does_not_need(made):
    page = made("pressure", "Pa")
    [policy] = re.findall('<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules.keys() == {"default-src", "script-src", "style-src", "img-src"} | {
        *("base-uri", "form-action")
    }
    scripts = re.findall("<script>(.*?)</script>", page, re.S)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    allowed = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    assert rules["script-src"].split() == allowed  # these, and no other
    # It counts for what comes after it.
    assert page.index("Content-Security-Policy") < page.index("<title")
    assert page.index("Content-Security-Policy") < page.index("<style")


def test_words_of_a_store_are_one_short_line():
    dataset = made_of("a\x1b[31m\n" + "b" * 500)
    for word in (
        channel_name(Channel("pressure", None, "1"), dataset),
        pretty_units("K\x07\n" + "s-1 " * 100),
        model_name("own\x1b[2J" + "x" * 500),
    ):
        assert len(word) <= 80
        assert word.isprintable()
    assert pretty_units("kg m-2 s-1") == "kg m⁻² s⁻¹"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_in_a_browser_nothing_runs(made, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(made(SCRIPT + BREAKS_OUT, SCRIPT), "utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-quic"]
    command = ["chromium", *options, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    command += ["--enable-logging=stderr", "--virtual-time-budget=1000", page.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in result.stderr
    dom = Page(result.stdout)
    assert dom.forbidden == []
    assert "<title>run" not in result.stdout
    assert "&lt;script&gt;" in result.stdout
