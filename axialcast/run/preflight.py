"""What `axialcast check` does first: finds what would fail later."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import xarray as xr

from axialcast.data import open_analysis
from axialcast.data.channels import Channels
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.reader import Analysis
from axialcast.data.transform import log_scales
from axialcast.device import choose_device
from axialcast.forecast import Forecaster, load_checkpoint
from axialcast.names import FORCING, HELD
from axialcast.run.at_stations import placed
from axialcast.run.boundary import check_boundary
from axialcast.run.config import Config, ConfigError, DataConfig
from axialcast.run.costs import Preflight
from axialcast.run.line import stages_of
from axialcast.run.loss import check_own_loss
from axialcast.run.misfits import misfits
from axialcast.run.model_size import sized
from axialcast.run.parent import Parent
from axialcast.run.sample import sample
from axialcast.run.simulated import planet_of
from axialcast.run.static_fields import static_fields
from axialcast.run.tracking import require_tracker
from axialcast.run.verification import check_own_scores
from axialcast.scores.events import percentiles_of
from axialcast.times.steps import multiple

__all__ = ["Preflight", "check_run"]

PREPARE = ("aggregate_hours", "accumulated", "regrid")
"""Keys of `prepare` that an error of its conversion begins with."""


def check_run(config: Config, *, folder: Path = Path(), scan: bool = False) -> Preflight | None:
    """The run, checked against its data and this machine; None if it reads no data.

    Args:
        config: the run.
        folder: where the pipelines' relative paths are looked for besides the working directory.
        scan: also read a sample, for channels that are constant, all NaN or infinite, and for
            values that cannot be right.

    Raises:
        FileNotFoundError: the store or a checkpoint that is needed is not there.
        ValueError: what is wrong with the store.
        ConfigError: what in the config does not fit the store, one line each.
    """
    stages_of(config, folder)
    choose_device(config.device)
    if "train" in config.pipeline:
        require_tracker(config.train.track)
    if config.data is None:
        return None
    parent = Parent.of(config) if "train" in config.pipeline else None
    if parent is not None:
        config = parent.settled(config)
    assert config.data is not None
    is_simulated = "simulate" in config.pipeline
    dataset = _opened(config, planet_of(config).template() if is_simulated else None)
    analysis, forecaster = Analysis(dataset), _trained(config)
    with _naming(config.analysis_name):
        preflight = _planned(config, config.data, analysis, forecaster)
    preflight = replace(preflight, parent=parent)
    if lines := misfits(preflight, forecaster):
        raise ConfigError([f"{config.analysis_name}: {line}" for line in lines])
    if "train" in config.pipeline:
        static_fields(config, preflight.source.grid)
        preflight.channels.forecast.weights(config.data.weights)
        preflight.channels.forecast.bounds(config.data.bounds)
        check_boundary(config, analysis, preflight.channels)
        log_scales(preflight.channels, config.data.transform)
        check_own_loss(config)
    if "verify" in config.pipeline:
        check_own_scores(config)
        _refuse_unknown_events(preflight.channels.forecast, config)
        if config.verify.stations is not None:
            placed(config, preflight.channels.forecast, analysis.grid, analysis.times)
    if not scan or is_simulated:
        return preflight
    try:
        return replace(preflight, scanned=sample(preflight))
    except ValueError as error:
        raise ValueError(f"{config.analysis_name}: {error}") from None


@contextmanager
def _naming(store: str) -> Iterator[None]:
    """What is wrong with a store names it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{store}: {error}") from None


def _opened(config: Config, store: xr.Dataset | None) -> xr.Dataset:
    """What train, forecast and verify will read, of another store if one is given."""
    if "prepare" not in config.pipeline:
        if (
            config.prepare is not None
            and store is None
            and not Path(str(config.analysis_store)).exists()
        ):
            raise FileNotFoundError(
                f"{config.analysis_name}: not there, and the section prepare: says to read it; "
                "put prepare first in pipeline, or leave the section out"
            )
        opened = open_analysis(config.analysis_store if store is None else store, **config.opening)
        with _naming(config.analysis_name):
            _refuse_unitless(opened)
            _refuse_held(opened, config.data, None)
        return opened
    recipe = Recipe(**config.recipe)
    opened = recipe.open(store)
    with _naming(config.source_name):
        _refuse_unitless(opened)
        _refuse_held(opened, config.data, recipe.aggregate_hours)
        try:
            return recipe.convert(opened)
        except ValueError as error:
            key = str(error).partition(":")[0]
            raise ValueError(f"prepare.{error}" if key in PREPARE else str(error)) from None


def _refuse_held(
    opened: xr.Dataset, data: DataConfig | None, aggregate_hours: float | None
) -> None:
    """Refuses to forecast, hour by hour, what is given by the day."""
    for name, array in opened.data_vars.items():
        hours = array.attrs.get(HELD)
        averaged = hours and aggregate_hours and aggregate_hours % hours == 0
        if hours and not averaged and data and data.roles.get(str(name)) != FORCING:
            raise ValueError(
                f"{name}: its store gives it every {hours:g} h, less often than others, so that a "
                "forecast of it would learn steps in which nothing changes; put it among "
                f"data.forcings, or set prepare.aggregate_hours: {hours:g}"
            )


def _refuse_unknown_events(channels: Channels, config: Config) -> None:
    try:
        percentiles_of(channels, config.verify.thresholds, config.verify.dry)
    except ValueError as error:
        raise ValueError(f"verify.{error}") from None


def _refuse_unitless(opened: xr.Dataset) -> None:
    """Raises where it is not known what the numbers are in: of variables that we do not know."""
    for name, array in opened.data_vars.items():
        if "units" not in array.attrs:
            raise ValueError(
                f"{name}: has no units attribute; say what the numbers are in with "
                f"data.units: {{{name}: …}}, '1' where they have none"
            )


def _planned(
    config: Config, data: DataConfig, analysis: Analysis, forecaster: Forecaster | None
) -> Preflight:
    if forecaster is not None:
        forecaster.check(analysis)
    # Of a single time, the checkpoint alone knows what follows.
    is_single = forecaster is not None and len(analysis) == 1
    cadence = forecaster.checkpoint.step if forecaster and is_single else analysis.cadence
    step = data.model_step
    stride = 1 if step is None else multiple(step, cadence) or 1  # misfits name what does not fit
    channels = Channels.of(analysis.dataset, data.roles)
    num_samples = len(analysis.between(*data.train))
    config = sized(
        config, shape=analysis.grid.shape, num_channels=len(channels), num_samples=num_samples
    )
    return Preflight(config, data, analysis, cadence, stride)


def _trained(config: Config) -> Forecaster | None:
    """The network that a run forecasts with and does not train; None: there is none."""
    if "forecast" not in config.pipeline or "train" in config.pipeline:
        return None
    checkpoint = load_checkpoint(config.output / "checkpoint", network=config.network_path)
    return Forecaster(checkpoint, device="cpu")
