"""The messages of the demo: a head in front of each message, an ack in front of each reply."""

from __future__ import annotations

import enum
import json
import struct
from typing import Any, NamedTuple

#: Magic, kind, number of the sender, sequence number among its messages to this server.
HEAD = struct.Struct("<3sBIQ")
#: Lane on which the message came, order, number of the answerer, sequence number of the message.
ACK = struct.Struct("<BBxxIQ")
#: Room for a reply to anything but a bundle. Larger than any of them.
ROOM = 64 << 10

#: One bundle of files: length of the manifest behind the head, then the files' bytes.
MANIFEST = struct.Struct("<Q")
#: What an archivist puts on record: the mover's number, its bundle's number, files and bytes in it.
RECEIPT = struct.Struct("<IxxxxQQQ")

#: Bytes of files in one message at most, and how many parts of files. An archivist has room for both: a path has up to
#: 4096 bytes, and JSON writes up to six characters for each.
BUNDLE_MAX = 8 << 20
PARTS_MAX = 1500
BUNDLE_ROOM = BUNDLE_MAX + PARTS_MAX * (6 * 4096 + 128)
DIGEST = 16
#: How much nicer movers and archivists are: bulk work gives way to control, as it did on QNX4 by priority.
BULK = 10


class Kind(enum.IntEnum):
    """What a message is about."""

    HELLO = 1  #: to the supervisor: here I am; the reply are my orders, when all are here
    REPORT = 2  #: to the supervisor: how far I am; the reply says whether to go on
    EVENT = 3  #: to the supervisor: my server died, or I served my first message
    FINAL = 4  #: to the supervisor: my whole account
    READING = 5  #: sensor to driver: a file of /proc or /sys, as it read
    SAMPLE = 6  #: driver to controller: counters and gauges
    RECORD = 7  #: controller to logger: figures
    QUERY = 8  #: controller to logger: what was the mean of this figure?
    BUNDLE = 9  #: mover to archivist: files
    RECEIPT = 10  #: archivist to logger: this bundle is checked and kept
    BYE = 11  #: to any server: this was my last message


_KINDS = frozenset(Kind)


class Order(enum.IntEnum):
    """What an ack asks of the sender."""

    GO_ON = 0
    FINISH = 1


_MAGIC = b"srr"


class Head(NamedTuple):
    """What stands in front of a message."""

    kind: Kind
    client: int
    sequence: int

    def pack(self) -> bytes:
        """For the wire."""
        return HEAD.pack(_MAGIC, *self)


def head(message: bytes | memoryview) -> Head | None:
    """Whose message it is; None: not of a process of this demo (somebody tries `srr send`)."""
    if len(message) < HEAD.size:
        return None
    magic, kind, client, sequence = HEAD.unpack_from(message)
    return Head(Kind(kind), client, sequence) if magic == _MAGIC and kind in _KINDS else None


def pack(value: Any) -> bytes:
    """JSON, compact."""
    return json.dumps(value, separators=(",", ":")).encode()


def unpack(data: bytes | memoryview) -> Any:
    """What ``pack`` packed."""
    return json.loads(bytes(data))
