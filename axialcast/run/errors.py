"""Words for what pydantic finds wrong: one line each, with the key and the remedy."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

__all__ = ["ConfigError", "describe_errors"]

Location = tuple[int | str, ...]


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
            key = _dotted(error["loc"])
            remedy, instead = _suggest(model, error["loc"])
            found.append((key, f"{key}: unknown key; {remedy}"))
            suggested.add(instead)
            _remove(values, error["loc"])
    for error in _errors(model, values, context):
        key = _dotted(error["loc"])
        if not (error["type"] == "missing" and key in suggested):
            found += [(key, line) for line in _lines(model, error, key)]
    return found


def _errors(
    model: type[BaseModel], values: dict[str, Any], context: Mapping[str, Any]
) -> list[Any]:
    try:
        model.model_validate(values, context=dict(context))
    except ValidationError as error:
        return list(error.errors(include_url=False))
    return []


def _lines(model: type[BaseModel], error: Any, key: str) -> Iterator[str]:
    if error["type"] == "missing":
        yield f"{key}: missing; {_description(model, error['loc'])}"
        return
    if error["type"] == "value_error":
        for line in str(error["ctx"]["error"]).splitlines():
            yield f"{key}: {line}" if key else line
        return
    expected = error["msg"].replace("Input should be ", "expected ").replace("Input", "input")
    line = f"{key}: got {error['input']!r}, {expected}"
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        known = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        near = difflib.get_close_matches(error["input"], known, n=1)
        line += f"; did you mean {near[0]}?" if near else ""
    yield line


def _suggest(model: type[BaseModel], location: Location) -> tuple[str, str]:
    """(remedy, dotted key it names): the key's own section first, then the others."""
    *parents, name = map(str, location)
    own = list(_section_at(model, location[:-1]).model_fields)
    places = {place: place.rpartition(".")[2] for place in _places(model)}
    for key in own:
        places.pop(".".join([*parents, key]), None)
    exact = [place for place, key in places.items() if key == name]
    near_here = difflib.get_close_matches(name, own, n=1)
    others = list(dict.fromkeys(places.values()))
    near_there = difflib.get_close_matches(name, others, n=1, cutoff=0.75)
    if not exact and near_here:
        return f"did you mean {near_here[0]}?", ".".join([*parents, near_here[0]])
    if not exact and near_there:
        exact = [place for place, key in places.items() if key == near_there[0]]
    if exact:
        return f"did you mean {' or '.join(exact)}?", exact[0]
    return f"expected one of {', '.join(own)}", ""


def _places(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of the model and of the sections within, dotted."""
    for key, field in model.model_fields.items():
        yield f"{prefix}{key}"
        section = _section_in(field.annotation)
        if section:
            yield from _places(section, f"{prefix}{key}.")


def _section_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    section = model
    for part in location:
        field = section.model_fields.get(str(part))
        section = (field and _section_in(field.annotation)) or section
    return section


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section class inside an annotation such as `DataConfig | None`, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)


def _description(model: type[BaseModel], location: Location) -> str:
    field = _section_at(model, location[:-1]).model_fields[str(location[-1])]
    return f"expected: {(field.description or 'a value').rstrip('.').splitlines()[0]}"


def _remove(values: Any, location: Location) -> None:
    for part in location[:-1]:
        values = values[part]
    del values[location[-1]]


def _dotted(location: Location) -> str:
    return ".".join(map(str, location))
