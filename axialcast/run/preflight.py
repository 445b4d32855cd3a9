"""What `axialcast check` does first: finds what would fail later."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from axialcast.data import open_analysis
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.reader import Analysis
from axialcast.device import choose_device
from axialcast.forecast import Forecaster, load_checkpoint
from axialcast.run.config import Config, ConfigError
from axialcast.run.costs import Preflight, planned_nature_run
from axialcast.run.line import stages_of
from axialcast.run.misfits import misfits
from axialcast.run.sample import sample

__all__ = ["Preflight", "check_run"]

SCAN_BYTES = 2**27
"""Decoded data looked through for channels that are constant or all NaN."""


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
    if config.data is None:
        return None
    data = config.data
    is_simulated, prepares = ("simulate" in config.pipeline, "prepare" in config.pipeline)
    store = planned_nature_run(config).template() if is_simulated else None
    if prepares:
        recipe = Recipe(**config.recipe)
        dataset = recipe.convert(recipe.open(store))
    else:
        dataset = open_analysis(config.analysis_store if store is None else store, **config.opening)
    analysis, forecaster = Analysis(dataset), _trained(config)
    if forecaster is not None:
        forecaster.check(analysis)
    # Of a single time, the checkpoint alone knows what follows.
    is_single = forecaster is not None and len(analysis) == 1
    cadence = forecaster.checkpoint.step if forecaster and is_single else analysis.cadence
    spacing = cadence / np.timedelta64(1, "h")
    stride = round((data.step_hours or spacing) / spacing) or 1
    preflight = Preflight(config, data, analysis, cadence, stride)
    if lines := misfits(preflight, forecaster):
        raise ConfigError([f"{config.analysis_address}: {line}" for line in lines])
    if not scan or is_simulated:
        return preflight
    try:
        return replace(preflight, scanned=sample(preflight))
    except ValueError as error:
        raise ValueError(f"{config.analysis_address}: {error}") from None


def _trained(config: Config) -> Forecaster | None:
    """The network that a run forecasts with and does not train; None: there is none."""
    if "forecast" not in config.pipeline or "train" in config.pipeline:
        return None
    return Forecaster(load_checkpoint(config.output / "checkpoint"), device="cpu")
