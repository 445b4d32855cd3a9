"""Passes over forecasts and analysis: one, or one for each group of channels.

The states that blocks in work need at once, from the first initial time to the longest lead time,
are held in memory. Where they would not fit, the channels are scored in groups, one after another.
A chunk of the analysis that holds channels of several groups is then decoded for each of them: far
less than the forecasts' chunks, which are of one group each, as forecasts of all lead times have
their truth in common.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np

from axialcast.cores import available_cores
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.scores.blocks import Block
from axialcast.scores.contingency import EVENT_SUMS
from axialcast.scores.drawn import DrawnField
from axialcast.scores.ensembles import ENSEMBLE_SUMS, RANKS
from axialcast.scores.fractions import FRACTION_SUMS
from axialcast.scores.kept import KeptSums
from axialcast.scores.models import Models, Starts
from axialcast.scores.own import OWN_SUMS
from axialcast.scores.pieces import Cut
from axialcast.scores.scoring import Scoring
from axialcast.scores.seeps import SEEPS_PAIRS, SEEPS_SUMS
from axialcast.scores.sums import Sums, joined
from axialcast.scores.window import Window
from axialcast.scores.work import Setting

__all__ = ["Progress", "all_sums"]

Progress = Callable[[list[Block]], Iterable[Block]]

CHANNEL_AXIS = {
    "sums": 4,
    "area": 2,
    "pairs": 2,
    EVENT_SUMS: 4,
    FRACTION_SUMS: 4,
    SEEPS_SUMS: 3,
    SEEPS_PAIRS: 2,
    ENSEMBLE_SUMS: 4,
    RANKS: 3,
    OWN_SUMS: 4,
}


@dataclass(frozen=True)
class _Plan:
    """What is held at once.

    Args:
        groups: cuts of each group of channels.
        num_threads: that score.
        num_ahead: groups of blocks in work.
        read_bytes: of the analysis that are read at once.
    """

    groups: list[list[Cut]]
    num_threads: int
    num_ahead: int
    read_bytes: int

    @classmethod
    def of(
        cls,
        setting: Setting,
        blocks: Sequence[Block],
        analysis: Analysis,
        needed: Sequence[Any],
        *,
        memory_bytes: int,
        num_threads: int | None,
    ) -> "_Plan":
        """Half of the memory is for states in use, a quarter for those that are read, a quarter
        for the pieces that threads score."""
        pieces = setting.pieces
        together = pieces.groups(blocks)
        longest = max(map(len, together))
        # Of an ensemble all members are read, and their mean is scored.
        one = pieces.largest // (pieces.num_members or 1)
        values = one * (len(setting.models.models) + 2) + pieces.read_together(together)
        most = max(1, memory_bytes // 4 // (4 * values + setting.pair_sums({}, 1).scratch_bytes))
        threads = min(num_threads or available_cores(), most)
        read_bytes = memory_bytes // 4
        window = Window(analysis, needed, most_bytes=read_bytes)
        room = memory_bytes // 2
        for ahead in range(2 * threads + 1, 1, -1):
            if window.num_held(ahead * longest - 1) * analysis.state_bytes <= room:
                return cls([list(setting.cuts)], threads, ahead, read_bytes)
        field_bytes = analysis.state_bytes // analysis.shape[0]
        num_channels = room // max(1, window.num_held(2 * longest - 1) * field_bytes)
        groups: list[list[Cut]] = []
        for _, found in groupby(setting.cuts, key=lambda cut: cut.channels.start):
            cuts = list(found)
            if groups and cuts[0].channels.stop - groups[-1][0].channels.start <= num_channels:
                groups[-1] += cuts
            else:
                groups.append(cuts)
        return cls(groups, threads, 2, read_bytes)


def all_sums(
    setting: Setting,
    blocks: Sequence[Block],
    analysis: Analysis,
    *,
    memory_bytes: int,
    num_threads: int | None,
    progress: Progress,
    kept: KeptSums | None,
    only: slice = slice(None),
) -> Sums:
    """Sums of all blocks, of all channels; the field that is drawn is filled on the way.

    Args:
        setting: of all channels.
        analysis: of all channels that models start from.
        memory_bytes: that may be held.
        num_threads: that score; None: one a core, as far as memory allows.
        progress: goes through the blocks, once for each group of channels.
        only: some of the blocks, which are then planned for as all are, so that what is kept of
            them is what is looked for when all are scored.
    """
    models, leads = setting.models, setting.pieces.lead_times
    needed = [models.states(block.init_times, leads) for block in blocks]
    plan = _Plan.of(
        setting, blocks, analysis, needed, memory_bytes=memory_bytes, num_threads=num_threads
    )
    blocks, needed = blocks[only], needed[only]
    alone = len(plan.groups) == 1
    # Once for all groups; not at all where all sums are known.
    starts = None if alone else cache(lambda: _starts(models, blocks, analysis, plan.read_bytes))
    steps = iter(progress(list(blocks) * len(plan.groups)))
    fits = kept.fits(models.models, models.climatology) if kept else ""
    parts, keys, num = [], [], sum(len(block.positions) for block in blocks)
    for cuts in plan.groups:
        one = replace(setting, cuts=cuts)
        if setting.drawn and not _holds(cuts, setting.drawn):
            one = replace(one, drawn=None)
        part = analysis
        if not alone:
            part = Analysis.of(analysis.dataset, Channels(models.channels[one.channels]))
        own = kept.keys(blocks, leads, fits, one.identity()) if kept else []
        keys += own
        with Window(
            part, needed, most_bytes=plan.read_bytes, with_checksums=kept is not None
        ) as window:
            scoring = Scoring(one, window, plan.num_threads, plan.num_ahead, starts, kept)
            with closing(_taken(scoring, blocks, own, steps)) as sums:
                parts.append(joined(sums, num))
    next(steps, None)  # so that progress comes to its end
    if kept and only == slice(None):
        kept.clean(list(blocks) * len(plan.groups), keys)
    return {
        name: np.concatenate([sums[name] for sums in parts], axis) if len(parts) > 1 else rows
        for name, axis in CHANNEL_AXIS.items()
        if (rows := parts[0].get(name)) is not None
    }


def _taken(
    scoring: Scoring, blocks: Sequence[Block], keys: Sequence[str], steps: Iterator[Block]
) -> Generator[Sums]:
    """The sums of each block, less what is the drawn field's own."""
    drawn = scoring.setting.drawn
    with closing(scoring.works(blocks, keys)) as works:
        for _ in blocks:
            next(steps, None)
            work = next(works)
            yield drawn.take(work.sums, work.block) if drawn else work.sums


def _holds(cuts: Sequence[Cut], drawn: DrawnField) -> bool:
    return any(cut.channels.start <= drawn.place < cut.channels.stop for cut in cuts)


def _starts(
    models: Models, blocks: Sequence[Block], analysis: Analysis, read_bytes: int
) -> list[Starts]:
    """What joint models start from, by block, of the states of all channels."""
    if not models.joint:
        return [{} for _ in blocks]
    parts = [models.parts(block.init_times, analysis.shape) for block in blocks]
    flat = [part for block in parts for part in block]
    needed = [models.states_to_start(part) for part in flat]
    found: list[Mapping[str, Any]] = []
    with Window(analysis, needed, most_bytes=read_bytes) as window:
        for number, part in enumerate(flat):
            for coming in range(number, min(number + 2, len(flat))):
                window.begin(coming)
            found.append(models.starts(window, part))
            window.end(number)
    several = iter(found)
    return [
        {name: np.concatenate([start[name] for start in starts]) for name in models.joint}
        for starts in ([next(several) for _ in block] for block in parts)
    ]
