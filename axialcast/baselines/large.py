"""Arrays that may be larger than memory."""

import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["zeros"]

MOST_BYTES = 2**29
"""Larger arrays lie on the disk, where the system pages them in and out."""


def zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array of zeros, in memory, or mapped to a file without a name that goes with it.

    The file is in the folder for temporary files (`TMPDIR`).

    Raises:
        OSError: there is no room for it.
    """
    num_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if num_bytes <= MOST_BYTES:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:
        try:
            # Reserved at once: a disk that is full when a page is written ends the process.
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, num_bytes)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{tempfile.gettempdir()}: no room for {num_bytes / 1e9:.3g} GB of a fit "
                f"({os.strerror(error.errno or 0)}); make room, or set TMPDIR to another folder",
            ) from error
        return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
