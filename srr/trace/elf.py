"""Where a file's probes are: its USDT notes, read from the ELF file with pyelftools.

Files come from other processes' mappings: whatever is odd about one makes it a file without probes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

PROVIDER = "srr"

#: How the six arguments must be passed: as the programs in bpf/ read them.
_ARGUMENTS = {
    "EM_X86_64": "8@%rdi 8@%rsi 8@%rdx 8@%rcx 8@%r8 8@%r9",
    "EM_AARCH64": "8@x0 8@x1 8@x2 8@x3 8@x4 8@x5",
}
_NOTES = ".note.stapsdt"
_LARGEST_NOTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Site:
    """A probe's place: offsets in the file."""

    offset: int
    semaphore: int


def probes(file: BinaryIO) -> dict[str, Site]:
    """The probes of provider ``srr``; empty if the file has none that the tracer can use."""
    try:
        elf = ELFFile(file)
        section = elf.get_section_by_name(_NOTES)
        if section is None or section["sh_size"] > _LARGEST_NOTES or elf.elfclass != 64 or not elf.little_endian:
            return {}
        base = elf.get_section_by_name(".stapsdt.base")
        moved = 0 if base is None else base["sh_addr"]
        found: dict[str, Site] = {}
        for note in _notes(section.data()):
            location, noted_base, semaphore, provider, name, arguments = note
            if provider != PROVIDER or arguments != _ARGUMENTS.get(elf["e_machine"]) or name in found or not semaphore:
                continue
            moves = moved - noted_base if moved and noted_base else 0
            offset, counter = _offset(elf, location + moves), _offset(elf, semaphore + moves)
            if offset is not None and counter is not None:
                found[name] = Site(offset, counter)
        return found
    except (ELFError, ValueError, KeyError, IndexError, struct.error, UnicodeDecodeError, OSError, OverflowError):
        return {}


def _notes(data: bytes) -> list[tuple[int, int, int, str, str, str]]:
    notes, at = [], 0
    while at + 12 <= len(data):
        owner_size, size, kind = struct.unpack_from("<III", data, at)
        begin = at + 12 + (owner_size + 3 & ~3)
        body = data[begin : begin + size]
        if kind == 3 and data[at + 12 : at + 20] == b"stapsdt\0" and len(body) == size > 24:
            provider, name, arguments = (part.decode("ascii") for part in body[24:].split(b"\0")[:3])
            notes.append((*struct.unpack_from("<QQQ", body), provider, name, arguments))
        at = begin + (size + 3 & ~3)
    return notes


def _offset(elf: Any, address: int) -> int | None:
    for segment in elf.iter_segments("PT_LOAD"):
        if segment["p_vaddr"] <= address < segment["p_vaddr"] + segment["p_filesz"]:
            return int(address - segment["p_vaddr"] + segment["p_offset"])
    return None
