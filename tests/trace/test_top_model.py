"""What `srr-trace top` says of each process: rates, times, who is blocked on whom; and how it fits into a line."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from topsource import SECOND, process, receives, sends, totals

from srr.processes import Process
from srr.state import Blocked
from srr.trace import topcolumns, topdetail
from srr.trace.topmodel import Choice, Look, Mark, Model, Row, Snapshot
from srr.trace.topsampler import Marks
from srr.trace.totals import Totals


def looks(*each: tuple[list[Process], list[Totals] | None], every: int = SECOND) -> list[Snapshot]:
    model = Model()
    return [model.add(Look((100 + n) * every, found, sums)) for n, (found, sums) in enumerate(each)]


def row(snapshot: Snapshot, pid: int) -> Row:
    found = snapshot.row(pid)
    assert found is not None
    return found


def test_rates_are_differences_of_the_waiting_table() -> None:
    first, second = looks(
        ([process(7, sent=10, received=1000)], None),
        ([process(7, sent=15, received=1300)], None),
        every=2 * SECOND,
    )
    assert (row(first, 7).sent_rate, row(first, 7).received_rate) == (None, None)
    assert (row(second, 7).sent_rate, row(second, 7).received_rate) == (2.5, 150.0)
    assert row(second, 7).byte_rate is None and row(second, 7).service is None  # no probes


def test_a_number_that_another_process_has_now_has_no_rate() -> None:
    _, second = looks(([process(7, sent=1000)], None), ([process(7, sent=3)], None))
    assert row(second, 7).sent_rate is None


def test_bytes_and_times_are_what_was_added_up_since_the_look_before() -> None:
    found = [process(7), process(8)]
    first, second, third = looks(
        (found, [totals(7, 8, 1000, nbytes=5000)]),
        (found, [totals(7, 8, 1000, 4000, 4000, nbytes=5600)]),
        (found, [totals(7, 8, 1000, 4000, 4000, nbytes=5600), totals(7, 8, 9000, kind=2, nbytes=50)]),
    )
    assert row(first, 8).service is None, "what was there before we came is not ours"
    service, total = row(second, 8).service, row(second, 7).total
    assert service is not None and service.count == 2 and service.sum_ns == 8000
    assert total is not None and total.sum_ns == 16000
    assert row(second, 7).service is None and row(second, 8).total is None
    assert row(second, 7).byte_rate == row(second, 8).byte_rate == 600
    assert second.pairs[7, 8].rate == 2
    service = row(third, 8).service
    assert service is not None and service.count == 3, "types of messages are put together"
    assert row(third, 8).byte_rate == 50
    assert third.histograms(8, as_server=True)["service"].count == 4, "the opened process shows all"
    assert third.histograms(8, as_server=False)["service"].count == 0


def test_times_are_of_the_last_ten_seconds() -> None:
    model, found = Model(), [process(7), process(8)]
    model.add(Look(0, found, []))
    sums = totals(7, 8, 64_000)
    counts = []
    for second in range(1, 15):
        if second == 4:
            sums = totals(7, 8, 64_000, 128_000)
        service = row(model.add(Look(second * SECOND, found, [sums])), 8).service
        counts.append(0 if service is None else service.count)
    assert counts == [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 0]


def test_totals_that_begin_anew_are_not_negative() -> None:
    found = [process(7), process(8)]
    *_, last = looks((found, []), (found, [totals(7, 8, 500, 500)]), (found, [totals(7, 8, 700)]))
    assert last.pairs[7, 8].rate == 1
    assert last.pairs[7, 8].steps["service"].count == 3


def test_its_line_is_about_the_thread_that_has_waited_longest_to_send() -> None:
    (only,) = looks(
        (
            [
                process(7, receives(1), sends(8, 60, tid=71), sends(9, 40, tid=72, state=Blocked.REPLY)),
                process(8, names=("plc", "other")),
                process(9, receives(5)),
                process(10, sends(8, 0)),  # it spins
                process(11, sends(8, 10**6)),  # it says it began in the future
                process(12),
            ],
            None,
        )
    )
    seven = row(only, 7)
    assert (seven.state, seven.on, seven.on_name, seven.for_ns) == (Blocked.REPLY, 9, "partner", 60 * SECOND)
    assert (seven.sending, seven.receiving) == (2, 1)
    assert row(only, 8).queued == 3 and row(only, 9).queued == 0
    assert (row(only, 9).state, row(only, 9).for_ns) == (Blocked.RECEIVE, 95 * SECOND)
    assert row(only, 10).for_ns is None and row(only, 10).on_name == "plc"
    assert row(only, 11).for_ns == 0
    assert row(only, 12).state is None


def test_peers_are_those_that_wait_and_those_that_were_served() -> None:
    found = [process(7, sends(8, 10)), process(8, sends(9, 20, state=Blocked.REPLY)), process(9), process(10)]
    _, second = looks((found, []), (found, [totals(10, 8, 1000), totals(7, 9, 1000)]))
    peers = [(p.pid, p.is_client, p.state, None if p.pair is None else p.pair.rate) for p in second.peers(8)]
    assert peers == [(7, True, Blocked.SEND, None), (10, True, None, 1.0), (9, False, Blocked.REPLY, None)]


def test_json_says_what_is_not_known() -> None:
    found = [process(7, sends(8, 99, nbytes=3)), process(8)]
    first, second = looks((found, None), (found, [totals(7, 8, 1000)]))
    line = row(first, 7).json()
    assert line["state"] == "SEND" and line["on"] == 8 and line["seconds"] == 1 and line["sent_per_s"] is None
    assert line["queue_p50_ns"] is None and line["mark"] is None and line["names"] == []
    assert row(second, 8).json()["state"] is None and row(second, 8).json()["on"] is None
    _, _, third = looks((found, []), (found, []), (found, [totals(7, 8, 1000)]))
    assert 1000 <= row(third, 8).json()["service_p99_ns"] <= 1250


def test_choosing() -> None:
    (only,) = looks(([process(7, sends(8)), process(8, names=("plc",), program="Server"), process(80)], None))

    def chosen(choice: Choice) -> list[int]:
        return [r.pid for r in only.rows if choice.shows(r)]

    assert chosen(Choice()) == [7, 8, 80]
    assert chosen(Choice(frozenset({7}), frozenset({"plc"}))) == [7, 8]
    assert chosen(Choice(text="8")) == [7, 8, 80], "7 is blocked on 8"
    assert chosen(Choice(text="SERVER")) == [8]
    assert chosen(Choice(text="send")) == [7]
    assert chosen(Choice(frozenset({80}), text="plc")) == []


# ---- columns

ODD = "\x1b[31m\u202e[bold]漢字漢字漢字\n\x07e\u0301" * 9


def crowd() -> list[Row]:
    found = [
        process(1, sends(4194304, 1, nbytes=1 << 63), program=ODD, names=(ODD,), sent=2**63, received=2**63),
        process(4194304, receives(99, sender=4194303), program=""),
        process(54321, sends(12345, 99.5), names=("odd \x1b",)),
        process(12345, sends(54321, 99.5, nbytes=1), names=("plc",)),
        process(12346, sends(4194304, 99.5, state=Blocked.SIGNAL), program="python server.py"),
    ]
    _, last = looks((found, []), ([*found[1:], process(1, program=ODD, names=(ODD,), sent=2**64)], []))
    both = looks((found, []), (found, [totals(1, 12345, 10**15, 3, nbytes=1 << 63)]))[1]
    return [*both.rows, *last.rows]


@pytest.mark.parametrize("width", [1, 20, 38, 40, 60, 79, 80, 100, 140, 200, 10_000])
def test_lines_are_as_wide_as_there_is_room(width: int) -> None:
    rows = crowd()
    shape = topcolumns.fit(rows, width, {})
    lines = [" ".join(topcolumns.cells(shape, r)) for r in rows] + [" ".join(topcolumns.headings(shape))]
    assert len({cell_len(line) for line in lines}) == 1
    assert cell_len(lines[0]) <= max(width, 1 + 7 + 6 + 15 + 6 + 4 + 5)
    assert all(line.isprintable() for line in lines)
    assert all(str(r.pid) in line for r, line in zip(rows, lines, strict=False)), "a number is never cut"
    assert all(f"{r.state} {r.on}" in line for r, line in zip(rows, lines, strict=False) if r.on)


def test_more_room_shows_more_columns_and_the_order_s_own() -> None:
    rows = crowd()

    def shown(width: int, order: str = topcolumns.BUSY) -> list[str]:
        return [column.name for column, _ in topcolumns.fit(rows, width, {}, order)]

    assert shown(30) == ["mark", "pid", "program", "blocked", "for", "queue"]
    assert shown(200) == [column.name for column in topcolumns.COLUMNS]
    for narrow, wide in zip(range(30, 120, 3), range(33, 123, 3), strict=True):
        assert set(shown(narrow)) <= set(shown(wide))
    assert "bytes" not in shown(79) and "bytes" in shown(79, "bytes")


def test_columns_do_not_shrink_again() -> None:
    wanted: dict[str, int] = {}
    wide = topcolumns.fit(crowd(), 150, wanted)
    few = looks(([process(12345)], None))[0].rows
    assert topcolumns.fit(few, 150, wanted)[:3] == wide[:3] != topcolumns.fit(few, 150, {})[:3]


def test_orders() -> None:
    model = Model()
    model.add(Look(0, [process(1), process(2), process(3), process(4)]))
    found = [process(1, sent=5), process(2, names=("a",)), process(3, received=9), process(4, sends(1, 0.5))]
    rows = model.add(Look(SECOND, found, None, {2: Mark.STARVED, 4: Mark.DEADLOCKED})).rows

    def by(order: str, backwards: bool = False) -> list[int]:
        return [r.pid for r in topcolumns.ordered(rows, order, backwards=backwards)]

    assert by("busy") == [4, 2, 3, 1] and by("busy", backwards=True) == [1, 3, 2, 4]
    assert by("pid") == [1, 2, 3, 4] and by("pid", backwards=True) == [4, 3, 2, 1]
    assert by("sent") == [1, 2, 3, 4] and by("queue") == [1, 2, 3, 4]
    assert by("for") == by("for", backwards=True) == [4, 1, 2, 3], "what is not known comes last in either direction"
    assert by("program")[0] == 2
    for order in topcolumns.ORDERS:
        assert sorted(by(order)) == [1, 2, 3, 4]


def test_numbers_stay_short() -> None:
    for power in range(30):
        for digit in (1, 9.4999, 9.96, 9.9999):
            value = digit * 10**power
            assert len(topcolumns.age(int(value))) <= 6
            assert len(topcolumns.per_second(value)) <= 6
    assert topcolumns.age(0) == "0us" and topcolumns.age(489 * SECOND) == "8m09s"
    assert topcolumns.per_second(0) == "0" and topcolumns.per_second(0.01) == "<0.1"
    assert topcolumns.per_second(0.26) == "0.3" and topcolumns.per_second(1_234_567) == "1.2M"


def test_heading_counts_states() -> None:
    (only,) = looks(([process(1, sends(2)), process(2), process(3, receives())], None))
    assert topcolumns.heading(only.rows, 3) == "3 processes: 1 SEND, 1 RECEIVE, 1 run; 1 queued"
    assert topcolumns.heading(only.rows[1:2], 3) == "1 of 3 processes: 1 run; 1 queued"
    assert topcolumns.marked(only.rows, Mark.DEADLOCKED) == ""


# ---- one process


def test_opened_process_says_what_it_is_blocked_with() -> None:
    found = [
        process(7, sends(8, 90, tid=7, nbytes=20, taken_by=81, state=Blocked.REPLY), sends(8, 95, tid=70), receives(1)),
        process(8, names=(ODD,)),
    ]
    _, second = looks((found, []), (found, [totals(7, 8, 1000, 1500, 70_000)]))
    heads: dict[int, bytes | str] = {7: b"\x1b[31mhello\xff, the message", 70: ODD}
    lines = topdetail.lines(second, 7, 100, heads, True)
    text = "\n".join(line.text for line in lines)
    assert all(line.text.isprintable() for line in lines)
    assert "8/81" in text and "10.0s" not in text and "11.0s" in text
    assert "1b 5b 33 31 6d 68 65 6c 6c 6f ff 2c 20 74 68 65  .[31mhello., the" in text
    assert "What it received: nothing" in text and "What it sent, since probes are read: 3" in text
    bars = {line.text[:16].split(" to ")[0].strip(): line.text.count("█") for line in lines if "█" in line.text}
    assert set(bars) == {"0.3", "0.5", "1.0", "65.5", "32.8"} and bars["0.5"] == bars["0.3"] + bars["1.0"] > 0


def test_opened_process_that_has_ended_or_without_probes() -> None:
    (only,) = looks(([process(7)], None))
    assert "has ended" in topdetail.lines(only, 8, 80, {}, False)[0].text
    text = "\n".join(line.text for line in topdetail.lines(only, 7, 80, {}, False))
    assert "No thread of it is blocked" in text and "no probe is read" in text


def test_opened_process_with_a_crowd_of_peers_and_threads() -> None:
    found = [
        process(1, *(sends(n, 50, tid=n) for n in range(1000, 1100))),
        *(process(n, sends(1, 60)) for n in range(2, 500)),
    ]
    (only,) = looks((found, None))
    lines = topdetail.lines(only, 1, 40, {}, False)
    assert len(lines) < 120
    assert "and 60 more" in "\n".join(line.text for line in lines)
    assert f"and {498 + 100 - 40} more" in "\n".join(line.text for line in lines)


# ---- what is wrong


def test_marks_need_looks_that_agree_and_go_when_it_is_over() -> None:
    marks = Marks(is_live=False)
    circle = [
        process(1, sends(2, 10, tid=1, id=5)),
        process(2, sends(1, 11, tid=2, id=6)),
        process(3, sends(1, 12, id=7)),
    ]
    seen = [dict(marks(circle, now * SECOND // 4)) for now in range(48, 53)]
    assert Mark.DEADLOCKED not in seen[0].values()
    assert seen[-1] == {1: Mark.DEADLOCKED, 2: Mark.DEADLOCKED}, "3 only waits behind them"
    others = [process(1, sends(2, 13, tid=1, id=8)), process(2, receives(13)), circle[2]]
    assert marks(others, 14 * SECOND) == {1: Mark.STARVED}


def test_starved_is_whose_queue_stands() -> None:
    marks = Marks(is_live=False)
    waiting = [process(2, sends(1, 9, id=1)), process(4, sends(3, 9, id=2)), process(6, sends(5, 9.9, id=3))]
    servers = [process(1), process(3, receives(9)), process(5)]
    assert marks([*servers, *waiting], 10 * SECOND + 1) == {1: Mark.STARVED}
