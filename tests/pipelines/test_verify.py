"""The stage `verify` on a store and a forecast made by hand."""

import contextlib
import os
import runpy
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.baselines.baseline import with_valid_time
from axialcast.forecast import ForecastStore, ForecastWriter
from axialcast.grid import LatLonGrid
from axialcast.names import VARIABLES
from axialcast.report.losses import losses_shown
from axialcast.run.config import Config
from axialcast.run.stage import Stage
from axialcast.run.stages import run_stages
from axialcast.run.stamps import write_stamp
from axialcast.run.verification import Verification, fit_baselines, in_order, score, training_log

STAGE = runpy.run_path(str(Path(__file__).parents[2] / "pipelines" / "verify.py"))
DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 3]) * DAY


def store(path, forecast):
    """Writes forecasts as the pipeline does."""
    template = with_valid_time(forecast)
    with ForecastWriter(path, template) as writer:
        writer.write(template.isel(init_time=writer.missing))


@pytest.fixture
def config(tmp_path, analysis_and_forecast):
    analysis, forecast = analysis_and_forecast
    analysis.to_netcdf(tmp_path / "analysis.nc")
    output = tmp_path / "run"
    store(output / "forecast.zarr", forecast)
    return Config(
        pipeline=["verify"],
        output=output,
        data={
            "store": str(tmp_path / "analysis.nc"),
            "variables": ["mean_sea_level_pressure"],
            "train": ["2001", "2002"],
            "validate": ["2003-01", "2003-06"],
            "test": ["2003-07", "2003-12"],
        },
        verify={"regions": {"north": {"latitude": [20, 90], "longitude": [-30, 60]}}},
    )


@pytest.fixture(scope="module")
def analysis_and_forecast():
    """Three years of noise around 1000 hPa, and forecasts 200 Pa too high."""
    grid = LatLonGrid.regular(5, 7, poles=False)
    times = np.datetime64("2001-01-01", "ns") + np.arange(1095) * DAY
    values = 1e5 + 500 * np.random.default_rng(0).standard_normal((1095, 5, 7))
    coords = {"time": times, "latitude": grid.latitude, "longitude": grid.longitude}
    attrs = VARIABLES["mean_sea_level_pressure"].attrs
    name, dims = "mean_sea_level_pressure", ("time", "latitude", "longitude")
    analysis = xr.Dataset({name: (dims, values.astype(np.float32), attrs)}, coords)
    inits = times[1050:1061]
    rows = np.add.outer(np.arange(1050, 1061), [1, 2, 3])
    forecast = xr.Dataset(
        {name: (("init_time", "lead_time", *dims[1:]), analysis[name].values[rows] + 200, attrs)},
        {"init_time": inits, "lead_time": LEADS, **{dim: coords[dim] for dim in dims[1:]}},
    )
    return analysis, forecast


@pytest.mark.parametrize(
    ("opened", "told"),
    [
        (
            lambda ds: ds[["pressure"]],
            "holds temperature, which era5.nc as opened lacks, with pres",
        ),
        (
            lambda ds: ds.sel(level=[500]),
            "holds 850 hPa, which era5.nc as opened lacks, with 500 hP",
        ),
        (
            lambda ds: ds.isel(level=0, drop=True),
            "holds 500 hPa, which era5.nc as opened lacks, with no hPa; add it to data.levels, or",
        ),
    ],
)
def test_what_the_analysis_lacks_is_not_left_out(opened, told):
    coords = {"level": [500.0, 850.0], "init_time": [np.datetime64("2001-01-01", "ns")]}
    fields = {"pressure": ("init_time", [1.0]), "temperature": (("init_time", "level"), [[1, 2]])}
    forecast = xr.Dataset(fields, coords)
    analysis = opened(forecast.rename(init_time="time"))
    with pytest.raises(ValueError) as error:
        in_order(forecast, Path("forecast.zarr"), analysis, "era5.nc")
    assert str(error.value).startswith(f"forecast.zarr: {told}")
    more = forecast.rename(init_time="time").reindex(level=[850.0, 250.0, 500.0]).assign(other=1)
    found = in_order(forecast, Path("forecast.zarr"), more, "era5.nc")
    xr.testing.assert_identical(found, forecast)


