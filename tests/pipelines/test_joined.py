"""The line from several stores: the same bits as from one that holds all of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner, Result

import axialcast
from axialcast.run.cli import app

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
    "verify": {"harmonics": 0},
}


def foreign(sea: xr.Dataset) -> xr.Dataset:
    """The same in other words: name, units, member, orientation and origin."""
    turned = sea.isel(latitude=slice(None, None, -1))
    turned = turned.assign_coords(longitude=(turned.longitude + 180) % 360 - 180)
    turned = turned.sortby("longitude").rename({SST: "temp", "latitude": "lat"})
    both = xr.concat([turned, turned + 3], pd.Index([3, 5], name="number"), combine_attrs="drop")
    both["temp"].attrs = {}
    return both


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
    foreign(sea).to_netcdf(folder / "sea.nc")
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
        xr.open_zarr(f"{output}/forecast.zarr").load(),
        Path(output, "scores.csv").read_text(),
    )


def same(one: str, other: str) -> None:
    for a, b in zip(outputs(one), outputs(other), strict=True):
        assert a.identical(b) if isinstance(a, xr.Dataset) else a == b


@pytest.mark.parametrize(
    "given",
    [
        ["data.static_store=configs/field.nc"],
        ["pipeline=[prepare,train,forecast,verify]"],
    ],
)
def test_several_stores_give_the_bits_of_one(configs: Path, given: list[str]) -> None:
    mask = [text.replace("field", "mask") for text in given]
    for name, said in (("one", mask), ("several", given)):
        assert call("check", f"configs/{name}.yaml", *said).exit_code == 0
        ran(f"configs/{name}.yaml", f"output={name}", *said)
    same("one", "several")
    assert "skipped" in ran("configs/several.yaml", "output=several", *given)
    again = yaml.safe_load(Path("several/config.yaml").read_text())["data"]["store"]
    assert again[0] == "configs/weather.zarr"
    assert again[1]["store"] == "configs/sea.nc"
    known = json.loads(Path("several/checkpoint/model.json").read_text())
    assert "prepare" in str(given) or known["provenance"]["store"] == [
        *("configs/weather.zarr", "configs/sea.nc", "configs/field.nc")
    ]
    assert "configs/sea.nc" in call("inspect", "several").output or "prepare" in str(given)


def test_stores_on_grids_of_their_own_are_regridded_each(configs: Path) -> None:
    """As where a file holds what the coarser one becomes, of each of its cells."""
    _, sea, _ = stores()
    fine = sea.isel(latitude=np.repeat(np.arange(6), 2), longitude=np.repeat(np.arange(8), 2))
    fine = fine.assign_coords(
        latitude=np.linspace(82.5, -82.5, 12), longitude=np.arange(16) * 22.5 - 11.25
    )
    foreign(fine).to_netcdf("configs/sea.nc")
    weather = xr.open_zarr("configs/weather.zarr", consolidated=False).load()
    held = sea.reindex(time=TIMES, method="ffill")[SST]
    result = call("check", "configs/several.yaml")
    assert "another grid than configs/weather.zarr: latitude: expected 6" in result.output
    assert "prepare.regrid" in result.output
    regrid = "prepare={regrid: {num_latitudes: 6, num_longitudes: 8, poles: false}}"
    ran("configs/several.yaml", "pipeline=prepare", regrid, "output=out")
    made = axialcast.open_analysis("out/training.zarr")
    np.testing.assert_allclose(made[SST], held, rtol=1e-6)
    np.testing.assert_allclose(made["2m_temperature"], weather["2m_temperature"], rtol=1e-6)


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


def test_what_changed_of_which_store_is_said(configs: Path) -> None:
    given = ["configs/several.yaml", "output=out", "pipeline=train"]
    ran(*given)
    _, sea, _ = stores()
    foreign(sea + 1).to_netcdf("configs/other.nc")
    shutil.copy("configs/other.nc", "configs/sea.nc")
    result = call("run", *given)
    assert "store.1 changed" in result.output
