"""Names of dimensions, coordinates and well-known variables, with their CF attributes.

The vocabulary of the whole package: nothing else spells a dimension name or a unit of its own.
Variable names follow WeatherBench 2, `standard_name` and `units` the CF standard-name table.
"""

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

TIME = "time"
INIT_TIME = "init_time"
LEAD_TIME = "lead_time"
VALID_TIME = "valid_time"
STORED_TIME = "stored_time"
"""What a store says where times were dated anew, see `axialcast.times.months`."""
NUMBER = "number"
LEVEL = "level"
LATITUDE = "latitude"
LONGITUDE = "longitude"
Y = "y"
X = "x"
GRID_MAPPING = "crs"
CHANNEL = "channel"

CONVENTIONS = "CF-1.11"

PLANET = "planet"
"""Attribute of a dataset whose weather is not the Earth's: which planet it is of. Its maps have no
coasts."""

STANDARD_GRAVITY = 9.80665
"""What geopotential heights are geopotential over (m s-2)."""

NO_LEAP_SECONDS = {"units_metadata": "leap_seconds: none"}
ON_SCALE = {"units_metadata": "temperature: on_scale"}
"""What CF 1.11 wants to know of units: that days have 86,400 s, as numpy's and cftime's do, and
that a temperature is none of differences."""

COORDINATE_ATTRS: dict[str, dict[str, str]] = {
    TIME: {"standard_name": "time", "long_name": "time", "axis": "T", **NO_LEAP_SECONDS},
    INIT_TIME: {
        "standard_name": "forecast_reference_time",
        "long_name": "initial time",
        "axis": "T",
        **NO_LEAP_SECONDS,
    },
    LEAD_TIME: {"standard_name": "forecast_period", "long_name": "time since initial time"},
    VALID_TIME: {
        "standard_name": "time",
        "long_name": "time for which the forecast is valid",
        **NO_LEAP_SECONDS,
    },
    NUMBER: {"standard_name": "realization", "long_name": "ensemble member", "units": "1"},
    LEVEL: {
        "standard_name": "air_pressure",
        "long_name": "pressure",
        "units": "hPa",
        "positive": "down",
        "axis": "Z",
    },
    LATITUDE: {
        "standard_name": "latitude",
        "long_name": "latitude",
        "units": "degrees_north",
        "axis": "Y",
    },
    LONGITUDE: {
        "standard_name": "longitude",
        "long_name": "longitude",
        "units": "degrees_east",
        "axis": "X",
    },
}


@dataclass(frozen=True)
class Variable:
    """A well-known variable: its CF attributes, the foreign names it goes by, its values.

    `units` are canonical: `axialcast.data.open_analysis` converts to them.

    Args:
        limits: what its values may be anywhere in the atmosphere of Earth, of Mars and of a nature
            run, and more; in its units.
        hollow: within which they never lie all, as they would in other units.
        grib: number of the parameter at ECMWF, in these units, by which ecCodes knows its codes in
            GRIB 2; None: it has none, or is of an interval whose length is not known.
    """

    standard_name: str | None
    units: str
    long_name: str
    aliases: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    hollow: tuple[float, float] | None = None
    grib: int | None = None

    @property
    def attrs(self) -> dict[str, str]:
        attrs = {"units": self.units, "long_name": self.long_name}
        attrs |= ON_SCALE if self.units == "K" else {}
        return {"standard_name": self.standard_name, **attrs} if self.standard_name else attrs


