"""Scores the forecast and its baselines: forecast.zarr and analysis → scores.* and report.html."""

import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from axialcast.baselines import KeptFits
from axialcast.baselines import fit_baselines as baselines_of
from axialcast.data import open_analysis
from axialcast.data.channels import Channels
from axialcast.disclosure import printable, shown
from axialcast.files.atomic import readable_size, write_text, writing
from axialcast.forecast import ForecastStore, choose_init_times
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL
from axialcast.report.page import report_html
from axialcast.report.wording import channel_name, duration, model_name, pretty_units
from axialcast.run.config import Config
from axialcast.run.progress import track
from axialcast.run.stamps import analysis_content, training_data
from axialcast.scores.shown import headline
from axialcast.verify import (
    Baseline,
    Climatology,
    DrawnField,
    KeptSums,
    evaluate,
    omissions,
    to_table,
)

READS = (
    "data.variables",
    "data.levels",
    "data.region",
    "data.member",
    "data.gaps",
    "data.round_times_seconds",
    "data.train",
    "data.units",
    "data.missing_chunks",
    "data.test",
    "forecast.init_times",
    "forecast.init_every_hours",
    "verify.metrics",
    "verify.baselines",
    "verify.regions",
    "verify.harmonics",
)
NEEDS = ("forecast.zarr",)
OUTPUTS = ("scores.nc", "scores.csv", "report.html", ".sums")
RESUMES = (".sums",)
KEEPS = (".fitted",)

PACKAGES = ("axialcast", "torch", "xarray", "numpy")
TABLE_DAYS = (1, 2, 3, 5)


def run(config: Config) -> None:
    """Fits the baselines on data.train; scores the initial times asked for in forecast.zarr.

    Sums over blocks of initial times are kept in .sums: forecasts that were scored already, against
    the same states and baselines, cost nothing.
    """
    output, data = config.output, config.data
    assert data is not None
    store = ForecastStore(output / "forecast.zarr")
    contents = store.contents()
    analysis = open_analysis(config.analysis_store, **config.opening)
    chosen = config.forecast.model_dump(include={"init_times", "init_every_hours"})
    wanted = choose_init_times(analysis, test=data.test, **chosen)
    forecast = in_order(store.dataset(wanted), store.path, analysis, shown(config.analysis_store))
    absent = len(wanted) - forecast.sizes[INIT_TIME]
    if absent:
        print(f"verify: {absent:,} of {len(wanted):,} initial times are absent, so not scored")
    leads = forecast[LEAD_TIME].values
    climatology, baselines = fit_baselines(config, analysis, leads)
    inits = forecast[INIT_TIME].values
    # From the state before the first initial time, which the linear inverse model wants too.
    period = slice(inits.min() - leads[0], inits.max() + leads[-1])
    verified = analysis.sel(time=period)
    drawn = DrawnField(forecast)
    kept = KeptSums(output / ".sums", contents, analysis=analysis_content(config))
    scores = evaluate(
        forecast,
        verified,
        climatology=climatology,
        baselines=baselines,
        metrics=config.verify.metrics,
        regions={name: box.model_dump() for name, box in config.verify.regions.items()},
        memory_gib=config.verify.memory_gib,
        progress=lambda blocks: track(blocks, description="verify", unit="blocks"),
        kept=kept,
        drawn=drawn,
    )
    if kept.taken:
        num = len(kept.taken) + len(kept.made)
        print(f"verify: {len(kept.taken):,} of {num:,} blocks were kept")
    page = report_html(
        scores,
        forecast,
        verified,
        climatology,
        title=output.resolve().name,
        facts={
            "Trained on": " to ".join(data.train),
            "Software": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
            **notes(baselines),
        },
        config=config.text,
        drawn=drawn,
    )
    write_netcdf(output / "scores.nc", scores)
    write_text(output / "scores.csv", to_table(scores).to_csv(index=False, float_format="%.7g"))
    write_text(output / "report.html", page)
    print_scores(scores)


