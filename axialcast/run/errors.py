"""Words for what pydantic finds wrong: one line each, with the key and the remedy."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from axialcast.disclosure import shown

__all__ = ["TAG", "ConfigError", "describe_errors", "places"]

Location = tuple[int | str, ...]

TAG = "\0"
"""Begins what pydantic calls the kinds of value that a key may have, which no line tells."""
GENERAL = ("kind", "options", "path")
"""Keys that say nothing apart from the section they are in."""
LONGEST = 80
"""Letters of a value that an error shows."""

_WHOLE, _TRUTH, _PAIRS = "a whole number", "true or false", "KEY: VALUE pairs"
EXPECTED = {
    "bool_parsing": _TRUTH,
    "bool_type": _TRUTH,
    "dict_type": _PAIRS,
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "greater than {gt:,.15g}",
    "greater_than_equal": "{ge:,.15g} or more",
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_type": _WHOLE,
    "less_than": "less than {lt:,.15g}",
    "less_than_equal": "{le:,.15g} or less",
    "model_attributes_type": _PAIRS,
    "model_type": _PAIRS,
    "string_type": "text; quote it",
    "too_long": "{max_length} values",
    "too_short": "{min_length} or more values",
}
"""What a value must be, by pydantic's name for its being something else."""


class ConfigError(ValueError):
    """Everything wrong with a config, one line each: file, key and remedy."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = [" ".join(line.splitlines()) for line in lines]
        super().__init__("\n".join(self.lines))


def describe_errors(
    model: type[BaseModel], values: dict[str, Any], context: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """(dotted key, line that begins with it) of all that keeps values from being such a model.

    Unknown keys are removed from `values` on the way, lest they hide what else is wrong.
    """
    found: list[tuple[str, str]] = []
    suggested: set[str] = set()
    for error in _errors(model, values, context):
        if error["type"] == "extra_forbidden":
            key = _dotted(_without_tags(model, error["loc"]))
            remedy, instead = _suggest(model, error["loc"])
            found.append((key, f"{key}: unknown key; {remedy}"))
            suggested.add(instead)
            _remove(values, _without_tags(model, error["loc"]))
    for error in _errors(model, values, context):
        key = _dotted(_without_tags(model, error["loc"]))
        if not (error["type"] == "missing" and key in suggested):
            found += [(key, shown(line)) for line in _lines(model, error, key)]
    return found


def _errors(
    model: type[BaseModel], values: dict[str, Any], context: Mapping[str, Any]
) -> list[Any]:
    try:
        model.model_validate(values, context=dict(context))
    except ValidationError as error:
        return [
            {**one, "loc": tuple(p for p in one["loc"] if not str(p).startswith(TAG))}
            for one in error.errors(include_url=False)
        ]
    return []


def _lines(model: type[BaseModel], error: Any, key: str) -> Iterator[str]:
    if error["type"] == "missing":
        yield f"{key}: missing; {_description(model, error['loc'])}"
        return
    if error["type"] == "value_error":
        for line in str(error["ctx"]["error"]).splitlines():
            line = line.replace("got None,", "got nothing,")
            yield f"{key}: {line}" if key else line
        return
    got = "another kind" if "storage_options" in key else _shown(error["input"])  # may be secret
    line = f"{key}: got {got}, expected {_expected(error)}"
    if (
        error["input"] is None
        and error["type"] in EXPECTED
        and not _is_required(model, error["loc"])
    ):
        line += "; or leave the key out"
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        known = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        near = difflib.get_close_matches(error["input"], known, n=1)
        line += f"; did you mean {near[0]}?" if near else ""
    yield line


def _shown(value: Any) -> str:
    """A value as YAML has it, cut where it is long."""
    words = {None: "nothing", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _expected(error: Any) -> str:
    """What a value must be, in words of YAML rather than pydantic's."""
    kind, got = error["type"], error["input"]
    if kind in ("list_type", "tuple_type"):
        return f"a list such as [{got if isinstance(got, str | int | float) else 'a, b'}]"
    if kind in EXPECTED:
        return EXPECTED[kind].format(**error.get("ctx", {}))
    return str(error["msg"]).replace("Input should be ", "").replace("Input", "input")


