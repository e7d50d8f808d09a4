"""What `srr-trace top` says of one process, when it is opened: peers, steps, threads, heads of messages. Text only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from srr.processes import Process
from srr.shown import brief, printable, size
from srr.state import Blocked
from srr.trace.topcolumns import age, cell_text, per_second, quantile
from srr.trace.topmodel import Mark, Peer, Row, Snapshot
from srr.trace.totals import BUCKETS, Histogram, bucket_bounds

#: Bytes of a message that are shown, and in a line.
HEAD, IN_A_LINE = 64, 16
#: Peers and threads that are listed; the rest is counted.
_MOST = 40
#: Steps in the order in which a transaction goes through them.
_STEPS = (("queue", "QUEUE"), ("service", "SERVICE"), ("transfer", "TRANSFER"), ("wakeup", "WAKE-UP"))
_EIGHTHS = " ▏▎▍▌▋▊▉█"

#: What was read of a thread's message, by tid, or why it could not be.
Heads = Mapping[int, bytes | str]


@dataclass(frozen=True, slots=True)
class Line:
    """A style is one of title, head, bad, dim or none."""

    text: str
    style: str = ""


def lines(snapshot: Snapshot, pid: int, width: int, heads: Heads, has_probes: bool) -> list[Line]:
    """All of it, for so many columns."""
    row, process = snapshot.row(pid), snapshot.processes.get(pid)
    if row is None or process is None:
        return [Line(f"Process {pid} has ended. Esc: back to the others.", "bad")]
    found = [*_summary(row), Line("")]
    found += [*_threads(snapshot, process, heads), Line("")]
    found += [*_peers(snapshot, row, width), Line("")]
    if not has_probes:
        return [*found, Line("How long the steps take is not known: no probe is read.", "dim")]
    for as_server, title in ((True, "What it received"), (False, "What it sent")):
        found += [*_steps(snapshot.histograms(pid, as_server=as_server), title, width), Line("")]
    return found


def _summary(row: Row) -> Iterator[Line]:
    held = ", ".join(map(printable, row.names))
    yield Line(f"{row.pid} {printable(row.program)}" + (f", holds the name {held}" if held else ""), "title")
    if row.mark is Mark.DEADLOCKED:
        yield Line("Deadlocked: it waits in a circle. srr-trace deadlock --once shows all of it.", "bad")
    elif row.mark is Mark.STARVED:
        yield Line("Starved: none of its threads receives, and messages wait.", "bad")
    yield Line(
        f"{row.sent} sent ({per_second(row.sent_rate)}/s), {row.received} received ({per_second(row.received_rate)}/s),"
        f" {row.queued} waiting, {row.receiving} RECEIVE-blocked threads"
    )


def _threads(snapshot: Snapshot, process: Process, heads: Heads) -> Iterator[Line]:
    if not process.blocked:
        yield Line("No thread of it is blocked.")
        return
    yield Line(f"{'THREAD':>8} {'STATE':<7} {'ON':<28} {'FOR':>6} {'BYTES':>6}", "head")
    for thread in process.blocked[:_MOST]:
        on = "anyone" if not thread.on else f"{thread.on} {printable(snapshot.who(thread.on))}".rstrip()
        if thread.taken_by:
            on = f"{thread.on}/{thread.taken_by} {printable(snapshot.who(thread.on))}".rstrip()
        tid = str(thread.tid) if thread.tid else f"{process.receivers}x"
        nbytes = "-" if thread.state is Blocked.RECEIVE else size(thread.nbytes)
        yield Line(f"{tid:>8} {thread.state!s:<7} {cell_text(on, 28)} {age(snapshot.age_ns(thread)):>6} {nbytes:>6}")
        if thread.tid in heads and thread.tid:
            yield from (Line(f"         {text}", "dim") for text in _dump(heads[thread.tid]))
    if len(process.blocked) > _MOST:
        yield Line(f"         and {len(process.blocked) - _MOST} more", "dim")


def _dump(head: bytes | str) -> Iterator[str]:
    """As hexdump -C does."""
    if isinstance(head, str):
        yield f"message: {printable(head)}"
        return
    if not head:
        yield "message: empty"
    for at in range(0, len(head), IN_A_LINE):
        part = head[at : at + IN_A_LINE]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{at:04x} {part.hex(' '):<{3 * IN_A_LINE}} {letters}"


def _peers(snapshot: Snapshot, row: Row, width: int) -> Iterator[Line]:
    peers = snapshot.peers(row.pid)
    if not peers:
        yield Line("Nobody has sent to it, and it has sent to nobody, since this began.", "dim")
        return
    room = max(8, min(30, width - 68))
    yield Line(
        f"     {'PEER':<{room}} {'BLOCKED':<7} {'FOR':>6} {'MSGS/s':>6} {'BYTES/s':>7}"
        f" {'QUE50':>6} {'QUE99':>6} {'SRV50':>6} {'SRV99':>6}",
        "head",
    )
    for peer in peers[:_MOST]:
        yield Line(_peer(peer, room))
    if len(peers) > _MOST:
        yield Line(f"     and {len(peers) - _MOST} more", "dim")


def _peer(peer: Peer, room: int) -> str:
    pair = peer.pair
    steps = [] if pair is None else [pair.steps["queue"], pair.steps["service"]]
    times = [brief(quantile(step, q)) for step in steps for q in (0.5, 0.99)] or ["-"] * 4
    rates = ("-", "-") if pair is None else (per_second(pair.rate), size(round(pair.byte_rate)))
    who = cell_text(f"{peer.pid} {printable(peer.who)}", room)
    state = "-" if peer.state is None else str(peer.state)
    return (
        f"{'from' if peer.is_client else '  to'} {who} {state:<7} {age(peer.for_ns):>6} {rates[0]:>6} {rates[1]:>7} "
        + " ".join(f"{time:>6}" for time in times)
    )


def _steps(histograms: Mapping[str, Histogram], title: str, width: int) -> Iterator[Line]:
    """A bar a factor of two, all steps beside one another, so that they can be compared."""
    count = histograms["total"].count
    if not count:
        yield Line(f"{title}: nothing, since probes are read.", "dim")
        return
    wide = max(9, min(24, (width - 18) // len(_STEPS) - 1))
    yield Line(f"{title}, since probes are read: {count} (times in us, or as 1.2ms)", "head")
    yield Line(" " * 17 + " ".join(f"{heading:<{wide}}" for _, heading in _STEPS), "head")
    for name, q in (("p50", 0.5), ("p99", 0.99)):
        texts = (brief(quantile(histograms[step], q)) for step, _ in _STEPS)
        yield Line(f"{name:>16} " + " ".join(f"{text:<{wide}}" for text in texts))
    means = (brief(round(h.mean_ns)) if h.count else "-" for h in (histograms[step] for step, _ in _STEPS))
    yield Line(f"{'mean':>16} " + " ".join(f"{text:<{wide}}" for text in means))
    octaves = {step: _octaves(histograms[step]) for step, _ in _STEPS}
    used = [n for n in range(BUCKETS // 4) if any(counts[n] for counts in octaves.values())]
    if not used:
        return
    most = {step: max(counts) for step, counts in octaves.items()}
    for n in range(used[0], used[-1] + 1):
        low, high = bucket_bounds(4 * n)[0], bucket_bounds(4 * n + 3)[1]
        bars = (_bar(octaves[step][n], most[step], wide) for step, _ in _STEPS)
        yield Line(f"{brief(low):>6} to {brief(high):>6} " + " ".join(bars))


def _octaves(histogram: Histogram) -> list[int]:
    return [sum(histogram.counts[n : n + 4]) for n in range(0, BUCKETS, 4)]


def _bar(count: int, most: int, width: int) -> str:
    """What there is can be seen, be it ever so little."""
    eighths = max(1, round(count / most * width * 8)) if count else 0
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)
