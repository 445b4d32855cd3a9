"""Coasts of the world at 1:110 million, split where longitudes begin anew.

Made by Natural Earth, version 4.1.0 (naturalearthdata.com), which is in the public domain; kept in
`coastlines.npz` to the hundredth of a degree. `tests/report/make_coastlines.py` makes it.
"""

from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

__all__ = ["coastlines", "split_at"]

Line = NDArray[np.float64]


def coastlines(seam: float = 180.0) -> list[Line]:
    """(n, 2) degrees east and north of each piece of coast; none crosses the meridian `seam`.

    Longitudes are within `seam` − 360 and `seam`.
    """
    return [piece for line in _kept() for piece in split_at(line, seam)]


def split_at(line: Line, seam: float) -> list[Line]:
    """Pieces of a line of degrees east and north (n, 2) that end at a meridian, not cross it.

    Two points of the line lie less than half a turn apart.
    """
    east = seam - 360 + (line[:, 0] - seam) % 360
    jump = np.diff(east)
    turns = np.flatnonzero(np.abs(jump) > 180)
    places = np.column_stack([east, line[:, 1]])
    pieces, start = [], places[:0]
    begin = 0
    for turn in turns:
        before, after = places[turn], places[turn + 1]
        edge = seam if jump[turn] < 0 else seam - 360
        other = 2 * seam - 360 - edge
        width = edge - before[0], after[0] - other
        part = width[0] / (width[0] + width[1]) if sum(width) else 0.5
        north = before[1] + part * (after[1] - before[1])
        pieces.append(np.concatenate([start, places[begin : turn + 1], [[edge, north]]]))
        start, begin = np.array([[other, north]]), int(turn) + 1
    pieces.append(np.concatenate([start, places[begin:]]))
    return [piece for piece in pieces if len(piece) > 1]


@cache
def _kept() -> list[Line]:
    with as_file(files("axialcast.report") / "coastlines.npz") as path, np.load(path) as kept:
        degrees, ends = kept["hundredths"] / 100.0, kept["ends"]
    return np.split(degrees, ends[:-1])
