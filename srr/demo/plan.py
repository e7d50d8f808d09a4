"""Who there is in the demo, and who Sends to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from srr.demo.node import Orders
from srr.demo.sources import Source

#: From the top. Nobody Sends to a role that stands after his own, nor to his own.
ROLES = ("logger", "controller", "driver", "archivist", "mover", "sensor")
#: Those who are nobody's server.
SOURCES = ("mover", "sensor")
#: How many of forty.
_OF_FORTY = {"logger": 2, "controller": 4, "driver": 6, "archivist": 3, "mover": 4, "sensor": 21}
#: More of these would only wait for processors and memory. What is left over are sensors.
_MOST = {"logger": 8, "controller": 50, "driver": 100, "archivist": 6, "mover": 8}
FEWEST = len(ROLES)

#: What all sensors together Send in a second, and all movers, for each processor of this machine.
_READINGS = 900
_BUNDLES = 36
#: Processors that are counted: the demo shows a system at work, not all that a large machine can do.
_CPUS = 8
#: Reports to the supervisor, of all processes together, in a second; and the shortest time between two of one.
_REPORTS = 160
_REPORT = 0.25


@dataclass
class Member:
    """A process of the demo: its place, whoever fills it."""

    number: int
    role: str
    name: str
    servers: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    #: The user that it runs as; None: ours.
    uid: int | None = None
    orders: Orders = field(default_factory=lambda: _idle())


def _idle() -> Orders:
    return Orders(
        number=0,
        servers=[],
        whose={},
        clients=0,
        period=0.0,
        report=0.0,
        source="",
        sources={},
        files=[],
        share=[0, 1],
        successor=False,
        sabotage="",
    )


def counts(processes: int) -> dict[str, int]:
    """How many of each role."""
    found = {role: min(_MOST[role], max(1, round(_OF_FORTY[role] * processes / 40))) for role in ROLES[:-1]}
    found["sensor"] = processes - sum(found.values())
    return found


def members(
    processes: int,
    sources: Sequence[Source],
    files: Sequence[str],
    cpus: int,
    sabotage: str,
    users: Sequence[int] = (),
) -> list[Member]:
    """All of them but the supervisor, with their orders. ``sources``: the first are taken first.

    ``users``: each role is spread over them, so that most messages go from one user to another; none: all are ours.
    """
    by_role: dict[str, list[Member]] = {}
    number = 0
    for role, many in counts(processes).items():
        by_role[role] = []
        for index in range(many):
            number += 1
            uid = users[(ROLES.index(role) + index) % len(users)] if users else None
            by_role[role].append(Member(number, role, f"{role}-{index + 1}", uid=uid))
    everyone = [member for role in ROLES for member in by_role[role]]

    _spread(by_role["controller"], by_role["logger"])
    _spread(by_role["driver"], by_role["controller"])
    _spread(by_role["sensor"], by_role["driver"])
    for archivist in by_role["archivist"]:
        archivist.servers = [logger.name for logger in by_role["logger"]]
    for mover in by_role["mover"]:
        mover.servers = [archivist.name for archivist in by_role["archivist"]]

    named = {member.name: member for member in everyone}
    for member in everyone:
        for server in member.servers:
            named[server].clients.append(member.name)
    busy = min(cpus, _CPUS)
    for member in everyone:
        member.orders["number"] = member.number
        member.orders["servers"] = member.servers
        member.orders["whose"] = {server: uid for server in member.servers if (uid := named[server].uid) is not None}
        member.orders["clients"] = len(member.clients)
        member.orders["report"] = max(_REPORT, processes / _REPORTS)
    # Neighbours are about the same subject, and have the same driver.
    sensors = by_role["sensor"]
    chosen = sorted(sources[: len(sensors)], key=lambda source: source.subject)
    for index, sensor in enumerate(sensors):
        path = chosen[index * len(chosen) // len(sensors)].path
        sensor.orders["source"] = path
        sensor.orders["period"] = len(sensors) / (_READINGS * busy)
        named[sensor.servers[0]].orders["sources"][str(sensor.number)] = path
    movers = by_role["mover"]
    for index, mover in enumerate(movers):
        mover.orders["files"] = list(files)
        mover.orders["share"] = [index, len(movers)]
        mover.orders["period"] = len(movers) / (_BUNDLES * busy)
    by_role["archivist" if sabotage == "checksum" else "driver"][0].orders["sabotage"] = sabotage
    return everyone


def _spread(clients: list[Member], servers: list[Member]) -> None:
    """Each client Sends to one server, each server has about as many clients, and neighbours share one."""
    for index, client in enumerate(clients):
        client.servers = [servers[index * len(servers) // len(clients)].name]
