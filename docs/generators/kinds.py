"""What the kinds of values of a config are called: types and their limits, in words."""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from axialcast import frame
from axialcast.run import values
from axialcast.times import periods

__all__ = ["words_of"]

CHECKED = {
    values: {
        "BatchName": "name",
        "Device": "device",
        "Folder": "folder or URL",
        "Hours": "hours",
        "Location": "path or URL",
        "Member": "number or name",
        "Name": "text",
        "Patch": "[latitudes, longitudes], or times before them",
        "Projection": "projection",
        "RegionName": "name",
        "Seconds": "seconds that divide a day",
    },
    periods: {
        "Date": "date",
        "InitTimes": "test, dates or a range",
        "Interval": "steps or a time",
        "Period": "[first date, last date]",
        "Step": "time",
    },
}
"""Kinds whose values are checked by functions."""

PLAIN = {bool: "true or false", int: "whole number", float: "number", str: "text", Any: "anything"}
SLIP = 10**6
"""Limits from here on only catch slips of the pen."""


def _functions() -> dict[Any, str]:
    """Words of a kind by the function that checks it: pydantic keeps that, not the kind's name."""
    found = {}
    for module, names in CHECKED.items():
        for name, words in names.items():
            for one in get_args(getattr(module, name))[1:]:
                if (function := getattr(one, "func", None)) is not None:
                    found.setdefault(function, words)
    del found[values._number]  # of all numbers
    return found


FUNCTIONS = _functions()


def words_of(field: FieldInfo) -> str:
    """What a key may hold.

    Example:
        >>> words_of(TrainConfig.model_fields["batch_size"])
        '1, 2, 3, …'
    """
    return _annotated(field.annotation, field.metadata)


def _annotated(kind: Any, metadata: Any) -> str:
    """A type and what is said of it."""
    metadata = [part for one in metadata for part in _parts(one)]
    for one in metadata:
        if (checked := FUNCTIONS.get(getattr(one, "func", None))) is not None:
            return checked
    low, high = _end(metadata, "gt", "ge"), _end(metadata, "lt", "le")
    if kind is int and low == ("gt", 0) and high is not None:
        low = ("ge", 1)
    if kind is int and high is None and low in (("gt", 0), ("ge", 0)):
        return "1, 2, 3, …" if low == ("gt", 0) else "0, 1, 2, …"
    ends = {"gt": "above ", "ge": "from ", "lt": "below ", "le": "to " if low else "at most "}
    limits = [f"{ends[name]}{end:,g}" for name, end in filter(None, (low, high))]
    return ", ".join([_words(kind), " ".join(limits)]) if limits else _words(kind)


def _parts(metadata: Any) -> Iterator[Any]:
    """The constraints that a `Field` stands for."""
    yield from getattr(metadata, "metadata", [metadata])


def _end(metadata: list[Any], *names: str) -> tuple[str, float] | None:
    """The narrowest limit of those that are meant."""
    ends = [(name, getattr(one, name)) for one in metadata for name in names if hasattr(one, name)]
    meant = [(name, end) for name, end in ends if end is not None and abs(end) < SLIP]
    return meant[-1] if meant else None


def _words(kind: Any) -> str:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _annotated(args[0], args[1:])
    if kind == frame.Relaxation or origin is Literal:
        return " or ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in args)
    if origin in (Union, types.UnionType):
        words = dict.fromkeys(_words(one) for one in args if one is not type(None))
        return " or ".join([*words, *(["null"] if type(None) in args else [])])
    if origin is list or (origin is tuple and Ellipsis in args):
        return f"list of {_bracketed(args[0])}"
    if origin is tuple:
        return f"[{', '.join(_words(one) for one in args)}]"
    if origin is dict:
        return f"by name: {_bracketed(args[1])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "section"
    if kind is dict:
        return "pairs"
    if kind not in PLAIN:
        raise ValueError(f"a kind of value without words: {kind}; name it in {__name__}")
    return PLAIN[kind]


def _bracketed(kind: Any) -> str:
    words = _words(kind)
    return f"({words})" if " or " in words else words
