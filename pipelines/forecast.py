"""Forecasts from every initial time: checkpoint/ and analysis → forecast.zarr."""

from itertools import chain
from pathlib import Path
from typing import Any

from axialcast.data import open_analysis
from axialcast.data.reader import Analysis
from axialcast.files import clearing, inventory
from axialcast.forecast import (
    Forecaster,
    ForecastStore,
    ForecastWriter,
    choose_init_times,
    choose_lead_times,
    date_text,
    datetimes,
    load,
)
from axialcast.run.config import Config
from axialcast.run.parts import in_turn, mine
from axialcast.run.progress import track
from axialcast.run.stamps import differences, made_from

READS = (
    "data.variables",
    "data.levels",
    "data.region",
    "data.member",
    "data.gaps",
    "data.round_times_seconds",
    "data.units",
    "data.missing_chunks",
    "data.test",
    "forecast.lead_time_hours",
    "forecast.init_times",
    "forecast.init_every_hours",
    "forecast.layout",
)
NEEDS = ("checkpoint",)
OUTPUTS = ("forecast.zarr",)
RESUMES = ("forecast.zarr",)
IN_PARTS = True

CHOOSES = ("data.test", "data.gaps", "forecast.init_times", "forecast.init_every_hours", "store")
"""Of what decides the outputs: what decides which initial times there are, not their values.

What an analysis holds is compared state by state, so that it may grow."""


def run(config: Config) -> None:
    """Rolls the checkpoint out to forecast.lead_time_hours from every initial time.

    Initial times that forecast.zarr holds already, made of the same states by the same checkpoint,
    stay as they are.
    """
    assert config.data is not None
    forecaster = load(config.output / "checkpoint", device=config.device)
    analysis = forecaster.check(Analysis.of(open_analysis(config.analysis_store, **config.opening)))
    chosen = config.forecast.model_dump(include={"init_times", "init_every_hours"})
    inits = choose_init_times(analysis, test=config.data.test, **chosen)
    leads = choose_lead_times(config.forecast.lead_time_hours, forecaster.checkpoint.step)
    decided = made_from(config, __file__)
    belongs_to = {key: value for key, value in decided.items() if key not in CHOOSES}
    path, batch = config.output / "forecast.zarr", config.forecast.batch_size
    template = forecaster.template(inits, leads)
    layout = config.forecast.layout
    with in_turn(config.output):
        discard_other(path, belongs_to)
        writing = ForecastWriter(path, template, belongs_to=belongs_to, layout=layout)
        drop_changed(writing.store, forecaster, analysis, decided["store"], batch)
    inits = mine(inits)
    with writing as writer:
        missing = writer.store.missing(inits)
        if len(missing) < len(inits):
            print(f"forecast: {len(inits) - len(missing):,} of {len(inits):,} initial times kept")
        together = writer.leads_together
        parts = forecaster.hindcast(
            analysis,
            init_times=inits[missing],
            lead_times=leads,
            batch_size=batch,
            leads_together=together,
        )
        left, total = (
            -(-len(times) // batch) * -(-len(leads) // together) for times in (missing, inits)
        )
        shown = track(parts, description="forecast", total=total, done=total - left, unit="parts")
        for part, inputs in shown:
            writer.write(part, inputs=inputs)


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
    store: ForecastStore, forecaster: Forecaster, analysis: Analysis, state: Any, batch_size: int
) -> None:
    """Counts forecasts as absent whose initial states are others in the analysis as it is now.

    Those whose states the analysis does not hold any more cannot be compared, and stay.
    """
    made_of = store.complete()
    if made_of and store.checked_against != state:
        every = datetimes(list(made_of), like=analysis.times)
        inits = every[forecaster.has_inputs(analysis, every)]
        blocks = forecaster.inputs(analysis, init_times=inits, batch_size=batch_size)
        now = zip(inits, chain.from_iterable(blocks), strict=True)
        changed = [time for time, states in now if states != made_of[date_text(time)]]
        if changed:
            print(f"forecast: the states of {len(changed):,} initial times changed; made anew")
            store.drop(changed)
    store.checked_against = state
