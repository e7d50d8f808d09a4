"""Measurements behind `srr bench`: what a message costs, beside what Python has otherwise, in one run.

    run.py ──orders──▶ client.py (one process a transport; measures) ◀──messages──▶ its server
             JSON                                                       peer.py, or a multiprocessing child

All pairs live through the whole run and work in turn, a chunk of calls each, round after round: what disturbs
the machine for a while disturbs all of them. Every call carries a stamp that its reply must bring back, and
each chunk ends with a message of random bytes whose checksum the server returns.
"""

from __future__ import annotations

import struct
import zlib

#: A message begins with its stamp and whether the server is to answer with its checksum.
HEADER = struct.Struct("<QI")
#: A reply: the stamp, the checksum or 0, and filling to 64 bytes.
ANSWER = struct.Struct("<QI52x")
SMALLEST = HEADER.size


def answer(message: memoryview, reply: bytearray) -> None:
    """The servers' work, the same behind each transport."""
    stamp, wanted = HEADER.unpack_from(message)
    ANSWER.pack_into(reply, 0, stamp, zlib.crc32(message) if wanted else 0)
