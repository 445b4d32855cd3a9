"""Scores of a forecast and its baselines by variable, level, lead time and region.

Shapes: i init times, l lead times, z levels, h latitudes, w longitudes, r regions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL, TIME
from axialcast.verify.baselines import Baseline, states_at
from axialcast.verify.climatology import Climatology
from axialcast.verify.matching import grid_of, matched, valid_times
from axialcast.verify.metrics import METRICS, STATISTICS, area_sums, pair_statistics
from axialcast.verify.regions import Region, region_weights

__all__ = ["evaluate", "masked_name", "num_pairs_name", "omissions", "skill_map", "to_table"]

BLOCK_VALUES = 2**22
"""Values of one model scored at once (16 MB in float32)."""

BLOCKS_PER_READ = 4

Read = tuple[slice, slice]
"""Init times and lead times that are read from the forecast at once."""

COLUMNS = ["model", "variable", "level", "lead_time_hours", "metric", "region", "value"]
COLUMNS += ["num_pairs", "masked"]


def evaluate(
    forecast: xr.Dataset,
    analysis: xr.Dataset,
    *,
    climatology: Climatology,
    baselines: Mapping[str, Baseline] | None = None,
    metrics: Sequence[str] = tuple(METRICS),
    regions: Mapping[str, Region] | None = None,
    block_values: int = BLOCK_VALUES,
    progress: Callable[[list[Read]], Iterable[Read]] = iter,
) -> xr.Dataset:
    """Area-weighted scores, every model on the same pairs of forecast and truth.

    A pair is one init time at one lead time. Its statistics are area-weighted means over the grid
    points where the truth, the climatology and every model are known: the weights are those points'
    share of the area. Pairs then count alike, those without any such point not at all; where no
    pair is left the score is NaN. Nothing is left out silently: see the counts below.

    Args:
        forecast: (init_time, lead_time, [level], latitude, longitude); may be lazy.
        analysis: (time, [level], latitude, longitude) truth and initial states; may be lazy.
        climatology: fitted on training years; anomalies of `acc` depart from it.
        baselines: other models to score, by name.
        metrics: names in `axialcast.verify.METRICS`.
        regions: boxes by name, {"latitude": [south, north], "longitude": [west, east]} in degrees;
            west may exceed east, across the meridian. `all`, the whole grid, is always there.
        block_values: values of one model held at once; decides memory, never the scores.
        progress: goes through the list of reads that it is given, for instance
            `axialcast.progress.track` with a description.

    Returns:
        One variable per forecast variable, of dimensions (model, metric, region, lead_time,
        [level]); `<variable>_num_pairs` (region, lead_time, [level]), pairs with anything to score;
        `<variable>_masked`, the share of area left out of them, NaN without any; and
        `num_missing_truth` (lead_time), pairs whose valid time the analysis does not hold.

    Raises:
        ValueError: forecast and analysis differ in grid, levels, units or variables, or share no
            time; a metric is unknown; a region is empty.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ValueError(f"metrics: unknown {unknown[0]!r}; choose from {', '.join(METRICS)}")
    forecast, truths = matched(forecast, analysis)
    weights = region_weights(grid_of(truths), regions or {})
    models: dict[str, Baseline | None] = {"forecast": None, **(baselines or {})}
    sums = {
        name: _Sums(np.stack(list(weights.values())), len(models), array.shape[1:-2])
        for name, array in forecast.data_vars.items()
    }
    for leads, block in _blocks(forecast, block_values, progress):
        when = block[INIT_TIME].values, block[LEAD_TIME].values
        truth = states_at(truths, valid_times(block).ravel())
        reference = climatology.forecast(analysis, *when)
        predictions = [
            block if model is None else model.forecast(analysis, *when) for model in models.values()
        ]
        for name, array in block.data_vars.items():
            sums[name].add(
                leads,
                [_like(prediction[name], array) for prediction in predictions],
                truth[name].values.reshape(array.shape),
                _like(reference[name], array),
            )
    scores = xr.Dataset(attrs={"title": "axialcast scores"})
    for name, array in forecast.data_vars.items():
        scores = scores.merge(
            _labelled(sums[name], array, list(models), list(metrics), list(weights))
        )
    missing = ~np.isin(valid_times(forecast), truths[TIME].values)
    scores["num_missing_truth"] = (LEAD_TIME, missing.sum(0))
    scores["num_missing_truth"].attrs = {"long_name": "pairs past the analysis", "units": "1"}
    scores.attrs["num_init_times"] = forecast.sizes[INIT_TIME]
    return scores


