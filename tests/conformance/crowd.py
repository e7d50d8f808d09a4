"""Many processes at one server: forks ``count`` children, each of which sends three messages and checks the replies.

    python crowd.py PID COUNT BATCH together|apart

``together``: all children wait at a gate and send at once. ``apart``: at most BATCH at a time, one after the other.
Prints how many ended well. Each child is a process of its own: it has used nothing of the library before.
"""

from __future__ import annotations

import os
import sys

import srr


def client(server: int, gate: int | None) -> int:
    if gate is not None:
        os.read(gate, 1)  # end of file: the gate is open
    connection = srr.connect(server)
    for turn in range(3):
        message = b"%d %d" % (os.getpid(), turn)
        if connection.send(message) != message[::-1]:
            return 1
    return 0


def start(server: int, gate: int | None, other_end: int | None) -> int:
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            if other_end is not None:
                os.close(other_end)
            status = client(server, gate)
        except Exception as failure:
            print(failure, file=sys.stderr)
        finally:
            os._exit(status)
    return pid


def reap(pids: set[int]) -> bool:
    pid, status = os.wait()
    pids.remove(pid)
    return status == 0


def main(server: int, count: int, batch: int, together: bool) -> None:
    read, write = os.pipe() if together else (None, None)
    pids: set[int] = set()
    well = 0
    for _ in range(count):
        if len(pids) >= batch:
            well += reap(pids)
        pids.add(start(server, read, write))
    if write is not None:
        os.close(write)
    while pids:
        well += reap(pids)
    print(well)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "together")
