"""Looking now and then at what is added up: every INTERVAL, COUNT times, or once at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from srr.trace.feed import Feed, Source

#: Seconds that a view may sleep before it looks for new processes and new copies of the library.
_NAP = 1.0


def looks(
    source: Source, feed: Feed, interval: float | None, count: int | None, nap: Callable[[], None] = lambda: None
) -> Iterator[int]:
    """The moments at which to look. The last one comes after the feed has told everything: Ctrl-C, the end of a
    recording, or ``count`` intervals. ``nap`` is called every second or so."""
    going, done = True, 0
    began = source.now_ns()
    while going and done != count:
        done += 1
        until = None if interval is None else began + round(done * interval * 1e9)
        going = _sleep(source, feed, until, nap)
        if not going or done == count:
            feed.finish()
        yield source.now_ns()


def _sleep(source: Source, feed: Feed, until_ns: int | None, nap: Callable[[], None]) -> bool:
    """False: there is nothing more to come."""
    while until_ns is None or source.now_ns() < until_ns:
        rest = _NAP if until_ns is None else min(_NAP, (until_ns - source.now_ns()) / 1e9)
        if not source.pace(max(0.0, rest)):
            return False
        feed.drain()  # what was added up needs it not, but new copies of the library are found there
        nap()
    return True
