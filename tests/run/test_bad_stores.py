"""Stores that cannot be right: `check` says so in one line that names the file, and why.

Each is a good store with one thing wrong, as it is met in the field.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

from axialcast.run.config import load_config
from axialcast.run.preflight import check_run

Make = Callable[[xr.Dataset, Path], Any]
"""Writes a store in a folder; returns what `data.store` is, None for store.nc in that folder."""

CONFIG = """
pipeline: [train, forecast, verify]
data:
  store: {store}
  variables: [temperature, 2m_temperature]
  train: ["2001-01-01", "2001-01-20"]
  validate: ["2001-01-21", "2001-01-25"]
  test: ["2001-01-26", "2001-01-30"]
model: {{dim: 8, depth: 1, heads: 2, patch: [1, 1]}}
train: {{schedule: [{{steps: 2}}], batch_size: 3}}
forecast: {{lead_time_hours: 24}}
verify: {{harmonics: 0}}
"""

TIMES = pd.date_range("2001-01-01", periods=30, freq="1D")


def good(times: Any = TIMES) -> xr.Dataset:
    """Temperatures on two levels and at two metres."""
    numbers = np.random.default_rng(0)
    coords = {
        "time": times,
        "level": ("level", [500.0, 850.0], {"units": "hPa"}),
        "latitude": ("latitude", np.linspace(60, 20, 5), {"units": "degrees_north"}),
        "longitude": ("longitude", np.arange(7) * 10.0, {"units": "degrees_east"}),
    }
    upper = 250 + numbers.standard_normal((len(times), 2, 5, 7))
    lower = 280 + numbers.standard_normal((len(times), 5, 7))
    return xr.Dataset(
        {
            "temperature": (tuple(coords), upper.astype("f4"), {"units": "K"}),
            "2m_temperature": (("time", "latitude", "longitude"), lower.astype("f4")),
        },
        coords,
    ).assign({"2m_temperature": lambda ds: ds["2m_temperature"].assign_attrs(units="K")})


def asked(store: Any, folder: Path, *overrides: str) -> Any:
    """What `check` answers of a store."""
    path = folder / "c.yaml"
    path.write_text(CONFIG.format(store=store))
    return check_run(load_config(path, [f"output={folder / 'run'}", *overrides]), scan=True)


def changed(change: Callable[[xr.Dataset], xr.Dataset]) -> Make:
    """A store.nc of the changed Dataset."""

    def make(dataset: xr.Dataset, folder: Path) -> None:
        change(dataset).to_netcdf(folder / "store.nc")

    return make


def with_attrs(name: str, **attrs: Any) -> Make:
    """A variable or coordinate with these attributes besides its own; None: without."""

    def change(ds: xr.Dataset) -> xr.Dataset:
        ds[name].attrs = {k: v for k, v in {**ds[name].attrs, **attrs}.items() if v is not None}
        return ds

    return changed(change)


def with_values(name: str, values: Any, **attrs: Any) -> Make:
    """A coordinate with other values."""

    def change(ds: xr.Dataset) -> xr.Dataset:
        return ds.assign_coords({name: (name, values, {**ds[name].attrs, **attrs})})

    return changed(change)


def with_times(units: str, numbers: Any, calendar: str | None = None) -> Make:
    """Times as numbers of their own making."""

    def change(ds: xr.Dataset) -> xr.Dataset:
        attrs = {"units": units} if units else {}
        attrs |= {"calendar": calendar} if calendar else {}
        return ds.assign_coords(time=("time", numbers, attrs))

    return changed(change)


def as_file(name: str, content: bytes) -> Make:
    def make(dataset: xr.Dataset, folder: Path) -> str:
        (folder / name).write_bytes(content)
        return str(folder / name)

    return make


def as_zarr(spoil: Callable[[Path], None], **options: Any) -> Make:
    """A Zarr store of one chunk a time, something in it spoilt."""

    def make(dataset: xr.Dataset, folder: Path) -> str:
        options.setdefault("consolidated", False)
        dataset.chunk(time=1).to_zarr(folder / "store.zarr", zarr_format=3, **options)
        spoil(folder / "store.zarr")
        return str(folder / "store.zarr")

    return make


def as_files(*parts: Callable[[xr.Dataset], xr.Dataset]) -> Make:
    """Several files, a glob of them."""

    def make(dataset: xr.Dataset, folder: Path) -> str:
        for number, part in enumerate(parts):
            part(dataset.copy(deep=True)).to_netcdf(folder / f"store_{number}.nc")
        return str(folder / "store_*.nc")

    return make


def early(ds: xr.Dataset) -> xr.Dataset:
    return ds.isel(time=slice(0, 17))


def late(change: Callable[[xr.Dataset], xr.Dataset]) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda ds: change(ds.isel(time=slice(17, None)))


def attributes(ds: xr.Dataset, name: str, **attrs: Any) -> xr.Dataset:
    ds[name].attrs |= attrs
    return ds


def projected(standard_name: str, units: str) -> Make:
    def change(ds: xr.Dataset) -> xr.Dataset:
        ds = ds.rename(latitude="y", longitude="x")
        for axis in "yx":
            ds[axis].attrs = {"units": units, "standard_name": standard_name.format(axis)}
        return ds

    return changed(change)


def filled(name: str, value: float, share: float = 0.01) -> Make:
    """Some values of a variable replaced."""

    def change(ds: xr.Dataset) -> xr.Dataset:
        values = ds[name].values
        values.reshape(-1)[:: int(1 / share)] = value
        return ds

    return changed(change)


def grouped(dataset: xr.Dataset, folder: Path) -> None:
    dataset.to_netcdf(folder / "store.nc", group="fields")


def rotated(ds: xr.Dataset) -> xr.Dataset:
    ds = ds.rename(latitude="rlat", longitude="rlon")
    for name, other in (("rlat", "grid_latitude"), ("rlon", "grid_longitude")):
        ds[name].attrs = {"standard_name": other, "units": "degrees"}
    return ds


def curved(ds: xr.Dataset) -> xr.Dataset:
    rows, columns = xr.broadcast(ds.latitude, ds.longitude)
    ds = ds.drop_vars(["latitude", "longitude"]).rename(latitude="y", longitude="x")
    return ds.assign_coords(lat=(("y", "x"), rows.values), lon=(("y", "x"), columns.values))


def spoilt_chunk(store: Path) -> None:
    next(path for path in (store / "temperature/c/3").rglob("*") if path.is_file()).write_bytes(
        b"garbage"
    )


def absent_chunk(store: Path) -> None:
    next(path for path in (store / "temperature/c/3").rglob("*") if path.is_file()).unlink()


def garbage_metadata(store: Path) -> None:
    (store / "temperature/zarr.json").write_text("{")


def truncated(dataset: xr.Dataset, folder: Path) -> None:
    dataset.to_netcdf(folder / "store.nc")
    content = (folder / "store.nc").read_bytes()
    (folder / "store.nc").write_bytes(content[: len(content) // 2])


def complex_values(dataset: xr.Dataset, folder: Path) -> str:
    values = dataset["2m_temperature"].values * (1 + 1j)
    spoilt = dataset.assign({"2m_temperature": (("time", "latitude", "longitude"), values)})
    spoilt["2m_temperature"].attrs["units"] = "K"
    spoilt.to_zarr(folder / "store.zarr", consolidated=False)
    return str(folder / "store.zarr")


def nested(dataset: xr.Dataset, folder: Path) -> str:
    dataset.to_zarr(folder / "store.zarr", group="analysis", consolidated=False)
    return str(folder / "store.zarr")


def lone_array(dataset: xr.Dataset, folder: Path) -> str:
    array = zarr.create_array(folder / "store.zarr", shape=(30, 5, 7), dtype="f4")
    array[...] = dataset["2m_temperature"].values
    return str(folder / "store.zarr")


def empty_group(dataset: xr.Dataset, folder: Path) -> str:
    zarr.open_group(folder / "store.zarr", mode="w")
    return str(folder / "store.zarr")


def plain_folder(dataset: xr.Dataset, folder: Path) -> str:
    (folder / "store").mkdir()
    (folder / "store" / "notes.txt").write_text("nothing")
    return str(folder / "store")


def classic_record(dataset: xr.Dataset, folder: Path) -> None:
    """A NetCDF of no numbers."""
    with netCDF4.Dataset(folder / "store.nc", "w") as file:
        file.createDimension("time", 30)


def two_of_one_name(ds: xr.Dataset) -> xr.Dataset:
    return ds.assign(t=ds.temperature + 1).rename(temperature="ta")


BAD: dict[str, tuple[Make, str]] = {
    # Places
    "latitude and longitude swapped": (
        changed(lambda ds: ds.rename(latitude="a").rename(longitude="latitude", a="longitude")),
        "latitude",
    ),
    "latitude in radians": (
        with_values("latitude", np.radians(np.linspace(60, 20, 5)), units="radians"),
        "radian",
    ),
    "latitude beyond the pole": (with_values("latitude", np.linspace(100, 20, 5)), "latitude"),
    "latitude unsorted": (with_values("latitude", [60, 40, 50, 30, 20.0]), "latitude"),
    "latitude twice": (with_values("latitude", [60, 50, 50, 30, 20.0]), "latitude"),
    "latitude NaN": (with_values("latitude", [60, np.nan, 50, 30, 20.0]), "latitude"),
    "latitudes called degrees east": (with_attrs("latitude", units="degrees_east"), "latitude"),
    "longitude decreasing": (with_values("longitude", np.arange(7)[::-1] * 10.0), "longitude"),
    "longitude uneven": (with_values("longitude", [0, 10, 20, 35, 40, 50, 60.0]), "spacing"),
    "longitude of more than a turn": (with_values("longitude", np.arange(7) * 60.0), "turn"),
    "longitude infinite": (with_values("longitude", [0, 10, 20, 30, 40, 50, np.inf]), "longitude"),
    "no latitude": (changed(lambda ds: ds.drop_vars("latitude")), "latitude"),
    "no longitude at all": (changed(lambda ds: ds.isel(longitude=0, drop=True)), "longitude"),
    "a curvilinear grid": (changed(curved), "two dimensions"),
    "a rotated grid": (changed(rotated), "rotated|grid_latitude"),
    "kilometres": (projected("projection_{}_coordinate", "km"), "project"),
    "metres": (projected("projection_{}_coordinate", "m"), "project"),
    "metres without a standard name": (projected("", "m"), "project|degrees"),
    # Times
    "no time": (changed(lambda ds: ds.isel(time=0, drop=True)), "time"),
    "times without units": (with_times("", np.arange(30)), "time"),
    "times as days written out": (with_times("", np.arange(20010101, 20010131)), "time"),
    "times in words": (with_times("", [f"day {n}" for n in range(30)]), "time"),
    "times in months": (with_times("months since 1979-01-01", np.arange(30)), "month"),
    "times of no calendar": (with_times("days since 2001-01-01", np.arange(30), "lunar"), "lunar"),
    "times since no date": (with_times("days since yesterday", np.arange(30)), "time"),
    "times unsorted": (
        changed(lambda ds: ds.isel(time=[*range(9), 10, 9, *range(11, 30)])),
        "sort",
    ),
    "times backwards": (changed(lambda ds: ds.isel(time=slice(None, None, -1))), "sort"),
    "a time twice": (changed(lambda ds: ds.isel(time=[0, *range(30)])), "twice"),
    "a day missing": (changed(lambda ds: ds.isel(time=[*range(9), *range(10, 30)])), "gaps"),
    "uneven times": (
        with_times("hours since 2001-01-01", np.arange(30) * 24.0 + np.eye(30)[11] * 7),
        "cadence",
    ),
    "a time that is missing": (
        with_times("days since 2001-01-01", np.where(np.eye(30)[3] > 0, np.nan, np.arange(30.0))),
        "time",
    ),
    "no times": (changed(lambda ds: ds.isel(time=slice(0))), "time"),
    "another year": (
        changed(lambda ds: ds.assign_coords(time=pd.date_range("1999", periods=30))),
        "not within the store",
    ),
    "forecasts of several lead times": (
        changed(lambda ds: ds.expand_dims(step=pd.to_timedelta([6, 12], "h"), axis=1)),
        "lead time",
    ),
    "forecasts of WeatherBench 2": (
        changed(
            lambda ds: ds.expand_dims(prediction_timedelta=pd.to_timedelta([6, 12], "h"), axis=1)
        ),
        "lead time",
    ),
    "an ensemble": (changed(lambda ds: ds.expand_dims(number=[0, 1, 2], axis=1)), r"data\.member"),
    "a dimension of its own": (changed(lambda ds: ds.expand_dims(soil=3, axis=1)), "soil"),
    # Levels
    "levels of a model": (
        with_values("level", [70, 137], units="1", standard_name="model_level_number"),
        "model",
    ),
    "hybrid levels": (
        with_attrs("level", standard_name="atmosphere_hybrid_sigma_pressure_coordinate"),
        "hybrid",
    ),
    "sigma levels": (
        with_attrs("level", standard_name="atmosphere_sigma_coordinate", units="1"),
        "sigma",
    ),
    "heights": (with_values("level", [100.0, 1500.0], units="m"), "pressure"),
    "levels of Pa without units": (
        changed(lambda ds: ds.assign_coords(level=[50000.0, 85000.0])),
        "level",
    ),
    "a level twice": (with_values("level", [500.0, 500.0]), "once"),
    "a level that is NaN": (with_values("level", [500.0, np.nan]), "level"),
    "a level below zero": (with_values("level", [-500.0, 500.0]), "level"),
    # Variables and units
    "no temperature": (changed(lambda ds: ds.drop_vars("temperature")), "temperature"),
    "a misspelt temperature": (
        changed(lambda ds: ds.rename({"2m_temperature": "2m_temprature"})),
        "2m_temperature",
    ),
    "a temperature without time": (
        changed(lambda ds: ds.assign(temperature=ds.temperature.isel(time=0, drop=True))),
        "temperature",
    ),
    "temperatures in words": (
        changed(lambda ds: ds.assign(temperature=ds.temperature.astype(str))),
        "temperature",
    ),
    "two temperatures": (changed(two_of_one_name), "temperature"),
    "complex numbers": (complex_values, "complex"),
    "no units": (with_attrs("temperature", units=None), "units"),
    "empty units": (with_attrs("temperature", units=""), "units"),
    "units that are a number": (with_attrs("temperature", units=5), "units"),
    "units of no table": (with_attrs("temperature", units="furlongs"), "furlongs"),
    "units of a pressure": (with_attrs("2m_temperature", units="hPa"), "hPa"),
    "an angle": (with_attrs("2m_temperature", units="degrees"), "degrees"),
    "a difference of temperatures": (with_attrs("2m_temperature", units="delta_degC"), "delta"),
    # Values
    "an infinity": (filled("temperature", np.inf, 0.001), "infinite"),
    "nothing but NaN": (filled("temperature", np.nan, 1), "NaN throughout"),
    "one value throughout": (filled("2m_temperature", 281.0, 1), "constant"),
    # Files
    "no such file": (lambda ds, folder: str(folder / "absent.nc"), "no such file"),
    "no file matches": (lambda ds, folder: str(folder / "absent_*.nc"), "no file matches"),
    "an empty file": (as_file("store.nc", b""), "is empty"),
    "a text": (as_file("store.nc", b"not a NetCDF file at all" * 99), "NetCDF"),
    "a page of a web server": (as_file("store.nc", b"<!doctype html><html>" * 9), "HTML"),
    "half a file": (truncated, "NetCDF"),
    "a NetCDF of no numbers": (classic_record, "store.nc"),
    "a NetCDF group": (grouped, "group"),
    "garbage for GRIB": (as_file("store.grib", b"GRIB" + b"garbage" * 99), "damaged"),
    "a broken zip": (as_file("store.zip", b"PK garbage"), "zip"),
    "a folder of texts": (plain_folder, "Zarr"),
    "an empty Zarr group": (empty_group, "no variable"),
    "a Zarr group further down": (nested, "analysis"),
    "a Zarr array alone": (lone_array, "array"),
    "a chunk of garbage": (as_zarr(spoilt_chunk), "damaged"),
    "a chunk that is not there": (as_zarr(absent_chunk), "missing"),
    "metadata of garbage": (as_zarr(garbage_metadata), "store.zarr"),
    "an unknown scheme": (lambda ds, folder: "gopher://host/store.zarr", "gopher"),
    "NetCDF from a server": (lambda ds, folder: "https://localhost/store.nc", "download"),
    # Several files
    "files that overlap": (
        as_files(early, lambda ds: ds.isel(time=slice(16, None))),
        "both hold 2001-01-17",
    ),
    "files of other latitudes": (
        as_files(early, late(lambda ds: ds.assign_coords(latitude=ds.latitude + 1))),
        "latitude",
    ),
    "files of other longitudes": (
        as_files(early, late(lambda ds: ds.assign_coords(longitude=ds.longitude - 180))),
        "longitude",
    ),
    "files of fewer latitudes": (
        as_files(early, late(lambda ds: ds.isel(latitude=slice(3)))),
        "latitude",
    ),
    "files of other levels": (
        as_files(early, late(lambda ds: ds.assign_coords(level=[500.0, 700.0]))),
        "level",
    ),
    "a file that lacks a variable": (
        as_files(early, late(lambda ds: ds.drop_vars("2m_temperature"))),
        "2m_temperature",
    ),
    "files of a mean and a maximum": (
        as_files(
            lambda ds: attributes(early(ds), "2m_temperature", cell_methods="time: mean"),
            late(lambda ds: attributes(ds, "2m_temperature", cell_methods="time: maximum")),
        ),
        "cell_methods",
    ),
    "files of two quantities": (
        as_files(
            lambda ds: attributes(early(ds), "2m_temperature", standard_name="air_temperature"),
            late(
                lambda ds: attributes(ds, "2m_temperature", standard_name="dew_point_temperature")
            ),
        ),
        "standard_name",
    ),
    "files of two members": (
        as_files(
            lambda ds: early(ds).assign_coords(number=0),
            late(lambda ds: ds.assign_coords(number=1)),
        ),
        "member|number",
    ),
    "a file of units that are none": (
        as_files(early, late(lambda ds: attributes(ds, "2m_temperature", units="furlongs"))),
        "store_1.nc.*furlongs",
    ),
    "files with a week between them": (
        as_files(early, lambda ds: ds.isel(time=slice(23, None))),
        "gaps|cadence",
    ),
    "files of two cadences": (
        as_files(early, late(lambda ds: ds.isel(time=slice(None, None, 2)))),
        "cadence",
    ),
    "a file of text among them": (
        lambda ds, folder: (
            as_file("store_1.nc", b"text" * 99)(ds, folder) and as_files(early)(ds, folder)
        ),
        "store_1.nc",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_in_one_line_that_names_it(name, tmp_path):
    make, fragment = BAD[name]
    store = make(good(), tmp_path) or tmp_path / "store.nc"
    with pytest.raises((ValueError, OSError)) as raised:
        asked(store, tmp_path)
    lines = getattr(raised.value, "lines", [str(raised.value)])
    assert not any("\n" in line for line in lines)
    text = " ".join(lines)
    assert re.search(fragment, text), text
    named = Path(str(store).partition("*")[0]).name
    assert named in text, text
    assert "Traceback" not in text
    assert "Error(" not in text


@pytest.mark.parametrize("form", ["store.nc", "store.zarr", "store_*.nc"])
def test_the_good_one_passes(form, tmp_path):
    make = {
        "store.nc": changed(lambda ds: ds),
        "store.zarr": as_zarr(lambda store: None),
        "store_*.nc": as_files(early, late(lambda ds: ds)),
    }[form]
    found = asked(make(good(), tmp_path) or tmp_path / "store.nc", tmp_path)
    assert list(map(str, found.analysis.channels)) == [
        *("temperature 500 hPa", "temperature 850 hPa", "2m_temperature"),
    ]