def to_table(scores: xr.Dataset) -> pd.DataFrame:
    """Scores in tidy form, with the columns of `COLUMNS`.

    `level` is NaN for variables without levels; a score without pairs is kept, as NaN. `num_pairs`
    is how many pairs the score is the mean of, `masked` the share of their area left out of it.
    """
    tables = []
    for name, array in scores.data_vars.items():
        if "metric" not in array.dims:
            continue
        counts = {
            "num_pairs": scores[num_pairs_name(str(name))],
            "masked": scores[f"{name}_masked"],
        }
        columns = xr.broadcast(xr.Dataset({"value": array, **counts}).drop_attrs())[0]
        table = columns.to_dataframe(dim_order=list(array.dims)).reset_index()
        table["variable"] = str(name)
        table["lead_time_hours"] = table.pop(LEAD_TIME) / pd.Timedelta(hours=1)
        tables.append(table if LEVEL in table else table.assign(**{LEVEL: np.nan}))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def skill_map(
    forecast: xr.DataArray, analysis: xr.DataArray, reference: xr.DataArray
) -> xr.DataArray:
    """(latitude, longitude) skill in mean squared error, 1 - MSE(forecast) / MSE(reference).

    Args:
        forecast: (init_time, latitude, longitude) of one lead time, with `valid_time`.
        analysis: (time, latitude, longitude).
        reference: (init_time, latitude, longitude), e.g. climatology at the same valid times.
    """
    truth = states_at(analysis.to_dataset(name="truth"), valid_times(forecast))["truth"].values
    squares = [
        np.square(model.values.astype(np.float64) - truth) for model in (forecast, reference)
    ]
    keep = np.isfinite(squares[0]) & np.isfinite(squares[1])
    error, scale = (np.where(keep, square, 0.0).sum(0) for square in squares)
    skill = np.full_like(error, np.nan)
    np.divide(error, scale, out=skill, where=scale > 0)
    return forecast.isel({INIT_TIME: 0}, drop=True).copy(data=1.0 - skill)


def num_pairs_name(variable: str) -> str:
    """Name of the variable of `evaluate`'s result that counts the pairs."""
    return f"{variable}_num_pairs"


def masked_name(variable: str) -> str:
    """Name of the variable of `evaluate`'s result with the share of area that is left out."""
    return f"{variable}_masked"


def omissions(scores: xr.Dataset) -> list[str]:
    """What is left out of the scores over the whole grid, for each variable that lacks anything."""
    whole = scores.sel(region="all")
    held = whole.attrs["num_init_times"] - whole["num_missing_truth"]
    lines = []
    for name in [str(name) for name, array in whole.data_vars.items() if "metric" in array.dims]:
        share = float(whole[masked_name(name)].fillna(0.0).max())
        empty = int((held - whole[num_pairs_name(name)]).sum())
        parts = [f"up to {100 * share:.2g} % of the area"] if share else []
        parts += [f"all points of {empty:,} pairs"] if empty else []
        if parts:
            lines.append(f"{name}: {' and '.join(parts)}")
    return lines


def _like(prediction: xr.DataArray, array: xr.DataArray) -> NDArray[Any]:
    """The prediction's values at the levels of `array`, in its order of dimensions."""
    if LEVEL in array.dims and not prediction[LEVEL].equals(array[LEVEL]):
        prediction = prediction.sel({LEVEL: array[LEVEL].values})
    return np.asarray(prediction.transpose(*array.dims).values)


