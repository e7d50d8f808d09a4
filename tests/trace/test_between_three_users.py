"""The tracer, among users whom srr-helper has introduced: what it tells is what it tells of one user's processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drive import Blocked, Company, exchange
from pairs.town import Helper, Town
from tracers import Trace, close_a_circle, only

pytestmark = pytest.mark.usefixtures("needs_bpf")


@pytest.fixture
def town(company: Company, names: Path) -> Iterator[Town]:
    names.chmod(0o711)
    helper = Helper(names)
    helper.start()
    yield Town(company, helper)
    helper.kill()


def test_a_circle_of_three_users(town: Town, trace: Trace) -> None:
    partners = [town.server(uid) for uid in (1001, 1002, 1003)]
    tracer = trace("deadlock", "--json", "--no-stacks", *only(*partners))
    close_a_circle(partners)
    assert tracer.end() == 1, tracer.errors
    one, last = tracer.records()
    assert last["deadlocks"] == 1 and not any(last["lost"].values())
    pids = [partner.pid for partner in partners]
    assert {(member["pid"], member["on"]) for member in one["members"]} == set(
        zip(pids, [*pids[1:], pids[0]], strict=True)
    )
    texts = {member["pid"]: bytes.fromhex(member["message"]["hex"]) for member in one["members"]}
    assert texts == dict(zip(pids, [b"to the next", b"to the next", b"to the first"], strict=True))


def test_transactions_between_users(town: Town, trace: Trace) -> None:
    """Inline, by the window, and left when its time was over."""
    server, client = town.server(1001), town.start(1002)
    exchange(server, client)
    tracer = trace("--json", "--fail-on-loss", *only(client))
    exchange(server, client, b"short")
    exchange(server, client, bytes(1 << 20))
    sending = client.order("send", to=server.pid, message=b"no", timeout=0.05)
    client.until_blocked(Blocked.SEND, server.pid)
    sending.failure()
    *told, last = tracer.stopped()
    assert last["transactions"] == 3
    assert [(one["client"], one["server"], one["sent"], one["lane"]) for one in told] == [
        (client.pid, server.pid, 5, "inline"),
        (client.pid, server.pid, 1 << 20, "window"),
        (client.pid, server.pid, 2, "inline"),
    ]


def test_who_waits_for_whom_across_users(town: Town, trace: Trace) -> None:
    server, client = town.server(1001), town.start(1002)
    exchange(server, client)
    client.order("send", to=server.pid, message=b"waits")
    client.until_blocked(Blocked.SEND, server.pid)
    shown = trace.run("graph", "--json", *only(server, client))
    assert shown.end() == 0, shown.errors
    (graph,) = shown.records()
    (wait,) = graph["waits"]
    assert (wait["pid"], wait["state"], wait["on"], wait["nbytes"]) == (client.pid, "SEND", server.pid, 5)
    assert {one["pid"]: one["queue"] for one in graph["processes"]} == {server.pid: 1, client.pid: 0}
