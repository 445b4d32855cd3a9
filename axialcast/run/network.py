"""The network that a config asks for, on the grid and channels of its data."""

from collections.abc import Sequence
from typing import Any

from axialcast.data import Channels
from axialcast.grid import Grid
from axialcast.model import ForecastNetwork
from axialcast.names import PROGNOSTIC
from axialcast.run.config import Config
from axialcast.run.departures import departures_to_train, usual
from axialcast.run.floor import base_to_train, lay_floor
from axialcast.run.training_data import TrainingData

__all__ = ["network_of", "network_to_train", "remarks", "settings_of", "settings_to_train"]


def network_of(
    config: Config,
    channels: Channels,
    grid: Grid,
    *,
    increment_scale: Sequence[float] | None = None,
    **changes: Any,
) -> ForecastNetwork:
    """The network before it is trained; static fields are zero.

    Args:
        channels: of its states, with their roles.
        increment_scale: of prognostic channels; None: 1, where values do not matter.
        changes: keywords that differ from what the config says.
    """
    assert config.data is not None
    numbers = channels.numbers
    return ForecastNetwork(
        **numbers,
        num_static=len(config.data.static),
        grid=grid,
        increment_scale=increment_scale or [1.0] * numbers["num_channels"],
        **(settings_of(config) | changes),
    )


def settings_of(config: Config) -> dict[str, Any]:
    """Keywords of the network that follow from the config alone, as `sized` made it."""
    data = config.data
    assert data is not None
    settings: dict[str, Any] = {"input_steps": data.input_steps, **dict(config.model)}
    settings.pop("size", None)  # which has decided others
    if config.network_file is not None:
        settings["sha256"] = config.network_file.sha256
    settings["departures"] = False  # the data decide
    del settings["base"]  # likewise
    if data.computed_forcings:
        settings["forcings"] = data.computed_forcings
    if data.frame:
        settings["boundary"] = data.frame
    return settings


def settings_to_train(config: Config, data: TrainingData) -> dict[str, Any]:
    """Keywords of the network, those among them that the data decide; a checkpoint keeps them."""
    departures, _ = departures_to_train(config, data)
    base, _ = base_to_train(config, data)
    return settings_of(config) | {"departures": departures, **base}


def remarks(config: Config, data: TrainingData) -> list[str]:
    """What is not as one may expect it, in words."""
    _, no_departures = departures_to_train(config, data)
    _, no_floor = base_to_train(config, data)
    said = {"departures from the climatology": no_departures, "linear floor": no_floor}
    return [f"no {what}: {reason}" for what, reason in said.items() if reason is not None]


def network_to_train(config: Config, data: TrainingData) -> ForecastNetwork:
    """The network with all that it is told from the start; every process calls it.

    Raises:
        ValueError: the data do not allow what `model:` says.
    """
    settings = settings_to_train(config, data)
    statistics = data.statistics[data.channels.where(PROGNOSTIC)]
    network = network_of(
        config,
        data.channels,
        data.grid,
        increment_scale=statistics.increment_scale.tolist(),
        **settings,
    )
    network.set_static(data.static.values)
    if network.departures is not None:
        network.set_usual(*usual(config, data, settings["departures"]))
    if network.floor is not None:
        lay_floor(config, data, network)
        if network.floor.departures is not None:
            network.floor.departures.set(*usual(config, data, settings["floor"]["departures"]))
    return network
