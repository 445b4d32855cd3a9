"""Tables of stations as they are stored: rows with a latitude, a longitude, a time and a value."""

from pathlib import Path

import pandas as pd
import xarray as xr

from axialcast.data.opening.standard.coordinates import contradiction
from axialcast.data.spellings import is_stated, linear_conversion

__all__ = ["COLUMNS", "ELEVATION", "read_table"]

COLUMNS = ("latitude", "longitude", "time", "value")
ELEVATION = "elevation"
UNITS = "units"
"""Column that says what values are in."""

CSV = (".csv", ".csv.gz")
PARQUET = (".parquet", ".pq")
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_table(path: Path) -> tuple[pd.DataFrame, str | None]:
    """The rows of a store, and the units that it states of its values.

    Raises:
        FileNotFoundError: there is no such store.
        ValueError: it cannot be read, lacks a column, or it is not said which place and time a
            value is of.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such store of stations")
    name = path.name.lower()
    try:
        if name.endswith(CSV):
            table, stated = _csv(path), None
        elif name.endswith(PARQUET):
            # An index may be of columns.
            table, stated = pd.read_parquet(path).reset_index(), None
        else:
            table, stated = _dataset(path)
    except ImportError:
        raise ValueError(
            f"{path}: Parquet needs pyarrow; pip install pyarrow, or write a CSV"
        ) from None
    except _Refused as error:
        raise ValueError(f"{path}: {error}") from None
    except (ValueError, OSError, TypeError) as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path}: no table that can be read ({said}); expected CSV (.csv), Parquet (.parquet), "
            "NetCDF or a Zarr folder"
        ) from None
    if absent := [name for name in COLUMNS if name not in table]:
        raise ValueError(
            f"{path}: has no {absent[0]} among {', '.join(map(str, table))}; name its columns "
            f"{', '.join(COLUMNS)}"
        )
    return table, stated or _stated(path, table)


class _Refused(ValueError):
    """The table was read, and is not what it should be."""


def _csv(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, skipinitialspace=True)
    if not isinstance(table.index, pd.RangeIndex):  # pandas would take the first for names of rows
        raise _Refused(
            f"its rows have more fields than the {len(table.columns)} that its first line names; "
            "name all, write decimals with a point, and end no line with a comma"
        )
    (first, *others) = map(str, table.columns)
    for name in (*COLUMNS, ELEVATION, UNITS):
        if name in table and f"{name}.1" in table:  # as pandas calls a second one
            raise _Refused(f"two columns are called {name}; keep one")
    for separator, said in SEPARATORS.items():
        if not others and separator in first:
            raise _Refused(
                f"its columns are separated by {said}; expected commas, and decimals with a point: "
                f"pandas.read_csv(…, sep={separator!r}).to_csv(…, index=False) writes them so"
            )
    return table


def _dataset(path: Path) -> tuple[pd.DataFrame, str | None]:
    with xr.open_zarr(path) if path.is_dir() else xr.open_dataset(path) as dataset:
        names = [name for name in (*COLUMNS, ELEVATION) if name in dataset.variables]
        if "value" not in names:
            return pd.DataFrame(columns=sorted(map(str, dataset.variables))), None
        dataset = dataset[names].reset_coords()
        _refuse_dimensions(dataset)
        for name in ("latitude", "longitude"):
            if name in names and (reason := contradiction(dataset[name], name)):
                raise _Refused(f"{name} {reason}")
        if ELEVATION in names:
            dataset[ELEVATION] = _metres(dataset[ELEVATION])
        return dataset.to_dataframe().reset_index(), dataset["value"].attrs.get(UNITS)


def _refuse_dimensions(dataset: xr.Dataset) -> None:
    """Refuses what would give a value the places and times of others, or none of its own."""
    dims = dataset["value"].dims
    for name, array in dataset.variables.items():
        if other := [str(dim) for dim in array.dims if dim not in dims]:
            raise _Refused(
                f"{name} lies along {other[0]}, along which value ({', '.join(map(str, dims))}) "
                f"does not; give each value its {name}, as value (station, time) has with "
                "latitude (station)"
            )
    told = {dim for name in COLUMNS[:3] if name in dataset for dim in dataset[name].dims}
    if more := [str(dim) for dim in dims if dim not in told and dataset.sizes[dim] > 1]:
        raise _Refused(
            f"value lies along {more[0]}, which is of no place and no time; choose one of the "
            f"{dataset.sizes[more[0]]:,}"
        )


def _metres(elevation: xr.DataArray) -> xr.DataArray:
    stated = elevation.attrs.get(UNITS)
    if not is_stated(stated):
        return elevation
    try:
        factor, offset = linear_conversion(str(stated), "m")
    except ValueError as error:
        raise _Refused(f"{ELEVATION}: {error}; write it in metres") from None
    return elevation * factor + offset


def _stated(path: Path, table: pd.DataFrame) -> str | None:
    """The units that a column of the rows states."""
    if UNITS not in table:
        return None
    found = [str(units).strip() for units in table[UNITS].dropna().unique()]
    if len(found) > 1:
        raise ValueError(
            f"{path}: its column units says {found[0]!r} and {found[1]!r}; keep values of one unit"
        )
    return found[0] if found and is_stated(found[0]) else None
