"""The stores that a config names: where they are, and what may be told of that."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from axialcast.disclosure import shown
from axialcast.names import canonical
from axialcast.run.data_section import DataConfig
from axialcast.run.written import STORE, Kept, told

__all__ = [
    "Stores",
    "addresses_of",
    "in_words",
    "local_places",
    "locate",
    "places",
    "resolved",
    "static_store_of",
    "stores_of",
]

Stores = str | list[str | dict[str, Any]]
"""As `open_analysis` takes them, JSON-ready: a place, or several with what is said of each."""


def stores_of(data: DataConfig) -> Stores | None:
    """What data.store names; None: nothing."""
    named: Stores | None = data.model_dump(mode="json", include={"store"})["store"]
    return named


def static_store_of(data: DataConfig) -> Stores | None:
    """What data.static_store names, with what is said of it in data.store, or else whichever of
    several stores may hold fields; None: nothing."""
    place = data.static_store
    if not isinstance(data.store, list):
        return place
    if place is not None:
        said = [store for store in data.stores if store.store == place]
        # Which variables it gives to the analysis says nothing of fields.
        return [s.model_dump(mode="json", exclude={"variables"}) for s in said[:1]] or place
    fields = {*data.static, *map(canonical, data.static)}
    return [
        store.model_dump(mode="json")
        for store in data.stores
        if store.variables is None or not fields.isdisjoint(map(canonical, store.variables))
    ]


def addresses_of(data: DataConfig, kept: Kept) -> str | list[str]:
    """Where data.store is as it may be told: without secrets, interpolations as they stand."""
    if isinstance(data.store, str):
        return told(STORE, data.store, kept)
    texts, then = kept.get(STORE, (None, None))
    is_kept = isinstance(texts, list) and then == stores_of(data)
    texts = texts if is_kept else [store.store for store in data.stores]
    return [shown(str(text["store"] if isinstance(text, dict) else text)) for text in texts]


def in_words(address: str | Sequence[str]) -> str:
    """One address, or the first of several."""
    if isinstance(address, str):
        return shown(address)
    first, *others = address
    return f"{shown(first)} and {len(others)} more" if others else shown(first)


def places(stores: Stores) -> list[str]:
    """Where each store is."""
    every = stores if isinstance(stores, list) else [stores]
    return [store if isinstance(store, str) else str(store["store"]) for store in every]


def local_places(data: DataConfig) -> Iterator[str]:
    """Every store of this machine that data.store names."""
    for store in data.stores:
        if "://" not in store.store:
            yield store.store


def resolved(stores: Stores) -> Stores:
    """The same stores from whatever folder."""
    if isinstance(stores, list):
        return [
            {**s, "store": resolved(s["store"])} if isinstance(s, dict) else str(resolved(s))
            for s in stores
        ]
    return stores if "://" in stores else str(Path(stores).resolve())


def locate(values: Any, texts: Any, key: Any, folder: Path) -> None:
    """Puts the place that a relative path is found at into values, and into their texts.

    Args:
        values: a config's section, or a list within it, as YAML has it.
        texts: the same before interpolation.
        key: under which a place stands, or a list of them.
        folder: that it may be relative to, if it is not there from the working directory.
    """
    try:
        value = values[key]
    except (KeyError, IndexError, TypeError):
        return
    below = texts[key] if isinstance(texts, dict | list) else None
    if isinstance(value, list):
        for number in range(len(value)):
            locate(value, below, number, folder)
    elif isinstance(value, dict):
        locate(value, below, "store", folder)
    elif isinstance(value, str) and "://" not in value:
        beside = str(folder / value)
        if not _is_there(value) and _is_there(beside):
            values[key] = beside
            if isinstance(texts, dict | list):
                texts[key] = f"{folder}/{below}"


def _is_there(place: str) -> bool:
    """Whether there is such a file or folder, or one that the pattern matches."""
    return Path(place).exists() or any(True for _ in glob.iglob(place))
