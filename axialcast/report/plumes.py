"""What members of an ensemble said of two places in two of the cases, beside the analysis."""

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channel, Channels
from axialcast.data.reader import Analysis
from axialcast.names import INIT_TIME, LEAD_TIME, NUMBER
from axialcast.report.drawing import STYLE, svg
from axialcast.report.meteograms import Panel, members_of, meteogram, place_name
from axialcast.report.wording import channel_name, date, pretty_units
from axialcast.scores.drawn import DrawnField
from axialcast.times.dates import later
from axialcast.times.leads import leads_of
from axialcast.times.steps import in_months

__all__ = ["places_of", "plumes_of"]

MOST_CHANNELS, MOST_LEADS = 3, 40
WIDTH = 5.3
"""Inches, as of curves."""

Place = tuple[int, int]


def plumes_of(
    forecast: xr.Dataset, analysis: xr.Dataset, drawn: DrawnField, channels: Sequence[Channel]
) -> dict[str, Any] | None:
    """Figures of the first channels: of the typical case and of the worst, a row each. None of a
    forecast that is no ensemble.

    Of the forecast only these cases are read, of the analysis their valid times.

    Args:
        forecast, analysis: what was scored.
        drawn: filled by `evaluate`: says which places and cases.
        channels: the headline's first.
    """
    if forecast.sizes.get(NUMBER, 1) == 1:
        return None
    places, figures = places_of(drawn), []
    for case, note in _cases(drawn).items():
        for (title, place), panels in zip(
            places.items(),
            _panels(forecast, analysis, drawn, channels[:MOST_CHANNELS], case, [*places.values()]),
            strict=True,
        ):
            if panels:
                leads = leads_of(forecast)[_leads(forecast)]
                init = date(forecast[INIT_TIME].values[case], of_month=bool(in_months(leads)))
                words = f"{title}: {place_name(drawn.grid, *place)}", f"from {init}{note}"
                with mpl.rc_context(STYLE):
                    figure = meteogram(panels, leads, title="\n".join(words), width=WIDTH)
                    figures.append(svg(figure, f"Members and analysis. {', '.join(words)}"))
    name = channel_name(drawn.channel, forecast, inside=True)
    return {"name": name, "figures": figures} if figures else None


def places_of(drawn: DrawnField) -> dict[str, Place]:
    """Row and column by name: where the drawn field errs most, over all cases at the second of its
    lead times, and the place with errors that is nearest to the middle of the grid."""
    squares = drawn.error[len(drawn.rows[:2]) - 1]
    worst = np.unravel_index(int(np.argmax(squares)), squares.shape)
    rows, columns = np.nonzero(squares > 0) if (squares > 0).any() else np.nonzero(squares == 0)
    away = np.hypot(rows - (squares.shape[0] - 1) / 2, columns - (squares.shape[1] - 1) / 2)
    middle = int(np.argmin(away))
    places = {
        "Middle of the grid": (int(rows[middle]), int(columns[middle])),
        "Largest error": (int(worst[0]), int(worst[1])),
    }
    # Where they are one, it is what it is chosen for.
    return {name: place for place, name in {p: n for n, p in places.items()}.items()}


def _cases(drawn: DrawnField) -> dict[int, str]:
    """Positions of initial times, and what is special about them."""
    known = np.flatnonzero(np.isfinite(drawn.cases))
    if not len(known):
        return {drawn.typical_case(): ""}
    worst = int(known[np.argmax(drawn.cases[known])])
    return {drawn.typical_case(): ", of median error", worst: ", of the largest error"}


def _leads(forecast: xr.Dataset) -> NDArray[np.intp]:
    """Positions of lead times, evenly spread."""
    num = forecast.sizes[LEAD_TIME]
    return np.unique(np.linspace(0, num - 1, min(num, MOST_LEADS)).round().astype(np.intp))


def _panels(
    forecast: xr.Dataset,
    analysis: xr.Dataset,
    drawn: DrawnField,
    channels: Sequence[Channel],
    case: int,
    places: Sequence[Place],
) -> Iterator[list[Panel]]:
    """Of each place, its channels that are known there; one field of the analysis at a time."""
    rows = _leads(forecast)
    valid = later(forecast[INIT_TIME].values[[case]], leads_of(forecast)[rows])
    truths = Analysis.of(analysis, Channels([*channels]))
    fields = (truths.read([row])[0] for row in truths.rows(valid))
    truth = np.stack([[field[:, row, column] for row, column in places] for field in fields])
    for number, (row, column) in enumerate(places):
        at = dict(zip((INIT_TIME, *drawn.grid.dims), (case, row, column), strict=True))
        found = [members_of(one.of(forecast).isel(at)[{LEAD_TIME: rows}]) for one in channels]
        yield [
            Panel(
                channel_name(channel, forecast),
                pretty_units(channel.units),
                members,
                truth[:, number, index],
                is_mean=True,
            )
            for index, (channel, members) in enumerate(zip(channels, found, strict=True))
            if np.isfinite(members).any(0).all()
        ]
