"""Whatever passes `check` comes through the whole line, and its numbers are those of its labels.

Configs and small stores are drawn: names, units and orders of variables, levels, latitudes and
files; gaps and missing values; prepared or not; the network, the forecasts and the scores. What is
forecast and scored is compared with plain numpy on the values as they were drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

import axialcast
from axialcast.data import open_analysis
from axialcast.data.preparing.regrid import covered, regrid
from axialcast.forecast import ForecastStore
from axialcast.grid import LatLonGrid
from axialcast.names import canonical
from axialcast.run.config import Config, load_config
from axialcast.run.preflight import check_run
from axialcast.run.stages import run_stages

HOUR = np.timedelta64(3_600_000_000_000, "ns")
FIRST = np.datetime64("2001-03-01", "ns")

VARIABLES: dict[str, Any] = {
    # foreign names, whether it has levels, (units, factor, offset to canonical), mean and spread
    "geopotential": (("z", "phi"), True, [("m2 s-2", 1, 0), ("m**2 s**-2", 1, 0)], 5e4, 900),
    "temperature": (("t", "ta"), True, [("K", 1, 0), ("degC", 1, 273.15)], 260, 5),
    "mean_sea_level_pressure": (("msl",), False, [("Pa", 1, 0), ("hPa", 100, 0)], 1e5, 800),
    "2m_temperature": (("t2m", "2t"), False, [("K", 1, 0), ("degC", 1, 273.15)], 285, 7),
    "total_precipitation": (("tp",), False, [("m", 1, 0), ("mm", 1e-3, 0)], 0.004, 0.0003),
}
"""Of which stores are drawn."""

PREPARE = [
    None,
    {},
    {"aggregate_hours": 24},
    {"aggregate_hours": 24, "accumulated": ["tp"]},
    {"aggregate_hours": 24, "accumulated": []},
    {"regrid": {"num_latitudes": 4, "num_longitudes": 6, "poles": False}},
]
METRICS = ["rmse", "mae", "bias", "acc"]
BASELINES = ["persistence", "climatology", "damped_persistence", "linear_inverse_model"]


class Dice:
    """Draws, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def of(self, *choices: Any) -> Any:
        """One of them."""
        return choices[self.rng.integers(len(choices))]

    def some(self, choices: Sequence[Any], least: int = 1) -> list[Any]:
        """Some of them, at least so many, in any order."""
        num = self.rng.integers(least, len(choices) + 1)
        return [choices[place] for place in self.rng.permutation(len(choices))[:num]]


@dataclass(frozen=True)
class Drawn:
    """A store and a config for it.

    Args:
        truth: (time, [level], latitude, longitude) what the store holds, in canonical names and
            units, in the store's order of levels and places.
        files: what each of the store's files holds, in foreign names and units.
        sections: the config.
    """

    truth: xr.Dataset
    files: list[xr.Dataset]
    sections: dict[str, Any]


