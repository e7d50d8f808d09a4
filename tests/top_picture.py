"""Draws docs/trace-top.svg: real processes on the screen of `srr-trace top`, as Textual exports it.

python tests/top_picture.py docs/trace-top.svg
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from drive import Blocked, Company, Partner

from srr import processes
from srr.trace.feed import Live
from srr.trace.topmodel import Choice, Mark
from srr.trace.topsampler import Marks, Sampler
from srr.trace.topscreen import Top

SIZE = (126, 16)


def scene(company: Company) -> list[Partner]:
    """Two servers at work, a pair that waits for each other, and a server that keeps two clients waiting."""
    partners = company.start_many(10)
    plc, valve, pump, logger, alarm, archive, *clients = partners
    named = {"plc": plc, "valve": valve, "pump": pump, "logger": logger, "alarm": alarm, "archive": archive}
    for name, partner in named.items():
        partner.do("attach", name=name)
    valve.order("send", to=pump.pid, message=b"close, please")
    pump.order("send", to=valve.pid, message=b"stop, please")
    held = clients[0].order("send", to=alarm.pid, message=b"door 7 is open")
    assert alarm.do("receive").pid == clients[0].pid and not held.answered()
    clients[1].order("send", to=alarm.pid, message=b"door 8 is open")
    for server, client in ((plc, clients[2]), (archive, clients[3])):
        server.order("serve", count=100_000_000)
        client.order("repeat", to=server.pid, count=100_000_000, nbytes=200 if server is plc else 20_000)
    logger.order("receive")
    logger.until_blocked(Blocked.RECEIVE)
    clients[1].until_blocked(Blocked.SEND, on=alarm.pid)
    return partners


async def draw(partners: list[Partner]) -> str:
    """The screen as SVG, when it shows what is wrong and how long things take."""
    choice = Choice(frozenset(partner.pid for partner in partners))
    sampler = Sampler(Live(), choice, Marks(is_live=True), processes.peek)
    app = Top(sampler, choice, interval=0.5, order="busy", backwards=False, count=None)
    async with app.run_test(size=SIZE) as pilot:
        deadline = time.monotonic() + 20
        while True:
            await pilot.pause(0.05)
            rows = [row for row in app.seen.snapshot.rows if choice.has(row)] if app.seen else []
            marks = [row.mark for row in rows]
            served = [row for row in rows if row.service is not None and row.received_rate]
            if marks.count(Mark.DEADLOCKED) == 2 and marks.count(Mark.STARVED) == 1 and len(served) == 2:
                break
            assert time.monotonic() < deadline, rows
        await pilot.pause(1.1)  # a whole interval of it
        return app.export_screenshot(title="srr-trace top", simplify=False)


def main(path: str) -> None:
    with tempfile.TemporaryDirectory(prefix="srr-") as folder:
        os.environ["SRR_RUNTIME_DIR"] = folder  # their names are looked for where they are
        company = Company(Path(folder), Path(folder))
        try:
            Path(path).write_text(asyncio.run(draw(scene(company))), encoding="utf-8")
        finally:
            company.close()


if __name__ == "__main__":
    main(sys.argv[1])
