"""A sensor reads one live file again and again and Sends what it read to its driver."""

from __future__ import annotations

import os

from srr.demo.node import Node
from srr.demo.wire import Kind

#: More than any of the files has; it still travels inline.
_LIMIT = 16 << 10


def run(node: Node) -> None:
    """Until the supervisor says FINISH."""
    driver = node.links[0]
    file = os.open(node.orders["source"], os.O_RDONLY | os.O_CLOEXEC)
    for _ in node.paced():
        driver.send(Kind.READING, os.pread(file, _LIMIT, 0))
        node.count("readings")
