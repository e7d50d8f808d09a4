"""What holds for every command: help, wrong arguments, and what is not imported."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import srr

if TYPE_CHECKING:
    from shell import Shell

COMMANDS = ("bench", "demo", "doctor", "names", "ps", "send", "serve", "sin")


def test_help_lists_every_command(shell: Shell) -> None:
    ran = shell.run("--help")
    listed = ran.stdout.decode().partition("Commands:")[2].split("\n")
    assert ran.returncode == 0
    assert tuple(line.split()[0] for line in listed if line.strip()) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_that_tells_its_exit_status(shell: Shell, command: str) -> None:
    ran = shell.run(command, "--help")
    assert ran.returncode == 0
    assert b"xit status" in ran.stdout


def test_version(shell: Shell) -> None:
    assert shell.run("--version").stdout.decode().split(",")[0] == f"srr {srr.__version__}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["ps", "extra"], "unexpected extra argument"),
        (["ps", "--json", "--watch"], "--json prints once"),
        (["ps", "--watch", "0"], "'--watch'"),
        (["names", "--all"], "No such option"),
        (["send"], "Missing argument 'NAME[@USER]|PID'"),
        (["send", "calc", "--text", "a", "-"], "give one of them"),
        (["send", "calc", "/nonexistent"], "/nonexistent"),
        (["send", "calc", "--text", "a", "--timeout", "-1"], "'--timeout'"),
        (["send", "calc", "--text", "a", "--wait", "soon"], "'--wait'"),
        (["serve"], "Missing argument 'NAME'"),
        (["serve", "123"], "taken for a pid"),
        (["serve", "calc", "--count", "0"], "'--count'"),
        (["serve", "calc", "--exec", ""], "no command"),
        (["serve", "calc", "--exec", "'"], "No closing quotation"),
        (["serve", "calc", "--exec", "no-such-program-here -x"], "no-such-program-here"),
        (["doctor", "me"], "'[PID]'"),
        (["doctor", "0"], "'[PID]'"),
        (["bench", "--sizes", "3"], "'3' is no size"),
        (["bench", "--sizes", "64,lots"], "'lots' is no size"),
        (["bench", "--rounds", "0"], "'--rounds'"),
        (["bench", "--json", "/nonexistent/folder/file"], "'--json'"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_usage_errors(shell: Shell, arguments: list[str], message: str) -> None:
    ran = shell.run(*arguments)
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert message in ran.stderr.decode()
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize("command", ["send", "serve"])
def test_what_runs_in_loops_starts_without_the_screen_library(command: str) -> None:
    code = f"import sys, srr.cli, srr.cli.{command}; print(sorted({{m.split('.')[0] for m in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert "'click'" in ran.stdout
    assert "'rich'" not in ran.stdout
