"""A driver knows the formats of its sensors' files. It parses readings and Sends one sample a round of sensors."""

from __future__ import annotations

import time

from srr.demo.node import Node
from srr.demo.sources import SOURCES, Values
from srr.demo.wire import Kind, pack


def run(node: Node) -> None:
    """Until all sensors have said BYE."""
    controller = node.links[0]
    parsers = {int(sensor): SOURCES[path].parse for sensor, path in node.orders["sources"].items()}
    counters: Values = {}
    gauges: Values = {}
    readings = 0
    sabotage = node.orders["sabotage"] == "count"

    def sample() -> None:
        nonlocal readings
        controller.send(
            Kind.SAMPLE,
            pack({"readings": readings, "ns": time.monotonic_ns(), "counters": counters, "gauges": gauges}),
        )
        node.count("samples")
        readings = 0

    for request in node.requests():
        try:
            counted, gauged = parsers[request.client](bytes(request.payload).decode())
            counters |= counted
            gauges |= gauged
        except (ValueError, IndexError, KeyError):
            node.count("unparsable")  # Another kernel's format: it is a reading all the same.
        # Replied to first: the sensor need not wait for the controller.
        request.reply()
        if sabotage:
            sabotage = False
            continue
        readings += 1
        node.count("readings")
        if readings >= len(parsers):
            sample()
    if readings:
        sample()
    node.bye()
