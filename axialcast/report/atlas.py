"""The atlas: forecast, truth and difference of a few cases, which the page steps through.

Shapes: c channels, i cases, l lead times, h latitudes, w longitudes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channel, Channels
from axialcast.data.reader import Analysis
from axialcast.grid import Grid
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL, NUMBER
from axialcast.report.maps import contour_levels
from axialcast.report.packing import packed, quantised
from axialcast.report.sheets import sheet_of
from axialcast.report.wording import channel_name, date, duration, number, pretty_units
from axialcast.scores.drawn import DrawnField
from axialcast.scores.shown import headline
from axialcast.times.dates import later
from axialcast.times.leads import leads_of
from axialcast.times.steps import in_months

__all__ = ["Chosen", "atlas_of", "chosen_of"]

BYTES = 2_200_000
"""Of the page, about, that fields may take."""
PER_POINT = 0.83
"""Bytes of text that a point of a field takes, about: deflated to 0.6, and four for three."""
MOST_CHANNELS, MOST_CASES, MOST_LEADS = 12, 7, 10
FEWEST_CASES, FEWEST_LEADS = 3, 5
ENOUGH = 12_000
"""Points of a field: of larger ones fewer are shown rather than fewer points."""
COLOURS = {"state": "viridis", "error": "RdBu_r"}


@dataclass(frozen=True)
class Chosen:
    """Which fields are shown.

    Attributes:
        channels: the headline's first.
        cases: positions of initial times, in order.
        notes: what is special about some of the cases.
        first: the position of the case that is shown first.
        leads: positions of lead times.
        rows, columns: of the grid, whose points are shown.
    """

    channels: list[Channel]
    cases: list[int]
    notes: dict[int, str]
    first: int
    leads: list[int]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def chosen_of(forecast: xr.Dataset, drawn: DrawnField) -> Chosen:
    """As much as there is room for: the typical case, the best, the worst and some between."""
    every = Channels.of(forecast)
    main = headline(every)
    channels = [*main, *(one for one in every if one not in main)][:MOST_CHANNELS]
    height, width = drawn.grid.shape
    num_leads = min(forecast.sizes[LEAD_TIME], MOST_LEADS)
    num_cases = min(forecast.sizes[INIT_TIME], MOST_CASES)
    room = BYTES / PER_POINT / 3 / min(height * width, ENOUGH)
    while len(channels) * num_leads * num_cases > room:
        if num_cases > FEWEST_CASES:
            num_cases -= 1
        elif len(channels) > len(main):
            channels.pop()
        elif num_leads > FEWEST_LEADS:
            num_leads -= 1
        elif len(channels) > 1:
            channels.pop()
        else:
            break
    points = BYTES / PER_POINT / 3 / (len(channels) * num_leads * num_cases)
    part = min(1.0, float(np.sqrt(points / (height * width))))
    cases, notes = _cases(drawn, num_cases)
    return Chosen(
        channels,
        cases,
        notes,
        drawn.typical_case(),
        _spread(forecast.sizes[LEAD_TIME], num_leads),
        np.array(_spread(height, max(2, int(height * part)))),
        np.array(_spread(width, max(2, int(width * part)))),
    )


def atlas_of(
    forecast: xr.Dataset,
    analysis: xr.Dataset,
    drawn: DrawnField,
    chosen: Chosen,
    *,
    coasts: bool = True,
) -> dict[str, Any]:
    """What `atlas.js` draws, as JSON, with the frame of its maps, with coasts or without.

    Of the forecast and analysis only what is shown is read.
    """
    leads = leads_of(forecast)[chosen.leads]
    inits = forecast[INIT_TIME].values[chosen.cases]
    of_month = in_months(leads)
    valid = later(np.asarray(inits)[:, None], leads)
    sheet = sheet_of(drawn.grid, chosen.rows, chosen.columns, coasts=coasts)
    box = [round(each, 3) for each in sheet.box]
    states, errors = _read(forecast, analysis, chosen, drawn.grid)
    names = [(channel_name(c, forecast), pretty_units(c.units)) for c in chosen.channels]
    return {
        "frame": sheet.frame,
        "box": box,
        "data": {
            "grid": [len(chosen.rows), len(chosen.columns)],
            "box": box,
            "periodic": drawn.grid.is_periodic,
            "pixels": sheet.rows.shape,
            "rows": packed(sheet.rows),
            "columns": packed(sheet.columns),
            "leads": [duration(lead) for lead in leads],
            "inits": [date(init, of_month=of_month) for init in inits],
            "valid": [[date(time, of_month=of_month) for time in times] for times in valid],
            "said": "Ensemble mean" if forecast.sizes.get(NUMBER, 1) > 1 else "Forecast",
            "channels": [
                _fields(states[:, index], *named, errors=[case[index] for case in errors])
                for index, named in enumerate(names)
            ],
        },
        "groups": _groups(forecast, chosen.channels),
        "inits": [
            (date(init, of_month=of_month), chosen.notes.get(case), case == chosen.first)
            for case, init in zip(chosen.cases, inits, strict=True)
        ],
        "leads": [duration(lead) for lead in leads],
        "is_thinned": (len(chosen.rows), len(chosen.columns)) != drawn.grid.shape,
    }


def _read(
    forecast: xr.Dataset, analysis: xr.Dataset, chosen: Chosen, grid: Grid
) -> tuple[NDArray[np.float32], list[list[list[list[str]]]]]:
    """(2, c, i, l, h, w) forecasts and analyses at the points that are shown; for each case,
    channel and lead time, the errors at all."""
    truths = Analysis.of(analysis, Channels(chosen.channels))
    leads, inits = leads_of(forecast)[chosen.leads], forecast[INIT_TIME].values
    states, errors = [], []
    for case in chosen.cases:
        fields = np.stack(list(_means(forecast, case, chosen, grid)))
        truth = truths.read(truths.rows(later(inits[[case]], leads))).swapaxes(0, 1)
        errors.append(
            [_errors(*pair, grid.area_weights) for pair in zip(fields, truth, strict=True)]
        )
        both = np.stack([fields, truth])
        states.append(both[..., chosen.rows, :][..., chosen.columns])
    return np.stack(states, axis=2), errors


def _fields(
    states: NDArray[np.float32], name: str, units: str, *, errors: list[list[list[str]]]
) -> dict[str, Any]:
    """A channel's fields (2, i, l, h, w), packed, with their colours and what is said of each."""
    differences = states[0].astype(np.float64) - states[1]
    scales = {
        "state": contour_levels(states, symmetric=False),
        "error": contour_levels(differences, symmetric=True),
    }
    fields = [
        *(_steps(values, scales["state"]) for values in states),
        _steps(differences, scales["error"]),
    ]
    return {
        "name": name,
        "units": units,
        "bytes": packed(np.stack(fields)),
        "scales": {name: _scale(levels, COLOURS[name]) for name, levels in scales.items()},
        "errors": errors,
        "ranges": [[[_range(field) for field in case] for case in kind] for kind in states],
    }


