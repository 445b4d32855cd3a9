"""Stamps: what a stage's outputs were made from, and what they are.

A stamp `<output>/.stages/<name>.json` is written when a stage has ended and removed before it
starts. It keeps what decided the outputs, as it was before the stage ran, and what they are: size
and checksum of each file, or the fingerprint of a folder that has an inventory of its own.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from axialcast.disclosure import identity
from axialcast.files import inventory
from axialcast.files.atomic import write_json
from axialcast.names import CLIMATOLOGY, ROLES
from axialcast.run.config import Config
from axialcast.run.stage import Stage
from axialcast.run.store_states import checksum_of, has_inventory, store_state
from axialcast.run.stores import Stores, places

__all__ = [
    "ORDER",
    "STAMPS",
    "MadeFrom",
    "analysis_content",
    "changes",
    "checkpoint_in",
    "content_of",
    "damage",
    "damaged_stamps",
    "decided_by",
    "differences",
    "made_from",
    "outdated",
    "read_stamp",
    "remove_stamp",
    "stamped",
    "store_of",
    "training_data",
    "write_stamp",
]

STAMPS = ".stages"

ORDER = ("simulate", "prepare", "train", "forecast", "verify", "deliver")
"""Each shipped stage depends on those before it."""

ADDRESS = (
    *("data.store", "data.static_store", "data.storage_options"),
    *(
        "data.boundary.store",
        "forecast.boundary_store",
        "model.path",
        "train.loss.path",
        "train.start_from",
    ),
)
"""Keys that say where something is: what is there decides, and they may hold secrets."""

_MASK_STORE = re.compile(r"verify\.regions\..*\.store")

READ_BYTES, READ_FILES = 2**28, 100
"""Outputs of no more bytes in no more files are read at start; larger ones are measured."""

MadeFrom = dict[str, Any]


def read_stamp(output: Path, name: str) -> dict[str, Any] | None:
    """`made_from` and `outputs` of a stage; None: it has not ended, or its stamp is damaged."""
    try:
        known = json.loads((output / STAMPS / f"{name}.json").read_text("utf-8"))
        checksum = known.pop("sha256")
        return known if checksum == checksum_of(known) else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_stamp(output: Path, stage: Stage, decided: MadeFrom) -> None:
    """Says that a stage has ended, made of what was decided before it ran, and what it made."""
    outputs = {name: content_of(output / name) for name in stage.outputs}
    known = {"made_from": decided, "outputs": outputs}
    write_json(output / STAMPS / f"{stage.name}.json", {"sha256": checksum_of(known), **known})


def remove_stamp(output: Path, name: str) -> None:
    """Says that a stage has not ended."""
    (output / STAMPS / f"{name}.json").unlink(missing_ok=True)


def made_from(config: Config, program: str | Path) -> MadeFrom:
    """What decides the outputs of a pipeline, by name: what a program's saved state belongs to.

    Args:
        config: the run.
        program: the pipeline's file, `__file__` in itself.
    """
    return decided_by(config, Stage.load(Path(program)), [])


def differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """In words, for each name: what it was and what it is, where these can be told."""
    lines = []
    for key in changes(now, then):
        telling = key in now.keys() | then.keys() and ("." in key or key == "seed")
        told = f" was {then.get(key)!r}, is {now.get(key)!r}" if telling else " changed"
        lines.append(f"{key}{told}")
    return lines


def changes(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """The names whose values differ; of several stores, as `store.1`, those that do."""
    found = []
    for key in sorted(now.keys() | then.keys()):
        one, other = now.get(key), then.get(key)
        if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
            found += [f"{key}.{name}" for name in one if one[name] != other[name]]
        elif one != other:
            found.append(key)
    return found


def damage(output: Path, name: str, *, read_all: bool = False) -> list[inventory.Damage]:
    """Each part of a stage's outputs that is not as it was when the stage ended.

    Args:
        output: the run's folder.
        name: of the stage; one without a stamp has no outputs.
        read_all: compare every byte, of large outputs as well.
    """
    known = read_stamp(output, name)
    found: list[inventory.Damage] = []
    for key, content in (known["outputs"] if known else {}).items():
        path = output / key
        if not path.exists():
            found.append(inventory.Damage(path, "missing"))
        elif isinstance(content, str):
            found += inventory.problems(path, read_all=read_all)
        else:
            files = {name: (size, checksum) for name, (size, checksum) in content.items()}
            folder = path if path.is_dir() else output
            found += inventory.check(folder, files, read_all=read_all or _is_small(files))
    return found


def stamped(output: Path) -> dict[str, dict[str, Any]]:
    """The stamps in a run's folder by name of their stage: `made_from` and `outputs` of each."""
    names = (path.stem for path in (output / STAMPS).glob("[!.]*.json"))
    stamps = {name: read_stamp(output, name) for name in names}
    return {name: known for name, known in stamps.items() if known is not None}


