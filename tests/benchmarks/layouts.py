"""The same two fields in files of many layouts, for the benchmarks: written a stretch at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import netCDF4
import numpy as np
import zarr
from numpy.typing import NDArray

__all__ = ["LAYOUTS", "NUM_CELLS"]

HEIGHT, WIDTH = 73, 144
NUM_CELLS = HEIGHT * WIDTH
FIELDS = {
    "msl": ("hPa", "air_pressure_at_mean_sea_level", 1013.0),
    "t2m": ("degC", "air_temperature", 9.0),
}
"""Units that have to be converted, standard name, mean."""
STRETCH = 100
DAYS = "days since 1980-01-01"

Writer = Callable[[Path, int], None]


def times(num: int) -> NDArray[np.datetime64]:
    """Days from 1980 on."""
    return np.datetime64("1980-01-01", "ns") + np.arange(num) * np.timedelta64(86_400 * 10**9, "ns")


def stretches(num: int) -> Iterator[tuple[slice, str, NDArray[np.float32]]]:
    """Positions in time, a field's name, and its values there (k, h, w)."""
    rng = np.random.default_rng(0)
    season = 10 * np.sin(2 * np.pi * np.arange(num) / 365.25)
    for start in range(0, num, STRETCH):
        part = slice(start, min(start + STRETCH, num))
        noise = rng.standard_normal((part.stop - start, HEIGHT, WIDTH), np.float32).round(1)
        for name, (_, _, mean) in FIELDS.items():
            yield part, name, (noise + mean + season[part, None, None]).astype(np.float32)


def lines(num: int, *, falling: bool = False) -> dict[str, tuple[NDArray[np.float64], str]]:
    """Values and units of the coordinates."""
    latitude = np.linspace(-90, 90, HEIGHT)
    return {
        "time": (np.arange(num, dtype=np.float64), DAYS),
        "latitude": (latitude[::-1] if falling else latitude, "degrees_north"),
        "longitude": (np.arange(WIDTH) * 360 / WIDTH, "degrees_east"),
    }


def netcdf(
    kind: str,
    chunk: tuple[int, int, int] | None = None,
    *,
    zlib: bool = False,
    dims: tuple[str, ...] = ("time", "latitude", "longitude"),
    packed: bool = False,
    falling: bool = False,
) -> Writer:
    """A file of this kind; `chunk` is of (time, latitude, longitude), 0 for all."""

    def write(path: Path, num: int) -> None:
        with netCDF4.Dataset(path, "w", format=kind) as file:
            coordinates = lines(num, falling=falling)
            for name, (values, units) in coordinates.items():
                file.createDimension(name, len(values))
                line = file.createVariable(name, "f8", (name,))
                line.units = units
                line[:] = values
            sizes = {name: len(values) for name, (values, _) in coordinates.items()}
            options: dict[str, object] = {"contiguous": chunk is None} if "4" in kind else {}
            if chunk:
                lengths = dict(zip(sizes, chunk, strict=True))
                options = {"chunksizes": [lengths[d] or sizes[d] for d in dims]}
                options |= {"zlib": zlib, "complevel": 1, "shuffle": zlib}
            for name, (units, standard_name, mean) in FIELDS.items():
                field = file.createVariable(name, "i2" if packed else "f4", dims, **options)
                field.units, field.standard_name = units, standard_name
                if packed:
                    field.scale_factor, field.add_offset = np.float32(0.01), np.float32(mean)
                if chunk and not chunk[0]:
                    field.set_var_chunk_cache(2**30)
            back = [("time", "latitude", "longitude").index(dim) for dim in dims]
            for part, name, values in stretches(num):
                values = values[:, ::-1] if falling else values
                index = tuple(part if dim == "time" else slice(None) for dim in dims)
                file[name][index] = values.transpose(back)

    return write


def files(path: Path, num: int) -> None:
    """A folder of NetCDF-3 files of 500 days."""
    path.mkdir()
    for number, start in enumerate(range(0, num, 500)):
        stop = min(start + 500, num)
        with netCDF4.Dataset(path / f"{number:03}.nc", "w", format="NETCDF3_CLASSIC") as file:
            for name, (values, units) in lines(num).items():
                values = values[start:stop] if name == "time" else values
                file.createDimension(name, len(values))
                line = file.createVariable(name, "f8", (name,))
                line.units = units
                line[:] = values
            for name, (units, standard_name, _) in FIELDS.items():
                field = file.createVariable(name, "f4", ("time", "latitude", "longitude"))
                field.units, field.standard_name = units, standard_name
    for part, name, values in stretches(num):
        with netCDF4.Dataset(path / f"{part.start // 500:03}.nc", "a") as file:
            file[name][part.start % 500 : part.start % 500 + len(values)] = values


