"""Which of two scores is the better one, and on which scale scores vary evenly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kind", "kind_of"]

Values = NDArray[np.float64]


def _same(values: Values) -> Values:
    return values


@dataclass(frozen=True)
class Kind:
    """What is known of a metric.

    Args:
        aim: the best that it can be.
        told: whether one score can be better than another.
        to, back: to the scale on which its errors are as likely upwards as downwards, and back.
        limits: between which it lies.
    """

    aim: float = -np.inf
    told: bool = True
    to: Callable[[Values], Values] = _same
    back: Callable[[Values], Values] = _same
    limits: tuple[float, float] = (-np.inf, np.inf)

    def loss(self, values: Values) -> Values:
        """How far scores are from the aim: less is better, but for what differences say of
        those that are to be high, whose sign is turned."""
        if np.isinf(self.aim):
            return values if self.aim < 0 else -values
        return np.abs(values - self.aim)

    def difference(self, values: Values, others: Values) -> Values:
        """Score less another one: of those with a finite aim, of their distances from it."""
        if np.isinf(self.aim):
            return values - others
        return self.loss(values) - self.loss(others)

    def bounded(self, values: Values) -> Values:
        """Scores within their limits, of values on the even scale."""
        with np.errstate(over="ignore"):
            return np.clip(self.back(values), *self.limits)


POSITIVE = Kind(to=np.log, back=np.exp)
CORRELATION = Kind(np.inf, to=np.arctanh, back=np.tanh)
SHARE = Kind(np.inf, limits=(0.0, 1.0))
SKILL = Kind(np.inf, limits=(-1.0, 1.0))

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("rmse", "mae", "crps", "member_rmse"), POSITIVE),
    "bias": Kind(0.0),
    "acc": CORRELATION,
    "spread": Kind(told=False, to=np.log, back=np.exp),
    "spread_skill": Kind(1.0, to=np.log, back=np.exp),
    "frequency_bias": Kind(1.0, limits=(0.0, np.inf)),
    **dict.fromkeys(("csi", "hit_rate", "fss"), SHARE),
    "false_alarm_ratio": Kind(limits=(0.0, 1.0)),
    "ets": Kind(np.inf, limits=(-1 / 3, 1.0)),
    **dict.fromkeys(("hss", "sedi"), SKILL),
    "seeps": Kind(limits=(0.0, np.inf)),
}


def kind_of(metric: Any) -> Kind:
    """Of a metric by name; of those that nothing is known of, such as users' own, none is best."""
    return KINDS.get(str(metric), Kind(told=False))
