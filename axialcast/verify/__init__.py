"""How good a forecast is: scores against analyses, baselines to beat, and a report."""

from axialcast.verify.baselines import Baseline, DampedPersistence, Persistence
from axialcast.verify.climatology import Climatology
from axialcast.verify.drawn import DrawnField
from axialcast.verify.kept import KeptSums
from axialcast.verify.linear_inverse_model import LinearInverseModel
from axialcast.verify.metrics import METRICS
from axialcast.verify.scores import evaluate, omissions, skill_map, to_table

__all__ = [
    "METRICS",
    "Baseline",
    "Climatology",
    "DampedPersistence",
    "DrawnField",
    "KeptSums",
    "LinearInverseModel",
    "Persistence",
    "evaluate",
    "omissions",
    "skill_map",
    "to_table",
]
