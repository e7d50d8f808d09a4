"""Shows a running demo, from a thread of its own: who waits for the supervisor's reply must not wait for a picture."""

from __future__ import annotations

import sys
import threading
import time
from typing import Protocol

from srr.demo.supervisor import Supervisor

#: Seconds for which one thread may keep the interpreter while another one has a message to reply to.
_SWITCH = 0.0005


class View(Protocol):
    """What one sees while it runs."""

    #: Seconds between two pictures.
    every: float

    def show(self, supervisor: Supervisor) -> None:
        """Time for a picture."""

    def event(self, text: str) -> None:
        """Something happened."""


class Watch:
    """Use as a context manager around ``supervisor.run()``."""

    def __init__(self, supervisor: Supervisor, view: View) -> None:
        self._supervisor = supervisor
        self._view = view
        self._told = 0
        self._over = False
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._switch = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over = True
        self._supervisor.news.set()
        self._thread.join()
        sys.setswitchinterval(self._switch)
        if self._failed:
            raise self._failed

    def _run(self) -> None:
        try:
            due = time.monotonic()
            while not self._over:
                self._tell()
                if time.monotonic() >= due:
                    self._view.show(self._supervisor)
                    due = max(due + self._view.every, time.monotonic())
                self._supervisor.news.wait(max(0.0, due - time.monotonic()))
                self._supervisor.news.clear()
            self._tell()
        except Exception as failed:
            self._failed = failed

    def _tell(self) -> None:
        while self._told < len(self._supervisor.events):
            self._view.event(self._supervisor.events[self._told])
            self._told += 1
