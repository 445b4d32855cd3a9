"""The climatology and the baselines asked for, fitted in two passes over the training period."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from axialcast.baselines import linear_inverse_model, vector_autoregression
from axialcast.baselines.amplitudes import Amplitudes, Persisting
from axialcast.baselines.anomalies import Anomalies
from axialcast.baselines.autoregression import lagged_rows
from axialcast.baselines.baseline import Baseline, spacing, whole_steps
from axialcast.baselines.choosing import Series
from axialcast.baselines.climatology import (
    Climatology,
    CycleSums,
    climatology_of,
)
from axialcast.baselines.coarsening import Coarsening
from axialcast.baselines.cycle import check_cycle, check_parts, fitted_apart, part_of
from axialcast.baselines.damped_persistence import LaggedSums, check_pairs, damped_persistence_of
from axialcast.baselines.kept import Arrays, KeptFits
from axialcast.baselines.lagrangian_persistence import LagrangianPersistence
from axialcast.baselines.linear_inverse_model import (
    EXPLAINED,
    RIDGE,
    LinearInverseModel,
)
from axialcast.baselines.passes import MEMORY_GIB, Gatherer, go_through
from axialcast.baselines.patterns import MAX_PATTERNS, Sample, Wanted, factor_for, num_bytes
from axialcast.baselines.persistence import Persistence
from axialcast.baselines.probabilistic_climatology import ProbabilisticClimatology
from axialcast.baselines.vector_autoregression import (
    NAME,
    REST_LAGS,
    VectorAutoregression,
    first_left_out,
)
from axialcast.data.reader import Analysis
from axialcast.times.dates import Leads, Times, later
from axialcast.times.steps import in_months

__all__ = ["BASELINES", "check_times", "fit_baselines"]

BASELINES = (
    "persistence",
    "climatology",
    "damped_persistence",
    "linear_inverse_model",
    "vector_autoregression",
)
"""Those that any analysis has."""

NOT_FITTED = ("persistence", "lagrangian_persistence", "probabilistic_climatology")
"""Those that nothing is gathered for."""

KNOWN = (*BASELINES, "lagrangian_persistence", "probabilistic_climatology")

JOINT = ("linear_inverse_model", "vector_autoregression")
"""Those of patterns of all channels together."""


def fit_baselines(
    training: Analysis | xr.Dataset,
    names: Sequence[str] = BASELINES,
    *,
    lead_times: Leads,
    harmonics: int = 3,
    lag: np.timedelta64 | None = None,
    memory_gib: float = MEMORY_GIB,
    kept: KeptFits | None = None,
) -> tuple[Climatology, dict[str, Baseline]]:
    """The climatology, and the baselines by name, as their own `fit` makes them.

    The first pass gathers the normal equations of the climatology and the sample of the linear
    inverse model, the second what depends on anomalies: each chunk is decoded twice at most,
    whatever is asked for, and not at all for what was kept.

    Args:
        names: among KNOWN.
        lead_times: that damped persistence is fitted for.
        harmonics: of the climatology.
        lag: of the linear inverse model; None: the cadence of the training data.
        memory_gib: what the fits may hold.
        kept: where fits are taken from and kept; None: nowhere.

    Raises:
        ValueError: a name is unknown, or as the fits.
    """
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise ValueError(f"names: unknown {unknown[0]!r}; choose from {', '.join(KNOWN)}")
    analysis = Analysis.of(training)
    fits = _Fits(analysis, lead_times, harmonics, lag, kept)
    fits.make(names, memory_gib)
    climatology = fits.climatology()
    baselines: dict[str, Baseline] = {}
    for name in names:
        match name:
            case "persistence":
                baselines[name] = Persistence()
            case "lagrangian_persistence":
                step = spacing(analysis.times)
                baselines[name] = LagrangianPersistence(analysis.channels, step)
            case "climatology":
                baselines[name] = climatology
            case "probabilistic_climatology":
                baselines[name] = ProbabilisticClimatology(climatology, analysis.times)
            case "damped_persistence":
                damping = fits.arrays[name]["damping"]
                baselines[name] = damped_persistence_of(climatology, damping, lead_times)
            case "linear_inverse_model":
                baselines[name] = fits.linear_inverse_model(climatology)
            case "vector_autoregression":
                baselines[name] = fits.vector_autoregression(climatology)
    return climatology, baselines


def check_times(
    times: Times,
    names: Sequence[str] = BASELINES,
    *,
    lead_times: Leads,
    harmonics: int = 3,
    lag: np.timedelta64 | None = None,
    init_times: Times | None = None,
) -> None:
    """Refuses times of a training period that `fit_baselines` would refuse, given the same.

    Args:
        init_times: of forecasts to be verified.

    Raises:
        ValueError: as the fits and `Climatology.values_at`; one of `time`, `times`, `harmonics`,
            `lead_times`, `lag` and `training` comes first.
    """
    cadence = spacing(times)
    check_cycle(times, harmonics)
    if init_times is not None:
        apart = fitted_apart(times, harmonics)
        fitted = np.unique(part_of(times, apart))
        check_parts(later(init_times[:, None], lead_times).ravel(), fitted, apart)
    if "damped_persistence" in names:
        check_pairs(times, lead_times)
    if "linear_inverse_model" in names:
        lagged_rows(times, cadence if lag is None else lag)
    if "vector_autoregression" in names:
        lagged_rows(times, cadence if lag is None else lag, model=NAME)


class _Fits:
    """The arrays of each fit, taken from where they are kept or made."""

    def __init__(
        self,
        training: Analysis,
        lead_times: Leads,
        harmonics: int,
        lag: np.timedelta64 | None,
        kept: KeptFits | None,
    ) -> None:
        self._training, self._lead_times, self._harmonics = training, lead_times, harmonics
        self._lag = spacing(training.times) if lag is None else lag
        self._steps = int(whole_steps("lag", np.array([self._lag]), spacing(training.times))[0])
        self._kept = kept
        self._factor = factor_for(len(training), training.shape, MAX_PATTERNS)
        self.arrays: dict[str, Arrays] = {}

    def climatology(self) -> Climatology:
        found = self.arrays["climatology"]
        return climatology_of(**found, like=self._training)

    def linear_inverse_model(self, climatology: Climatology) -> LinearInverseModel:
        found = self.arrays["linear_inverse_model"]
        return LinearInverseModel(climatology, self._lag, **found, factor=self._factor)

    def vector_autoregression(self, climatology: Climatology) -> VectorAutoregression:
        found = self.arrays["vector_autoregression"]
        return VectorAutoregression(climatology, self._lag, **found, factor=self._factor)

    def make(self, names: Sequence[str], memory_gib: float) -> None:
        """Fills `arrays`, in no more passes than are needed."""
        training, missing = self._training, self._missing(names)
        coarsening = Coarsening(training.grid, self._factor)
        joint = [name for name in JOINT if name in missing]
        cycle = sample = lagged = None
        by_cells = True
        # What is wrong with an argument is said before anything is read.
        check_times(
            training.times,
            missing,
            lead_times=self._lead_times,
            harmonics=self._harmonics,
            lag=self._lag,
        )
        if "damped_persistence" in missing:
            lagged = LaggedSums(training, self._lead_times)
        if "climatology" in missing:
            cycle = CycleSums(training, self._harmonics)
        if joint:
            by_cells = self._factor == 1
            held = num_bytes(len(training), training.shape, MAX_PATTERNS, self._factor) / 2**30
            memory_gib = max(memory_gib - held, memory_gib / 4)
            sample = Sample(training, coarsening)
        _pass(training, [cycle, sample], memory_gib, by_cells)
        if cycle:
            self._keep("climatology", cycle.arrays())
        climatology, gathered = self.climatology(), {}
        if sample:
            coarse = Climatology(coarsening.dataset(climatology.coefficients))
            patterns = sample.patterns(coarse, [self._wanted(name) for name in joint])
            for name, each in zip(joint, patterns, strict=True):
                gathered[name] = Amplitudes(training, coarsening, each)
        persisting = None
        if "vector_autoregression" in joint:
            first = first_left_out(len(training))
            persisting = Persisting(training, patterns[-1], self._steps, REST_LAGS, first)
        after = [each for each in (lagged, persisting, *gathered.values()) if each]
        if after:
            _pass(training, [Anomalies(climatology, after)], memory_gib, by_cells)
        if lagged:
            self._keep("damped_persistence", {"damping": lagged.damping})
        if found := gathered.get("linear_inverse_model"):
            rows = lagged_rows(training.times, self._lag)
            self._keep("linear_inverse_model", linear_inverse_model.arrays_of(found, rows))
        if persisting:
            found = gathered["vector_autoregression"]
            series = Series(found.series, training.times, self._lag)
            arrays = vector_autoregression.arrays_of(found, persisting, series)
            self._keep("vector_autoregression", arrays)

    def _wanted(self, name: str) -> Wanted:
        """The patterns of a baseline."""
        if name == "linear_inverse_model":
            return Wanted(EXPLAINED, MAX_PATTERNS)
        return vector_autoregression.wanted(len(self._training), self._steps)

    def _missing(self, names: Sequence[str]) -> list[str]:
        """Those that are not kept."""
        wanted = {"climatology", *names} - {*NOT_FITTED}
        for name in sorted(wanted) if self._kept else []:
            assert self._kept is not None
            found = self._kept.load(name, self._training, self._settings(name))
            if found is not None:
                self.arrays[name] = found
        return sorted(wanted - self.arrays.keys())

    def _keep(self, name: str, arrays: Arrays) -> None:
        self.arrays[name] = arrays
        if self._kept:
            self._kept.save(name, self._training, self._settings(name), arrays)

    def _settings(self, name: str) -> dict[str, Any]:
        settings: dict[str, Any] = {"harmonics": self._harmonics}
        if name == "damped_persistence":
            settings["lead_times"] = [_text(lead) for lead in self._lead_times]
        if name == "vector_autoregression":
            settings |= {"lag": _text(self._lag), "factor": self._factor, "version": 3}
        if name == "linear_inverse_model":
            settings |= {"lag": _text(self._lag), "factor": self._factor}
            settings |= {"explained": EXPLAINED, "patterns": MAX_PATTERNS, "ridge": RIDGE}
        return settings


def _text(step: np.timedelta64) -> str:
    return str(step if in_months(step) else step.astype("m8[s]"))


def _pass(
    training: Analysis, gatherers: Sequence[Gatherer | None], memory_gib: float, by_cells: bool
) -> None:
    found = [gatherer for gatherer in gatherers if gatherer]
    if found:
        go_through(training, found, memory_gib, by_cells=by_cells)
