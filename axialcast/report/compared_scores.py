"""Scores that a comparison of runs shows: each a number for each run and lead time."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from axialcast.data.channels import Channel
from axialcast.names import LEAD_TIME, LEVEL
from axialcast.report.events import FURTHER_NAMES, METRIC_NAMES, event_words, in_squares
from axialcast.report.wording import channel_name, pretty_units
from axialcast.scores.event_labels import NEIGHBOURHOOD, threshold_name

__all__ = ["Compared", "ComparedScore", "event_scores", "pair_scores"]

PAIR_NAMES = {"rmse": "Root-mean-square error", "crps": "CRPS", "acc": "Anomaly correlation"}


class ComparedScore(NamedTuple):
    """One score of one field or event.

    Args:
        metric: by name.
        title: the metric's, in words.
        units: of it; empty: it has none.
        name: variable of the comparison that holds it; others begin with it.
        at: where it is along dimensions other than runs and lead times.
        is_further: whether it is folded away.
    """

    metric: str
    title: str
    units: str
    name: str
    at: Mapping[str, Any]
    is_further: bool = False

    def of(self, found: xr.Dataset, end: str = "") -> xr.DataArray:
        """(model, lead_time) of the whole grid.

        Args:
            end: of the name, such as `_difference_lower`.
        """
        here = found[f"{self.name}{end}"].sel({"region": "all", **self.at})
        return here.transpose("model", LEAD_TIME)


class Compared(NamedTuple):
    """Scores of a field, or of one event.

    Args:
        title: as a heading.
        inside: as part of a sentence.
        scores: the first is drawn.
    """

    title: str
    inside: str
    scores: list[ComparedScore]


def pair_scores(found: xr.Dataset, channel: Channel) -> Compared:
    """Scores of a field that are known.

    Args:
        found: see `axialcast.scores.comparing.compared`.
    """
    units = pretty_units(channel.units)
    scores = [
        ComparedScore(
            name,
            title,
            "" if name == "acc" else units,
            channel.variable,
            {"metric": name, **_level(channel)},
        )
        for name, title in PAIR_NAMES.items()
        if name in found["metric"].values
    ]
    return Compared(
        channel_name(channel, found),
        channel_name(channel, found, inside=True),
        [score for score in scores if _is_known(score, found)],
    )


def event_scores(found: xr.Dataset, channel: Channel) -> Iterator[Compared]:
    """Of each event of a field, and of its rain."""
    whole = pair_scores(found, channel)._replace(scores=[])
    dim, each = threshold_name(channel.variable), [whole]
    if dim in found:
        words = event_words(found[dim], channel)
        each += [Compared(f"{whole.title} {w}", f"{whole.inside} {w}", []) for w in words]
    for metric, title in (METRIC_NAMES | FURTHER_NAMES).items():
        name = f"{channel.variable}_{metric}"
        if name not in found:
            continue
        for place, label in enumerate(found[dim].values if dim in found[name].dims else [None]):
            own = each[0] if label is None else each[place + 1]
            at = _level(channel) | ({} if label is None else {dim: label})
            is_further = metric in FURTHER_NAMES and label is not None
            if NEIGHBOURHOOD in found[name].dims:
                squares = [
                    (in_squares(title, width), at | {NEIGHBOURHOOD: width})
                    for width in found[NEIGHBOURHOOD].values.tolist()
                ]
            else:
                squares = [(title, at)]
            scores = [ComparedScore(metric, t, "", name, a, is_further) for t, a in squares]
            own.scores.extend(score for score in scores if _is_known(score, found))
    return (one for one in each if one.scores)


def _level(channel: Channel) -> dict[str, float]:
    return {} if channel.level is None else {LEVEL: channel.level}


def _is_known(score: ComparedScore, found: xr.Dataset) -> bool:
    return bool(np.isfinite(score.of(found)).any())