def zarrs(
    chunk: tuple[int, int, int], *, shard: tuple[int, int, int] | None = None, version: int = 3
) -> Writer:
    """A store of such chunks, 0 for all, and shards."""

    def write(path: Path, num: int) -> None:
        group = zarr.open_group(path, mode="w", zarr_format=version)  # type: ignore[arg-type]
        sizes = (num, HEIGHT, WIDTH)
        dims = ("time", "latitude", "longitude")

        def create(
            name: str, own: tuple[str, ...], attrs: dict[str, str], **options: object
        ) -> None:
            if version == 2:
                attrs["_ARRAY_DIMENSIONS"] = list(own)  # type: ignore[assignment]
            else:
                options["dimension_names"] = own
            fill = {"fill_value": np.nan}
            group.create_array(name, attributes=attrs, **fill, **options)

        for name, (values, units) in lines(num).items():
            create(name, (name,), {"units": units}, shape=values.shape, dtype="f8")
            group[name][:] = values
        whole = [c or s for c, s in zip(chunk, sizes, strict=True)]
        every = [c or s for c, s in zip(shard, sizes, strict=True)] if shard else None
        for name, (units, standard_name, _) in FIELDS.items():
            attrs = {"units": units, "standard_name": standard_name}
            options = {"chunks": whole, "shards": every}
            create(name, dims, attrs, shape=sizes, dtype="f4", **options)
        if chunk[0] and not (shard and not shard[0]):
            for part, name, values in stretches(num):
                group[name][part] = values
            return
        fields = {name: np.empty(sizes, np.float32) for name in FIELDS}
        for part, name, values in stretches(num):
            fields[name][part] = values
        for name, field in fields.items():
            group[name][:] = field

    return write


def grib(path: Path, num: int) -> None:
    """A file of a message for each field and day."""
    import eccodes

    spacing = {"iDirectionIncrementInDegrees": 360 / WIDTH, "jDirectionIncrementInDegrees": 2.5}
    place = {
        "latitudeOfFirstGridPointInDegrees": 90.0,
        "latitudeOfLastGridPointInDegrees": -90.0,
        "longitudeOfFirstGridPointInDegrees": 0.0,
        "longitudeOfLastGridPointInDegrees": 360 - 360 / WIDTH,
    }
    settings = {"Ni": WIDTH, "Nj": HEIGHT, **place, **spacing, "packingType": "grid_simple"}
    kinds = {"msl": ("prmsl", "meanSea", 0), "t2m": ("2t", "heightAboveGround", 2)}
    messages = {}
    for name, (short_name, kind, level) in kinds.items():
        messages[name] = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
        own = {"shortName": short_name, "typeOfLevel": kind, "level": level}
        for key, value in {**settings, "bitsPerValue": 16, "dataTime": 0, **own}.items():
            eccodes.codes_set(messages[name], key, value)
    factors, offsets = {"msl": 100.0, "t2m": 1.0}, {"msl": 0.0, "t2m": 273.15}
    days = times(num).astype("datetime64[D]").astype(str)
    with path.open("wb") as file:
        for part, name, values in stretches(num):
            for day, field in zip(days[part], values.astype(np.float64), strict=True):
                eccodes.codes_set(messages[name], "dataDate", int(day.replace("-", "")))
                eccodes.codes_set_values(
                    messages[name], field.ravel() * factors[name] + offsets[name]
                )
                eccodes.codes_write(messages[name], file)
    for message in messages.values():
        eccodes.codes_release(message)


LAYOUTS: dict[str, Writer] = {
    "NetCDF-3": netcdf("NETCDF3_64BIT_OFFSET"),
    "NetCDF-3, latitude falls": netcdf("NETCDF3_CLASSIC", falling=True),
    "NetCDF-3, several files": files,
    "NetCDF-3, packed": netcdf("NETCDF3_CLASSIC", packed=True),
    "NetCDF-3, time last": netcdf("NETCDF3_CLASSIC", dims=("latitude", "longitude", "time")),
    "NetCDF-4, contiguous": netcdf("NETCDF4"),
    "NetCDF-4, chunks of 30 times": netcdf("NETCDF4", (30, 0, 0), zlib=True),
    "NetCDF-4, chunks of all times": netcdf("NETCDF4", (0, 10, 12), zlib=True),
    "NetCDF-4, chunks of a cell": netcdf("NETCDF4", (0, 1, 1)),
    "NetCDF-4, one chunk": netcdf("NETCDF4", (0, 0, 0), zlib=True),
    "GRIB": grib,
    "Zarr, a chunk a time": zarrs((1, 0, 0), version=2),
    "Zarr, chunks of all times": zarrs((0, 10, 12), version=2),
    "Zarr, sharded": zarrs((10, 0, 0), shard=(100, 0, 0)),
    "Zarr, one chunk": zarrs((0, 0, 0)),
}
"""What writes each, of so many days."""
