"""What all sections of a config have in common."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from axialcast.disclosure import concealed, shown

__all__ = ["Section"]

PLACES = ("store", "static_store", "boundary_store", "start_from")
OPTIONS = ("storage_options", "output_storage_options")
"""Keys of addresses and of options, in which there may be secrets."""


class Section(BaseModel):
    """Frozen, and refuses keys that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            if name in PLACES and isinstance(value, list):
                yield name, [shown(item) if isinstance(item, str) else item for item in value]
            elif name in PLACES and isinstance(value, str):
                yield name, shown(value)
            else:
                yield name, concealed(value) if value and name in OPTIONS else value
