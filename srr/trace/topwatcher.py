"""What `srr-trace top` does beside its screen: the thread that looks, and a terminal that it can not disturb."""

from __future__ import annotations

import os
import threading
import traceback
from typing import Protocol

from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from srr.trace.topsampler import Sampler, Seen

#: Longest that leaving waits until the probes are taken out; the kernel does it when we are gone.
_LEAVING = 3.0


class Shows(Protocol):
    """The screen, as the watcher knows it."""

    def post_message(self, message: Message) -> bool: ...

    def seconds(self) -> float:
        """Between two looks."""

    def attached(self) -> None:
        """From now on probes are read, or it is known why not."""


class Sampled(Message):
    """There is something new to draw."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        super().__init__()


class Ended(Message):
    """There will be nothing more: the recording is over, or (with a reason) looking failed."""

    def __init__(self, failure: str = "") -> None:
        self.failure = failure
        super().__init__()


class Watcher(threading.Thread):
    """Looks, and posts what it has seen. The probes are attached when the first screen has been drawn."""

    def __init__(self, app: Shows, sampler: Sampler) -> None:
        super().__init__(name="srr-trace top", daemon=True)
        self._app, self._sampler = app, sampler
        self._drawn, self._leave, self._hurry = threading.Event(), threading.Event(), threading.Event()
        self._go_on = threading.Event()
        self._go_on.set()

    @property
    def is_paused(self) -> bool:
        return not self._go_on.is_set()

    def drawn(self) -> None:
        self._drawn.set()

    def pause(self, paused: bool) -> None:
        if paused:
            self._go_on.clear()
        else:
            self._go_on.set()

    def hurry(self) -> None:
        """Look again at once."""
        self._hurry.set()

    def open(self, pid: int) -> None:
        """Read this process's messages as well; 0: nobody's."""
        self._sampler.opened = pid
        if pid:
            self.hurry()

    def leave(self) -> None:
        for event in (self._leave, self._drawn, self._go_on, self._hurry):
            event.set()
        self.join(_LEAVING)

    def run(self) -> None:
        try:
            self._look_on()
        except Exception:
            self._app.post_message(Ended(traceback.format_exc()))
        finally:
            self._sampler.close()

    def _look_on(self) -> None:
        self._look()
        self._drawn.wait()
        if not self._leave.is_set():
            self._sampler.attach()
            self._app.attached()
        going = True
        while going and not self._leave.is_set():
            self._look()
            going = self._sampler.wait(self._app.seconds, self._hurry.is_set)
            self._go_on.wait()
            if not self._leave.is_set():
                self._hurry.clear()
        if not self._leave.is_set():
            self._look()
            self._app.post_message(Ended())
            self._leave.wait()

    def _look(self) -> None:
        seen = self._sampler.look()
        if not self.is_paused:
            self._app.post_message(Sampled(seen))


class OnStdout(LinuxDriver):
    """Draws where the result belongs, which is stdout. Textual takes stderr, and that is elsewhere for a moment while
    BCC compiles: what its compiler says is kept out of sight."""

    def __init__(self, *args: object, **keywords: object) -> None:
        super().__init__(*args, **keywords)  # type: ignore[arg-type]
        self._screen = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
        self._file = self._screen

    def close(self) -> None:
        super().close()
        self._screen.close()
