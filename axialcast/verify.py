"""How good a forecast is, in one import: baselines to beat and the scores of all."""

from axialcast.baselines import (
    Baseline,
    Climatology,
    DampedPersistence,
    LagrangianPersistence,
    LinearInverseModel,
    Persistence,
    ProbabilisticClimatology,
)
from axialcast.scores import (
    ENSEMBLE_METRICS,
    EVENT_METRICS,
    METRICS,
    DrawnField,
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
    "KeptSums",
    "LagrangianPersistence",
    "LinearInverseModel",
    "Persistence",
    "ProbabilisticClimatology",
    "evaluate",
    "omissions",
    "skill_map",
    "spectra",
    "to_table",
]
