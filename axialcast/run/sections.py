"""The sections of a config file: every key, its default and what it means.

A field's name is the keyword of the constructor it is passed to, and units stand in it.
`axialcast.run.config.Config` is made of them.
"""

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from axialcast.names import canonical
from axialcast.run.data_section import DataConfig, RegionConfig, Section
from axialcast.run.model_section import AxialConfig, Model, ModelConfig
from axialcast.run.packing_section import Packed
from axialcast.run.simulate_section import RainCellsConfig, SimulateConfig, Simulated
from axialcast.run.spelled import given_step, refuse_both
from axialcast.run.train_section import ScheduleConfig, TrainConfig
from axialcast.run.values import (
    BatchName,
    Count,
    Gibibytes,
    Hours,
    Location,
    Name,
    NotNegative,
    Positive,
    Sources,
    Whole,
    WholeHours,
    each_once,
)
from axialcast.run.verify_section import VerifyConfig
from axialcast.times.periods import InitTimes, Interval, Step, interval

__all__ = [
    "AxialConfig",
    "ClusterConfig",
    "DataConfig",
    "ForecastConfig",
    "Model",
    "ModelConfig",
    "PrepareConfig",
    "RainCellsConfig",
    "RegionConfig",
    "RegridConfig",
    "ScheduleConfig",
    "Section",
    "SimulateConfig",
    "Simulated",
    "TrainConfig",
    "VerifyConfig",
]


class RegridConfig(Section):
    """A regular global grid: keywords of `axialcast.grid.LatLonGrid.regular`.

    Of a region, those cells are kept that it covers as a whole.
    """

    num_latitudes: Annotated[int, Field(ge=2, le=10_000)]
    """Rows from north to south."""
    num_longitudes: Annotated[int, Field(ge=4, le=20_000)]
    """Columns, the first at 0 degrees east."""
    poles: bool
    """Whether the outer rows lie on the poles, or half a row from them."""


class PrepareConfig(Section):
    """How the training store is made of the data: keywords of `Recipe`."""

    aggregate_hours: Hours | None = None
    """Hours to average over, 24 for daily means; null: the store's own times."""
    accumulated: Annotated[list[Name], each_once(canonical)] = ["total_precipitation"]
    """Variables to sum where others are averaged: amounts of the interval that ends at a time."""
    regrid: RegridConfig | None = None
    """Grid to take conservative means on; null: the store's own."""
    area_weighted: bool = True
    """Whether cells count by their area in the statistics."""


class ForecastConfig(Section):
    """Which forecasts are made with the trained network."""

    lead_time: Step | None = None
    """Longest lead time, such as 5 days, 1 h or 6 months; null: as lead_time_hours says."""
    lead_time_hours: Hours | None = 120.0
    """Longest lead time in hours; null where lead_time is given."""
    init_times: InitTimes = "test"
    """Initial times: `test` for all of data.test, a list of dates, or a range
    {first: 2009-01-01, last: 2010-12-31, every: 7 days}, both ends included."""
    init_every: Step | None = None
    """Between initial times of `test`, such as 3 months; null: as init_every_hours says."""
    init_every_hours: WholeHours | None = None
    """Hours between initial times of `test`; null: every analysis."""
    forcings: Sources = {}
    """Where each of data.forcings comes from after the initial time: `analysis` (the store, where
    nothing is said), `persist` (as it was then), `climatology` (of data.train), or the
    forecast.zarr of another run."""
    boundary_store: Location | None = None
    """Where the boundary of a region (data.boundary) comes from after the initial time: the
    forecast.zarr of a run on the globe or a larger region, from the same initial times; or an
    analysis; null: what it was trained with."""
    members: Annotated[Count, Field(le=1000)] | None = None
    """Members of an ensemble, dealt out among the networks that were trained and the initial times
    of `lagged`; null: one for each of these, or eight where they are perturbed or given noise."""
    perturb: NotNegative = 0.0
    """Size of the perturbations of initial states, differences of analyses of data.train, in units
    of the change over one model step, such as 0.5; the first member is not perturbed."""
    lagged: Annotated[Whole, Field(le=100)] = 0
    """Earlier initial times, a model step apart, that members start from, too."""
    batch_size: Count = 32
    """Forecasts run at once."""
    layout: Literal["axialcast", "weatherbench2"] = "axialcast"
    """Names of the dimensions that are written."""
    packing: Packed | None = None
    """Fewer bits in forecast.zarr, with the largest error as an attribute of each variable:
    {kind: bit_rounding, bits: 10} or {kind: int16}; null: single precision, as it was computed."""

    @property
    def longest(self) -> np.timedelta64:
        """The longest lead time."""
        found = given_step(self.lead_time, self.lead_time_hours)
        assert found is not None
        return found

    @property
    def spacing(self) -> np.timedelta64 | None:
        """Between initial times of `test`; None: every analysis."""
        return given_step(self.init_every, self.init_every_hours)

    @property
    def ensemble(self) -> dict[str, Any]:
        """What makes members: keywords of `axialcast.forecast.Forecaster`, but for the seed."""
        return self.model_dump(include={"members", "perturb", "lagged"})

    @property
    def chosen(self) -> dict[str, Any]:
        """Which initial times: keywords of `axialcast.forecast.choose_init_times`."""
        return {"init_times": self.init_times, "init_every": self.spacing}

    @model_validator(mode="before")
    @classmethod
    def _hours_give_way(cls, values: Any) -> Any:
        """A lead time takes the place of the hours that nobody has set."""
        if isinstance(values, dict) and values.get("lead_time") is not None:
            return {"lead_time_hours": None, **values}
        return values

    @model_validator(mode="after")
    def _each_is_said_once(self) -> Self:
        refuse_both(self, "lead_time", "lead_time_hours")
        refuse_both(self, "init_every", "init_every_hours")
        if self.lead_time is None and self.lead_time_hours is None:
            raise ValueError("lead_time: missing, as lead_time_hours is null; say how far to go")
        return self


