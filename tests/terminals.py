"""Plays the sessions that the documents show: several terminals, each with what was typed and what came.

    1$ python moody_server.py          typed in terminal 1 (a single `$` is terminal 1 too)
    serving as pid 4711                what it printed: all of it, in this order, before the next prompt
    2$ srr send moody --text hello
    olleh
    1> sent                            what terminal 1 printed later

    4700 to 4799    stand for pids: for whatever number stands there at first, and for that one from then on
    12 ms, 3.4 s    stand for any time span
    ...             stands for anything within a line; alone, for any number of lines; at the end, for all that the
                    program prints until it ends

A command that shows nothing is waited for until it has ended or is blocked, so nothing here sleeps. `srr ps` and
`srr names` look at something that moves: they are repeated until they show what is expected. `srr ps` shows all
processes of this user; those that no terminal here has started are left out.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from srr import processes

#: A hang is a failure.
PATIENCE = 30.0
_LOOK_EVERY = 0.01
_PROMPT = re.compile(r"(\d?)\$ (.*)")
_LATER = re.compile(r"(\d)> ?(.*)")
_PID = re.compile(r"\b47\d\d\b")
_SPAN = re.compile(r"\b(?:\d+ us|\d+ ms|\d+\.\d s|\d+m\d\ds)(?= |$)")
#: No shell stays behind, to say "Killed" or to survive its program.
_ONE_PROGRAM = re.compile(r"(?:python|srr) [^;|&<>]*")
_REPEATED = ("srr ps", "srr names")


@dataclass
class Step:
    """A command and what it prints, or, without a command, what a terminal prints later."""

    terminal: str
    command: str = ""
    expected: list[str] = field(default_factory=list)


def parse(text: str) -> list[Step]:
    steps: list[Step] = []
    for line in text.splitlines():
        if typed := _PROMPT.fullmatch(line):
            steps.append(Step(typed[1] or "1", typed[2]))
        elif later := _LATER.fullmatch(line):
            if steps[-1].command or steps[-1].terminal != later[1]:
                steps.append(Step(later[1]))
            steps[-1].expected.append(later[2])
        else:
            steps[-1].expected.append(line)
    return steps


def is_blocked(pid: int) -> bool:
    try:
        return bool(processes.look(pid).blocked)
    except OSError:  # It has not used srr, or has ended.
        return False


def waits_for_name(pid: int) -> bool:
    """Only who waits for a name (or for another process's first use of srr) holds an inotify descriptor."""
    try:
        opened = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    return "anon_inode:inotify" in opened


class Terminal:
    """A program at a time, and all that it prints."""

    def __init__(self) -> None:
        self.program: subprocess.Popen[bytes] | None = None
        self.lines: list[str] = []
        self._left = b""

    def run(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        assert self.program is None or self.program.wait(PATIENCE) is not None
        self.read_rest()
        self.program = subprocess.Popen(
            ["sh", "-c", f"exec {command}" if _ONE_PROGRAM.fullmatch(command) else command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )

    def read(self, timeout: float) -> bool:
        """More of what it prints. False: there is no more, or not yet."""
        if self.program is None or self.program.stdout is None:
            return False
        if not select.select([self.program.stdout], [], [], timeout)[0]:
            return False
        more = os.read(self.program.stdout.fileno(), 1 << 16)
        if not more:
            self.program.stdout.close()
            self.program.stdout = None
            more = b"\n" if self._left else b""
        *lines, self._left = (self._left + more).split(b"\n")
        self.lines += [line.decode() for line in lines]
        return bool(more)

    def read_rest(self) -> None:
        while self.read(PATIENCE):
            pass

    def is_quiet(self) -> bool:
        """Its program has ended, or one of its processes is SEND-, RECEIVE- or REPLY-blocked, or waits for a name."""
        if self.program is None or self.program.poll() is not None:
            return True
        mine = [pid for pid in processes.pids() if self.owns(pid)]
        return any(is_blocked(pid) or waits_for_name(pid) for pid in mine)

    def owns(self, pid: int) -> bool:
        try:
            return self.program is not None and os.getpgid(pid) == self.program.pid
        except ProcessLookupError:
            return False

    def signal(self, number: int) -> None:
        try:
            if self.program is not None and self.program.poll() is None:
                os.killpg(self.program.pid, number)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        if self.program is not None:
            self.signal(signal.SIGKILL)
            self.program.wait()
            self.read_rest()


class Session:
    """Terminals that share a folder and a runtime folder."""

    def __init__(self, folder: Path, names: Path) -> None:
        self.folder = folder
        self.terminals: dict[str, Terminal] = {}
        self.pids: dict[str, str] = {}
        programs = os.path.dirname(sys.executable)
        self.environment = dict(os.environ)
        self.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
        self.environment["SRR_RUNTIME_DIR"] = str(names)
        self.environment["PYTHONUNBUFFERED"] = "1"
        self.environment["COLUMNS"] = "200"

    def play(self, text: str) -> None:
        for step in parse(text):
            if step.command.startswith(_REPEATED):
                self._look(step)
            else:
                self._do(step)

    def _do(self, step: Step) -> None:
        terminal = self.terminals.setdefault(step.terminal, Terminal())
        if step.command:
            assert not terminal.lines, f"terminal {step.terminal} printed more than is shown: {terminal.lines}"
            terminal.run(self._with_pids(step.command), self.folder, self.environment)
        if step.expected[-1:] == ["..."]:
            terminal.read_rest()
        deadline = time.monotonic() + PATIENCE
        while not self._matches(step.expected, terminal.lines):
            assert time.monotonic() < deadline and terminal.read(deadline - time.monotonic()), _differ(
                step, terminal.lines
            )
        terminal.lines.clear()
        while not terminal.is_quiet():
            assert time.monotonic() < deadline, f"terminal {step.terminal}: {step.command} neither ends nor is blocked"
            terminal.read(_LOOK_EVERY)

    def _look(self, step: Step) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            terminal = Terminal()
            terminal.run(self._with_pids(step.command), self.folder, self.environment)
            terminal.read_rest()
            terminal.close()
            lines = self._ours(terminal.lines) if step.command.startswith("srr ps") else terminal.lines
            if self._matches(step.expected, lines):
                return
            assert time.monotonic() < deadline, _differ(step, lines)

    def close(self) -> None:
        """End all programs at once: none hears of another's death."""
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for terminal in self.terminals.values():
                terminal.signal(number)
        for terminal in self.terminals.values():
            terminal.close()

    def check_all_is_shown(self) -> None:
        """Nothing that was printed may be missing from the document. When closed."""
        for number, terminal in self.terminals.items():
            assert not terminal.lines, f"terminal {number} printed more than is shown: {terminal.lines}"

    def _ours(self, lines: Sequence[str]) -> list[str]:
        def ours(line: str) -> bool:
            number = re.match(r" *(\d+)", line)
            return number is None or any(terminal.owns(int(number[1])) for terminal in self.terminals.values())

        return [line for line in lines if ours(line)]

    def _with_pids(self, command: str) -> str:
        return _PID.sub(lambda number: self.pids[number[0]], command)

    def _matches(self, expected: Sequence[str], lines: Sequence[str]) -> bool:
        """Do they fit? If so, the pids that were seen for the first time are known from now on."""
        shown: list[str] = []
        pattern = ""
        for line in expected:
            pattern += r"(?:.*\n)*" if line.strip() == "..." else self._pattern(line, shown) + r"\n"
        found = re.fullmatch(pattern, "".join(_plain(line) + "\n" for line in lines))
        if found:
            self.pids.update(zip(shown, found.groups(), strict=True))
        return found is not None

    def _pattern(self, line: str, shown: list[str]) -> str:
        def pid(number: str) -> str:
            if number in self.pids:
                return self.pids[number]
            if number in shown:
                return rf"\{shown.index(number) + 1}"
            shown.append(number)
            return r"(\d+)"

        parts = re.split(rf"({_PID.pattern}|\.\.\.)", _plain(line))
        return "".join(
            ".*" if part == "..." else pid(part) if _PID.fullmatch(part) else re.escape(part) for part in parts
        )


def _plain(line: str) -> str:
    """Without what differs from run to run: time spans, and the widths of columns."""
    return " ".join(_SPAN.sub("SPAN", line).split())


def _differ(step: Step, lines: Sequence[str]) -> str:
    return "\n".join([f"{step.terminal}$ {step.command}", "expected:", *step.expected, "came:", *lines])
