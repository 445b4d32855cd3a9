"""Observations at stations: read from a table, checked, and where they lie in a grid.

Shapes: s stations, t times, h rows, w columns.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.spellings import find_unit
from axialcast.grid import Grid, LatLonGrid, ProjectedGrid
from axialcast.names import VARIABLES

__all__ = ["Neighbours", "Observations", "read_observations"]

COLUMNS = ("latitude", "longitude", "time", "value")
ELEVATION = "elevation"


@dataclass(frozen=True, eq=False)
class Observations:
    """Values of one variable at stations.

    Args:
        latitude, longitude: (s,) degrees.
        elevation: (s,) metres, NaN where it is not stated.
        times: (t,) sorted.
        values: (t, s) in the variable's canonical units, NaN where there is none.
        num_missing: rows of the store without a value.
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    elevation: NDArray[np.float64]
    times: NDArray[np.datetime64]
    values: NDArray[np.float64]
    num_missing: int

    def at(self, times: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """(..., s) values at times (...), NaN where there are none."""
        places = np.minimum(np.searchsorted(self.times, times), len(self.times) - 1)
        found = self.values[places]
        found[self.times[places] != times] = np.nan
        return found


def read_observations(path: Path, variable: str, units: str | None = None) -> Observations:
    """Observations of a CSV or Parquet table, a NetCDF file or a Zarr store.

    Args:
        path: of columns, or variables of one dimension, latitude, longitude, time and value; an
            elevation in metres as well, if it is known.
        variable: what is observed, by its canonical name.
        units: of the values; None: those that the store states, canonical ones where it states
            none.

    Raises:
        FileNotFoundError: there is no such store.
        ValueError: it lacks a column, holds what is no place, time or number, twice the same, or
            values that the variable cannot have.
    """
    table, stated = _table(path)
    if absent := [name for name in COLUMNS if name not in table]:
        raise ValueError(
            f"{path}: has no {absent[0]} among {', '.join(map(str, table))}; name its columns "
            f"{', '.join(COLUMNS)}"
        )
    try:
        table["time"] = _utc(table["time"])
        numbers = {name: pd.to_numeric(table[name]) for name in ("latitude", "longitude", "value")}
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}; expected times in UTC and numbers") from None
    table = table.assign(**numbers)
    for name, most in (("latitude", 90.0), ("longitude", 360.0)):
        wrong = ~(table[name].abs() <= most)
        if wrong.any():
            raise ValueError(
                f"{path}: {name} {table[name][wrong].iloc[0]:g}; expected degrees, -{most:g} to "
                f"{most:g}"
            )
    if table["time"].isna().any():
        raise ValueError(f"{path}: a row has no time; give it one, or leave it out")
    table["longitude"] %= 360.0
    known = table[np.isfinite(table["value"])]
    if not len(known):
        raise ValueError(f"{path}: holds no value; take another store")
    return _arranged(
        path,
        known.assign(value=_converted(path, known, variable, units or stated)),
        len(table) - len(known),
    )


