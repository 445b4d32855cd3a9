"""Scores the forecast and its baselines: forecast.zarr and analysis → scores.* and report.html."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, as_completed
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from axialcast.data.channels import Channels
from axialcast.disclosure import printable
from axialcast.files.atomic import write_text
from axialcast.grid import grid_of
from axialcast.names import INIT_TIME, LEAD_TIME
from axialcast.report.page import report_html
from axialcast.report.wording import channel_name, duration, model_name, pretty_units
from axialcast.run.at_stations import placed, scored_at_stations
from axialcast.run.config import Config
from axialcast.run.progress import track
from axialcast.run.provenance import WEIGHTS, provenance
from axialcast.run.stamps import made_from
from axialcast.run.verification import Verification, fit, score, training_log
from axialcast.run.workers import workers
from axialcast.scores import blocks_of
from axialcast.scores.labels import scored_names
from axialcast.scores.shown import headline, shown_leads
from axialcast.scores.written import write_scores
from axialcast.times.leads import lead_labels, leads_of
from axialcast.times.steps import in_months
from axialcast.verify import (
    Baseline,
    ByInit,
    Cases,
    DrawnField,
    Resampling,
    evaluate,
    of_all_cases,
    omissions,
    spectra,
    to_table,
    with_intervals,
)

READS = (
    "data.variables",
    "data.diagnostic",
    "data.levels",
    "data.region",
    "data.member",
    "data.gaps",
    "data.round_times_seconds",
    "data.grid_mapping",
    "data.train",
    "data.rename",
    "data.units",
    "data.missing_chunks",
    "data.test",
    "forecast.init_times",
    "forecast.init_every_hours",
    "forecast.init_every",
    "verify.metrics",
    "verify.thresholds",
    "verify.neighbourhoods",
    "verify.dry",
    "verify.baselines",
    "verify.regions",
    "verify.seasons",
    "verify.init_hours",
    "verify.harmonics",
    "verify.intervals",
    "verify.stations",
)
NEEDS = ("forecast.zarr",)
# Not log.jsonl, which the report shows: it changes with the checkpoint, of which the forecast is.
OUTPUTS = ("scores.nc", "scores_by_init.nc", "scores.csv", "report.html", ".sums")
RESUMES = (".sums",)
KEEPS = (".fitted",)

PACKAGES = ("axialcast", "torch", "xarray", "numpy")
TABLE_DAYS = np.array([1, 2, 3, 5]).astype("timedelta64[D]").astype("timedelta64[ns]")
TABLE_MONTHS = np.array([1, 2, 3, 6]).astype("timedelta64[M]")
TASKS = 4
BLOCKS: Any = {"unit": "blocks"}


def run(config: Config) -> None:
    """Fits the baselines on data.train; scores the initial times asked for in forecast.zarr.

    Sums over blocks of initial times are kept in .sums: forecasts that were scored already, against
    the same states and baselines, cost nothing. The Dask workers of `cluster:`, where there are
    any, fit and score; the sums that they keep are added up here.
    """
    output, data = config.output, config.data
    assert data is not None
    verification = Verification.open(config)
    forecast, absent = verification.forecast, verification.num_absent
    if absent:
        wanted = absent + forecast.sizes[INIT_TIME]
        print(f"verify: {absent:,} of {wanted:,} initial times are absent, so not scored")
    stations = None
    if config.verify.stations is not None:
        grid, inits = grid_of(forecast), forecast[INIT_TIME].values
        stations = placed(config, Channels.of(forecast), grid, inits)
    with workers(config) as pool:
        if pool is not None:
            tasks = scored_by(pool, verification)
            for _ in track(tasks, description="verify", total=len(blocks_of(forecast)), **BLOCKS):
                pass
    kept, drawn, by_init = verification.sums(), DrawnField(forecast), ByInit()
    arguments, cases = verification.arguments(drawn, kept), cases_of(config)
    scores = evaluate(
        forecast,
        verification.verified,
        metrics=config.verify.known_metrics,
        progress=lambda blocks: track(blocks, description="verify", **BLOCKS),
        by_init=by_init,
        cases=cases,
        **arguments,
    )
    if kept.taken and pool is None:
        num = len(kept.taken) + len(kept.made)
        print(f"verify: {len(kept.taken):,} of {num:,} blocks were kept")
    each = by_init.dataset
    if stations is not None:
        of = (forecast, verification.verified, *verification.fitted)
        scores, each, lines = scored_at_stations(stations, scores, each, *of, cases=cases)
        for line in lines:
            print(f"verify: {line}")
    if (sure := config.verify.intervals) is not None:
        how = Resampling(**sure.model_dump(), seed=config.seed)
        own = {score.name: score.metric for score in arguments["own"]}
        scores = with_intervals(scores, each, how=how, own=own, cases=cases)
    scores = scores.merge(spectra(forecast, verification.verified), join="outer")
    if boundary := forecast.attrs.get("boundary"):
        scores.attrs["boundary"] = boundary
        print(f"verify: the boundary is a {boundary}, which is not scored")
    page = report_html(
        scores,
        forecast,
        verification.verified,
        arguments["climatology"],
        title=output.resolve().name,
        facts={
            "Trained on": " to ".join(data.train),
            "Software": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
            **({"Started from": begun} if (begun := forecast.attrs.get("started_from")) else {}),
            **({"Boundary": f"{boundary}; scored within"} if boundary else {}),
            **({"Built on": base} if (base := forecast.attrs.get("base")) else {}),
            **notes(arguments["baselines"]),
        },
        config=config.text,
        drawn=drawn,
        log=training_log(output),
    )
    told = provenance(config, made_from(config, __file__), forecast.attrs.get(WEIGHTS))
    write_scores(output / "scores.nc", scores.assign_attrs(told))
    write_scores(output / "scores_by_init.nc", each.assign_attrs(told))
    write_text(output / "scores.csv", to_table(scores).to_csv(index=False, float_format="%.7g"))
    write_text(output / "report.html", page)
    print_scores(scores)


def scored_by(pool: Executor, verification: Verification) -> Iterator[int]:
    """Has workers fit and score; yields for each block that they scored."""
    config, state = verification.config, verification.state
    pool.submit(fit, config).result()
    num = len(blocks_of(verification.forecast))
    # A few tasks for each thread, so that a slow one is not waited for long.
    length = max(1, num // (TASKS * max(1, config.cluster.workers * config.cluster.cores)))
    tasks = [
        pool.submit(score, config, state, first, min(first + length, num))
        for first in range(0, num, length)
    ]
    try:
        for task in as_completed(tasks):
            yield from range(task.result())
    finally:
        for task in tasks:
            task.cancel()


def cases_of(config: Config) -> Cases | None:
    """Pairs that are scored by themselves, too."""
    cases = Cases(config.verify.seasons, config.verify.init_hours)
    return cases if cases != Cases() else None


def notes(baselines: Mapping[str, Baseline]) -> dict[str, str]:
    """What a reader of the report should know of how the baselines were fitted."""
    found = {name: getattr(baseline, "note", None) for name, baseline in baselines.items()}
    return {model_name(name): note for name, note in found.items() if note}


def print_scores(scores: xr.Dataset) -> None:
    """A short table per variable of the first metric over the whole grid, at a few lead times; of
    an ensemble, of its CRPS as well."""
    # Names are a store's own: [red] in one is text.
    console = Console(markup=False, emoji=False)
    known = scores["metric"].values.tolist()
    metrics = dict.fromkeys([known[0], *(["crps"] if "num_members" in scores.attrs else [])])
    leads = leads_of(scores)
    wanted = TABLE_MONTHS if in_months(leads) else TABLE_DAYS
    kept = wanted[np.isin(wanted, leads)] if np.isin(wanted, leads).any() else shown_leads(leads)
    chosen = of_all_cases(scores).sel({"region": "all", LEAD_TIME: lead_labels(kept)})
    for channel in headline(Channels.of(scores[scored_names(scores)])):
        name, units = channel_name(channel, chosen, inside=True), pretty_units(channel.units)
        for metric in (metric for metric in metrics if metric in known):
            title = f"{metric} of {name} ({units})"
            table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
            table.add_column("model")
            for lead in kept:
                table.add_column(duration(lead), justify="right")
            for model in chosen["model"].values.tolist():
                values = channel.of(chosen).sel(model=model, metric=metric).values
                table.add_row(printable(model), *(f"{value:.5g}" for value in values))
            console.print(table)
    for line in omissions(scores):
        console.print(f"missing, left out for all models: {printable(line)}")
