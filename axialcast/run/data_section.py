"""The section `data` of a config, and the boxes on its grid."""

import warnings
from itertools import combinations
from typing import Any, Literal, Self

import numpy as np
from pydantic import (
    ValidationInfo,
    field_validator,
    model_validator,
)

from axialcast.frame import Relaxation
from axialcast.names import (
    COMPUTED,
    COORDINATE_ALIASES,
    DIAGNOSTIC,
    FORCING,
    LEVEL,
    X,
    Y,
    canonical,
)
from axialcast.run.section import Section
from axialcast.run.spelled import given_step, refuse_both
from axialcast.run.store_section import StoreConfig, Stores
from axialcast.run.values import (
    Bounds,
    Count,
    Fields,
    Forcings,
    Gibibytes,
    Hours,
    Levels,
    Location,
    Member,
    Projection,
    Renames,
    Seconds,
    Transforms,
    Units,
    Variables,
    Weights,
)
from axialcast.times.periods import Period, Step, period_bounds

__all__ = [
    "BoundaryConfig",
    "DataConfig",
    "RegionConfig",
    "Section",
    "StoreConfig",
]


def check_box(latitude: tuple[float, float], longitude: tuple[float, float]) -> None:
    """Refuses what is no box.

    Raises:
        ValueError: south is not south of north, or west and east are more than a turn apart.
    """
    south, north = latitude
    if not -90 <= south < north <= 90:
        raise ValueError(f"latitude {[south, north]}: expected [south, north] within -90 to 90")
    west, east = longitude
    if max(abs(west), abs(east)) > 720 or not 0 < east - west + 360 * (east < west) <= 360:
        raise ValueError(
            f"longitude {[west, east]}: expected [west, east] of at most one turn, such as "
            "[0, 360], or [350, 10] across the meridian"
        )


class RegionConfig(Section):
    """A box on the grid, edges included."""

    latitude: tuple[float, float]
    """[south, north] in degrees north."""
    longitude: tuple[float, float]
    """[west, east] in degrees east; west may exceed east, across the meridian."""

    @model_validator(mode="after")
    def _is_box(self) -> Self:
        check_box(self.latitude, self.longitude)
        return self


class BoundaryConfig(Section):
    """What comes in along the edges of a region."""

    width: Count
    """Points on each side in which forecasts are led to the boundary, and are not judged."""
    relaxation: Relaxation = "davies"
    """What the boundary counts for there: `davies`, less from point to point inwards; or
    `overwrite`, all."""
    store: Location | None = None
    """File, Zarr folder or URL of the analysis that it comes from, which covers the region, in any
    resolution; null: data.store itself, whose states are known in the frame before they come."""


