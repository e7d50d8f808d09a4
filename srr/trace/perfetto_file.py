"""Perfetto's packets: tracks, slices, instants and the arrows between slices, as messages of its own schema.

https://perfetto.dev/docs/reference/synthetic-track-event says what each field means to its viewer. Names that come
again (interned) are written once. What is built is taken as bytes and written by somebody else.
"""

from __future__ import annotations

from typing import Any

from srr.shown import printable

try:
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import (  # type: ignore[import-untyped]
        ClockSnapshot,
        Trace,
        TracePacket,
        TrackDescriptor,
        TrackEvent,
    )
except ImportError as error:
    raise ImportError("recording needs the packages perfetto and protobuf: pip install 'srr[trace]'") from error

_SEQUENCE = 1
_CLEARED = TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
_NEEDED = TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
_BEGIN, _END, _INSTANT = TrackEvent.TYPE_SLICE_BEGIN, TrackEvent.TYPE_SLICE_END, TrackEvent.TYPE_INSTANT
#: ClockSnapshot's numbers of clocks.
_REALTIME, _MONOTONIC, _BOOTTIME = 1, 3, 6
#: Longest name that is written: they are other people's.
_NAME_MAX = 200
#: Names remembered as interned. Beyond that a new sequence of names is begun.
_NAMES_MAX = 4096

#: What is shown with a slice or an instant.
Notes = dict[str, int | str]


class Packets:
    """Builds packets; ``take`` gives what has been built since."""

    def __init__(self) -> None:
        #: Numbers of the notes' keys, of which there are few.
        self._keys: dict[str, int] = {}
        self._trace = Trace()
        self._names: dict[str, int] = {}
        self._uuids = 0

    def take(self) -> bytes:
        data: bytes = self._trace.SerializeToString()
        self._trace.Clear()
        return data

    def begin_file(self, now_ns: int, wall_ns: int, boot_ns: int) -> None:
        """The clocks: all times are CLOCK_MONOTONIC, and this is how the others stood then."""
        packet = self._begin_names()
        packet.clock_snapshot.primary_trace_clock = _MONOTONIC
        for number, value in ((_MONOTONIC, now_ns), (_REALTIME, wall_ns), (_BOOTTIME, boot_ns)):
            packet.clock_snapshot.clocks.append(ClockSnapshot.Clock(clock_id=number, timestamp=value))

    def note_end(self, when_ns: int, notes: Notes) -> None:
        """An instant on a track of its own: how the recording went."""
        described, uuid = self._track()
        described.name = "srr-trace"
        self.instant(uuid, when_ns, "end of the recording", notes)

    # ---- tracks

    def process(self, pid: int, name: str, uuid: int = 0) -> int:
        """A track of a process; its uuid. ``uuid``: it is that one, and has another name now."""
        described, uuid = self._track(uuid)
        described.process.pid = pid
        described.process.process_name = _text(name)
        return uuid

    def thread(self, pid: int, tid: int, name: str) -> int:
        """A track of a thread, which its numbers put below its process."""
        described, uuid = self._track()
        described.thread.pid = pid
        described.thread.tid = tid
        described.thread.thread_name = _text(name)
        return uuid

    def child(self, parent: int, name: str) -> int:
        """A further track below another."""
        described, uuid = self._track()
        described.parent_uuid = parent
        described.name = _text(name)
        # Those of one name are one above another, not one: each holds slices of its own.
        described.sibling_merge_behavior = TrackDescriptor.SIBLING_MERGE_BEHAVIOR_NONE
        return uuid

    def _track(self, uuid: int = 0) -> tuple[TrackDescriptor, int]:
        if not uuid:
            uuid = self._uuids = self._uuids + 1
        described = self._packet().track_descriptor
        described.uuid = uuid
        return described, uuid

    # ---- what happens on them

    def begin(self, track: int, when_ns: int, name: str, flow: int = 0, ends_flow: bool = False) -> None:
        """A slice begins. ``flow``: an arrow goes from slice to slice that have the same one."""
        event = self._event(_BEGIN, track, when_ns, name)
        if flow:
            (event.terminating_flow_ids if ends_flow else event.flow_ids).append(flow)

    def end(self, track: int, when_ns: int, notes: Notes | None = None) -> None:
        """The innermost slice ends. ``notes`` are shown with it."""
        self._event(_END, track, when_ns, None, notes)

    def instant(self, track: int, when_ns: int, name: str, notes: Notes | None = None) -> None:
        self._event(_INSTANT, track, when_ns, name, notes)

    def _event(self, kind: Any, track: int, when_ns: int, name: str | None, notes: Notes | None = None) -> TrackEvent:
        notes = notes or {}
        self._intern_keys(notes)
        number = 0 if name is None else self._names.get(name) or self._intern(name)
        packet = self._packet(_NEEDED)
        packet.timestamp = when_ns
        event = packet.track_event
        event.type = kind
        event.track_uuid = track
        if number:
            event.name_iid = number
        for key, value in notes.items():
            note = event.debug_annotations.add()
            note.name_iid = self._keys[key]
            if isinstance(value, str):
                note.string_value = _text(value)
            else:
                note.uint_value = value
        return event

    # ---- packets, and the names in them

    def _packet(self, flags: int = 0) -> TracePacket:
        packet = self._trace.packet.add()
        packet.trusted_packet_sequence_id = _SEQUENCE
        if flags:
            packet.sequence_flags = flags
        return packet

    def _intern(self, name: str) -> int:
        """A name's number, from now on."""
        if len(self._names) >= _NAMES_MAX:
            self._begin_names()
        number = self._names[name] = len(self._names) + 1
        self._packet(_NEEDED).interned_data.event_names.add(iid=number, name=_text(name))
        return number

    def _intern_keys(self, notes: Notes) -> None:
        for key in notes:
            if key not in self._keys:
                number = self._keys[key] = len(self._keys) + 1
                self._packet(_NEEDED).interned_data.debug_annotation_names.add(iid=number, name=key)

    def _begin_names(self) -> TracePacket:
        """The names' numbers are free again."""
        self._names.clear()
        packet = self._packet(_CLEARED)
        packet.trace_packet_defaults.timestamp_clock_id = _MONOTONIC
        for key, number in self._keys.items():
            packet.interned_data.debug_annotation_names.add(iid=number, name=key)
        return packet


def _text(name: str) -> str:
    """Short, and nothing in it that steers or that is no Unicode."""
    return printable(name)[:_NAME_MAX]