def draw_places(dice: Dice) -> dict[str, Any]:
    """Latitudes either way, with poles or without or of a part; longitudes of any origin."""
    height, width = dice.of(7, 5, 3, 2), dice.of(11, 7, 5, 4)
    edges = np.linspace(90, -90, height + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    latitude = dice.of(np.linspace(90, -90, height), middles, np.linspace(75, 10, height))
    spacing = dice.of(360 / width, 360 / width, 9.0)
    return {
        "latitude": latitude[:: dice.of(1, -1)].copy(),
        "longitude": np.arange(width) * spacing + dice.of(0.0, 0.0, 0.0, -180.0, 5.0),
    }


def draw_store(dice: Dice, num: int, hours: int) -> tuple[xr.Dataset, list[xr.Dataset]]:
    """The truth at so many times, and the files that hold it."""
    names = dice.some(list(VARIABLES))[:3]
    coords = {
        "time": FIRST + np.arange(num) * hours * HOUR,
        "level": np.array(dice.some([850.0, 500.0, 250.0])),
        **draw_places(dice),
    }
    truth, raw = {}, {}
    for name in names:
        aliases, has_levels, units, mean, spread = VARIABLES[name]
        dims = [dim for dim in coords if dim != "level" or has_levels]
        shape = [len(coords[dim]) for dim in dims]
        values = mean + spread * dice.rng.standard_normal(shape).cumsum(0) / 3
        if dice.of(False, False, True):  # never known in some places
            values[..., dice.rng.random(shape[-2:]) < 0.2] = np.nan
        unit, factor, offset = dice.of(*units)
        given = ((values - offset) / factor).astype(np.float32)
        truth[name] = xr.DataArray(
            given.astype(np.float64) * factor + offset, {dim: coords[dim] for dim in dims}, dims
        )
        raw[dice.of(name, *aliases)] = truth[name].copy(data=given).assign_attrs(units=unit)
    gone = dice.of([], [], dice.rng.integers(1, num - 1, dice.of(1, 3)))
    there = np.setdiff1d(np.arange(num), gone)
    whole = xr.Dataset(raw).isel(time=there)
    if "level" in whole:
        whole["level"].attrs["units"] = "hPa"
    in_time = [whole.isel(time=slice(None, 5)), whole.isel(time=slice(5, None))]
    files = dice.of([whole], [whole], in_time, [whole[[name]] for name in whole])
    return xr.Dataset(truth).isel(time=there), files


def draw_region(dice: Dice, truth: xr.Dataset) -> dict[str, list[float]] | None:
    """A box from some of the store's latitudes and longitudes to others, or None."""
    box, first, last = {}, *dice.of((0, -1), (1, -1), (0, -2))
    for dim in ("latitude", "longitude"):
        found = np.sort(truth[dim].values)
        if len(found) < 4:
            return None
        box[dim] = [float(found[first]), float(found[last])]
    return dice.of(None, box)


def draw(seed: int) -> Drawn:
    """A store and a config that mostly fits it."""
    dice = Dice(seed)
    hours = dice.of(6, 12, 24, 24)
    lengths = [370 if hours == 24 and dice.of(True, False) else dice.of(11, 13, 19)]
    lengths += [dice.of(7, 9), dice.of(5, 8)]
    ends = np.cumsum([0, *lengths]) * np.timedelta64(1, "D") + np.datetime64("2001-03-01")
    periods = [[str(a), str(b - 1)] for a, b in pairwise(ends)]
    # Sums of the last day end with the next.
    num = (sum(lengths) + 1) * 24 // hours
    truth, files = draw_store(dice, num, hours)
    prepare = dice.of(None, None, *PREPARE)
    spacing = 24 if prepare and "aggregate_hours" in prepare else hours
    stride, inputs = dice.of(1, 1, 2), dice.of(1, 2, 3)
    step = spacing * stride
    tested = np.arange(ends[2].astype("M8[h]"), ends[3].astype("M8[h]"), spacing).astype(str)
    names = dice.some(list(truth))
    levels = truth.level.values.tolist() if any("level" in truth[n].dims for n in names) else []
    train, validate, test = periods
    sections = {
        "pipeline": [*(["prepare"] if prepare is not None else []), "train", "forecast", "verify"],
        "device": "cpu",
        "seed": seed,
        "data": {
            "variables": [dice.of(name, *VARIABLES[name][0]) for name in names],
            "levels": dice.of(None, dice.some(levels)) if levels else None,
            "gaps": dice.of("keep", "keep", "keep", "refuse"),
            "region": draw_region(dice, truth),
            "train": train,
            "validate": validate,
            "test": test,
            "input_steps": inputs,
            "step_hours": step if stride > 1 else dice.of(None, step),
        },
        "prepare": prepare,
        "model": {
            **{"dim": 8, "depth": 1, "heads": 2},
            "patch": [dice.of(1, inputs), dice.of(1, 2), dice.of(1, 2, 3)],
            "position": dice.of("learned", "sinusoidal", "rotary", "none"),
            "reversible": dice.of(True, False),
        },
        "train": {
            "schedule": [
                {"steps": 1, "rollout_steps": dice.of(1, 1, 2)} for _ in range(dice.of(1, 2))
            ],
            "batch_size": dice.of(1, 2, 3),
        },
        "forecast": {
            "lead_time_hours": step * dice.of(1, 2, 4),
            "init_times": dice.of("test", tested[:: dice.of(2, 3)][: dice.of(1, 3)].tolist()),
            "init_every_hours": dice.of(None, spacing * 3),
            "batch_size": dice.of(1, 3, 5),
            "layout": dice.of("axialcast", "weatherbench2"),
        },
        "verify": {
            "metrics": dice.some(METRICS),
            "baselines": dice.some(BASELINES, 0),
            "regions": dice.of({}, {"some": {"latitude": [-70, 80], "longitude": [0, 200]}}),
            "harmonics": dice.of(0, 1, 2, 3) if lengths[0] > 366 else 0,
        },
    }
    return Drawn(truth, files, sections)


def written(drawn: Drawn, folder: Path) -> Config:
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


def asked_for(drawn: Drawn) -> xr.Dataset:
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
        grid = covered(grid, LatLonGrid(truth.latitude.values, truth.longitude.values))
        truth = regrid(truth.astype(np.float32), grid)
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
            spread = 1e-4 * VARIABLES[str(name)][-1]
            np.testing.assert_allclose(array, forecast[name], atol=spread, rtol=1e-5)


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


def comes_through(seed: int, folder: Path) -> bool:
    """Runs what is drawn and compares; False if it was refused before."""
    drawn = draw(seed)
    try:
        config = written(drawn, folder)
        check_run(config, scan=True)
    except (ValueError, OSError) as error:
        lines = getattr(error, "lines", [str(error)])
        if not all(line and "\n" not in line for line in lines):
            raise
        print(f"{seed}: {error}")
        return False
    try:
        run_stages(config, say=lambda line: None)
        truth = asked_for(drawn)
        forecast = compare_forecast(truth, config)
        compare_predictions(forecast, config)
        compare_scores(forecast, truth, config)
    except BaseException as error:
        error.add_note(f"seed {seed}\n{drawn.truth}\n{yaml.safe_dump(drawn.sections)}")
        raise
    return True


def test_what_passes_check_comes_through(tmp_path_factory: pytest.TempPathFactory) -> None:
    through = [comes_through(seed, tmp_path_factory.mktemp("line")) for seed in range(20)]
    assert sum(through) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 420))
def test_whatever_is_drawn(seed: int, tmp_path: Path) -> None:
    comes_through(seed, tmp_path)
