"""python -m srr.bench.contact PID CALLS: a new process's Sends to PID; prints the nanoseconds of each."""

from __future__ import annotations

import json
import sys
import time

import srr
from srr.bench import ANSWER, HEADER


def main() -> None:
    connection = srr.connect(int(sys.argv[1]))
    message, reply = bytearray(ANSWER.size), bytearray(ANSWER.size)
    times = []
    for stamp in range(int(sys.argv[2])):
        HEADER.pack_into(message, 0, stamp, 0)
        began = time.perf_counter_ns()
        connection.send_into(message, reply)
        times.append(time.perf_counter_ns() - began)
        if ANSWER.unpack(reply)[0] != stamp:
            raise SystemExit(f"call {stamp} got another call's reply: {reply.hex()}")
    print(json.dumps(times))


if __name__ == "__main__":
    main()
