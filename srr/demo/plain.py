"""Without a terminal: a line a second."""

from __future__ import annotations

from typing import TextIO

from srr.demo.picture import picture
from srr.demo.split import Split
from srr.demo.supervisor import Supervisor


class Plain:
    """Writes lines to a stream."""

    every = 1.0

    def __init__(self, to: TextIO, split: Split) -> None:
        self._to = to
        self._split = split

    def show(self, supervisor: Supervisor) -> None:
        """One line."""
        now = picture(supervisor)
        if not now.messages:
            return  # Nobody has reported twice yet, or all have ended.
        lanes = "  ".join(f"{lane} {value / 1e6:.1f}" for lane, value in sorted(now.lanes.items()))
        rates = f"{now.messages:6,.0f} msg/s  {now.bytes / 1e6:6.1f} MB/s ({lanes or '-'})"
        self.event(f"{supervisor.elapsed:8.1f}  {rates}  {now.states()}")
        split = self._split.text(supervisor)
        if split:
            self.event(f"{'':10}{split}")

    def event(self, text: str) -> None:
        """One line."""
        print(text, file=self._to, flush=True)
