"""The network that a config asks for, on the grid and channels of its data."""

from collections.abc import Sequence
from typing import Any

from axialcast.data import Channels
from axialcast.data.monthly import usual_months
from axialcast.grid import Grid
from axialcast.model import ForecastNetwork
from axialcast.names import PROGNOSTIC
from axialcast.run.config import Config
from axialcast.run.training_data import TrainingData
from axialcast.times.steps import MONTH, multiple, step_text

__all__ = ["network_of", "network_to_train", "settings_of"]


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
    """Keywords of the network that follow from the config alone; a checkpoint keeps them."""
    data = config.data
    assert data is not None
    settings: dict[str, Any] = {"input_steps": data.input_steps, **config.model.model_dump()}
    if config.network_file is not None:
        settings["sha256"] = config.network_file.sha256
    if data.computed_forcings:
        settings["forcings"] = data.computed_forcings
    if data.frame:
        settings["boundary"] = data.frame
    return settings


def network_to_train(config: Config, data: TrainingData) -> ForecastNetwork:
    """The network with all that it is told from the start.

    Raises:
        ValueError: the data do not allow what `model:` says.
    """
    prognostic = data.channels.where(PROGNOSTIC)
    statistics = data.statistics[prognostic]
    network = network_of(
        config, data.channels, data.grid, increment_scale=statistics.increment_scale.tolist()
    )
    network.set_static(data.static.values)
    if config.model.departures:
        if multiple(data.step, MONTH) != 1:
            raise ValueError(
                f"model.departures: a step is {step_text(data.step)}, expected 1 month; set it to "
                "false"
            )
        usual = usual_months(data.train, data.channels.having(PROGNOSTIC), statistics)
        network.set_usual(*usual)
    return network
