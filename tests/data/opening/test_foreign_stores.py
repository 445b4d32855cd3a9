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
import zarr
from numpy.random import Generator

from axialcast import open_analysis
from axialcast.data import Analysis

MANY = 100
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
    calendar = str(r.choice(["standard", "standard", "standard", "noleap", "360_day"]))
    start = f"{r.integers(1950, 2020)}-02-27"
    times = xr.date_range(
        start, None, 13, step, use_cftime=calendar != "standard", calendar=calendar
    )
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
        kind = r.choice(["f4", "f8", "mark", "i2", "u2"]) if packs else r.choice(["f4", "f8"])
        if kind == "mark":
            encoding[str(name)] = {"dtype": "f4", "_FillValue": None, "missing_value": -9999.0}
        elif kind in ("i2", "u2"):
            low, high = float(array.min()), float(array.max())
            scale = (high - low) / 65_000 or 1.0
            encoding[str(name)] = {
                "dtype": "int16",
                "scale_factor": scale,
                "add_offset": (low + high) / 2,
                "_FillValue": -32768,
            }
            if kind == "u2":  # unsigned, though NetCDF-3 has no such type
                encoding[str(name)] |= {"add_offset": low, "_FillValue": -1, "_Unsigned": "true"}
            own = float(truth.dataset[known].max() - truth.dataset[known].min())
            truth.spacing[known] = scale * own / (high - low) if high > low else 0.0
        else:
            encoding[str(name)] = {"dtype": kind}
    unit = r.choice(["hours", "seconds", "days", "minutes"])
    stored = {"units": f"{unit} since {r.choice(['1900-01-01', '1970-01-01'])}"}
    stored["dtype"] = str(r.choice(["f8", "f4"])) if unit == "days" else str(r.choice(["i8", "f4"]))
    encoding[_time_of(ds)] = stored
    return encoding


def _time_of(ds: xr.Dataset) -> str:
    return "time" if "time" in ds.coords else "valid_time"


def written(truth: Truth, r: Generator, folder: Path) -> Any:
    """The store: a Dataset, a file, a glob of files, a Zarr store."""
    kinds = ["dataset", "netcdf", "classic", "files", "zarr2", "zarr3", "zeros", "steps", "leads"]
    if truth.dataset.time.dtype.kind == "M":
        kinds += ["anemoi", "grib"]
    kind = str(r.choice(kinds))
    if kind in WRITERS:
        return WRITERS[kind](truth, r, folder)
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
            folder / "s.zarr",
            zarr_format=int(kind[-1]),
            consolidated=False,
            encoding=encoding,
            write_empty_chunks=True,  # a chunk of dry cells that is left out is refused
        )
        return folder / "s.zarr"
    if kind == "classic":
        encoding[_time_of(ds)]["dtype"] = "f8"
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


def _with_zeros(truth: Truth, r: Generator, folder: Path) -> Path:
    """Arrays of Zarr 2 as zarr itself makes them: an absent chunk is 0, and no value is missing."""
    ds = dressed(truth, r)
    ds.to_netcdf(folder / "s.nc", encoding=encoded(ds, truth, r, packs=False))
    group = zarr.open_group(folder / "s.zarr", mode="w", zarr_format=2)
    with xr.open_dataset(folder / "s.nc", decode_cf=False) as plain:
        for name, variable in plain.variables.items():
            chunks = tuple(int(r.integers(1, length + 1)) for length in variable.shape)
            array = group.create_array(
                str(name),
                shape=variable.shape,
                dtype=variable.dtype,
                chunks=chunks or "auto",
                fill_value=0,
                config={"write_empty_chunks": True},
            )
            array[...] = variable.values
            attrs = {
                k: v for k, v in variable.attrs.items() if k not in ("_FillValue", "coordinates")
            }
            array.attrs.update({**attrs, "_ARRAY_DIMENSIONS": list(variable.dims)})
    return folder / "s.zarr"


def _by_step(truth: Truth, r: Generator, folder: Path) -> Path:
    """A file for each time, which is a scalar in it."""
    for number in r.permutation(truth.dataset.sizes["time"]).tolist():
        one = dressed(replace(truth, dataset=truth.dataset.isel(time=number)), r)
        one.to_netcdf(folder / f"s_{number}.nc", encoding=encoded(one, truth, r, packs=False))
    return folder / "s_*.nc"


def _of_one_lead(truth: Truth, r: Generator, folder: Path) -> Path:
    """Forecasts of one lead time, by their initial times, as WeatherBench 2 or cfgrib has them."""
    hours = int(r.choice([6, 24, 240]))
    ds = dressed(truth, r).drop_vars("step", errors="ignore")
    ds = ds.rename({_time_of(ds): "time"})
    valid = ds.indexes["time"]
    ds = ds.assign_coords(time=valid - pd.Timedelta(hours=hours))
    if r.random() < 0.5:
        ds = ds.expand_dims(prediction_timedelta=[np.timedelta64(hours, "h")], axis=1)
    else:
        ds = ds.assign_coords(step=np.timedelta64(hours, "h"), valid_time=("time", valid))
        ds["time"].attrs["standard_name"] = "forecast_reference_time"
    ds.to_netcdf(folder / "s.nc", encoding=encoded(ds, truth, r, packs=False))
    return folder / "s.nc"


