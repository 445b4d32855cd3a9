"""A config as it may be written down: interpolations stay, secrets are left out.

What a config takes from the environment by `${oc.env:NAME}` is never written by value. A secret
that was given in clear, in the file or on the command line, is written as a variable of the
environment that has to be set to run the config again.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from axialcast.disclosure import SHORTEST, concealed, shown

__all__ = [
    "OUTPUT",
    "STORE",
    "Kept",
    "Place",
    "as_text",
    "interpolated",
    "kept",
    "told",
    "without_values",
    "written",
]

Place = tuple[str | int, ...]
"""Keys from the top of a config, and numbers of items in lists."""

Kept = dict[Place, tuple[Any, Any]]
"""By place: what a config's file has there, with its interpolations, and the value that it gave."""

STORE = ("data", "store")
OUTPUT = ("output",)
OPTIONS, OUTPUT_OPTIONS = "storage_options", "output_storage_options"
_DEFAULT = re.compile(r"(\$\{oc\.env:[^,{}]*),[^{}]*\}")
"""A variable with what it is where it is not set, which may be a secret in clear."""


def interpolated(texts: Any, values: Any, place: Place = ()) -> Iterator[tuple[Place, str, Any]]:
    """Each interpolation's place, text and value.

    Args:
        texts: a config as it stands in its file.
        values: the same with interpolations resolved.
        place: of both.
    """
    if isinstance(texts, str):
        if "${" in texts:
            yield place, texts, values
        return
    items = enumerate(texts) if isinstance(texts, list) else ()
    for key, text in texts.items() if isinstance(texts, dict) else items:
        yield from interpolated(text, values[key], (*place, key))


def kept(texts: Mapping[str, Any], values: Mapping[str, Any]) -> Kept:
    """What is to be written in place of which values; a list is kept as a whole.

    Args:
        texts: a config as it stands in its file.
        values: all of its values as they are checked, JSON-ready.
    """
    found: Kept = {}
    for whole, *_ in interpolated(texts, texts):
        numbers = [index for index, key in enumerate(whole) if isinstance(key, int)]
        place = whole[: numbers[0]] if numbers else whole
        found[place] = (_at(texts, place), _at(values, place))
    return found


def written(values: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
    """Values of a config with what may be written in place of secrets and interpolations."""
    found = dict(values)
    for place, (text, value) in kept.items():
        if _at(values, place) == value:
            _put(found, place, text)
    data = found.get("data")
    if isinstance(data, Mapping):
        found["data"] = {
            **_without_secrets(data, "STORE", OPTIONS),
            "static_store": data["static_store"] and _address(data["static_store"], "STORE"),
        }
        if isinstance(boundary := data.get("boundary"), Mapping) and boundary["store"]:
            address = _address(boundary["store"], "BOUNDARY")
            found["data"]["boundary"] = {**boundary, "store": address}
    forecast = found.get("forecast")
    if isinstance(forecast, Mapping) and (address := forecast["boundary_store"]):
        found["forecast"] = {**forecast, "boundary_store": _address(address, "FORECAST_BOUNDARY")}
    train = found.get("train")
    if isinstance(train, Mapping) and (address := train["start_from"]):
        found["train"] = {**train, "start_from": _address(address, "START_FROM")}
    found[OUTPUT_OPTIONS] = _options(found.get(OUTPUT_OPTIONS), OUTPUT_OPTIONS)
    return found


def _without_secrets(section: Mapping[str, Any], name: str, options: str) -> dict[str, Any]:
    """A section that names a store, or several, with what may be written in place of secrets.

    Args:
        section: `data`, or what it says of one of its stores.
        name: begins the variables of the environment that stand for parts of addresses.
        options: likewise for options.
    """
    store, found = section["store"], dict(section)
    if isinstance(store, list):
        found["store"] = [
            _without_secrets(one, f"{name}_{n}", f"{name}_{n}_{OPTIONS}")
            if isinstance(one, Mapping)
            else _address(one, f"{name}_{n}")
            for n, one in enumerate(store)
        ]
    else:
        found["store"] = store and _address(store, name)
    if OPTIONS in section:
        found[OPTIONS] = _options(section[OPTIONS], options)
    return found


def _options(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping):  # text that stands for them
        return value
    return concealed(value, lambda place, secret: _secret(place, secret, name))


def as_text(found: Mapping[str, Any]) -> str:
    """A written config as YAML, with a line for each secret that was left out."""
    text = yaml.safe_dump(dict(found), sort_keys=False, allow_unicode=True)
    left_out = dict.fromkeys(re.findall(r"\$\{oc\.env:(AXIALCAST_[A-Z0-9_]+)\}", text))
    lines = [f"# {name}: a secret was left out; set it to run this again\n" for name in left_out]
    return "".join(lines) + text


def told(place: Place, value: str, kept: Kept) -> str:
    """An address of a config as it may be told: without secrets, with its interpolations."""
    text, then = kept.get(place, (value, value))
    return shown(text if isinstance(text, str) and then == value else value)


def without_values(key: str, line: str, found: Iterable[tuple[Place, str, Any]]) -> str:
    """A line that begins with a key, with interpolations in place of their values."""
    begin, line = (f"{key}:", line.removeprefix(f"{key}:")) if key else ("", line)
    for place, text, value in found:
        dotted = ".".join(map(str, place))
        is_own = f"{dotted}.".startswith(f"{key}.") or f"{key}.".startswith(f"{dotted}.")
        for part in _strings(value) if is_own or not key else ():
            if is_own or len(part) >= SHORTEST:
                whole = rf"'{re.escape(part)}'|(?<!\w){re.escape(part)}(?!\w)"
                line = re.sub(whole, text.replace("\\", r"\\"), line)
    return begin + line


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for below in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(below)
    elif value not in (None, ""):
        yield str(value)


def _address(address: str, name: str) -> str:
    login, query = (_environment(f"{name}_{part}") for part in ("LOGIN", "QUERY"))
    return shown(address, login=login, query=query)


def _secret(place: tuple[str, ...], value: Any, options: str) -> str:
    """What is written of a secret option: its interpolation, or a variable to read it from."""
    if isinstance(value, str) and "${" in value:
        return _DEFAULT.sub(r"\1}", value)
    name = re.sub(r"\W", "_", "_".join((options, *place))).upper()
    text = _environment(name)
    return text if isinstance(value, str) else f"${{oc.decode:{text}}}"


def _environment(name: str) -> str:
    return f"${{oc.env:AXIALCAST_{name}}}"


def _at(values: Any, place: Place) -> Any:
    for key in place:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _put(values: dict[str, Any], place: Place, text: Any) -> None:
    *above, last = map(str, place)
    for key in above:
        values[key] = dict(values[key])
        values = values[key]
    values[last] = text
