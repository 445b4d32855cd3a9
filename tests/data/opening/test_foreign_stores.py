"""One analysis, said in every way of the field, opens as itself.

What is true is drawn first; then it is dressed: other names, units, orders, types of number and of
time, kinds of file, several of them. What `open_analysis` makes of that is compared by label with
what was true. A store that is refused is refused in one line.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.random import Generator

from axialcast import open_analysis
from axialcast.data import Analysis

MANY = 60
"""Stores that are always tried; the longer test tries as many again, several times."""

NAMES = {
    "temperature": ("temperature", "t", "ta", "T"),
    "2m_temperature": ("2m_temperature", "t2m", "2t", "tas"),
    "mean_sea_level_pressure": ("mean_sea_level_pressure", "msl", "psl", "slp", "prmsl"),
    "total_precipitation": ("total_precipitation", "tp"),
    "specific_humidity": ("specific_humidity", "q", "hus"),
}
"""Names of the field. `T` is a time, too, and is left to it."""
NAMES["temperature"] = NAMES["temperature"][:-1]

SPELLINGS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "temperature": {
        **dict.fromkeys(("K", "kelvin", "degrees K", "deg_K"), lambda v: v),
        **dict.fromkeys(
            ("degC", "deg C", "degree_C", "degrees Celsius", "Celsius", "celsius", "°C"),
            lambda v: v - 273.15,
        ),
    },
    "mean_sea_level_pressure": {
        **dict.fromkeys(("Pa", "pascal", "PA"), lambda v: v),
        **dict.fromkeys(("hPa", "mb", "mbar", "millibar", "millibars"), lambda v: v / 100),
        "kPa": lambda v: v / 1000,
    },
    "total_precipitation": {
        **dict.fromkeys(("m", "metre", "m of water equivalent"), lambda v: v),
        **dict.fromkeys(("mm", "kg m-2", "kg m**-2", "kg/m^2"), lambda v: v * 1000),
        "cm": lambda v: v * 100,
    },
    "specific_humidity": {
        **dict.fromkeys(("kg kg-1", "kg/kg", "kg kg**-1", "1"), lambda v: v),
        **dict.fromkeys(("g/kg", "g kg-1", "gr/kg"), lambda v: v * 1000),
    },
}
SPELLINGS["2m_temperature"] = SPELLINGS["temperature"]

ON_LEVELS = {"temperature", "specific_humidity"}

LEVEL_UNITS = {"hPa": 1.0, "mb": 1.0, "millibars": 1.0, "Pa": 100.0, "mbar": 1.0}

VALUES: dict[str, Callable[[Generator, Any], Any]] = {
    "temperature": lambda r, shape: r.uniform(200, 310, shape),
    "2m_temperature": lambda r, shape: r.uniform(220, 315, shape),
    "mean_sea_level_pressure": lambda r, shape: r.uniform(95_000, 105_000, shape),
    "total_precipitation": lambda r, shape: np.where(
        r.random(shape) < 0.6, 0, r.gamma(1, 0.002, shape)
    ),
    "specific_humidity": lambda r, shape: r.uniform(0, 0.02, shape),
}


@dataclass
class Truth:
    """What a store holds, in the project's words, latitudes and levels in any order.

    `spacing` of variables that are packed, in their units.
    """

    dataset: xr.Dataset
    spacing: dict[str, float]


def drawn(r: Generator) -> Truth:
    """An analysis of one to three variables."""
    names = r.permutation(list(VALUES))[: r.integers(1, 4)].tolist()
    levels = r.permutation([100.0, 250, 500, 700, 850, 1000])[: r.integers(1, 5)]
    if r.random() < 0.5:
        levels = np.sort(levels)[:: r.choice([-1, 1])]
    latitude = np.linspace(60, -30, 7)[:: r.choice([-1, 1])]
    spacing = r.choice([10.0, 360 / 11])
    longitude = np.arange(11) * spacing + r.choice([0.0, -180.0, -40.0, 5.0])
    step = r.choice(["1h", "6h", "1D"])
    times = pd.date_range(f"{r.integers(1950, 2020)}-02-27", periods=13, freq=step)
    coords = {"time": times, "level": levels, "latitude": latitude, "longitude": longitude}
    fields = {}
    for name in names:
        dims = [dim for dim in coords if dim != "level" or name in ON_LEVELS]
        values = VALUES[name](r, [len(coords[dim]) for dim in dims])
        if r.random() < 0.2:
            values = np.where(r.random(values.shape) < 0.1, np.nan, values)
        fields[name] = (dims, values.astype("f4").astype("f8"))
    if not ON_LEVELS & set(names):
        del coords["level"]
    return Truth(xr.Dataset(fields, coords), dict.fromkeys(names, 0.0))


def dressed(truth: Truth, r: Generator) -> xr.Dataset:
    """The same in foreign names, units and orders."""
    ds = truth.dataset.copy(deep=True)
    for name in list(ds.data_vars):
        units = r.choice(list(SPELLINGS[name]))
        ds[name] = SPELLINGS[name][units](ds[name]).assign_attrs(units=str(units))
    if "level" in ds.dims:
        units = r.choice(list(LEVEL_UNITS))
        ds["level"] = ("level", ds.level.values * LEVEL_UNITS[units], {"units": str(units)})
    renames = {name: str(r.choice(NAMES[name])) for name in ds.data_vars}
    renames |= {
        "time": str(r.choice(["time", "valid_time"])),
        "latitude": str(r.choice(["latitude", "lat"])),
        "longitude": str(r.choice(["longitude", "lon"])),
    }
    if "level" in ds.dims:
        renames["level"] = str(r.choice(["level", "plev", "isobaricInhPa", "pressure_level"]))
    ds = ds.rename({old: new for old, new in renames.items() if old != new})
    if r.random() < 0.3:
        ds = ds.transpose(*r.permutation(list(ds.dims)).tolist())
    if r.random() < 0.2:
        ds = ds.expand_dims(realization=[0], axis=1)
    if r.random() < 0.2:
        ds = ds.assign_coords(height=2.0, surface=0.0, step=np.timedelta64(0, "ns"))
    if r.random() < 0.2:
        ds = _on_axes(ds)
    return ds[r.permutation(list(ds.data_vars)).tolist()]


def _on_axes(ds: xr.Dataset) -> xr.Dataset:
    """With latitude and longitude beside dimensions y and x, told by their standard names."""
    for found, axis in (("latitude", "y"), ("longitude", "x")):
        name = next(name for name in (found, found[:3]) if name in ds.dims)
        units = {"latitude": "degrees_north", "longitude": "degrees_east"}[found]
        ds = ds.rename({name: axis})
        ds[axis].attrs = {"standard_name": found, "units": units}
    return ds


def encoded(ds: xr.Dataset, truth: Truth, r: Generator, *, packs: bool) -> dict[str, Any]:
    """How each variable is stored; notes the spacing of those that are packed."""
    encoding: dict[str, Any] = {}
    for name, array in ds.data_vars.items():
        known = next(want for want, names in NAMES.items() if name in names)
        kind = r.choice(["f4", "f8", "i2"]) if packs else r.choice(["f4", "f8"])
        if kind == "i2":
            low, high = float(array.min()), float(array.max())
            scale = (high - low) / 65_000 or 1.0
            encoding[str(name)] = {
                "dtype": "int16",
                "scale_factor": scale,
                "add_offset": (low + high) / 2,
                "_FillValue": -32768,
            }
            own = float(truth.dataset[known].max() - truth.dataset[known].min())
            truth.spacing[known] = scale * own / (high - low) if high > low else 0.0
        else:
            encoding[str(name)] = {"dtype": kind}
    time = "time" if "time" in ds.dims else "valid_time"
    unit = r.choice(["hours", "seconds", "days", "minutes"])
    encoding[time] = {"units": f"{unit} since {r.choice(['1900-01-01', '1970-01-01'])}"}
    encoding[time]["dtype"] = "f8" if unit == "days" else "i8"
    return encoding


def written(truth: Truth, r: Generator, folder: Path) -> Any:
    """The store: a Dataset, a file, a glob of files, a Zarr store."""
    kind = r.choice(["dataset", "netcdf", "classic", "files", "zarr2", "zarr3"])
    if kind == "files":
        return _in_files(truth, r, folder)
    ds = dressed(truth, r)
    if kind == "dataset":
        return ds
    encoding = encoded(ds, truth, r, packs=True)
    if kind in ("zarr2", "zarr3"):
        ds = ds.chunk({dim: int(r.integers(2, 14)) for dim in ds.dims if ds.sizes[dim] > 1})
        for variable in encoding.values():
            if r.random() < 0.2 and str(variable["dtype"])[0] == "f":
                variable["dtype"] = f">{variable['dtype']}"
        ds.to_zarr(
            folder / "s.zarr", zarr_format=int(kind[-1]), consolidated=False, encoding=encoding
        )
        return folder / "s.zarr"
    if kind == "classic":
        time = "time" if "time" in ds.dims else "valid_time"
        encoding[time]["dtype"] = "f8"
        ds.to_netcdf(folder / "s.nc", format="NETCDF3_64BIT", encoding=encoding)
    else:
        ds.to_netcdf(folder / "s.nc", encoding=encoding)
    return folder / "s.nc"


def _in_files(truth: Truth, r: Generator, folder: Path) -> Path:
    """Each file dressed in its own way; by time, by variable or by level."""
    whole = truth.dataset
    parts: list[xr.Dataset] = []
    by_level = "level" in whole.dims and set(whole.data_vars) <= ON_LEVELS
    match r.choice(["time", "variable", "level" if by_level else "time"]):
        case "time":
            edges = [0, *sorted(r.choice(np.arange(1, 12), 2, replace=False).tolist()), 13]
            parts = [whole.isel(time=slice(*edge)) for edge in pairwise(edges)]
        case "variable":
            parts = [whole[[name]] for name in whole.data_vars]
        case "level":
            parts = [whole.sel(level=[level]) for level in whole.level.values]
    for number, part in enumerate(r.permutation(len(parts)).tolist()):
        one = dressed(replace(truth, dataset=parts[part]), r)
        for dim in ("level", "plev", "isobaricInhPa", "pressure_level"):
            if one.sizes.get(dim) == 1 and r.random() < 0.5:
                one = one.squeeze(dim)
        encoding = encoded(one, truth, r, packs=False)
        one.to_netcdf(folder / f"s_{number}.nc", encoding=encoding)
    return folder / "s_*.nc"


def compare(truth: Truth, opened: xr.Dataset) -> None:
    """Every value where its labels say, in the units of the project."""
    want = truth.dataset
    assert set(opened.data_vars) == set(want.data_vars)
    np.testing.assert_array_equal(opened.time, want.time)
    np.testing.assert_allclose(np.sort(opened.latitude), np.sort(want.latitude), atol=1e-4)
    np.testing.assert_allclose(opened.longitude % 360, want.longitude % 360, atol=1e-4)
    for name, array in opened.data_vars.items():
        labels = {"latitude": want.latitude, "longitude": want.longitude}
        if "level" in want[name].dims:
            labels["level"] = want.level
        found = array.sel(labels, method="nearest").transpose(*want[name].dims)
        atol = 0.6 * truth.spacing[str(name)] + 1e-6 * float(np.abs(want[name]).max())
        np.testing.assert_allclose(found.values, want[name].values, rtol=0, atol=atol)
    read = Analysis(opened).read(slice(None))
    for index, channel in enumerate(Analysis(opened).channels):
        np.testing.assert_array_equal(read[:, index], channel.of(opened).values.astype("f4"))


@pytest.mark.parametrize(
    "seed",
    [*range(MANY), *(pytest.param(n, marks=pytest.mark.slow) for n in range(MANY, 10 * MANY))],
)
def test_an_analysis_in_foreign_dress_is_itself(seed, tmp_path):
    r = np.random.default_rng(seed)
    truth = drawn(r)
    opened = open_analysis(written(truth, r, tmp_path))
    compare(truth, opened)
    compare(*a_part(truth, opened, r))


def a_part(truth: Truth, opened: xr.Dataset, r: Generator) -> tuple[Truth, xr.Dataset]:
    """Some of the analysis, by arguments of `open_analysis`, and the same of what is true."""
    want, chosen = truth.dataset, {}
    chosen["variables"] = r.permutation(list(want.data_vars))[: r.integers(1, 4)].tolist()
    want = want[chosen["variables"]]
    if "level" in want.dims:
        chosen["levels"] = r.permutation(want.level.values)[: r.integers(1, 4)].tolist()
        want = want.sel(level=chosen["levels"])
    first = int(r.integers(0, 5))
    want = want.isel(time=slice(first, first + 6))
    chosen["period"] = (str(want.time.values[0])[:19], str(want.time.values[-1])[:19])
    if r.random() < 0.5:
        chosen["region"] = {"latitude": (-10, 40)}
        want = want.isel(latitude=(want.latitude > -11) & (want.latitude < 41))
    found = open_analysis(opened, **chosen)
    assert list(found.data_vars) == chosen["variables"]
    if "level" in want.dims:
        assert found.level.values.tolist() == chosen["levels"]
    return replace(truth, dataset=want), found
