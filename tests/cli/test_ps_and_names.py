"""`srr ps` and `srr names`, and what they are made of: srr.processes and srr.testing."""

from __future__ import annotations

import json
import os
import pty
import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import srr
from srr import Blocked, processes
from srr.testing import wait_until_blocked

if TYPE_CHECKING:
    from shell import Gate, Shell

#: Three threads that Send to a process that never receives.
SENDERS = """
import srr, sys, threading
def send():
    srr.connect(int(sys.argv[1])).send(b"x")
for _ in range(2):
    threading.Thread(target=send, daemon=True).start()
send()
"""


def ps(shell: Shell) -> dict[int, dict[str, Any]]:
    ran = shell.run("ps", "--json")
    assert (ran.returncode, ran.stderr) == (0, b"")
    return {process["pid"]: process for process in json.loads(ran.stdout)}


def lines(shell: Shell, pid: int) -> list[list[str]]:
    ran = shell.run("ps")
    assert ran.returncode == 0
    assert b"\x1b" not in ran.stdout, "plain when it is not a terminal"
    found = [line for line in ran.stdout.decode().splitlines() if line.split()[0].split("/")[0] == str(pid)]
    return [line.replace("python -m srr", "program").replace("-m srr", "program").split() for line in found]


def test_who_is_blocked_on_whom(shell: Shell, gate: Gate) -> None:
    server = shell.serve("slow", "--exec", gate.command)
    received = shell.srr("send", "slow", "--text", "x")
    wait_until_blocked(received.pid, Blocked.REPLY, on=server.pid)
    queued = shell.srr("send", "slow", "--text", "y")
    wait_until_blocked(queued.pid, Blocked.SEND, on=server.pid)

    seen = ps(shell)
    assert seen[server.pid]["names"] == ["slow"]
    assert "srr" in seen[server.pid]["program"]
    assert (seen[server.pid]["received"], seen[server.pid]["receivers"]) == (1, 0)
    assert seen[server.pid]["blocked"] == []
    for client, state in ((received, "REPLY"), (queued, "SEND")):
        (thread,) = seen[client.pid]["blocked"]
        assert (thread["state"], thread["on"], thread["on_names"]) == (state, server.pid, ["slow"])
        assert thread["tid"] == client.pid
        assert (seen[client.pid]["sent"], thread["sent"]) == (1, 1)
        (line,) = lines(shell, client.pid)
        assert f" {state} {server.pid} slow " in " ".join(line)
    (line,) = lines(shell, server.pid)
    assert line[-6:] == ["slow", "-", "-", "-", "0", "1"]

    for client in (received, queued):
        gate.open(b"done")
        assert client.communicate()[0] == b"done"
    wait_until_blocked(server.pid, Blocked.RECEIVE)
    assert ps(shell)[server.pid]["receivers"] == 1
    assert {received.pid, queued.pid}.isdisjoint(ps(shell))
    assert "RECEIVE anyone" in " ".join(lines(shell, server.pid)[0])


def test_one_line_for_each_blocked_thread(shell: Shell) -> None:
    deaf = shell.start("cat")
    senders = shell.start(sys.executable, "-P", "-c", SENDERS, str(deaf.pid))
    wait_until_blocked(senders.pid, Blocked.SEND, tid=senders.pid)
    tids = {int(tid) for tid in os.listdir(f"/proc/{senders.pid}/task")}
    assert len(tids) == 3
    for tid in tids:
        wait_until_blocked(senders.pid, Blocked.SEND, on=deaf.pid, tid=tid)

    threads = ps(shell)[senders.pid]["blocked"]
    assert {thread["tid"] for thread in threads} == tids
    assert {thread["on_program"] for thread in threads} == {"cat"}
    named = {line[0] for line in lines(shell, senders.pid)}
    assert named == {str(senders.pid)} | {f"{senders.pid}/{tid}" for tid in tids - {senders.pid}}
    assert deaf.pid not in ps(shell), "it has no rows"


