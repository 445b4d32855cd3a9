"""dataset.axialcast: maps, meteograms and films of what is there; errors that name it."""

import io
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import axialcast.accessor
from axialcast.grid import LatLonGrid
from axialcast.report.choosing import init_chosen, lead_chosen
from axialcast.report.meteograms import nearest_cell
from axialcast.run.cli import app


@pytest.fixture(scope="module")
def forecast() -> xr.Dataset:
    """Two dates, two leads, three members on a coarse globe."""
    grid = LatLonGrid.regular(7, 12, poles=False)
    values = np.random.default_rng(0).normal(5e4, 1e3, (2, 2, 3, 2, 7, 12)).astype(np.float32)
    dims = ("init_time", "lead_time", "number", "level", *grid.dims)
    coords = {
        "init_time": np.array(["2001-01-01T00", "2001-01-01T12"], "datetime64[ns]"),
        "lead_time": np.array([24, 48], "timedelta64[h]").astype("timedelta64[ns]"),
        "number": [0, 1, 2],
        "level": [500.0, 850.0],
        **dict(zip(grid.dims, grid.axes, strict=True)),
    }
    attrs = {"units": "m2 s-2", "long_name": "geopotential"}
    return xr.Dataset({"geopotential": (dims, values, attrs)}, coords)


def test_map_says_what_it_shows(forecast):
    figure = forecast.axialcast.plot_map(
        "geopotential", init_time="2001-01-01 12", lead_time="2D", level=850, number=1
    )
    axes = figure.axes[0]
    assert axes.get_title(loc="left") == "Geopotential, 850 hPa, 2 days ahead"
    said = " ".join(text.get_text() for text in axes.texts)
    assert "3 January 2001, 12 UTC, from 1 January 2001, 12 UTC; member 1" in said


def test_meteogram_is_of_the_cell(forecast):
    figure = forecast.axialcast.plot_meteogram(0, 359, level=500)
    median = figure.axes[0].lines[-1].get_ydata()
    cell = forecast.geopotential.sel(latitude=0, longitude=0, level=500, method="nearest")
    np.testing.assert_allclose(median, cell.isel(init_time=0).median("number"), rtol=1e-6)
    assert "median of 3 members" in figure.get_suptitle()
    alone = forecast.isel(number=[0]).axialcast.plot_meteogram(0, 359, level=500)
    assert "median" not in alone.get_suptitle()


@pytest.mark.parametrize("what", ["plot_map", "plot_meteogram"])
def test_notebooks_show_pictures_where_pyplot_is_not_imported(forecast, what):
    from PIL import Image

    formatters = pytest.importorskip("IPython.core.formatters")
    figure = getattr(forecast.axialcast, what)(*([] if what == "plot_map" else [0, 359]))
    shown, _ = formatters.DisplayFormatter().format(figure)
    with Image.open(io.BytesIO(shown["image/png"])) as picture:
        assert picture.size == tuple((100 * figure.get_size_inches()).astype(int))
        assert len(picture.getcolors(1 << 20)) > 10


def test_film_is_written(forecast, tmp_path):
    from PIL import Image

    forecast.axialcast.animate(path=tmp_path / "a.gif", width=3)
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 2


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"variable": "q"}, "there are geopotential"),
        ({"level": 300}, "there are 500, 850 hPa"),
        ({"init_time": "2009"}, "2001-01-01T00:00 to 2001-01-01T12:00"),
        ({"lead_time": "3h"}, "there are 24, 48 hours"),
        ({"lead_time": "soon"}, "there are 24, 48 hours"),
        ({"number": 9}, "there are 0, 1, 2"),
        ({"levels": [3.0, 1.0]}, "two or more that rise"),
        ({"cmap": "virids"}, "cmap: matplotlib has no 'virids'; did you mean viridis"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(forecast, asked, answer):
    with pytest.raises(ValueError, match=answer):
        forecast.axialcast.plot_map(**asked)


def drawn(figure) -> np.ndarray:
    """What a map shows, in its title and in its points."""
    axes = figure.axes[0]
    return axes.get_title(loc="left"), axes.texts[-1].get_text(), axes.images[0].get_array()


def test_what_was_selected_is_drawn_as_what_it_was_selected_from(forecast):
    wanted = drawn(
        forecast.axialcast.plot_map(init_time="2001-01-01T12", lead_time="48h", level=850)
    )
    for selected in (
        forecast.isel(init_time=1, lead_time=1),
        forecast.isel(init_time=[1], lead_time=1),
        forecast.isel(init_time=1).isel(lead_time=[1]),
    ):
        found = drawn(selected.axialcast.plot_map(level=850))
        assert found[:2] == wanted[:2]
        np.testing.assert_array_equal(found[2], wanted[2])
    one = forecast.isel(init_time=0)
    figure = one.axialcast.plot_meteogram(0, 359, level=500)
    same = forecast.axialcast.plot_meteogram(0, 359, level=500)
    for line, other in zip(figure.axes[0].lines, same.axes[0].lines, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), other.get_ydata())
    analysis = forecast.isel(lead_time=0, number=0, drop=True).rename(init_time="time")
    note = drawn(analysis.isel(time=1).axialcast.plot_map())[1]
    assert note.startswith("1 January 2001, 12 UTC")