def damaged_stamps(output: Path) -> list[inventory.Damage]:
    """Stamps that are not as they were written: their stages will run again."""
    paths = [p for p in (output / STAMPS).glob("[!.]*.json") if ".progress" not in p.name]
    return [
        inventory.Damage(path, "damaged, its checksum differs")
        for path in sorted(paths)
        if read_stamp(output, path.stem) is None
    ]


def outdated(output: Path, name: str) -> list[str]:
    """Outputs that a stage was made of and that other stages have made anew since."""
    stamps = stamped(output)
    now = {
        key: checksum_of(content)
        for of in stamps.values()
        for key, content in of["outputs"].items()
    }
    then = stamps[name]["made_from"]
    return [key for key, content in now.items() if key in then and then[key] != content]


def _is_small(files: inventory.Files) -> bool:
    return len(files) <= READ_FILES and sum(size for size, _ in files.values()) <= READ_BYTES


def content_of(path: Path) -> str | dict[str, Any]:
    """What an output is: its inventory's fingerprint where it has one, else all of its files."""
    if (path / inventory.FOLDER).is_dir():
        return inventory.fingerprint(inventory.read(path))
    if path.is_dir():
        return dict(inventory.take(path))
    return {path.name: inventory.entry(path)} if path.exists() else {}


def decided_by(config: Config, stage: Stage, earlier: Sequence[str]) -> MadeFrom:
    """Everything that decides a stage's outputs, by name."""
    inputs: MadeFrom = {
        "axialcast": version("axialcast"),
        "program": checksum_of(stage.path.read_text("utf-8")),
    }
    if stage.reads is None:
        inputs["run at"] = str(time.time_ns())
        return inputs
    values = config.model_dump(mode="json")
    for key in stage.reads:
        inputs |= _leaves(key, _value(values, key))
    store = store_of(config, stage)
    if store is not None:
        inputs["store"] = store_state(config, store)
    if "model" in stage.reads and config.network_file is not None:
        inputs["network file"] = config.network_file.sha256
    if "train.loss" in stage.reads and config.loss_file is not None:
        inputs["loss file"] = config.loss_file.sha256
    if own := _own_of_verify(config, stage):
        inputs["own files"] = own
    if "data.static" in stage.reads and config.data and config.data.static:
        inputs["static store"] = store_state(config, config.static_store)
    if "verify.regions" in stage.reads and (masks := config.mask_stores):
        inputs["mask stores"] = {n: store_state(config, store) for n, store in masks.items()}
    if "verify.stations" in stage.reads and (stations := config.verify.stations):
        inputs["stations"] = store_state(config, stations.store)
        if stations.orography is not None:
            inputs["static store"] = store_state(config, config.static_store)
    if "forecast.forcings" in stage.reads and (paths := forcing_stores(config)):
        inputs["forcing stores"] = [store_state(config, path) for path in paths]
    if "forecast.forcings" in stage.reads and CLIMATOLOGY in config.forecast.forcings.values():
        inputs |= _leaves("verify.harmonics", config.verify.harmonics)
    if beyond := _boundary_store(config, stage):
        inputs["boundary store"] = store_state(config, beyond)
    if "train.start_from" in stage.reads and config.train.start_from is not None:
        inputs["start_from"] = parent_state(config.train.start_from)
    return inputs | _needed(config, stage, earlier)


