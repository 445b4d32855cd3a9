"""Forecasts from every initial time: checkpoint/ and analysis → forecast.zarr."""

from typing import Any

import numpy as np

from axialcast.config import Config
from axialcast.data import open_analysis
from axialcast.forecast import Forecaster, ForecastWriter, datetimes, load
from axialcast.names import TIME
from axialcast.progress import track

READS = ("data", "forecast")
OUTPUTS = ("forecast.zarr",)


def run(config: Config) -> None:
    """Rolls the checkpoint out to forecast.lead_time_hours from every initial time."""
    forecaster = load(config.output / "checkpoint", device=config.device)
    analysis = open_analysis(config.analysis_store, **config.opening)
    analysis = forecaster.check(analysis)
    inits = initial_times(config, analysis)
    leads = lead_times(config.forecast.lead_time_hours, forecaster)
    block = min(config.forecast.batch_size, len(inits))
    blocks = forecaster.predict_blocks(
        analysis, init_times=inits, lead_times=leads, batch_size=block
    )
    template = forecaster.template(inits, leads)
    with ForecastWriter(
        config.output / "forecast.zarr", template, block=block, layout=config.forecast.layout
    ) as writer:
        total = -(-len(inits) // block)
        for first, forecast in track(blocks, description="forecast", total=total, unit="batches"):
            writer.write(first, forecast)


def initial_times(config: Config, analysis: Any) -> Any:
    """The dates listed, or all times of data.test, every init_every_hours."""
    times = analysis[TIME].values
    if config.forecast.init_times != "test":
        return datetimes(config.forecast.init_times, like=times)
    times = analysis[TIME].sel({TIME: slice(*config.data.test)}).values
    every = config.forecast.init_every_hours
    if every is not None:
        since = (times - times[:1]).astype("timedelta64[s]")
        times = times[since % np.timedelta64(every, "h") == np.timedelta64(0)]
    return times


def lead_times(hours: float, forecaster: Forecaster) -> Any:
    """Every multiple of the model step up to `hours`.

    Raises:
        ValueError: `hours` is not such a multiple.
    """
    longest = np.timedelta64(round(hours * 3600), "s")
    if longest % forecaster.checkpoint.step:
        raise ValueError(
            f"forecast.lead_time_hours: {hours:g} is not a multiple of the model step of "
            f"{forecaster.step_hours:g} h"
        )
    return np.arange(1, longest // forecaster.checkpoint.step + 1) * forecaster.checkpoint.step
