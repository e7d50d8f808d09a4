"""What a recording says exactly, beside the tracks that Perfetto draws: events, surveys, losses. Pure.

A recording is a Perfetto trace: packets, each a field 1 of message Trace. Ours are packets with nothing in them but
field 1987, which is in the range that TracePacket keeps for extensions, so other readers pass them over. Its bytes are
a chunk: a head (HEAD) and a body, deflated. ``follows`` is how many bytes of tracks come after the chunk: a reader
that wants no tracks steps over them.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import IO, Any

from srr.processes import Process, Thread
from srr.state import Blocked, Flag
from srr.trace.events import SCHEMA, Change, Frames, Kind, Transaction, lane_of, when_of
from srr.trace.statemodel import Survey

FIELD = 1987

#: "srr", what kind, schema, first and last nanosecond, bytes of tracks that follow.
HEAD = struct.Struct("<3scHQQQ")
#: As session.Losses and others: what a body may inflate to. A hostile file ends here, not in all of the memory.
_BODY_MAX = 1 << 28

_COUNTS = struct.Struct("<3I")
_TRANSACTION = struct.Struct("<4i10Q2Bq?BiiQ")
_CHANGE = struct.Struct("<QB4iQQIqQ")
_FRAMES = struct.Struct("<QiiQ?HI")
#: Where there is no type, no peek.
_NONE = -1


class Damaged(Exception):
    """These bytes are no chunk of ours."""


class Newer(Exception):
    """Written by a newer version, of this schema."""

    def __init__(self, schema: int) -> None:
        super().__init__(schema)
        self.schema = schema


class Kinds(bytes, Enum):
    """Of chunks."""

    #: JSON: how it was recorded. The first chunk.
    HEADER = b"H"
    #: Transactions, changes and frames, each by time.
    EVENTS = b"E"
    #: JSON: a Survey.
    SURVEY = b"S"
    #: JSON: losses, counts, cost, imposed times so far.
    SUMS = b"M"
    #: JSON: who processes are, and symbols by pid and address, since the last one.
    NAMES = b"N"
    #: JSON: the end, in good order.
    END = b"Z"


@dataclass(frozen=True, slots=True)
class Head:
    kind: Kinds
    first_ns: int
    last_ns: int
    follows: int


# ---- writing


def encode(kind: Kinds, first_ns: int, last_ns: int, body: bytes, follows: int = 0) -> bytes:
    """A chunk as a packet of a Perfetto trace."""
    chunk = HEAD.pack(b"srr", kind.value, SCHEMA, first_ns, last_ns, follows) + zlib.compress(body, 1)
    packet = _varint(FIELD << 3 | 2) + _varint(len(chunk)) + chunk
    return b"\x0a" + _varint(len(packet)) + packet


def encode_json(kind: Kinds, first_ns: int, last_ns: int, value: Any, follows: int = 0) -> bytes:
    return encode(kind, first_ns, last_ns, pack_json(value), follows)


def pack_json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def pack_events(events: Sequence[Transaction | Change | Frames]) -> bytes:
    """A body of EVENTS."""
    transactions, changes, frames = bytearray(), bytearray(), bytearray()
    counts = [0, 0, 0]
    for event in events:
        if isinstance(event, Transaction):
            counts[0] += 1
            *plain, kind, peek, sequence = event
            npeek = _NONE if peek is None else len(peek)
            transactions += _TRANSACTION.pack(*plain, _NONE if kind is None else kind, npeek, sequence)
            transactions += peek or b""
        elif isinstance(event, Change):
            counts[1] += 1
            changes += _CHANGE.pack(*event)
        else:
            counts[2] += 1
            text = event.text.encode(errors="surrogatepass")
            frames += _FRAMES.pack(*event[:5], len(event.addresses), len(text))
            frames += struct.pack(f"<{len(event.addresses)}Q", *event.addresses) + text
    return _COUNTS.pack(*counts) + transactions + changes + frames


def survey_json(survey: Survey) -> dict[str, Any]:
    return {
        "began_ns": survey.began_ns,
        "ended_ns": survey.ended_ns,
        "processes": [
            {
                "pid": process.pid,
                "program": process.program,
                "names": process.names,
                "sent": process.sent,
                "received": process.received,
                "healed": process.healed,
                "clients": process.clients,
                "receivers": process.receivers,
                "flags": int(process.flags),
                "taken": list(process.taken.items()),
                "blocked": [
                    [t.tid, int(t.state), t.on, t.since_ns, t.sent, t.id, t.nbytes, t.taken_by] for t in process.blocked
                ],
            }
            for process in survey.processes
        ],
    }


# ---- reading: whatever the bytes are, Damaged or Newer are all that comes of them


def decode(packet: bytes) -> tuple[Head, bytes] | None:
    """Head and body, still deflated, of a packet of a trace. None: it is none of ours."""
    if not packet.startswith(_PREFIX):
        return None
    nbytes, at = _read_varint(packet, len(_PREFIX))
    if at + nbytes != len(packet) or nbytes < HEAD.size:
        raise Damaged("a chunk is cut short")
    magic, kind, schema, first, last, follows = HEAD.unpack_from(packet, at)
    if magic != b"srr":
        return None
    if schema > SCHEMA:
        raise Newer(schema)
    try:
        return Head(Kinds(kind), first, last, follows), packet[at + HEAD.size :]
    except ValueError:
        raise Damaged(f"a chunk of kind {kind!r}") from None


def inflate(body: bytes) -> bytes:
    try:
        machine = zlib.decompressobj()
        data = machine.decompress(body, _BODY_MAX)
    except zlib.error as error:
        raise Damaged(str(error)) from error
    if not machine.eof:
        raise Damaged("a chunk does not end")
    return data


def read_json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(inflate(body))
    except (ValueError, RecursionError) as error:
        raise Damaged(str(error)) from error
    if not isinstance(value, dict):
        raise Damaged("a chunk is no object")
    return value


def unpack_events(body: bytes) -> list[Transaction | Change | Frames]:
    """In the order in which a session tells them."""
    data = inflate(body)
    try:
        return list(_events(data))
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise Damaged(str(error)) from error


def _events(data: bytes) -> Iterator[Transaction | Change | Frames]:
    ntransactions, nchanges, nframes = _COUNTS.unpack_from(data)
    at, found = _COUNTS.size, list[Transaction | Change | Frames]()
    for _ in range(ntransactions):
        *plain, lane, reply_lane, status, received, legs, kind, npeek, sequence = _TRANSACTION.unpack_from(data, at)
        at += _TRANSACTION.size
        peek = None if npeek < 0 else data[at : at + npeek]
        at += max(npeek, 0)
        if at > len(data):
            raise Damaged("a message's beginning is cut short")
        lanes = (lane_of(lane), lane_of(reply_lane))
        last = (None if kind < 0 else kind, peek, sequence)
        found.append(Transaction._make((*plain, *lanes, status, received, legs, *last)))
    for _ in range(nchanges):
        when, kind, *rest = _CHANGE.unpack_from(data, at)
        at += _CHANGE.size
        found.append(Change(when, Kind(kind), *rest))
    for _ in range(nframes):
        *start, naddresses, ntext = _FRAMES.unpack_from(data, at)
        at += _FRAMES.size
        addresses = struct.unpack_from(f"<{naddresses}Q", data, at)
        at += 8 * naddresses
        text = data[at : at + ntext].decode(errors="surrogatepass")
        at += ntext
        found.append(Frames._make((*start, addresses, text)))
    found.sort(key=when_of)  # stable, as a session sorts them
    yield from found


def read_survey(body: bytes) -> Survey:
    value = read_json(body)
    try:
        return Survey(
            int(value["began_ns"]), int(value["ended_ns"]), tuple(_process(entry) for entry in value["processes"])
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Damaged(f"a survey lacks {error}") from error


def _process(entry: dict[str, Any]) -> Process:
    return Process(
        pid=int(entry["pid"]),
        program=str(entry["program"]),
        names=tuple(map(str, entry["names"])),
        sent=int(entry["sent"]),
        received=int(entry["received"]),
        healed=int(entry["healed"]),
        clients=int(entry["clients"]),
        receivers=int(entry["receivers"]),
        flags=Flag(int(entry["flags"])),
        taken={int(client): int(server) for client, server in entry["taken"]},
        blocked=tuple(Thread(int(tid), Blocked(int(state)), *map(int, rest)) for tid, state, *rest in entry["blocked"]),
    )


def packet_at(file: IO[bytes], at: int, size: int) -> tuple[int, bytes] | None:
    """Where the packet at ``at`` ends, and its bytes if it may be a chunk of ours, else b"". None: the file ends before
    it does. Damaged: there is none."""
    file.seek(at)
    start = file.read(11)
    if start[:1] != b"\x0a":
        if not start:
            return None
        raise Damaged(f"no packet at byte {at}")
    try:
        nbytes, head = _read_varint(start, 1)
    except Damaged:
        if len(start) < 11:
            return None  # cut in the middle of the length
        raise
    end = at + head + nbytes
    if end > size:
        return None
    if start[head : head + len(_PREFIX)] != _PREFIX:
        return end, b""
    file.seek(at + head)
    data = file.read(nbytes)
    return (end, data) if len(data) == nbytes else None


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        if at >= len(data):
            raise Damaged("a length is cut short")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at
    raise Damaged("a length is absurd")


_PREFIX = _varint(FIELD << 3 | 2)
