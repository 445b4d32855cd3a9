"""The line from several stores: the same bits as from one that holds all of it."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner, Result

import axialcast
from axialcast.data.preparing.recipe import Recipe
from axialcast.run.cli import app
from axialcast.run.config import load_config
from axialcast.run.stamps import differences
from axialcast.run.stores import places

LATITUDE, LONGITUDE = np.linspace(75, -75, 6), np.arange(8) * 45.0
PLACES = {"latitude": LATITUDE, "longitude": LONGITUDE}
TIMES = pd.date_range("2001-01-01", "2001-02-09T18", freq="6h", unit="ns")
SST = "sea_surface_temperature"


def noise(times: pd.DatetimeIndex, base: float, spread: float) -> Any:
    """A wave that travels, and noise, the same for the same base."""
    rng = np.random.default_rng(int(base))
    phase = 2 * np.pi * (np.arange(len(times)) / 20)[:, None, None] + np.radians(LONGITUDE)
    field = np.sin(phase) * np.cos(np.radians(LATITUDE))[:, None]
    values = base + spread * (field + 0.1 * rng.standard_normal(field.shape))
    return ("time", "latitude", "longitude"), values.astype("f4")


def stores() -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Weather every six hours, sea-surface temperature of every day, and a mask."""
    days = TIMES[::4]
    weather = xr.Dataset(
        {
            "2m_temperature": (*noise(TIMES, 280, 9), {"units": "K"}),
            "mean_sea_level_pressure": (*noise(TIMES, 1e5, 900), {"units": "Pa"}),
            SST: (*noise(TIMES, 0, 1), {"units": "K"}),
        },
        {"time": TIMES, **PLACES},
    )
    sea = xr.Dataset({SST: (*noise(days, 290, 5), {"units": "K"})}, {"time": days, **PLACES})
    mask = np.random.default_rng(5).random((6, 8)).astype("f4")
    mask = xr.Dataset({"land_sea_mask": (("latitude", "longitude"), mask, {"units": "1"})}, PLACES)
    return weather, sea, mask


SETTINGS: dict[str, Any] = {
    "pipeline": ["train", "forecast", "verify"],
    "device": "cpu",
    "data": {
        "variables": ["2m_temperature", "mean_sea_level_pressure"],
        "forcings": [SST],
        "static": ["land_sea_mask"],
        "train": ["2001-01-01", "2001-01-20"],
        "validate": ["2001-01-21", "2001-01-27"],
        "test": ["2001-01-28", "2001-02-08"],
    },
    "model": {"dim": 8, "depth": 1, "heads": 2},
    "train": {"batch_size": 4, "schedule": [{"steps": 4}, {"steps": 2, "rollout_steps": 2}]},
    "forecast": {"lead_time_hours": 24, "init_every_hours": 48},
    "verify": {"harmonics": 0, "baselines": ["persistence"], "metrics": ["rmse", "bias"]},
}


def turned(sea: xr.Dataset) -> xr.Dataset:
    """The same from south to north, and from 180 degrees west."""
    around = sea.assign_coords(longitude=(sea.longitude + 180) % 360 - 180)
    return around.isel(latitude=slice(None, None, -1)).sortby("longitude")


