"""What a search for better settings tries, as keys of a config."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axialcast.run.config import Config, load_config
from axialcast.run.model_section import AxialConfig
from axialcast.run.model_size import SIZES, sized
from axialcast.run.preflight import check_run

__all__ = ["Space"]

AS_GIVEN = "as given"
SHARES = (0.0, 0.1, 0.2)
"""Of features, or of blocks, that are left out while training."""
RATES = (0.25, 0.5, 1.0, 2.0)
"""Learning rates, in units of the one that is given."""
DECAYS = (0.01, 0.05, 0.2)
NOISES = (0.0, 0.1)
STEPS = (0.5, 1.0, 2.0)
"""Steps of each stage, likewise."""


@dataclass(frozen=True)
class Space:
    """Choices for a few keys.

    Args:
        config: that is varied.
        sizes: of the network by name: overrides.
        choices: by name, the first few words of what is tried.
        given: the choices that are the config as it is.
    """

    config: Config
    sizes: dict[str, list[str]]
    choices: dict[str, list[Any]]
    given: dict[str, Any]

    @classmethod
    def of(cls, path: Path, overrides: Sequence[str]) -> "Space":
        """Around a config.

        Raises:
            ValueError: the config does not fit its data.
        """
        config = load_config(path, [*overrides, "pipeline=[train]"])
        preflight = check_run(config, folder=path.parent)
        assert preflight is not None
        config, train = preflight.config, preflight.config.train
        choices: dict[str, list[Any]] = {"learning_rate": list(RATES)}
        given: dict[str, Any] = {"learning_rate": 1.0}
        sizes: dict[str, list[str]] = {}
        if isinstance(config.model, AxialConfig):
            channels, analysis = preflight.channels, preflight.analysis
            num_samples = len(preflight.split("train"))
            for name in SIZES:
                plain = config.model_copy(
                    update={"model": AxialConfig.model_validate({"size": name})}
                )
                model = sized(
                    plain,
                    shape=analysis.grid.shape,
                    num_channels=len(channels),
                    num_samples=num_samples,
                ).model
                assert isinstance(model, AxialConfig)
                if model.dim % config.model.heads == 0:
                    patch = ",".join(map(str, model.patch))
                    sizes[name] = [
                        "model.size=null",
                        f"model.dim={model.dim}",
                        f"model.depth={model.depth}",
                        f"model.local={model.local}",
                        f"model.patch=[{patch}]",
                    ]
            choices["size"], given["size"] = [AS_GIVEN, *sizes], AS_GIVEN
            choices["drop_path"] = _with(SHARES, config.model.drop_path)
            given["drop_path"] = config.model.drop_path
        if (dropout := getattr(config.model, "dropout", None)) is not None:
            choices["dropout"], given["dropout"] = _with(SHARES, dropout), dropout
        choices["weight_decay"] = _with(DECAYS, train.weight_decay)
        choices["input_noise"] = _with(NOISES, train.input_noise)
        choices["steps"] = list(STEPS)
        given |= {"weight_decay": train.weight_decay, "input_noise": train.input_noise}
        return cls(config, sizes, choices, given | {"steps": 1.0})

    @property
    def num_points(self) -> int:
        """How many settings there are."""
        number = 1
        for choices in self.choices.values():
            number *= len(choices)
        return number

    def overrides(self, point: dict[str, Any]) -> list[str]:
        """A point as `KEY=VALUE`; nothing for what is as given."""
        train, found = self.config.train, []
        for name, value in point.items():
            if value == self.given[name]:
                continue
            match name:
                case "size":
                    found += self.sizes[value]
                case "learning_rate":
                    found.append(f"train.learning_rate={value * train.learning_rate!r}")
                case "steps":
                    stages = [
                        {**stage.model_dump(), "steps": max(1, round(value * stage.steps))}
                        for stage in train.schedule
                    ]
                    found.append(f"train.schedule={json.dumps(stages)}")
                case "dropout" | "drop_path":
                    found.append(f"model.{name}={value}")
                case _:
                    found.append(f"train.{name}={value}")
        return found

    def words(self, point: dict[str, Any]) -> str:
        """What of a point is not as given."""
        return ", ".join(self.overrides(point)) or AS_GIVEN


def _with(choices: Sequence[float], given: float) -> list[float]:
    return sorted({*choices, given})
