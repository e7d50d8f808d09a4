"""The window lane: long messages through the slot, moved by the blocked sender's own thread."""

from __future__ import annotations

import contextlib
import errno
from typing import Any

import pytest
from drive import Blocked, Company, Pending, exchange, guarantee, srr, until, works
from hostile.rows import ASK, CHUNKS, GIVE, IDLE, WINDOW_SIZE, Row
from wire import Pattern, shown

HUGE = 64 << 20

pytestmark = pytest.mark.only_by("window")


@guarantee("F")
@pytest.mark.only_by("window", "users", "helper")
def test_read_and_write_at_odd_places(company: Company) -> None:
    """64 MiB there and back, by pieces of any size, in any order."""
    server, client = company.start(), company.start()
    there, back = Pattern(HUGE, 1).make(), bytearray(HUGE)
    sending = client.order("send_into", to=server.pid, message=Pattern(HUGE, 1), reply=[1, 77_777, HUGE - 77_778])
    assert server.do("receive", into=[5000, 333_333]).nbytes == HUGE
    for offset, nbytes in [(0, 1), (WINDOW_SIZE - 1, 2), (HUGE - 5, 5), (1_000_001, 9_999_999), (3, WINDOW_SIZE)]:
        assert server.do("read", offset=offset, nbytes=nbytes) == shown(there[offset : offset + nbytes])
    assert server.do("read", offset=0, nbytes=HUGE) == shown(there)
    for seed, (begin, end) in enumerate([(30_000_001, HUGE), (0, 1), (WINDOW_SIZE + 7, 30_000_001), (1, 800_000)]):
        assert server.do("write", offset=begin, data=Pattern(end - begin, seed)) == end - begin
        back[begin:end] = Pattern(end - begin, seed).make()
    server.do("reply", data=Pattern(10, 9))
    back[:10] = Pattern(10, 9).make()
    parts = sending.result().parts
    assert parts == [bytes(back[:1]), shown(bytes(back[1:77_778])), shown(bytes(back[77_778:]))]


def test_a_kernel_that_refuses_one_side(company: Company) -> None:
    """A sandbox that forbids process_vm_readv and process_vm_writev: what is long goes by the window, both ways."""
    server, client = company.start(SRR_LANE=""), company.start(SRR_LANE="")
    assert exchange(server, client, Pattern(300_000)).lane == "direct"
    server.do("refuse_process_vm")
    assert exchange(server, client, Pattern(300_000)).lane == "window"
    assert exchange(client, server, Pattern(300_000)).lane == "direct"


# ---- a sender that does not serve


@guarantee("B", "D")
@pytest.mark.parametrize("verb", ["receive", "read", "write", "reply"])
def test_a_stopped_client(company: Company, verb: str) -> None:
    """It holds up its server for SRR_STALL_MS; then its Send has failed, with ETIME, and the server goes on."""
    server, client, other = company.start(SRR_STALL_MS="200"), company.start(), company.start()
    assert works(server, other)
    assert works(server, client)
    sending = client.order("send", to=server.pid, message=Pattern(1 << 20), room=1 << 20)
    client.until_blocked(Blocked.SEND)
    if verb != "receive":
        server.do("receive", into=[10])
    client.stop()
    if verb == "receive":
        behind = other.order("send", to=server.pid, message=b"next")
        other.until_blocked(Blocked.SEND)
        assert server.do("receive", into=[1 << 20]).nbytes == 4
        server.do("reply")
        behind.result()
    else:
        arguments: dict[str, dict[str, Any]] = {
            "read": {"nbytes": 1 << 20},
            "write": {"offset": 0, "data": Pattern(1 << 20)},
            "reply": {"data": Pattern(1 << 20)},
        }
        assert isinstance(server.fails(verb, **arguments[verb]), srr.SenderGone)
    assert works(server, other)
    client.go_on()
    failure = sending.failure()
    assert isinstance(failure, srr.TimedOut)
    assert failure.errno == errno.ETIME
    assert failure.received == (verb != "receive")
    assert "this process did not move its bytes" in str(failure)
    assert works(server, client)


