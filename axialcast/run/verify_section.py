"""The section `verify` of a config: which scores are computed, against what."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from axialcast.run.area_section import Areas
from axialcast.run.intervals_section import IntervalsConfig
from axialcast.run.section import Section
from axialcast.run.stations_section import StationsConfig
from axialcast.run.values import (
    Amounts,
    Gibibytes,
    Squares,
    Thresholds,
    Whole,
    each_once,
    known_or_file,
)

__all__ = ["VerifyConfig"]

METRICS = (
    *("rmse", "mae", "bias", "acc", "crps", "spread", "spread_skill", "member_rmse"),
    *("csi", "frequency_bias", "hit_rate", "false_alarm_ratio", "ets", "hss", "sedi"),
    *("fss", "seeps"),
)
OF_EVENTS = METRICS[METRICS.index("csi") : METRICS.index("seeps")]
BASELINES = (
    *("persistence", "climatology", "damped_persistence", "linear_inverse_model"),
    *("vector_autoregression", "lagrangian_persistence", "probabilistic_climatology"),
)


def _stem(name: str) -> str:
    """What a metric or a baseline is called in tables."""
    return Path(name).stem


class VerifyConfig(Section):
    """Which scores are computed, against what."""

    metrics: Annotated[
        list[Annotated[str, known_or_file(*METRICS)]],
        Field(min_length=1),
        each_once(_stem),
    ] = ["rmse", "mae", "bias", "acc", "crps", "spread", "spread_skill", "member_rmse"]
    """Area-weighted scores. crps, spread, spread_skill and member_rmse are of ensembles, whose mean
    the others judge, and are left out where forecasts have one member. csi (critical success
    index), frequency_bias, hit_rate, false_alarm_ratio, ets (equitable threat score), hss (Heidke
    skill score), sedi (symmetric extremal dependence index) and fss (fractions skill score) are of
    events; seeps (stable equitable error in probability space) is of rain. A Python file is a score
    of your own."""
    thresholds: Thresholds = {}
    """What an event is, by variable, in its canonical units: values from a number on, such as 5,
    beyond or below it, as "> 5", "<= 5" and "< 273.15", or beyond a percentile of the climate, as
    ">= p90" and "< p10": that of data.train at each point, by month and hour of the day."""
    neighbourhoods: Squares = []
    """Widths of the squares that fss counts events in: odd numbers of grid points, such as
    [1, 3, 9]."""
    dry: Amounts = {}
    """What seeps takes for no rain, by variable, in its canonical units: up to 0.25 mm a day is
    {total_precipitation: 2.5e-4} for daily sums."""
    baselines: Annotated[
        list[Annotated[str, known_or_file(*BASELINES)]],
        each_once(_stem),
    ] = [
        "persistence",
        "climatology",
        "damped_persistence",
        "linear_inverse_model",
        "vector_autoregression",
    ]
    """Forecasts to beat, each fitted on data.train; lagrangian_persistence, the extrapolation along
    the motion of rain or clouds, needs the nowcast extra; probabilistic_climatology is an ensemble
    of states of data.train from the season. A Python file is a baseline of your own."""
    regions: Areas = {}
    """Parts of the grid scored besides `all`, the whole of it: names that are known, such as
    tropics, extra-tropics, northern-hemisphere, southern-hemisphere and europe (as WeatherBench
    bounds them), with nothing after the colon; boxes; masks."""
    seasons: Literal["valid", "init"] | None = None
    """Scores of each season (DJF, MAM, JJA, SON) beside those of all: of the valid or of the
    initial time."""
    init_hours: bool = False
    """Whether there are scores of each hour of the day that forecasts start at, too."""
    harmonics: Annotated[Whole, Field(le=182)] = 3
    """Annual harmonics of the climatology; of months, 0 is the plain mean, and any other the mean
    of each calendar month."""
    stations: StationsConfig | None = None
    """Observations that forecasts are scored against, as the region `stations`; null: none."""
    intervals: IntervalsConfig | None = IntervalsConfig()
    """How sure scores are, and differences from the best baseline; null: not asked."""
    memory_gib: Gibibytes = 2.0
    """Memory for states, forecasts and fits in work, beside what the process holds anyway."""

    @property
    def known_metrics(self) -> list[str]:
        """Metrics that are ours."""
        return [name for name in self.metrics if name not in self.own_metrics]

    @property
    def own_metrics(self) -> list[str]:
        """Python files among the metrics."""
        return [name for name in self.metrics if name.endswith(".py")]

    @property
    def own_baselines(self) -> list[str]:
        """Python files among the baselines."""
        return [name for name in self.baselines if name.endswith(".py")]

    @model_validator(mode="after")
    def _events_are_judged(self) -> Self:
        of_events = [name for name in self.metrics if name in OF_EVENTS]
        if of_events and not self.thresholds:
            raise ValueError(
                f"metrics: {of_events[0]} judges events; say what they are with thresholds, such "
                "as {rainfall_rate: [1, 5]}"
            )
        if self.thresholds and not of_events:
            raise ValueError("thresholds: no metric judges events; add csi to metrics")
        for metric, key, such in (
            ("fss", "neighbourhoods", "[1, 3, 9]"),
            ("seeps", "dry", "{total_precipitation: 2.5e-4}"),
        ):
            if (metric in self.metrics) != bool(getattr(self, key)):
                raise ValueError(
                    f"metrics: {metric} needs {key}, such as {such}"
                    if metric in self.metrics
                    else f"{key}: are what {metric} judges; add it to metrics"
                )
        if not {"rmse", "mae", "bias", "acc"} & {*self.metrics}:
            raise ValueError(
                f"metrics: {', '.join(self.metrics)} alone; add rmse, mae, bias or acc, which "
                "reports are built on"
            )
        return self
