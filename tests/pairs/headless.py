"""headless.py UID NAME: a process of that user, whose first thread has ended, joins the helper and Sends."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from pathlib import Path

import srr
from srr.demo.identity import become


def first_thread_has_ended() -> bool:
    return Path(f"/proc/{os.getpid()}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def send(name: str) -> None:
    while not first_thread_has_ended():
        os.sched_yield()
    reply = srr.connect(name).send(bytes(100_000), timeout=10.0)
    os.write(1, bytes(reply))
    os._exit(0)


if __name__ == "__main__":
    become(int(sys.argv[1]))
    threading.Thread(target=send, args=(sys.argv[2],)).start()
    ctypes.CDLL(None).pthread_exit(None)
