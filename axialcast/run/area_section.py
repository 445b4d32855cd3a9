"""The section `verify.regions` of a config: parts of the grid that are scored alone."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from axialcast.grid import KNOWN_REGIONS
from axialcast.run.data_section import check_box
from axialcast.run.section import Section
from axialcast.run.values import Location, Name, RegionName

__all__ = ["AreaConfig", "Areas"]


class AreaConfig(Section):
    """A box, a mask or both; nothing at all where the name is known, such as `tropics`."""

    latitude: tuple[float, float] | None = None
    """[south, north] in degrees north, edges included; null: all."""
    longitude: tuple[float, float] | None = None
    """[west, east] in degrees east; west may exceed east, across the meridian; null: all."""
    mask: Name | None = None
    """A field that says which points belong, such as land_sea_mask."""
    store: Location | None = None
    """File, Zarr folder or URL that holds the mask, at the points of the grid; null: where
    data.static comes from."""
    at_least: float | None = None
    """The mask's value from which on points belong; null: 0.5, unless `below` is set."""
    below: float | None = None
    """The mask's value up to which points belong, itself not."""

    @property
    def is_named(self) -> bool:
        """Whether the name alone says where it is."""
        return self.latitude is None and self.longitude is None and self.mask is None

    @property
    def box(self) -> dict[str, tuple[float, float]]:
        """Latitude and longitude."""
        latitude, longitude = self.latitude or (-90.0, 90.0), self.longitude or (0.0, 360.0)
        return {"latitude": latitude, "longitude": longitude}

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        check_box(*self.box.values())
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise ValueError(
                f"at_least {self.at_least:g}: expected less than below, {self.below:g}"
            )
        for key in ("store", "at_least", "below"):
            if getattr(self, key) is not None and self.mask is None:
                raise ValueError(f"{key}: is of a mask; name its variable with mask")
        return self


def _known(areas: Mapping[str, AreaConfig]) -> Mapping[str, AreaConfig]:
    for name, area in areas.items():
        if name.lower() == "all":
            raise ValueError(f"the name {name!r} is the whole grid; choose another")
        if area.is_named and name not in KNOWN_REGIONS:
            raise ValueError(
                f"{name}: is none of those known, {', '.join(KNOWN_REGIONS)}; give its latitude "
                "and longitude, or a mask"
            )
    return areas


def _given(value: Any) -> Any:
    return {} if value is None else value


Areas = Annotated[
    dict[RegionName, Annotated[AreaConfig, BeforeValidator(_given)]], AfterValidator(_known)
]
"""By name: boxes and masks; nothing, as in `tropics:`, of those that are known."""
