"""What the probes tell is what the waiting table shows, and what the system calls below them do."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from drive import Company, Partner, until
from installed import installed
from ptrace.debugger import ProcessExit, ProcessSignal, PtraceDebugger
from ptrace.debugger.child import createChild
from ptrace.func_call import FunctionCallOptions

import srr
from srr import Blocked, processes
from srr.trace import session
from srr.trace.events import Change, Frames, Kind, Transaction
from srr.trace.programs import Wants

pytestmark = pytest.mark.usefixtures("needs_bpf")

HERE = Path(__file__).parent


class States:
    """Who is blocked on whom, from changes alone. A receiver is its process, as in the table."""

    def __init__(self, pids: set[int]) -> None:
        self._pids = pids
        #: Of sending threads: state, on whom, the transaction.
        self._senders: dict[int, tuple[Blocked, int, int]] = {}
        #: Of receiving threads: their process, and from whom.
        self._receivers: dict[int, tuple[int, int]] = {}

    def follow(self, events: list[Transaction | Change | Frames]) -> None:
        for event in events:
            if isinstance(event, Transaction):
                self._senders.pop(event.client_thread, None)
            elif isinstance(event, Change) and event.pid in self._pids:
                self._follow(event)

    def _follow(self, change: Change) -> None:
        if change.kind is Kind.SEND:
            self._senders[change.tid] = (Blocked.SEND, change.peer, change.id)
        elif change.kind is Kind.RECEIVE and change.id:
            self._senders[change.peer_thread] = (Blocked.REPLY, change.pid, change.id)
        elif change.kind is Kind.SIGNAL:
            _, on, number = self._senders[change.tid]
            self._senders[change.tid] = (Blocked.SIGNAL, on, number)
        elif change.kind is Kind.REPLY:
            self._senders.pop(change.peer_thread, None)
        elif change.kind is Kind.WAIT:
            self._receivers[change.tid] = (change.pid, change.peer)
        elif change.kind is Kind.WAKE:
            self._receivers.pop(change.tid, None)

    def now(self) -> dict[tuple[int, int], Any]:
        senders: dict[tuple[int, int], Any] = {(0, tid): state for tid, state in self._senders.items()}
        for pid, sender in self._receivers.values():
            count, _ = senders.get((1, pid), (0, 0))
            senders[(1, pid)] = (count + 1, sender)
        return senders


def table(pids: set[int]) -> dict[tuple[int, int], Any]:
    """The same, by the waiting table."""
    found: dict[tuple[int, int], Any] = {}
    for process in processes.survey():
        if process.pid not in pids:
            continue
        for thread in process.blocked:
            if thread.state is Blocked.RECEIVE:
                found[(1, process.pid)] = (process.receivers, thread.on)
            else:
                found[(0, thread.tid)] = (thread.state, thread.on, thread.id)
    return found


def test_states_are_those_of_the_waiting_table_at_every_instant(company: Company) -> None:
    """A chain, a queue, a relay, a time-out, threads; looked at wherever everybody is known to stand still."""
    first, second, third, fourth = partners = company.start_many(4)
    for partner in partners:
        partner.do("load", path=str(HERE.parent / "conformance" / "proxy_orders.py"))
        partner.do("receive", poll=True)  # it has rows: a message to who has none is not published yet
    pids = {partner.pid for partner in partners}
    states = States(pids)
    wants = Wants(transactions=True, changes=True)
    with session.Session(wants) as listening:

        def agree(what: str) -> None:
            """Nobody moves any more, but for the last one, who may be about to fall asleep."""

            def told() -> bool:
                states.follow(listening.drain())
                return states.now() == table(pids)

            try:
                until(what, told)
            except AssertionError:
                raise AssertionError(f"{what}: told {states.now()}, shown {table(pids)}") from None

        receiving = first.order("receive")
        first.until_blocked(Blocked.RECEIVE)
        agree("one receives")
        sending = second.order("send", to=first.pid, message=b"x" * 100_000)
        receiving.result()
        second.until_blocked(Blocked.REPLY)
        agree("its message was received")
        waiting = third.order("send", to=first.pid, message=b"y")
        third.until_blocked(Blocked.SEND)
        agree("another one queues")
        nested = first.order("send", thread="t", to=fourth.pid, message=b"z")
        first.until_blocked(Blocked.SEND, on=fourth.pid)
        agree("the server sends, too: a chain")
        fourth.do("receive")
        first.until_blocked(Blocked.REPLY, on=fourth.pid)
        agree("the chain's end has received")
        fourth.do("reply", data=b"")
        nested.result()
        agree("and replied")
        first.do("use", call="relay", target=fourth.pid)
        second.until_blocked(Blocked.SEND, on=fourth.pid)
        agree("the first one's message is relayed")
        fourth.do("receive", hold="relayed")
        second.until_blocked(Blocked.REPLY, on=fourth.pid)
        agree("and received there")
        fourth.do("reply", hold="relayed", data=b"yes")
        assert sending.result() == b"yes"
        agree("its Send has ended")
        from_one = fourth.order("receive", sender=second.pid)
        fourth.until_blocked(Blocked.RECEIVE)
        agree("one receives from one only")
        with pytest.raises(srr.TimedOut):
            second.do("send", to=first.pid, message=b"w", timeout=0.02)
        agree("one gave up")
        first.do("receive")
        first.do("error", errno=5)
        assert waiting.failure().errno == 5
        agree("and one got an error")
        last = second.order("send", to=fourth.pid, message=b"v")
        from_one.result()
        fourth.do("reply", data=b"")
        last.result()
        agree("and it was from that one")
        assert listening.losses().total == 0


# ---- the system calls below, followed by python-ptrace


_CALLS = {"futex": 0, "process_vm_readv": 1, "process_vm_writev": 2}


def test_system_calls_are_those_that_a_debugger_sees(tmp_path: Path, company: Company) -> None:
    """A server in C, run under python-ptrace: each futex and process_vm_* call, with its result, in order."""
    program = installed().compile(HERE / "worker.c", tmp_path / "worker", "srr", static=True)
    client = company.start()
    client.do("wake")
    pid = createChild([str(program), "serve"], no_stdout=True)
    debugger = PtraceDebugger()
    calls: list[tuple[int, int]] = []
    try:
        process = debugger.addProcess(pid, is_attached=True)
        wants = Wants(transactions=True, changes=True, syscalls=True, chosen=True)
        with session.Session(wants) as listening:
            listening.choose({pid})
            thread = threading.Thread(target=have_served, args=(client, pid))
            thread.start()
            follow(debugger, process, calls)
            thread.join(30)
            told = [e for e in listening.finish() if isinstance(e, Change) and e.kind is Kind.SYSCALL and e.pid == pid]
            assert listening.losses().total == 0
    finally:
        debugger.quit()
    assert (1, 100_000) in calls and (2, 70_000) in calls
    assert [(change.detail, signed(change.nbytes)) for change in told] == calls


def have_served(client: Partner, pid: int) -> None:
    """Large ones both ways, small ones, and the one that it ends at."""
    for op, what, nbytes in ((0, 70_000, 100_000), (0, 5, 8), (1, 5, 8), (0, 0, 200_000), (3, 0, 8)):
        head = op.to_bytes(4, "little") + what.to_bytes(4, "little")
        try:
            client.do("send", to=pid, message=head + bytes(nbytes - 8))
        except OSError:
            assert op in (1, 3)


def signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def follow(debugger: PtraceDebugger, process: Any, calls: list[tuple[int, int]]) -> None:
    """The calls of one process of one thread and their results, until it ends."""
    options = FunctionCallOptions()
    while True:
        process.syscall()
        try:
            event = debugger.waitSyscall()
        except ProcessExit:
            return
        except ProcessSignal as arrived:
            process.syscall(arrived.signum)
            continue
        call = event.process.syscall_state.event(options)
        if call.result is not None and call.name in _CALLS:
            calls.append((_CALLS[call.name], call.result))
