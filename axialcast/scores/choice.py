"""Which metrics are asked for, and whether they can be given."""

from collections.abc import Sequence

from axialcast.scores.ensembles import ENSEMBLE_METRICS
from axialcast.scores.event_labels import FSS, OF_EVENTS, SEEPS
from axialcast.scores.events import Events
from axialcast.scores.metrics import METRICS

__all__ = ["chosen_metrics", "for_ensembles"]


def chosen_metrics(metrics: Sequence[str], events: Events | None) -> tuple[list[str], list[str]]:
    """The metrics of pairs and those of events, each once.

    Raises:
        ValueError: one is unknown, or of events that are not said, or none is of pairs.
    """
    each, others = METRICS | ENSEMBLE_METRICS, OF_EVENTS
    unknown = [name for name in metrics if name not in each and name not in others]
    of_pairs = [name for name in dict.fromkeys(metrics) if name in each]
    of_events = [name for name in dict.fromkeys(metrics) if name in others]
    if unknown or not of_pairs:
        got = f"unknown {unknown[0]!r}" if unknown else "none of pairs" if of_events else "none"
        known = [*each, *(() if of_events else others)]
        raise ValueError(f"metrics: {got}; choose from {', '.join(known)}")
    events = events or Events()
    for name in of_events:
        if name == SEEPS and not events.dry:
            raise ValueError("metrics: seeps judges rain; say up to which amount it is none: dry")
        if name != SEEPS and not events.thresholds:
            raise ValueError(
                f"metrics: {name} judges events; say which values they are with thresholds"
            )
    if FSS in of_events and not events.neighbourhoods:
        raise ValueError("metrics: fss counts events in squares; say how wide with neighbourhoods")
    return of_pairs, of_events


def for_ensembles(metrics: Sequence[str], is_ensemble: bool) -> list[str]:
    """Those metrics of pairs that can be given.

    Raises:
        ValueError: all of them are of ensembles, and there is none.
    """
    chosen = [name for name in metrics if is_ensemble or name not in ENSEMBLE_METRICS]
    if not chosen:
        raise ValueError(
            f"metrics: {metrics[0]} judges ensembles, and the forecast has one member; add one of "
            f"{', '.join(METRICS)}, or forecast several members"
        )
    return chosen
