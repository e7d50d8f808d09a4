"""The books of all processes against each other: every message, byte, reading and file has two sides."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from srr.demo.account import Received, Sent, Statement
from srr.demo.fault import Fault
from srr.demo.supervisor import Person, Supervisor
from srr.demo.wire import ACK

_TOLD = 8


@dataclass
class Check:
    """One thing that must be right, and what is wrong with it."""

    what: str
    wrong: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Nothing is wrong with it."""
        return not self.wrong

    def expect(self, right: bool, wrong: str) -> None:
        """Note it if it is not right; the first few are enough."""
        if not right and len(self.wrong) < _TOLD:
            self.wrong.append(wrong)


def audit(supervisor: Supervisor) -> list[Check]:
    """All checks, right or wrong."""
    books = Books(supervisor)
    return [
        _messages(books),
        _sequences(books),
        _users(books),
        _table(books),
        _readings(books),
        _files(books),
        _failures(books),
    ]


class Books:
    """Whose statement says what."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.fault: Fault = supervisor.fault
        self.supervisor = supervisor.account.statement()
        self.persons: list[Person] = [person for person in supervisor.persons if person.books is not None]
        self.statements: dict[int, Statement] = {p.number: p.books for p in self.persons if p.books is not None}
        self.by_pid = {person.pid: person for person in self.persons}
        self.dead = [person.number for person in supervisor.persons if person.dead]
        self.users = {p.number: os.geteuid() if p.member.uid is None else p.member.uid for p in supervisor.persons}
        self.names = {person.number: person.member.name for person in supervisor.persons} | {0: "supervisor"}

    def received(self) -> list[tuple[int, list[Received]]]:
        """What each process says of its clients, by its number; 0 is the supervisor."""
        theirs = [(person.number, self.statements[person.number]["received"]) for person in self.persons]
        return [*theirs, (0, self.supervisor["received"])]

    def notes(self, role: str) -> list[tuple[str, dict[str, Any]]]:
        """What the processes of one role noted, with their names."""
        return [(p.member.name, self.statements[p.number]["notes"]) for p in self.persons if p.member.role == role]

    def total(self, role: str, what: str) -> int:
        """The sum of one note."""
        return sum(int(notes.get(what, 0)) for _, notes in self.notes(role))

    def to_dead(self) -> list[Sent]:
        """What the survivors say of the process that was killed, whose own books are lost."""
        return [sent for books in self.statements.values() for sent in books["sent"] if sent["pid"] == self.fault.pid]

    def in_doubt(self) -> int:
        """Sends that the dead one had received and not replied to."""
        return sum(failed["received"] for _, failed in self.fault.noticed)


def _messages(books: Books) -> Check:
    check = Check("each message and byte that a client counted, its server counted")
    received: dict[tuple[int, int], Received] = {}
    for person in books.persons:
        for entry in books.statements[person.number]["received"]:
            received[entry["client"], person.number] = entry
    for entry in books.supervisor["received"]:
        received[entry["client"], 0] = entry
    for person in books.persons:
        for sent in books.statements[person.number]["sent"]:
            if sent["pid"] == books.fault.pid:
                continue
            server = books.by_pid.get(sent["pid"])
            got = received.pop((person.number, server.number if server else 0), None)
            # The books were in the last message to the supervisor: it is not in them.
            last = 1, person.books_bytes
            more = last if sent["server"] == "supervisor" else (0, 0)
            there = (got["messages"] - more[0], got["bytes"] - more[1]) if got else (0, 0)
            pair = f"{person.member.name} to {sent['server']}"
            check.expect(
                (sent["messages"], sent["out"]) == there,
                f"{pair}: sent {sent['messages']} messages of {sent['out']} bytes, received {there[0]} of {there[1]}",
            )
            # The ack of that last message is the one reply that is not in the client's books either.
            replied = got["replied"] - (ACK.size if more[0] else 0) if got else 0
            check.expect(
                sent["back"] == replied, f"{pair}: {sent['back']} bytes of replies arrived, {replied} were sent"
            )
    for (client, number), entry in received.items():
        pair = f"{books.names.get(client, client)} to {books.names[number]}"
        check.expect(client in books.dead, f"{pair}: {entry['messages']} messages received, none sent")
    # The dead one's clients know how many replies they have of it, and the loggers how many receipts it put on record.
    replied_to = sum(sent["messages"] for sent in books.to_dead())
    recorded = sum(entry["messages"] for (client, number), entry in received.items() if client in books.dead and number)
    check.expect(
        replied_to <= recorded <= replied_to + books.in_doubt(),
        f"{books.fault.name} (killed) had replied to {replied_to} bundles, {books.in_doubt()} are in doubt, "
        f"but the loggers have {recorded} receipts of it",
    )
    return check


def _sequences(books: Books) -> Check:
    check = Check("each sequence of messages is complete, and nothing came twice")
    successor = books.fault.successor
    for number, entries in books.received():
        took_over = number and any(p.number == number and p.pid == successor for p in books.persons)
        for entry in entries:
            pair = f"{books.names.get(entry['client'], entry['client'])} to {books.names[number]}"
            check.expect(not entry["missing"], f"{pair}: {entry['missing']} messages are missing")
            check.expect(not entry["again"], f"{pair}: {entry['again']} messages came twice")
            check.expect(took_over or entry["first"] == 0, f"{pair}: the first message was number {entry['first']}")
    return check


def _users(books: Books) -> Check:
    check = Check("each message came from the user whose process sent it, by the kernel's word")
    for number, entries in books.received():
        for entry in entries:
            uid = books.users.get(entry["client"])
            pair = f"{books.names.get(entry['client'], entry['client'])} to {books.names[number]}"
            check.expect(entry["uid"] == uid, f"{pair}: sent by user {uid}, received as from user {entry['uid']}")
    return check


def _table(books: Books) -> Check:
    check = Check("the waiting table counted what each process counted, and no wake-up was lost")
    near = {client for client, _ in books.fault.noticed} | {books.fault.name}
    for person in books.persons:
        statement, (sent, received, healed) = books.statements[person.number], person.table
        name = person.member.name
        replied = sum(entry["messages"] for entry in statement["sent"]) + 1
        failed = sum(1 for failed in statement["failed"] if failed["call"] == "send")
        # A Send to a process that is known to be dead may or may not have begun.
        check.expect(
            replied <= sent <= replied + failed, f"{name} counted {replied} Sends, its row in the table says {sent}"
        )
        taken = sum(entry["messages"] for entry in statement["received"]) + statement["notes"].get("strangers", 0)
        check.expect(
            taken == received, f"{name} counted {taken} messages received, its row in the table says {received}"
        )
        check.expect(not healed or name in near, f"{name}: {healed} wake-ups were only found by the periodic look")
    return check


def _readings(books: Books) -> Check:
    check = Check("each reading of a sensor is in a logger's books")
    taken = books.total("sensor", "readings")
    for role in ("driver", "controller", "logger"):
        counted = books.total(role, "readings")
        check.expect(counted == taken, f"the sensors took {taken} readings, the {role}s counted {counted}")
    return check


def _files(books: Books) -> Check:
    check = Check("each file has the same checksum at both ends, and is on record once")
    for name, notes in books.notes("mover"):
        bad, which = notes.get("bad", 0), ", ".join(notes.get("bad_files", []))
        check.expect(not bad, f"{name}: the archivists computed another checksum for {bad} files: {which}")
    for name, notes in books.notes("archivist"):
        check.expect(
            not notes.get("bad"),
            f"{name}: {notes.get('bad')} files did not arrive with the checksum they were sent with",
        )
    journals: Counter[tuple[str, str]] = Counter()
    again = 0
    for _, notes in books.notes("logger"):
        for mover, entry in notes.get("journals", {}).items():
            for what, value in zip(("bundles", "parts", "moved", "again", "missing"), entry, strict=True):
                journals[books.names[int(mover)], what] += value
            again += entry[3]
    for name, notes in books.notes("mover"):
        for what, said in (("bundles", "bundles"), ("parts", "parts of files"), ("moved", "bytes of files")):
            kept = journals[name, what]
            check.expect(kept == notes.get(what, 0), f"{name} moved {notes.get(what, 0)} {said}, {kept} are on record")
        check.expect(
            not journals[name, "missing"], f"{name}: {journals[name, 'missing']} bundles are missing on record"
        )
    check.expect(
        again <= books.in_doubt(),
        f"{again} bundles were repeated though on record, but only {books.in_doubt()} were in doubt",
    )
    return check


def _failures(books: Books) -> Check:
    check = Check("nothing failed but what was announced")
    check.expect(books.fault.killed and books.fault.served_ns > 0, "no server was killed and replaced")
    for person in books.persons:
        for failed in books.statements[person.number]["failed"]:
            # Not only its clients: a logger can not reply to it any more either.
            announced = failed["pid"] == books.fault.pid and failed["ended_ns"] >= books.fault.killed_ns
            which = f"{failed['call']}, {failed['other']} (pid {failed['pid']})"
            check.expect(announced, f"{person.member.name}: {which}: errno {failed['errno']}")
    return check
