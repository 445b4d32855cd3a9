"""Scores with their labels, as datasets and as tables, and what is left out of them.

Shapes: m models, l lead times, c channels, r regions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from axialcast.names import LEAD_TIME, LEVEL, NUMBER
from axialcast.scores.cases import ALL_CASES, CASES, of_all_cases
from axialcast.scores.ensembles import ENSEMBLE_METRICS, EnsembleSums
from axialcast.scores.event_labels import NEIGHBOURHOOD, OF_EVENTS, threshold_name
from axialcast.scores.metrics import METRICS
from axialcast.scores.own import OwnSums
from axialcast.scores.sums import PairSums
from axialcast.times.leads import leads_of
from axialcast.times.steps import in_months

__all__ = [
    "INTERVAL",
    "labelled_scores",
    "masked_name",
    "num_pairs_name",
    "omissions",
    "scored_names",
    "to_table",
]

INTERVAL = "interval_of"
"""Attribute of what says how sure the scores of a variable are: its name."""

COLUMNS = ["model", "variable", "level", LEAD_TIME, "metric", "region", "value"]
COLUMNS += ["num_pairs", "masked"]
ENDS = ("lower", "upper")
"""Columns, and what variables of intervals end with."""


def labelled_scores(
    sums: PairSums,
    forecast: xr.Dataset,
    models: Sequence[str],
    metrics: Sequence[str],
    regions: Sequence[str],
    ensembles: EnsembleSums | None = None,
    own: OwnSums | None = None,
) -> xr.Dataset:
    """Scores, and counts of pairs, of every variable of the forecast."""
    means, masked = sums.means(), sums.masked()
    pairs_scored = sums.pairs.sum(0, dtype=np.int64)
    if ensembles is not None:
        means |= ensembles.means()
    known = METRICS | ENSEMBLE_METRICS
    if own is not None:
        means |= own.means()
        known |= {score.name: score.metric for score in own.scores}
        metrics = [*metrics, *(score.name for score in own.scores)]
    values = np.stack([known[metric](means) for metric in metrics])
    scores = xr.Dataset(attrs={"title": "axialcast scores"})
    start = 0
    for name, array in forecast.data_vars.items():
        dims = [str(dim) for dim in array.dims[1:-2] if dim != NUMBER]
        num = array.sizes.get(LEVEL, 1)
        places = slice(start, start + num) if LEVEL in dims else start
        start += num
        counts = (*dims, "region")
        pairs = {"long_name": f"number of forecasts of {name} scored", "units": "1"}
        absent = {"long_name": f"share of their area where {name} is missing", "units": "1"}
        fields = {
            name: (("metric", "model", *counts), values[:, :, :, places], array.attrs),
            num_pairs_name(str(name)): (counts, pairs_scored[:, places], pairs),
            masked_name(str(name)): (counts, masked[:, places], absent),
        }
        coords: dict[str, Any] = {"model": models, "metric": metrics, "region": regions}
        coords |= {dim: array[dim] for dim in dims}
        found = xr.Dataset(fields, coords).transpose("model", "metric", "region", *dims)
        scores = scores.merge(found)
    return scores


def to_table(scores: xr.Dataset) -> pd.DataFrame:
    """Scores in tidy form, with the columns of `COLUMNS`, lead times as `lead_time_hours`, or
    `lead_time_months`.

    `level` is NaN for variables without levels; a score without pairs is kept, as NaN. `num_pairs`
    is how many pairs the score is the mean of, `masked` the share of their area left out of it.
    Where events were scored, `threshold` says which values they are, `neighbourhood` how wide the
    squares of the fractions skill score are; both are NaN for other metrics. Where seasons or hours
    were scored, `cases` says which, `all` being all. Where it was asked how sure scores are (see
    `axialcast.verify.with_intervals`), `lower` and `upper` are the ends of their intervals, NaN
    where too little is known.
    """
    tables, scored = [], scored_names(scores)
    for name, array in scores.data_vars.items():
        if name not in scored:
            continue
        tables.append(_tidy(scores, array, str(name)))
        threshold = threshold_name(str(name))
        for metric in OF_EVENTS:
            if f"{name}_{metric}" in scores:
                found = scores[f"{name}_{metric}"]
                table = _tidy(scores, found, str(name)).rename(columns={threshold: "threshold"})
                tables.append(table.assign(metric=metric))
    whole = pd.concat(tables, ignore_index=True)
    unit = "months" if in_months(leads_of(scores)) else "hours"
    more = [column for column in (*ENDS, CASES, "threshold", NEIGHBOURHOOD) if column in whole]
    whole = whole[[*COLUMNS, *more]]
    return whole.rename(columns={LEAD_TIME: f"{LEAD_TIME}_{unit}"})


def _tidy(scores: xr.Dataset, array: xr.DataArray, name: str) -> pd.DataFrame:
    """Scores of a variable beside the counts of its pairs and the ends of their intervals."""
    beside = {"num_pairs": scores[num_pairs_name(name)], "masked": scores[masked_name(name)]}
    for end in (end for end in ENDS if f"{array.name}_{end}" in scores):
        found = scores[f"{array.name}_{end}"]
        if CASES in array.dims and CASES not in found.dims:
            found = found.expand_dims({CASES: [ALL_CASES]}).reindex({CASES: array[CASES]})
        beside[end] = found
    columns = xr.broadcast(xr.Dataset({"value": array, **beside}).drop_attrs())[0]
    table = columns.to_dataframe(dim_order=list(array.dims)).reset_index()
    table["variable"] = name
    if not in_months(leads_of(scores)):
        table[LEAD_TIME] /= pd.Timedelta(hours=1)
    return table if LEVEL in table else table.assign(**{LEVEL: np.nan})


def scored_names(scores: xr.Dataset) -> list[str]:
    """The variables that are scores, of those of `evaluate`'s result."""
    return [
        str(name)
        for name, array in scores.data_vars.items()
        if "metric" in array.dims and INTERVAL not in array.attrs
    ]


def num_pairs_name(variable: str) -> str:
    """Name of the variable of `evaluate`'s result that counts the pairs."""
    return f"{variable}_num_pairs"


def masked_name(variable: str) -> str:
    """Name of the variable of `evaluate`'s result with the share of area that is left out."""
    return f"{variable}_masked"


def omissions(scores: xr.Dataset) -> list[str]:
    """What is left out of the scores over the whole grid, for each variable that lacks anything."""
    whole = of_all_cases(scores).sel(region="all")
    held = whole.attrs["num_init_times"] - whole["num_missing_truth"]
    lines = []
    for name in scored_names(whole):
        share = float(whole[masked_name(name)].fillna(0.0).max())
        empty = int((held - whole[num_pairs_name(name)]).sum())
        parts = [f"up to {100 * share:.2g} % of the area"] if share else []
        parts += [f"all points of {empty:,} pairs"] if empty else []
        if parts:
            lines.append(f"{name}: {' and '.join(parts)}")
    return lines
