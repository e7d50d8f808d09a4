"""A recording as a Source: every view works on it as on the machine.

The file is read through once, from chunk to chunk, for where the chunks are. After that there is a moment, which
`pace` moves on; the model is the waiting table at that moment, and the feeds get what happened until then.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeVar

from srr.processes import Process
from srr.trace import chunks
from srr.trace.chunks import Damaged, Head, Kinds, Newer
from srr.trace.events import SCHEMA, Clock, when_of
from srr.trace.feed import Event
from srr.trace.programs import CannotTrace, Wants
from srr.trace.replayed import RecordedFeed, Sums, read_sums
from srr.trace.statemodel import Known, StateModel, Survey

#: Nanoseconds without anything, not even a survey, that are leapt over.
_GAP = 3_600_000_000_000

_T = TypeVar("_T")


class CannotReplay(Exception):
    """It is no recording of ours, or one that this version can't read: in one line."""


class Recording:
    """A file that `srr-trace record` has written. CannotReplay.

    ``warning``: "" or that it ends before its time. ``begin_ns``, ``end_ns``: what it covers.
    """

    is_live = False

    def __init__(self, path: str) -> None:
        self.path = path
        self.warning = ""
        self._feeds: list[RecordedFeed] = []
        self._known: dict[int, Known] = {}
        self._symbols: dict[tuple[int, int], str] = {}
        #: Chunks that tell of moments: head, place and bytes in the file.
        self._index: list[tuple[Head, int, int]] = []
        self._about: dict[str, Any] = {}
        self._file = _open(path)
        self._whole = False
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> None:
        self._scan()
        self.wants = _wants(self._about["wants"])
        self.has_transfers = bool(self._about.get("transfers"))
        self.clock = Clock(self._about["clock_offset_ns"])
        # Listening begins some milliseconds before the first survey.
        self.begin_ns: int = min([self._about["began_ns"], *(head.first_ns for head, _, _ in self._index)])
        self.end_ns: int = max([self.begin_ns, *(head.last_ns for head, _, _ in self._index)])
        self._first = self._first_survey()
        if not self._whole:
            self.warning = (
                f"{self.path} ends before its time, at {self.clock.text(self.end_ns)}: its recorder was killed"
            )
        self._start(0)

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    # ---- the moment

    def seek(self, moment_ns: int) -> None:
        """Be at that moment, from the last survey but one before it on: what changed while the last one was taken is
        told before it. Feeds that are open see nothing of what was skipped."""
        moment_ns = min(max(moment_ns, self.begin_ns), self.end_ns)
        at = last = 0
        for n, (head, _, _) in enumerate(self._index):
            if head.last_ns > moment_ns:
                break
            if head.kind is Kinds.SURVEY:
                at, last = last, n
        self._start(at)
        if moment_ns > self.begin_ns:
            self._advance(moment_ns)

    def now_ns(self) -> int:
        return self._moment

    def pace(self, seconds: float) -> bool:
        moment_ns, due_ns = self._moment + round(seconds * 1e9), self._due_ns()
        if due_ns - self._moment > _GAP:
            moment_ns = max(moment_ns, due_ns)  # the recorder was stopped, or a time is nonsense
        self._advance(min(self.end_ns, moment_ns))
        return self._moment < self.end_ns

    def _due_ns(self) -> int:
        """When something happens next."""
        due_ns = self.end_ns
        if self._next < len(self._index):
            head = self._index[self._next][0]
            due_ns = head.first_ns if head.first_ns > self._moment else head.last_ns
        return min([due_ns, *map(when_of, self._pending[:1])])

    def survey(self) -> list[Process]:
        if self._first is not None and self._moment < self._first.ended_ns:
            return list(self._first.processes)  # changes alone do not know what was before
        return self._model.survey()

    def named(self, name: str) -> set[int]:
        """The processes that held it at any time."""
        found = set[int]()
        for head, at, nbytes in self._index:
            if head.kind is Kinds.SURVEY:
                survey = self._load(chunks.read_survey, at, nbytes)
                found |= {process.pid for process in survey.processes if name in process.names}
        return found

    @contextmanager
    def feed(self, wants: Wants, *, transfers: bool = False) -> Iterator[RecordedFeed]:
        """CannotTrace: the recording has not what is wanted; with which option it would."""
        for wanted, has, option in (
            (wants.frames, self.wants.frames, "--frames"),
            (wants.imposed, self.wants.imposed, "--imposed"),
            (wants.syscalls, self.wants.syscalls, "--syscalls"),
            (wants.peek > 0, self.wants.peek > 0, f"--peek {wants.peek}"),
            (transfers, self.has_transfers, "--transfers"),
        ):
            if wanted and not has:
                raise CannotTrace(f"{self.path} does not tell that: it was recorded without {option}")
        opened = RecordedFeed(self, wants)
        self._feeds.append(opened)
        try:
            yield opened
        finally:
            self._feeds.remove(opened)

    def symbol(self, address: int, pid: int) -> str:
        return self._symbols.get((pid, address), "[unknown]")

    # ---- reading

    def _scan(self) -> None:
        size = os.fstat(self._file.fileno()).st_size
        at, cut = 0, False
        try:
            while at < size:
                found = chunks.packet_at(self._file, at, size)
                if found is None:
                    cut = True
                    break
                end, packet = found
                decoded = chunks.decode(packet) if packet else None
                if decoded is not None:
                    head, body = decoded
                    self._note(head, end, body)
                    end += head.follows
                elif not self._about:
                    raise Damaged("it does not begin as ours do")
                at = end
        except Newer as error:
            raise CannotReplay(
                f"{self.path} was written by a newer srr-trace (schema {error.schema}; this one reads up to {SCHEMA}):"
                " replay it with that one"
            ) from error
        except Damaged as error:
            if not self._about:
                raise CannotReplay(f"{self.path} is no recording of srr-trace") from error
            raise CannotReplay(f"{self.path} is damaged at byte {at}: {error}") from error
        if not self._about:
            reason = "is empty" if size == 0 else "is no recording of srr-trace, or was cut short in its first bytes"
            raise CannotReplay(f"{self.path} {reason}")
        self._whole = self._whole and not cut and at == size

    def _note(self, head: Head, end: int, body: bytes) -> None:
        if head.kind is Kinds.HEADER:
            self._about = _checked(chunks.read_json(body))
        elif not self._about:
            raise Damaged("it does not begin as ours do")
        elif head.kind is Kinds.NAMES:
            _learn(chunks.read_json(body), self._known, self._symbols)
        else:
            self._index.append((head, end - len(body), len(body)))
            self._whole = head.kind is Kinds.END

    def _first_survey(self) -> Survey | None:
        for head, at, nbytes in self._index:
            if head.kind is Kinds.SURVEY:
                return self._load(chunks.read_survey, at, nbytes)
        return None

    def _load(self, read: Callable[[bytes], _T], at: int, nbytes: int) -> _T:
        """What a chunk says. CannotReplay."""
        self._file.seek(at)
        try:
            return read(self._file.read(nbytes))
        except Damaged as error:
            raise CannotReplay(f"{self.path} is damaged at byte {at}: {error}") from error

    def _start(self, at: int) -> None:
        """Nothing is known; the next chunk is that one. Sums are of before, too."""
        self._model = StateModel(known=lambda pid: self._known.get(pid, ("", ())))
        self._next = at
        self._pending: list[Event] = []
        self._moment = self.begin_ns
        self.sums = Sums()
        for head, place, nbytes in reversed(self._index[:at]):
            if head.kind is Kinds.SUMS:
                self.sums = self._load(read_sums, place, nbytes)
                break

    def _advance(self, moment_ns: int) -> None:
        while self._next < len(self._index) and self._index[self._next][0].first_ns <= moment_ns:
            head, at, nbytes = self._index[self._next]
            if head.last_ns > moment_ns and head.kind is not Kinds.EVENTS:
                break
            self._tell(head.first_ns if head.kind is Kinds.EVENTS else head.last_ns)
            self._next += 1
            if head.kind is Kinds.EVENTS:
                self._pending.extend(self._load(chunks.unpack_events, at, nbytes))
            elif head.kind is Kinds.SURVEY:
                self._model.correct(self._load(chunks.read_survey, at, nbytes))
            else:
                self.sums = self._load(read_sums, at, nbytes)
        self._tell(moment_ns)
        self._moment = moment_ns

    def _tell(self, moment_ns: int) -> None:
        """Events up to that moment have happened now."""
        count = 0
        for event in self._pending:
            if when_of(event) > moment_ns:
                break
            count += 1
            self._model.apply(event)
            for feed in self._feeds:
                feed.hear(event)
        del self._pending[:count]