class _Sums:
    """Running sums over pairs of one variable's statistics, area-weighted means of each pair.

    Args:
        weights: (r, h, w) cell areas of each region.
        num_models: models scored.
        shape: lead times, and levels where there are any.
    """

    def __init__(
        self, weights: NDArray[np.float64], num_models: int, shape: tuple[int, ...]
    ) -> None:
        self.weights = weights / weights.sum((1, 2), keepdims=True)
        by_region = (*shape, len(weights))
        self.sums = np.zeros((len(STATISTICS), num_models, *by_region))
        self.area = np.zeros(by_region)
        self.pairs = np.zeros(by_region, dtype=np.int64)

    def add(
        self,
        leads: slice,
        predictions: Sequence[NDArray[Any]],
        truth: NDArray[Any],
        reference: NDArray[Any],
    ) -> None:
        """Add pairs (i, l, [z], h, w) of these lead times."""
        # One pair at a time: its float64 fields stay in the processor's cache.
        work = np.empty((len(STATISTICS), *truth.shape[2:]))
        for case, lead in np.ndindex(truth.shape[:2]):
            fields = [prediction[case, lead] for prediction in predictions]
            observed, normal = truth[case, lead], reference[case, lead]
            valid = np.isfinite(sum(fields, observed + normal))
            area = area_sums(valid.astype(np.float64), self.weights)
            counted = area > 0
            row = leads.start + lead
            self.area[row] += area
            self.pairs[row] += counted
            for model, field in enumerate(fields):
                statistics = pair_statistics(field, observed, normal, valid, out=work)
                sums = area_sums(statistics, self.weights)
                self.sums[:, model, row] += np.divide(sums, area, out=sums, where=counted)

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Statistics by name, (model, l, [z], r); NaN where there is no pair."""
        pairs = np.where(self.pairs > 0, self.pairs, np.nan)
        return dict(zip(STATISTICS, self.sums / pairs, strict=True))

    def masked(self) -> NDArray[np.float64]:
        """(l, [z], r) share of the area that is left out of the pairs counted."""
        share = 1 - self.area / np.where(self.pairs > 0, self.pairs, np.nan)
        return np.where(share > 1e-12, share, 0.0 * np.abs(share))


def _labelled(
    sums: _Sums, array: xr.DataArray, models: list[str], metrics: list[str], regions: list[str]
) -> xr.Dataset:
    means = sums.means()
    dims = [str(dim) for dim in array.dims[1:-2]]
    coords: dict[str, Any] = {"model": models, "metric": metrics, "region": regions}
    coords |= {dim: array[dim] for dim in dims}
    name = str(array.name)
    counts = (*dims, "region")
    pairs = {"long_name": f"number of forecasts of {name} scored", "units": "1"}
    masked = {"long_name": f"share of their area where {name} is missing", "units": "1"}
    fields = {
        name: (
            ("metric", "model", *counts),
            np.stack([METRICS[metric](means) for metric in metrics]),
            array.attrs,
        ),
        num_pairs_name(name): (counts, sums.pairs, pairs),
        masked_name(name): (counts, sums.masked(), masked),
    }
    return xr.Dataset(fields, coords).transpose("model", "metric", "region", *dims)


def _blocks(
    forecast: xr.Dataset, values: int, progress: Callable[[list[Read]], Iterable[Read]]
) -> Iterator[tuple[slice, xr.Dataset]]:
    """Pieces of the forecast in memory, of about so many values, and which lead times they hold.

    Several are read at once, so that a chunk of the store is decoded about once.
    """
    num_inits, num_leads = forecast.sizes[INIT_TIME], forecast.sizes[LEAD_TIME]
    per_pair = sum(array[0, 0].size for array in forecast.data_vars.values())
    leads = min(num_leads, max(1, values // per_pair))
    inits = max(1, values // (per_pair * leads))
    read = inits * BLOCKS_PER_READ
    reads = [
        (slice(first, first + read), slice(lead, min(lead + leads, num_leads)))
        for first in range(0, num_inits, read)
        for lead in range(0, num_leads, leads)
    ]
    for columns, rows in progress(reads):
        pieces = forecast.isel({INIT_TIME: columns, LEAD_TIME: rows}).load()
        for init in range(0, pieces.sizes[INIT_TIME], inits):
            yield rows, pieces.isel({INIT_TIME: slice(init, init + inits)})
