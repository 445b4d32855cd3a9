"""The section `verify.stations` of a config: observations that forecasts are scored against."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from axialcast.run.section import Section
from axialcast.run.values import Location, Name

__all__ = ["StationsConfig"]


class StationsConfig(Section):
    """A table of latitude, longitude, time, value and, if it is known, elevation in metres."""

    store: Location
    """CSV or Parquet file, NetCDF file or Zarr folder."""
    variable: Name
    """What is observed, of those that are forecast."""
    level: float | None = None
    """Of a variable with levels, in hPa."""
    units: Name | None = None
    """Of the values; null: those that the store states, by an attribute or a column units,
    canonical ones where it states none."""
    orography: Name | None = None
    """Field that says how high the grid's points are, in m or, of a geopotential, m2 s-2; from
    where data.static comes from."""
    lapse_rate: Annotated[float, Field(ge=-20, le=20)] | None = None
    """Of temperatures, K per km that they fall with height, such as 6.5: forecasts are taken from
    the grid's height to the station's; needs orography. null: they are left as they are."""

    @model_validator(mode="after")
    def _has_heights(self) -> Self:
        if self.lapse_rate is not None and self.orography is None:
            raise ValueError("lapse_rate: needs the grid's heights; name them with orography")
        return self
