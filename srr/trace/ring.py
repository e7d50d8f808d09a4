"""Reading a BPF ring buffer without a call per record: it is mapped, and a run of equal records is unpacked at once.

Each record: 4 bytes of length (bit 31: being written, stop here; bit 30: given up, skip it), 4 more, the payload,
padded to 8. The data are mapped twice in a row, so no run ever wraps. Positions are read and written as whole words:
byte by byte, the kernel could see half of a new one and take the ring for full.
"""

from __future__ import annotations

import itertools
import mmap
import struct
from collections.abc import Iterator
from typing import Any

_BUSY = 1 << 31
_PAGE = mmap.PAGESIZE


class Ring:
    """One ring map, by its descriptor; all its records are ``size`` bytes long."""

    def __init__(self, fd: int, nbytes: int, layout: struct.Struct) -> None:
        self._size = nbytes
        self._payload = layout.size
        padded = (self._payload + 7) & ~7
        self._stride = 8 + padded
        self._record = struct.Struct(f"<I4x{layout.format.lstrip('<')}{padded - self._payload}x")
        self._consumer_map = mmap.mmap(fd, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self._data_map = mmap.mmap(fd, _PAGE + 2 * nbytes, mmap.MAP_SHARED, mmap.PROT_READ, offset=_PAGE)
        self._whole = memoryview(self._data_map)
        self._consumer = memoryview(self._consumer_map)[:8].cast("Q")
        self._producer = self._whole[:8].cast("Q")
        self._data = self._whole[_PAGE:]

    def close(self) -> None:
        for view in (self._consumer, self._producer, self._data, self._whole):
            view.release()
        self._consumer_map.close()
        self._data_map.close()

    def drain(self, most: int = 1 << 20) -> Iterator[tuple[Any, ...]]:
        """The records that are there, at most so many, unpacked. Their room is given back before they are yielded."""
        position, end = self._consumer[0], self._producer[0]
        while position < end and most > 0:
            at = position % self._size
            count = min(end - position, most * self._stride) // self._stride
            if count == 0:
                break
            run = bytes(self._data[at : at + count * self._stride])
            records = list(self._record.iter_unpack(run))
            if any(record[0] != self._payload for record in records):
                records = list(itertools.takewhile(lambda record: not record[0] & _BUSY, records))
            position += len(records) * self._stride
            self._consumer[0] = position
            most -= len(records)
            yield from (record[1:] for record in records if record[0] == self._payload)
            if len(records) < count:
                break
