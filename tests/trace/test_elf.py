"""Finding probes in files that other processes chose: whatever is odd about one, it has no probes, and soon."""

from __future__ import annotations

import functools
import io
import os
import struct
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from srr import facts
from srr.trace import elf
from srr.trace.copies import Copies

#: Where ELF's file header has what can do harm: the section table's offset, its entries' size and count, the names'.
_E_SHOFF, _E_SHENTSIZE, _E_SHNUM, _E_SHSTRNDX = 40, 58, 60, 62
_PATIENCE = 5.0


@functools.cache
def whole() -> bytes:
    return Path(facts.extension()).read_bytes()


@functools.cache
def sections() -> tuple[int, int]:
    """Offset and count of the section headers, of 64 bytes each."""
    return struct.unpack_from("<Q", whole(), _E_SHOFF)[0], struct.unpack_from("<H", whole(), _E_SHNUM)[0]


def probes(data: bytes) -> dict[str, elf.Site]:
    begun = time.monotonic()
    found = elf.probes(io.BytesIO(data))
    assert time.monotonic() - begun < _PATIENCE
    return found


def test_the_extension_has_them_all() -> None:
    assert {"send", "receive", "reply", "done", "idle", "frames"} < set(probes(whole()))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_bytes_that_are_no_file_of_ours(data: bytes) -> None:
    assert probes(data) == {}
    assert probes(b"\x7fELF\x02\x01\x01" + data) == {}


@given(st.integers(0, 1 << 40))
@settings(max_examples=30, deadline=None)
def test_files_cut_off(end: int) -> None:
    data = whole()[: end % len(whole())]
    assert probes(data) == {}, "without its section headers, which are at its end"


@given(
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from([0, 1, 0x7F, 0x80, 0xFF])), min_size=1, max_size=8
    )
)
@settings(max_examples=120, deadline=None)
def test_headers_with_bytes_changed(changes: list[tuple[float, int]]) -> None:
    """In the file's own header and in those of its sections and segments: sizes, offsets, counts, types."""
    data = bytearray(whole())
    offset, count = sections()
    places = [*range(16, 64), *range(64, 64 + 56 * 8), *range(offset, offset + 64 * count)]
    for where, value in changes:
        data[places[int(where * len(places))]] = value
    for site in probes(bytes(data)).values():
        assert 0 <= site.offset < 1 << 64


@given(st.integers(0, 63), st.sampled_from([24, 32, 40, 56]), st.integers(0, 2**64 - 1))
@example(0, 32, 2**63)
@settings(max_examples=100, deadline=None)
def test_sections_of_absurd_sizes(section: int, field: int, value: int) -> None:
    data = bytearray(whole())
    offset, count = sections()
    struct.pack_into("<Q", data, offset + 64 * (section % count) + field, value)
    probes(bytes(data))


def test_a_count_of_sections_that_is_elsewhere() -> None:
    """With 0 in the header it is the first section's size: 64 bits, and anybody's."""
    data = bytearray(whole())
    struct.pack_into("<H", data, _E_SHNUM, 0)
    struct.pack_into("<Q", data, sections()[0] + 32, 1 << 60)
    assert probes(bytes(data)) == {}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_notes_with_bytes_changed(data: st.DataObject) -> None:
    file = bytearray(whole())
    at = file.index(b"stapsdt\0") - 12
    for _ in range(data.draw(st.integers(1, 6))):
        file[at + data.draw(st.integers(0, 600))] = data.draw(st.integers(0, 255))
    probes(bytes(file))


def test_arguments_elsewhere_are_no_probe_of_ours() -> None:
    """The programs read registers: a probe that passes them otherwise must not be attached to."""
    changed = whole().replace(b"8@%rdi 8@%rsi", b"8@%rdi 4@%esi").replace(b"8@x0 8@x1", b"8@x0 4@w1")
    assert changed != whole()
    assert probes(changed) == {}


def test_a_fifo_in_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening one waits for a writer that never comes."""
    os.mkfifo(tmp_path / "libsrr.so")
    monkeypatch.setattr(facts, "extension", lambda: str(tmp_path / "libsrr.so"))
    monkeypatch.setattr("srr.trace.copies._search", lambda library: [])
    assert list(Copies().installed()) == []


def test_a_number_that_comes_back_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "libsrr.so"
    file.write_bytes(b"nothing")
    monkeypatch.setattr(facts, "extension", lambda: str(file))
    monkeypatch.setattr("srr.trace.copies._search", lambda library: [])
    copies = Copies()
    assert list(copies.installed()) == []
    file.write_bytes(whole())  # the same inode
    os.utime(file, ns=(1, 1))
    assert [copy.path for copy in copies.installed()] == [str(file)]
    os.utime(file, ns=(2, 2))
    assert list(copies.installed()) == [], "one that is attached to stays what it is"
