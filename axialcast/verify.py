"""How good a forecast is, in one import: baselines to beat and the scores of all."""

from axialcast.baselines import (
    Baseline,
    Climatology,
    DampedPersistence,
    LagrangianPersistence,
    LinearInverseModel,
    Percentiles,
    Persistence,
    ProbabilisticClimatology,
)
from axialcast.scores import (
    ENSEMBLE_METRICS,
    EVENT_METRICS,
    METRICS,
    DrawnField,
    Events,
    KeptSums,
    evaluate,
    omissions,
    skill_map,
    spectra,
    to_table,
)

__all__ = [
    "ENSEMBLE_METRICS",
    "EVENT_METRICS",
    "METRICS",
    "Baseline",
    "Climatology",
    "DampedPersistence",
    "DrawnField",
    "Events",
    "KeptSums",
    "LagrangianPersistence",
    "LinearInverseModel",
    "Percentiles",
    "Persistence",
    "ProbabilisticClimatology",
    "evaluate",
    "omissions",
    "skill_map",
    "spectra",
    "to_table",
]
