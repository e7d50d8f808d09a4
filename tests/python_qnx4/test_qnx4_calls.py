"""srr.qnx4: the calls between real processes. What they do is conformance/'s; here it is how they are called."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from drive import Blocked, Company, Partner, until

from srr import qnx4

ORDERS = str(Path(__file__).with_name("qnx4_orders.py"))


def start(company: Company, count: int) -> list[Partner]:
    partners = company.start_many(count)
    for partner in partners:
        partner.do("load", path=ORDERS)
    return partners


def do(partner: Partner, name: str, *args: Any) -> Any:
    return partner.do("call", name=name, args=list(args))


def error(partner: Partner, name: str, *args: Any) -> int:
    """The errno with which it fails, as an OSError."""
    failure = partner.fails("call", name=name, args=list(args))
    assert isinstance(failure, OSError), failure
    assert failure.errno is not None
    return failure.errno


def sending(client: Partner, *args: Any) -> Any:
    return client.order("call", name="Send", args=list(args))


def test_send_receive_reply(company: Company) -> None:
    server, client = start(company, 2)
    each = sending(client, server.pid, b"hello", 64)
    assert do(server, "Receive", 0, 100) == [client.pid, b"hello"]
    client.until_blocked(Blocked.REPLY, on=server.pid)
    assert do(server, "Reply", client.pid, b"olleh") == 0
    assert each.result() == b"olleh"


def test_buffers_of_the_callers_own(company: Company) -> None:
    """Cut silently on both ways; what was not written stays as it was; nothing tells the length."""
    server, client = start(company, 2)
    each = client.order("call_into", name="Send", args=[server.pid, b"0123456789"], sizes=4)
    got = server.do("call_into", name="Receive", args=[0], sizes=6)
    assert (got.value, got.parts) == (client.pid, [b"012345"])
    do(server, "Reply", client.pid, b"abcdefgh")
    done = each.result()
    assert (done.value, done.parts) == (0, [b"abcd"])


def test_null_pointers(company: Company) -> None:
    server, client = start(company, 2)
    each = sending(client, server.pid)
    assert do(server, "Receive", 0) == client.pid
    assert do(server, "Reply", client.pid) == 0
    assert each.result() == 0


def test_in_parts(company: Company) -> None:
    server, client = start(company, 2)
    each = client.order("call_into", name="Sendmx", args=[server.pid, [b"ab", b"", b"cde"]], sizes=[2, 3])
    got = server.do("call_into", name="Receivemx", args=[0], sizes=[1, 3])
    assert (got.value, got.parts) == (client.pid, [b"a", b"bcd"])
    got = server.do("call_into", name="Readmsgmx", args=[client.pid, 1], sizes=[1, 9])
    assert (got.value, got.parts) == (4, [b"b", b"cde" + bytes(6)])
    assert do(server, "Writemsgmx", client.pid, 3, [b"x", b"yz"]) == 2
    assert do(server, "Replymx", client.pid, [b"1", b"23"]) == 0
    done = each.result()
    assert (done.value, done.parts) == (0, [b"12", b"3xy"])
    assert error(client, "Sendmx", server.pid, [b""] * 256) == errno.EINVAL
    assert error(server, "Creceivemx", 0, []) == errno.ENOMSG


def test_readmsg_and_writemsg(company: Company) -> None:
    server, client = start(company, 2)
    each = client.order("call_into", name="Send", args=[server.pid, b"0123456789"], sizes=8)
    assert do(server, "Receive", 0, 2) == [client.pid, b"01"]
    assert do(server, "Readmsg", client.pid, 0, 3) == b"012"
    assert do(server, "Readmsg", client.pid, 8, 100) == b"89"
    assert do(server, "Readmsg", client.pid, 10, 100) == b""
    got = server.do("call_into", name="Readmsg", args=[client.pid, 5], sizes=3)
    assert (got.value, got.parts) == (3, [b"567"])
    assert do(server, "Writemsg", client.pid, 6, b"xyz") == 2
    do(server, "Reply", client.pid, b"ab")
    assert each.result().parts == [b"ab\0\0\0\0xy"]
    for call in (("Readmsg", client.pid, 0, 1), ("Writemsg", client.pid, 0, b"x"), ("Reply", client.pid, b"")):
        assert error(server, *call) == errno.ESRCH


def test_a_target_from_the_start(company: Company) -> None:
    """As on QNX4, without a call: whoever has imported the module is found, and so is its forked child."""
    parent, client = start(company, 2)
    do(parent, "getnid")
    assert parent.look().received == 0
    child = company.fork(parent)
    until("it has rows", lambda: child.row_inodes())
    for server in (parent, child):
        each = sending(client, server.pid, b"x", 1)
        client.until_blocked(Blocked.SEND, on=server.pid)
        assert do(server, "Creceive", 0, 1) == [client.pid, b"x"]
        do(server, "Reply", client.pid)
        each.result()


def test_several_clients_are_held_and_answered_by_their_pids(company: Company) -> None:
    server, *clients = start(company, 4)
    each = [sending(client, server.pid, b"%d" % client.pid, 10) for client in clients]
    for _ in clients:
        pid, data = do(server, "Receive", 0, 10)
        assert data == b"%d" % pid
    for client in reversed(clients):
        do(server, "Reply", client.pid, b"to %d" % client.pid)
    assert [one.result() for one in each] == [b"to %d" % client.pid for client in clients]


def test_receive_from_one(company: Company) -> None:
    server, wanted, other = start(company, 3)
    do(server, "getnid")
    each = [sending(other, server.pid, b"other", 9)]
    other.until_blocked(Blocked.SEND, on=server.pid)
    assert error(server, "Creceive", wanted.pid) == errno.ENOMSG
    each.append(sending(wanted, server.pid, b"wanted", 9))
    assert do(server, "Receive", wanted.pid, 9) == [wanted.pid, b"wanted"]
    assert do(server, "Creceive", 0, 9) == [other.pid, b"other"]
    assert error(server, "Creceive") == errno.ENOMSG
    for client in (wanted, other):
        do(server, "Reply", client.pid)
    for one in each:
        one.result()


def test_errors_are_oserrors(company: Company) -> None:
    server, client, dead = start(company, 3)
    dead.kill()
    assert error(client, "Send", dead.pid, b"x", 1) == errno.ESRCH
    assert error(client, "Send", client.pid) == errno.EDEADLK
    assert error(client, "Receive", dead.pid) == errno.ESRCH
    assert error(client, "Reply", server.pid) == errno.ESRCH
    assert error(client, "Relay", server.pid, dead.pid) == errno.ESRCH
    assert error(client, "Trigger", dead.pid) == errno.ESRCH
    client.do("handle", number=signal.SIGUSR1, how="return")
    for call in (("Send", server.pid), ("Receive", 0)):
        each = client.order("call", name=call[0], args=[call[1]])
        client.until_blocked()
        client.signal(signal.SIGUSR1)
        assert isinstance(each.failure(), InterruptedError)
    assert error(server, "Creceive") == errno.ENOMSG


def test_a_server_that_dies(company: Company) -> None:
    server, client = start(company, 2)
    each = sending(client, server.pid, b"x", 1)
    do(server, "Receive", 0)
    server.kill()
    assert each.failure().errno == errno.ESRCH


def test_relay(company: Company) -> None:
    first, second, client = start(company, 3)
    each = sending(client, first.pid, b"for the second", 20)
    do(first, "Receive", 0)
    assert do(first, "Relay", client.pid, second.pid) == 0
    assert do(second, "Receive", 0, 20) == [client.pid, b"for the second"]
    assert error(first, "Reply", client.pid) == errno.ESRCH
    do(second, "Reply", client.pid, b"from the second")
    assert each.result() == b"from the second"


def test_proxies(company: Company) -> None:
    server, other = start(company, 2)
    proxy = do(server, "qnx_proxy_attach", 0, b"tick", -1)
    assert do(other, "Trigger", proxy) == server.pid
    assert do(server, "Receive", proxy, 10) == [proxy, b"tick"]
    assert do(other, "Send", proxy, b"dropped", 10) == b""
    assert do(server, "Creceive", proxy) == proxy
    assert error(server, "Creceive", proxy) == errno.ENOMSG
    assert error(server, "Reply", proxy) == errno.ESRCH
    assert do(other, "qnx_proxy_rem_attach", 1, proxy) == proxy
    assert do(other, "qnx_proxy_rem_detach", 0, proxy) == 0
    assert error(other, "qnx_proxy_rem_attach", 2, proxy) == errno.EHOSTUNREACH
    theirs = do(other, "qnx_proxy_attach", server.pid, None, 12)
    assert do(other, "Trigger", theirs) == server.pid
    assert do(server, "Receive", 0, 10) == [theirs, b""]
    assert error(other, "qnx_proxy_detach", proxy) == errno.EPERM
    assert do(server, "qnx_proxy_detach", proxy) == 0
    assert error(server, "qnx_proxy_detach", proxy) == errno.ESRCH
    assert error(server, "qnx_proxy_attach", 0, bytes(101)) == errno.EINVAL
    assert error(server, "qnx_proxy_attach", 0, b"", 30) == errno.EINVAL


def test_names(company: Company) -> None:
    server, other = start(company, 2)
    one, two = do(server, "qnx_name_attach", 0, "one"), do(server, "qnx_name_attach", 1, "/two")
    assert one >= 0
    assert two >= 0
    assert one != two
    assert do(other, "qnx_name_locate", 0, "one") == server.pid
    assert do(other, "qnx_vc_name_attach", 1, 0, "/two") == server.pid
    assert error(other, "qnx_name_attach", 0, "one") == errno.EBUSY
    assert error(other, "qnx_name_locate", 0, "none") == errno.ESRCH
    assert error(other, "qnx_name_locate", 0, "") == errno.ESRCH
    assert error(other, "qnx_name_locate", 0, "x" * 100) == errno.ESRCH
    assert error(other, "qnx_name_locate", 2, "one") == errno.EHOSTUNREACH
    assert error(other, "qnx_name_detach", 0, one) == errno.EINVAL
    found, number = {}, 0
    for _ in range(2):
        number, info = do(other, "qnx_name_query", qnx4.PROC_PID, number)
        found[number] = (info["nid"], info["pid"], info["name"])
        number += 1
    assert error(other, "qnx_name_query", 0, number) == errno.EINVAL
    assert found == {one: (1, server.pid, "one"), two: (1, server.pid, "/two")}
    assert error(other, "qnx_name_query", other.pid, 0) == errno.ESRCH
    assert do(server, "qnx_name_detach", 0, one) == 0
    assert error(server, "qnx_name_detach", 0, one) == errno.EINVAL
    assert error(other, "qnx_name_locate", 0, "one") == errno.ESRCH
    assert error(server, "qnx_name_attach", 0, "x" * 33) == errno.EINVAL
    assert error(server, "qnx_name_attach", 0, "") == errno.EINVAL
    assert do(server, "qnx_name_attach", 0, "x" * 32) >= 0


def test_circuits_of_this_node(company: Company) -> None:
    here, other = start(company, 2)
    assert do(here, "getnid") == 1
    assert do(here, "qnx_vc_attach", 1, other.pid, 100, 1) == other.pid
    assert do(here, "qnx_vc_attach", 0, qnx4.PROC_PID, 0, 0) == qnx4.PROC_PID
    assert do(here, "qnx_vc_detach", other.pid) == 0
    other.kill()
    assert error(here, "qnx_vc_attach", 0, other.pid, 0, 0) == errno.ESRCH
    assert error(here, "qnx_vc_detach", other.pid) == errno.ESRCH
    assert error(here, "qnx_vc_attach", 2, here.pid, 0, 0) == errno.EHOSTUNREACH
    assert error(here, "qnx_vc_attach", 0, here.pid, 0, 8) == errno.EINVAL
    assert error(here, "qnx_vc_detach", 0) == errno.EINVAL
    assert error(here, "qnx_vc_name_attach", 0, 0, "") == errno.EINVAL


def test_flags(company: Company) -> None:
    (server,) = start(company, 1)
    always = qnx4._PPF_32BIT | qnx4._PPF_FLAT
    assert do(server, "qnx_pflags", 0, 0) == [always, always]
    wanted = qnx4._PPF_PRIORITY_REC | qnx4._PPF_SERVER
    assert do(server, "qnx_pflags", -1, wanted) == [always, always | wanted]
    assert server.look().flags == wanted
    assert do(server, "qnx_pflags", 0, qnx4._PPF_SERVER) == [always | wanted, always | qnx4._PPF_PRIORITY_REC]
    assert error(server, "qnx_pflags", -1, qnx4._PPF_MID) == errno.EINVAL
    assert error(server, "qnx_pflags", -1, qnx4._PPF_INFORM) == errno.ENOSYS
    assert do(server, "qnx_psinfo", 1, server.pid).flags & 0x7FF == qnx4._PPF_PRIORITY_REC


def test_priorities(company: Company) -> None:
    (process,) = start(company, 1)
    assert do(process, "getprio", 0) == 10 - os.getpriority(os.PRIO_PROCESS, process.pid)
    assert do(process, "setprio", 0, 7) == 10
    assert qnx4.getprio(process.pid) == 7
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == 3
    assert error(process, "setprio", 0, 30) == errno.EINVAL
    assert error(process, "setprio", 0, 0) == errno.EINVAL
    assert error(process, "getprio", -1) == errno.EINVAL
    process.kill()
    with pytest.raises(ProcessLookupError):
        qnx4.getprio(process.pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="real-time priorities need CAP_SYS_NICE")
def test_real_time_priorities(company: Company) -> None:
    (process,) = start(company, 1)
    assert do(process, "setprio", 0, 21) == 10
    assert (os.sched_getscheduler(process.pid), os.sched_getparam(process.pid).sched_priority) == (os.SCHED_RR, 2)
    assert do(process, "setprio", 0, 10) == 21
    assert os.sched_getscheduler(process.pid) == os.SCHED_OTHER


def test_psinfo_shows_who_is_blocked_on_whom(company: Company) -> None:
    server, held, queued, idle = start(company, 4)
    watcher = start(company, 1)[0]

    def state(partner: Partner) -> tuple[int, int]:
        info = do(watcher, "qnx_psinfo", qnx4.PROC_PID, partner.pid)
        assert info.pid == partner.pid
        return info.state, info.blocked_on

    held.order("call", name="Send", args=[server.pid])
    do(server, "Receive", 0)
    queued.order("call", name="Send", args=[server.pid])
    queued.until_blocked(Blocked.SEND)
    idle.order("call", name="Receive", args=[held.pid])
    idle.until_blocked(Blocked.RECEIVE)
    assert state(held) == (qnx4.STATE_REPLY_BLOCKED, server.pid)
    assert state(queued) == (qnx4.STATE_SEND_BLOCKED, server.pid)
    assert state(idle) == (qnx4.STATE_RECEIVE_BLOCKED, held.pid)
    assert state(watcher) == (qnx4.STATE_READY, 0)
    idle.stop()
    assert state(idle) == (qnx4.STATE_HELD, held.pid)
    idle.kill(reap=False)
    assert state(idle) == (qnx4.STATE_DEAD, 0)


def test_psinfo_of_a_proxy_and_of_what_comes_next(company: Company) -> None:
    owner, other = start(company, 2)
    proxy = do(owner, "qnx_proxy_attach", 0, b"", 13)
    do(other, "Trigger", proxy)
    do(other, "Trigger", proxy)
    info = do(other, "qnx_psinfo", 0, proxy)
    assert (info.pid, info.flags, info.blocked_on) == (proxy, qnx4._PPF_MID, owner.pid)
    assert (info.state, info.priority, info.mproc) == (qnx4.STATE_SEND_BLOCKED, 13, {"count": 2})
    assert info.proc is None
    seen, number = [], 1
    while number <= proxy:
        number = do(other, "qnx_psinfo", 0, number).pid + 1
        seen.append(number - 1)
    assert error(other, "qnx_psinfo", 0, (1 << 22) + 1) == errno.EINVAL, "Linux has no higher numbers"
    assert {owner.pid, proxy} <= set(seen)
    assert seen == sorted(set(seen))
    assert error(other, "qnx_psinfo", other.pid, 0) == errno.ESRCH
    assert error(other, "qnx_psinfo", 0, -1) == errno.EINVAL


def test_psinfo_of_oneself() -> None:
    info = qnx4.qnx_psinfo(0, 0)
    assert info.un.proc is not None
    assert (info.pid, info.un.proc.father) == (os.getpid(), os.getppid())
    assert (info.ruid, info.egid, info.pid_group, info.sid) == (os.getuid(), os.getegid(), os.getpgrp(), os.getsid(0))
    assert info.un.proc.name == os.readlink("/proc/self/exe")


def test_a_python_program_in_the_old_style(company: Company) -> None:
    """A sensible program's loop: clients and a proxy told apart by the number that Receive returns."""
    server, client = start(company, 2)
    proxy = do(server, "qnx_proxy_attach", 0, b"alarm", -1)
    each = sending(client, server.pid, b"work", 10)
    client.until_blocked(Blocked.SEND)
    do(start(company, 1)[0], "Trigger", proxy)
    got = [tuple(do(server, "Receive", 0, 10)) for _ in range(2)]
    assert got == [(client.pid, b"work"), (proxy, b"alarm")]
    do(server, "Reply", client.pid, b"done")
    assert each.result() == b"done"