VARIABLES: dict[str, Variable] = {
    "geopotential": Variable(
        "geopotential", "m2 s-2", "geopotential", ("z", "phi"), limits=(-4e4, 1.3e6), grib=129
    ),
    "temperature": Variable(
        "air_temperature", "K", "temperature", ("t", "ta"), limits=(80, 420), grib=130
    ),
    "u_component_of_wind": Variable(
        "eastward_wind",
        "m s-1",
        "eastward wind",
        ("u", "ua", "UWND", "uwnd"),
        limits=(-350, 350),
        grib=131,
    ),
    "v_component_of_wind": Variable(
        "northward_wind",
        "m s-1",
        "northward wind",
        ("v", "va", "VWND", "vwnd"),
        limits=(-350, 350),
        grib=132,
    ),
    "specific_humidity": Variable(
        "specific_humidity",
        "kg kg-1",
        "specific humidity",
        ("q", "hus"),
        limits=(-0.01, 0.2),
        grib=133,
    ),
    "vertical_velocity": Variable(
        "lagrangian_tendency_of_air_pressure",
        "Pa s-1",
        "vertical velocity",
        ("w", "wap", "omega"),
        limits=(-500, 500),
        grib=135,
    ),
    "2m_temperature": Variable(
        None, "K", "temperature 2 m above ground", ("t2m", "2t", "tas"), limits=(80, 420), grib=167
    ),
    "10m_u_component_of_wind": Variable(
        None,
        "m s-1",
        "eastward wind 10 m above ground",
        ("u10", "10u", "u10m", "uas"),
        limits=(-200, 200),
        grib=165,
    ),
    "10m_v_component_of_wind": Variable(
        None,
        "m s-1",
        "northward wind 10 m above ground",
        ("v10", "10v", "v10m", "vas"),
        limits=(-200, 200),
        grib=166,
    ),
    "mean_sea_level_pressure": Variable(
        "air_pressure_at_mean_sea_level",
        "Pa",
        "air pressure at mean sea level",
        ("msl", "slp", "psl", "prmsl"),
        limits=(70_000, 120_000),
        grib=151,
    ),
    "surface_pressure": Variable(
        "surface_air_pressure",
        "Pa",
        "surface pressure",
        ("sp", "ps"),
        limits=(20, 120_000),
        # On Mars, which has mountains, a few hundred on both sides.
        hollow=(300, 1_200),
        grib=134,
    ),
    "sea_surface_temperature": Variable(
        "sea_surface_temperature",
        "K",
        "sea surface temperature",
        ("sst", "tos"),
        limits=(200, 350),
        grib=34,
    ),
    "total_precipitation": Variable(
        "lwe_thickness_of_precipitation_amount",
        "m",
        "total precipitation",
        ("tp",),
        limits=(-0.01, 3),
        grib=228228,
    ),
    "rainfall_rate": Variable(
        "rainfall_rate", "mm h-1", "rain rate", ("rain_rate",), limits=(-0.1, 3_000)
    ),
    "2m_dewpoint_temperature": Variable(
        None,
        "K",
        "dew point temperature 2 m above ground",
        ("d2m", "2d"),
        limits=(80, 400),
        grib=168,
    ),
    "total_column_water_vapour": Variable(
        "atmosphere_mass_content_of_water_vapor",
        "kg m-2",
        "total column of water vapour",
        ("tcwv", "prw"),
        limits=(-1, 200),
        grib=137,
    ),
    "geopotential_height": Variable(
        "geopotential_height",
        "m",
        "geopotential height",
        ("gh", "zg", "hgt"),
        limits=(-1e4, 1.3e5),
        grib=156,
    ),
    "relative_humidity": Variable(
        "relative_humidity",
        "percent",
        "relative humidity",
        ("r", "hur", "rhum"),
        limits=(-20, 250),
        hollow=(-0.2, 1.7),
        grib=157,
    ),
    "geopotential_at_surface": Variable(
        "surface_geopotential",
        "m2 s-2",
        "geopotential at the surface",
        ("phis",),
        limits=(-4e4, 3e5),
    ),
    "land_sea_mask": Variable(
        "land_area_fraction", "1", "land-sea mask", ("lsm", "sftlf"), limits=(-0.05, 1.05), grib=172
    ),
}

PROGNOSTIC, DIAGNOSTIC, FORCING = "prognostic", "diagnostic", "forcing"
GIVEN_BY = "given_by"
"""Attribute of a variable of several stores: which of them gives it."""
HELD = "held_hours"
"""Attribute of a variable whose values stand until the next: for how many hours."""
ROLES = {PROGNOSTIC: "variables", DIAGNOSTIC: "diagnostic", FORCING: "forcings"}
"""What a network does with a variable, in the order that channels have: it is given it and
forecasts it; it forecasts it alone; it is given it alone, at all times. Each with the key of `data`
that names such variables. Static fields are given too, but have no time."""
BOUNDARY = "boundary"
"""Of a channel that holds what another, prognostic one is along the edges of a region, as another
store has it."""

