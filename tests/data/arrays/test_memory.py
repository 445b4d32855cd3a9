"""Memory that starts where copies are fast."""

import numpy as np

from axialcast.data.arrays.memory import ALIGNMENT, aligned


def test_aligned_memory_begins_at_a_line_of_the_cache():
    for shape in ((1,), (3, 5), (7, 1021)):
        memory = aligned(shape, np.float32)
        assert memory.shape == shape
        assert memory.ctypes.data % ALIGNMENT == 0
