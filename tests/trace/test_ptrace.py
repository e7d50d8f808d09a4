"""The same processes, followed by somebody else: python-ptrace stops the server at each system call, and sees what we see."""

from __future__ import annotations

import threading

import pytest
from drive import Company
from ptrace.debugger import PtraceDebugger, PtraceProcess
from ptrace.func_call import FunctionCallOptions
from wire import Pattern

from srr.trace.events import Change, Kind
from srr.trace.programs import Wants
from srr.trace.session import Session

pytestmark = pytest.mark.usefixtures("needs_bpf")

SIZES = (65_537, 200_001, 1_000_003)
READV = 1  # of SRR_ON_SYSCALL's detail


class Follower(threading.Thread):
    """Everything in one thread: ptrace knows threads, not processes."""

    def __init__(self, pid: int, until: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.until = pid, until
        self.attached = threading.Event()
        self.results: list[int] = []

    def run(self) -> None:
        debugger = PtraceDebugger()
        debugger.enableSysgood()
        process: PtraceProcess = debugger.addProcess(self.pid, False)
        process.syscall()
        self.attached.set()
        while True:
            event = debugger.waitSyscall()
            state = event.process.syscall_state
            call = state.event(FunctionCallOptions())
            if call and call.name == "process_vm_readv" and call.result is not None:
                self.results.append(int(call.result))
            if len(self.results) == self.until:
                break  # it is stopped, and can be let go
            event.process.syscall()
        process.detach()


def test_its_system_calls_are_those_that_we_tell(company: Company) -> None:
    client, server = company.start(), company.start()
    receiving = server.order("receive")
    with Session(Wants(changes=True, syscalls=True), transfers=True) as session:
        follower = Follower(server.pid, len(SIZES))
        follower.start()
        assert follower.attached.wait(20)
        for nbytes in SIZES:
            sending = client.order("send", to=server.pid, message=Pattern(nbytes, 1))
            receiving.result()
            server.do("reply", data=b"")
            sending.result()
            receiving = server.order("receive")
        follower.join(20)
        assert not follower.is_alive()
        changes = [event for event in session.finish() if isinstance(event, Change) and event.pid == server.pid]
    ours = [event.nbytes for event in changes if event.kind is Kind.SYSCALL and event.detail == READV]
    assert ours[: len(follower.results)] == follower.results
    received = [event.extra for event in changes if event.kind is Kind.RECEIVE]
    assert received == list(SIZES)
    assert sum(ours) >= sum(SIZES)
