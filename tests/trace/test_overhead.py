"""`srr-trace overhead`: a comparison that is what it says; what it found is printed, not judged."""

from __future__ import annotations

import json
import statistics

import pytest
from drive import until
from tracers import Trace
from views import NOBODY

from srr.trace import listeners

WAYS = ["detached", "aggregated", "events", "everything"]


def until_quiet() -> None:
    """Until nobody listens to this copy of the library."""
    until("nobody listens", lambda: not listeners.counts(), 30.0)


@pytest.mark.usefixtures("needs_bpf")
def test_the_comparison(trace: Trace) -> None:
    until_quiet()
    ran = trace.run("overhead", "--rounds", "2", "--calls", "300", "--json")
    assert ran.end() == 0, ran.errors
    found = json.loads(ran.text)
    assert found["schema"] == 1 and (found["rounds"], found["calls"]) == (2, 300)
    assert found["listened_to_before"] == {} and found["hit_ns"] > 0
    assert len(found["attach_s"]) == len(found["detach_s"]) == 2 * 3
    placements = {one["placement"] for one in found["round_trips"]}
    for placement in placements:
        ways = [one for one in found["round_trips"] if one["placement"] == placement]
        assert [one["way"] for one in ways] == WAYS
        base = ways[0]["p50_us"]
        for one in ways:
            assert len(one["p50_us"]) == len(one["p99_us"]) == len(one["sleeps"]) == 2
            assert one["added_us"] == [mine - its for mine, its in zip(one["p50_us"], base, strict=True)]
            assert one["added_median_us"] == statistics.median(one["added_us"])
            print(placement, one["way"], one["p50_us"], "added", one["added_us"], "sleeps", one["sleeps"])
        assert ways[0]["made"] == 0, "nobody listens"
        assert all(one["made"] >= 2 * 300 for one in ways[1:]), "each was listened to for its whole turn"
        # With changes there are Send, Receive and Reply beside the transaction.
        assert ways[3]["made"] >= 4 * 2 * 300
    until_quiet()  # it has taken everything out


@pytest.mark.usefixtures("needs_bpf")
def test_for_people(trace: Trace) -> None:
    until_quiet()
    ran = trace.run("overhead", "--rounds", "1", "--calls", "50")
    assert ran.end() == 0, ran.errors
    lines = ran.text.splitlines()
    assert all(len(line) < 80 for line in lines[3:])
    assert "Nobody else listens" in ran.text and "A hit in a tight loop: 0." in ran.text
    for way in WAYS:
        assert sum(line.startswith(f"  {way}") for line in lines) == ran.text.count("client on CPU")


@pytest.mark.usefixtures("needs_bpf")
def test_who_listens_already_is_told(trace: Trace) -> None:
    until_quiet()
    other = trace("--json")
    assert listeners.counts() == {"done": 1}
    assert other.pid in [listener.pid for listener in listeners.holders()]
    ran = trace.run("overhead", "--rounds", "1", "--calls", "20")
    assert "ALREADY LISTENED TO: done 1x, by " in ran.text and f"({other.pid})" in ran.text
    other.stop()
    until_quiet()


@pytest.mark.usefixtures("needs_bpf")
def test_nobody_may(trace: Trace) -> None:
    ran = trace.run("overhead", "--quick", prefix=NOBODY)
    assert ran.end() == 1 and "CAP_BPF and CAP_PERFMON" in ran.errors and ran.text == ""
