"""Is a deadlock told if and only if there is one? In simulated worlds that are looked at as the real one is: torn."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from statesim import MS, SECOND, World, awaits_reply, process, receives, sends

from srr.state import Blocked
from srr.trace.cli import main
from srr.trace.deadlock import QUIET_NS, Deadlock, Task, Tasks, Watch

FOR_EVER = 1 << 62


def look_until(world: World, watch: Watch, end_ns: int) -> list[tuple[Deadlock, set[tuple[int, int]]]]:
    """Look as the command does; each deadlock that is told, and the truth at that moment.

    A true one that has stood for a second must have been told; its processes then end, and others begin.
    """
    told = []
    true_since: dict[frozenset[tuple[int, int, int]], int] = {}
    stuck_told: set[int] = set()
    while world.now_ns() < end_ns:
        fresh = watch.look(world.survey(), world.now_ns())
        truth = world.stuck()
        for one in fresh:
            told.append((one, truth))
            stuck_told |= {wait.pid for wait in one.cycle.members}
        standing = frozenset((pid, tid, world.processes[pid].threads[tid].id) for pid, tid in truth)
        true_since = {standing: true_since.get(standing, world.now_ns())} if standing else {}
        if standing and world.now_ns() - true_since[standing] > SECOND:
            # Which one of several threads receives, and from whom, the table does not say; then it may stay untold.
            if all(world.is_named(pid, tid) for pid, tid, _ in standing):
                assert any(pid in stuck_told for pid, _, _ in standing), f"not told: {standing}"
            world.kill({pid for pid, _, _ in standing})
        world.advance(100 * MS if watch.undecided else 250 * MS)
    return told


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(4))
def test_in_an_hour_of_changing_graphs_what_is_told_is_true_and_what_is_true_is_told(seed: int) -> None:
    world = World(seed, processes=4 + seed, threads=1 + seed % 3)
    watch = Watch(world.tasks, patience_ns=FOR_EVER)
    told = look_until(world, watch, 900 * SECOND)
    for one, truth in told:
        for wait in one.cycle.members:
            assert wait.tid == 0 or (wait.pid, wait.tid) in truth, (one, truth)
        assert {wait.pid for wait in one.cycle.members} <= {pid for pid, _ in truth}
    assert len(told) > 20, "the world was too tame to show anything"
    assert world.transactions > 200


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(4))
def test_a_certain_one_is_true_whoever_replies_and_however_long_threads_nap(seed: int) -> None:
    world = World(100 + seed, processes=4, threads=2, handing=True, nap_ns=20 * SECOND)
    watch = Watch(world.tasks, patience_ns=FOR_EVER)
    certain = looks_stuck = 0
    while world.now_ns() < 900 * SECOND:
        for one in watch.look(world.survey(), world.now_ns()):
            if one.cycle.certain:
                certain += 1
                assert {wait.pid for wait in one.cycle.members} <= {pid for pid, _ in world.stuck()}, one
        looks_stuck = looks_stuck + 1 if world.stuck() else 0
        if looks_stuck > 20:
            world.kill({pid for pid, _ in world.stuck()})
        world.advance(100 * MS if watch.undecided else 250 * MS)
    assert certain > 2


@pytest.mark.timeout(120)
@pytest.mark.parametrize("tear_ms", [2, 60])
def test_the_command_tells_nothing_of_an_hour_in_which_no_circle_closes(tear_ms: int) -> None:
    """Single-threaded processes in a hurry, looked at as they work; a Send that would close a circle is left out."""
    world = World(7, threads=1, safe=True, tear_ns=tear_ms * MS, nap_ns=50 * MS, busy_ns=200 * MS, end_ns=1801 * SECOND)
    ran = CliRunner().invoke(main, ["deadlock", "--continue", "--json"], obj=world)
    assert (ran.exit_code, len(ran.stdout.splitlines())) == (0, 1), ran.output
    assert json.loads(ran.stdout)["deadlocks"] == 0
    assert world.transactions > 1000


def test_torn_looks_do_show_circles_that_never_were() -> None:
    """What the two looks are for: single ones are not to be believed."""
    from srr.trace.graph import find_stuck

    world = World(7, threads=1, safe=True, tear_ns=60 * MS, nap_ns=50 * MS, busy_ns=200 * MS)
    seen = 0
    for _ in range(2000):
        seen += bool(find_stuck(world.survey()).cycles)
        assert not world.stuck()
        world.advance(50 * MS)
    assert seen > 0


# ---- what other threads do


class Threads:
    """Of two processes that SEND to each other; a second thread in the first."""

    def __init__(self, other: Task | None) -> None:
        self.other = other

    def __call__(self, pid: int) -> Tasks:
        return {pid: Task("S", 1)} | ({pid + 1: self.other} if pid == 100 and self.other else {})


MUTUAL = [process(100, sends(100, on=200)), process(200, sends(200, on=100))]


def test_without_other_threads_two_looks_are_enough_and_it_is_told_once() -> None:
    watch = Watch(Threads(None))
    assert watch.look(MUTUAL, SECOND) == []
    (one,) = watch.look(MUTUAL, SECOND + 1)
    assert one.cycle.certain and one.others == {}
    assert watch.look(MUTUAL, SECOND + 2) == []


def test_another_thread_that_sleeps_on_makes_it_uncertain() -> None:
    watch = Watch(Threads(Task("S", 5)))
    assert watch.look(MUTUAL, SECOND) == []
    assert watch.look(MUTUAL, SECOND + QUIET_NS - 1) == []
    (one,) = watch.look(MUTUAL, SECOND + QUIET_NS)
    assert not one.cycle.certain and one.others == {100: 1}


@pytest.mark.parametrize("busy", ["R", "D", "T", "t"])
def test_another_thread_that_runs_or_is_stopped_needs_patience(busy: str) -> None:
    watch = Watch(Threads(Task(busy, 5)), patience_ns=10 * SECOND)
    for second in range(1, 11):
        assert watch.look(MUTUAL, second * SECOND) == []
    assert len(watch.look(MUTUAL, 13 * SECOND)) == 1


def test_another_thread_that_ran_between_two_looks_needs_patience() -> None:
    threads = Threads(None)
    watch = Watch(threads, patience_ns=10 * SECOND)
    for second in range(1, 11):
        threads.other = Task("S", second)
        assert watch.look(MUTUAL, second * SECOND) == []


def test_a_process_that_receives_again_and_again_is_never_in_a_circle() -> None:
    watch = Watch(Threads(Task("S", 5)), patience_ns=SECOND)
    for second in range(1, 30):
        busy = process(100, sends(100, on=200), received=second)
        assert watch.look([busy, MUTUAL[1]], second * SECOND) == []


def test_the_same_circle_of_other_transactions_is_none() -> None:
    watch = Watch(Threads(None))
    for second in range(1, 30):
        found = [process(100, sends(100, on=200, id=second)), process(200, sends(200, on=100, id=second))]
        assert watch.look(found, second * SECOND) == []


def test_a_process_that_has_ended_is_in_no_circle() -> None:
    watch = Watch(lambda pid: {})
    for second in range(1, 4):
        assert watch.look(MUTUAL, second * SECOND) == []


def test_of_a_recording_it_is_told_as_uncertain_once_it_has_stood() -> None:
    watch = Watch(None)
    assert watch.look(MUTUAL, SECOND) == [] == watch.look(MUTUAL, SECOND + QUIET_NS // 2)
    (one,) = watch.look(MUTUAL, SECOND + QUIET_NS)
    assert not one.cycle.certain and one.others is None


def test_receiving_from_one_who_waits_for_our_reply() -> None:
    """It received a message, and before it replies it waits for the next one of the same sender."""
    server = process(100, receives(on=200), receivers=1, taken={200: 100}, received=1)
    client = process(200, awaits_reply(200, on=100, by=100))
    alone = Watch(lambda pid: {pid: Task("S", 1)})
    assert alone.look([server, client], SECOND) == []
    (one,) = alone.look([server, client], SECOND + 1)
    assert {(wait.pid, wait.state) for wait in one.cycle.members} == {(100, Blocked.RECEIVE), (200, Blocked.REPLY)}
    assert one.cycle.certain

    # With a second thread, which of them receives is not in the table; the other one may be at work.
    watch = Watch(lambda pid: {pid: Task("S", 1), pid + 1: Task("S", 1)})
    for second in range(1, 4):
        assert watch.look([server, client], second * SECOND) == []
