"""What one sees at the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_LANES = ("inline", "window", "direct", "borrowed", "helper", "none")
#: What is told of the machine, of all that the loggers know.
_SEEN = (
    ("cpu %", "cpu {mean:.0f} % (at most {max:.0f} %)"),
    ("context switches/s", "{mean:,.0f} context switches/s"),
    ("interrupts/s", "{mean:,.0f} interrupts/s"),
    ("memory available MB", "{min:,.0f} MB available at least"),
)


def show(result: dict[str, Any], console: Console) -> None:
    """Print the figures, then each check, then what is wrong."""
    with console.capture() as capture:
        console.print(_grid((Text(label, style="bold"), Text(text)) for label, text in _lines(result)))
        console.print()
        console.print(_lanes(result))
        console.print()
        checks = (
            (Text("right", style="green") if right else Text("WRONG", style="bold red"), Text(what))
            for what, right in result["checks"].items()
        )
        console.print(_grid((*checks, *((Text(), Text(problem, style="red")) for problem in result["problems"]))))
    print(file=console.file)
    for line in capture.get().splitlines():
        print(line.rstrip(), file=console.file)


def _grid(rows: Iterable[tuple[Text, Text]]) -> Table:
    """Two columns; long lines go on below their beginning."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        grid.add_row(*row)
    return grid


def _lines(result: dict[str, Any]) -> list[tuple[str, str]]:
    files = result["files"]
    lines = [
        (
            "messages",
            f"{result['messages']:,} in {result['seconds']:.1f} s: {result['messages_per_second']:,.0f} a second",
        ),
        ("bytes", f"{result['bytes'] / 1e6:,.1f} MB: {result['bytes_per_second'] / 1e6:,.1f} MB a second"),
        (
            "processes",
            ", ".join(f"{many} {role}{'s' * (many > 1)}" for role, many in reversed(result["processes"].items())),
        ),
        *_users(result),
        ("readings", f"{result['readings']:,} of live files in /proc and /sys"),
        (
            "files",
            f"{files['files']:,} of {files['bytes'] / 1e6:,.1f} MB in {files['bundles']:,} messages; "
            + (f"{files['bad_checksums']} CHECKSUMS WRONG" if files["bad_checksums"] else "every checksum right"),
        ),
    ]
    if files["unreadable"]:
        path, why = next(iter(files["unreadable_for_example"].items()))
        lines.append(("", f"{files['unreadable']:,} could not be read, for example {path}: {why}"))
    if result["unparsable"]:
        lines.append(("", f"{result['unparsable']:,} readings were in a format that no driver here knows"))
    killed = result["killed"]
    if killed:
        blocked = ", ".join(f"{name} {state}-blocked" for name, state in sorted(killed["blocked"].items()))
        esrch = ", ".join(f"{name} after {ms:.0f} ms" for name, ms in sorted(killed["esrch_ms"].items()))
        lines += [
            ("killed", f"{killed['name']} (pid {killed['pid']}) by SIGKILL, with {blocked or 'no client'} on it"),
            ("", f"ESRCH: {esrch or 'nobody was blocked'}; {killed['in_doubt']} in doubt, all repeated"),
        ]
        if killed["served_ms"] is not None:
            lines.append(("", f"its successor (pid {killed['successor']}) replied after {killed['served_ms']:.0f} ms"))
    announced, other = result["failures"]["announced"], result["failures"]["other"]
    lines.append(("failures", f"{announced} announced: Sends to the process that was killed; {other or 'none'} other"))
    if result["split_us"]:
        steps = result["split_us"].items()
        lines.append(
            ("of a message", ", ".join(f"{step} {us['p50']:,.1f}" for step, us in steps) + " us (half of them)")
        )
        lines.append(("", ", ".join(f"{step} {us['p99']:,.0f}" for step, us in steps) + " us (99 in 100)"))
    else:
        lines.append(("not traced", result["not_traced"] or "no message was seen"))
    seen = [words.format(**result["seen"][name]) for name, words in _SEEN if name in result["seen"]]
    if seen:
        lines.append(("machine", ", ".join(seen)))
    return lines


def _users(result: dict[str, Any]) -> list[tuple[str, str]]:
    users = result["users"]
    if not users:
        return []
    text = f"{len(users)} ({users[0]} to {users[-1]}), and the supervisor's, introduced by srr-helper"
    if not result["helper_killed"]:
        return [("users", text)]
    back = f"killed by SIGKILL, its successor ready {result['helper_back_ms']:.0f} ms after its start"
    return [("users", text), ("helper", f"pid {result['helper_killed']}: {back}; nobody noticed")]


def _lanes(result: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("LANE", "MESSAGES", "MB", "p50 us", "p99 us", "p99.9 us"):
        table.add_column(title, justify="left" if title == "LANE" else "right", no_wrap=True)
    total = {"messages": result["messages"], "bytes": result["bytes"]}
    for lane in (*_LANES, "all"):
        count = result["lanes"].get(lane) if lane != "all" else total
        if count is None:
            continue
        latency = result["latency_us"].get(lane, {})
        values = [latency.get(name) for name in ("p50", "p99", "p99.9")]
        cells = ["-" if value is None else f"{value:,.0f}" for value in values]
        table.add_row(lane, f"{count['messages']:,}", f"{count['bytes'] / 1e6:,.1f}", *cells)
    return table
