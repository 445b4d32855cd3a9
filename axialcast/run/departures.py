"""Departures from the climatology as the world of a network: whether, from what, and by how much.

Shapes: u hours of the day, m coefficients, p prognostic channels, h latitudes, w longitudes.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.baselines import Climatology, KeptFits, fit_baselines
from axialcast.baselines.climatology import COEFFICIENT
from axialcast.baselines.cycle import HOUR, check_cycle, part_of, year_days
from axialcast.data import Analysis, Channels
from axialcast.data.channels import Channel
from axialcast.data.monthly import usual_months
from axialcast.data.normalize import cell_weights
from axialcast.files.atomic import readable_size
from axialcast.names import PROGNOSTIC
from axialcast.parallel import leader_first
from axialcast.run.config import Config
from axialcast.run.stamps import training_data
from axialcast.run.training_data import TrainingData
from axialcast.times.dates import Times
from axialcast.times.steps import DAY, MONTH, in_months, multiple, step_text

__all__ = [
    "HARMONICS",
    "alike",
    "departures_of_floor",
    "departures_to_train",
    "no_departures",
    "too_large",
    "usual",
]

HARMONICS = 3
"""Of the year, that are fitted: those of the climatology that forecasts are verified against, if
nothing is said."""
YEARS = {1: 6, 2: 15}
"""Harmonics that are kept below so many years of training: of few years the higher ones are as much
weather as climate, and leave larger departures in other years than without them."""
LARGEST_BYTES = 2**29
"""Of coefficients, which a network holds and reads in every step."""
SAMPLE = 128
"""States that the spread is taken from: a standard deviation within some percent."""
BLOCK_BYTES = 2**28
"""States that are held at once."""

Settings = bool | dict[str, Any]


def departures_to_train(config: Config, data: TrainingData) -> tuple[Settings, str | None]:
    """The network's `departures`, and where they were left out, why.

    Raises:
        ValueError: model.departures is true, and the data have none.
    """
    wanted = config.model.departures
    if wanted is False:
        return False, None
    reason = no_departures(data.train.indexes["time"].values, data.step, sure=wanted is True)
    if reason is None and not in_months(data.step):
        settings = _seasonal(data, _harmonics(data))
        reason = too_large(settings, data) if wanted == "auto" else None
        if reason is None:
            return settings, None
    if reason is None:
        return True, None
    if wanted is True:
        raise ValueError(f"model.departures: {reason}; set it to auto, or to false")
    return False, reason


def too_large(settings: Settings, data: TrainingData) -> str | None:
    """Why coefficients of the year are not held; None: they are small enough."""
    if not isinstance(settings, Mapping):
        return None
    parts = len(settings["hours"]) * (2 * settings["harmonics"] + 1)
    size = 4 * parts * _num(data) * math.prod(data.grid.shape)
    if size <= LARGEST_BYTES:
        return None
    return f"they take {readable_size(size)}, more than {readable_size(LARGEST_BYTES)}"


def departures_of_floor(config: Config, data: TrainingData) -> Settings:
    """What a linear floor of a network has its departures from where the network has none, or
    others than the floor was fitted on."""
    networks, _ = departures_to_train(config, data)
    if networks is True or (isinstance(networks, dict) and networks["harmonics"] == HARMONICS):
        return False
    return True if in_months(data.step) else _seasonal(data, HARMONICS)


def no_departures(times: Times, step: np.timedelta64, *, sure: bool = False) -> str | None:
    """Why there are no departures from the climatology of a training period; None: there are.

    Args:
        times: of the training period.
        step: of the model.
        sure: whether a single one of each calendar month is enough.
    """
    if in_months(step):
        if multiple(step, MONTH) != 1:
            return f"a step is {step_text(step)}, expected 1 month, or a time such as 6 h"
        if sure:
            return None  # what is absent is found when means are taken
    try:
        check_cycle(times, HARMONICS)
    except ValueError as error:
        return str(error).removeprefix("harmonics: ").partition(";")[0]
    return None


def usual(
    config: Config, data: TrainingData, settings: Settings
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What `ForecastNetwork.set_usual` is given; every process calls it.

    Of channels whose logarithm is normalised nothing is usual: the mean of logarithms is not the
    logarithm of the climatology.

    Raises:
        ValueError: as the fits.
    """
    prognostic = data.channels.having(PROGNOSTIC)
    statistics = data.statistics[data.channels.where(PROGNOSTIC)]
    if settings is True:
        return usual_months(data.train, prognostic, statistics)
    assert isinstance(settings, Mapping)
    # What is verified, for its climatology is the same fit.
    training = Analysis.of(data.train[list(data.channels.forecast.variables)])
    kept = KeptFits(config.output / ".fitted", training_data(config))
    with leader_first():
        climatology, _ = fit_baselines(
            training, (), lead_times=np.array([data.step]), harmonics=HARMONICS, kept=kept
        )
        climatology = _truncated(climatology, settings["harmonics"])
        how = {"harmonics": settings["harmonics"], "sample": SAMPLE}
        kind = f"spread{settings['harmonics']}"
        found = kept.load(kind, training, how)
        if found is None:
            found = {"spread": _spread(training, climatology)}
            kept.save(kind, training, how, found)
    where = [
        list(training.channels).index(channel) for channel in alike(prognostic, training.channels)
    ]
    spread = found["spread"][where] / statistics.std
    hours = range(climatology.coefficients.sizes[HOUR])
    coefficients = np.stack(
        [training.channels.stack(climatology.coefficients.isel({HOUR: n}))[:, where] for n in hours]
    )
    coefficients[:, 0] -= statistics.mean.astype(np.float32)[:, None, None]
    coefficients /= statistics.std.astype(np.float32)[:, None, None]
    coefficients[:, :, statistics.log1p > 0] = 0.0
    return coefficients, np.where(statistics.log1p > 0, 1.0, spread)