def _table(path: Path) -> tuple[pd.DataFrame, str | None]:
    """The rows of a store, and the units that it states."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such store of stations")
    if path.suffix == ".csv":
        return pd.read_csv(path), None
    if path.suffix == ".parquet":
        try:
            return pd.read_parquet(path), None
        except ImportError:
            raise ValueError(
                f"{path}: Parquet needs pyarrow; pip install pyarrow, or write a CSV"
            ) from None
    opened = xr.open_zarr(path) if path.is_dir() else xr.open_dataset(path)
    with opened as dataset:
        wanted = [name for name in (*COLUMNS, ELEVATION) if name in dataset.variables]
        units = dataset["value"].attrs.get("units") if "value" in dataset else None
        return dataset[wanted].to_dataframe().reset_index(), units


def _utc(times: pd.Series) -> pd.Series:
    """Dates without a zone; such as have one are told in UTC."""
    if pd.api.types.is_datetime64_any_dtype(times) and times.dt.tz is None:
        return times.astype("datetime64[ns]")
    return (
        pd.to_datetime(times, utc=True, format="ISO8601")
        .dt.tz_localize(None)
        .astype("datetime64[ns]")
    )


def _converted(
    path: Path, known: pd.DataFrame, variable: str, units: str | None
) -> NDArray[np.float64]:
    values = known["value"].to_numpy(np.float64)
    if units is not None and variable in VARIABLES:
        unit = find_unit(variable, units)
        values = np.asarray(values * unit.factor + unit.offset, np.float64)
    limits = VARIABLES[variable].limits if variable in VARIABLES else None
    if limits and not (limits[0] <= values.min() and values.max() <= limits[1]):
        raise ValueError(
            f"{path}: {variable} is {values.min():g} to {values.max():g} "
            f"{VARIABLES[variable].units}, where {limits[0]:g} to {limits[1]:g} is possible; say "
            "which units it is in with verify.stations.units, and mark what is missing as such"
        )
    return np.asarray(values)


def _arranged(path: Path, table: pd.DataFrame, num_missing: int) -> Observations:
    if ELEVATION not in table:
        table = table.assign(**{ELEVATION: np.nan})
    index = ["latitude", "longitude"]
    twice = table.duplicated([*index, "time"])
    if twice.any():
        row = table[twice].iloc[0]
        raise ValueError(
            f"{path}: holds latitude {row['latitude']:g}, longitude {row['longitude']:g} at "
            f"{row['time']} twice; keep one"
        )
    wide = table.pivot(index="time", columns=index, values="value").sort_index()
    heights = table.groupby(index)[ELEVATION].first().reindex(wide.columns)
    places = np.array(wide.columns.to_list(), np.float64)
    return Observations(
        latitude=places[:, 0],
        longitude=places[:, 1],
        elevation=heights.to_numpy(np.float64),
        times=wide.index.to_numpy(),
        values=wide.to_numpy(np.float64),
        num_missing=num_missing,
    )


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The four points of a grid around each station: bilinear interpolation.

    Args:
        places: (4, s) of the points, in a field whose rows lie one after another.
        weights: (4, s) of their values; they add up to one.
        inside: (s,) stations that the grid reaches.
    """

    places: NDArray[np.intp]
    weights: NDArray[np.float64]
    inside: NDArray[np.bool_]

    @classmethod
    def of(cls, grid: Grid, latitude: Any, longitude: Any) -> "Neighbours":
        """Of places (s,) in degrees, between the grid's own coordinates.

        Towards a pole that the last row is half a spacing from, the values are that row's.

        Raises:
            ValueError: the grid has no coordinates of its own along rows and columns.
        """
        if isinstance(grid, LatLonGrid):
            down, across = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
            turn = 360.0
        elif isinstance(grid, ProjectedGrid):
            down, across = grid.coordinates(np.asarray(latitude), np.asarray(longitude))
            turn = 360.0 if grid.units == "degrees" else 0.0
        else:
            raise ValueError(
                f"stations: between the points of {grid} there are no coordinates to interpolate "
                "along; regrid forecasts and analysis to latitudes and longitudes"
            )
        rows = _between(grid.axes[0], down, reach=0.5)
        columns = _between(grid.axes[1], across, turn=turn, is_closed=grid.is_periodic)
        width, inside = grid.shape[1], rows[2] & columns[2]
        places, weights = [], []
        for row in (0, 1):
            for column in (0, 1):
                places.append(rows[0][row] * width + columns[0][column])
                weights.append(rows[1][row] * columns[1][column])
        return cls(np.stack(places), np.stack(weights), inside)

    def values(self, fields: NDArray[Any]) -> NDArray[np.float64]:
        """(..., s) of fields (..., h, w); NaN where a point that counts is, and beyond the grid."""
        flat = fields.reshape(*fields.shape[:-2], -1)
        around = flat[..., self.places].astype(np.float64)
        found = np.where(self.weights > 0, around * self.weights, 0.0).sum(-2)
        return np.where(self.inside, found, np.nan)


def _between(
    axis: NDArray[np.float64],
    wanted: NDArray[np.float64],
    *,
    turn: float = 0.0,
    is_closed: bool = False,
    reach: float = 0.0,
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
    """Positions (2, s) before and after each coordinate, their weights, and which are inside.

    Args:
        turn: after which coordinates begin again; 0: never.
        is_closed: whether the last one adjoins the first.
        reach: spacings beyond the ends that count as inside.
    """
    order = np.argsort(axis)
    line = axis[order].astype(np.float64)
    if turn:
        wanted = line[0] + (wanted - line[0] + 1e-9) % turn - 1e-9
    if is_closed:
        order, line = np.append(order, order[0]), np.append(line, line[0] + turn)
    spacing = np.diff(line).max(initial=0.0)
    slack = reach * spacing + 1e-6 * max(spacing, 1.0)
    inside = np.isfinite(wanted) & (wanted >= line[0] - slack) & (wanted <= line[-1] + slack)
    wanted = np.clip(np.where(inside, wanted, line[0]), line[0], line[-1])
    after = np.clip(np.searchsorted(line, wanted), min(1, len(line) - 1), len(line) - 1)
    before = np.maximum(after - 1, 0)
    span = np.where(after > before, line[after] - line[before], 1.0)
    share = np.where(after > before, (wanted - line[before]) / span, 0.0)
    return np.stack([order[before], order[after]]), np.stack([1 - share, share]), inside
