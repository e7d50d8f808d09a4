"""What the tests of hist, stacks, imposed, metrics and overhead share."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drive import until
from installed import installed

from srr import processes

HERE = Path(__file__).parent / "trace"


@functools.cache
def pair() -> Path:
    """pair.c, linked statically: a copy of the library by itself."""
    folder = Path(tempfile.mkdtemp(prefix="srr-pair-"))
    return installed().compile(HERE / "pair.c", folder / "pair", "srr", "-O1", static=True)


@contextmanager
def pair_in_c(count: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server in C that receives, and its client, which begins when its standard input is closed."""
    server = subprocess.Popen([pair(), "serve"])
    client = subprocess.Popen(
        [pair(), "ask", str(server.pid), str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        until("it receives", lambda: _receivers(server.pid))
        yield server.pid, client
    finally:
        for process in (client, server):
            process.kill()
            process.communicate()


def _receivers(pid: int) -> int:
    try:
        return processes.look(pid).receivers
    except FileNotFoundError:
        return 0  # it has no rows yet


def ask_all(client: subprocess.Popen[bytes]) -> list[int]:
    """Let it Send all: how many, and bytes of the replies. It goes on living: its symbols can be looked up."""
    assert client.stdin is not None and client.stdout is not None
    client.stdin.close()
    client.stdin = None
    return [int(word) for word in client.stdout.readline().split()]


def of(records: list[dict[str, Any]], client: int | None, server: int) -> list[dict[str, Any]]:
    """The lines of this client with this server; None: those without a client."""
    return [record for record in records if record.get("client") == client and record.get("server") == server]


#: Somebody who may read no probe.
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all")
