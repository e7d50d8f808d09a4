"""`srr sin`: QNX4's columns, filters and first letters."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from srr import Blocked
from srr.testing import wait_until_blocked

if TYPE_CHECKING:
    from shell import Gate, Shell

PYTHON = os.readlink("/proc/self/exe")
#: A process with a proxy that has been triggered twice, and a name, which receives by priority and from nobody.
OWNER = """
import srr, sys
port = srr.listen("owner")
port.flags = srr.Flag.PRIORITY_REC
tick = srr.proxy.attach(b"", 17)
tick.trigger(), tick.trigger()
print(tick.id, flush=True)
sys.stdin.read()
"""


def sin(shell: Shell, *arguments: str) -> list[str]:
    ran = shell.run("sin", *arguments)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return ran.stdout.decode().splitlines()


def row(shell: Shell, pid: int, *arguments: str) -> list[str]:
    (line,) = sin(shell, *arguments, "-h", "-p", str(pid))
    return line.split()


def program(path: str) -> str:
    return path[-23:]


@pytest.mark.parametrize(
    ("arguments", "heading"),
    [
        ([], "SID   PID PROGRAM                 PRI STATE   BLK"),
        (["names"], "NAME                               PID PROGRAM"),
        (["proxies"], "PROXY PROGRAM                 PRI STATE COUNT"),
        (["vcs"], "  VID   PID LK STATE PROGRAM                 NID   VID   PID PROGRAM"),
        (["flags"], "SID   PID PROGRAM                 FLAGS"),
    ],
    ids=["processes", "names", "proxies", "vcs", "flags"],
)
def test_headings(shell: Shell, arguments: list[str], heading: str) -> None:
    """With nothing below them, as nobody runs that program, they have QNX4's places."""
    assert sin(shell, *arguments, "-P", "no such program") == [heading]
    assert sin(shell, *arguments, "-P", "no such program", "-h") == []
    for letters in range(2, len("".join(arguments)) + 1):
        assert sin(shell, arguments[0][:letters], "-P", "no such program") == [heading]


def test_who_is_blocked_on_whom(shell: Shell, gate: Gate) -> None:
    server = shell.serve("slow", "--exec", gate.command)
    received = shell.srr("send", "slow", "--text", "x")
    wait_until_blocked(received.pid, Blocked.REPLY, on=server.pid)
    queued = shell.srr("send", "slow", "--text", "y")
    wait_until_blocked(queued.pid, Blocked.SEND, on=server.pid)
    idle = shell.serve("idle")
    wait_until_blocked(idle.pid, Blocked.RECEIVE)

    session = str(os.getsid(0))
    assert row(shell, received.pid) == [session, str(received.pid), program(PYTHON), "10o", "REPLY", str(server.pid)]
    assert row(shell, queued.pid) == [session, str(queued.pid), program(PYTHON), "10o", "SEND", str(server.pid)]
    assert row(shell, idle.pid) == [session, str(idle.pid), program(PYTHON), "10o", "RECV", "0"]
    everybody = sin(shell)
    assert [str(pid) in "".join(everybody).split() for pid in (server.pid, received.pid, queued.pid, idle.pid)] == [
        True
    ] * 4
    for client in (received, queued):
        gate.open(b"done")
        assert client.wait() == 0


def test_columns_stand_below_their_headings(shell: Shell) -> None:
    heading, *lines = sin(shell)
    ends = [match.end() for match in re.finditer(r"\S+", heading)]
    sid, pid, _, priority, _, blocked = ends
    for line in lines:
        match = re.fullmatch(r" *(\d+) +(\d+) (.{23}) +(\d+[orf]) (\w+) +(\d+|---)", line)
        assert match, line
        assert (match.end(1), match.end(2), match.end(4), match.end(6)) == (sid, pid, priority, blocked)
        assert match[5] in ("READY", "SEND", "RECV", "REPLY", "HELD", "SIGBL", "WAIT", "DEAD")
        assert (match[6] == "---") == (match[5] in ("READY", "HELD", "WAIT", "DEAD")), line


def test_names_proxies_flags(shell: Shell) -> None:
    owner = shell.start(sys.executable, "-P", "-c", OWNER)
    assert owner.stdout is not None
    proxy = int(owner.stdout.readline())
    assert sin(shell, "names", "-h") == [f"{'owner':<32} {owner.pid:>5} {program(PYTHON)}"]
    assert row(shell, owner.pid, "proxies") == [str(proxy), program(PYTHON), "17", "SEND", "2"]
    *_, letters = row(shell, owner.pid, "flags")
    assert letters == "-------------F3------------r----"
    leader = shell.start(sys.executable, "-c", "import os; os.setsid(); print(1, flush=True); input()")
    assert leader.stdout is not None
    leader.stdout.readline()
    assert row(shell, leader.pid, "flags")[-1] == "--S----------F3-----------------"


def test_filters(shell: Shell) -> None:
    one, another = shell.start("sleep", "60"), shell.start("sleep", "60")
    pids = {str(one.pid), str(another.pid)}
    path = os.readlink(f"/proc/{one.pid}/exe")

    def found(*arguments: str) -> list[str]:
        return [line.split()[1] for line in sin(shell, "-h", *arguments)]

    assert found("-p", str(one.pid)) == [str(one.pid)]
    assert found("-p", str(another.pid), "-p", str(one.pid)) == sorted(pids, key=int)
    assert pids <= set(found("-P", "sleep")) & set(found("-P", path)) & set(found("-s", str(os.getsid(0))))
    assert found("-P", "sleep", "-p", str(os.getpid())) == []
    assert found("-P", "sle") == []


def test_order(shell: Shell) -> None:
    started = [shell.start(*command) for command in (["sleep", "60"], ["cat"], ["sleep", "60"])]
    pids = [process.pid for process in started]
    os.setpriority(os.PRIO_PROCESS, pids[1], 7)
    paths = {pid: os.readlink(f"/proc/{pid}/exe") for pid in pids}
    chosen = [word for pid in pids for word in ("-p", str(pid))]

    def found(letter: str) -> list[int]:
        return [int(line.split()[1]) for line in sin(shell, "-h", "-S", letter, *chosen)]

    assert found("i") == found("s") == found("b") == sorted(pids)
    assert found("n") == sorted(pids, key=lambda pid: (paths[pid], pid))
    assert found("p") == sorted(pids, key=lambda pid: (pid != pids[1], pid))
    numbers = [line.split() for line in sin(shell, "-h", "-S", "s")]
    assert [int(row[0]) for row in numbers] == sorted(int(row[0]) for row in numbers)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["n"], "two letters of it are enough"),
        (["memory"], "none of flags, names, proxies, vcs"),
        (["names", "vcs"], "unexpected extra argument"),
        (["-p", "x"], "not a valid integer"),
        (["-p", "0"], "not in the range"),
        (["-S", "z"], "is not one of"),
        (["-q"], "No such option"),
    ],
)
def test_wrong_arguments(shell: Shell, arguments: list[str], why: str) -> None:
    ran = shell.run("sin", *arguments)
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert why in ran.stderr.decode()


def test_help(shell: Shell) -> None:
    ran = shell.run("sin", "--help")
    assert ran.returncode == 0
    assert {"-h", "-p", "-P", "-s", "-S", "names", "proxies", "vcs", "flags"} <= set(ran.stdout.decode().split())
