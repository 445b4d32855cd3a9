"""Matrix products for those who bring threads of their own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["product"]

UNDIVIDED = 2**18
"""Multiplications; of larger products, OpenBLAS takes a part to threads of its own."""


def product(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """(m, n) product of (m, k) and (k, n), by as many columns as BLAS multiplies in one thread.

    Several threads that multiply at once would otherwise wait for each other's helpers.
    """
    rows, inner = left.shape
    columns = right.shape[1]
    width = max(1, UNDIVIDED // max(1, rows * inner))
    num = columns // width
    whole = num * width
    out = np.empty((rows, columns), np.result_type(left, right))
    np.matmul(
        left,
        right[:, :whole].reshape(inner, num, width).transpose(1, 0, 2),
        out=out[:, :whole].reshape(rows, num, width).transpose(1, 0, 2),
    )
    np.matmul(left, right[:, whole:], out=out[:, whole:])
    return out
