"""Forecasts from every initial time: checkpoint/ and analysis → forecast.zarr."""

from collections.abc import Iterator
from concurrent.futures import Executor, as_completed
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

from axialcast.data.reader import Analysis
from axialcast.files import clearing, inventory
from axialcast.forecast import (
    Forecaster,
    ForecastStore,
    Hindcast,
    choose_init_times,
    choose_lead_times,
    date_text,
    datetimes,
    write_block,
)
from axialcast.forecast.packing import packed
from axialcast.parallel import dealt, launch, told
from axialcast.run.boundary import boundary_source
from axialcast.run.config import Config
from axialcast.run.forcings import forcing_sources
from axialcast.run.parts import in_turn, mine
from axialcast.run.progress import track
from axialcast.run.provenance import provenance
from axialcast.run.stamps import differences, made_from
from axialcast.run.workers import workers
from axialcast.times.dates import Leads

READS = (
    "seed",
    "data.variables",
    "data.diagnostic",
    "data.forcings",
    "data.levels",
    "data.region",
    "data.member",
    "data.gaps",
    "data.round_times_seconds",
    "data.grid_mapping",
    "data.rename",
    "data.units",
    "data.missing_chunks",
    "data.test",
    "forecast.members",
    "forecast.perturb",
    "forecast.lagged",
    "forecast.lead_time",
    "forecast.lead_time_hours",
    "forecast.init_times",
    "forecast.init_every",
    "forecast.init_every_hours",
    "forecast.forcings",
    "data.boundary",
    "forecast.boundary_store",
    "forecast.layout",
    "forecast.packing",
)
NEEDS = ("checkpoint",)
OUTPUTS = ("forecast.zarr",)
RESUMES = ("forecast.zarr",)
KEEPS = (".fitted",)
EVERY_RANK = True
IN_PARTS = True

CHOOSES = (
    *("data.test", "data.gaps", "forecast.init_times", "forecast.init_every"),
    *("forecast.init_every_hours", "store", "forcing stores", "boundary store"),
)
"""Of what decides the outputs: what decides which initial times there are, not their values.

What an analysis holds is compared state by state, so that it may grow."""


def run(config: Config) -> None:
    """Rolls the checkpoint out to the longest lead time from every initial time.

    Initial times that forecast.zarr holds already, made of the same states by the same checkpoint,
    stay as they are. The others are shared by the Dask workers of `cluster:`, or else by the
    processes that were started together.
    """
    assert config.data is not None
    decided = made_from(config, __file__)
    belongs_to = {key: value for key, value in decided.items() if key not in CHOOSES}
    hindcast = Hindcast(
        checkpoint=str(config.output / "checkpoint"),
        network=config.network_path,
        analysis=config.analysis_store,
        opening=config.opening,
        store=str(config.output / "forecast.zarr"),
        belongs_to=belongs_to,
        device=config.device,
        state=[
            decided["store"],
            *decided.get("forcing stores", ()),
            *([decided["boundary store"]] if "boundary store" in decided else []),
        ],
        forcings=forcing_sources(config),
        boundary=boundary_source(config),
        neighbours=neighbours_in(config),
        lead_time=config.forecast.longest,
        ensemble={"seed": config.seed, **config.forecast.ensemble},
        **config.forecast.model_dump(include={"batch_size", "layout"}),
    )
    opened = hindcast.open()
    missing = missing_in(hindcast, opened, config) if launch().is_leader else None
    blocks = hindcast.blocks(told(missing))
    with workers(config) if launch().world_size == 1 else nullcontext() as pool:
        if pool is not None:
            made, total, unit = shared(pool, hindcast, blocks), len(blocks), "blocks"
        else:
            made, unit = dealt_out(hindcast, blocks, opened), "parts"
            total = hindcast.num_parts(opened) * len(blocks)
        for _ in track(made, description="forecast", total=total, unit=unit):
            pass
    if pool is not None:
        ForecastStore(hindcast.store).sweep(alone=True)  # workers may have been killed