def _open(path: str) -> IO[bytes]:
    try:
        file = open(path, "rb")  # noqa: SIM115  closed by Recording.close
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()
    except OSError as error:
        raise CannotReplay(f"{path}: {error.strerror}") from error
    raise CannotReplay(f"{path} is no file that could be read back and forth")


def _checked(about: dict[str, Any]) -> dict[str, Any]:
    """What everything depends on is there, and of its kind."""
    for key, kind in (("clock_offset_ns", int), ("began_ns", int), ("wants", dict)):
        if not isinstance(about.get(key), kind):
            raise Damaged(f"the header has no {key}")
    if not (abs(about["clock_offset_ns"]) < 1 << 62 and 0 <= about["began_ns"] < 1 << 62):
        raise Damaged("the header has an absurd time")
    return about


def _wants(given: dict[str, Any]) -> Wants:
    """What this version knows of it."""
    plain = Wants()
    known: dict[str, Any] = {k: v for k, v in given.items() if type(v) is type(getattr(plain, k, None))}
    return Wants(**known)


def _learn(value: dict[str, Any], known: dict[int, Known], symbols: dict[tuple[int, int], str]) -> None:
    try:
        known.update((int(pid), (str(program), tuple(map(str, held)))) for pid, program, held in value["processes"])
        symbols.update(((int(pid), int(address)), str(symbol)) for pid, address, symbol in value["symbols"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Damaged(f"names lack {error}") from error
