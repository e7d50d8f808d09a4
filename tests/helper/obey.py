"""A process that obeys: orders on stdin, by name and arguments, answers on stdout (hosts.Guest has the other ends)."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).parents[1]))

from helper import crowds, guest

ORDERS = vars(guest) | vars(crowds)


def answer(out: BinaryIO, outcome: object) -> None:
    pickle.dump(outcome, out)
    out.flush()


def main() -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            name, args, kwargs = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer(out, (True, ORDERS[name](*args, **kwargs)))
        except Exception as e:
            answer(out, (False, e))


if __name__ == "__main__":
    main()
