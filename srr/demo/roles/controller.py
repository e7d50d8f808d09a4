"""A controller computes: rates of what only grows, percentages, and how far from its mean a figure is."""

from __future__ import annotations

import time

from srr.demo.node import Node
from srr.demo.sources import Values
from srr.demo.wire import Kind, pack, unpack

#: Rates are taken over this long: the kernel counts processor time in hundredths of a second.
_WINDOW_NS = 500_000_000
#: How often a figure is compared with its mean.
_QUERY_NS = 1_000_000_000


class Rates:
    """Counters of one driver, looked at over a window."""

    def __init__(self) -> None:
        self._then: Values = {}
        self._then_ns = 0

    def over(self, counters: Values, ns: int) -> Values:
        """Rates a second, once a window; else nothing."""
        if ns - self._then_ns < _WINDOW_NS:
            return {}
        seconds = (ns - self._then_ns) / 1e9
        rates = {
            f"{name}/s": (value - self._then[name]) / seconds for name, value in counters.items() if name in self._then
        }
        busy, total = rates.get("cpu busy/s", 0.0), rates.pop("cpu total/s", 0.0)
        if total > 0:
            rates.pop("cpu busy/s", None)
            rates["cpu %"] = 100 * busy / total
        self._then, self._then_ns = counters, ns
        return rates


def run(node: Node) -> None:
    """Until all drivers have said BYE."""
    logger = node.links[0]
    rates: dict[int, Rates] = {}
    figures: Values = {}
    asked = time.monotonic_ns()
    for request in node.requests():
        sample = unpack(request.payload)
        request.reply()
        driver = rates.setdefault(request.client, Rates())
        values: Values = sample["gauges"] | driver.over(sample["counters"], sample["ns"])
        figures |= values
        logger.send(Kind.RECORD, pack({"readings": sample["readings"], "values": values}))
        node.count("readings", sample["readings"])
        node.count("records")
        now = time.monotonic_ns()
        if now - asked >= _QUERY_NS and figures:
            asked = now
            name = min(figures)
            mean = unpack(logger.send(Kind.QUERY, name.encode()))["mean"]
            node.count("queries")
            node.notes["deviation"] = {name: figures[name] - mean}
    node.bye()
