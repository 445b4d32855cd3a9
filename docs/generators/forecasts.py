"""The format of a forecast store: of one that was just written."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from axialcast.forecast.layout import LAYOUTS
from generators.errors import code
from generators.messages import messages
from generators.samples import forecast_metadata, inventory_of

__all__ = ["text"]

SAID_BY = ("forecast.growth", "forecast.layout", "forecast.ownership", "forecast.store")
"""Modules that read a store and may refuse it."""


def text() -> str:
    """Arrays and attributes of a store of two initial times, its inventories, other layouts, and
    what is refused."""
    return "\n".join([*_arrays(), *_attributes(), *_inventories(), *_layouts(), *_refused()])


def _arrays() -> Iterator[str]:
    yield "\n## Arrays\n"
    yield "Of a store of two initial times, two members and five lead times, on a grid of 6 × 8:\n"
    yield "| array | dimensions | type | chunks | in files of | units |\n" + "| --- " * 6 + "|"
    arrays = forecast_metadata()["consolidated_metadata"]["metadata"]
    for name, array in sorted(arrays.items(), key=lambda pair: -len(pair[1]["shape"])):
        files = array["chunk_grid"]["configuration"]["chunk_shape"]
        shards = [c for c in array["codecs"] if c["name"] == "sharding_indexed"]
        chunks = shards[0]["configuration"]["chunk_shape"] if shards else files
        dims = ", ".join(array["dimension_names"])
        units = array["attributes"].get("units", "")
        cells = (dims, array["data_type"], _by(chunks), _by(files) if shards else "", units)
        yield f"| `{name}` | {' | '.join(cells)} |"


def _by(shape: list[int]) -> str:
    return " × ".join(map(str, shape))


def _attributes() -> Iterator[str]:
    metadata = forecast_metadata()
    yield "\n## Attributes\n\nOf the store:\n"
    yield _json(metadata["attributes"])
    yield "\nOf its arrays:\n"
    arrays = metadata["consolidated_metadata"]["metadata"]
    yield _json({name: array["attributes"] for name, array in arrays.items()})


def _inventories() -> Iterator[str]:
    yield "\n## Inventories\n"
    for name, inventory in inventory_of().items():
        files = dict(list(inventory["inventory"]["files"].items())[:2]) | {"…": "…"}
        shown = {**inventory, "inventory": {**inventory["inventory"], "files": files}}
        yield f"`.inventory/{name}`:\n\n{_json(shown)}\n"


def _layouts() -> Iterator[str]:
    yield "\n## Layouts\n\n| `forecast.layout` | its names |\n| --- | --- |"
    for layout, names in LAYOUTS.items():
        told = ", ".join(f"`{theirs}` for {ours}" for ours, theirs in names.items())
        yield f"| `{layout}` | {told or 'as above'} |"


def _refused() -> Iterator[str]:
    yield "\n## What is refused\n"
    yield from (f"- {code(one.text)}" for one in messages() if one.module in SAID_BY)


def _json(value: Mapping[str, Any]) -> str:
    lines = [f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items()]
    return "\n".join(["```json", "{", ",\n".join(lines), "}", "```"])