def test_names_of_weatherbench_are_read(forecast, tmp_path):
    theirs = forecast.rename(init_time="time", lead_time="prediction_timedelta")
    for dataset, other in ((theirs, forecast), (theirs.isel(time=0), forecast.isel(init_time=0))):
        found, wanted = drawn(dataset.axialcast.plot_map()), drawn(other.axialcast.plot_map())
        assert found[:2] == wanted[:2]
        np.testing.assert_array_equal(found[2], wanted[2])
    theirs.to_netcdf(tmp_path / "theirs.nc")
    result = CliRunner().invoke(
        app, ["plot", str(tmp_path / "theirs.nc"), "-o", str(tmp_path / "a.png")]
    )
    assert result.exit_code == 0, result.output


def test_what_is_no_field_is_refused_in_a_line(forecast, tmp_path):
    for dataset, line in (
        (forecast.isel(latitude=2), "latitude: there is one value, 25.7143; expected a field"),
        (
            forecast.mean(["latitude", "longitude"]),
            "got no latitude among the dimensions init_time",
        ),
        (forecast.isel(init_time=0, lead_time=0, drop=True), "select without drop=True"),
        (forecast.rename(latitude="lat", longitude="lon"), "axialcast.open_analysis"),
    ):
        with pytest.raises(ValueError, match=line) as error:
            dataset.axialcast.plot_map()
        assert "\n" not in str(error.value)
    scores = forecast.mean(["latitude", "longitude"]).assign_attrs(title="axialcast scores")
    scores.to_netcdf(tmp_path / "scores.nc")
    (tmp_path / "table.csv").write_text("latitude,longitude")
    for name, line in (("scores.nc", "holds scores, not fields"), ("table.csv", "not a readable")):
        result = CliRunner().invoke(
            app, ["plot", str(tmp_path / name), "-o", str(tmp_path / "a.png")]
        )
        assert result.exit_code == 2, result.output
        assert line in " ".join(result.output.split())


def test_a_place_without_values_says_so(forecast):
    """Where there is none of a lead time, and of no member."""
    none = forecast.where(forecast.latitude > 0)
    axes = none.axialcast.plot_meteogram(-40, 0, level=500).axes[0]
    assert [text.get_text() for text in axes.texts] == ["no data"]
    low, high = axes.get_xlim()
    assert low < 1 < 2 < high  # days


def test_what_is_the_same_all_over_has_no_lines(forecast):
    """Shares of four equal values add up to them but for the last digit, and 250 is a level."""
    same = xr.full_like(forecast, 250.0)
    figure = same.axialcast.plot_map()
    assert np.unique(figure.axes[0].images[0].get_array()).tolist() == [250.0]


@pytest.mark.parametrize("south", [-60.0, 50.0], ids=["tall", "cap"])
def test_titles_do_not_lie_over_notes(forecast, south):
    grid = LatLonGrid(np.linspace(south, 90 if south > 0 else 60, 7), np.arange(12) * 30.0)
    if south < 0:
        grid = LatLonGrid(grid.latitude, np.arange(12) * 4.0)
    axes = (
        forecast.assign_coords(latitude=grid.latitude, longitude=grid.longitude)
        .axialcast.plot_map(level=500)
        .axes[0]
    )
    renderer = axes.figure.canvas.get_renderer()
    title, *others = (
        text.get_window_extent(renderer) for text in (axes._left_title, *axes.texts[::-1])
    )
    note = others[0]
    assert not title.overlaps(note)
    assert not any(note.overlaps(name) for name in others[1:])
    assert title.y1 <= axes.figure.bbox.y1


def test_dates_and_leads_in_many_forms(forecast):
    for time in ("2001-01-01T12", "2001-01-01 12:00", np.datetime64("2001-01-01T12")):
        assert init_chosen(forecast, time) == 1
    for lead in (48, "48", "48h", "2D", np.timedelta64(2, "D")):
        assert lead_chosen(forecast, lead) == 1


def test_places_off_a_region_are_refused():
    grid = LatLonGrid(np.arange(40.0, 60, 2), np.arange(0, 20, 2.0))
    assert nearest_cell(grid, 41.1, 362.2) == (1, 1)
    with pytest.raises(ValueError, match="off the grid"):
        nearest_cell(grid, -40, 10)


def test_command_draws_and_refuses(forecast, tmp_path):
    forecast.to_netcdf(tmp_path / "f.nc")
    run = CliRunner().invoke
    out = tmp_path / "m.svg"
    result = run(app, ["plot", str(tmp_path / "f.nc"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert b"<svg" in out.read_bytes()
    for arguments in (["map", "--lat", "3"], ["meteogram"], ["map", "-o", "x.gif"]):
        assert run(app, ["plot", str(tmp_path / "f.nc"), *arguments]).exit_code == 2


def test_importing_axialcast_stays_cheap():
    code = "import sys, axialcast; assert 'xarray' not in sys.modules; import xarray as xr; "
    code += (
        "axialcast.open_analysis; xr.Dataset().axialcast; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert axialcast.accessor.__all__ == ["Pictures"]
