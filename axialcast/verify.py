"""How good a forecast is, in one import: baselines to beat and the scores of all."""

from axialcast.baselines import (
    Baseline,
    Climatology,
    DampedPersistence,
    LagrangianPersistence,
    LinearInverseModel,
    Persistence,
)
from axialcast.scores import (
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
    "evaluate",
    "omissions",
    "skill_map",
    "spectra",
    "to_table",
]