def alike(prognostic: Channels, channels: Channels) -> list[Channel]:
    """Of the channels those that are these, whatever the roles of both."""
    known = {(channel.variable, channel.level): channel for channel in channels}
    return [known[channel.variable, channel.level] for channel in prognostic]


def _num(data: TrainingData) -> int:
    return len(data.channels.having(PROGNOSTIC))


def _harmonics(data: TrainingData) -> int:
    """How many harmonics of the year so many years tell."""
    times = data.train.indexes["time"].values
    span = (times[-1:] - times[:1]).astype("timedelta64[us]")[0]
    years = float(span / DAY) / year_days(times)
    return next((number for number, most in YEARS.items() if years < most), HARMONICS)


def _truncated(climatology: Climatology, harmonics: int) -> Climatology:
    """A climatology without its higher harmonics: over whole years, that of a fit without them."""
    fitted = climatology.coefficients
    most = fitted.sizes[COEFFICIENT] // 2
    number = np.arange(1, harmonics + 1)
    return Climatology(fitted.isel({COEFFICIENT: np.array([0, *number, *(most + number)])}))


def _seasonal(data: TrainingData, harmonics: int) -> dict[str, Any]:
    """Keywords of `axialcast.model.departures.SeasonalDepartures`."""
    times = data.train.indexes["time"].values
    return {
        "hours": np.unique(part_of(times, HOUR)).astype(float).tolist(),
        "harmonics": harmonics,
        "step_days": float(data.step / DAY),
        "year_days": year_days(times),
    }


def _spread(training: Analysis, climatology: Climatology) -> NDArray[np.float64]:
    """(c,) root mean square departures of a sample of states, evenly spaced, over time and area."""
    stride = max(1, len(training) // SAMPLE)
    while math.gcd(stride, 6) > 1:  # so that every hour of the day and every season has its turn
        stride += 1
    rows = np.arange(0, len(training), stride)
    weights = cell_weights(training.dataset, area_weighted=True)
    squares, counted = np.zeros((2, len(training.channels)))
    length = max(1, BLOCK_BYTES // training.state_bytes)
    for part in np.array_split(rows, -(-len(rows) // length)):
        apart = training.read(part) - climatology.values_at(training.times[part])
        seen = np.isfinite(apart)
        squares += (np.where(seen, apart, 0.0).astype(np.float64) ** 2 * weights).sum((0, 2, 3))
        counted += (seen * weights).sum((0, 2, 3))
    return np.sqrt(np.maximum(squares, np.finfo(np.float32).tiny) / np.maximum(counted, 1e-12))
