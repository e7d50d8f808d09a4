"""One transaction between two unrelated processes: sizes, directions, lanes, by pid and by name."""

from __future__ import annotations

import os

import pytest
from drive import Blocked, Company, exchange, guarantee
from wire import Pattern, shown

SIZES = [0, 1, 63, 4095, 4096, 4097, 65535, 65536, 65537, (1 << 20) + 1, 64 << 20]

#: How waiting and lanes can be forced: none of it may be seen in what arrives.
SETTINGS: dict[str, dict[str, str]] = {
    "as-is": {},
    "direct": {"SRR_INLINE": "0"},
    "half-inline": {"SRR_INLINE": "4096"},
    "sleeping": {"SRR_SPIN_US": "0"},
}


@pytest.fixture(params=list(SETTINGS.values()), ids=list(SETTINGS))
def setting(request: pytest.FixtureRequest) -> dict[str, str]:
    found: dict[str, str] = request.param
    return found


@guarantee("B")
@pytest.mark.parametrize("nbytes", SIZES)
def test_message_and_reply_of_every_size(company: Company, setting: dict[str, str], nbytes: int) -> None:
    server, client = company.start(**setting), company.start(**setting)
    there, back = Pattern(nbytes, 1), Pattern(nbytes, 2)
    sending = client.order("send", to=server.pid, message=there)
    got = server.do("receive")
    assert got.data == shown(there)
    assert (got.nbytes, got.pid, got.tid, got.uid) == (nbytes, client.pid, client.pid, client.uid)
    assert server.do("reply", data=back) == nbytes
    assert sending.result() == shown(back)


@pytest.mark.parametrize(("there", "back"), [(0, 64 << 20), (64 << 20, 0), (1, 65537), (65537, 1)])
def test_the_two_directions_are_independent(company: Company, there: int, back: int) -> None:
    server, client = company.start(), company.start()
    sending = client.order("send", to=server.pid, message=Pattern(there, 3))
    assert server.do("receive").data == shown(Pattern(there, 3))
    server.do("reply", data=Pattern(back, 4))
    assert sending.result() == shown(Pattern(back, 4))


def test_settings_of_the_two_sides_may_differ(company: Company) -> None:
    """One side takes the inline lane for what the other would carry directly."""
    server, client = company.start(SRR_INLINE="0"), company.start(SRR_INLINE="65536", SRR_SPIN_US="0")
    for nbytes in (1, 4096, 65536, 65537):
        exchange(server, client, Pattern(nbytes, nbytes))
        exchange(client, server, Pattern(nbytes, nbytes))


@pytest.mark.parametrize(("nbytes", "lane"), [(0, "none"), (1, "short"), (65536, "short"), (65537, "long")])
def test_the_lane_is_told(company: Company, nbytes: int, lane: str) -> None:
    server, client = company.start(), company.start()
    assert exchange(server, client, Pattern(nbytes)).lane == {"none": "-", **vars(company.way)}[lane]


@pytest.mark.only_by("direct", "window")  # tests/pairs: a name of another user's is called by its user, too
def test_by_name(company: Company) -> None:
    server, client = company.start(), company.start()
    server.do("attach", name="calc")
    sending = client.order("send", to="calc", message=b"hello")
    assert server.do("receive").data == b"hello"
    server.do("reply", data=b"olleh")
    assert sending.result() == b"olleh"


def test_a_server_can_be_a_client_and_a_client_a_server(company: Company) -> None:
    """A chain of three: the one in the middle is REPLY-blocked on one side while it serves the other."""
    top, middle, bottom = company.start_many(3)
    first = bottom.order("send", to=middle.pid, message=b"1")
    assert middle.do("receive").data == b"1"
    second = middle.order("send", to=top.pid, message=b"2")
    assert top.do("receive").data == b"2"
    middle.until_blocked(Blocked.REPLY, on=top.pid)
    bottom.until_blocked(Blocked.REPLY, on=middle.pid)
    top.do("reply", data=b"3")
    assert second.result() == b"3"
    middle.do("reply", data=b"4")
    assert first.result() == b"4"


@guarantee("A")
def test_the_states_are_those_of_qnx4(company: Company) -> None:
    """SEND-blocked until received, REPLY-blocked until answered; the receiver RECEIVE-blocked before."""
    server, client = company.start(), company.start()
    receiving = server.order("receive")
    server.until_blocked(Blocked.RECEIVE)
    server.signal(0)
    sending = client.order("send", to=server.pid, message=b"x")
    receiving.result()
    client.until_blocked(Blocked.REPLY, on=server.pid)
    server.do("reply")
    sending.result()

    sending = client.order("send", to=server.pid, message=b"x")
    client.until_blocked(Blocked.SEND, on=server.pid)
    server.do("receive")
    client.until_blocked(Blocked.REPLY, on=server.pid)
    server.do("reply")
    sending.result()


@guarantee("A")
@pytest.mark.parametrize("setting", [{}, {"SRR_SPIN_US": "0"}, {"SRR_INLINE": "0"}], ids=["spin", "sleep", "direct"])
@pytest.mark.timeout(120)
def test_a_long_row_of_transactions(company: Company, setting: dict[str, str]) -> None:
    """No wake-up is lost in 20,000: a lost one would be found by the periodic look, which company counts."""
    server, client = company.start(**setting), company.start(**setting)
    serving = server.order("serve", count=20_000)
    client.do("repeat", to=server.pid, count=20_000)
    serving.result()


@guarantee("A")
@pytest.mark.timeout(120)
def test_two_that_serve_each_other_in_turn_on_one_cpu(company: Company) -> None:
    cpu = str(min(os.sched_getaffinity(0)))
    a, b = company.start("taskset", "-c", cpu), company.start("taskset", "-c", cpu)
    serving = a.order("serve", count=5000)
    b.do("repeat", to=a.pid, count=5000)
    serving.result()
    serving = b.order("serve", count=5000)
    a.do("repeat", to=b.pid, count=5000)
    serving.result()