def _suggest(model: type[BaseModel], location: Location) -> tuple[str, str]:
    """(remedy, dotted key it names): the key's own section first, then the others."""
    *parents, name = map(str, _without_tags(model, location))
    if "." in name:
        return f"write {name.replace('.', ': and below it ')}:", name
    section = _section_at(model, location[:-1])
    own = list(section.model_fields)
    known = {place: place.rpartition(".")[2] for place in places(model)}
    for key in own:
        known.pop(".".join([*parents, key]), None)
    if known.pop(".".join([*parents, name]), None):
        return f"kind {_tag(section)} has none; expected one of {', '.join(own)}", ""
    known = {place: key for place, key in known.items() if key not in GENERAL}
    exact = [place for place, key in known.items() if key == name]
    near_here = difflib.get_close_matches(name, own, n=1, cutoff=0.85 if exact else 0.6)
    near_here = near_here or [key for key in own if name in key.split("_") or name == key[:3]][:1]
    others = list(dict.fromkeys(known.values()))
    near_there = difflib.get_close_matches(name, others, n=1, cutoff=0.9)
    if not (exact or near_here) and near_there:
        exact = [place for place, key in known.items() if key == near_there[0]]
    meant = [".".join([*parents, *near_here])] if near_here else exact
    if meant:
        return f"did you mean {' or '.join([*near_here, *exact])}?", meant[0]
    return f"expected one of {', '.join(own)}", ""


def places(model: type[BaseModel], prefix: str = "", *, in_lists: bool = True) -> Iterator[str]:
    """Every key of the model and of the sections within, dotted; also of sections in lists."""
    for key, field in model.model_fields.items():
        yield f"{prefix}{key}"
        sections = _sections_in(field.annotation, in_lists=in_lists)
        found = (places(one, f"{prefix}{key}.", in_lists=in_lists) for one in sections)
        yield from dict.fromkeys(chain.from_iterable(found))  # kinds of a section share keys


def _is_required(model: type[BaseModel], location: Location) -> bool:
    field = _section_at(model, location[:-1]).model_fields.get(str(location[-1]))
    return field is not None and field.is_required()


def _section_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    section = model
    kinds: list[type[BaseModel]] = []
    for part in location:
        field = section.model_fields.get(str(part))
        if field is None:
            section = next((kind for kind in kinds if _tag(kind) == part), section)
        elif kinds := list(_sections_in(field.annotation)):
            section = kinds[0]
    return section


def _sections_in(annotation: Any, *, in_lists: bool = True) -> Iterator[type[BaseModel]]:
    """The section classes inside an annotation such as `DataConfig | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif in_lists or get_origin(annotation) not in (list, dict):
        for inner in get_args(annotation):
            yield from _sections_in(inner, in_lists=in_lists)


def _tag(section: type[BaseModel]) -> str | None:
    """Which kind of a section of several kinds it is, as pydantic calls it in a location."""
    kind = section.model_fields.get("kind")
    return kind and kind.default


def _without_tags(model: type[BaseModel], location: Location) -> Location:
    """A location as the YAML has it: pydantic says of which kind a section is, the YAML in it."""
    kept: list[int | str] = []
    is_tag = False
    for number, part in enumerate(location):
        if not is_tag:
            kept.append(part)
            field = _section_at(model, location[:number]).model_fields.get(str(part))
            is_tag = field is not None and len(list(_sections_in(field.annotation))) > 1
        else:
            is_tag = False
    return tuple(kept)


def _description(model: type[BaseModel], location: Location) -> str:
    fields = _section_at(model, location[:-1]).model_fields
    while str(location[-1]) not in fields:  # one of a list of so many, or what users name
        location = location[:-1]
        fields = _section_at(model, location[:-1]).model_fields
    field = fields[str(location[-1])]
    return f"expected: {(field.description or 'a value').rstrip('.').splitlines()[0]}"


def _remove(values: Any, location: Location) -> None:
    for part in location[:-1]:
        values = values[part]
    del values[location[-1]]


def _dotted(location: Location) -> str:
    return ".".join(str(part) or "''" for part in location if part != "[key]")