ANALYSIS, PERSIST, CLIMATOLOGY = "analysis", "persist", "climatology"
"""Where a forcing comes from after the initial time: as the analysis has it at the valid time; as
it was at the initial time; as it is in the mean of years."""

COMPUTED = (
    "cosine_of_solar_zenith_angle",
    "toa_incoming_shortwave_flux",
    "daily_mean_toa_incoming_shortwave_flux",
)
"""Forcings that follow from time and place: `axialcast.model.sun` computes them."""

ON_LEVELS = frozenset(
    {
        *("geopotential", "temperature", "u_component_of_wind", "v_component_of_wind"),
        *("specific_humidity", "relative_humidity", "vertical_velocity", "geopotential_height"),
    }
)
"""Well-known variables that are one at every level; of the others, the name says where they are."""

VALID_TIMES = ("valid_time", "validity_time", "verification_time", "valid_date")
"""Names of times that are no initial times, whatever else there is."""

COORDINATE_ALIASES: dict[str, tuple[str, ...]] = {
    TIME: ("time", *VALID_TIMES, "T", "t", "TIME", "Time", "date", "time_counter"),
    LEVEL: ("level", "pressure_level", "isobaricInhPa", "plev", "lev", "pressure"),
    LATITUDE: ("latitude", "lat", "y", "Y", "LAT", "LATITUDE", "Latitude", "nav_lat", "XLAT"),
    LONGITUDE: ("longitude", "lon", "x", "X", "LON", "LONGITUDE", "Longitude", "nav_lon", "XLONG"),
    NUMBER: (
        *("number", "member", "realization", "ensemble", "realisation", "ens"),
        *("ensemble_member", "ens_member", "ensemble_number", "member_id"),
    ),
    INIT_TIME: (
        *("init_time", "forecast_reference_time", "reftime", "initial_time", "init", "base_time"),
        *("initialization_time", "forecast_initial_time"),
    ),
    LEAD_TIME: (
        *("lead_time", "step", "prediction_timedelta", "forecast_period", "leadtime", "lead"),
        *("fhour", "forecast_hour", "forecast_step", "fcst_hour", "forecast_time0"),
    ),
}

_STORABLE = re.compile(r"(?!__|zarr\.json$)\w[^/\\\x00-\x1f\x7f]{0,149}")
"""Names that Zarr and NetCDF can store, each as a folder within the store that it is in."""


def require_storable(names: Iterable[str]) -> None:
    """Raises ValueError where a variable's name cannot stand in a store, or leads out of it."""
    for name in names:
        if not _STORABLE.fullmatch(name):
            raise ValueError(
                f"variable {name!r}: no name that can be stored; rename it in its file to letters, "
                "digits and _, for instance with: ncrename -v OLD,NEW file.nc"
            )


def canonical(name: str) -> str:
    """The project's name of a variable; itself if it has none."""
    return next((want for want, known in VARIABLES.items() if name in known.aliases), name)


def known_variable(name: str, besides: Collection[str] = ()) -> str:
    """The project's name of a variable that goes by any of its names.

    Args:
        name: canonical or foreign.
        besides: other variables that there are, each by one name.

    Raises:
        ValueError: there is none of that name; says which is nearest.
    """
    found = name if name in besides else canonical(name)
    if found in besides or found in VARIABLES:
        return found
    names = [*besides, *VARIABLES, *(n for known in VARIABLES.values() for n in known.aliases)]
    spelt = {known.lower(): known for known in reversed(names)}
    near = difflib.get_close_matches(name.lower().replace(" ", "_"), spelt, n=1)
    remedy = f"did you mean {canonical(spelt[near[0]])}?" if near else "leave it out"
    raise ValueError(f"unknown variable {name!r}; {remedy}")
