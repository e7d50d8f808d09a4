"""Guarantee E, the other way round: a server that writes nonsense into its client's slot."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from drive import Company, Partner, guarantee, srr, works
from hostile import rows

ORDERS = str(Path(__file__).with_name("scribble_orders.py"))
BIG = (1 << 64) - 1


@pytest.fixture
def pair(company: Company) -> tuple[Partner, Partner]:
    hostile, client = company.start_many(2)
    hostile.do("load", path=ORDERS)
    company.may_heal = True
    assert works(hostile, client)
    return hostile, client


ENDINGS: dict[str, dict[str, Any]] = {
    "more inline bytes than there is room": {
        "fields": {"reply_lane": rows.INLINE, "inlined": 60_000},
        "state": rows.DONE,
    },
    "more inline bytes than the area has": {
        "fields": {"reply_lane": rows.INLINE, "inlined": 70_000},
        "state": rows.DONE,
    },
    "inline bytes 2^32 - 1": {"fields": {"reply_lane": rows.INLINE, "inlined": 0xFFFFFFFF}, "state": rows.DONE},
    "replied 2^64 - 1": {
        "fields": {"reply_lane": rows.DIRECT, "reply_flags": 0x80, "replied": BIG},
        "state": rows.DONE,
    },
    "replied 2^64 - 1, inline": {
        "fields": {"reply_lane": rows.INLINE, "reply_flags": 0x80, "replied": BIG, "inlined": 65536},
        "state": rows.DONE,
    },
    "lane 255": {"fields": {"reply_lane": 255, "inlined": 10}, "state": rows.DONE},
    "lane window": {"fields": {"reply_lane": rows.WINDOW, "inlined": 10}, "state": rows.DONE},
    "lane window, 2^64 - 1 bytes": {"fields": {"reply_lane": rows.WINDOW, "asked": BIG}, "state": rows.DONE},
    "lane window, from behind the room": {
        "fields": {"reply_lane": rows.WINDOW, "asked": 100, "asked_from": 149, "asked_number": 9},
        "state": rows.DONE,
    },
    "lane window, chunks that were never counted": {
        "fields": {"reply_lane": rows.WINDOW, "asked": 150, "asked_number": 9, "receiver_step": 9 << 20 | 77},
        "state": rows.DONE,
    },
    "lane window, a number that there is not": {
        "fields": {"reply_lane": rows.WINDOW, "asked": 150, "asked_number": 0xFFFFFFFF, "receiver_step": BIG},
        "state": rows.DONE,
    },
    "status 2^32 - 1": {"fields": {"status": 0xFFFFFFFF}, "state": rows.DONE},
    "status 5000": {"fields": {"status": 5000, "reply_flags": 0xFF}, "state": rows.DONE},
    "FAILN and nothing": {"fields": {"status": 0}, "state": rows.FAILN},
    "FAILR and nothing": {"fields": {"status": 0}, "state": rows.FAILR},
    "FAILN 2^32 - 1": {"fields": {"status": 0xFFFFFFFF}, "state": rows.FAILN},
    "IDLE": {"fields": {}, "state": rows.IDLE},
    "state 11": {"fields": {}, "state": 11},
    "state 15": {"fields": {}, "state": 15},
    "word 0": {"fields": {}, "state": None, "word": 0},
    "word all ones": {"fields": {}, "state": None, "word": BIG},
    "another transaction's word": {"fields": {}, "state": None, "word": rows.Word(99, 3, rows.RECV).pack()},
}


@guarantee("B", "E")
@pytest.mark.parametrize("into", [True, False], ids=["send_into", "send"])
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_forged_end(pair: tuple[Partner, Partner], company: Company, ending: dict[str, Any], into: bool) -> None:
    """The client gets an error or a result, at once, never what lies outside its buffer."""
    hostile, client = pair
    if into:
        sending = client.order("send_into", to=hostile.pid, message=b"x", reply=[100, 50], truncate=True)
    else:
        sending = client.order("send", to=hostile.pid, message=b"x", room=150, truncate=True)
    hostile.do("receive")
    hostile.do("forge_reply", to=client.pid, **ending)
    try:
        answer = sending.result()
        print(answer)
        if into:
            assert answer.stored <= 150
            assert [len(part) for part in answer.parts] == [100, 50]
        else:
            assert len(answer) <= 150
    except srr.Failure as failure:
        print(repr(failure))
    assert works(company.start(), client)
    try:
        hostile.do("reply", data=b"a late one")
    except srr.SenderGone:
        pass
    assert works(company.start(), client)


REQUESTS: dict[str, dict[str, int]] = {
    "what is behind the message": {"asked_from": 2, "asked": 100},
    "2^64 - 1 bytes": {"asked": BIG},
    "the last byte there can be": {"asked_from": BIG, "asked": 2},
    "nothing": {"asked": 0},
    "counted too far": {"asked": 1, "receiver_step": 5 << 20 | 77},
    "a number that there is not": {"asked": 1, "asked_number": 0xFFFFFFFF, "receiver_step": BIG},
}


@guarantee("B", "E")
@pytest.mark.parametrize("state", [rows.ASK, rows.GIVE], ids=["ask", "give"])
@pytest.mark.parametrize("fields", REQUESTS.values(), ids=REQUESTS.keys())
def test_forged_request(pair: tuple[Partner, Partner], company: Company, fields: dict[str, int], state: int) -> None:
    """Nonsense moves nothing: neither what lies beyond the message, nor into what lies beyond the reply buffer."""
    hostile, client = pair
    sending = client.order("send_into", to=hostile.pid, message=b"x", reply=[100, 50], timeout=0.3)
    hostile.do("receive")
    proper = {"asked_from": 0, "asked_number": 5, "receiver_step": 5 << 20 | 1}
    hostile.do("forge_reply", to=client.pid, fields={**proper, **fields}, state=state)
    if state == rows.GIVE:  # from which it can't leave alone
        client.until_asleep()
        hostile.do("forge_reply", to=client.pid, fields={"status": errno.EIO}, state=rows.FAILR)
    failure = sending.failure()
    assert isinstance(failure, srr.TimedOut) or failure.errno == errno.EIO
    assert works(company.start(), client)


@guarantee("E")
@pytest.mark.parametrize("seed", range(6))
def test_random_words(pair: tuple[Partner, Partner], company: Company, seed: int) -> None:
    hostile, client = pair
    sending = client.order("send_into", to=hostile.pid, message=b"x", reply=[1000], timeout=1.0, truncate=True)
    hostile.do("receive")
    hostile.do("scribble_client", to=client.pid, rounds=500, seed=seed)
    try:
        print(sending.result().stored)
    except OSError as failure:
        print(repr(failure))
    assert works(company.start(), client)


@guarantee("D", "E")
@pytest.mark.parametrize("state", [rows.BUSY, rows.BUSYC, rows.SENT, rows.RECV, rows.ASK, rows.GIVE, rows.RELAY])
def test_a_server_that_never_lets_go(pair: tuple[Partner, Partner], company: Company, state: int) -> None:
    """Held in BUSY, a Send outlasts its time-out: its buffers may be being written. The server's death ends it."""
    hostile, client = pair
    sending = client.order("send", to=hostile.pid, message=b"x", timeout=0.3)
    hostile.do("receive")
    hostile.do("forge_reply", to=client.pid, fields={}, state=state)
    other = client.order("send", thread="t", to=company.start().pid, message=b"y", timeout=1.0)
    assert isinstance(other.failure(), srr.TimedOut)  # by now the first has had time to leave
    left = sending.answered()
    print("left by itself" if left else "held until the server's death")
    assert left or state in (rows.BUSY, rows.BUSYC, rows.GIVE)
    hostile.kill()
    failure = sending.failure()
    print(repr(failure))
    assert isinstance(failure, srr.Failure)
    assert works(company.start(), client)


@guarantee("C", "E")
def test_a_vandal_in_a_third_ones_slot(pair: tuple[Partner, Partner], company: Company) -> None:
    """Its own port and slot are all that a client shows of itself; a reply to an old word does nothing."""
    hostile, client = pair
    server = company.start()
    sending = client.order("send", to=hostile.pid, message=b"x", timeout=0.2)
    hostile.do("receive")
    assert isinstance(sending.failure(), srr.TimedOut)
    sending = client.order("send", to=server.pid, message=b"y")
    server.do("receive")
    assert isinstance(hostile.fails("reply", data=b"late"), srr.SenderGone)
    assert not sending.answered()
    server.do("reply", data=b"right")
    assert sending.result() == b"right"
