"""Observations at stations: read from a table and checked.

Shapes: s stations, t times.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from axialcast.data.spellings import find_unit, is_stated, linear_conversion
from axialcast.names import VARIABLES
from axialcast.scores.station_tables import ELEVATION, read_table

__all__ = ["Observations", "read_observations"]

STANDARD = ("standard", "gregorian", "proleptic_gregorian")
LOWEST, HIGHEST = -500.0, 9_000.0
"""Metres above the sea between which stations lie."""
APART = 1.0
"""Metres: two elevations of one station that differ by more contradict each other."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Values of one variable at stations.

    Args:
        latitude, longitude: (s,) degrees.
        elevation: (s,) metres, NaN where it is not stated.
        times: (t,) sorted.
        values: (t, s) in the units that were asked for, NaN where there is none.
        num_missing: rows of the store without a value.
        units: of the store; None: it states none, and none were named.
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    elevation: NDArray[np.float64]
    times: NDArray[np.datetime64]
    values: NDArray[np.float64]
    num_missing: int
    units: str | None = None

    def at(self, times: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """(..., s) values at times (...), NaN where there are none."""
        places = np.minimum(np.searchsorted(self.times, times), len(self.times) - 1)
        found = self.values[places]
        found[self.times[places] != times] = np.nan
        return found


def read_observations(
    path: Path, variable: str, units: str | None = None, *, wanted: str | None = None
) -> Observations:
    """Observations of a CSV or Parquet table, a NetCDF file or a Zarr store.

    Args:
        path: of columns, or variables, latitude, longitude, time and value; an elevation in metres
            as well, if it is known. Variables may share dimensions, such as value (station, time)
            with latitude (station). Rows may come in any order, longitudes from -180 or from 0.
        variable: what is observed, by its canonical name.
        units: of the values; None: those that the store states, `wanted` where it states none.
        wanted: that values are returned in; None: the canonical ones.

    Raises:
        FileNotFoundError: there is no such store.
        ValueError: it lacks a column, holds what is no place, time or number, twice the same, or
            values that the variable cannot have.
    """
    table, stated = read_table(path)
    num = len(table)
    table = table[table["time"].notna() | table["value"].notna()]  # others fill up rectangles
    table = table.assign(time=_utc(path, table["time"]))
    names = [name for name in ("latitude", "longitude", "value", ELEVATION) if name in table]
    for name in names:
        try:
            table[name] = pd.to_numeric(table[name]).astype(np.float64)
        except (ValueError, TypeError) as error:
            said = " ".join(str(error).split())
            raise ValueError(
                f"{path}: {name}: {said}; expected numbers, and nothing where there is none"
            ) from None
    _refuse_places(path, table)
    table["longitude"] %= 360.0
    known = table[np.isfinite(table["value"])]
    if not len(known):
        raise ValueError(f"{path}: holds no value among {num:,} rows; take another store")
    units = units or stated
    values = _converted(path, known["value"].to_numpy(), variable, units, wanted)
    return _arranged(path, known.assign(value=values), num - len(known), units)


def _refuse_places(path: Path, table: pd.DataFrame) -> None:
    for name, most in (("latitude", 90.0), ("longitude", 360.0)):
        wrong = ~(table[name].abs() <= most)
        if wrong.any():
            raise ValueError(
                f"{path}: {name} {table[name][wrong].iloc[0]:g}; expected degrees, -{most:g} to "
                f"{most:g}"
            )
    if ELEVATION in table:
        heights = table[ELEVATION]
        wrong = heights.notna() & ~heights.between(LOWEST, HIGHEST)
        if wrong.any():
            raise ValueError(
                f"{path}: elevation {heights[wrong].iloc[0]:g}; expected metres, {LOWEST:g} to "
                f"{HIGHEST:g}, and nothing where it is not known"
            )


def _utc(path: Path, times: pd.Series) -> pd.Series:
    """Dates without a zone; such as have one are told in UTC."""
    try:
        if pd.api.types.is_numeric_dtype(times) and len(times):
            raise ValueError(f"{times.iloc[0]} is a number")
        calendar = getattr(times.iloc[0], "calendar", STANDARD[0]) if len(times) else STANDARD[0]
        if calendar not in STANDARD:
            raise ValueError(f"{times.iloc[0]} is of the calendar {calendar}")
        if not pd.api.types.is_datetime64_any_dtype(times) or times.dt.tz is not None:
            times = pd.to_datetime(times, utc=True, format="ISO8601").dt.tz_localize(None)
        found = times.astype("datetime64[ns]")
    except (ValueError, TypeError) as error:
        said = str(error).partition(". You")[0]
        raise ValueError(
            f"{path}: time: {said}; expected times in UTC, or with their zone, as "
            "2001-01-31T18:00 or 2001-01-31T19:00+01:00"
        ) from None
    if found.isna().any():
        raise ValueError(f"{path}: a row has no time; give it one, or leave it out")
    return found


def _converted(
    path: Path,
    values: NDArray[np.float64],
    variable: str,
    units: str | None,
    wanted: str | None,
) -> NDArray[np.float64]:
    known = VARIABLES.get(variable)
    try:
        if known is None and wanted is not None and units is not None and units != wanted:
            factor, offset = linear_conversion(units, wanted)
            values = values * factor + offset
        elif known is not None and is_stated(units):
            unit = find_unit(variable, str(units))
            values = np.asarray(values * unit.factor + unit.offset, np.float64)
    except ValueError as error:
        raise ValueError(
            f"{path}: value of {variable}: {error}; say what the numbers are in with "
            "verify.stations.units"
        ) from None
    limits = known.limits if known else None
    if known and limits and not (limits[0] <= values.min() and values.max() <= limits[1]):
        raise ValueError(
            f"{path}: {variable} is {values.min():g} to {values.max():g} "
            f"{known.units}, where {limits[0]:g} to {limits[1]:g} is possible; say "
            "which units it is in with verify.stations.units, and mark what is missing as such"
        )
    return values


def _arranged(path: Path, table: pd.DataFrame, num_missing: int, units: str | None) -> Observations:
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
    heights = table.groupby(index)[ELEVATION].agg(["min", "max"])
    unsure = heights[heights["max"] - heights["min"] > APART]
    if len(unsure):
        row = unsure.reset_index().iloc[0]
        raise ValueError(
            f"{path}: the station at latitude {row['latitude']:g}, longitude {row['longitude']:g} "
            f"lies {row['min']:g} and {row['max']:g} m high; keep one elevation"
        )
    wide = table.pivot(index="time", columns=index, values="value")
    wide = wide.sort_index().sort_index(axis=1)
    places = np.array(wide.columns.to_list(), np.float64)
    return Observations(
        latitude=places[:, 0],
        longitude=places[:, 1],
        elevation=heights["max"].reindex(wide.columns).to_numpy(np.float64),
        times=wide.index.to_numpy(),
        values=wide.to_numpy(np.float64),
        num_missing=num_missing,
        units=units,
    )
