"""Recordings without a tracer: chunks, tracks and the model of the table, on made-up and on broken data."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import World, drawn

from srr.processes import Process, Thread
from srr.state import Blocked, Flag, Lane
from srr.trace import chunks
from srr.trace.chunks import Kinds
from srr.trace.events import SCHEMA, Change, Clock, Frames, Kind, Transaction, when_of
from srr.trace.perfetto_file import Packets
from srr.trace.programs import CannotTrace, Wants
from srr.trace.recorder import CannotRecord, Writer
from srr.trace.recording import CannotReplay, Recording
from srr.trace.statemodel import StateModel, Survey
from srr.trace.tracks import Tracks

u64, i32 = st.integers(0, 2**64 - 1), st.integers(-(2**31), 2**31 - 1)
transactions = st.builds(
    Transaction,
    i32, i32, i32, i32, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64,
    st.sampled_from(Lane), st.sampled_from(Lane), st.integers(0, 2**31), st.booleans(), st.integers(0, 255),
    st.none() | st.integers(0, 65535), st.none() | st.binary(max_size=64), u64,
)  # fmt: skip
changes = st.builds(
    Change, u64, st.sampled_from(Kind), i32, i32, i32, i32, u64, u64, st.integers(0, 2**32 - 1),
    st.integers(-(2**63), 2**63 - 1), u64,
)  # fmt: skip
frames = st.builds(
    Frames, u64, i32, i32, u64, st.booleans(), st.lists(u64, max_size=48).map(tuple), st.text(max_size=50)
)  # fmt: skip
events = st.lists(transactions | changes | frames, max_size=20)


@given(events)
@settings(max_examples=200, deadline=None)
def test_events_are_read_back_as_they_were(told: list[Any]) -> None:
    kinds = (Transaction, Change, Frames)
    by_kind = [event for kind in kinds for event in told if isinstance(event, kind)]
    as_a_session_sorts = sorted(by_kind, key=when_of)
    back = chunks.unpack_events(zlib.compress(chunks.pack_events(told)))
    assert back == as_a_session_sorts
    assert [type(event) for event in back] == [type(event) for event in as_a_session_sorts]


def about(**more: Any) -> dict[str, Any]:
    wants = {"transactions": True, "changes": True}
    return {"clock_offset_ns": 10**18, "began_ns": 1, "wants": wants, "transfers": False, **more}


NO_SUMS: dict[str, Any] = {"lost": {}, "made": {}, "cost": {"hits": 5, "hit_ns": 600.0, "seconds": 1.0}, "imposed": []}


def written(path: Path, told: list[Any], *, finish: bool = True, surveys: tuple[Survey, ...] = ()) -> Path:
    writer = Writer(str(path), about())
    for survey in surveys:
        writer.survey(survey)
    for at in range(0, len(told), 50):
        writer.events(told[at : at + 50])
    if finish:
        writer.finish(when_of(told[-1]) if told else 1, NO_SUMS, "test")
    writer.close()
    return path


def replayed(path: Path, step: float = 0.000_01, **wants: Any) -> list[Any]:
    with (
        Recording(str(path)) as recording,
        recording.feed(Wants(transactions=True, changes=True, exits=True, **wants)) as feed,
    ):
        heard: list[Any] = []
        while recording.pace(step):
            heard += feed.drain()
        return heard + feed.finish()


def a_world(seed: int, steps: int = 600) -> World:
    world = World(seed)
    for _ in range(steps):
        world.step()
    return world


def test_a_file_gives_back_every_event_once_in_its_order(tmp_path: Path) -> None:
    world = a_world(1)
    told = sorted(world.events, key=when_of)
    assert len(told) > 300
    assert replayed(written(tmp_path / "t", told)) == told


@pytest.mark.parametrize("seed", range(10))
def test_the_model_is_the_table_after_each_event(seed: int) -> None:
    world, model = World(seed), StateModel()
    done = 0
    for _ in range(600):
        world.step()
        for event in world.events[done:]:
            model.apply(event)
        done = len(world.events)
        said = {
            thread.tid: (thread.state, thread.on, thread.id, thread.nbytes, thread.taken_by)
            for process in model.survey()
            for thread in process.blocked
            if thread.tid
        }
        assert said == world.blocked()
        taken = {process.pid: dict(process.taken) for process in model.survey() if process.taken}
        holding = {it.server for c, it in world.sending.items() if world.state[c] is Blocked.REPLY}
        assert taken.keys() == holding
        assert {process.pid for process in model.survey() if process.receivers} == world.receiving


@pytest.mark.parametrize("lost", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_slices_nest_whatever_was_lost(seed: int, lost: float) -> None:
    """And late by some microseconds, for clocks are what they are."""
    chance = random.Random(seed)
    packets = Packets()
    packets.begin_file(1, 2, 3)
    tracks = Tracks(packets, lambda pid: ("program", ()))
    told = [event for event in a_world(seed).events if chance.random() >= lost]
    for event in told:
        tracks.apply(event)
    tracks.finish()
    found = drawn(packets.take())  # it asserts that they nest
    sends = sum(isinstance(event, Transaction) for event in told)
    assert len([each for each in found.named("Send ") if each.notes]) == sends


def test_arrows_go_from_send_to_receive_to_reply() -> None:
    world = a_world(3)
    packets = Packets()
    tracks = Tracks(packets, lambda pid: ("program", ()))
    for event in world.events:
        tracks.apply(event)
    tracks.finish()
    flows = drawn(packets.take()).flows()
    replied = [event for event in world.events if isinstance(event, Transaction) and event.is_timed]
    assert len(replied) > 30
    for done in replied:
        assert [each.name for each in flows[done.id]] == [
            f"message of program {done.client}",  # it ends, and is drawn, first
            f"SEND-blocked on program {done.server}",
            "wake-up",
        ] or sorted(each.name for each in flows[done.id]) == [
            f"SEND-blocked on program {done.server}",
            f"message of program {done.client}",
            "wake-up",
        ]
        steps = sorted(flows[done.id], key=lambda each: each.begin)
        assert [each.name.split()[0] for each in steps] == ["SEND-blocked", "message", "wake-up"]
        assert (steps[0].begin, steps[0].end, steps[2].begin) == (
            done.published_ns,
            done.received_ns,
            done.replied_ns,
        )


def test_a_send_has_its_transaction_written_on_it() -> None:
    world = a_world(4)
    packets = Packets()
    tracks = Tracks(packets, lambda pid: ("program", ()))
    for event in world.events:
        tracks.apply(event)
    by_id = {event.id: event for event in world.events if isinstance(event, Transaction)}
    sends = [each for each in drawn(packets.take()).named("Send ") if each.notes]
    assert {each.notes["id"] for each in sends} == by_id.keys()
    for each in sends:
        done = by_id[int(each.notes["id"])]
        assert (each.begin, each.end) == (done.began_ns, done.ended_ns)
        assert each.notes["status"] == ("ok" if done.status == 0 else "ETIMEDOUT")
        assert (each.notes["sent"], each.notes["replied"]) == (done.sent, done.replied)
        assert each.notes.get("queue_ns") == done.queue_ns


def a_process(pid: int, *blocked: Thread, receivers: int = 0, program: str = "x") -> Process:
    return Process(pid, program, ("a name",), 5, 6, 0, 1, receivers, Flag(0), {7: 8}, blocked)


def test_a_survey_shows_what_was_blocked_before(tmp_path: Path) -> None:
    before = Thread(1000, Blocked.REPLY, 100, 17, 3, 4711, 12, 100)
    receives = Thread(0, Blocked.RECEIVE, 0, 20, 0)
    surveyed = Survey(50, 60, (a_process(100, receives, receivers=1), a_process(1000, before)))
    path = written(tmp_path / "t", [Change(3_000_000_000, Kind.TRIGGER, 5, 5, 0, 0, 0, 0, 0, 0)], surveys=(surveyed,))
    with Recording(str(path)) as recording:
        for moment in (recording.begin_ns, 55, 60, 2_000_000_000, recording.end_ns):
            recording.seek(moment)
            found = {process.pid: process for process in recording.survey()}
            (thread,) = found[1000].blocked
            assert replace(thread, sent=before.sent) == before
            assert found[100].receivers == 1 and found[100].names == ("a name",)
        assert recording.named("a name") == {100, 1000} and recording.named("no") == set()
    found_slices = drawn(path)
    assert [(each.begin, each.end) for each in found_slices.named("REPLY-blocked on a name 100")] == [(17, None)]
    assert len(found_slices.named("message of a name 1000")) == 1


def test_a_survey_corrects_what_was_lost_and_leaves_what_is_younger() -> None:
    model = StateModel()
    model.apply(Change(100, Kind.SEND, 1, 1, 50, 0, 11, 4, 1, 0))
    model.apply(Change(500, Kind.SEND, 2, 2, 50, 0, 12, 4, 1, 0))
    # Its reply was lost for 1; that of 2 fell into the survey.
    model.correct(Survey(400, 600, (a_process(1), a_process(2), a_process(50))))
    assert {thread.tid for process in model.survey() for thread in process.blocked} == {2}


def test_what_changed_during_a_survey_is_known_wherever_one_goes(tmp_path: Path) -> None:
    """A survey that had looked at 1 before it was blocked, and at 2 before it was not any more."""
    path = tmp_path / "t"
    writer = Writer(str(path), about())
    for second in range(1, 6):
        start = second * 1_000_000_000
        was = Thread(2, Blocked.SEND, 50, start - 500, 1, 20 + second, 3)
        if second > 1:
            done = Change(start - 900, Kind.REPLY, 50, 50, 1, 1, 10 + second - 1, 0, 0, 0)
            writer.events([done, Change(start - 500, Kind.SEND, 2, 2, 50, 0, 20 + second, 3, 1, 0)])
        writer.events(
            [
                Change(start + 10, Kind.SEND, 1, 1, 50, 0, 10 + second, 3, 1, 0),
                Change(start + 20, Kind.REPLY, 50, 50, 2, 2, 20 + second, 0, 0, 0),
            ]
        )
        writer.survey(Survey(start, start + 100, (a_process(1), a_process(2, was), a_process(50))))
    writer.events([Change(6_000_000_000, Kind.TRIGGER, 50, 50, 1, 1, 0, 0, 0, 0)])
    writer.close()
    with Recording(str(path)) as recording:
        for second in range(2, 6):
            recording.seek(second * 1_000_000_000 + 200)
            blocked = {process.pid: [thread.id for thread in process.blocked] for process in recording.survey()}
            assert blocked == {1: [10 + second], 2: [], 50: []}


def test_processes_that_a_survey_does_not_have_are_gone() -> None:
    model = StateModel()
    model.correct(Survey(1, 2, (a_process(1), a_process(2))))
    model.correct(Survey(3, 4, (a_process(2),)))
    assert [process.pid for process in model.survey()] == [2]


# ---- broken files


def opened(path: Path) -> str | None:
    """Its warning. None: it is refused, in one line that names the file."""
    try:
        with Recording(str(path)) as recording:
            return recording.warning
    except CannotReplay as error:
        said = str(error)
    assert str(path) in said and "\n" not in said
    return None


def test_every_way_to_cut_a_file_is_replayed_or_refused(tmp_path: Path) -> None:
    told = sorted(a_world(5, 120).events, key=when_of)
    whole = written(tmp_path / "t", told).read_bytes()
    cut = tmp_path / "cut"
    chance, lengths = random.Random(5), set[int]()
    for at in sorted({0, 1, 5, *(chance.randrange(len(whole)) for _ in range(150)), len(whole) - 1}):
        cut.write_bytes(whole[:at])
        warning = opened(cut)
        if warning is None:
            continue
        assert "its recorder was killed" in warning
        back = replayed(cut)
        assert back == told[: len(back)]
        lengths.add(len(back))
    assert len(lengths) > 1
    assert opened(tmp_path / "t") == ""


@given(st.integers(0, 2**32), st.integers(1, 20))
@settings(max_examples=150, deadline=None)
def test_a_hostile_file_does_no_harm(tmp_path_factory: pytest.TempPathFactory, seed: int, count: int) -> None:
    """Bytes changed at random: it is replayed as far as it makes sense, or refused in one line."""
    path = tmp_path_factory.mktemp("hostile") / "t"
    data = bytearray(_WHOLE)
    chance = random.Random(seed)
    for _ in range(count):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data)
    if opened(path) is not None:
        try:
            replayed(path, step=1.0)
        except CannotReplay as error:
            said = str(error)
        else:
            said = f"{path} is damaged at byte"
        assert said.startswith(f"{path} is damaged at byte") and "\n" not in said
    path.unlink()


def test_hours_without_anything_are_leapt_over(tmp_path: Path) -> None:
    """Also those that nonsense in a file makes of it."""
    told = [Change(when, Kind.TRIGGER, 1, 1, 2, 3, 0, 0, 0, 0) for when in (5, 10**12, 2**63)]
    path = tmp_path / "t"
    writer = Writer(str(path), about())
    for event in told:
        writer.events([event])
    writer.close()
    with Recording(str(path)) as recording, recording.feed(Wants(changes=True)) as feed:
        steps = 1
        while recording.pace(1.0):
            steps += 1
        assert feed.finish() == told
    assert 999 <= steps <= 1005


def _some_bytes() -> bytes:
    import tempfile

    surveyed = Survey(50, 60, (a_process(100, receivers=1), a_process(1000)))
    with tempfile.TemporaryDirectory() as folder:
        told = sorted(a_world(6, 60).events, key=when_of)
        return written(Path(folder) / "t", told, surveys=(surveyed,)).read_bytes()


_WHOLE = _some_bytes()


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"clock_offset_ns": "x", "began_ns": 1, "wants": {}},
        {"clock_offset_ns": 1 << 80, "began_ns": 1, "wants": {}},
        {"clock_offset_ns": 1, "began_ns": -1, "wants": {}},
        {"clock_offset_ns": 1, "began_ns": 1, "wants": []},
    ],
)
def test_a_header_must_make_sense(tmp_path: Path, value: dict[str, Any]) -> None:
    (tmp_path / "t").write_bytes(chunks.encode_json(Kinds.HEADER, 1, 1, value))
    with pytest.raises(CannotReplay, match="no recording of srr-trace"):
        Recording(str(tmp_path / "t"))


def test_a_header_may_have_wants_of_a_kind_that_is_not_ours(tmp_path: Path) -> None:
    wants = {"peek": "many", "frames": 1, "changes": True, "later": 5}
    (tmp_path / "t").write_bytes(chunks.encode_json(Kinds.HEADER, 1, 1, about(wants=wants)))
    with Recording(str(tmp_path / "t")) as recording:
        assert recording.wants == Wants(changes=True)


def test_other_traces_and_other_files_are_refused(tmp_path: Path) -> None:
    packets = Packets()
    packets.begin_file(1, 2, 3)
    for name, data in (("perfetto", packets.take()), ("text", b"hello\n"), ("empty", b""), ("tag", b"\x0a" * 50)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CannotReplay, match=f"{name} (is no recording of srr-trace|is empty)"):
            Recording(str(tmp_path / name))
    for path, text in (("none", "No such file"), (".", "Is a directory")):
        with pytest.raises(CannotReplay, match=text):
            Recording(str(tmp_path / path))


def test_a_newer_schema_is_said_to_be_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "SCHEMA", SCHEMA + 1)
    path = written(tmp_path / "t", [])
    monkeypatch.undo()
    with pytest.raises(CannotReplay, match=rf"newer srr-trace \(schema {SCHEMA + 1}; this one reads up to {SCHEMA}\)"):
        Recording(str(path))


def test_a_body_that_inflates_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_BODY_MAX", 1000)
    with pytest.raises(chunks.Damaged, match="does not end"):
        chunks.inflate(zlib.compress(bytes(5000)))


# ---- the file


def test_the_file_is_its_owners_alone_and_never_somebody_elses_link(tmp_path: Path) -> None:
    path = written(tmp_path / "t", [])
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CannotRecord, match="is there already"):
        Writer(str(path), about())
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(CannotRecord, match="is there already"):
        Writer(str(link), about(), replace=True)
    Writer(str(path), about(), replace=True).close()
    with pytest.raises(CannotRecord, match="can not be written"):
        Writer(str(tmp_path / "no" / "t"), about())


def test_a_full_disk_leaves_a_whole_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    told = sorted(a_world(7, 100).events, key=when_of)
    writer = Writer(str(tmp_path / "t"), about())
    writer.events(told[:30])
    write = os.write
    left = [700]

    def full(fd: int, data: bytes) -> int:
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        part = bytes(data)[: left[0]]
        left[0] -= len(part)
        return write(fd, part)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(CannotRecord, match=r"No space left on device\. What was written until then is whole"):
        writer.events(told[30:])
    monkeypatch.undo()
    writer.close()
    assert drawn(tmp_path / "t").packets > 10
    assert replayed(tmp_path / "t") == told[:30]


# ---- feeds


def test_a_feed_wants_what_it_wants(tmp_path: Path) -> None:
    world = a_world(8)
    told = sorted(world.events, key=when_of)
    path = written(tmp_path / "t", told)
    done = [event for event in told if isinstance(event, Transaction)]
    with Recording(str(path)) as recording:
        check_wants(recording, told, done)


def check_wants(recording: Recording, told: list[Any], done: list[Transaction]) -> None:
    def fed(chosen: set[int] | None = None, **wants: Any) -> list[Any]:
        recording.seek(recording.begin_ns)
        with recording.feed(Wants(chosen=chosen is not None, **wants)) as feed:
            if chosen is not None:
                feed.choose(chosen)
            while recording.pace(1.0):
                pass
            return feed.finish()

    assert fed(transactions=True) == done
    assert fed(transactions=True, failed_only=True) == [event for event in done if event.status]
    limit = sorted(event.total_ns for event in done)[len(done) // 2]
    slow = [event for event in done if event.total_ns >= limit]
    assert 0 < len(slow) < len(done) and fed(transactions=True, min_latency_ns=limit) == slow
    one = fed({1001}, transactions=True)
    assert one and one == [event for event in done if event.client == 1001]
    assert all(1001 in (event.pid, event.peer) for event in fed({1001}, changes=True))
    for wants, option in (
        ({"frames": True}, "--frames"),
        ({"imposed": True}, "--imposed"),
        ({"peek": 16}, "--peek 16"),
        ({"syscalls": True}, "--syscalls"),
    ):
        with pytest.raises(CannotTrace, match=f"without {option}"):
            fed(**wants)


def test_totals_are_those_of_the_transactions(tmp_path: Path) -> None:
    world = a_world(9)
    path = written(tmp_path / "t", sorted(world.events, key=when_of))
    done = [event for event in world.events if isinstance(event, Transaction)]
    with Recording(str(path)) as recording, recording.feed(Wants(totals=True)) as feed:
        while recording.pace(1.0):
            pass
        totals = feed.totals()
        assert feed.finish() == []
    assert sum(each.count for each in totals) == len(done)
    assert sum(each.failed for each in totals) == sum(event.status != 0 for event in done)
    assert sum(each.untimed for each in totals) == sum(not event.is_timed for event in done)
    for each in totals:
        mine = [event for event in done if (event.client, event.server) == (each.client, each.server)]
        assert each.steps["total"].sum_ns == sum(event.total_ns for event in mine)
        assert each.steps["service"].sum_ns == sum(event.service_ns or 0 for event in mine)
        assert each.steps["service"].count == len(mine) - each.untimed
    assert feed.clock.wall(0) == Clock(10**18).wall(0)
