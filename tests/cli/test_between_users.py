"""The commands between users: names that are shared, who may send, who is blocked on whom. Root only."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from pairs.town import Helper
from shell import Gate

from srr import Blocked
from srr.testing import wait_until_blocked

if TYPE_CHECKING:
    from shell import Shell

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")

OWNER, OTHER = pwd.getpwnam("daemon").pw_uid, 60802

#: `srr` as another user, to whom the interpreter's files may be closed: what it needs is loaded before.
AS_USER = """
import ctypes, importlib, os, sys
for name in sys.argv[2].split():
    importlib.import_module(name)
uid = int(sys.argv[1])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
assert ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) == 0
sys.argv[:] = ["srr", *sys.argv[3:]]
sys.modules["srr.cli"].main()
"""
LOADED = (
    "srr.cli srr.cli.names srr.cli.ps srr.cli.send srr.cli.serve srr.cli.doctor srr.cli.table srr.doctor.exchange "
    "srr.doctor.machine srr.doctor.pair srr.processes srr.state grp pwd json errno subprocess shlex rich.table "
    "rich.console rich.box rich.cells rich.measure rich.control click.shell_completion encodings.idna"
)


@pytest.fixture
def helper(shell: Shell) -> Iterator[Helper]:
    shell.folder.chmod(0o711)
    made = Helper(shell.folder)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def users(shell: Shell, helper: Helper) -> Users:
    return Users(shell, helper)


class Users:
    """Commands, each as one of several users."""

    def __init__(self, shell: Shell, helper: Helper) -> None:
        self.shell, self.helper = shell, helper

    def start(self, uid: int, *arguments: str) -> subprocess.Popen[bytes]:
        home = self.shell.folder / f"of-{uid}"
        if not home.exists():
            home.mkdir(mode=0o700)
            os.chown(home, uid, uid)
        command = [sys.executable, "-P", "-c", AS_USER, str(uid), LOADED, *arguments]
        environment = {"SRR_RUNTIME_DIR": str(home), "SRR_HELPER": str(self.helper.path)}
        return self.shell.start("env", "-C", "/", *(f"{k}={v}" for k, v in environment.items()), *command)

    def run(self, uid: int, *arguments: str) -> tuple[int, str, str]:
        child = self.start(uid, *arguments)
        out, err = child.communicate(timeout=50)
        assert child.returncode is not None
        return child.returncode, out.decode(), err.decode()

    def json(self, uid: int, *arguments: str) -> Any:
        status, out, err = self.run(uid, *arguments, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    def serve(self, *arguments: str) -> int:
        child = self.start(OWNER, "serve", *arguments)
        assert child.stderr is not None
        line = child.stderr.readline().decode()
        assert line == f"serving {arguments[0]} as pid {child.pid}\n", line + child.stderr.read().decode()
        return child.pid


def test_a_name_that_is_shared(users: Users) -> None:
    pid = users.serve("plc", "--mode", "666")
    assert users.run(OTHER, "send", "plc@daemon", "--text", "hello") == (0, "hello", "")
    (seen,) = users.json(OTHER, "names")
    assert (seen["name"], seen["pid"], seen["uid"], seen["mode"]) == ("plc@daemon", pid, OWNER, 0o666)
    (own,) = users.json(OWNER, "names")
    assert (own["name"], own["pid"], own["mode"]) == ("plc", pid, 0o666)
    head, line = (line.split() for line in users.run(OTHER, "names")[1].splitlines())
    assert head == ["NAME", "PID", "PROGRAM", "MODE", "GROUP"]
    assert (*line[:2], line[-2]) == ("plc@daemon", str(pid), "666")
    status, out, err = users.run(OTHER, "send", "plc", "--text", "hello")
    assert (status, out) == (1, "") and "did you mean plc@daemon?" in err


def test_a_name_that_does_not_let_one_in(users: Users) -> None:
    pid = users.serve("plc", "--mode", "660", "--group", str(OWNER))
    status, out, err = users.run(OTHER, "send", "plc@daemon", "--text", "hello")
    assert (status, out) == (1, "") and "plc@daemon" in err
    assert users.json(OTHER, "names") == []
    status, out, _ = users.run(OTHER, "doctor", "--json", str(pid))
    checks = {check["name"]: check for check in json.loads(out)}
    assert status == 1
    assert [checks[name]["verdict"] for name in ("user", "helper", "name")] == ["ok", "ok", "no"]
    assert "mode=0o666" in checks["name"]["fix"] and "daemon" in checks["name"]["fix"]


def test_the_doctor_sees_that_a_name_lets_one_in(users: Users) -> None:
    pid = users.serve("plc", "--mode", "666")
    status, out, err = users.run(OTHER, "doctor", str(pid))
    assert (status, err) == (0, "")
    assert "plc@daemon lets this user send" in out
    users.helper.kill()
    status, out, _ = users.run(OTHER, "doctor", str(pid))
    assert status == 1 and "systemctl enable --now srr-helper.socket" in out


def test_who_is_blocked_on_whom_between_users(users: Users) -> None:
    gate = Gate(users.shell.folder / "gate")
    os.chown(gate.path, OWNER, OWNER)
    pid = users.serve("plc", "--mode", "666", "--exec", gate.command)
    client = users.start(OTHER, "send", "plc@daemon", "--text", "hello")
    wait_until_blocked(client.pid, Blocked.REPLY, on=pid)
    for uid in (0, OTHER):
        seen = {process["pid"]: process for process in users.json(uid, "ps")}
        (thread,) = seen[client.pid]["blocked"]
        assert (thread["state"], thread["on"], thread["on_names"]) == ("REPLY", pid, ["plc@daemon"])
        assert seen[client.pid]["uid"] == OTHER
    assert pid not in seen, "the owner's processes are none of the other's"
    table = users.run(0, "ps")[1].splitlines()
    assert table[0].split()[:3] == ["PID", "USER", "PROGRAM"]
    lines = {line.split()[0]: line for line in table[1:]}
    assert lines[str(pid)].split()[1] == "daemon" and "plc@daemon" in lines[str(pid)]
    assert lines[str(client.pid)].split()[1] == str(OTHER) and f"REPLY  {pid} plc@daemon" in lines[str(client.pid)]
    gate.open(b"done")
    assert client.communicate()[0] == b"done"