def test_scores_on_disk(config, capsys):
    STAGE["run"](config)
    assert {path.name for path in config.output.iterdir()} == {
        "forecast.zarr",
        "scores.nc",
        "scores_by_init.nc",
        "scores.csv",
        "report.html",
        ".fitted",
        ".sums",
    }
    table = pd.read_csv(config.output / "scores.csv")
    assert list(table) == [
        "model",
        "variable",
        "level",
        "lead_time_hours",
        "metric",
        "region",
        "value",
        "num_pairs",
        "masked",
        "lower",
        "upper",
    ]
    assert (table.lower <= table.value)[table.lower.notna()].all()
    assert len(table) == 6 * 4 * 2 * 3
    own = table[(table.model == "forecast") & table.metric.isin(["rmse", "mae", "bias"])]
    np.testing.assert_allclose(own.value, 200.0, rtol=1e-5)
    assert set(table.region) == {"all", "north"}
    climatology = table[(table.model == "climatology") & (table.metric == "rmse")].value
    np.testing.assert_allclose(climatology, 500, rtol=0.2)
    with xr.open_dataset(config.output / "scores.nc", decode_timedelta=True) as scores:
        np.testing.assert_array_equal(scores.lead_time.values, LEADS)
        rmse = scores.mean_sea_level_pressure.sel(metric="rmse", model="persistence", region="all")
        kept = table[(table.model == "persistence") & (table.metric == "rmse")]
        np.testing.assert_allclose(kept[kept.region == "all"].value, rmse, rtol=1e-6)
        assert (scores.mean_sea_level_pressure_num_pairs == 11).all()
    printed = capsys.readouterr().out
    assert "rmse of air pressure at mean sea level (Pa)" in printed
    assert "linear_inverse_model" in printed
    page = (config.output / "report.html").read_text("utf-8")
    assert "mean_sea_level_pressure" in page  # the config
    assert "2001 to 2002" in page


def test_only_initial_times_that_are_asked_for_are_scored(config, capsys):
    """A store may hold more: of a longer test period, or written by another program."""
    asked = ["2003-11-17", "2003-11-19", "2003-12-30"]
    chosen = config.forecast.model_copy(update={"init_times": asked})
    STAGE["run"](config.model_copy(update={"forecast": chosen}))
    assert "verify: 1 of 3 initial times are absent, so not scored" in capsys.readouterr().out
    table = pd.read_csv(config.output / "scores.csv")
    assert (table.num_pairs == 2).all()


@pytest.fixture
def small_blocks(monkeypatch):
    """Six blocks of two days and less."""
    monkeypatch.setattr("axialcast.scores.blocks.LONGEST_DAYS", 2)


@pytest.mark.usefixtures("small_blocks")
def test_workers_leave_what_one_process_leaves(config, monkeypatch):
    cluster = config.cluster.model_copy(update={"workers": 2})
    shared = config.model_copy(update={"output": config.output / "shared", "cluster": cluster})
    shutil.copytree(config.output / "forecast.zarr", shared.output / "forecast.zarr")
    STAGE["run"](config)
    with ThreadPoolExecutor(2) as pool:
        own = STAGE["run"].__globals__
        monkeypatch.setitem(own, "workers", lambda _: contextlib.nullcontext(pool))
        STAGE["run"](shared)
    # The report shows the config's output.
    for name in ("scores.nc", "scores_by_init.nc", "scores.csv"):
        assert (shared.output / name).read_bytes() == (config.output / name).read_bytes()
    found, expected = (
        {path.name: path.read_bytes() for path in (output / ".sums").glob("*.sums")}
        for output in (shared.output, config.output)
    )
    assert found == expected
    assert len(found) == 6


def test_forecasts_that_change_meanwhile_are_not_scored(config):
    state = Verification.open(config).state
    assert score(config, state, 0, 1) == 1
    with pytest.raises(ValueError, match=r"forecast\.zarr: changed while .* run again"):
        score(config, "of other forecasts", 0, 1)


def test_baselines_never_see_the_test_years(config, analysis_and_forecast):
    analysis, _ = analysis_and_forecast
    climatology, baselines = fit_baselines(config, analysis, LEADS)
    spoilt = analysis.copy(deep=True)
    spoilt["mean_sea_level_pressure"][730:] = 0.0
    elsewhere = config.model_copy(update={"output": config.output / "other"})
    again, others = fit_baselines(elsewhere, spoilt, LEADS)
    xr.testing.assert_identical(climatology.coefficients, again.coefficients)
    xr.testing.assert_identical(
        baselines["damped_persistence"].damping, others["damped_persistence"].damping
    )
    np.testing.assert_array_equal(
        baselines["linear_inverse_model"].propagator, others["linear_inverse_model"].propagator
    )


