"""What a verification reads, opened from a config; and its parts as tasks of any process."""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from axialcast.baselines import Baseline, Climatology, KeptFits, Percentiles
from axialcast.baselines import fit_baselines as baselines_of
from axialcast.baselines.choosing import LAGS
from axialcast.baselines.own import FileBaseline, num_states
from axialcast.data import Channels, open_analysis
from axialcast.forecast import ForecastStore, choose_init_times
from axialcast.frame import within
from axialcast.grid import grid_of
from axialcast.names import INIT_TIME, LEVEL
from axialcast.own import OwnFile
from axialcast.run.areas import regions_of
from axialcast.run.config import Config
from axialcast.run.log_lines import log_lines
from axialcast.run.stamps import analysis_content, content_of, read_stamp, training_data
from axialcast.run.store_states import checksum_of
from axialcast.scores import DrawnField, Events, KeptSums, keep_sums
from axialcast.scores.events import percentiles_of
from axialcast.scores.own import OwnScore
from axialcast.times.dates import Leads, later
from axialcast.times.leads import leads_of

__all__ = [
    "Verification",
    "check_own_scores",
    "fit",
    "fit_baselines",
    "in_order",
    "score",
    "training_log",
    "verifying_gib",
]

_OPENING = threading.Lock()
_kept: "tuple[str, Verification] | None" = None
"""What the last task of this process opened, for the next one."""


@dataclass(frozen=True, eq=False)
class Verification:
    """Forecasts and what they are compared with.

    Args:
        config: of the run.
        forecast: that is verified, its variables in the analysis's order.
        analysis: all of it; of a region with a boundary, both without the frame.
        verified: the part that verifies and starts forecasts.
        contents: a checksum of each initial time of the store.
        num_absent: initial times that were asked for and are not there.
    """

    config: Config
    forecast: xr.Dataset
    analysis: xr.Dataset
    verified: xr.Dataset
    contents: Mapping[str, str]
    num_absent: int

    @classmethod
    def open(cls, config: Config) -> "Verification":
        """What a config asks for.

        Raises:
            FileNotFoundError: there are no forecasts yet.
            ValueError: the analysis lacks one of their variables or levels.
        """
        data = config.data
        assert data is not None
        store = ForecastStore(config.output / "forecast.zarr")
        contents = store.contents()
        analysis = open_analysis(config.analysis_store, **config.verified_opening)
        wanted = choose_init_times(analysis, test=data.test, **config.forecast.chosen)
        forecast = in_order(store.dataset(wanted), store.path, analysis, config.analysis_name)
        if width := forecast.attrs.get("boundary_width"):
            # In the frame forecasts are what they were given: neither judged, nor fitted.
            forecast, analysis = within(forecast, width), within(analysis, width)
        inits, leads = forecast[INIT_TIME].values, leads_of(forecast)
        # From the states before the first initial time, which baselines start from too.
        ends = np.array([inits.min(), inits.max()])
        own = (num_states(file) for file in own_files(config, "own_baselines"))
        before = max(2, *LAGS, *own) - 1
        span = later(ends, np.array([-before * leads[0], leads[-1]]))
        if "probabilistic_climatology" in config.verify.baselines:
            # Its members are states of these years.
            train = analysis["time"].sel(time=slice(*data.train)).values
            span = np.array([min(span[0], train[0]), max(span[1], train[-1])])
        verified = analysis.sel(time=slice(*span))
        return cls(config, forecast, analysis, verified, contents, len(wanted) - len(inits))

    @property
    def state(self) -> str:
        """Another text whenever what tasks would open is another."""
        known: list[Any] = [dict(self.contents), analysis_content(self.config)]
        for which in ("own_baselines", "own_metrics"):
            known.append([file.sha256 for file in own_files(self.config, which)])
        return hashlib.sha256(json.dumps(known, default=str).encode()).hexdigest()

    @cached_property
    def fitted(self) -> tuple[Climatology, dict[str, Baseline]]:
        """As `fit_baselines`: read once, however many tasks of a process need them."""
        return fit_baselines(self.config, self.analysis, leads_of(self.forecast))

    @cached_property
    def events(self) -> Events:
        """What is looked for, with the percentiles of the training years that it needs."""
        verify, data = self.config.verify, self.config.data
        assert data is not None
        channels = Channels.of(self.forecast)
        wanted, climate = percentiles_of(channels, verify.thresholds, verify.dry), None
        if wanted:
            kept = KeptFits(self.config.output / ".fitted", training_data(self.config))
            training = self.analysis.sel(time=slice(*data.train))
            gib = verifying_gib(self.config)
            climate = Percentiles.fit(training, wanted, memory_gib=gib, kept=kept)
        return Events(verify.thresholds, climate, verify.neighbourhoods, verify.dry)

    def arguments(self, drawn: DrawnField, kept: KeptSums) -> dict[str, Any]:
        """Keywords that `evaluate` and `keep_sums` have in common."""
        climatology, baselines = self.fitted
        return {
            "climatology": climatology,
            "baselines": baselines,
            "events": self.events,
            "regions": regions_of(self.config, grid_of(self.verified)),
            "memory_gib": verifying_gib(self.config),
            "kept": kept,
            "drawn": drawn,
            "own": [OwnScore(file) for file in own_files(self.config, "own_metrics")],
        }

    def sums(self) -> KeptSums:
        """Where sums of blocks are kept."""
        return KeptSums(
            self.config.output / ".sums", self.contents, analysis=analysis_content(self.config)
        )


