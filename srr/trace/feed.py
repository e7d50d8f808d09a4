"""Where a view's data come from: live, or a recording. Views are written once, against these two protocols."""

from __future__ import annotations

import os
import select
import time
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from srr import processes
from srr.processes import Process
from srr.trace.events import Change, Clock, Frames, Transaction
from srr.trace.programs import Wants
from srr.trace.session import Cost, Losses, Session
from srr.trace.totals import Imposed, Totals

Event = Transaction | Change | Frames


class Feed(Protocol):
    """What a session tells. ``Session`` is the live one."""

    clock: Clock

    def drain(self) -> list[Event]:
        """What has happened since the last call, by time."""

    def finish(self) -> list[Event]:
        """The rest; nothing comes after it."""

    def totals(self) -> list[Totals]:
        """Added up since the beginning."""

    def imposed(self) -> list[Imposed]: ...

    def choose(self, pids: set[int]) -> None: ...

    def symbol(self, address: int, pid: int) -> str: ...

    def made(self) -> dict[str, int]: ...

    def losses(self) -> Losses: ...

    def cost(self) -> Cost: ...


class Source(Protocol):
    """The machine, or a file."""

    #: A recording is looked at as fast as it can be read, and ends.
    is_live: bool
    #: Of its times.
    clock: Clock

    def feed(self, wants: Wants, *, transfers: bool = False) -> AbstractContextManager[Feed]:
        """CannotTrace: no probe may be read here."""

    def survey(self) -> list[Process]:
        """The waiting table: now, or at the moment that the recording is at."""

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC, or the moment that the recording is at."""

    def pace(self, seconds: float) -> bool:
        """Let so much time pass. False: the recording has ended, or the user wants an end (Ctrl-C)."""


@runtime_checkable
class Past(Protocol):
    """What a recording knows beside."""

    def named(self, name: str) -> set[int]:
        """The processes that held it at any time."""


class Live:
    """This machine, now."""

    is_live = True

    def __init__(self) -> None:
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.clock = Clock()
        self._survey = processes.Survey(everybody=os.geteuid() == 0)

    def __del__(self) -> None:
        os.close(self._stop)

    def stop(self) -> None:
        """From now on ``pace`` says that it is over. For signal handlers, too."""
        os.eventfd_write(self._stop, 1)

    def feed(self, wants: Wants, *, transfers: bool = False) -> Session:
        return Session(wants, transfers=transfers)

    def survey(self) -> list[Process]:
        """Root sees everybody's processes."""
        return self._survey.look()

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def pace(self, seconds: float) -> bool:
        return not select.select([self._stop], [], [], seconds)[0]
