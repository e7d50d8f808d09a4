"""Where Sends and Replies were called from, folded for flame graphs: `client;frames;--;server;frames 1234`.

The frames of both sides come as events of their own, each before its transaction has ended, and are joined to it here
by its id. Who Sends between receiving and replying does it on behalf of that message, so the chain goes on: what the
server waited is taken from what it was given, and shown behind another `--`.

All that waits for its other half is bounded: the oldest gives way, and is counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Sequence
from typing import TypeVar

from srr.trace.events import Change, Frames, Kind, Transaction

Stack = tuple[str, ...]

SEPARATOR = "--"
UNKNOWN, NO_REPLY, NEVER_RECEIVED, SEND_BLOCKED = "[unknown]", "[no reply]", "[never received]", "[SEND-blocked]"

#: Halves that may wait for the other one, and stacks whose symbols are remembered.
MOST = 16_384
#: Different stacks in the result; what more there are is counted together.
MOST_STACKS = 200_000
OTHERS: Stack = ("[others]",)

#: Of ours: the outermost of these, at the inner end of a stack, is as deep as a user wants to look.
_PYTHON = re.compile(
    r"(Connection\.send(_into)?|Message\.(reply|error|relay|__exit__)|(Send|Reply)(fd)?(mx)?)"
    r" \((client|server|qnx4)\.py:\d+\)"
)
_NATIVE = re.compile(r"(srr_\w+|(Send|Reply)(fd)?(mx)?)$")
_LIBRARY = re.compile(r" \[(libsrr[^\]]*|_native\.abi3\.so)\]$")
_INTERPRETED = re.compile(r"native_\w+ \[_native\.abi3\.so\]$")
_MODULE = re.compile(r"^(?!\[unknown\])(.*) \[[^\[\]]*\]$")
#: Frames that the library has at most between its verb and the probe.
_DEEPEST = 8

_K = TypeVar("_K")
_V = TypeVar("_V")
_Thread = tuple[int, int]


class Folder:
    """Takes events by time, as a feed tells them.

    ``symbol``: of an address in a process. ``called``: what to call a process; ``only``: count what one of these takes
    part in. ``queue``: SEND-blocked time on a line of its own. Chains need changes among the events.
    """

    def __init__(
        self,
        symbol: Callable[[int, int], str],
        called: Callable[[int], str],
        *,
        only: Container[int] | None = None,
        queue: bool = False,
    ) -> None:
        self._symbol, self._called = symbol, called
        self._only, self._queue = only, queue
        self._resolved: dict[tuple[int, tuple[int, ...], str], Stack] = {}
        self._senders: dict[_Thread, tuple[int, Stack]] = {}
        self._repliers: dict[int, Stack] = {}
        # For chains: what a thread works on, which thread took a message, whose work a Send is, what Sends took of it.
        self._works_on: dict[_Thread, int] = {}
        self._taken_by: dict[int, _Thread] = {}
        self._behalf: dict[int, int] = {}
        self._sending: dict[_Thread, int] = {}
        self._nested: dict[int, dict[Stack, int]] = {}
        #: Nanoseconds that a client was blocked, by stack.
        self.stacks: dict[Stack, int] = {}
        # Transactions whose sender told no frames: lost ones, if frames come again; else nobody listened to frames.
        self._frameless: list[Transaction] | None = None
        self.transactions = 0
        #: Frames whose transaction was not seen: it was lost, or had begun before.
        self.unmatched = 0

    def add(self, events: Iterable[Transaction | Change | Frames]) -> None:
        for event in events:
            if isinstance(event, Frames):
                self._called_from(event)
            elif isinstance(event, Transaction):
                if (event.client, event.client_thread) in self._senders:
                    self._ended(event)
                elif self._frameless is not None:
                    self._frameless.append(event)
                    self._count_frameless(most=MOST)
            else:
                self._changed(event)

    def finish(self, events: Sequence[Transaction | Change | Frames]) -> None:
        """The last ones: the probes are taken out one after the other, so what is cut off is no loss."""
        unmatched = self.unmatched
        self.add(events)
        self.unmatched = unmatched

    def _count_frameless(self, most: int = 0) -> None:
        while self._frameless is not None and len(self._frameless) > most:
            self._ended(self._frameless.pop(0))

    def lines(self) -> list[str]:
        """As flame graph tools read them, in microseconds; the largest first."""
        found = sorted(self.stacks.items(), key=lambda item: (-item[1], item[0]))
        return [f"{';'.join(stack)} {ns // 1000}" for stack, ns in found if ns >= 1000]

    def _called_from(self, frames: Frames) -> None:
        self._count_frameless()
        self._frameless = self._frameless or []
        stack = self._names(frames)
        if frames.is_server:
            self.unmatched += _put(self._repliers, frames.id, stack)
        else:
            self.unmatched += _put(self._senders, (frames.pid, frames.tid), (frames.id, stack))

    def _names(self, frames: Frames) -> Stack:
        """At once, while the process lives."""
        key = (frames.pid, frames.addresses, frames.text)
        stack = self._resolved.get(key)
        if stack is None:
            # What is on a stack is where the call returns to, which may be the next function's.
            stack = (
                from_python(frames.text)
                if frames.text
                else native([self._symbol(a - 1, frames.pid) for a in frames.addresses])
            )
            _put(self._resolved, key, stack)
        return stack

    def _changed(self, change: Change) -> None:
        thread = (change.pid, change.tid)
        if change.id == 0:
            return
        if change.kind is Kind.RECEIVE:
            _put(self._works_on, thread, change.id)
            _put(self._taken_by, change.id, thread)
        elif change.kind in (Kind.REPLY, Kind.RELAY):
            taker = self._taken_by.pop(change.id, None)
            if taker is not None and self._works_on.get(taker) == change.id:
                del self._works_on[taker]
        elif change.kind is Kind.SEND:
            self._behalf.pop(self._sending.pop(thread, 0), None)
            if (work := self._works_on.get(thread)) is not None:
                _put(self._behalf, change.id, work)
                _put(self._sending, thread, change.id)

    def _ended(self, transaction: Transaction) -> None:
        stacks = self._shares(transaction)
        self._sending.pop((transaction.client, transaction.client_thread), None)
        work = self._behalf.pop(transaction.id, None)
        if work is not None:
            if work not in self._nested:
                _put(self._nested, work, {})
            _sum(self._nested[work], stacks)
        if self._only is not None and transaction.client not in self._only and transaction.server not in self._only:
            return
        self.transactions += 1
        _sum(self.stacks, stacks)

    def _shares(self, transaction: Transaction) -> dict[Stack, int]:
        """Its whole time, by where that was spent."""
        number, sender = self._senders.pop((transaction.client, transaction.client_thread), (0, (UNKNOWN,)))
        if transaction.id not in (0, number):
            sender = (UNKNOWN,)
        outer = (_plain(self._called(transaction.client)), *sender, SEPARATOR)
        rest = max(0, transaction.total_ns)
        shares: dict[Stack, int] = {}
        for stack, ns in self._nested.pop(transaction.id, {}).items():
            shares[(*outer, *stack)] = min(ns, rest)
            rest -= min(ns, rest)
        inner = (*outer, _plain(self._called(transaction.server)) if transaction.server else "[nobody]")
        if self._queue and transaction.queue_ns:
            queued = min(transaction.queue_ns, rest)
            shares[(*inner, SEND_BLOCKED)] = queued
            rest -= queued
        replier = self._repliers.pop(transaction.id, None)
        if replier is None:
            replier = (_without_reply(transaction),)
        _sum(shares, {(*inner, *replier): rest})
        return shares


def _without_reply(transaction: Transaction) -> str:
    if transaction.status == 0:
        return UNKNOWN
    return NO_REPLY if transaction.received else NEVER_RECEIVED


def from_python(text: str) -> Stack:
    """Of an interpreter's own frames, outermost first: all of the program's, and one of ours."""
    frames = [frame for frame in text.split(";") if frame]
    while len(frames) > 1 and _PYTHON.fullmatch(frames[-1]) and _PYTHON.fullmatch(frames[-2]):
        frames.pop()
    return tuple(map(_plain, frames)) or (UNKNOWN,)


def native(symbols: list[str]) -> Stack:
    """Of symbols, innermost first: the program's functions, and one of ours. A program in Python that was asked for its
    frames when it was inside Send already has not told them; its interpreter's tell nobody anything."""
    ours = 0
    for n, symbol in enumerate(symbols[:_DEEPEST]):
        if (_LIBRARY.search(symbol) and ours == n) or _NATIVE.fullmatch(_function(symbol)):
            ours = n + 1
    kept = symbols[max(0, ours - 1) :]
    if all(symbol.startswith(UNKNOWN) for symbol in kept) or any(map(_INTERPRETED.match, symbols[:_DEEPEST])):
        return (UNKNOWN,)
    return tuple(_plain(_function(symbol)) for symbol in reversed(kept))


def _function(symbol: str) -> str:
    """Without its file, unless that is all there is."""
    return _MODULE.sub(r"\1", symbol)


def _plain(text: str) -> str:
    """Nothing that the folded format, or a terminal, gives a meaning."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return text.replace(";", "_") or UNKNOWN


def _put(into: dict[_K, _V], key: _K, value: _V) -> int:
    """The youngest last; 1 if another one gave way."""
    replaced = into.pop(key, None) is not None
    into[key] = value
    if len(into) <= MOST:
        return int(replaced)
    del into[next(iter(into))]
    return 1


def _sum(into: dict[Stack, int], more: dict[Stack, int]) -> None:
    for stack, ns in more.items():
        if stack not in into and len(into) >= MOST_STACKS:
            stack = OTHERS
        into[stack] = into.get(stack, 0) + ns