def fit_baselines(
    config: Config, analysis: xr.Dataset, lead_times: Leads
) -> tuple[Climatology, dict[str, Baseline]]:
    """The climatology and the baselines asked for, fitted on the training years or kept."""
    assert config.data is not None
    training, made_from = analysis.sel(time=slice(*config.data.train)), training_data(config)
    # Lead times count from one model step: the states that the network is given.
    of = {"lead_times": lead_times, "lag": lead_times[0]}
    climatology, fitted = baselines_of(
        training,
        [name for name in config.verify.baselines if name not in config.verify.own_baselines],
        harmonics=config.verify.harmonics,
        memory_gib=verifying_gib(config),
        kept=KeptFits(config.output / ".fitted", made_from),
        **of,
    )
    for file in own_files(config, "own_baselines"):
        fitted[file.path.stem] = FileBaseline.fit(file, training, made_from=made_from, **of)
    return climatology, {Path(n).stem: fitted[Path(n).stem] for n in config.verify.baselines}


def own_files(config: Config, which: str) -> list[OwnFile]:
    """Python files that `verify` names.

    Args:
        which: own_baselines or own_metrics.
    """
    return [file for p in getattr(config.verify, which) if (file := config.own_file(p))]


def check_own_scores(config: Config) -> None:
    """Tries out scores by file, and runs files of baselines.

    Raises:
        ValueError: one of them defines no such thing.
    """
    try:
        for number, name in enumerate(config.verify.metrics):
            key = f"metrics.{number}"
            if name in config.verify.own_metrics and (file := config.own_file(name)):
                OwnScore(file).check()
        for number, name in enumerate(config.verify.baselines):
            key = f"baselines.{number}"
            if name in config.verify.own_baselines and (file := config.own_file(name)):
                file.function("fit")
                num_states(file)
    except ValueError as error:
        raise ValueError(f"verify.{key}: {error}") from None


def verifying_gib(config: Config) -> float:
    """What verifying may hold at once, in this process or in one thread of a worker."""
    cluster, most = config.cluster, config.verify.memory_gib
    if cluster.workers or cluster.kind == "address":
        # The rest is for libraries and fits.
        return min(most, cluster.memory_gib / 2 / cluster.cores)
    return most


def fit(config: Config) -> None:
    """Fits what is verified against, as a task; the fits are kept in the output folder."""
    verification = Verification.open(config)
    _ = verification.fitted, verification.events


def score(config: Config, state: str, first: int, stop: int) -> int:
    """Scores some blocks of initial times, as a task; their sums are kept in the output folder.

    Args:
        config: of the run.
        state: of what is there, as the one who wants it scored has it.
        first, stop: which blocks.

    Returns:
        How many.

    Raises:
        ValueError: the forecasts changed meanwhile.
    """
    global _kept
    with _OPENING:
        if _kept is None or _kept[0] != state:
            opened = Verification.open(config)
            if opened.state != state:
                raise ValueError(
                    f"{config.output / 'forecast.zarr'}: changed while it was verified; run again"
                )
            _kept = state, opened
        verification = _kept[1]
        forecast = verification.forecast
        arguments = verification.arguments(DrawnField(forecast), verification.sums())
    keep_sums(forecast, verification.verified, only=slice(first, stop), num_threads=1, **arguments)
    return stop - first


def training_log(output: Path) -> list[dict[str, Any]]:
    """Lines of the log of the training that has ended in a run's folder, bounded as `log_lines`.

    None where it has not, or where the log is not as it was left: it would tell of other weights
    than those that are verified.
    """
    log, stamp = output / "log.jsonl", read_stamp(output, "train")
    try:
        left = {} if stamp is None else stamp["outputs"]
        is_whole = log.name in left and checksum_of(left[log.name]) == checksum_of(content_of(log))
        return [*log_lines(log)] if is_whole else []
    except OSError:
        return []


def in_order(forecast: xr.Dataset, path: Path, analysis: xr.Dataset, source: str) -> xr.Dataset:
    """The forecast, its variables in the analysis's order.

    Raises:
        FileNotFoundError: there are none yet.
        ValueError: the analysis lacks one of their variables or levels.
    """
    if not forecast.sizes[INIT_TIME]:
        raise FileNotFoundError(
            f"{path}: none of the initial times is complete; run the pipeline `forecast` first"
        )
    absent = sorted(set(map(str, forecast.data_vars)) - set(map(str, analysis.data_vars)))
    if absent:
        raise ValueError(
            f"{path}: holds {absent[0]}, which {source} as opened lacks, with "
            f"{', '.join(map(str, analysis.data_vars))}; add it to data.variables, or run the "
            "pipeline `forecast` again"
        )
    levels = analysis[LEVEL].values.tolist() if LEVEL in analysis.coords else []
    wanted = forecast[LEVEL].values.tolist() if LEVEL in forecast.coords else []
    if lacking := [level for level in wanted if level not in levels]:
        raise ValueError(
            f"{path}: holds {lacking[0]:g} hPa, which {source} as opened lacks, with "
            f"{', '.join(f'{level:g}' for level in levels) or 'no'} hPa; add it to data.levels, or "
            "run the pipeline `forecast` again"
        )
    return forecast[[name for name in analysis.data_vars if name in forecast]]
