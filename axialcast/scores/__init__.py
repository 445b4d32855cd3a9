"""How good a forecast is: statistics of pairs, their sums, and the metrics made of them."""

from axialcast.scores.drawn import DrawnField
from axialcast.scores.evaluation import evaluate, omissions, skill_map, to_table
from axialcast.scores.kept import KeptSums
from axialcast.scores.metrics import METRICS

__all__ = ["METRICS", "DrawnField", "KeptSums", "evaluate", "omissions", "skill_map", "to_table"]