def test_a_forecast_that_was_not_made_is_named(config):
    elsewhere = config.model_copy(update={"output": config.output / "other"})
    with pytest.raises(FileNotFoundError, match=r"forecast\.zarr: no such forecast; run"):
        STAGE["run"](elsewhere)


RESULTS = ("scores.nc", "scores_by_init.nc", "scores.csv", "report.html")


def results(config):
    """The outputs' bytes, and names and bytes of what is kept."""
    paths = [*(config.output / name for name in RESULTS), *(config.output / ".sums").rglob("*")]
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


def forget(config):
    for path in (config.output / name for name in RESULTS):
        path.unlink(missing_ok=True)
    shutil.rmtree(config.output / ".sums", ignore_errors=True)


@pytest.fixture
def blocks_of_four_days(monkeypatch):
    monkeypatch.setattr("axialcast.scores.blocks.LONGEST_DAYS", 4)


@pytest.fixture
def at_once(config, blocks_of_four_days):
    """The results of one go; nothing of them is left."""
    STAGE["run"](config)
    found = results(config)
    forget(config)
    return found


def test_made_twice_the_outputs_are_the_same_bytes(config, at_once, capsys):
    STAGE["run"](config)
    assert results(config) == at_once
    capsys.readouterr()
    STAGE["run"](config)
    assert results(config) == at_once
    assert "verify: 3 of 3 blocks were kept" in capsys.readouterr().out


@pytest.mark.parametrize("known", [slice(0, 7), slice(5, None), [0, 1, 2, 7, 8, 9, 10]])
def test_initial_times_that_are_added_change_nothing_else(
    config, at_once, analysis_and_forecast, capsys, known
):
    _, forecast = analysis_and_forecast
    shutil.rmtree(config.output)
    store(config.output / "forecast.zarr", forecast.isel(init_time=known))
    STAGE["run"](config)
    assert results(config) != at_once
    capsys.readouterr()
    store(config.output / "forecast.zarr", forecast)
    STAGE["run"](config)
    assert results(config) == at_once
    assert " of 3 blocks were kept" in capsys.readouterr().out


def test_a_forecast_made_anew_is_scored_anew(config, at_once, analysis_and_forecast, capsys):
    STAGE["run"](config)
    _, forecast = analysis_and_forecast
    changed = forecast.copy(deep=True)
    changed["mean_sea_level_pressure"][6, 2, 4, 6] += 100
    path = config.output / "forecast.zarr"
    ForecastStore(path).drop(changed.init_time.values[[6]])
    store(path, changed)
    capsys.readouterr()
    STAGE["run"](config)
    assert "verify: 2 of 3 blocks were kept" in capsys.readouterr().out
    goes_on = results(config)
    assert goes_on["scores.nc"] != at_once["scores.nc"]
    forget(config)
    STAGE["run"](config)
    assert results(config) == goes_on


@pytest.mark.parametrize("name", ["analysis.nc", "analysis.zarr"])
def test_a_corrected_analysis_is_noticed(config, at_once, analysis_and_forecast, capsys, name):
    """Also where the store's own labels do not tell."""
    analysis, _ = analysis_and_forecast
    store = config.output.parent / name
    if store.suffix == ".zarr":
        analysis.chunk(time=7).to_zarr(store, zarr_format=2, consolidated=False)
    data = config.data.model_copy(update={"store": str(store)})
    config = config.model_copy(update={"data": data})
    STAGE["run"](config)
    STAGE["run"](config)
    assert "verify: 3 of 3 blocks were kept" in capsys.readouterr().out
    corrected = analysis.copy(deep=True)
    corrected["mean_sea_level_pressure"][1054, 2, 3] += 50  # verifies and begins forecasts
    if store.suffix == ".zarr":
        region = corrected.isel(time=slice(1050, 1057)).drop_vars(["latitude", "longitude"])
        region.to_zarr(store, region={"time": slice(1050, 1057)}, zarr_format=2, consolidated=False)
    else:
        corrected.to_netcdf(store)
    before = results(config)["scores.nc"]
    STAGE["run"](config)
    assert " of 3 blocks were kept" in capsys.readouterr().out
    goes_on = results(config)
    assert goes_on["scores.nc"] != before
    forget(config)
    STAGE["run"](config)
    assert results(config) == goes_on