class ClusterConfig(Section):
    """Where `axialcast submit` and the Dask workers of prepare, forecast and verify run."""

    kind: Literal["local", "slurm", "pbs", "address"] = "local"
    """This machine, a batch system, or a Dask scheduler that runs already."""
    address: Name | None = None
    """Of that scheduler, such as tcp://10.0.0.1:8786; kind address alone."""
    workers: Whole = 0
    """Dask workers (of the hpc extra) that share prepare, forecast and verify; 0: none, and threads
    of this process."""
    cores: Count = 1
    """Cores of a worker, each a thread, and of each process of a job."""
    memory_gib: Gibibytes = 4.0
    """Memory of a worker, and of each process of a job."""
    walltime: Interval = "1 hour"
    """Longest time of a job; what takes longer goes on in another."""
    save_minutes: Positive = 5.0
    """Time before the end of the walltime at which a job saves and stops."""
    turns: Count = 1
    """PBS jobs in a row that each stage may take; on Slurm a job queues again by itself as long as
    it saves something new within each walltime."""
    queue: BatchName | None = None
    """Partition (Slurm) or queue (PBS); null: the site's default."""
    account: BatchName | None = None
    """Whom the hours are charged to; null: the site's default."""
    nodes: Count = 1
    """Nodes of a training."""
    processes: Count = 1
    """Processes of a training on each node: one a GPU, where there are any."""
    gpus: Whole = 0
    """GPUs of a training on each node."""
    forecast_jobs: Annotated[Count, Field(le=1000)] = 1
    """Jobs that share the forecasts, one process each, with one GPU if there are any; 1: one job of
    as many processes as a training."""
    script: Location | None = None
    """Template of batch scripts, as `axialcast cp slurm.sh` copies one; null: the shipped one."""
    prologue: list[Name] = []
    """Lines of shell before the command, such as module load python."""

    @property
    def walltime_seconds(self) -> int:
        return round(interval(self.walltime)["every_seconds"])

    @property
    def save_seconds(self) -> int:
        """Of the walltime, at most half is kept for saving."""
        return round(min(60 * self.save_minutes, self.walltime_seconds / 2))

    @field_validator("walltime")
    @classmethod
    def _is_a_time(cls, walltime: int | str) -> int | str:
        if interval(walltime).get("every_seconds", 0) < 60:
            raise ValueError(
                f"got {walltime!r}, expected a time of a minute or more, such as 12 hours"
            )
        return walltime

    @model_validator(mode="after")
    def _share_forecasts_once(self) -> Self:
        if self.forecast_jobs > 1 and self.workers:
            raise ValueError(
                f"forecast_jobs {self.forecast_jobs} and workers {self.workers} would both share "
                "the forecasts; leave one of them out"
            )
        return self