with warnings.catch_warnings():
    # pydantic warns that `validate` hides its own deprecated method of that name; we mean it to.
    warnings.filterwarnings("ignore", 'Field name "validate"')

    class DataConfig(Section):
        """Which analyses, and which of their years train, validate and test.

        A period is [first, last], ISO dates or whole months or years, both ends included.
        """

        store: Stores | None = None
        """File, Zarr folder or URL, or a list of them, joined; null: the analysis.zarr that
        simulate writes into output."""
        variables: Variables
        """Variables that forecasts are made from and that are forecast, by canonical name."""
        diagnostic: Fields = []
        """Variables that are forecast alone, such as precipitation: nothing is made from them."""
        static: Fields = []
        """Fields that do not change in time and that the network is told of, by canonical name."""
        static_store: Location | None = None
        """File, Zarr folder or URL of them, on points of the store's grid; null: the store, or
        whichever of several holds them."""
        forcings: Forcings = []
        """What is known at all times and not forecast: variables of the store, such as
        sea_surface_temperature (see forecast.forcings), and what is computed of the sun, by name:
        cosine_of_solar_zenith_angle, toa_incoming_shortwave_flux and
        daily_mean_toa_incoming_shortwave_flux."""
        bounds: Bounds = {}
        """Lowest and highest value that forecasts of a variable keep to, such as [0, null] for
        specific_humidity; in its canonical units."""
        transform: Transforms = {}
        """What becomes of a variable before it is normalised, such as {log1p: 0.001}: the logarithm
        of 1 + x / 0.001, for what is mostly near 0; in its canonical units. Forecasts then tell
        better whether there is any, and lean from the mean towards the median: to less."""
        weights: Weights = {}
        """What counts for how much in the loss, by variable or as `temperature 850` by level (hPa);
        1 where nothing is said: errors as large as the changes over a step count alike."""
        levels: Levels | None = None
        """Pressure levels (hPa); null: all in the store."""
        region: RegionConfig | None = None
        """Box to work on, on a map the rows and columns that hold it; null: all of the grid."""
        boundary: BoundaryConfig | None = None
        """What comes in along the edges of the region; null: nothing, as on the globe."""
        member: Member | None = None
        """Member of an ensemble to take, by its number or name; null: the store is no ensemble."""
        gaps: Literal["refuse", "keep"] = "refuse"
        """Times missing from the store: refuse it, or keep it, with no window across a gap."""
        train: Period
        """Period that weights, statistics and baselines are fitted on."""
        validate: Period  # type: ignore[assignment]
        """Period watched while training."""
        test: Period
        """Period forecast and verified, never trained on."""
        input_steps: Count = 2
        """Analyses that a forecast starts from."""
        step: Step | None = None
        """From one model step to the next, such as 6 h, 10 min or 1 month; null: as step_hours
        says."""
        step_hours: Hours | None = None
        """Hours from one model step to the next; null: the store's own cadence."""
        round_times_seconds: Seconds | None = None
        """Seconds from midnight whose multiples the times are rounded to; null: only where
        they are off by no more than the type of their numbers."""
        grid_mapping: Projection | None = None
        """The projection of the store's x and y, as PROJ calls it, such as EPSG:3413; null: what
        the store says."""
        rename: Renames = {}
        """Names in the store that say nothing or something else, and what they are to be called."""
        units: Units = {}
        """Units of variables whose store states none or wrong ones."""
        missing_chunks: Literal["refuse", "fill"] = "refuse"
        """Whether a chunk that a Zarr store lacks is an error or holds the fill value."""
        storage_options: dict[str, Any] = {}
        """For a URL, in words of fsspec or obstore; anon: false: credentials of the environment."""
        buffer_gib: Gibibytes = 1.0
        """Decoded data kept in memory while training (GiB); more is read in pieces."""

        @property
        def stores(self) -> list[StoreConfig]:
            """Every store, with what is said of it; none where what simulate writes is read."""
            said = self.store if isinstance(self.store, list) else [self.store]
            said = [s for s in said if s is not None]
            return [StoreConfig(store=s) if isinstance(s, str) else s for s in said]

        @property
        def frame(self) -> dict[str, Any] | None:
            """Keywords of `axialcast.model.boundary.Frame`; None: the network has none."""
            boundary = self.boundary
            return None if boundary is None else boundary.model_dump(exclude={"store"})

        @property
        def stored_forcings(self) -> list[str]:
            """Forcings that are variables of the store."""
            return [name for name in self.forcings if name not in COMPUTED]

        @property
        def computed_forcings(self) -> list[str]:
            return [name for name in self.forcings if name in COMPUTED]

        @property
        def roles(self) -> dict[str, str]:
            """By any name of a variable, see `axialcast.names.ROLES`."""
            named = {DIAGNOSTIC: self.diagnostic, FORCING: self.stored_forcings}
            pairs = [(name, role) for role, names in named.items() for name in names]
            return {known: role for name, role in pairs for known in (name, canonical(name))}

        @property
        def forecast_variables(self) -> list[str]:
            """What forecasts hold."""
            return [*self.variables, *self.diagnostic]

        @property
        def model_step(self) -> np.timedelta64 | None:
            """From one model step to the next; None: the store's own cadence."""
            return given_step(self.step, self.step_hours)

        @property
        def buffer_bytes(self) -> int:
            return round(self.buffer_gib * 2**30)

        @field_validator("units")
        @classmethod
        def _are_of_variables(cls, units: dict[str, str], info: ValidationInfo) -> dict[str, str]:
            names = set(map(canonical, info.data.get("variables", units)))
            for key in ("diagnostic", "static", "forcings"):
                names |= set(map(canonical, info.data.get(key, ())))
            names |= {LEVEL, *COORDINATE_ALIASES[LEVEL], Y, X}  # whose units may be stated as well
            for name in units:
                if canonical(name) not in names:
                    raise ValueError(
                        f"{name} is not among data.variables; add it there, or leave it out here"
                    )
            return units

        @model_validator(mode="after")
        def _roles_are_apart(self) -> Self:
            keys = ("variables", "diagnostic", "forcings", "static")
            named = [(key, canonical(name)) for key in keys for name in getattr(self, key)]
            for (one, name), (other, again) in combinations(named, 2):
                if name == again:
                    raise ValueError(f"{name} is among {one} and {other}; name it in one of them")
            return self

        @model_validator(mode="after")
        def _stores_give_what_is_named(self) -> Self:
            named = [*self.forecast_variables, *self.stored_forcings, *self.static]
            known = {*named, *map(canonical, named)}
            for number, store in enumerate(self.stores):
                for name in store.variables or ():
                    if name not in known and canonical(name) not in known:
                        raise ValueError(
                            f"store.{number}.variables: {name} is not among data.variables, "
                            "diagnostic, forcings or static; add it there, or leave it out here"
                        )
            return self

        @model_validator(mode="after")
        def _step_is_said_once(self) -> Self:
            refuse_both(self, "step", "step_hours")
            return self

        @model_validator(mode="after")
        def _splits_are_apart(self) -> Self:
            periods = {name: getattr(self, name) for name in ("train", "validate", "test")}
            lines = []
            for (one, a), (other, b) in combinations(periods.items(), 2):
                first = max(period_bounds(a)[0], period_bounds(b)[0])
                last = min(period_bounds(a)[1], period_bounds(b)[1])
                if first <= last:
                    days = " to ".join(np.datetime_as_string([first, last], "D"))
                    lines.append(
                        f"{one} {a[0]} to {a[1]} and {other} {b[0]} to {b[1]} overlap ({days}); "
                        "choose periods that share no day"
                    )
            if lines:
                raise ValueError("\n".join(lines))
            return self
