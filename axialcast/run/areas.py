"""The regions that `verify.regions` names, on the grid that is verified."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data import open_static
from axialcast.data.preparing.regrid import regridded
from axialcast.grid import Grid, LatLonGrid
from axialcast.run.area_section import AreaConfig
from axialcast.run.config import Config
from axialcast.scores.regions import Region, cells_of, known_region

__all__ = ["regions_of"]


def regions_of(config: Config, grid: Grid) -> dict[str, Region]:
    """Boxes and masks by name.

    Raises:
        FileNotFoundError, ConnectionError: there is no store of a mask, or it cannot be reached.
        ValueError: a name is not known, or a mask is not there, or on other points.
    """
    found: dict[str, Region] = {}
    for name, area in config.verify.regions.items():
        found[name] = known_region(name) if area.is_named else area.box
        if area.mask is not None:
            try:
                found[name] = cells_of(grid, area.box) & _masked(config, area, grid)
            except ValueError as error:
                raise ValueError(f"regions.{name}: {error}") from None
    return found


def _masked(config: Config, area: AreaConfig, grid: Grid) -> NDArray[np.bool_]:
    """(h, w) where a mask has the values that are wanted."""
    data = config.data
    assert data is not None
    assert area.mask is not None
    is_regridded = config.prepare is not None and config.prepare.regrid is not None
    own: dict[str, Any] = {} if area.store else {"grid_mapping": data.grid_mapping}
    fields = open_static(
        area.store or config.static_store,
        [area.mask],
        None if is_regridded else grid,
        rename=data.rename,
        units=data.units,
        storage_options=data.storage_options,
        **own,
    )
    if is_regridded:
        assert isinstance(grid, LatLonGrid)
        fields = regridded(fields, grid)
    (values,) = (array.values for array in fields.data_vars.values())
    least = area.at_least if area.at_least is not None or area.below is not None else 0.5
    inside = np.isfinite(values)
    if least is not None:
        inside &= values >= least
    if area.below is not None:
        inside &= values < area.below
    return np.asarray(inside)
