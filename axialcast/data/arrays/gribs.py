"""A variable in the messages of a GRIB file, one field a message."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.arrays.stored import Box, Stored

__all__ = ["GribArray", "Place"]

Place = int | tuple[int, int]
"""Where a field is: its message's first byte, and its number in a message of several."""


_ONE_AT_A_TIME = Lock()
"""ecCodes may be built without support of threads."""


class GribArray(Stored):
    """Fields of a GRIB file along axes of their own, such as time and level.

    Args:
        path: the file.
        places: of each field, along those axes.
        field_shape: (latitudes, longitudes) as the file scans them: of columns if `by_columns`.
        by_columns: whether neighbours in the file lie along a meridian.
        alternating: whether every other row is scanned backwards.
    """

    def __init__(
        self,
        path: Path,
        places: NDArray[np.object_],
        field_shape: tuple[int, int],
        *,
        by_columns: bool = False,
        alternating: bool = False,
    ) -> None:
        self.path, self.places, self.field_shape = path, places, field_shape
        self.by_columns, self.alternating = by_columns, alternating
        self.shape = (*places.shape, *field_shape)
        self.chunk_shape = (*[1] * places.ndim, *field_shape)
        self.dtype = np.dtype(np.float32)

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        from cfgrib.messages import FileStream

        fields = FileStream(str(self.path), errors="raise")
        spans = box[: self.places.ndim]
        for at in itertools.product(*[range(span.start, span.stop) for span in spans]):
            where = tuple(
                slice(i - s.start, i - s.start + 1) for i, s in zip(at, spans, strict=True)
            )
            values = self._field(fields, self.places[at])[box[-2:]]
            inside = (slice(0, values.shape[0]), slice(0, values.shape[1]))
            yield (*where, *inside), values.reshape(*[1] * len(where), *values.shape)

    def _field(self, fields: Any, place: Place) -> NDArray[np.float32]:
        """(latitudes, longitudes) of one field, NaN where its bitmap leaves it out."""
        try:
            with _ONE_AT_A_TIME:
                message = fields[place]
                values, missing = message["values"], message["missingValue"]
                del message
        except Exception as error:  # ecCodes has errors of its own
            reason = " ".join(str(error).split())
            raise OSError(
                f"{self.path}: the message at byte {place} cannot be read ({reason}); the "
                "file changed or is damaged: download it again"
            ) from None
        if np.size(values) != np.prod(self.field_shape):
            raise OSError(f"{self.path}: the message at byte {place} is another; open it again")
        return self.arranged(np.where(values == missing, np.nan, values)).astype(np.float32)

    def arranged(self, values: NDArray[Any]) -> NDArray[Any]:
        """(latitudes, longitudes) of what the file holds in a row."""
        height, width = self.field_shape
        rows = values.reshape((width, height) if self.by_columns else (height, width))
        if self.alternating:
            rows = rows.copy()
            rows[1::2] = rows[1::2, ::-1]
        return rows.T if self.by_columns else rows
