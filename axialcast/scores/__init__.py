"""How good a forecast is: statistics of pairs, their sums, and the metrics made of them."""

from axialcast.scores.blocks import blocks_of
from axialcast.scores.by_init import ByInit
from axialcast.scores.cases import Cases, of_all_cases
from axialcast.scores.contingency import EVENT_METRICS
from axialcast.scores.drawn import DrawnField
from axialcast.scores.ensembles import ENSEMBLE_METRICS
from axialcast.scores.evaluation import evaluate, keep_sums, skill_map
from axialcast.scores.events import Events
from axialcast.scores.intervals import Resampling, intervals, with_intervals
from axialcast.scores.kept import KeptSums
from axialcast.scores.labels import omissions, to_table
from axialcast.scores.metrics import METRICS
from axialcast.scores.spectra import spectra

__all__ = [
    "ENSEMBLE_METRICS",
    "EVENT_METRICS",
    "METRICS",
    "ByInit",
    "Cases",
    "DrawnField",
    "Events",
    "KeptSums",
    "Resampling",
    "blocks_of",
    "evaluate",
    "intervals",
    "keep_sums",
    "of_all_cases",
    "omissions",
    "skill_map",
    "spectra",
    "to_table",
    "with_intervals",
]
