"""Guarantee E: whatever a client declares or scribbles, the server neither crashes nor hangs, and serves the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drive import Blocked, Company, Partner, exchange, guarantee, srr, works
from hostile import rows

ORDERS = str(Path(__file__).with_name("scribble_orders.py"))
BIG = (1 << 64) - 1


@pytest.fixture
def trio(company: Company) -> tuple[Partner, Partner, Partner]:
    """A server, a hostile client that has met it, an honest one."""
    server, hostile, honest = company.start_many(3, SRR_STALL_MS="200")
    hostile.do("load", path=ORDERS)
    company.may_heal = True
    assert works(server, hostile)
    assert works(server, honest)
    return server, hostile, honest


def serve_one(server: Partner) -> Any:
    """Receive and answer whatever comes, as an honest server does; what came, or why not."""
    try:
        got = server.do("receive", timeout=0.5, limit=1 << 20)
    except OSError as failure:
        return failure
    answers: list[tuple[str, dict[str, Any]]] = [
        ("read", {"offset": 0, "nbytes": 1 << 20}),
        ("read", {"offset": 4000, "nbytes": 200_000}),
        ("write", {"offset": 50, "data": bytes(200_000)}),
        ("reply", {"data": bytes(200_000)}),
    ]
    for what, args in answers:
        try:
            server.do(what, **args)
        except OSError as failure:
            print(what, repr(failure))
    return got


LETTERS: dict[str, dict[str, Any]] = {
    "proper": {},
    "nbytes huge, inline": {"fields": {"nbytes": BIG}},
    "nbytes just above the inline area": {"fields": {"nbytes": rows.INLINE_SIZE + 1}},
    "nbytes huge, direct": {"fields": {"nbytes": BIG, "lane": rows.DIRECT}},
    "nbytes huge, none": {"fields": {"nbytes": BIG, "lane": rows.NONE}},
    "nbytes 2^46, direct": {"fields": {"nbytes": 1 << 46, "lane": rows.DIRECT}, "parts": [[4096, 1 << 46]]},
    "nbytes more than the parts": {"fields": {"nbytes": 10_000, "lane": rows.DIRECT}, "parts": [[4096, 10]]},
    "room huge": {"fields": {"room": BIG}},
    "room huge and a wild part": {
        "fields": {"room": 1 << 40, "message_parts": 0, "reply_parts": 1},
        "parts": [[0xFFFF800000000000, 1 << 40]],
    },
    "more parts than there can be": {"fields": {"message_parts": 0xFFFF, "lane": rows.DIRECT, "nbytes": 5}},
    "more reply parts than there can be": {"fields": {"message_parts": 255, "reply_parts": 0xFFFF, "room": 1 << 20}},
    "256 parts": {"fields": {"message_parts": 256, "lane": rows.DIRECT, "nbytes": 5}},
    "part at 0": {"fields": {"nbytes": 10_000, "lane": rows.DIRECT}, "parts": [[0, 10_000]]},
    "part in the kernel": {
        "fields": {"nbytes": 1 << 20, "lane": rows.DIRECT},
        "parts": [[0xFFFFFFFF80000000, 1 << 20]],
    },
    "part not canonical": {"fields": {"nbytes": 1 << 20, "lane": rows.DIRECT}, "parts": [[1 << 60, 1 << 20]]},
    "part that wraps": {"fields": {"nbytes": 1 << 45, "lane": rows.DIRECT}, "parts": [[BIG - 10, 1 << 45]]},
    "parts whose sum wraps": {
        "fields": {"nbytes": 0, "lane": rows.DIRECT},
        "parts": [[4096, 1 << 63], [4096, 1 << 63]],
    },
    "lane window": {"fields": {"lane": rows.WINDOW, "nbytes": 10}},
    "prefilled": {"fields": {"lane": rows.WINDOW, "nbytes": 100_000, "prefilled": 100_000}},
    "prefilled more than there is": {"fields": {"lane": rows.WINDOW, "nbytes": 10, "prefilled": 11}},
    "prefilled more than the window": {"fields": {"lane": rows.WINDOW, "nbytes": BIG, "prefilled": 1 << 40}},
    "window, huge": {"fields": {"lane": rows.WINDOW, "nbytes": BIG, "room": BIG, "prefilled": 5}},
    "window, more chunks than were asked for": {
        "fields": {"lane": rows.WINDOW, "nbytes": 1 << 20},
        "during": {"sender_step": 1 << 19},
    },
    "window, more chunks than it holds": {
        "fields": {"lane": rows.WINDOW, "nbytes": 1 << 20},
        "during": {"sender_step": 9},
    },
    "window, chunks without end": {
        "fields": {"lane": rows.WINDOW, "nbytes": 1 << 20},
        "during": {"sender_step": rows.CHUNKS},
    },
    "window, it has failed": {
        "fields": {"lane": rows.WINDOW, "nbytes": 1 << 20},
        "during": {"sender_failed": 5, "sender_step": 32},
    },
    "lent, of nobody": {"fields": {"lane": rows.HELPER, "nbytes": 1 << 20, "lent": 1}},
    "lane borrowed": {"fields": {"lane": rows.BORROWED, "nbytes": 10}},
    "lane helper": {"fields": {"lane": rows.HELPER, "nbytes": 10}},
    "lane 255": {"fields": {"lane": 255, "nbytes": 10}},
    "tid 0": {"fields": {"tid": 0}},
    "tid huge": {"fields": {"tid": 0xFFFFFFFF}},
    "tid of init": {"fields": {"tid": 1}},
    "target another's": {"fields": {"target": 12345}},
    "another port": {"fields": {"port": 77}},
    "state RECV": {"fields": {"state": rows.RECV}},
    "state BUSY": {"fields": {"state": rows.BUSY}},
    "state DONE": {"fields": {"state": rows.DONE}},
    "state RELAY": {"fields": {"state": rows.RELAY}},
    "state 15": {"fields": {"state": 15}},
    "word 0": {"fields": {"word": 0}},
    "word all ones": {"fields": {"word": BIG}},
    "arrival from the future": {"fields": {"arrival": 0x7FFFFFFF}},
    "traced 255": {"fields": {"traced": 255}},
    "reply flags and status set": {"fields": {"reply_flags": 255, "status": 0xFFFFFFFF}},
}


@guarantee("E")
@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS.keys())
def test_forged_message(trio: tuple[Partner, Partner, Partner], letter: dict[str, Any]) -> None:
    server, hostile, honest = trio
    fields, parts = letter.get("fields", {}), letter.get("parts", [])
    hostile.do("forge", to=server.pid, fields=fields, parts=parts, message=b"forged")
    lying = hostile.order("answer_request", thread="liar", fields=letter["during"]) if "during" in letter else None
    got = serve_one(server)
    print(got, hostile.do("forged"))
    assert lying is None or lying.result()  # it was asked, and lied
    if letter == {}:
        assert got.data == b"forged"  # the harness itself: what is proper is delivered
        assert hostile.do("forged").state == rows.DONE
    hostile.do("withdraw")
    assert works(server, honest)
    assert works(server, hostile)


@guarantee("E")
@pytest.mark.parametrize("threads_life", [False, True])
@pytest.mark.parametrize("lane", [rows.INLINE, rows.DIRECT])
def test_a_lying_tid_reaches_no_third(trio: tuple[Partner, Partner, Partner], lane: int, threads_life: bool) -> None:
    """The slot (and the liar's own life file) names another process's thread: nothing is read from that one."""
    server, hostile, honest = trio
    secret = hostile.do("buffer_at", nbytes=8192)
    if threads_life:
        hostile.do("lie_about_life", tid=honest.pid)
    hostile.do(
        "forge",
        to=server.pid,
        fields={"tid": honest.pid, "lane": lane, "nbytes": 8192, "room": 8192, "reply_parts": 1, "message_parts": 1},
        parts=[[secret, 8192], [secret, 8192]],
    )
    got = serve_one(server)
    print(got)
    if not isinstance(got, OSError):
        assert got.pid == hostile.pid
    hostile.do("withdraw")
    assert works(server, honest)


@guarantee("E")
def test_a_lying_tid_is_not_received_as_another(trio: tuple[Partner, Partner, Partner]) -> None:
    """Receive from one sender must not be cheated by somebody who only says to be it."""
    server, hostile, honest = trio
    hostile.do("lie_about_life", tid=honest.pid)
    hostile.do("forge", to=server.pid, fields={"tid": honest.pid, "nbytes": 6}, parts=[], message=b"forged")
    failure = server.fails("receive", sender=honest.pid, timeout=0.5)
    assert isinstance(failure, srr.TimedOut)
    hostile.do("withdraw")
    assert works(server, honest)


@guarantee("E")
@pytest.mark.parametrize("seed", range(8))
def test_a_client_that_scribbles_over_its_own_slot(trio: tuple[Partner, Partner, Partner], seed: int) -> None:
    server, hostile, honest = trio
    sending = hostile.order("send", thread="sends", to=server.pid, message=bytes(100), timeout=0.3)
    scribbling = hostile.order("scribble_slot", rounds=3000, seed=seed)
    served = 0
    while not (scribbling.answered() and sending.answered()):
        got = serve_one(server)
        served += not isinstance(got, OSError)
        assert works(server, honest)
    print(f"{served} messages came of it")
    try:
        print(sending.result())
    except Exception as failure:
        print(repr(failure))
    hostile.kill()
    assert works(server, honest)


@guarantee("E")
@pytest.mark.parametrize("seed", range(6))
def test_a_client_that_scribbles_while_bytes_flow(company: Company, seed: int) -> None:
    """Over all fields of the window, and its own word, under a server that reads from and writes to it."""
    server, honest = company.start(SRR_STALL_MS="200"), company.start(SRR_LANE="window")
    hostile = company.start(SRR_LANE="window")
    company.may_heal = True
    hostile.do("load", path=ORDERS)
    assert works(server, hostile)
    assert works(server, honest)
    hostile.order("send", thread="sends", to=server.pid, message=bytes(1 << 20), room=1 << 20, timeout=1.0)
    scribbling = hostile.order("scribble_window", rounds=4000, seed=seed)
    while not scribbling.answered():
        serve_one(server)
        assert works(server, honest)
    hostile.kill()
    assert works(server, honest)


@guarantee("E")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("what", ["hints", "no hints", "entries", "all entries", "no entries", "the rest"])
def test_a_vandal_at_the_port(trio: tuple[Partner, Partner, Partner], what: str) -> None:
    """Hints, entries, bell and counters are anybody's of this user to write: a delay at most, for anybody."""
    server, hostile, honest = trio
    serving = server.order("serve", count=300)
    sending = honest.order("repeat", to=server.pid, count=100)
    vandal = hostile.order("scribble_port", thread="vandal", to=server.pid, what=what, rounds=200, seed=3)
    sending.result()
    vandal.result()
    honest.do("repeat", to=server.pid, count=200)
    serving.result()
    assert works(server, honest)


@guarantee("E")
def test_vandalism_while_the_server_sleeps_and_while_it_holds(trio: tuple[Partner, Partner, Partner]) -> None:
    server, hostile, honest = trio
    sending = honest.order("send", to=server.pid, message=b"held")
    server.do("receive", hold="held")
    for what in ("all entries", "hints", "the rest"):
        hostile.do("scribble_port", to=server.pid, what=what, rounds=3, seed=4)
    receiving = server.order("receive", timeout=1.0, hold="other")
    receiving.failure()
    server.do("reply", hold="held", data=b"answered all the same")
    assert sending.result() == b"answered all the same"
    receiving = server.order("receive", hold="next")
    server.until_blocked(Blocked.RECEIVE)
    hostile.do("scribble_port", to=server.pid, what="no entries", rounds=3, seed=5)
    sending = honest.order("send", to=server.pid, message=b"next")
    assert receiving.result().data == b"next"
    server.do("reply", hold="next")
    sending.result()


FALSE_ROWS = [
    "empty",
    "wrong size",
    "no seals",
    "wrong magic",
    "wrong version",
    "wrong pid",
    "no id",
    "other namespace",
    "looks right",
]


@guarantee("E")
@pytest.mark.parametrize("kind", FALSE_ROWS)
def test_a_false_row_file(company: Company, kind: str) -> None:
    """What a peer finds under the right name is taken for a row only if all of it is right."""
    hostile, client = company.start_many(2)
    company.may_heal = True
    hostile.do("load", path=ORDERS)
    hostile.do("false_row", kind=kind)
    failure = client.fails("send", to=hostile.pid, message=b"x", timeout=0.5)
    print(repr(failure))
    assert isinstance(failure, srr.Failure)
    assert failure.safe_to_repeat
    assert works(company.start(), client)


@guarantee("E")
@pytest.mark.parametrize("kind", FALSE_ROWS)
def test_a_client_with_a_false_row_file(company: Company, kind: str) -> None:
    """It has the proper one as well, at another number: it harms at most itself."""
    server, hostile, honest = company.start_many(3)
    company.may_heal = True
    hostile.do("load", path=ORDERS)
    hostile.do("false_row", kind=kind)
    serving = server.order("serve", count=1)
    try:
        hostile.do("send", to=server.pid, message=b"x", timeout=1.0)
    except OSError as failure:
        print(repr(failure))
        exchange_one = honest.order("send", to=server.pid, message=b"x")
        exchange_one.result()
    serving.result()
    exchange(server, honest)
