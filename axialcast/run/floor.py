"""The linear floor of a network: whether it has one, and what is filled in.

Shapes: x cells of all prognostic channels, k patterns, p prognostic channels, h latitudes,
w longitudes, H, W of coarse cells.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.baselines import KeptFits, VectorAutoregression, fit_baselines
from axialcast.baselines.choosing import folds_of
from axialcast.baselines.fitting import check_times
from axialcast.data import Analysis
from axialcast.model import ForecastNetwork
from axialcast.names import PROGNOSTIC
from axialcast.parallel import leader_first
from axialcast.run.config import Config
from axialcast.run.departures import HARMONICS, alike, departures_of_floor, no_departures, too_large
from axialcast.run.stamps import training_data
from axialcast.run.training_data import TrainingData
from axialcast.times.dates import Times
from axialcast.times.steps import multiple

__all__ = ["base_to_train", "lay_floor", "no_floor", "of_member"]

NAME = "vector_autoregression"
FIRST_SHARE = 0.5
"""Of the floor, that a network which learns on top of it starts with."""


def of_member(config: Config, data: TrainingData, member: int) -> Config:
    """The config of one of several networks: of auto every second learns on top of the floor, if
    there is one, for a mean of networks of two kinds gains more than one of as many alike."""
    if config.model.base != "auto" or member % 2 == 0 or _no_floor(config, data):
        return config
    return config.model_copy(update={"model": config.model.model_copy(update={"base": "linear"})})


def base_to_train(config: Config, data: TrainingData) -> tuple[dict[str, Any], str | None]:
    """Keywords of the network that say what its forecasts are built on, and where a floor was left
    out, why. Every process calls it.

    Raises:
        ValueError: model.base asks for a floor, and there is none.
    """
    wanted = config.model.base
    if wanted == "persistence":
        return {}, None
    reason = _no_floor(config, data)
    if reason is not None:
        if wanted == "auto":
            return {}, reason
        raise ValueError(f"model.base: {wanted} is not possible: {reason}; set it to auto")
    floor = fitted(config, data)
    departures = departures_of_floor(config, data)
    leads = multiple(config.forecast.longest, data.step) or 1
    settings = {**floor_settings(floor), "departures": departures, "leads": leads}
    return {"floor": settings}, None


def _no_floor(config: Config, data: TrainingData) -> str | None:
    """Why there is no linear floor; None: there is one."""
    prognostic = data.channels.having(PROGNOSTIC)
    logarithms = data.statistics[data.channels.where(PROGNOSTIC)].log1p > 0
    if logarithms.any():
        channel = prognostic[int(np.argmax(logarithms))]
        return f"{channel} is normalised by its logarithm, in which nothing is linear"
    reason = no_floor(config, data.train.indexes["time"].values, data.step)
    if reason is None and (large := too_large(departures_of_floor(config, data), data)):
        return f"its climatology would be too large: {large}"
    return reason


def no_floor(config: Config, times: Times, step: np.timedelta64) -> str | None:
    """Why the times of a training period, or what else a config asks for, allow no linear floor;
    None: they do."""
    if config.model.noise:
        return "a floor would narrow the spread of a network that is conditioned on noise"
    if config.train.domain_ranks > 1:
        return f"train.domain_ranks {config.train.domain_ranks} share states, a floor needs whole"
    if (reason := no_departures(times, step)) is not None:
        return reason
    leads = np.array([step])
    try:
        check_times(times, [NAME], lead_times=leads, harmonics=HARMONICS, lag=step)
    except ValueError as error:
        return str(error).partition(": ")[2].partition(";")[0]
    return None


def fitted(config: Config, data: TrainingData) -> VectorAutoregression:
    """The baseline on the prognostic channels, where these are all the same fit as to verify.

    Every process calls it first; then any may ask again.
    """
    if NAME in data.fitted:
        known: VectorAutoregression = data.fitted[NAME]
        return known
    names = list(data.channels.having(PROGNOSTIC).variables)
    kept = KeptFits(config.output / ".fitted", training_data(config))
    with leader_first():
        _, found = fit_baselines(
            Analysis.of(data.train[names]),
            [NAME],
            lead_times=np.array([data.step]),
            harmonics=HARMONICS,
            lag=data.step,
            kept=kept,
        )
    floor = found[NAME]
    assert isinstance(floor, VectorAutoregression)
    data.fitted[NAME] = floor
    return floor


def fold_of(times: Times) -> Callable[[Times], NDArray[np.int64]]:
    """Which fold of a training period's times others are in."""
    folds = folds_of(times)

    def of(others: Times) -> NDArray[np.int64]:
        return np.asarray(folds[np.searchsorted(times, others).clip(0, len(times) - 1)])

    return of


def floor_settings(floor: VectorAutoregression) -> dict[str, Any]:
    """Keywords of `axialcast.model.floor.Floor`."""
    return {
        "patterns": floor.patterns.shape[1],
        "lags": int(floor.lags),
        "rest": len(floor.rest),
        "seasons": floor.seasons,
        "coarse": None if floor.factor == 1 else list(floor.coarsening.shape),
    }


def lay_floor(config: Config, data: TrainingData, network: ForecastNetwork) -> None:
    """Fills in the floor of a network; every process calls it."""
    assert network.floor is not None
    network.floor.set(_arrays(config, data))
    network.learn_share(FIRST_SHARE if config.model.base == "linear" else 0.0)
    if config.model.base == "linear":
        times = data.train.indexes["time"].values
        network.floor.set_folds(fitted(config, data).folds, fold_of(times))


def _arrays(config: Config, data: TrainingData) -> dict[str, NDArray[Any]]:
    """What `axialcast.model.floor.Floor.set` is given; every process calls it."""
    floor = fitted(config, data)
    prognostic = data.channels.having(PROGNOSTIC)
    where = [list(floor.channels).index(c) for c in alike(prognostic, floor.channels)]
    std = data.statistics[data.channels.where(PROGNOSTIC)].std
    size = floor.patterns.shape[0] // len(floor.channels)
    patterns = floor.patterns.reshape(len(floor.channels), size, -1)[where]
    scale = floor.scale.reshape(len(floor.channels), size)[where] * std[:, None]
    arrays = {
        "patterns": patterns.reshape(len(where) * size, -1),
        "scale": scale.ravel().astype(np.float32),
        "weights": floor.weights.astype(np.float32),
        "rest": floor.rest[:, where].astype(np.float32),
    }
    if floor.factor > 1:
        arrays |= floor.coarsening.matrices
    return arrays
