"""The values of a config before its keys count: YAML and overrides in, or plain errors out.

What OmegaConf would pass over is refused: an override that replaces a whole list by one of its
elements, or that gives nothing.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError, MissingMandatoryValue, OmegaConfBaseException

from axialcast.disclosure import shown
from axialcast.run.errors import ConfigError

__all__ = ["read_values"]

_KEY = re.compile(r"[^\s.\[\]=]+(\.[^\s.\[\]=]+)*")
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_OLD_NUMBER = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
_UNSET = re.compile(r"Environment variable '(.*)' not found")
_NO_KEY = re.compile(r"Interpolation key '(.*)' not found")
_NO_RESOLVER = re.compile(r"Unsupported interpolation type (.*)")


def read_values(
    path: Path | None, overrides: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values in a YAML file, with overrides merged in; and the same before interpolation.

    Args:
        path: YAML file; None: there are overrides alone.
        overrides: `KEY=VALUE` with dotted keys.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: it is no YAML of KEY: VALUE pairs, or an override is none.
    """
    loaded = OmegaConf.create() if path is None else _load(path)
    if lines := [line for text in overrides if (line := _malformed(text))]:
        raise ConfigError([f"command line: {line}" for line in lines])
    for text in overrides:
        loaded = _merged(loaded, text)
    try:
        values = OmegaConf.to_container(loaded, resolve=True, throw_on_missing=True)
    except (OmegaConfBaseException, RecursionError) as error:
        key = getattr(error, "full_key", None)
        origin = "command line" if key in {text.partition("=")[0] for text in overrides} else path
        raise ConfigError([f"{origin}: {key}: {_unresolved(error)}"]) from None
    assert isinstance(values, dict)
    if lines := list(_odd_keys(values)):
        raise ConfigError([f"{path}: {line}" for line in lines])
    texts = OmegaConf.to_container(loaded, resolve=False)
    assert isinstance(texts, dict)
    return {str(k): v for k, v in values.items()}, {str(k): v for k, v in texts.items()}


def _load(path: Path) -> DictConfig:
    if path.is_dir():
        raise IsADirectoryError(f"{path}: a folder; expected a YAML file")
    try:
        loaded = OmegaConf.load(path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError([f"{path}{line}: not valid YAML: {_problem(error)}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not a text file; expected YAML in UTF-8"]) from None
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or ""
        raise ConfigError([f"{path}: {key or 'a key'}: {_unresolved(error)}"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: nested too deeply for a config"]) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise ConfigError([f"{path}: expected KEY: VALUE pairs, got a single value"]) from None
    except ValueError as error:  # of a tag such as !!int
        raise ConfigError([f"{path}: not valid YAML: {error}"]) from None
    if not isinstance(loaded, DictConfig):
        raise ConfigError([f"{path}: expected KEY: VALUE pairs, got a list"])
    if misread := sorted(_misread(path.read_text("utf-8"))):
        raise ConfigError([f"{path}:{row}: {line}" for row, line in misread])
    return loaded


def _malformed(override: str) -> str | None:
    """What keeps a text from being KEY=VALUE; None: nothing."""
    key, equals, value = override.partition("=")
    name, bracket, _ = key.partition("[")
    if equals and name and bracket:
        return (
            f"{key}: one element of a list cannot be set alone; give the whole list, as {name}=[…]"
        )
    if not equals or not _KEY.fullmatch(key):
        given = re.split(r"[=:\s]", override)[0] if "storage_options" in override else override
        return f"{shown(given)}: expected KEY=VALUE, e.g. train.batch_size=8"
    if value.strip() == "???":
        return f"{key}: ??? stands for a value that is still to be given; give it"
    with suppress(yaml.YAMLError, RecursionError):
        for _, line in _misread(value):
            return f"{key}: {line}"
    return None


def _misread(text: str) -> Iterator[tuple[int, str]]:
    """(row, line) of each number that YAML counts in eights or sixties, as 010 or 12:30."""
    pending, seen = [yaml.compose(text, Loader=yaml.SafeLoader)], set()
    while pending:
        node = pending.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.CollectionNode):
            pending += [n for item in node.value for n in (item if type(item) is tuple else [item])]
        elif node is not None and node.tag in _NUMBERS and _OLD_NUMBER.fullmatch(node.value):
            value = yaml.safe_load(node.value)
            if ":" in node.value or int(node.value.replace("_", "")) != value:
                yield (
                    node.start_mark.line + 1,
                    f"YAML reads {node.value} as {value:g}; write it without 0 or : or quote it",
                )


def _merged(loaded: DictConfig, override: str) -> DictConfig:
    """A config with one override more."""
    key = override.partition("=")[0]
    try:
        given = OmegaConf.from_dotlist([override])
    except OmegaConfBaseException as error:
        raise ConfigError([f"command line: {key}: {_unresolved(error)}"]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        quoted = '"${…}"' if "${" in override else f"'{key}=\"…\"'"
        line = f"command line: {key}: not valid YAML: {_problem(error)}; quote it: {quoted}"
        raise ConfigError([line]) from None
    try:
        merged = OmegaConf.merge(loaded, given)
    except (OmegaConfBaseException, TypeError, ValueError, AttributeError):
        raise ConfigError(
            [f"command line: {key}: the file has another kind of value there; give one of its kind"]
        ) from None
    assert isinstance(merged, DictConfig)
    return merged


def _problem(error: Exception) -> str:
    return getattr(error, "problem", None) or (str(error).splitlines() or ["unreadable"])[0]


def _unresolved(error: Exception) -> str:
    """Why values cannot be had, in words that hold none of them."""
    text = (str(error).splitlines() or [""])[0]
    if unset := _UNSET.search(text):
        remedy = f"set it, or write ${{oc.env:{unset[1]},default}}"
        return f"the environment variable {unset[1]} is not set; {remedy}"
    if absent := _NO_KEY.search(text):
        return (
            f"${{{absent[1]}}} refers to a key that is not given; give it, or write the value out"
        )
    if unknown := _NO_RESOLVER.search(text):
        return f"no interpolation is called {unknown[1]}; expected ${{oc.env:NAME}} or ${{KEY}}"
    if text.startswith("Incompatible key type"):
        return "YAML reads a key that is no text; quote it"
    if isinstance(error, MissingMandatoryValue):
        return "??? stands for a value that is still to be given; give it"
    if isinstance(error, GrammarParseError):
        return (
            "not a valid interpolation; expected ${oc.env:NAME} or ${KEY}, or \\${ for the text ${"
        )
    if "raised while resolving" in text:
        return "its interpolation gives no value that can be read; see what it refers to"
    if isinstance(error, RecursionError) or "Recursive" in text:
        return "an interpolation that leads back to itself; write the value out"
    return text


def _odd_keys(value: Any, place: str = "") -> Iterator[str]:
    """A line for each key that is no text, wherever it stands."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _odd_keys(item, f"{place}{number}.")
    for key, below in value.items() if isinstance(value, dict) else ():
        if not isinstance(key, str):
            word = str(key).lower() if isinstance(key, bool) else str(key)
            yield f"{place}{word}: YAML reads this key as {key!r}, not as text; quote it"
        yield from _odd_keys(below, f"{place}{key}.")
