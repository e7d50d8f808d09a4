"""What it could do if somebody took it over: nearly nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
from pathlib import Path

import pytest
from helper.hosts import ALICE, HELPER, Host, build

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="serving all users needs root")

#: Lines of code in C, without comments and empty lines: of the broker, and of the transfer worker.
BROKER_LINES, WORKER_LINES = 2110, 930
WORKER = {"lease", "spawner", "transfer", "worker"}

FORBIDDEN = {
    "open": 'syscall(SYS_openat, -100, "/etc/passwd", 0)',
    "exec": 'syscall(SYS_execve, "/bin/true", 0, 0)',
    "fork": "syscall(SYS_clone, 17, 0, 0, 0, 0)",
    "socket": "syscall(SYS_socket, 1, 1, 0)",
    "connect": "syscall(SYS_connect, 0, 0, 0)",
    "kill": "syscall(SYS_kill, 1, 0)",
    "kill a worker, without --transfer": "syscall(SYS_pidfd_send_signal, 0, SIGKILL, 0, 0)",
    "ptrace": "syscall(SYS_ptrace, 0, 0, 0, 0)",
    "read memory": "syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0)",
    "setuid": "syscall(SYS_setuid, 0)",
    "pidfd_getfd": "syscall(SYS_pidfd_getfd, 0, 0, 0)",
    "executable memory": "mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED",
    "mprotect": "mprotect(0, 4096, PROT_READ)",
    "duplicate": "fcntl(0, F_DUPFD, 100)",
    "owner": "fcntl(0, F_SETOWN, 1)",
    "lock": "fcntl(0, F_SETLK, 0)",
    "terminal input": "ioctl(0, 0x5412, 0)",
    "futex wait": "syscall(SYS_futex, 0, 0, 0, 0)",
    "prctl": "syscall(SYS_prctl, 0, 0, 0, 0, 0)",
    "io_uring": "syscall(SYS_io_uring_setup, 0, 0)",
}
ALLOWED = {
    "the positive control": "syscall(SYS_getrandom, 0, 0, 0)",
    "a limited call, in its limits": "fcntl(0, 1034)",
}


@pytest.mark.parametrize("what", [*FORBIDDEN, *ALLOWED])
def test_a_call_outside_the_list_kills_it(tmp_path: Path, what: str) -> None:
    """A build in which the broker makes that call when the first process connects."""
    call = (FORBIDDEN | ALLOWED)[what]
    tampered = build(
        tmp_path / "helper", Path(__file__).with_name("forbidden.c"), f"-DFORBIDDEN={call}", "-Wl,--wrap=epoll_ctl"
    )
    with contextlib.closing(Host(tampered)) as host:
        guest = host.guest(ALICE, joined=False)
        guest.do("connect", str(host.path))
        if what in ALLOWED:
            assert guest.do("hello").error == 0
        else:
            assert host.process.wait(20) == -signal.SIGSYS


def test_what_proc_says(host: Host) -> None:
    host.guest(ALICE)
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{host.process.pid}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert status["Threads"] == "2", "the loop, and the janitor"
    for thread in Path(f"/proc/{host.process.pid}/task").iterdir():
        assert re.search(r"^NoNewPrivs:\t1$", (thread / "status").read_text(), re.MULTILINE)
        assert re.search(r"^Seccomp:\t2$", (thread / "status").read_text(), re.MULTILINE)
    assert {status[cap] for cap in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert 0 not in {int(uid) for uid in (status["Uid"] + status["Gid"]).split()}
    assert os.stat(f"/proc/{host.process.pid}/fd").st_uid == 0, "not dumpable: its own user can not look into it"
    limits = Path(f"/proc/{host.process.pid}/limits").read_text()
    assert re.search(r"Max processes +0 +0", limits)
    assert re.search(r"Max core file size +0 +0", limits)


def test_it_has_no_files_that_it_could_write(host: Host) -> None:
    """But its own memfds, its log, and a lock file that is empty."""
    server, client = host.guest(ALICE), host.guest(ALICE)
    client.ask(6, pid=server.pid)
    folder = Path(f"/proc/{host.process.pid}/fd")
    for link in folder.iterdir():
        target, mode = os.readlink(link), link.stat().st_mode
        if stat.S_ISREG(mode):
            assert target.startswith("/memfd:srr-") or link.name in "012" or target == f"{host.path}.lock", target
        else:
            assert not stat.S_ISDIR(mode) and not stat.S_ISBLK(mode), target
    mapped = Path(f"/proc/{host.process.pid}/maps").read_text()
    assert "memfd:srr-news" in mapped
    assert not re.search(r"memfd:srr-(gate|pair|life|row)", mapped), "it maps nothing that others write"
    assert not re.search(r"^\S+ .w.x", mapped.replace("rwxp", "?"), re.MULTILINE)


def code_lines(path: Path) -> int:
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    return sum(bool(line.strip()) for line in text.splitlines())


def test_line_budget() -> None:
    """What must be right is short enough to be read."""
    files = sorted(HELPER.glob("*.[ch]"))
    worker = sum(code_lines(path) for path in files if path.stem in WORKER)
    broker = sum(code_lines(path) for path in files if path.stem not in WORKER)
    print(f"broker {broker}, worker {worker}")
    assert broker <= BROKER_LINES
    assert worker <= WORKER_LINES