MARS = {
    **{"temperature": "t", "2m_temperature": "2t", "mean_sea_level_pressure": "msl"},
    **{"total_precipitation": "tp", "specific_humidity": "q"},
}
"""Short names of ECMWF."""


def _fields(truth: Truth) -> dict[tuple[str, float | None], xr.DataArray]:
    """Each variable on each level, by ECMWF's name and the level."""
    found: dict[tuple[str, float | None], xr.DataArray] = {}
    for name, array in truth.dataset.items():
        for level in truth.dataset.level.values if "level" in array.dims else [None]:
            field = array if level is None else array.sel(level=level)
            found[MARS[str(name)], level] = field.transpose("time", "latitude", "longitude")
    return found


def _anemoi(truth: Truth, r: Generator, folder: Path) -> Path:
    """All variables and levels in one array of cells; units are in the metadata."""
    fields = _fields(truth)
    order = [list(fields)[place] for place in r.permutation(len(fields)).tolist()]
    names = [name if level is None else f"{name}_{level:g}" for name, level in order]
    units = {"t": "K", "2t": "K", "msl": "Pa", "tp": "m", "q": "kg kg**-1"}
    rows, columns = xr.broadcast(truth.dataset.latitude, truth.dataset.longitude)
    data = np.stack([fields[key].values.reshape(13, -1) for key in order], 1)[:, :, None]
    group = zarr.open_group(folder / "s.zarr", mode="w", zarr_format=2)
    array = group.create_array("data", shape=data.shape, dtype="f4", chunks=(1, *data.shape[1:]))
    array[...] = data
    dates = group.create_array("dates", shape=13, dtype="M8[s]")
    dates[...] = truth.dataset.time.values.astype("M8[s]")
    for name, values in (("latitudes", rows), ("longitudes", columns)):
        group.create_array(name, data=values.values.ravel())
    described = {
        name: {"units": units[short]} for name, (short, _) in zip(names, order, strict=True)
    }
    group.attrs.update(
        {"variables": names, "field_shape": list(rows.shape), "variables_metadata": described}
    )
    return folder / "s.zarr"


def _grib(truth: Truth, r: Generator, folder: Path) -> Path:
    """A message for each field, in any order, of 24 bits a value; rain since the time before."""
    eccodes = pytest.importorskip("eccodes", exc_type=(ImportError, RuntimeError))
    pytest.importorskip("cfgrib", exc_type=(ImportError, RuntimeError))
    ds = truth.dataset = truth.dataset.assign_coords(longitude=np.arange(11) * 10.0)
    first, last = ds.latitude.values[[0, -1]].tolist()
    grid = {"Ni": 11, "Nj": 7, "iDirectionIncrementInDegrees": 10}
    grid |= {"jDirectionIncrementInDegrees": 15, "jScansPositively": int(first < last)}
    grid |= {"latitudeOfFirstGridPointInDegrees": first, "latitudeOfLastGridPointInDegrees": last}
    grid |= {"longitudeOfFirstGridPointInDegrees": 0, "longitudeOfLastGridPointInDegrees": 100}
    hours = int(np.diff(ds.time.values)[0] / np.timedelta64(1, "h"))
    fields = _fields(truth)
    every = [(key, number) for key in fields for number in range(13)]
    with (folder / "s.grib").open("wb") as file:
        for place in r.permutation(len(every)).tolist():
            (name, level), number = every[place]
            field = fields[name, level].isel(time=number)
            time = pd.Timestamp(field.time.values) - pd.Timedelta(hours=hours * (name == "tp"))
            keys = {**grid, "dataDate": int(f"{time:%Y%m%d}"), "dataTime": int(f"{time:%H%M}")}
            keys |= {
                "shortName": name,
                "bitsPerValue": 24,
                "bitmapPresent": 1,
                "missingValue": 1e20,
            }
            keys |= {"stepType": "accum", "stepRange": f"0-{hours}"} if name == "tp" else {}
            keys |= {} if level is None else {"level": int(level)}
            kind = "sfc" if level is None else "pl"
            message = eccodes.codes_grib_new_from_samples(f"regular_ll_{kind}_grib1")
            for key, value in keys.items():
                eccodes.codes_set(message, key, value)
            eccodes.codes_set_values(message, field.fillna(1e20).values.ravel())
            eccodes.codes_write(message, file)
            eccodes.codes_release(message)
    for name, array in ds.items():
        truth.spacing[str(name)] = float(array.max() - array.min()) * 2.0**-22
    return folder / "s.grib"


WRITERS: dict[str, Callable[[Truth, Generator, Path], Path]] = {
    "files": _in_files,
    "zeros": _with_zeros,
    "steps": _by_step,
    "leads": _of_one_lead,
    "anemoi": _anemoi,
    "grib": _grib,
}


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
