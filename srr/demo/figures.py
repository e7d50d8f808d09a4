"""The figures of one demo: what the summary prints and `--json` is."""

from __future__ import annotations

from typing import Any

from srr.demo.audit import Books, Check
from srr.demo.latency import Histogram
from srr.demo.supervisor import Supervisor

_PERCENTILES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}


def figures(supervisor: Supervisor, checks: list[Check], broken: str = "") -> dict[str, Any]:
    """All that is known at the end. ``broken``: why it ended too early."""
    books = Books(supervisor)
    lanes = _lanes(books)
    messages = sum(count["messages"] for count in lanes.values())
    nbytes = sum(count["bytes"] for count in lanes.values())
    seconds = supervisor.elapsed
    problems = [broken] if broken else [wrong for check in checks for wrong in check.wrong]
    return {
        "ok": not problems,
        "problems": problems,
        "checks": {check.what: check.right for check in checks},
        "seconds": round(seconds, 3),
        "processes": _processes(supervisor),
        "users": supervisor.users.numbers,
        "helper_killed": supervisor.helper_killed,
        "helper_back_ms": round(supervisor.helper_back * 1e3, 1),
        "messages": messages,
        "messages_per_second": round(messages / seconds, 1) if seconds else 0.0,
        "bytes": nbytes,
        "bytes_per_second": round(nbytes / seconds, 1) if seconds else 0.0,
        "latency_us": _latencies(books),
        "lanes": lanes,
        "readings": books.total("sensor", "readings"),
        "unparsable": books.total("driver", "unparsable"),
        "files": _files(books),
        "killed": _killed(supervisor, books),
        "failures": _failures(books),
        "seen": _seen(books),
    }


def _processes(supervisor: Supervisor) -> dict[str, int]:
    roles: dict[str, int] = {}
    for member in supervisor.members:
        roles[member.role] = roles.get(member.role, 0) + 1
    return roles | {"supervisor": 1}


def _lanes(books: Books) -> dict[str, dict[str, int]]:
    """Messages and bytes as their receivers counted them; those of the killed one as its clients did."""
    lanes: dict[str, dict[str, int]] = {}
    counted = [books.supervisor["lanes"], *(statement["lanes"] for statement in books.statements.values())]
    counted += [sent["lanes"] for sent in books.to_dead()]
    for entry in counted:
        for lane, (messages, nbytes) in entry.items():
            total = lanes.setdefault(lane, {"messages": 0, "bytes": 0})
            total["messages"] += messages
            total["bytes"] += nbytes
    return lanes


def _latencies(books: Books) -> dict[str, dict[str, float | int | None]]:
    """Of each Send, from the call to the reply in hand, by lane. Without HELLO and FINAL, which wait on purpose."""
    merged: dict[str, Histogram] = {"all": Histogram()}
    for statement in books.statements.values():
        for lane, pairs in statement["latency"].items():
            histogram = Histogram((bucket, count) for bucket, count in pairs)
            merged.setdefault(lane, Histogram()).merge(histogram)
            merged["all"].merge(histogram)
    return {lane: {"count": histogram.count} | _percentiles(histogram) for lane, histogram in merged.items()}


def _percentiles(histogram: Histogram) -> dict[str, float | None]:
    values = {name: histogram.percentile(percent) for name, percent in _PERCENTILES.items()}
    return {name: None if value is None else round(value / 1e3, 1) for name, value in values.items()}


def _files(books: Books) -> dict[str, Any]:
    unread: dict[str, str] = {}
    for _, notes in books.notes("mover"):
        unread |= notes.get("unread", {})
    return {
        "files": books.total("mover", "files"),
        "parts": books.total("mover", "parts"),
        "bytes": books.total("mover", "moved"),
        "bundles": books.total("mover", "bundles"),
        "bad_checksums": books.total("mover", "bad"),
        "rounds": min((int(notes.get("rounds", 0)) for _, notes in books.notes("mover")), default=0),
        "unreadable": books.total("mover", "skipped"),
        "unreadable_for_example": unread,
    }


def _killed(supervisor: Supervisor, books: Books) -> dict[str, Any] | None:
    fault = supervisor.fault
    if not fault.killed:
        return None
    return {
        "name": fault.name,
        "pid": fault.pid,
        "successor": fault.successor,
        "blocked": fault.blocked,
        "esrch_ms": {client: round(seconds * 1e3, 1) for client, _, seconds in fault.waited()},
        "served_ms": round(fault.served_after * 1e3, 1) if fault.served_ns else None,
        "clients": [
            {"client": client, "received": failed["received"], "sequence": failed["sequence"]}
            for client, failed in fault.noticed
        ],
        "replied": sum(sent["messages"] for sent in books.to_dead()),
        "in_doubt": books.in_doubt(),
    }


def _failures(books: Books) -> dict[str, int]:
    announced = sum(1 for _, failed in books.fault.noticed if failed["pid"] == books.fault.pid)
    total = sum(len(statement["failed"]) for statement in books.statements.values())
    return {"announced": announced, "other": total - announced}


def _seen(books: Books) -> dict[str, dict[str, float]]:
    """What the loggers know of this machine: the mean and the extremes of each figure."""
    seen = {}
    for _, notes in books.notes("logger"):
        for name, (count, total, least, greatest, last) in notes.get("figures", {}).items():
            seen[name] = {"mean": total / count, "min": least, "max": greatest, "last": last}
    return dict(sorted(seen.items()))
