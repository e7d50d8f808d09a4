"""Reading a ring: against memory that is laid out as the kernel does it."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srr.trace.ring import Ring

_PAGE = mmap.PAGESIZE
_BUSY, _DISCARDED = 1 << 31, 1 << 30
_LAYOUT = struct.Struct("<QI")  # 12 bytes: padded to 16
_STRIDE = 24


class Kernel:
    """The other end: a memfd with the consumer's page, the producer's, and the data twice in a row."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * _PAGE + 2 * _PAGE)
        self.size = _PAGE
        self.memory = mmap.mmap(self.fd, 4 * _PAGE)
        self.ring = Ring(self.fd, self.size, _LAYOUT)

    def put(self, n: int, flags: int = 0, length: int = 12) -> None:
        """A record, in both copies of the data."""
        at = self.produced % self.size
        record = struct.pack("<II", length | flags, 0) + _LAYOUT.pack(n, n % 1000) + bytes(4)
        for i, byte in enumerate(record):
            for copy in (0, self.size):
                self.memory[2 * _PAGE + copy + (at + i) % self.size] = byte
        self.produced += _STRIDE

    def finish(self, position: int) -> None:
        """That record is written now."""
        for copy in (0, self.size):
            at = 2 * _PAGE + copy + position % self.size
            self.memory[at + 3] &= 0x7F

    @property
    def produced(self) -> int:
        return int(struct.unpack_from("<Q", self.memory, _PAGE)[0])

    @produced.setter
    def produced(self, position: int) -> None:
        struct.pack_into("<Q", self.memory, _PAGE, position)

    @property
    def consumed(self) -> int:
        return int(struct.unpack_from("<Q", self.memory, 0)[0])

    def close(self) -> None:
        self.ring.close()
        self.memory.close()
        os.close(self.fd)


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    yield made
    made.close()


def numbers(kernel: Kernel) -> list[int]:
    return [record[0] for record in kernel.ring.drain()]


def test_it_gives_room_back(kernel: Kernel) -> None:
    for n in range(10):
        kernel.put(n)
    assert numbers(kernel) == list(range(10))
    assert kernel.consumed == kernel.produced
    assert numbers(kernel) == []


def test_what_is_being_written_is_waited_for(kernel: Kernel) -> None:
    kernel.put(1)
    position = kernel.produced
    kernel.put(2, _BUSY)
    kernel.put(3)
    assert numbers(kernel) == [1]
    assert kernel.consumed == position
    assert numbers(kernel) == []
    kernel.finish(position)
    assert numbers(kernel) == [2, 3]


def test_what_was_given_up_is_skipped(kernel: Kernel) -> None:
    for n in range(6):
        kernel.put(n, _DISCARDED if n % 2 else 0)
    assert numbers(kernel) == [0, 2, 4]
    assert kernel.consumed == kernel.produced


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60))
def test_round_and_round(steps: list[tuple[int, bool]]) -> None:
    """However full it is when it is read: each record once, in its order, over many laps."""
    kernel = Kernel()
    put = 0
    got: list[int] = []
    for count, drain in steps:
        for _ in range(count):
            if kernel.produced + _STRIDE - kernel.consumed > kernel.size:
                break
            kernel.put(put)
            put += 1
        if drain:
            got += numbers(kernel)
            assert kernel.consumed == kernel.produced
    got += numbers(kernel)
    assert got == list(range(put))
    kernel.close()