def _means(
    forecast: xr.Dataset, case: int, chosen: Chosen, grid: Grid
) -> Iterator[NDArray[np.float32]]:
    """(l, h, w) of each channel, of an ensemble the mean of its members. Levels, which share a
    chunk, are read together, and members in turn."""
    dims, at = (LEAD_TIME, *grid.dims), {INIT_TIME: case, LEAD_TIME: chosen.leads}
    found: dict[Channel, NDArray[np.float32]] = {}
    for name in dict.fromkeys(channel.variable for channel in chosen.channels):
        array, num = forecast[name].isel(at), forecast[name].sizes.get(NUMBER, 1)
        total: Any = 0.0
        for member in range(num):
            one = array.isel({NUMBER: member}) if NUMBER in array.dims else array
            total = total + one.load().astype(np.float64)
        for channel in (one for one in chosen.channels if one.variable == name):
            mean = total if channel.level is None else total.sel({LEVEL: channel.level})
            found[channel] = (mean.transpose(*dims).values / num).astype(np.float32)
    return (found[channel] for channel in chosen.channels)


def _errors(
    field: NDArray[np.float32], truth: NDArray[np.float32], weights: NDArray[np.float64]
) -> list[list[str]]:
    """Root-mean-square error and bias of each lead time, over the points that are known."""
    difference = field.astype(np.float64) - truth
    seen = np.isfinite(difference) * weights
    area = seen.sum((-2, -1))
    difference = np.nan_to_num(difference, posinf=0.0, neginf=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        bias = (seen * difference).sum((-2, -1)) / area
        rmse = np.sqrt((seen * difference**2).sum((-2, -1)) / area)
    return [[number(one), number(other)] for one, other in zip(rmse, bias, strict=True)]


def _range(field: NDArray[np.float32]) -> list[str]:
    """Least and greatest value."""
    known = field[np.isfinite(field)]
    return [number(float(known.min())), number(float(known.max()))] if known.size else ["–", "–"]


def _steps(values: NDArray[Any], levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values as bytes: a band beyond the levels on either side, so that these are seen crossed."""
    return quantised(values, *_ends(levels))


def _ends(levels: NDArray[np.float64]) -> tuple[float, float]:
    step = levels[1] - levels[0]
    return float(levels[0] - step), float(levels[-1] + step)


def _scale(levels: NDArray[np.float64], name: str) -> dict[str, Any]:
    """Ends of the bytes, levels between the bands, and the colours of these, one more."""
    colours = mpl.colormaps[name](np.linspace(0, 1, len(levels) + 1))
    every = -(-len(levels) // 6)
    start = int(np.argmin(np.abs(levels))) % every
    return {
        "ends": _ends(levels),
        "levels": levels.tolist(),
        "colours": [mpl.colors.to_hex(colour) for colour in colours],
        "ticks": {
            place: f"{levels[place]:g}".replace("-", "−")
            for place in range(start, len(levels), every)
        },
    }


def _cases(drawn: DrawnField, num: int) -> tuple[list[int], dict[int, str]]:
    """Positions of cases, in order, and what is special about them."""
    notes: dict[int, str] = {}
    known = np.flatnonzero(np.isfinite(drawn.cases))
    if len(known):
        notes[int(known[np.argmax(drawn.cases[known])])] = "largest error"
        notes[int(known[np.argmin(drawn.cases[known])])] = "smallest error"
    notes[drawn.typical_case()] = "median error"
    cases = dict.fromkeys(list(notes)[::-1][:num])
    for case in _spread(len(drawn.cases), num):
        if len(cases) < num:
            cases.setdefault(case)
    return sorted(cases), notes


def _spread(size: int, num: int) -> list[int]:
    """Positions, as many as asked for or fewer, from the first to the last."""
    return [int(i) for i in np.unique(np.linspace(0, size - 1, min(size, num)).round())]


def _groups(
    forecast: xr.Dataset, channels: Sequence[Channel]
) -> list[tuple[str, list[tuple[int, str]]]]:
    """Channels with their numbers, by variable: (name, [(number, level)])."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for index, channel in enumerate(channels):
        variable = channel_name(replace(channel, level=None), forecast)
        groups.setdefault(variable, []).append((index, channel_name(channel, forecast)))
    return list(groups.items())
