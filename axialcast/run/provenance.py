"""What an output was made of, as attributes of itself, and what it says of that.

    axialcast_config     keys of the config that decide it, as they may be told, YAML
    axialcast_weights    SHA-256 of each file of weights
    axialcast_inputs     checksums of what it was made from, JSON
    axialcast_software   versions

They hold no secret (what a config takes from the environment stands there as `${oc.env:NAME}`), no
time and no host, so outputs of equal runs are equal to the byte. A forecast store may grow with its
analysis: its inventories have a checksum of the states that each initial time was made of.
"""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from axialcast.files import inventory
from axialcast.run.config import Config

__all__ = ["PREFIX", "WEIGHTS", "in_words", "provenance", "told_by"]

PREFIX = "axialcast_"
CONFIG, WEIGHTS, INPUTS, SOFTWARE = (
    f"{PREFIX}{name}" for name in ("config", "weights", "inputs", "software")
)
PACKAGES = ("axialcast", "torch", "numpy", "xarray", "zarr")
ADDRESSES = ("data.store", "data.static_store", "data.boundary.store", "forecast.boundary_store")
"""Keys that decide by what is there: told where something is said, and no part of checksums."""
ABSENT = object()
BESIDES = ("axialcast", "program")
"""Of what decides an output, what is neither a key nor an input."""


def provenance(
    config: Config, decided: Mapping[str, Any], weights: str | None = None
) -> dict[str, str]:
    """Attributes of an output.

    Args:
        config: of the run.
        decided: what decides the output, by name: see `axialcast.run.stamps.made_from`.
        weights: as another output of the same network says it; None: look at the checkpoint of the
            run, where it decides.
    """
    written = yaml.safe_load(config.text)
    told = {key: _at(written, key) for key in (*decided, *ADDRESSES)}
    keys = {key: value for key, value in told.items() if value not in (None, [], {}, ABSENT)}
    inputs = {
        name: checksum
        for name, checksum in decided.items()
        if name not in BESIDES and _at(written, name) is ABSENT
    }
    if weights is None and "checkpoint" in decided:
        weights = _weights(config.output / "checkpoint")
    found = {
        CONFIG: yaml.safe_dump(dict(sorted(keys.items()))),
        INPUTS: json.dumps(inputs, sort_keys=True) if inputs else None,
        WEIGHTS: weights,
        SOFTWARE: ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }
    return {name: text for name, text in found.items() if text is not None}


def told_by(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """What the attributes of an output say of what it was made of: `config`, by dotted key,
    `weights`, `inputs` and `software`, those that there are."""
    found = {name.removeprefix(PREFIX): str(attrs[name]) for name in attrs if name in _READ}
    return {name: _READ[f"{PREFIX}{name}"](text) for name, text in found.items()}


_READ: dict[str, Any] = {
    CONFIG: yaml.safe_load,
    INPUTS: json.loads,
    WEIGHTS: lambda text: dict(line.split("  ")[::-1] for line in text.splitlines()),
    SOFTWARE: lambda text: dict(one.split(" ", 1) for one in text.split(", ")),
}


def in_words(attrs: Mapping[str, Any]) -> Iterator[str]:
    """Lines for who looks at an output."""
    for what, told in told_by(attrs).items():
        yield f"{what}: {', '.join(f'{key} {_word(value)}' for key, value in told.items())}"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _weights(checkpoint: Path) -> str | None:
    """Lines as of sha256sum, one for each file of weights; None: no inventory tells."""
    try:
        files = inventory.read(checkpoint)
    except (FileNotFoundError, ValueError):
        return None
    named = {name: sha256 for name, (_, sha256) in files.items() if name.endswith(".safetensors")}
    return "\n".join(f"{sha256}  {name}" for name, sha256 in sorted(named.items()))


def _at(values: Any, key: str) -> Any:
    """What stands at a dotted key, ABSENT if nothing does."""
    for part in key.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return ABSENT
        values = values[part]
    return values
