"""Makes axialcast/report/coastlines.npz anew, of the npm package world-atlas 2.0.2.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python tests/report/make_coastlines.py package/land-110m.json

The package holds Natural Earth 4.1.0, which is in the public domain, as TopoJSON.
"""

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from axialcast.report import coastlines

HUNDREDTHS = 100


def lines_of(path: Path) -> list[NDArray[np.float64]]:
    """(n, 2) degrees east and north of each piece of coast.

    Sides that polygons have along the dateline, where they were cut, are no coast.
    """
    topology = json.loads(path.read_text())
    scale, shift = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    lines = []
    for arc in topology["arcs"]:
        places = np.cumsum(arc, axis=0) * scale + shift
        on_edge = np.abs(places[:, 0]) > 179.99
        cuts = np.flatnonzero(on_edge[1:] & on_edge[:-1]) + 1
        lines += [piece for piece in np.split(places, cuts) if len(piece) > 1]
    return lines


def main() -> None:
    lines = lines_of(Path(sys.argv[1]))
    degrees = np.rint(np.concatenate(lines) * HUNDREDTHS).astype(np.int16)
    ends = np.cumsum([len(line) for line in lines]).astype(np.int32)
    target = Path(coastlines.__file__).with_suffix(".npz")
    np.savez_compressed(target, hundredths=degrees, ends=ends)
    print(f"{target}: {len(lines)} lines, {len(degrees):,} points, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
