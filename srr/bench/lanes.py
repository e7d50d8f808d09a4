"""The lanes side by side: one user and two, each with the same placements and sizes, and sockets as the measure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from srr.bench.machine import Placement
from srr.bench.run import Client, Series, environment
from srr.demo.users import NoUsers, Users, undisturbed

SIZES = (64, 1 << 20, 4 << 20, 16 << 20, 64 << 20)


@dataclass(frozen=True, slots=True)
class Row:
    """A way for bytes between two processes."""

    title: str
    #: SRR_LANE of both; "": as shipped.
    lane: str = ""
    #: They are of two users, whom srr-helper introduces.
    users: bool = False
    #: Not by srr at all: a socket between the same two processes.
    by_socket: bool = False


SOCKET = Row("two users, AF_UNIX", users=True, by_socket=True)
ROWS = (
    Row("one user"),
    Row("one user, window", lane="window"),
    Row("two users", users=True),
    Row("two users, helper", lane="helper", users=True),
    SOCKET,
)


class Couple(Client):
    """Two processes, for all rows that want such ones."""

    def __init__(self, row: Row, users: Users, largest: int) -> None:
        command = ["srr.bench.couple", "--largest", str(largest)]
        if row.users:
            command += ["--users", *map(str, users.numbers), "--folder", str(users.folder)]
        if row.lane == "helper":
            assert users.helper is not None
            command += ["--helper", str(users.helper.pid)]
        clean = {key: value for key, value in environment(None).items() if key not in ("SRR_LANE", "SRR_INLINE")}
        super().__init__(row.title, *command, env=clean | ({"SRR_LANE": row.lane} if row.lane else {}))
        self._server: int | None = None

    def place(self, placement: Placement) -> None:
        """They can not do it themselves: the one may be another user than the other."""
        if self._server is None:
            self._server = int(self.order({})["server"])
        os.sched_setaffinity(self.process.pid, placement.client)
        os.sched_setaffinity(self._server, placement.server)


@dataclass(frozen=True, slots=True)
class Lane:
    """A row, and who measures it."""

    row: Row
    couple: Couple

    @property
    def title(self) -> str:
        return self.row.title

    def measure(self, series: Series, placement: Placement, calls: int) -> None:
        self.couple.place(placement)
        series.add(**self.couple.order({"size": series.size, "calls": calls, "by_socket": self.row.by_socket}))


@contextmanager
def lanes(largest: int) -> Iterator[tuple[list[Lane], list[str]]]:
    """Those that can be measured here, and a line if these are not all."""
    with ExitStack() as stack:
        rows, skipped = list(ROWS), []
        try:
            users = stack.enter_context(Users(2, "--transfer"))
        except NoUsers as why:
            users = stack.enter_context(Users(1))
            rows = [row for row in ROWS if not row.users] + [replace(SOCKET, users=False, title="one user, AF_UNIX")]
            skipped = [f"two users: left out, {why}"]
        couples: dict[tuple[str, bool], Couple] = {}
        for row in rows:
            kind = (row.lane, row.users)
            if kind not in couples:
                with undisturbed():
                    couples[kind] = stack.enter_context(Couple(row, users, largest))
        yield [Lane(row, couples[row.lane, row.users]) for row in rows], skipped
