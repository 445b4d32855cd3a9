"""The format of a checkpoint: of one that was just written, and of what reading one demands."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from axialcast.data import Statistics
from axialcast.forecast import checkpoint
from axialcast.names import ROLES
from generators.errors import code
from generators.messages import messages
from generators.prose import arguments, prose
from generators.samples import description

__all__ = ["text"]

KEYS: Mapping[str, str] = {
    "format": f"{checkpoint.FORMAT}; formats 1 and 2 are read, too",
    "members": "networks: weights.safetensors, weights.1.safetensors, … are of one each",
    "step_hours": "time from one state to the next; of months step_months takes its place",
    "channels[].variable": "its canonical name",
    "channels[].level": "in hPa; null: a field without levels",
    "channels[].units": "of its values, as forecasts have them",
    "channels[].role": f"one of {', '.join(ROLES)}, in which order channels come",
    "grid.latitude": "(h,) degrees north of the rows; of a map, y and x in its units take "
    "the place of both, and grid_mapping holds the projection's CF attributes",
    "grid.longitude": "(w,) degrees east of the columns",
}
"""What no docstring of the library says in one line."""

WITHIN = ("channels", "grid", "statistics")
"""Keys whose own keys are always the same."""


def text() -> str:
    """Keys of `model.json`, an example, and what is refused.

    Raises:
        ValueError: a key is written that nothing is said of, or one that must be there is not.
    """
    written = description()
    if missing := {*checkpoint.KEYS} - {*written}:
        raise ValueError(f"model.json: lacks {', '.join(missing)}, which reading it demands")
    return "\n".join([*_table(written), *_example(written), *_refused("forecast.checkpoint")])


def _table(written: Mapping[str, Any]) -> Iterator[str]:
    said = {
        **arguments(checkpoint.Checkpoint.__doc__),
        **{f"statistics.{k}": v for k, v in arguments(Statistics.__doc__).items()},
        **KEYS,
    }
    yield "\n## `model.json`\n\n| key | must be there | what it holds |\n| --- | --- | --- |"
    for key in _keys(written):
        if key not in said:
            raise ValueError(f"model.json: nothing is said of {key}; say it in {__name__}.KEYS")
        must = "yes" if key in checkpoint.KEYS or key == "format" else ""
        yield f"| `{key}` | {must} | {prose(said[key])} |"


def _keys(written: Mapping[str, Any]) -> Iterator[str]:
    for key, value in written.items():
        yield key
        if key in WITHIN:
            one, dot = (value[0], "[].") if isinstance(value, list) else (value, ".")
            yield from (f"{key}{dot}{name}" for name in one)


def _example(written: Mapping[str, Any]) -> Iterator[str]:
    lines = ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in written.items())
    yield f"\nOf a network that was not trained:\n\n```json\n{{\n{lines}\n}}\n```"


def _refused(module: str) -> Iterator[str]:
    yield "\n## What is refused\n"
    yield from (f"- {code(one.text)}" for one in messages() if one.module == module)
