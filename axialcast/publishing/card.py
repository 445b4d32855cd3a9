"""The card of a model: README.md of its repository, with the head that the hub reads."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from math import isfinite, nan
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from axialcast.disclosure import printable, shown
from axialcast.forecast import Checkpoint
from axialcast.forecast.ancestry import ancestors
from axialcast.forecast.base import base_in_words
from axialcast.times.steps import step_text

__all__ = ["model_card"]

OWN = "forecast"
"""What scores call the network's forecasts."""
NUM_LEADS = 3
"""Lead times that errors are told of, from the shortest to the longest."""
NUM_ROWS = 36
"""Of the table, at most."""
Row = Mapping[str, str]


def model_card(
    checkpoint: Checkpoint,
    address: str,
    *,
    scores: Path | None = None,
    license: str | None = None,
) -> str:
    """Markdown that says what a checkpoint is, how it is used and how good it was found.

    Args:
        checkpoint: of the model.
        address: `hf://org/name`.
        scores: the `scores.csv` of its run; None: it says nothing of them.
        license: as the hub names it, such as cc-by-4.0; None: none is given.

    Raises:
        ValueError: the scores are none.
    """
    found = [] if scores is None else _read(scores)
    file = checkpoint.network.get("file")
    head = {
        "library_name": "axialcast",
        **({"license": license} if license else {}),
        "tags": ["weather", "forecasting", "axial-attention", "pytorch", "safetensors"],
        **_index(checkpoint, address, found),
    }
    models, table = _table(found)
    template = (files("axialcast.publishing") / "card.md").read_text("utf-8")
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["cell"] = _cell
    return environment.from_string(template).render(
        head=yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip(),
        title=address.removeprefix("hf://").partition("@")[0].rpartition("/")[2],
        address=address,
        forecast=", ".join(checkpoint.channels.forecast.variables),
        step=step_text(checkpoint.step),
        channels=checkpoint.channels.to_list(),
        about=list(_about(checkpoint)),
        models=models,
        scores=table[:NUM_ROWS],
        num_more=max(0, len(table) - NUM_ROWS),
        own=f', network="{file}"' if file else "",
        own_file=f" Its network is built by `{file}`, which runs only where you name it."
        if file
        else "",
        scored="" if table else " Nobody said here how good it is.",
    )


def _cell(value: object) -> str:
    """Text in one line that opens no cell and no tag."""
    return printable(value).replace("|", "\\|").replace("<", "&lt;")


def _about(checkpoint: Checkpoint) -> Iterator[tuple[str, str]]:
    """What it is made of, and where it comes from."""
    network, provenance = checkpoint.network, checkpoint.provenance
    numbers = sum(t.numel() for name, t in checkpoint.weights.items() if name.startswith("body."))
    yield "network", f"{network.get('kind', 'axial')}, about {numbers:,} parameters"
    yield "grid", str(checkpoint.grid)
    if len(checkpoint.members) > 1:
        yield "members", f"{len(checkpoint.members)} networks, trained apart"
    if network.get("noise"):
        yield "members", f"of one network, told {network['noise']} fields of noise"
    if base := base_in_words(checkpoint):
        yield "base", base
    if period := provenance.get("train"):
        yield "trained on", " to ".join(map(str, period))
    for key in ("store", "weights", "axialcast", "torch", "seed"):
        value = provenance.get(key)
        if value is not None:
            yield key, shown(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    for line in ancestors(provenance):
        yield "started from", line


def _read(path: Path) -> list[Row]:
    """Root mean square errors of all forecasts and the whole domain, at few lead times."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("metric") == "rmse"]
    if not rows or not {"model", "variable", "level", "value", "region"} <= rows[0].keys():
        raise ValueError(f"{path}: holds no root mean square errors; name the scores.csv of a run")
    first = rows[0]["region"], rows[0].get("cases")
    kept = [row for row in rows if (row["region"], row.get("cases")) == first]
    leads = list(dict.fromkeys(_lead(row) for row in kept))
    chosen = {leads[i * (len(leads) - 1) // max(1, NUM_LEADS - 1)] for i in range(NUM_LEADS)}
    return [row for row in kept if _lead(row) in chosen]


def _lead(row: Row) -> str:
    hours, months = row.get("lead_time_hours"), row.get("lead_time_months")
    return f"{hours} h" if hours else f"{months} months"


def _named(row: Row) -> str:
    level = f" {row['level']} hPa" if row["level"] else ""
    return f"{row['variable']}{level} at {_lead(row)}"


def _table(rows: Sequence[Row]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Models, and for each variable, level and lead time the error of each."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    errors: dict[str, dict[str, float]] = {}
    for row in sorted(rows, key=_channels(rows)):
        errors.setdefault(_named(row), {})[row["model"]] = float(row["value"] or "nan")
    table = []
    for name, of in errors.items():
        best = min((error for error in of.values() if isfinite(error)), default=None)
        cells = [f"{error:.4g}" for error in (of.get(model, nan) for model in models)]
        bold = [of.get(model) == best for model in models]
        table.append(
            (name, [f"**{c}**" if best else c for c, best in zip(cells, bold, strict=True)])
        )
    return models, table


def _channels(rows: Sequence[Row]) -> Callable[[Row], int]:
    """Sorts rows by variable and level, in the order that these have."""
    order = list(dict.fromkeys((row["variable"], row["level"]) for row in rows))
    return lambda row: order.index((row["variable"], row["level"]))


def _index(checkpoint: Checkpoint, address: str, rows: Sequence[Row]) -> dict[str, Any]:
    """The network's errors as the hub's lists of results read them."""
    metrics = [
        {"type": "rmse", "name": f"RMSE of {_named(row)}", "value": float(row["value"])}
        for row in sorted(rows, key=_channels(rows))
        if row["model"] == OWN and row["value"]
    ]
    if not metrics:
        return {}
    store = checkpoint.provenance.get("store") or "analysis"
    name = shown(str(store if isinstance(store, str) else store[0]))
    result = {
        "task": {"type": "weather-forecasting", "name": "Weather forecasting"},
        "dataset": {"type": "analysis", "name": Path(name).name},
        "metrics": metrics,
    }
    title = address.removeprefix("hf://").partition("@")[0]
    return {"model-index": [{"name": title, "results": [result]}]}
