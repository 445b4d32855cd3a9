"""The static fields that a config names, on the grid that it trains on."""

from axialcast.data import Static, open_static
from axialcast.data.preparing.regrid import regridded
from axialcast.grid import Grid, LatLonGrid
from axialcast.run.config import Config

__all__ = ["static_fields"]


def static_fields(config: Config, grid: Grid) -> Static:
    """What `data.static` names, normalised; regridded as the analysis is, where that is.

    Raises:
        FileNotFoundError, ConnectionError: there is no such store, or it cannot be reached.
        ValueError: as `open_static`, or as `Static.of`.
    """
    data = config.data
    assert data is not None
    if not data.static:
        return Static.none(grid)
    is_regridded = config.prepare is not None and config.prepare.regrid is not None
    fields = open_static(
        config.static_store,
        data.static,
        None if is_regridded else grid,
        rename=data.rename,
        units=data.units,
        grid_mapping=None if data.static_store else data.grid_mapping,
        storage_options=data.storage_options,
    )
    try:
        if is_regridded:
            assert isinstance(grid, LatLonGrid)
            fields = regridded(fields, grid)
        return Static.of(fields)
    except ValueError as error:
        raise ValueError(f"data.static: {error}") from None