def parent_state(place: str) -> str:
    """What changes when the checkpoint that a training starts from does; of a URL, its address."""
    if "://" in place:
        return checksum_of(identity(place, {}))
    return checksum_of(content_of(checkpoint_in(Path(place))))


def checkpoint_in(path: Path) -> Path:
    """The checkpoint's folder, whether it or its run's is named."""
    return path / "checkpoint" if (path / "checkpoint").is_dir() else path


def _own_of_verify(config: Config, stage: Stage) -> dict[str, str]:
    """Contents of the Python files that a stage scores by or against, by their names."""
    named = [
        *(config.verify.own_metrics if "verify.metrics" in (stage.reads or ()) else []),
        *(config.verify.own_baselines if "verify.baselines" in (stage.reads or ()) else []),
    ]
    return {Path(name).name: file.sha256 for name in named if (file := config.own_file(name))}


def _boundary_store(config: Config, stage: Stage) -> str | None:
    """Of the boundary that a stage reads, where it has one of its own."""
    boundary = None if config.data is None else config.data.boundary
    if boundary is None:
        return None
    if "forecast.boundary_store" in (stage.reads or ()):
        return config.boundary_store
    return boundary.store if "data.boundary" in (stage.reads or ()) else None


def forcing_stores(config: Config) -> list[str]:
    """Stores of forecasts that forcings come from."""
    return [source for source in config.forecast.forcings.values() if Path(source).exists()]


def training_data(config: Config) -> MadeFrom:
    """What tells the training data from others: the store's state, what of it is read, and when."""
    values = config.model_dump(mode="json")
    inputs: MadeFrom = {"store": store_state(config, config.analysis_store)}
    for name in sorted({*config.opening, *ROLES.values(), "train"} - {"storage_options"}):
        inputs |= _leaves(f"data.{name}", _value(values, f"data.{name}"))
    return inputs


def analysis_content(config: Config) -> str | None:
    """Text that changes whenever any value of the opened analysis does; None: only its values tell.

    Files tell, and stores with an inventory; of other stores, chunks may change unseen.
    """
    store = config.analysis_store
    if any("://" in p or (Path(p).is_dir() and not has_inventory(p)) for p in places(store)):
        return None
    names = sorted({*config.opening, "diagnostic"} - {"storage_options"})
    data = config.model_dump(mode="json")["data"]
    return checksum_of([store_state(config, store), {name: data[name] for name in names}])


def store_of(config: Config, stage: Stage) -> Stores | None:
    """The data store, or stores, that decide a stage's outputs; None: none does."""
    if not any(key.partition(".")[0] == "data" for key in stage.reads or ()):
        return None
    return config.source_store if stage.name == "prepare" else config.analysis_store


def _needed(config: Config, stage: Stage, earlier: Sequence[str]) -> MadeFrom:
    """What the outputs of earlier stages that it needs are, by name."""
    upstream = ORDER[: ORDER.index(stage.name)] if stage.name in ORDER else ()
    found: MadeFrom = {}
    for name in dict.fromkeys([*upstream, *earlier]):
        known = read_stamp(config.output, name)
        if known is None:
            continue
        outputs: dict[str, Any] = known["outputs"]
        if stage.needs is None and not outputs:  # it says not what it makes
            found[f"stage {name}"] = checksum_of(known["made_from"])
        for key, content in outputs.items():
            if stage.needs is None or key in stage.needs:
                found[key] = checksum_of(content)
    for key in stage.needs or ():
        if key not in found and (config.output / key).exists():
            found[key] = checksum_of(content_of(config.output / key))
    return found


def _value(values: Mapping[str, Any], key: str) -> Any:
    value: Any = values
    for part in key.split("."):
        value = None if value is None else value[part]
    return value


def _leaves(key: str, value: Any) -> MadeFrom:
    """The values of a section by dotted key; of where data are, the store's state tells."""
    if key in ADDRESS or _MASK_STORE.fullmatch(key):
        return {}
    if not isinstance(value, dict) or not value:
        return {key: value}
    leaves: MadeFrom = {}
    for name, below in value.items():
        leaves |= _leaves(f"{key}.{name}", below)
    return leaves
