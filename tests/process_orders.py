"""Orders about the process itself: dying, forking, becoming another user, signals, what it holds of the kernel."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import random
import resource
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from partner import Line, Partner, Stop, described, order


@order
def die(partner: Partner, how: str, argv: list[str] | None = None) -> None:
    """kill: SIGKILL; _exit; exit: the interpreter's orderly end; exec: become another program."""
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()
    if how == "_exit":
        os._exit(0)
    if how == "exec":
        argv = argv or ["sleep", "inf"]
        os.execvp(argv[0], argv)
    assert how == "exit"
    partner.ended = True


@order
def fork(partner: Partner, orders: str, answers: str) -> int:
    """A child that goes on obeying, over two FIFOs; with every message that its parent holds."""
    pid = os.fork()
    if pid == 0:
        out = os.open(answers, os.O_WRONLY)
        into = os.open(orders, os.O_RDONLY)
        os.dup2(into, 0)
        os.close(into)
        os.close(partner.line.answers)
        partner.connect(Line(0, out))
        partner.obey_all(partner.queues["main"])
        sys.exit(0)
    return pid


@order
def fork_and_exit(partner: Partner) -> int:
    """A child that ends at once and stays a zombie."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


@order
def become(partner: Partner, uid: int, dumpable: bool = True, groups: list[int] | None = None) -> None:
    """Another user, as if this user had started it; modules are loaded while it still may read them."""
    import srr  # noqa: F401

    os.setgroups(groups or [])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    set_dumpable(partner, dumpable)


@order
def refuse_process_vm(partner: Partner) -> None:
    """From now on the kernel answers process_vm_readv and process_vm_writev with EPERM, as a sandbox's filter does."""
    readv, writev = {"x86_64": (310, 311), "aarch64": (270, 271)}[os.uname().machine]
    load, equal, answer = 0x20, 0x15, 0x06  # BPF_LD+ABS of the number, BPF_JEQ, BPF_RET
    lines = [(load, 0, 0, 0), (equal, 1, 0, readv), (equal, 0, 1, writev)]
    lines += [(answer, 0, 0, 0x00050000 | errno.EPERM), (answer, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    program = struct.pack("@HP", len(lines), ctypes.addressof(code))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    nothing = ctypes.c_ulong(0)
    # PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with SECCOMP_MODE_FILTER
    if (
        prctl(38, ctypes.c_ulong(1), nothing, nothing, nothing) != 0
        or prctl(22, ctypes.c_ulong(2), ctypes.c_char_p(program), nothing, nothing) != 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp")


@order
def set_dumpable(partner: Partner, dumpable: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(4, int(dumpable), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


@order
def limit_descriptors(partner: Partner, free: int | None) -> None:
    """From now on so many descriptors can be had (None: as many as ever)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if free is None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return
    listed = os.listdir("/proc/self/fd")  # and the listing's own, which is closed again
    used = {int(entry) for entry in listed if os.path.lexists(f"/proc/self/fd/{entry}")}
    number = 0
    while free or number in used:
        free -= number not in used
        number += 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, most))


@order
def limit_memory(partner: Partner, free: int | None) -> None:
    """From now on so many bytes of address space can be had (None: as many as ever)."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    resource.setrlimit(resource.RLIMIT_AS, (most if free is None else used + free, most))


@order
def handle(partner: Partner, number: int, how: str, restart: bool = False, to: int = 0) -> None:
    """how: "raise" Stop, "return", or "send" to process ``to`` first. ``restart``: with SA_RESTART."""

    def handler(got: int, frame: object) -> None:
        partner.handled.append(got)
        if how == "raise":
            raise Stop(f"signal {got}")
        if how == "send":
            import srr

            partner.held["from handler"] = srr.connect(to).send(b"from the handler")

    signal.signal(number, handler)
    signal.siginterrupt(number, not restart)


@order
def handled(partner: Partner) -> list[int]:
    return partner.handled


@order
def signal_thread(partner: Partner, tid: int, number: int) -> None:
    """Direct a signal at one thread of this process, which must have let it in."""
    if ctypes.CDLL(None).tgkill(os.getpid(), tid, number) != 0:
        raise OSError("tgkill")


@order
def let_in(partner: Partner, number: int) -> int:
    """Signals with this number may reach the calling thread; its tid."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    return threading.get_native_id()


@order
def alarms(partner: Partner, rounds: int, verb: str, to: int, seed: int) -> dict[str, Any]:
    """``rounds`` blocked calls, each ended by an alarm at a random moment before or during it. Longest delay in s."""
    import srr

    chance = random.Random(seed)
    worst, ended = 0.0, 0
    rung = 0.0

    def ring(got: int, frame: object) -> None:
        nonlocal rung
        rung = time.monotonic()
        raise Stop

    signal.signal(signal.SIGALRM, ring)
    port, connection = srr.Port(), srr.connect(to)
    for _ in range(rounds):
        delay = chance.uniform(1e-6, 1.5e-3)
        due = time.monotonic() + delay
        try:
            signal.setitimer(signal.ITIMER_REAL, delay)
            if verb == "send":
                connection.send(b"never answered")
            else:
                port.receive()
            raise AssertionError("the call came back without an alarm")
        except Stop:
            ended += 1
        worst = max(worst, time.monotonic() - due)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return {"ended": ended, "worst": worst}


@order
def threads(partner: Partner, count: int, to: int, each: int) -> int:
    """``count`` threads, each sending ``each`` messages at the same time as the others; how many replies were right."""
    import srr

    right = [0] * count
    failures: list[dict[str, Any]] = []
    ready = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            connection = srr.connect(to)
            ready.wait()
            for i in range(each):
                message = b"%d %d" % (number, i)
                right[number] += connection.send(message) == message[::-1]
        except Exception as failure:
            failures.append(described(failure))

    started = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    if failures:
        raise AssertionError(str(failures[0]))
    return sum(right)


@order
def threads_that_fail(partner: Partner, count: int, to: int) -> dict[str, int]:
    """``count`` threads that send at once and are never answered; which errors, how often."""
    import srr

    failures: list[str] = []
    ready = threading.Barrier(count)

    def run() -> None:
        ready.wait()
        try:
            srr.connect(to).send(b"x", room=100, timeout=2.0)
        except OSError as failure:
            failures.append(errno.errorcode[failure.errno or 0])

    started = [threading.Thread(target=run) for _ in range(count)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return {name: failures.count(name) for name in set(failures)}


@order
def serve_with_threads(partner: Partner, count: int, messages: int) -> list[int]:
    """``count`` threads on one port until ``messages`` are answered in all; how many each of them took."""
    import srr

    taken = [0] * count
    left = messages
    lock = threading.Lock()

    def run(number: int) -> None:
        nonlocal left
        port = srr.Port()
        while True:
            with lock:
                if left == 0:
                    return
                left -= 1
            message = port.receive()
            message.reply(bytes(message)[::-1])
            taken[number] += 1

    started = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return taken


@order
def load_figures(partner: Partner) -> dict[str, int]:
    """What this process holds: resident bytes, descriptors, mappings, Python objects."""
    gc.collect()
    with open("/proc/self/statm") as statm, open("/proc/self/maps") as maps:
        resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        mappings = sum(1 for _ in maps)
    return {
        "resident": resident,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "mappings": mappings,
        "objects": len(gc.get_objects()),
    }


def _peak() -> int:
    with open("/proc/self/status") as status:
        for entry in status:
            if entry.startswith("VmHWM:"):
                return int(entry.split()[1]) * 1024
    raise LookupError("VmHWM")


def _grown(run: Callable[[], object]) -> int:
    """By how much the peak of resident memory rose meanwhile."""
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")  # the peak is what is resident now
    before = _peak()
    run()
    return _peak() - before


@order
def carry_there(partner: Partner, to: int, nbytes: int) -> int:
    """Send one message and take a reply as long into a buffer that is there already; how far the peak rose."""
    import srr

    message, reply = b"m" * nbytes, bytearray(b"r" * nbytes)
    connection = srr.connect(to)
    return _grown(lambda: connection.send_into(message, reply))


@order
def carry_back(partner: Partner, nbytes: int) -> int:
    """The other side of carry_there."""
    import srr

    room = bytearray(b"r" * nbytes)
    port = srr.Port()
    return _grown(lambda: port.receive(into=room).reply(room))
