"""Delivers forecasts in formats of others: forecast.zarr → delivered/, a file an initial time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from axialcast.files.atomic import remove, sweep
from axialcast.forecast import ForecastStore, date_text
from axialcast.forecast.grib import refuse_grib, write_grib
from axialcast.forecast.netcdf import write_netcdf
from axialcast.names import INIT_TIME
from axialcast.run.config import Config
from axialcast.run.progress import track

READS = ("deliver.formats", "deliver.grib_bits")
NEEDS = ("forecast.zarr",)
OUTPUTS = ("delivered",)

SUFFIXES = {"netcdf": ".nc", "grib2": ".grib2"}


def run(config: Config) -> None:
    """Writes each complete initial time of forecast.zarr as a file of each format.

    Files are whole or absent; those of initial times that are no more, or of other formats, go.
    """
    forecast = ForecastStore(config.output / "forecast.zarr").dataset()
    if "grib2" in config.deliver.formats:
        refuse_grib(forecast)
    folder = config.output / "delivered"
    folder.mkdir(exist_ok=True)
    sweep(folder, alone=True)
    wanted = {path for path, _ in files(config, folder, forecast)}
    for suffix in SUFFIXES.values():
        for path in set(folder.glob(f"*{suffix}")) - wanted:
            remove(path)
    for path, part in track(
        files(config, folder, forecast), description="deliver", total=len(wanted), unit="files"
    ):
        if path.suffix == ".nc":
            write_netcdf(path, part)
        else:
            write_grib(path, part, bits=config.deliver.grib_bits)


def files(config: Config, folder: Path, forecast: xr.Dataset) -> Iterator[tuple[Path, xr.Dataset]]:
    """Each file with the forecast that it holds."""
    for number, date in enumerate(np.asarray(forecast[INIT_TIME])):
        name = date_text(date).replace(":", "")
        for kind in config.deliver.formats:
            yield folder / f"{name}{SUFFIXES[kind]}", forecast.isel({INIT_TIME: [number]})