def test_the_table_fits_a_terminal_and_watch_ends_with_ctrl_c(shell: Shell) -> None:
    server = shell.serve("echo")
    wait_until_blocked(server.pid, Blocked.RECEIVE)
    main, terminal = pty.openpty()
    watch = shell.srr_on(terminal, "ps", "--watch", "0.05")
    os.close(terminal)
    screen = b""
    while f"{server.pid} ".encode() not in screen or b"RECEIVE" not in screen:
        assert select.select([main], [], [], 30)[0], f"no screen: {screen!r}"
        screen += os.read(main, 65536)
    os.write(main, b"\x03")
    assert watch.wait() == 130
    os.close(main)


def test_watch_in_a_pipe_prints_table_after_table(shell: Shell) -> None:
    watch = shell.srr("ps", "--watch", "0.05")
    assert watch.stdout is not None
    heads = [line for line in (watch.stdout.readline() for _ in range(60)) if b"RECEIVED" in line]
    assert len(heads) > 1


def test_names(shell: Shell) -> None:
    assert shell.run("names", "--json").stdout == b"[]\n"
    servers = {name: shell.serve(name) for name in ("zebra", "ape")}
    listed = json.loads(shell.run("names", "--json").stdout)
    assert [(entry["name"], entry["pid"]) for entry in listed] == [(n, servers[n].pid) for n in ("ape", "zebra")]
    assert "srr" in listed[0]["program"]
    plain = shell.run("names").stdout.decode().splitlines()
    assert [line.split()[:2] for line in plain] == [
        ["NAME", "PID"],
        *([name, str(servers[name].pid)] for name in ("ape", "zebra")),
    ]
    servers["ape"].kill()
    servers["ape"].wait()
    assert [entry["name"] for entry in json.loads(shell.run("names", "--json").stdout)] == ["zebra"]


def test_a_name_can_not_steer_the_terminal(shell: Shell) -> None:
    server = shell.start(sys.executable, "-P", "-c", "import srr; srr.listen('bell\\a\\nline').receive()")
    wait_until_blocked(server.pid, Blocked.RECEIVE)
    for command in ("names", "ps"):
        assert b"bell\\x07\\nline " in shell.run(command).stdout


def test_looking_at_processes_without_rows(shell: Shell) -> None:
    deaf = shell.start("cat")
    with pytest.raises(FileNotFoundError):
        processes.look(deaf.pid)
    deaf.kill()
    deaf.wait()
    with pytest.raises(ProcessLookupError):
        processes.look(deaf.pid)


def test_programs_are_named_by_what_they_run(shell: Shell, tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text("import sys; print('up', flush=True); sys.stdin.read()")
    worker = shell.start(sys.executable, "-X", "dev", str(script), "argument")
    assert worker.stdout is not None
    worker.stdout.readline()
    assert processes.program(worker.pid).split()[1:] == ["worker.py"]
    cat = shell.start("cat", "-")
    assert cat.stdin is not None
    assert cat.stdout is not None
    cat.stdin.write(b"up\n")
    cat.stdin.flush()
    assert cat.stdout.readline() == b"up\n"
    assert processes.program(cat.pid) == "cat"
    server = shell.serve("echo")
    assert processes.program(server.pid).split()[1:] == ["-m", "srr"]
    server.kill()
    server.wait()
    assert processes.program(server.pid) == ""


def test_waiting_in_vain_says_what_the_process_does_instead(shell: Shell) -> None:
    server = shell.serve("echo")
    wait_until_blocked(server.pid, Blocked.RECEIVE)
    with pytest.raises(srr.TimedOut, match=f"{server.pid} was not REPLY-blocked on 1 .*RECEIVE-blocked on anyone"):
        wait_until_blocked(server.pid, Blocked.REPLY, on=1, timeout=0.01)
    server.kill()
    server.wait()
    with pytest.raises(srr.ServerDied, match="ended before it was blocked"):
        wait_until_blocked(server.pid)
