"""Spectra in the report: it says of which waves they are, and how long these are."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data.channels import Channel, Channels
from axialcast.grid import LatLonGrid
from axialcast.report import figures
from axialcast.report.spectra import spectra_shown
from axialcast.scores.spectra import spectrum_name
from axialcast.verify import spectra

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 3]) * DAY
GLOBE = LatLonGrid.regular(12, 24, poles=False)
REGION = LatLonGrid(np.linspace(60.0, 38.0, 12), np.linspace(-10.0, 36.0, 24))
EARTH = "number 1 is 40,030 km long"


@pytest.fixture
def shown(forecast_of, monkeypatch):
    """A function of a grid that gives the page's words and the axes of each figure."""

    def show(grid, holes=()):
        rng, dims = np.random.default_rng(0), ("time", *grid.dims)
        coords = {"time": np.datetime64("2001-01-01", "ns") + np.arange(9) * DAY}
        coords |= dict(zip(grid.dims, grid.axes, strict=True))
        attrs = {"units": "K"}
        values = rng.standard_normal((2, 9, *grid.shape)).astype(np.float32)
        fields = {name: (dims, v, attrs) for name, v in zip("ab", values, strict=True)}
        analysis = xr.Dataset(fields, coords)
        for name in holes:
            analysis[name][:, 0, 0] = np.nan
        forecast = forecast_of(analysis, coords["time"][:4], LEADS)
        drawn = []
        monkeypatch.setattr(figures, "svg", lambda figure, about: drawn.append(figure.axes[0]))
        scores = spectra(forecast, analysis).assign(a=0.0, b=0.0)
        page = spectra_shown(scores, Channels.of(forecast))
        return page and page["waves"], drawn

    return show


def ticks(axes):
    return [text.get_text() for text in axes.get_xticklabels()]


def test_on_the_globe_they_are_of_spherical_harmonics(shown):
    words, [axes, _] = shown(GLOBE)
    assert words == (
        f"spherical harmonics, by total wave number: as many waves around the globe; {EARTH}"
    )
    assert axes.get_xlabel() == "total wave number; below, wavelength (km)"
    assert ticks(axes) == ["1\n40,030", "2\n20,015", "4\n10,008", "8\n5,004"]


def test_of_a_region_they_are_of_a_cosine_transform(shown):
    """Twelve rows of two degrees are the shorter side, but for the shrinking of columns."""
    words, [axes, _] = shown(REGION)
    assert words.startswith("a cosine transform in both directions, by the number of waves across ")
    length = float(words.split("number 1 is ")[1].split(" km")[0].replace(",", ""))
    width, height = 48 * 111.19 * np.cos(np.radians(49)), 24 * 111.19
    assert length == pytest.approx(12 * np.sqrt(width * height / (12 * 24)), rel=0.01)
    assert axes.get_xlabel() == "waves across the shorter side; below, wavelength (km)"
    assert ticks(axes)[0].startswith("0.5\n")
    assert float(ticks(axes)[0].split("\n")[1].replace(",", "")) == pytest.approx(2 * length, abs=1)


def test_of_fields_that_are_never_whole_they_are_of_rows(shown):
    words, drawn = shown(GLOBE, holes=["b"])
    harmonics, rows = words.split("; or of ")
    assert harmonics.endswith(f"{EARTH} (A)")
    assert (
        rows == "waves along rows of the grid, by how many a row has; rows count by their area (B)"
    )
    assert [axes.get_xlabel() for axes in drawn][1] == "waves in a row"
    assert ticks(drawn[1]) == ["1", "2", "4", "8"]


def test_where_none_are_known_nothing_is_said(forecast_of):
    """Nor of fields without waves; of one wave that is no power of two it is named."""
    assert spectra_shown(xr.Dataset(coords={"lead_time": LEADS}), []) is None
    dims, coords = ("time", *GLOBE.dims), dict(zip(GLOBE.dims, GLOBE.axes, strict=True))
    coords["time"] = np.datetime64("2001-01-01", "ns") + np.arange(9) * DAY
    for wave, expected in ((0, 0), (3, 1)):
        values = np.zeros((9, *GLOBE.shape)) + np.cos(wave * np.radians(GLOBE.longitude))
        values[:, 1:] = values[:, 1:] if wave else 1.0
        analysis = xr.Dataset({"a": (dims, values, {"units": "K"})}, coords)
        analysis["a"][:, 0, 0] = np.nan  # so that they are of rows
        forecast = forecast_of(analysis, coords["time"][:4], LEADS)
        page = spectra_shown(spectra(forecast, analysis).assign(a=0.0), Channels.of(forecast))
        assert len(page["figures"] if page else []) == expected


def of_shares(truth, shares, monkeypatch):
    """Words and axes of a figure of spectra (wave_number,) from wave number 1."""
    energy = np.stack([np.stack([truth * shares, truth])] * len(LEADS), 1)
    coords = {"spectrum_of": ["forecast", "truth"], "lead_time": LEADS}
    coords["wave_number"] = np.arange(1, len(truth) + 1)
    attrs = {"transform": "spherical harmonics", "wavelength_km": 40_030.0}
    scores = xr.Dataset({spectrum_name("a"): (tuple(coords), energy, attrs), "a": 0.0}, coords)
    drawn = []
    monkeypatch.setattr(figures, "svg", lambda figure, about: drawn.append((figure.axes[0], about)))
    spectra_shown(scores, [Channel("a", None, "K")])
    ((axes, about),) = drawn
    return about, axes


def test_waves_beyond_a_truncation_are_left_out_and_said(monkeypatch):
    waves = np.arange(1.0, 32.0)
    truth = np.where(waves <= 21, waves**-2.0, 1e-4 * waves**-2.0)
    shares = np.where(waves <= 21, 0.9, 50.0)
    about, axes = of_shares(truth, shares, monkeypatch)
    assert "left out: waves beyond 21, of which it has next to none" in about
    assert axes.lines[1].get_xdata().max() == 21
    assert axes.get_ylim()[1] == 1.2


@pytest.mark.parametrize("slope", [-5 / 3, -3, -5])
def test_no_smooth_spectrum_is_cut(monkeypatch, slope):
    waves = np.arange(1.0, 64.0)
    truth = np.minimum(waves**2, 16.0) * np.maximum(waves / 8, 1.0) ** slope
    about, axes = of_shares(truth, np.full(63, 0.5), monkeypatch)
    assert "left out" not in about
    assert axes.lines[1].get_xdata().max() == 63


def test_a_first_wave_of_most_energy_is_no_truncation(monkeypatch):
    truth = np.concatenate([[100.0], np.arange(2.0, 32.0) ** -1.0])
    about, _ = of_shares(truth, np.ones(31), monkeypatch)
    assert "left out" not in about


def test_what_is_above_the_figure_is_said(monkeypatch):
    about, axes = of_shares(np.ones(31), np.linspace(1, 5, 31), monkeypatch)
    assert "not drawn: above 3" in about
    assert axes.get_ylim()[1] == 3
