"""Names and units of a store are text on the page, in figures and on the terminal: never code."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

from axialcast.data.channels import Channel
from axialcast.report.page import report_html
from axialcast.report.wording import channel_name, model_name, pretty_units
from axialcast.verify import Climatology, Persistence, evaluate

DAY = np.timedelta64(86_400_000_000_000, "ns")
SCRIPT = "<script>document.title='run'</script><img src=http://127.0.0.1:9/x onerror=alert(1)>"
BREAKS_OUT = '"><svg onload="document.title=\'run\'"></svg></title></style></pre><!--'
HOSTILE = [
    SCRIPT,
    BREAKS_OUT,
    "$\\frac{$",
    "$x_2^$ \\alpha & 50 % {{ 7 * 7 }} {% raw %}",
    "a\x1b[31m\x00\nb\u202ec",
    "[red]temperature[/] [/nothing] :smile:",
    "🌍 حرارة 気温",
    "=cmd|'/c calc'!A1",
    "very " * 100,
    "",
]


def made(analysis_of, forecast_of, name, units):
    analysis = analysis_of(
        np.random.default_rng(3).standard_normal((60, 2, 5, 7)), levels=[500, 850]
    )
    analysis.pressure.attrs = {"long_name": name, "units": units}
    inits = analysis.time.values[-11:-3]
    forecast = forecast_of(analysis, inits, np.array([1, 2]) * DAY, error=0.125)
    climatology = Climatology.fit(analysis, harmonics=0)
    baselines = {"climatology": climatology, name[:20] or "own": Persistence()}
    scores = evaluate(forecast, analysis, climatology=climatology, baselines=baselines)
    return report_html(
        *(scores, forecast, analysis, climatology),
        title=name,
        facts={name: units},
        config=f"data: {name}",
    )


class Page(HTMLParser):
    """Tags, names of attributes and text of a page; `forbidden` are those that run or fetch."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.forbidden, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            fetches = name in ("src", "href", "xlink:href") and not value.startswith(("#", "data:"))
            if name.startswith("on") or fetches or tag in ("script", "img", "iframe", "base"):
                self.forbidden.append((tag, name, value))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(analysis_of, forecast_of, name):
    page = Page(made(analysis_of, forecast_of, name, name))
    plain = Page(made(analysis_of, forecast_of, "pressure", "Pa"))
    assert page.forbidden == []
    # The same elements, whatever things are called.
    skeleton = {"header", "dl", "figure", "table", "tr", "th", "td", "pre", "title", "h2"}
    assert [t for t in page.tags if t in skeleton] == [t for t in plain.tags if t in skeleton]
    word = channel_name(Channel("pressure", None, name), made_of(name))
    assert word in page.text


def made_of(name):
    return xr.Dataset({"pressure": ((), 0.0, {"long_name": name})})


def test_the_page_forbids_what_it_does_not_need(analysis_of, forecast_of):
    page = made(analysis_of, forecast_of, "pressure", "Pa")
    [policy] = re.findall('<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules.keys() == {"default-src", "style-src", "img-src", "base-uri", "form-action"}
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
def test_in_a_browser_nothing_runs(analysis_of, forecast_of, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(made(analysis_of, forecast_of, SCRIPT + BREAKS_OUT, SCRIPT), "utf-8")
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
