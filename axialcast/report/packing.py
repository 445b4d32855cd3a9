"""Fields as text that a page unpacks: whole numbers of 8 or 16 bits, differenced and deflated.

Of smooth fields, differences along both axes leave about half of the bytes that deflate alone
leaves, and undoing them are two running sums. `atlas.js` reads what is written here.
"""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MISSING", "STEPS", "packed", "quantised", "unpacked"]

STEPS, MISSING = 254, 255
"""Values of a byte: 0 to 254 from the lowest to the highest; a missing one."""


def quantised(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values as steps from low (0) to high (254), those beyond as the ends; 255 where NaN."""
    step = np.clip(np.rint((values - low) * (STEPS / (high - low))), 0, STEPS)
    return np.where(np.isnan(values), MISSING, step).astype(np.uint8)


def packed(numbers: NDArray[np.unsignedinteger[Any]]) -> str:
    """Numbers (…, h, w) as base64 of a zlib stream of their differences along w, then h.

    Differences are modulo the type's size, so nothing is lost; bytes are little-endian.
    """
    little = numbers.astype(numbers.dtype.newbyteorder("<"))
    along = np.diff(little, axis=-1, prepend=little.dtype.type(0))
    both = np.diff(along, axis=-2, prepend=little.dtype.type(0))
    return base64.b64encode(zlib.compress(both.tobytes(), 9)).decode()


def unpacked(text: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """What `packed` was given."""
    both = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.dtype(dtype).newbyteorder("<"))
    return both.reshape(shape).cumsum(-2, dtype=dtype).cumsum(-1, dtype=dtype)
