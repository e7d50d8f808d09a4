"""For the tests of recordings: what Perfetto's own schema reads from a file, and a world of clients and servers."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent  # type: ignore[import-untyped]

from srr.state import Blocked, Lane
from srr.trace.events import Change, Kind, Transaction


@dataclass
class Slice:
    name: str
    begin: int
    depth: int
    track: int
    flows: list[int]
    end: int | None = None
    notes: dict[str, int | str] = field(default_factory=dict)


@dataclass
class Drawn:
    """All slices of a trace, by track in the order of their beginning; and the tracks' descriptors."""

    slices: list[Slice] = field(default_factory=list)
    tracks: dict[int, Any] = field(default_factory=dict)
    packets: int = 0

    def named(self, start: str) -> list[Slice]:
        return [each for each in self.slices if each.name.startswith(start)]

    def flows(self) -> dict[int, list[Slice]]:
        found: dict[int, list[Slice]] = defaultdict(list)
        for each in self.slices:
            for flow in each.flows:
                found[flow].append(each)
        return found


def whole(data: bytes) -> bytes:
    """Without the packet that is not there as a whole, if there is one: the writer was killed, or writes."""
    at = 0
    while at < len(data):
        assert data[at] == 0x0A
        nbytes, shift, place = 0, 0, at + 1
        while place < len(data) and data[place] & 0x80:
            nbytes |= (data[place] & 0x7F) << shift
            shift, place = shift + 7, place + 1
        if place >= len(data) or place + 1 + (nbytes | data[place] << shift) > len(data):
            break
        at = place + 1 + (nbytes | data[place] << shift)
    return data[:at]


def drawn(data: bytes | Path) -> Drawn:
    """By the official schema. AssertionError where slices of a track do not follow one another or nest."""
    trace = Trace()
    trace.ParseFromString(data if isinstance(data, bytes) else data.read_bytes())
    found = Drawn(packets=len(trace.packet))
    names: dict[int, str] = {}
    keys: dict[int, str] = {}
    open_slices: dict[int, list[Slice]] = defaultdict(list)
    last: dict[int, int] = defaultdict(int)
    for packet in trace.packet:
        if packet.sequence_flags & 1:
            names.clear()
            keys.clear()
        names |= {entry.iid: entry.name for entry in packet.interned_data.event_names}
        keys |= {entry.iid: entry.name for entry in packet.interned_data.debug_annotation_names}
        if packet.HasField("track_descriptor"):
            descriptor = packet.track_descriptor
            assert not descriptor.parent_uuid or descriptor.parent_uuid in found.tracks
            found.tracks[descriptor.uuid] = descriptor
        if not packet.HasField("track_event"):
            continue
        event, track = packet.track_event, packet.track_event.track_uuid
        assert track in found.tracks
        if event.type == TrackEvent.TYPE_INSTANT:
            continue
        assert packet.timestamp >= last[track], "slices of a track overlap"
        last[track] = packet.timestamp
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            flows = [*event.flow_ids, *event.terminating_flow_ids]
            begun = Slice(names[event.name_iid], packet.timestamp, len(open_slices[track]), track, flows)
            open_slices[track].append(begun)
            found.slices.append(begun)
        else:
            ended = open_slices[track].pop()
            ended.end = packet.timestamp
            ended.notes = {
                keys[note.name_iid]: note.string_value or note.uint_value for note in event.debug_annotations
            }
    return found


class World:
    """Clients and servers that do what the library lets them, one step after another, and what probes say of it."""

    def __init__(self, seed: int, clients: int = 5, servers: int = 3) -> None:
        self.random = random.Random(seed)
        self.now = 10_000
        self.servers = [100 + n for n in range(servers)]
        self.clients = [1000 + n for n in range(clients)]
        self.ids = 5000
        #: By client, one thread each: its Send.
        self.sending: dict[int, Transaction] = {}
        self.state: dict[int, Blocked] = {}
        self.receiving: set[int] = set()
        self.events: list[Transaction | Change] = []

    def tick(self) -> int:
        self.now += self.random.randrange(1, 3000)
        return self.now

    def step(self) -> None:
        moves = [self.send, self.receive, self.receive, self.reply, self.reply, self.leave, self.relay, self.wait]
        self.random.choice(moves)()

    def change(self, kind: Kind, pid: int, peer: int = 0, number: int = 0, nbytes: int = 0, extra: int = 0) -> None:
        client = peer if kind in (Kind.RECEIVE, Kind.REPLY, Kind.RELAY) else 0
        self.events.append(Change(self.tick(), kind, pid, pid, peer, client, number, nbytes, 1, extra))

    def send(self) -> None:
        idle = [client for client in self.clients if client not in self.sending]
        if idle:
            client, server = self.random.choice(idle), self.random.choice(self.servers)
            began = self.tick()
            self.publish(
                Transaction(
                    client, client, server, 0, began, 0, 0, 0, 0, 0, 0, 0, self.random.randrange(100), 0,
                    Lane.INLINE, Lane.INLINE, 0, False, 0, None,
                ),
                server,
            )  # fmt: skip

    def publish(self, it: Transaction, server: int) -> None:
        self.ids += 1
        self.sending[it.client] = it._replace(
            id=self.ids, server=server, server_thread=0, published_ns=self.tick(), legs=it.legs + 1, received_ns=0
        )
        self.state[it.client] = Blocked.SEND
        self.change(Kind.SEND, it.client, server, self.ids, it.sent)

    def some(self, state: Blocked) -> Transaction | None:
        found = [it for client, it in self.sending.items() if self.state[client] is state]
        return self.random.choice(found) if found else None

    def receive(self) -> None:
        it = self.some(Blocked.SEND)
        if it is not None:
            self.wake(it.server)
            self.sending[it.client] = it._replace(received_ns=self.tick(), server_thread=it.server, received=True)
            self.state[it.client] = Blocked.REPLY
            self.change(Kind.RECEIVE, it.server, it.client, it.id, it.sent, it.sent)

    def reply(self) -> None:
        it = self.some(Blocked.REPLY)
        if it is not None:
            self.change(Kind.REPLY, it.server, it.client, it.id, 7)
            self.end(it._replace(replied_ns=self.tick(), replied=7))

    def leave(self) -> None:
        it = self.some(self.random.choice([Blocked.SEND, Blocked.REPLY]))
        if it is not None:
            self.end(it._replace(status=110))

    def end(self, it: Transaction) -> None:
        woken = self.tick()
        self.events.append(it._replace(woken_ns=woken, ended_ns=self.tick()))
        del self.sending[it.client], self.state[it.client]

    def relay(self) -> None:
        it = self.some(Blocked.REPLY)
        if it is not None:
            server = self.random.choice(self.servers)
            self.change(Kind.RELAY, it.server, it.client, it.id, extra=server)
            self.publish(it, server)

    def wait(self) -> None:
        server = self.random.choice(self.servers)
        if server not in self.receiving:
            self.receiving.add(server)
            self.change(Kind.WAIT, server)

    def wake(self, server: int) -> None:
        if server in self.receiving:
            self.receiving.discard(server)
            self.change(Kind.WAKE, server)

    def blocked(self) -> dict[int, tuple[Blocked, int, int, int, int]]:
        """By client: state, server, id, bytes, who has it."""
        return {
            client: (self.state[client], it.server, it.id, it.sent, it.server_thread)
            for client, it in self.sending.items()
        }


__all__ = ["Drawn", "Slice", "World", "drawn", "whole"]
