"""Every score that a config may ask for, and what it is."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from axialcast.run import verify_section
from axialcast.scores import ENSEMBLE_METRICS, EVENT_METRICS, METRICS
from generators.prose import prose

__all__ = ["text"]

SUMS: Mapping[str, str] = {
    "fss": "Fractions skill score: how alike the shares of events are in squares around each "
    "point, of each width of `neighbourhoods`; 1 is perfect.",
    "seeps": "Stable equitable error in probability space, of dry, light and heavy rain by the "
    "climate of each place: 0 is perfect, a constant forecast has 1 on average.",
}
"""Scores that are made of sums of their own instead of means."""

GROUPS: tuple[tuple[str, Mapping[str, Callable[..., Any]]], ...] = (
    ("forecasts, or the mean of members", METRICS),
    ("ensembles", ENSEMBLE_METRICS),
    ("events", EVENT_METRICS),
)


def text(known: Iterable[str] = verify_section.METRICS) -> str:
    """A row for each.

    Raises:
        ValueError: a score may be asked for that nothing is said of.
    """
    found = {
        name: (of, _first(metric.__doc__)) for of, group in GROUPS for name, metric in group.items()
    }
    found |= {name: ("events" if name == "fss" else "rain", said) for name, said in SUMS.items()}
    if missing := [name for name in known if not found.get(name, ("", ""))[1]]:
        raise ValueError(f"verify.metrics: nothing is said of {', '.join(missing)}")
    rows = [f"| `{name}` | {found[name][0]} | {prose(found[name][1])} |" for name in known]
    return "\n".join(["| metric | of | what it is |", "| --- | --- | --- |", *rows])


def _first(docstring: str | None) -> str:
    return (docstring or "").split("\n\n")[0]