@guarantee("B")
def test_what_fits_the_window_needs_no_stopped_client(company: Company) -> None:
    """A message is in it before, and a reply is taken out of it afterwards."""
    server, client = company.start(), company.start()
    assert works(server, client)
    sending = client.order("send", to=server.pid, message=Pattern(WINDOW_SIZE, 1))
    client.until_blocked(Blocked.SEND)
    client.stop()
    assert server.do("receive").data == shown(Pattern(WINDOW_SIZE, 1))
    server.do("reply", data=Pattern(WINDOW_SIZE, 2))
    client.go_on()
    assert sending.result() == shown(Pattern(WINDOW_SIZE, 2))


# ---- in the middle of it


def until_chunks(row: Row, begun: int, chunks: int, over: Pending) -> None:
    """Until the client has moved that many chunks of its next request, or all is over."""

    def moved() -> bool:
        step = row.slot("sender_step")
        return step // (CHUNKS + 1) != begun // (CHUNKS + 1) and step & CHUNKS >= chunks

    until("chunks", lambda: moved() or over.answered())


@guarantee("B", "D")
@pytest.mark.parametrize("victim", ["client", "server"])
@pytest.mark.parametrize("direction", ["there", "back"])
@pytest.mark.parametrize("chunks", [1, 2, 5, 40, 300])
def test_killed_in_the_middle(company: Company, victim: str, direction: str, chunks: int) -> None:
    server, client = company.start(), company.start()
    assert works(server, client)
    row = Row(client.pid)
    sending = client.order("send", to=server.pid, message=Pattern(HUGE if direction == "there" else 10), room=HUGE)
    if direction == "back":
        server.do("receive")
    begun = row.slot("sender_step")
    what = (
        server.order("receive", timeout=1.0, limit=HUGE)
        if direction == "there"
        else server.order("reply", data=Pattern(HUGE))
    )
    until_chunks(row, begun, chunks, what)
    if victim == "client":
        client.kill()
        with contextlib.suppress(srr.SenderGone if direction == "back" else srr.TimedOut):
            what.result()  # or it was killed too late: all was over
        assert works(server, company.start())
    else:
        server.kill()
        try:
            sending.result()  # killed too late: it had replied
        except srr.ServerDied as failure:
            print(repr(failure))
        assert works(company.start(), client)


@guarantee("B", "C")
@pytest.mark.parametrize("direction", ["there", "back"])
def test_a_time_out_in_the_middle(company: Company, direction: str) -> None:
    """While bytes are asked for, a client leaves at once, also from a server that stands still; while its buffer
    is being written it waits for the end of that. The next Send is not disturbed by what was left."""
    server, other, client = company.start(), company.start(), company.start()
    assert works(server, client)
    assert works(other, client)
    row = Row(client.pid)  # of its main thread's slot
    sending = client.order(
        "send", to=server.pid, message=Pattern(HUGE if direction == "there" else 10), room=HUGE, timeout=2.0
    )
    if direction == "back":
        server.do("receive")
    begun = row.slot("sender_step")
    what = server.order("receive", timeout=1.0) if direction == "there" else server.order("reply", data=Pattern(HUGE))
    until_chunks(row, begun, 3, what)
    server.stop()
    if direction == "there":
        failed = sending.failure()
        exchange(other, client, Pattern(5 << 20))
        server.go_on()
    else:
        until("it wants to leave", lambda: row.word().state not in (ASK, GIVE))
        server.go_on()
        try:
            failed = sending.failure()
        except AssertionError:
            failed = None  # the reply was faster
        exchange(other, client, Pattern(5 << 20))
    if failed is not None:
        assert isinstance(failed, srr.TimedOut)
        assert failed.received
        with pytest.raises((srr.SenderGone, srr.TimedOut)):
            what.result()
    assert row.word().state == IDLE
    assert works(server, client)
