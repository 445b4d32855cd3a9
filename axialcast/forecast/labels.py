"""Labels of a forecast: coordinates and attributes after the CF conventions."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.conventions import described
from axialcast.forecast.ancestry import ancestors
from axialcast.forecast.base import base_in_words
from axialcast.forecast.cells import with_cells
from axialcast.forecast.checkpoint import Checkpoint
from axialcast.names import (
    COORDINATE_ATTRS,
    GRID_MAPPING,
    INIT_TIME,
    LEAD_TIME,
    LEVEL,
    NUMBER,
    PLANET,
    VALID_TIME,
)
from axialcast.times.dates import Leads, Times, later
from axialcast.times.leads import lead_coordinate
from axialcast.times.steps import step_numbers

__all__ = ["labelled"]


def labelled(
    values: NDArray[np.float32],
    checkpoint: Checkpoint,
    inits: Times,
    leads: Leads,
    members: Sequence[int] | None = None,
) -> xr.Dataset:
    """A forecast as a dataset.

    Args:
        values: (init_time, [number], lead_time, channel, h, w) in physical units.
        checkpoint: whose forecast it is.
        inits, leads: of their dimensions.
        members: numbers of an ensemble's; None: there is one, and no dimension of them.
    """
    grid, trained_on = checkpoint.grid, checkpoint.provenance.get("train")
    coords = {
        INIT_TIME: (INIT_TIME, inits, COORDINATE_ATTRS[INIT_TIME]),
        LEAD_TIME: lead_coordinate(leads),
        VALID_TIME: (
            (INIT_TIME, LEAD_TIME),
            later(inits[:, None], leads),
            COORDINATE_ATTRS[VALID_TIME],
        ),
        **grid.labels,
        **grid.more_labels,
    }
    leading = [INIT_TIME, LEAD_TIME]
    if members is not None:
        coords[NUMBER] = (NUMBER, np.array(members, np.int64), COORDINATE_ATTRS[NUMBER])
        leading.insert(1, NUMBER)
    forecast = checkpoint.channels.forecast.unstack(values, coords, leading)
    for name in set(forecast.coords) & {LEVEL, *grid.labels, *grid.more_labels} - {GRID_MAPPING}:
        # CF allows no fill value on a coordinate; xarray gives every float one unless told.
        forecast[name].encoding["_FillValue"] = None
    if GRID_MAPPING in forecast.coords:
        for array in forecast.data_vars.values():
            array.attrs["grid_mapping"] = GRID_MAPPING
    forecast = with_cells(forecast, leads)
    begun = "; ".join(ancestors(checkpoint.provenance))
    base = base_in_words(checkpoint)
    return forecast.assign_attrs(
        {} if base is None else {"base": base},
        **described("axialcast forecast", "forecast"),
        source="axial attention transformer"
        + (f", trained on {trained_on[0]} to {trained_on[1]}" if trained_on else ""),
        **step_numbers(checkpoint.step),
        **({"started_from": begun} if begun else {}),
        **{k: v for k, v in checkpoint.provenance.items() if k == PLANET},
    )
