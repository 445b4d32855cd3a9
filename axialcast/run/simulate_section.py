"""The section `simulate` of a config: one of the embedded simulations, which `kind` names."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from axialcast.run.section import Section
from axialcast.run.values import Positive, Whole
from axialcast.times.periods import Date, period_bounds

__all__ = ["RainCellsConfig", "SimulateConfig", "Simulated"]

FIRST_YEAR, LAST_YEAR = "1680", "2260"
"""Years whose every instant 64 bits of nanoseconds can count."""

Kind = Literal["nature_run", "rain_cells"]


class _Dated(Section):
    """What both have in common."""

    start: Date
    """First date written."""
    end: Date
    """Last date written."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        start, end = self.start, self.end
        if period_bounds((start, start))[0] > period_bounds((end, end))[1]:
            raise ValueError(f"start {start} comes after end {end}; swap them")
        if start < FIRST_YEAR or end[:4] > LAST_YEAR:
            raise ValueError(
                f"start {start} and end {end}: expected dates within {FIRST_YEAR} to {LAST_YEAR}, "
                "which nanoseconds can count"
            )
        return self


class SimulateConfig(_Dated):
    """The embedded nature run: keywords of `axialcast.planet.nature_run.nature_run`."""

    kind: Kind = "nature_run"
    """What is simulated: the weather of a planet, or rain_cells, as a radar sees them."""
    start: Date = "2001-01-01"
    """First date written."""
    end: Date = "2002-12-31"
    """Last date written."""
    truncation: Annotated[int, Field(ge=5, le=341)] = 21
    """Triangular truncation: T21 has 32 x 64 points."""
    spinup_days: Annotated[Whole, Field(le=36_525)] = 120
    """Days integrated and thrown away before `start`."""


class RainCellsConfig(_Dated):
    """Embedded rain cells: keywords of `axialcast.planet.rain_cells.RainCells`."""

    kind: Kind = "rain_cells"
    """What is simulated: rain_cells, or nature_run, the weather of a planet."""
    start: Date = "2001-06-01"
    """First date written."""
    end: Date = "2001-06-30"
    """Last date written."""
    step_minutes: Literal[1, 2, 3, 5, 6, 10, 12, 15, 20, 30, 60] = 10
    """Minutes from one time to the next."""
    points: Annotated[int, Field(ge=8, le=4096)] = 64
    """Points along x and along y."""
    spacing_km: Annotated[Positive, Field(ge=0.1, le=20)] = 2.0
    """Distance between two points."""


def kind_of(value: Any) -> str:
    """Which section a value is meant as; unknown kinds are left to be refused there."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "rain_cells" if kind == "rain_cells" else "nature_run"


Simulated = Annotated[
    Annotated[SimulateConfig, Tag("nature_run")] | Annotated[RainCellsConfig, Tag("rain_cells")],
    Discriminator(kind_of),
]
"""Whichever of them it is."""
