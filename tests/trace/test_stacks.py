"""`srr-trace stacks`: where both sides called from, joined, chained and folded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from drive import Blocked, Company, exchange
from tracers import Trace
from views import NOBODY, ask_all, pair_in_c

from srr.state import Lane
from srr.trace import folded
from srr.trace.events import Change, Frames, Kind, Transaction
from srr.trace.folded import Folder
from srr.trace.programs import Wants
from srr.trace.session import Session

ORDERS = Path(__file__).with_name("chain_orders.py")
SYMBOLS = {1: "inner [libsrr.so.0]", 2: "srr_send [libsrr.so.0]", 3: "ask [prog]", 4: "main [prog]", 5: "srr_reply"}


EXIT, SEND = "Message.__exit__ (server.py:9)", "Connection.send (client.py:2)"


def symbol(address: int, pid: int) -> str:
    return SYMBOLS.get(address, "[unknown]")


def called(pid: int) -> str:
    return f"p{pid}"


def frames(pid: int, number: int, *addresses: int, server: bool = False, text: str = "", tid: int = 0) -> Frames:
    return Frames(0, pid, tid or pid, number, server, tuple(a + 1 for a in addresses), text)


def ended(
    client: int, server: int, number: int, ns: int, *, status: int = 0, received: bool = True, queue: int = 0
) -> Transaction:
    done = 1000 + ns if status == 0 else 0
    return Transaction(
        client, client, server, server, 1000, 1000, 1000 + queue, done, done, 1000 + ns, 0, number, 0, 0,
        Lane.NONE, Lane.NONE, status, received, 1, None,
    )  # fmt: skip


def change(kind: Kind, pid: int, number: int, tid: int = 0) -> Change:
    return Change(0, kind, pid, tid or pid, 0, 0, number, 0, 0, 0)


def folder(**keywords: Any) -> Folder:
    return Folder(symbol, called, **keywords)


def test_both_sides_are_joined() -> None:
    made = folder()
    made.add([frames(20, 7, 1, 5, 4, server=True), frames(10, 7, 1, 2, 3, 4), ended(10, 20, 7, 5000)])
    assert made.lines() == ["p10;main;ask;srr_send;--;p20;main;srr_reply 5"]
    assert (made.transactions, made.unmatched) == (1, 0)


def test_the_same_stacks_are_added_up() -> None:
    made = folder()
    for number in range(1, 4):
        made.add([frames(20, number, 5, server=True), frames(10, number, 2), ended(10, 20, number, 2000)])
    assert made.lines() == ["p10;srr_send;--;p20;srr_reply 6"]


@pytest.mark.parametrize(
    ("transaction", "last"),
    [
        (ended(10, 20, 7, 5000), "p20;[unknown]"),
        (ended(10, 20, 7, 5000, status=3), "p20;[no reply]"),
        (ended(10, 20, 7, 5000, status=110, received=False), "p20;[never received]"),
        (ended(10, 0, 0, 5000, status=3, received=False), "[nobody];[never received]"),
    ],
)
def test_without_the_server_s_frames(transaction: Transaction, last: str) -> None:
    made = folder()
    made.add([frames(10, transaction.id, 2, 3), transaction])
    assert made.lines() == [f"p10;ask;srr_send;--;{last} 5"]


def test_another_transaction_s_frames_are_not_taken() -> None:
    made = folder()
    made.add([frames(10, 6, 2), ended(10, 20, 7, 5000)])
    assert made.lines() == ["p10;[unknown];--;p20;[unknown] 5"]


def test_time_in_the_queue_on_request() -> None:
    made = folder(queue=True)
    made.add([frames(20, 7, 5, server=True), frames(10, 7, 2), ended(10, 20, 7, 5000, queue=2000)])
    assert sorted(made.lines()) == ["p10;srr_send;--;p20;[SEND-blocked] 2", "p10;srr_send;--;p20;srr_reply 3"]


def nested(parent: int, number: int, ns: int) -> list[Change | Frames | Transaction]:
    """20 sends to 30 and gets its reply."""
    return [
        change(Kind.SEND, 20, number),
        change(Kind.RECEIVE, 30, number),
        change(Kind.REPLY, 30, number),
        frames(30, number, 5, server=True),
        frames(20, number, 2, 3),
        ended(20, 30, number, ns),
    ]


def test_a_chain_takes_from_the_server_what_it_waited() -> None:
    made = folder()
    made.add([change(Kind.SEND, 10, 7), change(Kind.RECEIVE, 20, 7), *nested(7, 8, 3000), *nested(7, 9, 1000)])
    made.add([change(Kind.REPLY, 20, 7), frames(20, 7, 5, server=True), frames(10, 7, 2), ended(10, 20, 7, 10_000)])
    made.add(nested(0, 10, 2000))  # on behalf of nobody
    assert made.stacks == {
        ("p20", "ask", "srr_send", "--", "p30", "srr_reply"): 6000,
        ("p10", "srr_send", "--", "p20", "ask", "srr_send", "--", "p30", "srr_reply"): 4000,
        ("p10", "srr_send", "--", "p20", "srr_reply"): 6000,
    }
    assert made.transactions == 4


def test_who_holds_two_works_for_the_one_it_received_last() -> None:
    made = folder()
    made.add([change(Kind.RECEIVE, 20, 7), change(Kind.RECEIVE, 20, 6)])
    made.add([change(Kind.REPLY, 20, 7), frames(10, 7, 2), ended(10, 20, 7, 10_000)])
    made.add([*nested(6, 8, 3000), change(Kind.REPLY, 20, 6), frames(11, 6, 2), ended(11, 20, 6, 10_000)])
    assert made.stacks["p10", "srr_send", "--", "p20", "[unknown]"] == 10_000
    assert made.stacks["p11", "srr_send", "--", "p20", "[unknown]"] == 7000


def test_absurd_times_do_no_harm() -> None:
    made = folder(queue=True)
    made.add([frames(10, 7, 2), ended(10, 20, 7, 5000)._replace(ended_ns=0), frames(10, 8, 2)])
    made.add([ended(10, 20, 8, 5000)._replace(ended_ns=1 << 64 - 1, began_ns=0)])
    assert all(ns >= 0 for ns in made.stacks.values())


def test_only_the_chosen() -> None:
    made = folder(only={30})
    for client, server in ((10, 20), (20, 30), (30, 40)):
        made.add([frames(client, client, 2), ended(client, server, client, 1000)])
    assert {stack[0] for stack in made.stacks} == {"p20", "p30"} and made.transactions == 2


def test_frames_without_a_transaction_are_bounded_and_counted() -> None:
    made = folder()
    made.add(frames(20, number, 5, server=True) for number in range(folded.MOST + 5))
    assert made.unmatched == 5
    made.add([frames(10, 1, 2), frames(10, 2, 2)])
    assert made.unmatched == 6, "the thread did another Send"


def test_the_stacks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folded, "MOST_STACKS", 2)
    made = folder()
    for client in range(10, 15):
        made.add([frames(client, client, 2), ended(client, 20, client, 1000)])
    assert len(made.stacks) == 3 and made.stacks[folded.OTHERS] == 3000


def test_what_was_cut_off_by_attaching_and_detaching_is_left_out() -> None:
    made = folder()
    made.add([ended(10, 20, 6, 1000)])
    assert made.stacks == {}
    made.add([frames(10, 7, 2), ended(10, 20, 7, 1000)])
    made.add([ended(11, 20, 8, 1000), frames(10, 9, 2), ended(10, 20, 9, 1000), ended(11, 20, 10, 1000)])
    made.finish([ended(10, 20, 11, 1000)])
    assert made.lines() == ["p10;srr_send;--;p20;[unknown] 2", "p11;[unknown];--;p20;[unknown] 1"]


@pytest.mark.parametrize(
    ("text", "stack"),
    [
        (
            "<module> (a.py:1);ask (a.py:2);Connection.send (client.py:69);",
            ("<module> (a.py:1)", "ask (a.py:2)", "Connection.send (client.py:69)"),
        ),
        ("f (a.py:1);Send (qnx4.py:9);Connection.send_into (client.py:3);", ("f (a.py:1)", "Send (qnx4.py:9)")),
        ("f (a.py:1);Message.__exit__ (server.py:9);Message.error (server.py:3);", ("f (a.py:1)", EXIT)),
        ("My.send (client.py:1);Connection.send (client.py:2);", ("My.send (client.py:1)", SEND)),
        ("\x1b[31mred (\x07.py:1);", ("\\x1b[31mred (\\x07.py:1)",)),
        (";;", ("[unknown]",)),
    ],
)  # fmt: skip
def test_frames_of_python(text: str, stack: Sequence[str]) -> None:
    assert folded.from_python(text) == stack


@pytest.mark.parametrize(
    ("symbols", "stack"),
    [
        (["frames_tell [libsrr.so.0]", "srr_send [libsrr.so.0]", "ask [prog]"], ("ask", "srr_send")),
        (["frames_tell [libsrr.so.0]", "srr_send [libsrr.so.0]", "Send [libsrr-qnx4.so.0]", "f [p]"], ("f", "Send")),
        (["frames_tell [prog]", "tell_reply [prog]", "srr_reply [prog]", "answer [prog]"], ("answer", "srr_reply")),
        (["[unknown] [libsrr.so.0]", "srr_send [libsrr.so.0]", "a [p]"], ("a", "srr_send")),
        (["[unknown] [p]", "b [p]", "[unknown]"], ("[unknown]", "b", "[unknown] [p]")),
        (["[unknown]", "[unknown] [p]"], ("[unknown]",)),
        (["a;b [p]", "x(int) [clone] [p]"], ("x(int) [clone]", "a_b")),
        (["srr_send [_native.abi3.so]", "native_send [_native.abi3.so]", "run_mod [python]"], ("[unknown]",)),
        ([], ("[unknown]",)),
    ],
)
def test_native_frames(symbols: list[str], stack: Sequence[str]) -> None:
    assert folded.native(symbols) == stack


# ---- the command


def stacks_of(records: list[dict[str, Any]], *pids: int) -> dict[tuple[str, ...], int]:
    """Those that begin with one of these processes, without line numbers."""
    found: dict[tuple[str, ...], int] = {}
    for record in records[:-1]:
        if any(record["stack"][0].endswith(f"-{pid}") for pid in pids):
            key = tuple(re.sub(r"\.py:\d+\)$", ".py)", frame) for frame in record["stack"])
            found[key] = found.get(key, 0) + record["blocked_ns"]
    return found


def split(stack: Sequence[str]) -> list[list[str]]:
    """At the separators."""
    parts: list[list[str]] = [[]]
    for frame in stack:
        if frame == folded.SEPARATOR:
            parts.append([])
        else:
            parts[-1].append(frame)
    return parts


@pytest.mark.usefixtures("needs_bpf")
def test_python_programs(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    listening = trace("stacks", "--json", "--pids", "--fail-on-loss", "-p", str(client.pid))
    totals = trace("hist", "--json", "--step", "total", "-p", str(client.pid))
    server.order("serve", count=101)
    client.do("repeat", to=server.pid, count=101)
    records = listening.stopped()
    total_ns = totals.stopped()[0]["steps"]["total"]["sum_ns"]
    assert records[-1]["transactions"] == 101 and records[-1]["unmatched"] == 0
    found = stacks_of(records, client.pid)
    assert sum(found.values()) == total_ns, "the lines of a client add up to the time of its Sends"
    (stack,) = found
    mine, its = split(stack)
    assert mine[0].endswith(f"partner.py-{client.pid}") and its[0].endswith(f"partner.py-{server.pid}")
    assert mine[1] == "<module> (partner.py)"
    assert mine[-2:] == ["repeat (partner.py)", "Connection.send (client.py)"]
    assert its[-2:] == ["serve (partner.py)", "Message.reply (server.py)"]
    assert not any("PyEval" in frame or "[" in frame for frame in stack)


@pytest.mark.usefixtures("needs_bpf")
def test_programs_in_c(trace: Trace) -> None:
    with pair_in_c(211) as (server, client):
        listening = trace("stacks", "--json", "--pids", "--fail-on-loss", "-p", str(server))
        ask_all(client)
        records = listening.stopped()
    assert records[-1]["transactions"] == 211
    (stack,) = stacks_of(records, client.pid)
    mine, its = split(stack)
    assert mine[0] == f"pair-{client.pid}" and mine[-3:] == ["main", "ask", "srr_send"]
    assert its[0] == f"pair-{server}" and its[-4:] == ["main", "serve", "answer", "srr_reply"]


@pytest.mark.usefixtures("needs_bpf")
def test_where_those_who_are_not_chosen_called_from_is_not_counted() -> None:
    with pair_in_c(211) as (_server, client), Session(Wants(frames=True, chosen=True)) as listening:
        listening.choose({client.pid})
        ask_all(client)
        told = [event for event in listening.finish() if isinstance(event, Frames)]
        assert (listening.made()["frames"], listening.losses().total) == (211, 0)
    assert [(event.pid, event.is_server) for event in told] == [(client.pid, False)] * 211


@pytest.mark.usefixtures("needs_bpf")
def test_a_chain_of_three(company: Company, trace: Trace) -> None:
    disk, base, client = company.start_many(3)
    base.do("load", path=str(ORDERS))
    listening = trace("stacks", "--json", "--pids", "--fail-on-loss")
    disk.order("serve", count=20)
    passing = base.order("pass_on", to=disk.pid, count=10)
    client.do("repeat", to=base.pid, count=10)
    assert passing.result() == 10
    records = listening.stopped()
    chains = {len(split(stack)): (split(stack), ns) for stack, ns in stacks_of(records, client.pid).items()}
    assert set(chains) == {2, 3}
    (_, middle, last), asked_ns = chains[3]
    assert middle[-2:] == ["pass_on.<locals>.look_up (chain_orders.py)", "Connection.send (client.py)"]
    assert last[0].endswith(f"-{disk.pid}") and last[-1] == "Message.reply (server.py)"
    (_, own), _ = chains[2]
    assert own[-2:] == ["pass_on (chain_orders.py)", "Message.reply (server.py)"]
    assert sum(stacks_of(records, base.pid).values()) == asked_ns, "all that the server asked was for that client"


@pytest.mark.usefixtures("needs_bpf")
def test_whose_work_a_send_is(company: Company, trace: Trace) -> None:
    disk, base, first, second = company.start_many(4)
    base.do("load", path=str(ORDERS))
    listening = trace("stacks", "--json", "--pids", "--fail-on-loss")
    disk.order("serve", count=3)
    holding = base.order("hold_and_ask", to=disk.pid)
    one = first.order("send", to=base.pid, message=b"a")
    first.until_blocked(Blocked.REPLY, base.pid)
    two = second.order("send", to=base.pid, message=b"b")
    assert (one.result(), two.result()) == (b"1", b"2")
    assert holding.result() == [first.pid, second.pid]
    records = listening.stopped()
    assert {len(split(stack)) for stack in stacks_of(records, first.pid)} == {2}
    assert {len(split(stack)) for stack in stacks_of(records, second.pid)} == {2, 3}
    asked = sum(ns for stack, ns in stacks_of(records, second.pid).items() if len(split(stack)) == 3)
    assert 0 < asked < sum(stacks_of(records, base.pid).values()), "one of its three was for nobody"


@pytest.mark.usefixtures("needs_bpf")
def test_lines_for_flame_graphs(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    exchange(server, client)
    listening = trace("stacks", "--queue", "--no-chains", "-p", str(client.pid))
    sending = client.order("send", to=server.pid, message=b"hello")
    client.until_blocked(Blocked.SEND)
    server.do("receive")
    server.do("reply", data=b"olleh")
    assert sending.result() == b"olleh"
    assert listening.stop() == 0
    lines = listening.text.splitlines()
    assert all(re.fullmatch(r"[^;]*partner\.py;.*;--;[^;]*partner\.py;.* [1-9]\d*", line) for line in lines)
    assert len(lines) == 2 and sum("[SEND-blocked]" in line for line in lines) == 1


@pytest.mark.usefixtures("needs_bpf")
def test_it_ends_by_itself(trace: Trace) -> None:
    assert trace.run("stacks", "0.1").end() == 0


@pytest.mark.usefixtures("needs_bpf")
def test_nobody_may(trace: Trace) -> None:
    ran = trace.run("stacks", "1", prefix=NOBODY)
    assert ran.end() == 1 and "CAP_BPF and CAP_PERFMON" in ran.errors and ran.text == ""
