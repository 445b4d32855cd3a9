"""How long a file of the classic NetCDF format must be.

Libraries read what lies past the end of such a file as zeros, so that a download that broke off
looks like weather. The format: https://docs.unidata.ucar.edu/nug/current/file_format_specifications.html
"""

import math
from pathlib import Path
from typing import BinaryIO

__all__ = ["MAGIC", "required_bytes"]

MAGIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
"""First bytes of the classic format, that of 64-bit offsets, and that of 64-bit data."""

TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a value by the code of its type: byte, char, short, int, float, double, …"""
UNKNOWN_RECORDS = 2**32 - 1
"""Number of records of a file whose writer did not say."""


class _Header:
    """Reads the header of a file, field by field."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        version = self._bytes(4)[3]
        self._count_bytes, self._offset_bytes = 8 if version == 5 else 4, 4 if version == 1 else 8

    def _bytes(self, length: int) -> bytes:
        found = self._file.read(length)
        if len(found) < length:
            raise ValueError("its header is cut off")
        return found

    def count(self) -> int:
        return int.from_bytes(self._bytes(self._count_bytes), "big")

    def offset(self) -> int:
        return int.from_bytes(self._bytes(self._offset_bytes), "big")

    def kind(self) -> int:
        return int.from_bytes(self._bytes(4), "big")

    def entries(self) -> range:
        """The entries of a list, which begins with its kind and their number."""
        self.kind()
        return range(self.count())

    def skip_name(self) -> None:
        self._skip(self.count())

    def skip_attributes(self) -> None:
        for _ in self.entries():
            self.skip_name()
            self._skip(TYPE_BYTES[self.kind()] * self.count())

    def _skip(self, length: int) -> None:
        self._file.seek(_padded(length), 1)


def required_bytes(path: Path) -> int:
    """The size that the header of a file promises (bytes); the header's own is the least.

    Raises:
        ValueError: the header is cut off or damaged.
    """
    with path.open("rb") as file:
        try:
            return _required(file)
        except KeyError as error:
            raise ValueError(f"its header names a type {error} that there is not") from None


def _required(file: BinaryIO) -> int:
    header = _Header(file)
    num_records = header.count()
    lengths = []
    for _ in header.entries():
        header.skip_name()
        lengths.append(header.count())
    header.skip_attributes()
    ends, records = [], []
    for _ in header.entries():
        header.skip_name()
        shape = [lengths[header.count()] for _ in range(header.count())]
        header.skip_attributes()
        item = TYPE_BYTES[header.kind()]
        header.count()  # its size, which is not kept for large ones
        begin = header.offset()
        if shape[:1] == [0]:  # the length of the dimension of records
            records.append((begin, item * math.prod(shape[1:])))
        else:
            ends.append(begin + item * math.prod(shape))
    if records and 0 < num_records < UNKNOWN_RECORDS:
        # A record holds a part of each variable, padded unless it is the only one.
        step = records[0][1] if len(records) == 1 else sum(_padded(size) for _, size in records)
        ends += [begin + (num_records - 1) * step + size for begin, size in records]
    return max([file.tell(), *ends])


def _padded(length: int) -> int:
    return -(-length // 4) * 4
