"""Whatever passes `check` comes through the whole line, and its numbers are those of its labels.

Configs and small stores are drawn: names, units and orders of variables, levels, latitudes and
files; gaps and missing values; prepared or not; the network, the forecasts and the scores. What is
forecast and scored is compared with plain numpy on the values as they were drawn.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

import axialcast
from axialcast.data import open_analysis
from axialcast.data.preparing.regrid import Weights, covered
from axialcast.forecast import ForecastStore
from axialcast.grid import LatLonGrid, grid_of
from axialcast.names import canonical
from axialcast.run.config import Config, load_config
from axialcast.run.preflight import check_run
from axialcast.run.stages import run_stages

HOUR = np.timedelta64(3_600_000_000_000, "ns")


def written(drawn: Any, folder: Path) -> Config:
    """The config, of the store written in the folder.

    Raises:
        ValueError: it is none.
    """
    pattern = "whole.zarr"
    if len(drawn.files) > 1:
        pattern = "part*.nc"
        for number, file in enumerate(drawn.files):
            file.to_netcdf(folder / f"part{number}.nc")
    else:
        drawn.files[0].chunk(time=5).to_zarr(folder / pattern, zarr_format=2)
    data = {**drawn.sections["data"], "store": str(folder / pattern)}
    text = yaml.safe_dump({**drawn.sections, "data": data, "output": str(folder / "run")})
    (folder / "line.yaml").write_text(text)
    return load_config(folder / "line.yaml")


def asked_for(drawn: Any) -> xr.Dataset:
    """The part of the truth that the config asks for, reduced as it asks."""
    data, prepare = drawn.sections["data"], drawn.sections["prepare"] or {}
    truth = drawn.truth[[canonical(name) for name in data["variables"]]]
    if "level" in truth.dims and data["levels"]:
        truth = truth.sel(level=data["levels"])
    for dim, (low, high) in (data["region"] or {}).items():
        truth = truth.isel({dim: (truth[dim] >= low - 1e-3) & (truth[dim] <= high + 1e-3)})
    if "aggregate_hours" in prepare:
        sums = prepare.get("accumulated", ["total_precipitation"])
        truth = daily(truth, ["total_precipitation"] if sums else [])
    if "regrid" in prepare:
        grid = LatLonGrid.regular(**prepare["regrid"])
        grid = covered(grid, grid_of(truth))
        means = Weights.between(grid_of(truth), grid).means
        places = ("latitude", "longitude")
        fields = {
            name: ([d for d in array.dims if d not in places] + list(places), means(array.values))
            for name, array in truth.transpose(..., *places).items()
        }
        truth = xr.Dataset(fields, truth.drop_dims(places).coords).assign_coords(
            latitude=grid.latitude, longitude=grid.longitude
        )
    return truth


def daily(truth: xr.Dataset, sums: list[str]) -> xr.Dataset:
    """Means of what is from 00 UTC on, sums of what has fallen since 00 UTC, of whole days."""
    spacing = np.diff(truth.time.values).min()
    fields = {}
    for name, array in truth.items():
        times = array.time.values - (spacing if name in sums else 0 * spacing)
        days, counts = np.unique(times.astype("M8[D]"), return_counts=True)
        days = days[counts == np.timedelta64(1, "D") // spacing]
        parts = (array.values[times.astype("M8[D]") == day] for day in days)
        values = [part.sum(0) if name in sums else part.mean(0) for part in parts]
        coords = {**array.drop_vars("time").coords, "time": days.astype("M8[ns]")}
        fields[name] = xr.DataArray(np.stack(values), coords, array.dims)
    return xr.Dataset(dict(zip(fields, xr.align(*fields.values()), strict=True)))


def rmse_of_persistence(
    truth: xr.DataArray, inits: Any, lead: Any, lags: Sequence[Any], areas: Any
) -> float:
    """Of the pairs that can be scored: root of the mean of their area-weighted squared errors.

    Args:
        truth: (time, latitude, longitude).
        inits, lead: when forecasts begin, and how long they run.
        lags: how long before these times other states must be there.
        areas: (latitude, longitude) of the cells.
    """
    index, squares = pd.DatetimeIndex(truth.time.values), []
    for init in inits:
        rows = index.get_indexer([init, init + lead, *(init - lag for lag in lags)])
        error = truth.values[rows[0]] - truth.values[rows[1]]
        known = np.isfinite(error)
        if (rows >= 0).all() and known.any():
            squares.append(np.average(error[known] ** 2, weights=areas[known]))
    return float(np.sqrt(np.mean(squares))) if squares else np.nan


def compare_forecast(truth: xr.Dataset, config: Config) -> xr.Dataset:
    """The forecast that was stored, whose labels are what was asked for."""
    assert config.data is not None
    path = config.output / "forecast.zarr"
    forecast = ForecastStore(path).dataset().load()
    assert set(forecast) == set(truth)  # a store has no order of variables
    for name, array in truth.items():
        assert forecast[name].attrs["units"] == axialcast.names.VARIABLES[name].units
        if "level" in array.dims:
            assert forecast[name].level.values.tolist() == array.level.values.tolist()
    for dim in ("latitude", "longitude"):
        np.testing.assert_allclose(forecast[dim], truth[dim], atol=1e-3)
    named = {"axialcast": "lead_time", "weatherbench2": "prediction_timedelta"}
    assert named[config.forecast.layout] in xr.open_zarr(path, decode_timedelta=True).dims
    spacing = np.diff(truth.time.values).min()
    step = (config.data.step_hours or spacing / HOUR) * HOUR
    num = round(config.forecast.lead_time_hours / (step / HOUR))
    assert (forecast.lead_time.values == np.arange(1, num + 1) * step).all()
    inits = forecast.init_time.values.astype("M8[h]")
    if config.forecast.init_times != "test":
        assert inits.astype(str).tolist() == list(config.forecast.init_times)
    else:
        times = truth.sel(time=slice(*config.data.test)).time.values.astype("M8[h]")
        every = (config.forecast.init_every_hours or 0) * np.timedelta64(1, "h")
        assert inits.tolist() == [t for t in times if not every or (t - times[0]) % every == 0]
    return forecast


def compare_predictions(forecast: xr.Dataset, config: Config) -> None:
    """What the checkpoint predicts from the analysis, or from its path, is what was stored."""
    assert config.data is not None
    forecaster = axialcast.load(config.output / "checkpoint", device="cpu")
    stores: list[Any] = [open_analysis(config.analysis_store, **config.opening)]
    if config.prepare or not config.data.region:  # else a path does not say which region
        stores.append(config.analysis_store)
    for store in stores:
        again = forecaster.predict(
            store,
            init_times=forecast.init_time.values,
            lead_times=forecast.lead_time.values,
            batch_size=2,
        )
        for name, array in again.items():
            near = 1e-4 * float(forecast[name].std())
            np.testing.assert_allclose(array, forecast[name], atol=near, rtol=1e-5)


def compare_scores(forecast: xr.Dataset, truth: xr.Dataset, config: Config) -> None:
    """Persistence has the scores that plain numpy finds in what was drawn."""
    scores, verify = xr.open_dataset(config.output / "scores.nc"), config.verify
    assert set(verify.metrics) == set(scores.metric.values)
    assert {"forecast", *verify.baselines} == set(scores.model.values)
    if not {"persistence"} <= set(verify.baselines) or "rmse" not in verify.metrics:
        return
    lags = forecast.lead_time.values[:1] if "linear_inverse_model" in verify.baselines else []
    areas = LatLonGrid(truth.latitude.values, truth.longitude.values).areas
    found = scores.sel(model="persistence", metric="rmse", region="all")
    for name, array in truth.items():
        for level in array.level.values if "level" in array.dims else [None]:
            for lead in forecast.lead_time.values:
                at = {"lead_time": lead} | ({} if level is None else {"level": level})
                field = array if level is None else array.sel(level=level)
                expected = rmse_of_persistence(field, forecast.init_time.values, lead, lags, areas)
                np.testing.assert_allclose(found[name].sel(at), expected, rtol=2e-3)


def comes_through(drawn: Any, folder: Path) -> bool:
    """Runs what is drawn and compares; False if it was refused before."""
    try:
        config = written(drawn, folder)
        check_run(config, scan=True)
    except (ValueError, OSError) as error:
        lines = getattr(error, "lines", [str(error)])
        if not all(line and "\n" not in line for line in lines):
            raise
        return False
    try:
        run_stages(config, say=lambda line: None)
        truth = asked_for(drawn)
        forecast = compare_forecast(truth, config)
        compare_predictions(forecast, config)
        compare_scores(forecast, truth, config)
    except BaseException as error:
        error.add_note(f"{drawn.truth}\n{yaml.safe_dump(drawn.sections)}")
        raise
    return True


def test_what_passes_check_comes_through(
    draw_line: Callable[[int], Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    through = [comes_through(draw_line(seed), tmp_path_factory.mktemp("line")) for seed in range(8)]
    assert sum(through) > 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8, 414))
def test_whatever_is_drawn(seed: int, draw_line: Callable[[int], Any], tmp_path: Path) -> None:
    comes_through(draw_line(seed), tmp_path)


@pytest.mark.parametrize(
    ("init_times", "remedy"),
    [
        ("test", "list the initial times that have theirs"),
        (["2001-03-21", "2001-03-23"], "leave it out"),
    ],
)
def test_a_gap_before_an_initial_time_is_found_by_check(
    make_analysis: Callable[..., xr.Dataset], tmp_path: Path, init_times: Any, remedy: str
) -> None:
    analysis = make_analysis(num_times=90).isel(time=[n for n in range(90) if n != 80])
    analysis.to_netcdf(tmp_path / "a.nc")
    periods = {"train": ["2001-01-01", "2001-02-28"], "validate": ["2001-03-01", "2001-03-20"]}
    names = ["geopotential", "mean_sea_level_pressure"]
    data = {"store": str(tmp_path / "a.nc"), "variables": names, "gaps": "keep", **periods}
    sections = {
        "pipeline": ["train", "forecast", "verify"],
        "data": {**data, "test": ["2001-03-21", "2001-03-30"]},
        "forecast": {"lead_time_hours": 24, "init_times": init_times},
        "train": {"schedule": [{"steps": 1}], "batch_size": 2},
        "verify": {"harmonics": 0},
    }
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(sections))
    with pytest.raises(ValueError) as error:
        check_run(load_config(tmp_path / "x.yaml"))
    problem = "2001-03-23T00 needs the analysis of 2001-03-22T00, which the store lacks"
    assert str(error.value) == f"{tmp_path}/a.nc: forecast.init_times: {problem}; {remedy}"
