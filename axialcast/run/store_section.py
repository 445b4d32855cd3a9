"""What `data.store` may be: a place, or several with what is said of each."""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
)

from axialcast.run.errors import TAG
from axialcast.run.section import Section
from axialcast.run.values import Location, Member, Projection, Renames, Seconds, Units, Variables

__all__ = ["StoreConfig", "Stores"]


class StoreConfig(Section):
    """One of several stores; what is not said of it alone is as data says of all."""

    store: Location
    """File, pattern, Zarr folder or URL."""
    variables: Variables | None = None
    """Which it gives of those that data names; null: those that it alone holds."""
    rename: Renames | None = None
    """As data.rename."""
    units: Units | None = None
    """As data.units."""
    member: Member | None = None
    """As data.member."""
    round_times_seconds: Seconds | None = None
    """As data.round_times_seconds."""
    grid_mapping: Projection | None = None
    """As data.grid_mapping."""
    missing_chunks: Literal["refuse", "fill"] | None = None
    """As data.missing_chunks."""
    storage_options: dict[str, Any] | None = None
    """As data.storage_options, none of which this store is then told."""

    @model_serializer(mode="wrap")
    def _what_is_said(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in whole(self).items() if value is not None}


def _in_a_list(value: Any) -> Any:
    if isinstance(value, dict):  # which may hold secrets
        raise ValueError("got KEY: VALUE pairs, expected a path, or a list of such pairs")
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        raise ValueError("got a list within a list, expected a list of paths")
    return value


def _is_said(value: Any) -> bool:
    return isinstance(value, dict | StoreConfig)


Stores = Annotated[
    Annotated[Location, Tag(f"{TAG}one")]
    | Annotated[
        list[
            Annotated[
                Annotated[Location, Tag(f"{TAG}place")] | Annotated[StoreConfig, Tag(f"{TAG}said")],
                Discriminator(lambda v: f"{TAG}said" if _is_said(v) else f"{TAG}place"),
            ]
        ],
        Field(min_length=1),
        Tag(f"{TAG}several"),
    ],
    Discriminator(lambda v: f"{TAG}several" if isinstance(v, list) else f"{TAG}one"),
    BeforeValidator(_in_a_list),
]
"""A place; or several, with what is said of each."""
