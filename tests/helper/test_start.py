"""How it starts, and what keeps it from starting."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import struct
import subprocess
from pathlib import Path

import pytest
from helper.hosts import ALICE, BOB, Host
from helper.protocol import Op

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="serving all users needs root")

CANNOT, USAGE, ANOTHER = 1, 2, 3


def refused(program: Path, *arguments: str | Path, **environment: str) -> tuple[int, str]:
    """It must not start: exit status and what it says."""
    done = subprocess.run(
        [program, *arguments], env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True, timeout=20
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture
def folder(names: Path) -> Path:
    names.chmod(0o755)
    return names


def test_usage(program: Path) -> None:
    shown = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    for option in ("--socket", "--user", "--transfer", "--version", "--help"):
        assert option in shown
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("srr-helper ")
    for wrong in (["--nonsense"], ["more"], ["--socket"], ["--user", "--transfer"]):
        status, said = refused(program, *wrong)
        assert status == USAGE
        assert "Usage: srr-helper" in said


def test_two_are_refused(program: Path, host: Host) -> None:
    status, said = refused(program, "--socket", host.path)
    assert status == ANOTHER
    assert f"{host.path}: another srr-helper serves it. Stop that one first" in said
    assert host.guest(ALICE).error(Op.STATUS) == 0


def test_a_stale_socket_is_replaced(program: Path, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stale:
        stale.bind(str(folder / "helper.sock"))
    with contextlib.closing(Host(program, folder)) as host:
        assert host.guest(ALICE).error(Op.STATUS) == 0


@pytest.mark.parametrize("kind", [socket.SOCK_SEQPACKET, socket.SOCK_STREAM])
def test_a_socket_that_somebody_listens_at_stays(program: Path, folder: Path, kind: int) -> None:
    with socket.socket(socket.AF_UNIX, kind) as other:
        other.bind(str(folder / "helper.sock"))
        other.listen()
        status, said = refused(program, "--socket", folder / "helper.sock")
        assert (status, "somebody listens there" in said) == (ANOTHER, True)
        assert (folder / "helper.sock").is_socket()


def test_something_else_at_its_place_stays(program: Path, folder: Path) -> None:
    victim = folder / "victim"
    victim.write_text("precious")
    place = folder / "helper.sock"
    place.symlink_to(victim)
    status, said = refused(program, "--socket", place)
    assert (status, "not a socket" in said) == (CANNOT, True)
    place.unlink()
    place.write_text("a file")
    assert refused(program, "--socket", place)[0] == CANNOT
    place.unlink()
    (folder / "helper.sock.lock").unlink()
    (folder / "helper.sock.lock").symlink_to(victim)
    status, said = refused(program, "--socket", place)
    assert (status, "lock file" in said) == (CANNOT, True)
    assert victim.read_text() == "precious"


def test_a_folder_of_somebody_else(program: Path, folder: Path) -> None:
    """Who could put a socket of his own there is not served in, wherever on the way the folder is."""
    inner = folder / "inner"
    inner.mkdir()
    for path, uid, mode in ((inner, ALICE, 0o755), (folder, ALICE, 0o755), (inner, 0, 0o777), (folder, 0, 0o775)):
        os.chown(path, uid, uid)
        path.chmod(mode)
        status, said = refused(program, "--socket", inner / "helper.sock")
        assert (status, "somebody else could put a socket" in said) == (CANNOT, True)
        assert os.listdir(inner) == []
        os.chown(path, 0, 0)
        path.chmod(0o755)
    inner.chmod(0o1777)
    assert refused(program, "--socket", inner / "helper.sock")[0] == CANNOT, "sticky is good enough above it only"


def test_a_folder_that_is_a_symbolic_link(program: Path, folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    status, said = refused(program, "--socket", folder / "link" / "helper.sock")
    assert (status, "no symbolic link may lead to it" in said) == (CANNOT, True)
    assert os.listdir(folder / "real") == []


@pytest.mark.parametrize("path", ["", "helper.sock", "/helper.sock", "/run/", "/tmp/" + "x" * 110])
def test_paths_that_are_none(program: Path, path: str) -> None:
    status, said = refused(program, "--socket", path)
    assert (status, "not a path for a socket" in said) == (USAGE, True)


def test_a_missing_folder_is_made_a_missing_one_above_is_not(program: Path, folder: Path) -> None:
    with contextlib.closing(Host(program, folder / "new")) as host:
        assert host.path.is_socket()
    status, said = refused(program, "--socket", folder / "no" / "such" / "helper.sock")
    assert (status, "Make that folder" in said) == (CANNOT, True)


def test_for_one_user(program: Path, folder: Path) -> None:
    """Without any privilege: its own user's processes only, also root's not."""
    with contextlib.closing(Host(program, folder, "--user", user=BOB)) as host:
        a, b = host.guest(BOB), host.guest(BOB)
        assert a.error(Op.CONNECT, pid=b.pid) == 0
        for uid in (ALICE, 0):
            other = host.guest(uid, joined=False)
            other.do("connect", str(host.path))
            assert other.do("closed_at_once")
        status = Path(f"/proc/{host.process.pid}/status").read_text()
        assert f"Uid:\t{BOB}\t{BOB}\t{BOB}\t{BOB}" in status


def test_for_one_user_at_its_own_place(program: Path, folder: Path) -> None:
    status, said = refused(program, "--user")
    assert (status, "XDG_RUNTIME_DIR" in said) == (USAGE, True)
    process = subprocess.Popen([program, "--user"], env={"XDG_RUNTIME_DIR": str(folder)})
    try:
        path = folder / "srr" / "helper.sock"
        while not path.is_socket():
            assert process.poll() is None
            os.sched_yield()
        assert path.parent.stat().st_mode & 0o777 in (0o700, 0o755)
    finally:
        process.terminate()
        assert process.wait(20) == 0


def started_by_systemd(program: Path, listener: socket.socket, **environment: str) -> subprocess.Popen[bytes]:
    """As systemd does: the socket is descriptor 3, LISTEN_PID says for whom."""
    return subprocess.Popen(
        ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0"', program],
        pass_fds=[3],
        preexec_fn=lambda: os.dup2(listener.fileno(), 3) and None,
        stderr=subprocess.PIPE,
        env=dict(environment),
    )


def test_socket_activation_readiness_and_watchdog(program: Path, folder: Path) -> None:
    path = folder / "helper.sock"
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(folder / "notify"))
    notified.settimeout(20)
    with notified, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(16)
        environment = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "20000"}
        with started_by_systemd(program, listener, **environment) as process:
            assert notified.recv(4096).startswith(b"READY=1\n")
            for _ in range(3):
                assert notified.recv(4096) == b"WATCHDOG=1"
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as guest:
                guest.connect(str(path))
                assert struct.unpack("3i", guest.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1] == 0
            process.terminate()
            assert process.wait(20) == 0
            while (said := notified.recv(4096)) == b"WATCHDOG=1":
                pass
            assert said == b"STOPPING=1"
        assert path.is_socket(), "systemd's, not ours"


def test_what_systemd_may_hand_it(program: Path, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wrong:
        wrong.bind(str(folder / "s"))
        wrong.listen()
        with started_by_systemd(program, wrong) as process:
            assert process.stderr
            assert b"ListenSequentialPacket" in process.stderr.read()
            assert process.wait(20) == CANNOT


def test_too_few_descriptors(program: Path, folder: Path) -> None:
    """Said at the start, not found out when many have come."""
    os.chown(folder, ALICE, ALICE)
    command = [str(program), "--socket", str(folder / "helper.sock")]
    limits = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))  # noqa: E731
    done = subprocess.run(
        command, user=ALICE, group=ALICE, extra_groups=[], preexec_fn=limits, capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, "open files" in done.stderr) == (CANNOT, True)
