"""`srr-trace top` on the whole screen: keys, sorting, filter, one process opened, odd names, odd sizes, a crowd."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static
from topsource import FakeFeed, FakeSource, process, receives, sends, totals

from srr.processes import Process
from srr.state import Blocked
from srr.trace.session import Losses
from srr.trace.topmodel import Choice, Mark
from srr.trace.topsampler import Sampler
from srr.trace.topscreen import Opened, Top

NOBODY = "reading probes needs CAP_BPF and CAP_PERFMON, which this process does not have: run it as root"


def nothing_wrong(found: Sequence[Process], now_ns: int) -> Mapping[int, Mark]:
    return {}


class Hand:
    """The one that presses keys, and waits for what they do."""

    def __init__(self, app: Top, pilot: Pilot[int], source: FakeSource) -> None:
        self.app, self.pilot, self.source = app, pilot, source

    async def until(self, what: str, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, f"never: {what}\n{self.text()}"
            await self.pilot.pause(0.005)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def tick(self) -> None:
        """A second passes, and is drawn."""
        seen = self.app.seen
        self.source.tick()
        await self.until("another look", lambda: self.app.seen is not seen)
        await self.pilot.pause()

    @property
    def table(self) -> DataTable[Text]:
        return self.app.screen_stack[0].query_one("#table", DataTable)

    def lines(self) -> list[str]:
        table = self.table
        return ["".join(str(cell).ljust(0) + " " for cell in table.get_row_at(n)) for n in range(table.row_count)]

    def pids(self) -> list[int]:
        column = list(self.table.columns).index(next(key for key in self.table.columns if key.value == "pid"))
        return [int(str(self.table.get_row_at(n)[column])) for n in range(self.table.row_count)]

    def opened(self) -> int | None:
        return self.app.screen.pid if isinstance(self.app.screen, Opened) else None

    def has_rows(self, count: int) -> bool:
        return self.table.row_count == count

    def headings(self) -> str:
        return " ".join(str(column.label) for column in self.table.columns.values())

    def said(self, where: str) -> str:
        return str(self.app.screen.query_one(where, Static).content)

    def text(self) -> str:
        """The screen, as one would read it."""
        lines = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in lines)


@asynccontextmanager
async def screen(
    source: FakeSource,
    *,
    size: tuple[int, int] = (120, 30),
    choice: Choice | None = None,
    marker: Any = nothing_wrong,
    peek: Any = None,
    **keywords: Any,
) -> AsyncIterator[Hand]:
    chosen = Choice() if choice is None else choice
    options: dict[str, Any] = {"interval": 1.0, "order": "busy", "backwards": False, "count": None}
    app = Top(Sampler(source, chosen, marker, peek), chosen, **(options | keywords))
    async with app.run_test(size=size) as pilot:
        hand = Hand(app, pilot, source)
        await hand.until("the first screen", lambda: app.seen is not None and hand.table.columns)
        await hand.until("it has tried to attach", lambda: source.wants is not None)
        await hand.until("a look with probes", lambda: source.surveys >= 2)
        yield hand


def play(scene: Awaitable[None]) -> None:
    async def main() -> None:
        await scene

    asyncio.run(main())


def _exceeds(source: FakeSource, surveys: int) -> bool:
    return source.surveys > surveys


def five(feed: FakeFeed | None = None) -> FakeSource:
    return FakeSource(
        process(11, sends(15, 90), program="alpha"),
        process(12, sends(15, 80, state=Blocked.REPLY), program="beta"),
        process(13, program="gamma", sent=5),
        process(14, receives(10), program="delta", names=("store",)),
        process(15, program="epsilon", names=("plc",), received=7),
        feed=feed,
        why=NOBODY,
    )


def test_without_probes_it_shows_who_is_blocked_and_says_what_is_missing() -> None:
    async def scene() -> None:
        async with screen(five()) as hand:
            await hand.tick()
            text = hand.text()
            assert hand.said("#head").startswith("5 processes: 1 SEND, 1 REPLY, 1 RECEIVE, 2 run; 1 queued")
            assert "SEND 15 plc" in text and "REPLY 15 plc" in text and "plc (epsilon)" in text
            assert NOBODY in hand.said("#foot") and "CAP_PERFMON" in text
            assert "attaching" not in text

    play(scene())


def test_rates_and_times_come_from_looks() -> None:
    async def scene() -> None:
        feed = FakeFeed()
        source = five(feed)
        async with screen(source) as hand:
            await hand.tick()
            source.processes[2] = process(13, program="gamma", sent=47)
            feed.now = [totals(13, 15, *[2_000_000] * 42, nbytes=4242)]
            await hand.tick()
            await hand.until("the client is first", lambda: hand.pids()[0] == 13)
            line = hand.lines()[0]
            assert " 42 " in line and "4242" in line
            server = next(line for line in hand.lines() if "epsilon" in line)
            assert "2.1ms" in server and "1.0ms" in server
            assert "lost nothing" in hand.said("#foot") and "600 ns" in hand.said("#foot")
            feed.lost = Losses(totals=3)
            await hand.tick()
            await hand.until("the loss", lambda: "lost: totals 3" in hand.said("#foot"))
            assert hand.app.losses.total == 3

    play(scene())


def test_sorting_by_keys_and_by_a_click() -> None:
    async def scene() -> None:
        async with screen(five()) as hand:
            assert hand.pids() == [15, 14, 12, 11, 13], "where messages wait, then who has been blocked for longest"
            await hand.press("s")
            assert hand.pids() == [11, 12, 13, 14, 15] and "PID▲" in hand.headings()
            await hand.press("r")
            assert hand.pids() == [15, 14, 13, 12, 11] and "PID▼" in hand.headings()
            await hand.press("s")
            assert hand.pids() == [11, 12, 13, 15, 14] and "PROGRAM▲" in hand.headings(), "by name, else by program"
            await hand.press("S", "S")
            assert "▲" not in hand.headings() and "▼" not in hand.headings()
            heading = hand.headings().index("FOR")
            await hand.pilot.click("#table", offset=(heading, 0))
            await hand.until("sorted by age", lambda: "FOR▼" in hand.headings())
            assert hand.pids() == [14, 12, 11, 13, 15]
            await hand.pilot.click("#table", offset=(heading, 0))
            await hand.until("the other way", lambda: "FOR▲" in hand.headings())
            assert hand.pids() == [11, 12, 14, 13, 15]

    play(scene())


def test_order_of_the_command_line() -> None:
    async def scene() -> None:
        async with screen(five(), order="program", backwards=True) as hand:
            assert hand.pids() == [14, 15, 13, 12, 11] and "PROGRAM▼" in hand.headings()

    play(scene())


def test_filter() -> None:
    async def scene() -> None:
        source = five()
        async with screen(source, order="pid") as hand:
            await hand.press("slash", *"plc")
            assert hand.pids() == [11, 12, 15], "also who is blocked on it"
            await hand.press("q")  # a letter like others here
            assert hand.pids() == [] and hand.app.is_running
            await hand.press("backspace", "enter")
            assert isinstance(hand.app.focused, DataTable)
            assert "3 of 5 processes" in hand.said("#head") and "/plc" in hand.said("#head")
            source.processes.append(process(20, names=("plc2",)))
            await hand.tick()
            await hand.until("the newcomer", lambda: hand.pids() == [11, 12, 15, 20])
            await hand.press("escape")
            assert hand.pids() == [11, 12, 13, 14, 15, 20] and not hand.app.query_one("#filter", Input).value

    play(scene())


def test_only_the_chosen() -> None:
    async def scene() -> None:
        feed = FakeFeed()
        source = five(feed)
        async with screen(source, order="pid", choice=Choice(frozenset({12}), frozenset({"plc"}))) as hand:
            assert hand.pids() == [12, 15]
            assert source.wants is not None and source.wants.chosen
            await hand.until("told to the kernel", lambda: feed.chosen == {12, 15})
            source.processes[4:] = [process(16, names=("plc",))]  # its successor
            await hand.tick()
            await hand.until("told to the kernel", lambda: feed.chosen == {12, 16})
            await hand.until("shown", lambda: hand.pids() == [12, 16])

    play(scene())


def test_open_a_process_and_go_back() -> None:
    async def scene() -> None:
        feed = FakeFeed()
        source = five(feed)
        asked = []

        def peek(pid: int, tid: int, size: int) -> bytes:
            asked.append((pid, tid))
            if pid == 11:
                raise OSError(1, "its memory can not be read")
            return b"\x1b]0;hello\x07"

        async with screen(source, order="pid", peek=peek) as hand:
            feed.now = [totals(12, 15, 3000, 5000)]
            await hand.tick()
            await hand.press("down", "enter")
            assert hand.opened() == 12
            await hand.until("the head of its message", lambda: "1b 5d 30 3b 68 65 6c 6c" in hand.said("#detail"))
            detail = hand.said("#detail")
            assert ".]0;hello." in detail and "REPLY   15 plc" in detail
            assert "What it sent, since probes are read: 2" in detail and "█" in detail
            assert "  to 15 plc" in detail
            assert "Back" in hand.text() and "Filter" not in hand.text()
            source.processes[:] = [one for one in source.processes if one.pid != 12]
            await hand.tick()
            await hand.until("that it has ended", lambda: "Process 12 has ended" in hand.said("#detail"))
            await hand.press("escape")
            assert hand.opened() is None
            assert hand.pids() == [11, 13, 14, 15]
            asked.clear()
            await hand.tick()
            assert not asked, "nobody's messages are read when nobody looks"
            await hand.press("home", "enter")
            await hand.until("why not", lambda: "its memory can not be read" in hand.said("#detail"))
            await hand.press("down", "up", "backspace")
            assert hand.opened() is None

    play(scene())


def test_the_cursor_follows_its_process() -> None:
    async def scene() -> None:
        source = five()
        async with screen(source, order="pid") as hand:
            await hand.press("down", "down")
            assert hand.table.cursor_row == 2
            source.processes.insert(0, process(3))
            source.processes.insert(0, process(2))
            await hand.tick()
            await hand.until("13 has moved", lambda: hand.pids()[4:5] == [13])
            await hand.until("the cursor is on 13", lambda: hand.table.cursor_row == 4)
            await hand.press("r")
            await hand.until("the cursor is on 13", lambda: hand.pids()[hand.table.cursor_row] == 13)
            await hand.press("enter")
            assert hand.opened() == 13
            await hand.press("escape")
            del source.processes[4]
            await hand.tick()
            await hand.until("13 is gone", lambda: 13 not in hand.pids())
            assert hand.table.cursor_row < hand.table.row_count

    play(scene())


def test_pause() -> None:
    async def scene() -> None:
        source = five()
        async with screen(source, order="pid") as hand:
            await hand.tick()
            await hand.press("space")
            assert "PAUSED" in hand.said("#foot")
            seen = hand.app.seen
            source.processes.append(process(77))
            for _ in range(3):
                source.tick()
                await hand.pilot.pause(0.06)
            assert hand.app.seen is seen and 77 not in hand.pids()
            await hand.press("r")
            assert hand.pids() == [15, 14, 13, 12, 11], "what is there can still be sorted"
            await hand.press("space")
            await hand.until("it goes on", lambda: 77 in hand.pids())
            assert "PAUSED" not in hand.said("#foot")

    play(scene())


def test_interval_and_count() -> None:
    async def scene() -> None:
        async with screen(five(), count=2) as hand:
            assert "every 1 s" in hand.said("#foot")
            await hand.press("plus")
            assert "every 2 s" in hand.said("#foot")
            await hand.press("minus", "minus")
            assert "every 0.5 s" in hand.said("#foot")
            await hand.press(*["minus"] * 5)
            assert "every 0.1 s" in hand.said("#foot")
            source = hand.source
            for _ in range(2):
                before = source.surveys
                source.tick()
                await hand.until("a look", partial(_exceeds, source, before))
            await hand.until("it ends by itself", lambda: not hand.app.is_running or hand.app.return_value == 0)
        assert hand.app.return_value == 0

    play(scene())


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
def test_leaving(key: str) -> None:
    async def scene() -> None:
        async with screen(five()) as hand:
            await hand.press("slash") if key != "q" else None
            await hand.press(key)
        assert not hand.app.is_running
        assert not hand.app.return_value and not hand.app.failure
        assert not hand.app._watcher.is_alive()

    play(scene())


def test_the_end_of_a_recording_stays_to_be_looked_at() -> None:
    async def scene() -> None:
        source = five()
        async with screen(source, order="pid") as hand:
            source.ended = True
            await hand.until("that it is over", lambda: "the recording has ended" in hand.said("#foot"))
            await hand.press("r")
            assert hand.pids() == [15, 14, 13, 12, 11]

    play(scene())


def test_a_failure_is_told_when_the_terminal_is_back() -> None:
    async def scene() -> None:
        source = five()

        def fails() -> None:
            raise RuntimeError("the table has gone")

        async with screen(source) as hand:
            source.fails = fails
            source.tick()
            await hand.until("it ends", lambda: hand.app.return_value is not None)
        assert hand.app.return_value == 1 and "the table has gone" in hand.app.failure

    play(scene())


def test_marked_processes_come_first_and_are_named() -> None:
    async def scene() -> None:
        def marker(found: Sequence[Process], now_ns: int) -> Mapping[int, Mark]:
            return {13: Mark.DEADLOCKED, 15: Mark.STARVED}

        async with screen(five(), marker=marker) as hand:
            await hand.tick()
            assert hand.pids()[:2] == [13, 15]
            assert hand.lines()[0].startswith("D ") and hand.lines()[1].startswith("S ")
            assert "1 deadlocked (D): 13" in hand.said("#head") and "1 starved (S): 15" in hand.said("#head")
            await hand.press("enter")
            assert "Deadlocked: it waits in a circle" in hand.said("#detail")

    play(scene())


ODD = [
    "\x1b[31;5m\x1b]0;title\x07",
    "[bold red]x[/] [/nothing]",
    "漢字" * 60,
    "e\u0301\u200d" * 40,
    "\udcff\udc80",
    "",
    " ",
]


def hostile() -> list[Process]:
    found = [
        process(
            n + 1,
            sends(n % len(ODD) + 1, n, nbytes=2**64 - 1, taken_by=2**31 - 1),
            receives(10**9),
            program=ODD[n % len(ODD)],
            names=(ODD[-n % len(ODD)],),
            sent=2**64 - 1,
            received=n,
        )
        for n in range(2 * len(ODD))
    ]
    return [*found, process(4194304, sends(-5, 1, tid=-9, state=Blocked.SIGNAL), program=ODD[0])]


@pytest.mark.parametrize("size", [(120, 30), (79, 24), (40, 10), (20, 5), (3, 2), (300, 90)])
def test_odd_names_and_sizes_do_no_harm(size: tuple[int, int]) -> None:
    async def scene() -> None:
        feed = FakeFeed()
        feed.now = [totals(1, 2, 2**63, 0, 1, nbytes=2**64 - 1)]
        source = FakeSource(*hostile(), feed=feed)
        async with screen(source, size=size, peek=lambda *_: bytes(range(64))) as hand:
            for keys in (["s"] * 16, ["r", "end", "enter"], ["down"] * 5, ["escape", "slash", "[", "/"], ["escape"]):
                await hand.press(*keys)
                await hand.tick()
                text = hand.text()
                assert "\x1b" not in text and "\x07" not in text and "\udcff" not in text
                assert len(text.splitlines()) <= size[1]
            if size[0] >= 40:
                await hand.press("home", *["s"] * 2)
                assert " 4194304" in hand.text() or hand.table.row_count > size[1] - 4
            source.processes.clear()
            await hand.tick()
            await hand.until("all have ended", lambda: hand.table.row_count == 0)
            await hand.press("enter", "down", "end")

    play(scene())


def test_resizing() -> None:
    async def scene() -> None:
        async with screen(five()) as hand:
            for size in ((40, 10), (200, 50), (1, 1), (79, 24), (12, 30)):
                await hand.pilot.resize_terminal(*size)
                await hand.tick()
                await hand.press("enter")
                await hand.pilot.resize_terminal(size[0] + 7, size[1] + 3)
                await hand.press("escape")
            await hand.pilot.resize_terminal(40, 10)
            await hand.until("fewer columns", lambda: "RECV/s" not in hand.headings())
            assert "BLOCKED ON" in hand.text() and len(hand.text().splitlines()) == 10
            await hand.pilot.resize_terminal(120, 30)
            await hand.until("more columns", lambda: "BYTES/s" in hand.headings())

    play(scene())


def test_a_thousand_processes_that_come_and_go() -> None:
    async def scene() -> None:
        source = FakeSource(*(process(n, sends(n + 1), names=(f"n{n}",), sent=n) for n in range(1, 1001)))
        async with screen(source, order="pid") as hand:
            assert hand.table.row_count == 1000
            await hand.press("end")
            assert "1000" in hand.text()
            took = []
            for turn in range(1, 5):
                source.processes[:] = [
                    process(n, sends(n + turn), names=(f"n{n}",), sent=turn * n) for n in range(turn * 100, 1100)
                ]
                began = time.monotonic()
                await hand.tick()
                await hand.until("drawn", partial(hand.has_rows, 1100 - turn * 100))
                took.append(time.monotonic() - began)
            print(f"a look at 1000 processes took {[f'{1000 * t:.0f} ms' for t in took]} until it was drawn")
            await hand.press("slash", *"n777")
            await hand.until("one is left", lambda: 777 in hand.pids() and len(hand.pids()) <= 6)

    play(scene())
