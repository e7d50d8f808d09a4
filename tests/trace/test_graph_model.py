"""The wait-for graph: who is stuck, by the definition; and that what others call themselves stays text."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statesim import SECOND, awaits_reply, process, receives, sends

from srr.processes import Process, Thread
from srr.state import Blocked
from srr.trace import render
from srr.trace.graph import Cycle, Wait, build, find_stuck

NOW = 10 * SECOND


def cycles(*found: Process, others: dict[int, int] | None = None) -> tuple[Cycle, ...]:
    return find_stuck(found, others=others).cycles


def pids(cycle: Cycle) -> list[int]:
    return [wait.pid for wait in cycle.members]


# ---- what is a cycle


@pytest.mark.parametrize("count", [2, 3, 17, 5000])
def test_a_ring_is_a_cycle_in_its_order(count: int) -> None:
    ring = [process(100 + n, sends(100 + n, on=100 + (n + 1) % count)) for n in range(count)]
    (cycle,) = cycles(*ring, others={p.pid: 0 for p in ring})
    assert pids(cycle) == list(range(100, 100 + count)) and cycle.behind == () and cycle.certain


def test_waiters_behind_are_no_members() -> None:
    ring = [process(1, sends(1, on=2)), process(2, sends(2, on=1))]
    behind = [process(3, sends(3, on=1)), process(4, awaits_reply(4, on=3, by=3)), process(5, sends(5, on=99))]
    (cycle,) = cycles(*ring, *behind)
    assert pids(cycle) == [1, 2] and [wait.pid for wait in cycle.behind] == [3, 4]


def test_two_cycles_are_two() -> None:
    found = [process(n, sends(n, on=n ^ 1)) for n in (2, 3, 4, 5)]
    assert [pids(cycle) for cycle in cycles(*found)] == [[2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("why", "other"),
    [
        ("it runs", process(2)),
        ("it receives from anyone", process(2, receives(), receivers=1)),
        ("a thread of it receives", process(2, sends(2, on=1), receives(), receivers=1)),
        ("a thread of it works on a message", process(2, sends(2, on=1), taken={9: 20})),
        ("it receives from just that one", process(2, receives(on=1), receivers=1)),
        ("it waits for one who is not in the table", process(2, sends(2, on=77))),
        ("one of its threads waits for one who is not in the table", process(2, sends(2, on=1), sends(20, on=77))),
        ("it left while we looked", process(2, sends(2, on=0))),
    ],
)
def test_none_where_somebody_can_act(why: str, other: Process) -> None:
    assert cycles(process(1, sends(1, on=2)), other) == (), why


def test_any_thread_may_receive_but_the_one_that_took_it_must_reply() -> None:
    pool = process(2, sends(20, on=1), receives(), receivers=1, taken={1: 20})
    assert cycles(process(1, sends(1, on=2)), pool) == ()
    (cycle,) = cycles(process(1, awaits_reply(1, on=2, by=20)), pool, others={1: 0, 2: 0})
    assert pids(cycle) == [1, 2] and not cycle.certain  # the receiving one might reply


def test_certain_needs_to_know_of_all_threads() -> None:
    found = [process(1, sends(1, on=2)), process(2, sends(2, on=1))]
    certain = [cycles(*found, others=others)[0].certain for others in ({1: 0, 2: 0}, {1: 0, 2: 1}, {1: 0}, None)]
    assert certain == [True, False, False, False]


def test_a_process_whose_threads_are_stuck_in_different_cycles() -> None:
    """One SEND to it can only be helped by threads that are all stuck."""
    middle = process(5, sends(50, on=1), sends(51, on=2))
    found = [middle, process(1, awaits_reply(1, on=5, by=50)), process(2, awaits_reply(2, on=5, by=51))]
    found.append(process(3, sends(3, on=5)))
    one, other = cycles(*found)
    assert sorted(pids(one) + pids(other)) == [1, 2, 5, 5]
    assert [wait.pid for wait in one.behind] == [wait.pid for wait in other.behind] == [3]


def test_a_thread_that_waits_for_itself_and_nonsense_do_no_harm() -> None:
    odd = [
        process(1, sends(1, on=1)),
        process(2, awaits_reply(2, on=2, by=2)),
        process(3, Thread(3, Blocked.SEND, -5, 1 << 63, 1), Thread(3, Blocked.REPLY, 1 << 40, -1, 1, taken_by=-3)),
        process(4, sends(4, on=1), sends(4, on=2)),
    ]
    assert {wait.pid for cycle in cycles(*odd) for wait in cycle.members} == {1, 2}
    graph = build(odd, NOW, cycles(*odd))
    assert all((list(render.text(graph)), list(render.dot(graph)), list(render.mermaid(graph))))
    json.dumps(render.json_of(graph, 0))


def naively(found: list[Process]) -> set[tuple[int, int]]:
    """By the definition, word for word: take away who can be helped until nobody is left who can."""
    rows = {(p.pid, t.tid): t for p in found for t in p.blocked}
    left = set(rows)

    def can_act(pid: int) -> bool:
        p = next((p for p in found if p.pid == pid), None)
        if p is None or not p.blocked:
            return True
        if any((pid, tid) not in rows for tid in p.taken.values()):
            return True
        return any((pid, t.tid) not in left or t.on <= 0 for t in p.blocked)

    def can_be_helped(pid: int, thread: Thread) -> bool:
        if thread.on <= 0:
            return True
        if thread.state is Blocked.REPLY and thread.taken_by:
            return (thread.on, thread.taken_by) not in left
        return can_act(thread.on)

    while helped := {at for at in left if can_be_helped(at[0], rows[at])}:
        left -= helped
    return left


@st.composite
def tables(draw: st.DrawFn) -> list[Process]:
    found = []
    count = draw(st.integers(2, 6))
    for pid in range(1, count + 1):
        blocked = []
        for n in range(draw(st.integers(0, 3))):
            on = draw(st.integers(1, count + 1))
            by = on * 10 + draw(st.integers(0, 3))
            tid = pid * 10 + n
            blocked.append(draw(st.sampled_from([sends(tid, on), awaits_reply(tid, on, by), awaits_reply(tid, on)])))
        taken = {1000 + n: pid * 10 + draw(st.integers(0, 3)) for n in range(draw(st.integers(0, 1)))}
        receiving = draw(st.sampled_from([0, 0, 0, 1]))
        found.append(process(pid, *blocked, *[receives()] * receiving, receivers=receiving, taken=taken))
    return found


@settings(max_examples=2000, deadline=None)
@given(tables())
def test_the_stuck_are_those_of_the_definition(found: list[Process]) -> None:
    told = find_stuck(found, others={}).cycles
    members = {(wait.pid, wait.tid) for cycle in told for wait in cycle.members}
    behind = {(wait.pid, wait.tid) for cycle in told for wait in cycle.behind}
    stuck = naively(found)
    assert members | behind == stuck
    assert not members & behind
    # A member can be reached from itself; a waiter behind can not.
    for at in stuck:
        assert (at in members) == (at in _reached_from(at, stuck, found)), at


def _reached_from(start: tuple[int, int], stuck: set[tuple[int, int]], found: list[Process]) -> set[tuple[int, int]]:
    rows = {(p.pid, t.tid): t for p in found for t in p.blocked}
    seen: set[tuple[int, int]] = set()
    todo = [start]
    while todo:
        thread = rows[todo.pop()]
        exactly = thread.state is Blocked.REPLY and thread.taken_by
        after = {(pid, tid) for pid, tid in stuck if pid == thread.on and (not exactly or tid == thread.taken_by)}
        todo += after - seen
        seen |= after
    return seen


def test_it_takes_time_in_proportion() -> None:
    """A chain, a crowd and a ring of ten thousand each."""
    n = 10_000
    found = [process(k, sends(k, on=k + 1)) for k in range(1, n)] + [process(n)]
    found += [process(n + k, awaits_reply(n + k, on=n, by=n)) for k in range(1, n)]
    found += [process(2 * n + k, sends(2 * n + k, on=2 * n + (k + 1) % n)) for k in range(n)]
    took = time.process_time()
    (cycle,) = cycles(*found)
    graph = build(found, NOW, [cycle])
    lines = list(render.text(graph))
    took = time.process_time() - took
    print(f"{took:.2f} s for {len(found)} processes")
    assert len(cycle.members) == n and took < 10
    assert len(lines) >= len(found) and max(map(len, lines)) < 200


# ---- queues


def test_queue_its_age_and_who_is_starved() -> None:
    server = process(1, awaits_reply(10, on=9), taken={5: 11}, received=7)
    found = [server, process(2, sends(2, on=1, since=4)), process(3, sends(3, on=1, since=2)), process(9)]
    node = build(found, NOW).nodes[1]
    assert [wait.pid for wait in node.queue] == [3, 2] and node.queue_age_ns(NOW) == 8 * SECOND and node.starved
    assert not build(found, NOW, starved_ns=9 * SECOND).nodes[1].starved
    receiving = process(1, receives(), receivers=1)
    assert not build([receiving, *found[1:]], NOW).nodes[1].starved
    assert [waiter.state for waiter in build(found, NOW).nodes[9].held] == [Blocked.REPLY]


# ---- hostile names

HOSTILE = [
    '"];evil [label="x',
    "\\",
    "\\N\\n\\",
    "\x1b[2J\x07",
    "a\nb\r\nc",
    "<script>alert(1)</script>",
    "<b>x</b>&amp;#35;",
    "]-->|x|y",
    "`$(id)`%s{}",
    "‮moc.elpmaxe",
    "\udcff\ud800",
    "名" * 100,
    "",
]


def hostile_graph() -> list[Process]:
    found = [
        process(n, sends(n, on=(n + 1) % len(HOSTILE)), program=text, names=(text,))
        for n, text in enumerate(HOSTILE)
        if n
    ]
    return [*found, process(len(HOSTILE) + 1, sends(9, on=1), program="x")]


def test_in_text_nothing_steers_a_terminal() -> None:
    for line in render.text(build(hostile_graph(), NOW)):
        assert line.isprintable(), line
        assert line.encode()


def test_dot_reads_each_label_as_it_was_meant() -> None:
    graph = build(hostile_graph(), NOW, cycles(*hostile_graph()))
    source = "\n".join(render.dot(graph))
    made = subprocess.run(["dot", "-Tjson"], input=source, capture_output=True, text=True, timeout=60)
    assert made.returncode == 0 and made.stderr == "", made.stderr
    drawn = {item["name"]: item for item in json.loads(made.stdout)["objects"]}
    assert set(drawn) == {f"p{pid}" for pid in graph.nodes}
    svg = ElementTree.fromstring(render.svg(graph))
    texts = [
        "".join(element.itertext()).replace("\xa0", " ") for element in svg.iter("{http://www.w3.org/2000/svg}text")
    ]
    for node in graph.nodes.values():
        assert any(text.split() == render.label(node.process).split() for text in texts), render.label(node.process)
    assert not [element for element in svg.iter() if "script" in str(element.tag)]


def test_mermaid_has_only_its_own_punctuation() -> None:
    lines = list(render.mermaid(build(hostile_graph(), NOW)))
    for line in itertools.takewhile(lambda line: "linkStyle" not in line, lines[1:]):
        text = line.partition('"')[2].rpartition('"')[0].replace("<br/>", "")
        assert not set(text) & set('"<>|[]{}()`&\\'), line


def test_a_missing_dot_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(render.CannotDraw, match="apt-get install graphviz"):
        render.svg(build([], NOW))


def test_the_ages_of_waits_from_the_future_are_0() -> None:
    assert Wait(1, 1, 2, Blocked.SEND, since_ns=NOW + 5).age_ns(NOW) == 0
    assert Wait(1, 1, 2, Blocked.SEND).age_ns(NOW) is None
