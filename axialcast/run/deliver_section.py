"""The part of a config that says in which formats forecasts are delivered."""

from typing import Annotated, Literal

from pydantic import Field

from axialcast.names import VARIABLES, canonical
from axialcast.run.section import Section
from axialcast.run.values import each_once

__all__ = ["DeliverConfig", "without_code"]


class DeliverConfig(Section):
    """Files made of forecast.zarr by the pipeline deliver, one for each initial time."""

    formats: Annotated[
        list[Literal["netcdf", "grib2"]], Field(min_length=1), each_once(lambda name: name)
    ] = ["netcdf"]
    """netcdf, grib2, or both; grib2 needs the extra grib: pip install 'axialcast[grib]'."""
    grib_bits: Annotated[int, Field(ge=1, le=24)] = 16
    """Bits of each value in GRIB: a field is off by at most its range over 2^bits."""


def without_code(names: list[str]) -> list[str]:
    """Variables that GRIB 2 has no code for."""
    known = (VARIABLES.get(canonical(name)) for name in names)
    return [name for name, of in zip(names, known, strict=True) if of is None or of.grib is None]
