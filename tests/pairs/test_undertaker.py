"""Told of a death at once: between processes of one user that have joined srr-helper, and across users."""

from __future__ import annotations

import time

import pytest
from drive import Blocked, exchange, guarantee, srr
from pairs.town import Town


@guarantee("D")
@pytest.mark.parametrize("uid", [1001, 1002])
def test_esrch_within_20_ms(town: Town, uid: int) -> None:
    """The wait has grown to slices of 100 ms by then."""
    took = []
    for turn in range(5):
        server, client = town.server(1001, f"plc{turn}"), town.start(uid)
        exchange(server, client)
        waiting = server.order("receive", timeout=0.3)  # a blocking Receive: it has joined
        assert isinstance(waiting.failure(), srr.TimedOut)
        sending = client.order("send", to=server.pid, message=b"x")
        thread = client.until_blocked(Blocked.SEND)
        while time.monotonic_ns() - thread.since_ns < 300_000_000:
            client.until_asleep()
        began = time.monotonic()
        server.kill(reap=False)
        failure = sending.failure()
        took.append(1000 * (time.monotonic() - began))
        assert isinstance(failure, srr.ServerDied)
        assert failure.safe_to_repeat
    print("ESRCH after", " ".join(f"{one:.1f}" for one in sorted(took)), "ms")
    assert sorted(took)[2] < 60  # 20 ms are promised; this machine has other work
