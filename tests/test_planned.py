"""ERA5 at 0.25° for 40 years, planned without a value read: all that comes before reading."""

from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

from axialcast.data import Analysis, Channels
from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.stored import Stored
from axialcast.data.preparing.planned import planned
from axialcast.data.windows.plan import WindowRows
from axialcast.forecast import choose_init_times
from axialcast.grid import LatLonGrid
from axialcast.names import INIT_TIME, LEAD_TIME
from axialcast.scores import blocks_of
from axialcast.scores.pieces import PIECE_VALUES, Pieces
from axialcast.scores.window import Window

GRID = LatLonGrid.regular(721, 1440, poles=True)
TIMES = np.arange("1979-01-01", "2019-01-01", 6, dtype="M8[h]").astype("M8[ns]")
LEVELS = np.arange(13) * 75.0 + 100
LEADS = np.arange(1, 41) * (TIMES[1] - TIMES[0])
SINGLE = ["t2m", "msl", "u10", "v10"]
ON_LEVELS = ["z", "t", "q", "u", "v"]


class Positions(Stored):
    """Each value is the sum of its position along the axes; a field is a chunk."""

    dtype = np.dtype(np.float32)

    def __init__(self, shape: tuple[int, ...], read: list) -> None:
        self.shape, self.read = shape, read
        self.chunk_shape = (*[1] * (len(shape) - 2), *shape[-2:])

    def pieces(self, box) -> Iterator:
        self.read.append(box)
        places = np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij")
        yield tuple(slice(0, s.stop - s.start) for s in box), np.float32(sum(places))


def fields(times: dict[str, np.ndarray], read: list) -> xr.Dataset:
    coords = {**times, "level": LEVELS, "latitude": GRID.latitude, "longitude": GRID.longitude}
    found = {}
    for name in (*SINGLE, *ON_LEVELS):
        dims = [*times, *(["level"] if name in ON_LEVELS else []), "latitude", "longitude"]
        shape = tuple(len(coords[dim]) for dim in dims)
        found[name] = xr.Variable(dims, lazily(Positions(shape, read)), {"units": "1"})
    return xr.Dataset(found, coords)


@pytest.fixture
def read() -> list:
    """Boxes that were read."""
    return []


def test_training_data_are_planned_unread(read):
    analysis = Analysis(fields({"time": TIMES}, read))
    assert analysis.shape == (69, 721, 1440)
    store = planned(analysis)
    assert (store.chunk, store.state_bytes) == (1, 4 * 69 * 721 * 1440)
    rows = WindowRows(store.times, input_steps=2, target_steps=3, step=1, stride=1, missing="skip")
    assert len(rows) == 58_440 - 4
    assert not read


def test_a_few_chunks_give_a_few_values(read):
    dataset = fields({"time": TIMES}, read)
    analysis = Analysis(dataset, Channels(list(Channels.of(dataset))[:2]))
    values = analysis.read(np.array([57_001]))
    assert values[0, 1, 700, 1200] == 57_001 + 700 + 1200
    assert len(read) == 2


def test_scores_are_planned_unread(read):
    analysis = Analysis(fields({"time": TIMES}, read))
    inits = choose_init_times(
        analysis, init_times="test", test=["1979", "2018-12-20"], init_every=np.timedelta64(24, "h")
    )
    forecast = fields({INIT_TIME: inits, LEAD_TIME: LEADS}, read)
    blocks = blocks_of(forecast)
    assert len(inits) == len(blocks) == 14_599
    pieces = Pieces(forecast, PIECE_VALUES)
    assert len({cut.channels.start for cut in pieces.cuts}) == 69
    needed = [np.add.outer(block.init_times, LEADS).ravel() for block in blocks]
    # Those of two days, ten days long and one day apart.
    assert Window(analysis, needed, most_bytes=2**30).num_held(1) <= 40 + 2 * 4
    assert not read