def fit_baselines(
    config: Config, analysis: xr.Dataset, lead_times: NDArray[np.timedelta64]
) -> tuple[Climatology, dict[str, Baseline]]:
    """The climatology and the baselines asked for, fitted on the training years or kept."""
    assert config.data is not None
    return baselines_of(
        analysis.sel(time=slice(*config.data.train)),
        config.verify.baselines,
        lead_times=lead_times,
        harmonics=config.verify.harmonics,
        # Lead times count from one model step: the states that the network is given.
        lag=lead_times[0],
        memory_gib=config.verify.memory_gib,
        kept=KeptFits(config.output / ".fitted", training_data(config)),
    )


def notes(baselines: Mapping[str, Baseline]) -> dict[str, str]:
    """What a reader of the report should know of how the baselines were fitted."""
    found = {name: getattr(baseline, "note", None) for name, baseline in baselines.items()}
    return {model_name(name): note for name, note in found.items() if note}


def in_order(forecast: xr.Dataset, path: Path, analysis: xr.Dataset, source: str) -> xr.Dataset:
    """The forecast, its variables in the analysis's order.

    Raises:
        FileNotFoundError: there are none yet.
        ValueError: the analysis lacks one of their variables or levels.
    """
    if not forecast.sizes[INIT_TIME]:
        raise FileNotFoundError(
            f"{path}: none of the initial times is complete; run the pipeline `forecast` first"
        )
    absent = sorted(set(map(str, forecast.data_vars)) - set(map(str, analysis.data_vars)))
    if absent:
        raise ValueError(
            f"{path}: holds {absent[0]}, which {source} as opened lacks, with "
            f"{', '.join(map(str, analysis.data_vars))}; add it to data.variables, or run the "
            "pipeline `forecast` again"
        )
    levels = analysis[LEVEL].values.tolist() if LEVEL in analysis.coords else []
    wanted = forecast[LEVEL].values.tolist() if LEVEL in forecast.coords else []
    if lacking := [level for level in wanted if level not in levels]:
        raise ValueError(
            f"{path}: holds {lacking[0]:g} hPa, which {source} as opened lacks, with "
            f"{', '.join(f'{level:g}' for level in levels) or 'no'} hPa; add it to data.levels, or "
            "run the pipeline `forecast` again"
        )
    return forecast[[name for name in analysis.data_vars if name in forecast]]


def write_netcdf(path: Path, scores: xr.Dataset) -> None:
    """Writes the scores, as a whole or not at all.

    Raises:
        OSError: they cannot be written.
    """
    with writing(path) as partial:
        try:
            scores.to_netcdf(partial)
        except RuntimeError as error:  # all that the NetCDF library says of a full disk
            free = readable_size(shutil.disk_usage(path.parent).free)
            raise OSError(
                f"{path}: cannot be written ({error}), with {free} free; make room and run again"
            ) from error


def print_scores(scores: xr.Dataset) -> None:
    """A short table per variable of the first metric over the whole grid, at a few lead times."""
    # Names are a store's own: [red] in one is text.
    console = Console(markup=False, emoji=False)
    metric = str(scores["metric"].values[0])
    leads = scores[LEAD_TIME].values
    days = [day for day in TABLE_DAYS if np.timedelta64(day, "D") in leads]
    kept = np.array(days, "timedelta64[D]").astype(leads.dtype) if days else leads[-1:]
    chosen = scores.sel({"metric": metric, "region": "all", LEAD_TIME: kept})
    scored = [name for name, array in scores.data_vars.items() if "model" in array.dims]
    for channel in headline(Channels.of(scores[scored])):
        name, units = channel_name(channel, chosen, inside=True), pretty_units(channel.units)
        title = f"{metric} of {name} ({units})"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
        table.add_column("model")
        for lead in kept:
            table.add_column(duration(lead), justify="right")
        for model in chosen["model"].values.tolist():
            values = channel.of(chosen).sel(model=model).values
            table.add_row(printable(model), *(f"{value:.5g}" for value in values))
        console.print(table)
    for line in omissions(scores):
        console.print(f"missing, left out for all models: {printable(line)}")