def neighbours_in(config: Config) -> int:
    """Processes that share every state, as they did in training: of one alone, one."""
    count, ranks = config.train.domain_ranks, launch().world_size
    if ranks > 1 and ranks % count:
        raise ValueError(
            f"train.domain_ranks: {count} does not divide the {ranks} processes; start a multiple "
            f"of {count}, or choose a divisor"
        )
    return count if ranks > 1 else 1


def missing_in(
    hindcast: Hindcast, opened: tuple[Forecaster, Analysis], config: Config
) -> list[str]:
    """Initial times that are to be made, as text, when the store has room for all of them."""
    assert config.data is not None
    forecaster, analysis = opened
    inits = choose_init_times(analysis, test=config.data.test, **config.forecast.chosen)
    leads = choose_lead_times(hindcast.lead_time, forecaster.step)
    path, packing = Path(hindcast.store), config.forecast.packing
    how = None if packing is None else packing.model_dump()
    template = packed(forecaster.template(inits, leads), how, forecaster.checkpoint)
    with in_turn(config.output):
        discard_other(path, dict(hindcast.belongs_to or {}))
        store = ForecastStore.prepare(
            path,
            template.assign_attrs(provenance(config, hindcast.belongs_to or {})),
            belongs_to=hindcast.belongs_to,
            layout=hindcast.layout,
        )
        drop_changed(store, opened, leads, hindcast)
    inits = mine(inits)
    missing = store.missing(inits)
    if len(missing) < len(inits):
        print(f"forecast: {len(inits) - len(missing):,} of {len(inits):,} initial times kept")
    return [date_text(inits[n]) for n in missing]


def shared(pool: Executor, hindcast: Hindcast, blocks: list[list[str]]) -> Iterator[int]:
    """Makes blocks on workers; yields how many initial times each had, as they end."""
    tasks = [pool.submit(write_block, hindcast, block) for block in blocks]
    try:
        for task in as_completed(tasks):
            yield task.result()
    finally:
        for task in tasks:
            task.cancel()


def dealt_out(
    hindcast: Hindcast, blocks: list[list[str]], opened: tuple[Forecaster, Analysis]
) -> Iterator[int]:
    """Makes the blocks that come to this process; yields for each part, the others' among them."""
    num_parts, at, counted = hindcast.num_parts(opened), 0, 0

    def own() -> Iterator[list[str]]:
        nonlocal at
        for number, block in dealt(list(enumerate(blocks)), hindcast.neighbours):
            at = number
            yield block
        at = len(blocks)

    for size in chain(hindcast.write(own(), opened), [0]):
        # Blocks before this one, if they did not come here, were begun elsewhere.
        others = max(0, at * num_parts - counted)
        yield from [size] * (others + (size > 0))
        counted += others + (size > 0)


def discard_other(path: Path, belongs_to: dict[str, Any]) -> None:
    """Removes the store of this run where it is of another checkpoint, config or version.

    Raises:
        ValueError: axialcast did not make it.
    """
    then = ForecastStore.owner(path)
    if then is not None and then != belongs_to:
        print(f"forecast: made anew, for {', '.join(differences(belongs_to, then))}")
        clearing.clear(path)
    elif any(path.glob("[!.]*")) and not inventory.inventories(path):
        clearing.clear(path)  # of version 0.1.0; of one that was just begun, inventories come first


def drop_changed(
    store: ForecastStore, opened: tuple[Forecaster, Analysis], leads: Leads, hindcast: Hindcast
) -> None:
    """Counts forecasts as absent whose initial states are others in the analysis as it is now, or
    their forcings.

    Those whose states the analysis does not hold any more cannot be compared, and stay.
    """
    made_of, (forecaster, analysis) = store.complete(), opened
    if made_of and store.checked_against != hindcast.state:
        every = datetimes(list(made_of), like=analysis.times)
        inits = every[forecaster.has_inputs(analysis, every, lead_times=leads)]
        blocks = forecaster.inputs(
            analysis, init_times=inits, lead_times=leads, batch_size=hindcast.batch_size
        )
        now = zip(inits, chain.from_iterable(blocks), strict=True)
        changed = [time for time, states in now if states != made_of[date_text(time)]]
        if changed:
            print(f"forecast: the states of {len(changed):,} initial times changed; made anew")
            store.drop(changed)
    store.checked_against = hindcast.state