def foreign(sea: xr.Dataset) -> xr.Dataset:
    """The same in other words: names, no units, a member of an ensemble."""
    other = sea.rename({SST: "temp", "latitude": "lat"})
    return xr.concat([other, other + 3], pd.Index([3, 5], name="number"), combine_attrs="drop")


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one.yaml and several.yaml, whose stores hold the same."""
    weather, sea, mask = stores()
    folder = tmp_path / "configs"
    folder.mkdir()
    held = sea.reindex(time=TIMES, method="ffill")
    one = weather.assign({SST: (held[SST].dims, held[SST].values, {"units": "K"})})
    one.to_netcdf(folder / "one.nc")
    mask.to_netcdf(folder / "mask.nc")
    mask.rename(land_sea_mask="field").to_netcdf(folder / "field.nc")
    weather.chunk(time=16).to_zarr(folder / "weather.zarr", consolidated=False)
    foreign(turned(sea)).to_netcdf(folder / "sea.nc")
    several = [
        "weather.zarr",
        {
            "store": "sea.nc",
            "variables": ["sst"],
            "rename": {"temp": "sst", "lat": "latitude"},
            "units": {"sst": "K"},
            "member": 3,
        },
        {"store": "field.nc", "variables": ["lsm"], "rename": {"field": "lsm"}},
    ]
    data = SETTINGS["data"]
    for name, source in (
        ("one", {"store": "one.nc", "static_store": "mask.nc"}),
        ("several", {"store": several}),
    ):
        sections = {**SETTINGS, "data": {**data, **source}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(sections))
    units = {"t2m": "K", "mean_sea_level_pressure": "Pa", "sst": "K"}
    mended = {"rename": {"temp": "t2m", "lat": "latitude"}, "units": units, "member": 3}
    foreign(one.rename({SST: "sst", "2m_temperature": SST})).to_netcdf(folder / "foreign.nc")
    source = {"store": "foreign.nc", "static_store": "mask.nc", **mended}
    (folder / "foreign.yaml").write_text(yaml.safe_dump({**SETTINGS, "data": {**data, **source}}))
    monkeypatch.chdir(tmp_path)
    return folder


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def ran(*arguments: str) -> str:
    result = call("run", *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def outputs(output: str) -> tuple[bytes, xr.Dataset, str]:
    return (
        Path(output, "checkpoint/weights.safetensors").read_bytes(),
        xr.open_zarr(f"{output}/forecast.zarr").load().drop_attrs(deep=False),
        Path(output, "scores.csv").read_text(),
    )


def same(one: str, other: str) -> None:
    for a, b in zip(outputs(one), outputs(other), strict=True):
        assert a.identical(b) if isinstance(a, xr.Dataset) else a == b


def test_several_stores_give_the_bits_of_one(configs: Path) -> None:
    """So does one that has to be mended from the YAML."""
    for name in ("one", "several", "foreign"):
        told = call("check", f"configs/{name}.yaml")
        assert told.exit_code == 0, told.output
        ran(f"configs/{name}.yaml", f"output={name}")
        same("one", name)
        assert "skipped" in ran(f"configs/{name}.yaml", f"output={name}")
    again = yaml.safe_load(Path("several/config.yaml").read_text())["data"]["store"]
    assert again[0] == "configs/weather.zarr"
    assert again[1]["store"] == "configs/sea.nc"
    known = json.loads(Path("several/checkpoint/model.json").read_text())
    places = [*("configs/weather.zarr", "configs/sea.nc", "configs/field.nc")]
    assert known["provenance"]["store"] == places
    assert "configs/sea.nc" in call("inspect", "several").output
    made = xr.open_zarr("several/forecast.zarr").isel(init_time=slice(2)).load()
    named = load_config("configs/several.yaml").source_store
    forecaster = axialcast.load("several/checkpoint", device="cpu")
    labels = {"init_times": made.init_time.values, "lead_times": made.lead_time.values}
    xr.testing.assert_allclose(forecaster.predict(named, **labels), made, rtol=1e-6)


def test_a_training_store_of_several_is_that_of_one(configs: Path) -> None:
    given = ["pipeline=prepare", "data.static_store=configs/field.nc"]
    for name in ("one", "several"):
        ran(f"configs/{name}.yaml", *given, f"output={name}")
    made = [axialcast.open_analysis(f"{name}/training.zarr").load() for name in ("one", "several")]
    assert made[0].identical(made[1])
    ran("configs/several.yaml", "pipeline=train", "prepare={}", *given[1:], "output=several")
    # What is said of a store decides what is made: a store in the making is not gone on with.
    text = Path("configs/several.yaml").read_text().replace("member: 3", "member: 5")
    Path("configs/several.yaml").write_text(text)
    result = call("run", "configs/several.yaml", *given, "output=several")
    assert "was made with recipe.stores" in result.output


def test_stores_on_grids_of_their_own_are_regridded_each(configs: Path) -> None:
    """As where a file holds what the coarser one becomes, of each of its cells."""
    _, sea, _ = stores()
    fine = sea.isel(latitude=np.repeat(np.arange(6), 2), longitude=np.repeat(np.arange(8), 2))
    fine = fine.assign_coords(
        latitude=np.linspace(82.5, -82.5, 12), longitude=np.arange(16) * 22.5 - 11.25
    )
    foreign(turned(fine)).to_netcdf("configs/sea.nc")
    weather = xr.open_zarr("configs/weather.zarr", consolidated=False).load()
    held = sea.reindex(time=TIMES, method="ffill")[SST]
    result = call("check", "configs/several.yaml")
    assert "another grid than configs/weather.zarr: latitude: expected 6" in result.output
    assert "prepare.regrid" in result.output
    regrid = "prepare={regrid: {num_latitudes: 6, num_longitudes: 8, poles: false}}"
    ran("configs/several.yaml", "pipeline=[prepare,train]", regrid, "output=out")
    made = axialcast.open_analysis("out/training.zarr")
    np.testing.assert_allclose(made[SST], held, rtol=1e-6)
    np.testing.assert_allclose(made["2m_temperature"], weather["2m_temperature"], rtol=1e-6)


def test_what_is_said_of_times_outlasts_regridding(tmp_path: Path) -> None:
    weather, sea, _ = stores()
    rain = weather[["2m_temperature"]].rename({"2m_temperature": "total_precipitation"}) * 1e-6
    rain.total_precipitation.attrs = {"units": "m", "cell_methods": "time: sum"}
    for name, dataset in {"rain": rain, "sea": sea}.items():
        dataset.to_netcdf(tmp_path / f"{name}.nc")
    grid = {"num_latitudes": 3, "num_longitudes": 4, "poles": False}
    places = [str(tmp_path / f"{name}.nc") for name in ("rain", "sea")]
    recipe = Recipe(places, ("2001-01-01", "2001-01-20"), regrid=grid, aggregate_hours=24)
    with pytest.raises(ValueError, match="total_precipitation would be averaged, but its cell_m"):
        recipe.convert(recipe.open())
    noon = sea.assign_coords(time=sea.time + np.timedelta64(12, "h"))
    noon[SST].attrs["cell_methods"] = "time: mean"
    noon.to_netcdf(tmp_path / "noon.nc")
    with pytest.raises(ValueError, match="is a mean over 24 h labelled 2001-01-01T12"):
        replace(recipe, store=[places[0], str(tmp_path / "noon.nc")]).open()


def test_two_products_of_the_sea_are_joined_by_the_month(
    tmp_path: Path, real_data: Callable[[str], Path]
) -> None:
    """Winds of the middle of months, over temperatures that are dated with their first day."""
    winds = real_data("fnoc_winds_global_monthly_1982_1992.nc")
    sea = real_data("cobe2_sst_2deg_monthly_1950_2009.nc")
    grid = {"num_latitudes": 18, "num_longitudes": 36, "poles": False}
    train = ("1982", "1990")
    opened = Recipe([str(winds), str(sea)], train, regrid=grid).open()
    alone = Recipe(str(sea), train, regrid=grid)
    assert (opened.sizes["time"], opened.time.values[-1]) == (132, np.datetime64("1992-12-01"))
    expected = alone.convert(alone.open())[SST].sel(time=opened.time)
    np.testing.assert_array_equal(opened[SST], expected)
    assert opened.u_component_of_wind.dims == ("time", "latitude", "longitude")


def test_what_is_given_by_the_day_is_not_forecast_by_the_hour(configs: Path) -> None:
    given = ["configs/several.yaml", "data.forcings=[]", f"data.diagnostic=[{SST}]"]
    result = call("check", *given)
    assert result.exit_code == 2
    assert f"{SST}: its store gives it every 24 h, less often than others" in result.output
    assert "set prepare.aggregate_hours: 24" in result.output
    daily = ["pipeline=[prepare,train]", "prepare.aggregate_hours=24"]
    ran(*given, *daily, "output=out")
    sea = stores()[1][SST]
    made = axialcast.open_analysis("out/training.zarr")[SST]
    np.testing.assert_allclose(made, sea.sel(time=made.time.values), rtol=1e-6)
    told = call("check", "configs/several.yaml").output
    assert f"held until its next value: {SST}, every 24 h" in told
    assert f"from configs/sea.nc: {SST}\n" in told


def test_what_changed_of_which_store_is_said(configs: Path) -> None:
    given = ["configs/several.yaml", "output=out", "pipeline=train"]
    ran(*given)
    _, sea, _ = stores()
    foreign(turned(sea + 1)).to_netcdf("configs/other.nc")
    shutil.copy("configs/other.nc", "configs/sea.nc")
    result = call("run", *given)
    assert "store.1 changed" in result.output


def test_forecasts_stay_while_stores_grow(configs: Path) -> None:
    weather, sea, _ = stores()
    first = weather.sel(time=slice("2001-02-05"))
    shutil.rmtree("configs/weather.zarr")
    first.to_zarr("configs/weather.zarr", consolidated=False)
    foreign(turned(sea.sel(time=slice("2001-02-05")))).to_netcdf("configs/sea.nc")
    given = ["configs/several.yaml", "output=out", "forecast.forcings={sst: persist}"]
    ran(*given, "pipeline=[train,forecast]", "data.test=[2001-01-28,2001-02-05]")
    before = xr.open_zarr("out/forecast.zarr").load()
    later = weather.sel(time=slice("2001-02-06", None))
    later.to_zarr("configs/weather.zarr", append_dim="time", consolidated=False)
    foreign(turned(sea)).to_netcdf("configs/sea.nc")
    told = ran(*given, "pipeline=forecast")
    assert f"forecast: {before.sizes['init_time']} of 6 initial times kept" in told
    after = xr.open_zarr("out/forecast.zarr").load()
    assert after.sel(init_time=before.init_time).identical(before)


def test_of_several_stores_those_that_changed_are_named() -> None:
    then = {"store": {"0": "a", "1": "b"}, "data.train": 1, "checkpoint": "x"}
    now = {"store": {"0": "a", "1": "c"}, "data.train": 2, "checkpoint": "x"}
    assert differences(now, then) == ["data.train was 1, is 2", "store.1 changed"]
    assert differences({**now, "store": "a"}, now) == ["store changed"]


def test_what_workers_are_sent_opens_the_same(configs: Path) -> None:
    config = load_config("configs/several.yaml", ["prepare={}"])
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.text == config.text
    recipe = pickle.loads(pickle.dumps(Recipe(**config.recipe)))
    opened = pickle.loads(pickle.dumps(recipe.open()))
    xr.testing.assert_identical(opened, Recipe(**config.recipe).open())
    assert all(Path(place).is_absolute() for place in places(recipe.store))
