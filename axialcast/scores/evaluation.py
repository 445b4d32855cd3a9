"""Scores of a forecast and its baselines by variable, level, lead time and region.

Shapes: i init times, l lead times, z levels, h latitudes, w longitudes, r regions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from axialcast.baselines.baseline import Baseline, aligned, states_at
from axialcast.baselines.climatology import Climatology
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.grid import dims_of, grid_of
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL, NUMBER, TIME
from axialcast.scores.blocks import Block, blocks_of
from axialcast.scores.by_init import ByInit
from axialcast.scores.cases import ALL_CASES, Cases, beside, of_some
from axialcast.scores.choice import chosen_metrics
from axialcast.scores.drawn import DrawnField, skill
from axialcast.scores.ensembles import ENSEMBLE_METRICS
from axialcast.scores.events import Events, events_of, rain_of
from axialcast.scores.fractions import check_widths
from axialcast.scores.kept import KeptSums
from axialcast.scores.labelling import Labels
from axialcast.scores.matching import matched, valid_times
from axialcast.scores.metrics import METRICS
from axialcast.scores.models import Models
from axialcast.scores.own import OwnScore
from axialcast.scores.passes import all_sums
from axialcast.scores.pieces import PIECE_VALUES, Pieces
from axialcast.scores.regions import Region, region_weights
from axialcast.scores.sums import Sums
from axialcast.scores.work import Setting
from axialcast.times.leads import leads_of

__all__ = [
    "evaluate",
    "keep_sums",
    "skill_map",
]


def evaluate(
    forecast: xr.Dataset,
    analysis: Analysis | xr.Dataset,
    *,
    climatology: Climatology,
    baselines: Mapping[str, Baseline] | None = None,
    metrics: Sequence[str] = (*METRICS, *ENSEMBLE_METRICS),
    regions: Mapping[str, Region] | None = None,
    block_values: int = PIECE_VALUES,
    memory_gib: float = 2.0,
    num_threads: int | None = None,
    progress: Callable[[list[Block]], Iterable[Block]] = iter,
    kept: KeptSums | None = None,
    drawn: DrawnField | None = None,
    events: Events | None = None,
    own: Sequence[OwnScore] = (),
    by_init: ByInit | None = None,
    cases: Cases | None = None,
) -> xr.Dataset:
    """Area-weighted scores, every model on the same pairs of forecast and truth.

    A pair is one init time at one lead time. Its statistics are area-weighted means over the grid
    points where the truth, the climatology and every model are known: the weights are those points'
    share of the area. Pairs then count alike, those without any such point not at all; where no
    pair is left the score is NaN. Nothing is left out silently: see the counts below.

    Args:
        forecast: (init_time, [number], lead_time, [level], latitude, longitude); may be lazy. Of an
            ensemble, all metrics but its own judge the mean over `number`.
        analysis: (time, [level], latitude, longitude) truth and initial states; may be lazy. Of a
            `ProbabilisticClimatology` among the baselines, the training period as well.
        climatology: fitted on training years; anomalies of `acc` depart from it.
        baselines: other models to score, by name.
        metrics: names in `axialcast.verify.METRICS`, one at least, in
            `axialcast.verify.EVENT_METRICS`, `fss`, `seeps`, and in
            `axialcast.verify.ENSEMBLE_METRICS`, which are left out where neither the forecast nor a
            baseline is an ensemble. The CRPS of what is none is its mean absolute error.
        regions: boxes by name, {"latitude": [south, north], "longitude": [west, east]} in degrees;
            west may exceed east, across the meridian. `all`, the whole grid, is always there.
        block_values: values of one model scored at once, unless a chunk of the forecast is larger.
        memory_gib: that is held, beside what is in memory already, unless one chunk takes more.
        num_threads: that read and score; None: one a core. Neither this nor the memory changes a
            bit of the scores.
        progress: goes through the list of blocks of initial times, those kept among them, for
            instance `axialcast.run.progress.track` with a description.
        kept: where the sums of blocks are kept and taken from: the scores are the same to the bit,
            and cost what is new. Sums that do not belong to these scores are removed there.
        drawn: a new `DrawnField` of the same forecast, to be filled for the report's maps.
        events: what metrics of events judge, point by point or in squares around each.
        own: scores by users' files, each a metric more.
        by_init: a new `ByInit`, to be filled with what each pair says, for `intervals`.
        cases: pairs that are scored by themselves, too: all scores and counts then have a dimension
            `cases`, `all` first.

    Returns:
        One variable per forecast variable, of dimensions (model, metric, region, lead_time,
        [level]); `<variable>_num_pairs` (region, lead_time, [level]), pairs with anything to score;
        `<variable>_masked`, the share of area left out of them, NaN without any; for each metric of
        events `<variable>_<metric>` (model, <variable>_threshold, region, lead_time, [level]), of
        `fss` along `neighbourhood`, too, of `seeps` without thresholds; of an ensemble
        `<variable>_rank_histogram` (region, lead_time, [level], rank), how often the truth has each
        rank among the members (Hamill 2001, Mon. Wea. Rev. 129); and
        `num_missing_truth` (lead_time), pairs whose valid time the analysis does not hold.

    Raises:
        ValueError: forecast and analysis differ in grid, levels, units or variables, or share no
            time; a metric is unknown, or of events without thresholds; a region is empty.
    """
    of_pairs, of_events = chosen_metrics(metrics, events)
    forecast, truths = matched(forecast, _dataset(analysis))
    scored: dict[str, Baseline | None] = {"forecast": None, **(baselines or {})}
    setting, sums = _sums(
        forecast,
        truths,
        analysis,
        scored,
        climatology=climatology,
        regions=regions or {},
        block_values=block_values,
        memory_gib=memory_gib,
        num_threads=num_threads,
        progress=progress,
        kept=kept,
        drawn=drawn,
        events=events,
        own=own,
    )
    names = list(region_weights(grid_of(truths), regions or {}))
    labels = Labels(forecast, list(scored), names, of_pairs, of_events)
    scores = labels.scores(setting, sums)
    if by_init is not None:
        labels.fill(by_init, setting, sums)
    if cases is not None:
        init_times = np.concatenate([block.init_times for block in blocks_of(forecast)])
        pairs = cases.pairs(init_times, leads_of(forecast))
        each = [scores, *(labels.scores(setting, of_some(sums, p)) for p in pairs.values())]
        scores = beside(each, [ALL_CASES, *pairs])
    missing = ~np.isin(valid_times(forecast), truths[TIME].values)
    scores["num_missing_truth"] = (LEAD_TIME, missing.sum(0))
    scores["num_missing_truth"].attrs = {"long_name": "pairs past the analysis", "units": "1"}
    scores.attrs["num_init_times"] = forecast.sizes[INIT_TIME]
    if own:
        scores.attrs["own_scores"] = [score.name for score in own]
    if NUMBER in forecast.dims:
        scores.attrs["num_members"] = forecast.sizes[NUMBER]
    return scores


def keep_sums(
    forecast: xr.Dataset,
    analysis: Analysis | xr.Dataset,
    *,
    only: slice,
    kept: KeptSums,
    climatology: Climatology,
    baselines: Mapping[str, Baseline] | None = None,
    regions: Mapping[str, Region] | None = None,
    block_values: int = PIECE_VALUES,
    memory_gib: float = 2.0,
    num_threads: int | None = None,
    drawn: DrawnField | None = None,
    events: Events | None = None,
    own: Sequence[OwnScore] = (),
) -> None:
    """Scores some blocks of initial times and keeps their sums, for `evaluate` to take.

    Any number of processes may do so for blocks of the same forecast. An `evaluate` of the same
    arguments then finds all sums there, the same to the bit as if it had made them.

    Args:
        only: which of `blocks_of(forecast)`.
        kept: where their sums are kept.
        others: as for `evaluate`.

    Raises:
        ValueError: as `evaluate`.
    """
    forecast, truths = matched(forecast, _dataset(analysis))
    _sums(
        forecast,
        truths,
        analysis,
        {"forecast": None, **(baselines or {})},
        climatology=climatology,
        regions=regions or {},
        block_values=block_values,
        memory_gib=memory_gib,
        num_threads=num_threads,
        progress=iter,
        kept=kept,
        drawn=drawn,
        events=events,
        own=own,
        only=only,
    )


def _sums(
    forecast: xr.Dataset,
    truths: xr.Dataset,
    analysis: Analysis | xr.Dataset,
    scored: Mapping[str, Baseline | None],
    *,
    climatology: Climatology,
    regions: Mapping[str, Region],
    block_values: int,
    memory_gib: float,
    num_threads: int | None,
    progress: Callable[[list[Block]], Iterable[Block]],
    kept: KeptSums | None,
    drawn: DrawnField | None,
    events: Events | None,
    own: Sequence[OwnScore],
    only: slice = slice(None),
) -> tuple[Setting, Sums]:
    """Sums over all blocks or some, and what they are of."""
    given = _dataset(analysis)
    given = given.transpose(TIME, LEVEL, *dims_of(given.dims), missing_dims="ignore")
    weights = region_weights(grid_of(truths), regions)
    shares = np.stack([areas / areas.sum() for areas in weights.values()])
    models = Models(scored, climatology, given, Channels.of(forecast))
    events = events or Events()
    check_widths(events.neighbourhoods, grid_of(truths).shape)
    source = aligned(given, models.wanted, climatology.grid)
    models.check(source)
    pieces = Pieces(forecast, block_values, whole=bool(models.own))
    setting = Setting(
        pieces,
        pieces.cuts,
        models,
        shares,
        drawn,
        events=events_of(models.channels, events.thresholds),
        rain=rain_of(models.channels, events.dry),
        looked_for=events,
        own=tuple(own),
    )
    sums = all_sums(
        setting,
        blocks_of(forecast),
        source,
        memory_bytes=round(memory_gib * 2**30),
        num_threads=num_threads,
        progress=progress,
        kept=kept,
        only=only,
    )
    return setting, sums


def _dataset(analysis: Analysis | xr.Dataset) -> xr.Dataset:
    return analysis.dataset if isinstance(analysis, Analysis) else analysis


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
    return forecast.isel({INIT_TIME: 0}, drop=True).copy(data=skill(error, scale))
