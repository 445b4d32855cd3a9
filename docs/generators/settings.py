"""Every key of a config: its kind, its default and what it means, as the sections say it."""

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from axialcast.run.config import Config
from axialcast.run.section import Section
from generators.kinds import words_of
from generators.prose import prose

__all__ = ["text"]


def text(config: type[BaseModel] = Config) -> str:
    """All sections, the top of a config first.

    Raises:
        ValueError: a key or a section has no docstring.
    """
    return "\n".join(_section(config, "", "", "The whole"))


def _section(section: type[BaseModel], key: str, kind: str, title: str) -> Iterator[str]:
    """A section's heading, what it is and its keys; then the sections within it.

    Args:
        section: the class.
        key: of the section itself, dotted; empty: the whole.
        kind: which of several sections that stand there; empty: there is one.
        title: the heading.
    """
    if not section.__doc__:
        raise ValueError(f"{section.__name__}: the section has no docstring")
    yield from (f"\n## {title}\n", prose(section.__doc__))
    within = []
    for name, field in section.model_fields.items():
        found = list(_sections(field.annotation))
        within += [(f"{key}.{name}".strip("."), one, len(found) > 1) for one in found]
        if found and not field.description:
            continue  # the section itself says what it is
        if not field.description:
            raise ValueError(f"{section.__name__}.{name}: the key has no docstring")
        dotted = ".".join(filter(None, (key, name)))
        anchor = "-".join(filter(None, ("config", *key.split("."), kind, name)))
        said = f"*{words_of(field)}*, {_default(field)}"
        yield f"\n`{dotted}`{{#{anchor}}} {said}\n: {prose(field.description)}"
    for dotted, one, several in within:
        kind = _kind_of(one) if several else ""
        said = f"`{dotted}` of kind `{kind}`" if kind else f"`{dotted}`"
        yield from _section(one, dotted, kind, said)


def _kind_of(section: type[BaseModel]) -> str:
    """What a section's key `kind` holds, which tells it from others; if it has none, its name."""
    kind = section.model_fields.get("kind")
    if kind is None:
        return section.__name__
    return str(get_args(kind.annotation)[0] if kind.is_required() else kind.default)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = _plain(field.get_default(call_default_factory=True))
    return (
        f"default `{json.dumps(value, ensure_ascii=False)}`" if value != {} else "none by default"
    )


def _plain(value: Any) -> Any:
    """A default as YAML would have it; of sections, what is said in so many words."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _sections(kind: Any) -> Iterator[type[BaseModel]]:
    """Sections that a value of some type may be, or consist of."""
    if isinstance(kind, type) and issubclass(kind, Section):
        yield kind
    for one in get_args(kind):
        yield from _sections(one)
