"""`srr serve` and `srr send`, with each other."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from srr import Blocked
from srr.testing import wait_until_blocked

if TYPE_CHECKING:
    from shell import Gate, Shell


@pytest.mark.parametrize("nbytes", [0, 1, 65536, 65537, 3_000_001])
def test_standard_input_comes_back_as_it_was(shell: Shell, nbytes: int) -> None:
    shell.serve("echo")
    message = os.urandom(nbytes)
    ran = shell.run("send", "echo", stdin=message)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout == message


def test_a_file_a_text_and_a_pid(shell: Shell, tmp_path: Path) -> None:
    server = shell.serve("echo")
    file = tmp_path / "file"
    file.write_bytes(b"\0\xff\n")
    assert shell.run("send", "echo", str(file)).stdout == b"\0\xff\n"
    assert shell.run("send", "echo", "-", stdin=b"dash").stdout == b"dash"
    assert shell.run("send", str(server.pid), "--text", "grüße").stdout == "grüße".encode()


def test_exec_runs_words_without_a_shell(shell: Shell) -> None:
    shell.serve("words", "--exec", "printf '%s|' 'two words' $HOME ;")
    assert shell.run("send", "words").stdout == b"two words|$HOME|;|"


def test_exec_gets_the_message_and_knows_the_sender(shell: Shell) -> None:
    shell.serve("shout", "--exec", """sh -c 'tr a-z A-Z; echo "$SRR_SENDER"'""")
    client = shell.srr("send", "shout", "--text", "abc ")
    assert client.communicate()[0].decode() == f"ABC {client.pid}\n"


def test_a_command_that_fails_is_the_senders_error_and_the_server_goes_on(shell: Shell) -> None:
    server = shell.serve("false", "--exec", "sh -c 'echo broken >&2; exit 3'", "--count", "2", "--verbose")
    for _ in range(2):
        ran = shell.run("send", "false", "--text", "x")
        assert (ran.returncode, ran.stdout) == (1, b"")
        assert b"answered with an error: Input/output error" in ran.stderr
    output = server.communicate()[1].decode()
    assert server.returncode == 0
    assert output.count("broken\n") == 2
    assert output.count("answered EIO: sh ended with status 3\n") == 2


def test_verbose_says_one_line_a_message(shell: Shell) -> None:
    server = shell.serve("echo", "--verbose", "--count", "1")
    client = shell.srr("send", "echo", "--text", "hello")
    assert client.communicate()[0] == b"hello"
    assert server.communicate()[1].decode() == f"from {client.pid}: 5 bytes (inline); replied 5 bytes\n"


def test_count_ends_the_server_and_frees_the_name(shell: Shell) -> None:
    server = shell.serve("twice", "--count", "2")
    assert [shell.run("send", "twice", "--text", text).stdout for text in "ab"] == [b"a", b"b"]
    assert server.wait() == 0
    assert shell.run("send", "twice", "--text", "c").returncode == 1
    shell.serve("twice")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda n: str(n)
)
def test_a_signal_ends_an_idle_server(shell: Shell, number: signal.Signals, status: int) -> None:
    server = shell.serve("echo")
    wait_until_blocked(server.pid, Blocked.RECEIVE)
    server.send_signal(number)
    assert server.communicate()[1] == b""
    assert server.returncode == status
    shell.serve("echo")


def test_a_signal_in_the_middle_of_a_message_answers_its_sender(shell: Shell, gate: Gate) -> None:
    server = shell.serve("slow", "--exec", gate.command)
    client = shell.srr("send", "slow", "--text", "x")
    wait_until_blocked(client.pid, Blocked.REPLY, on=server.pid)
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 143
    assert b"answered with an error: Operation canceled" in client.communicate()[1]
    assert client.returncode == 1


def test_a_name_is_taken_only_once(shell: Shell) -> None:
    shell.serve("echo")
    second = shell.run("serve", "echo")
    assert second.returncode == 1
    assert second.stderr.decode().startswith("srr serve: echo: ")
    assert b"Traceback" not in second.stderr


def test_nobody_has_the_name(shell: Shell) -> None:
    ran = shell.run("send", "nobody", "--text", "x")
    assert ran.returncode == 1
    assert ran.stderr.decode().startswith("srr send: nobody: ")


def test_waiting_for_a_name_in_vain_is_a_time_out(shell: Shell) -> None:
    assert shell.run("send", "nobody", "--text", "x", "--wait", "0.05").returncode == 124


def test_waiting_for_a_name_that_comes(shell: Shell) -> None:
    client = shell.srr("send", "late", "--text", "hello", "--wait", "40")
    shell.serve("late")
    assert client.communicate()[0] == b"hello"


def test_a_send_that_was_received_and_times_out_is_in_doubt(shell: Shell, gate: Gate) -> None:
    server = shell.serve("slow", "--exec", gate.command, "--count", "1", "--verbose")
    client = shell.srr("send", "slow", "--text", "x", "--timeout", "0.5")
    wait_until_blocked(client.pid, Blocked.REPLY, on=server.pid)
    errors = client.communicate()[1].decode()
    assert client.returncode == 124
    assert "in doubt" in errors
    gate.open(b"too late")
    assert server.communicate()[1].decode().endswith("the sender gave up or died before the reply\n")
    assert server.returncode == 0


def test_a_send_that_nobody_received_is_safe_to_repeat(shell: Shell) -> None:
    deaf = shell.start("cat")
    ran = shell.run("send", str(deaf.pid), "--text", "x", "--timeout", "0.05")
    assert ran.returncode == 124
    assert b"safe to repeat" in ran.stderr


def test_a_server_that_is_killed_fails_its_clients(shell: Shell, gate: Gate) -> None:
    server = shell.serve("slow", "--exec", gate.command)
    received = shell.srr("send", "slow", "--text", "x")
    wait_until_blocked(received.pid, Blocked.REPLY, on=server.pid)
    queued = shell.srr("send", "slow", "--text", "y")
    wait_until_blocked(queued.pid, Blocked.SEND, on=server.pid)
    server.kill()
    for client, expected in ((received, b"in doubt"), (queued, b"safe to repeat")):
        assert expected in client.communicate()[1]
        assert client.returncode == 1
    gate.open(b"")  # the command that the server left behind


def test_ctrl_c_gives_up(shell: Shell) -> None:
    deaf = shell.start("cat")
    client = shell.srr("send", str(deaf.pid), "--text", "x")
    wait_until_blocked(client.pid, Blocked.SEND, on=deaf.pid)
    client.send_signal(signal.SIGINT)
    assert client.communicate() == (b"", b"")
    assert client.returncode == 130


def test_no_such_process(shell: Shell) -> None:
    ran = shell.run("send", str(2**22 + 1), "--text", "x")
    assert ran.returncode == 1
    assert b"there is no such process" in ran.stderr


def test_a_reply_that_does_not_fit_is_a_failure(shell: Shell) -> None:
    shell.serve("echo")
    ran = shell.run("send", "echo", "--text", "12345", "--room", "4")
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert b"replied 5 bytes and only 4 fitted" in ran.stderr


def test_a_reader_that_goes_away_is_no_traceback(shell: Shell) -> None:
    shell.serve("echo")
    client = shell.srr("send", "echo", "-")
    assert client.stdout is not None
    client.stdout.close()
    _, errors = client.communicate(b"x" * 1_000_000)
    assert client.returncode == 1
    assert b"Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--mode", "999"), "--mode': 999: give digits as for chmod"),
        (("--mode", "777"), "none of them above 6"),
        (("--group", "root"), "give --mode, too"),
        (("--mode", "660", "--group", "no such group"), "no such group: there is no such group"),
    ],
)
def test_a_mode_that_is_none(shell: Shell, options: tuple[str, ...], said: str) -> None:
    ran = shell.run("serve", "plc", *options)
    assert ran.returncode == 2
    assert said in " ".join(ran.stderr.decode().replace("\u2502", " ").split())


def test_nobody_to_share_a_name_by(shell: Shell) -> None:
    ran = shell.run("serve", "plc", "--mode", "660", environment={"SRR_HELPER": str(shell.folder / "none")})
    assert ran.returncode == 1
    assert b"srr-helper does not run here" in ran.stderr