def test_damaged_sums_are_made_again_by_the_stage(config, at_once, capsys):
    run_stages(config)
    path = sorted((config.output / ".sums").glob("*.sums"))[1]
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    mine = config.output / ".sums" / "mine.txt"
    mine.write_text("mine")
    capsys.readouterr()
    run_stages(config, verify=True)
    said = capsys.readouterr().out
    assert f"verify: {path}: its bytes changed" in said
    assert "verify: 2 of 3 blocks were kept" in said
    assert results(config) == at_once | {"mine.txt": b"mine"}
    run_stages(config)
    assert "verify: up to date" in capsys.readouterr().out
    run_stages(config, force=True)
    assert "were kept" not in capsys.readouterr().out
    assert results(config) == at_once | {"mine.txt": b"mine"}


def test_a_forecast_that_the_analysis_lacks_is_named(config, analysis_and_forecast):
    _, forecast = analysis_and_forecast
    shutil.rmtree(config.output)
    both = forecast.assign(density=forecast["mean_sea_level_pressure"])
    store(config.output / "forecast.zarr", both)
    with pytest.raises(ValueError, match=r"forecast\.zarr: holds density, which .*analysis\.nc"):
        STAGE["run"](config)


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 29])
def test_killed_at_any_event_it_goes_on_to_the_same_bytes(config, at_once, killed_at, capsys, step):
    number, kept = step, 0
    while killed_at(lambda: run_stages(config), number, config.output):
        run_stages(config)
        assert results(config) == at_once
        assert {path.name for path in config.output.iterdir()} == {
            "forecast.zarr",
            ".fitted",
            ".stages",
            ".sums",
            "config.yaml",
            *RESULTS,
        }
        kept += " of 3 blocks were kept" in capsys.readouterr().out
        forget(config)
        number += step
    assert results(config) == at_once
    assert number > 3 * 4 + 3 * 4  # opened, synced and moved: blocks and results
    assert kept > number / step / 3


@pytest.mark.slow
def test_killed_at_random_moments_it_goes_on_to_the_same_bytes(config, at_once):
    rng = np.random.default_rng(11)
    start = time.monotonic()
    run_stages(config)
    whole = time.monotonic() - start
    for _ in range(30):
        forget(config)
        for _ in range(2):
            child = os.fork()
            if child == 0:
                with contextlib.suppress(BaseException):
                    run_stages(config)
                os._exit(0)
            time.sleep(rng.uniform(0, 1.2 * whole))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        run_stages(config)
        assert results(config) == at_once


def test_names_are_printed_as_they_are(config, capsys, analysis_and_forecast):
    """Those of a store in square brackets are no markup, and those with escapes are no commands."""
    STAGE["run"](config)
    scores = xr.open_dataset(config.output / "scores.nc").load()
    scores.mean_sea_level_pressure.attrs["long_name"] = "[red]a[/nothing] :smile: \x1b[2J$x_$"
    names = ["forecast", "[/bold]", *scores["model"].values.tolist()[2:]]
    capsys.readouterr()
    STAGE["print_scores"](scores.assign_coords(model=names))
    out = capsys.readouterr().out
    assert "[red]a[/nothing] :smile: [2J$x_$" in " ".join(out.split())
    assert "[/bold]" in out
    assert "\x1b" not in out


def test_the_report_shows_the_losses_of_the_training_that_has_ended(config):
    """To the byte when made again; not those of a log that is not as the training left it."""
    report, log = config.output / "report.html", config.output / "log.jsonl"
    log.write_text("".join(f'{{"step": {step}, "loss": {1 / step}}}\n' for step in range(1, 9)))
    assert training_log(config.output) == []  # nobody says that it is of this checkpoint
    train = Stage.load(Path(__file__).parents[2] / "pipelines" / "train.py")
    write_stamp(config.output, train, {})
    assert [line["step"] for line in training_log(config.output)] == [*range(1, 9)]
    pages = []
    for _ in range(2):
        STAGE["run"](config)
        pages.append(report.read_bytes())
    assert pages[0] == pages[1]
    assert b">Training</h2>" in pages[0]
    for broken in (b"\xff\x00[[{", b'{"step": 1, "lo', b"[1]\n", log.read_bytes() + b"{}\n"):
        log.write_bytes(broken)
        assert training_log(config.output) == []
        write_stamp(config.output, train, {})  # even where it was left like this
        assert losses_shown(training_log(config.output)) is None or broken.endswith(b"{}\n")
    log.unlink()
    assert training_log(config.output) == []
