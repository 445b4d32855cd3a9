"""One pass over the training period that feeds all who gather something of it."""

import math
from collections.abc import Sequence
from typing import Protocol

from axialcast.data.reader import Analysis, Block

__all__ = ["MEMORY_GIB", "Gatherer", "go_through"]

MEMORY_GIB = 2.0
"""What a fit may hold (GiB)."""


class Gatherer(Protocol):
    """Gathers sums of the training period, cell by cell or additive over cells.

    A pass goes through the channels, or parts of the grid, in groups where they do not fit into
    memory together, and through all blocks for each group.

    Attributes:
        held: states (float32, of a group) that its sums take.
    """

    held: float

    def begin(self, group: Analysis) -> None:
        """A group comes; `group.place` is where it belongs in the training data."""
        ...

    def add(self, block: Block) -> None:
        """The next states of the group. It may change them only if it is the last gatherer."""
        ...

    def end(self) -> None:
        """The group's blocks are through."""
        ...


def go_through(
    training: Analysis,
    gatherers: Sequence[Gatherer],
    memory_gib: float,
    *,
    by_cells: bool = True,
) -> None:
    """Reads the training period once: each chunk is decoded once, whoever gathers.

    Args:
        memory_gib: for blocks and sums; more is taken only where a chunk of all times that are
            stored together needs it.
        by_cells: whether a group may be a part of the grid.
    """
    held = sum(gatherer.held for gatherer in gatherers)
    memory = int(memory_gib * 2**30)
    # As if the sums were states that each of the two blocks held, in use and to come, begins with.
    for group in training.groups(memory, overlap=math.ceil(held / 2), by_cells=by_cells):
        for gatherer in gatherers:
            gatherer.begin(group)
        free = memory - held * group.state_bytes
        for block in group.blocks(int(max(free, memory / 4))):
            for gatherer in gatherers:
                gatherer.add(block)
        for gatherer in gatherers:
            gatherer.end()
