"""A storm of SIGKILLs over clients and servers, and the histories that say whether anybody was cheated.

    python storm.py --kills 300 [--seed 1] [--clients 6] [--servers 3]

A boss forks clients and servers (each a process of its own: it has no rows to inherit), kills one at random, again and
again, and starts another in its place. Servers hold a name each, and the next one takes the name over. Clients send
requests with a number each and write down what became of them; servers write down what they received. All write
into one pipe, whole records, so that what was written is there though its writer was killed.

Kills are counted, not timed: one after each random number of records. When they are done, the clients that live
finish a last row of requests. Then the histories are joined:

    each request was received at most once                                 (B, G)
    answered: it was received, and the reply was its own                   (B, C)
    failed and said to be safe to repeat: it was not received              (G)
    failed, in doubt: its server was killed, or killed and replaced        (B)
    every living client finished, no call lasted for ever                  (A, D)

Prints the counts as JSON; exit status 1 if anything is wrong. The clients send without a time-out, so that none can
hide a lost wake-up.
"""

from __future__ import annotations

import collections
import ctypes
import json
import os
import random
import select
import signal
import struct
import sys
import tempfile
from typing import NamedTuple

import click

import srr

#: What happened.
SENT, ANSWERED, WRONG, SAFE, DOUBT, RECEIVED, REPLIED, FINISHED = range(8)
RECORD = struct.Struct("<BxxxIIIQ")  # what, who wrote it, client, request, detail: 24 bytes, written whole


class Record(NamedTuple):
    what: int
    pid: int
    client: int
    request: int
    detail: int


class History:
    """One end of the pipe that all write to."""

    def __init__(self, write: int) -> None:
        self.write = write

    def tell(self, what: int, client: int, request: int, detail: int = 0) -> None:
        os.write(self.write, RECORD.pack(what, os.getpid(), client, request, detail))


def serve(history: History, name: str, big: bool) -> None:
    """Under the name, once its last owner is gone: receive, write it down, answer."""
    while True:
        try:
            port = srr.listen(name)
            break
        except srr.NameInUse:
            continue  # the boss started us after the death; the name is free in a moment
    held: list[srr.Message] = []
    while True:
        message = port.poll() if held else port.receive()
        if message is not None:
            client, request = struct.unpack_from("<II", message.data)
            history.tell(RECEIVED, client, request)
            held.append(message)
        if message is None or len(held) > 2:  # late, and out of order
            answer(history, held.pop(len(held) // 2), big)


def answer(history: History, message: srr.Message, big: bool) -> None:
    client, request = struct.unpack_from("<II", message.data)
    history.tell(REPLIED, client, request)
    body = struct.pack("<II", request, client) * (40_000 if big and request % 5 == 0 else 1)
    try:
        message.reply(body)
    except srr.SenderGone:
        pass


def ask(history: History, client: int, requests: int, names: list[str], big: bool) -> None:
    """``requests`` requests, to one server and the other; a new number for each attempt."""
    chance = random.Random(client)
    connections: dict[str, srr.Connection] = {}
    for request in range(requests):
        name = chance.choice(names)
        body = struct.pack("<II", client, request) + bytes(100_000 if big and chance.random() < 0.1 else 8)
        history.tell(SENT, client, request)
        try:
            if name not in connections:
                connections[name] = srr.connect(name, timeout=None)
            reply = connections[name].send(body)
        except srr.ServerDied as failure:
            history.tell(DOUBT if failure.received else SAFE, client, request, failure.pid)
            continue
        right = len(reply) % 8 == 0 and reply == struct.pack("<II", request, client) * (len(reply) // 8)
        history.tell(ANSWERED if right else WRONG, client, request)
    history.tell(FINISHED, client, requests)


class Boss:
    def __init__(self, clients: int, servers: int, kills: int, seed: int, big: bool, reap: bool) -> None:
        self.chance = random.Random(seed)
        self.kills_left, self.killed = kills, collections.Counter[str]()
        self.names = [f"storm-{number}" for number in range(servers)]
        self.big, self.reap = big, reap
        self.read, write = os.pipe()
        self.history = History(write)
        self.next_client = 0
        self.running: dict[int, str | int] = {}  # pid: a server's name, or a client's number
        self.zombies: list[int] = []
        self.records = bytearray()  # as they came: a list of objects would make each fork slower
        self.finished: set[int] = set()
        for name in self.names:
            self.start(name)
        for _ in range(clients):
            self.start(None)

    def start(self, name: str | None) -> None:
        number = self.next_client
        if name is None:
            self.next_client += 1
        pid = os.fork()
        if pid == 0:
            try:
                ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: not without the boss
                os.close(self.read)
                if name is not None:
                    serve(self.history, name, self.big)
                else:
                    ask(self.history, number, 400, self.names, self.big)
                os._exit(0)
            except BaseException as failure:
                print(f"{name or number}: {failure!r}", file=sys.stderr)
                os._exit(1)
        self.running[pid] = name if name is not None else number

    def read_records(self) -> int:
        """Some more of the history; how many."""
        if not select.select([self.read], [], [], 20)[0]:
            self.say_who_is_stuck()
        new = os.read(self.read, RECORD.size * 32)  # a few at a time, so that kills come in between
        self.records += new
        for fields in RECORD.iter_unpack(new):
            record = Record(*fields)
            if record.what == FINISHED:
                self.finished.add(record.client)
        return len(new) // RECORD.size

    def say_who_is_stuck(self) -> None:
        from srr import processes

        states = []
        for pid, who in self.running.items():
            try:
                states.append(f"{who} ({pid}): {processes.look(pid)}")
            except OSError as failure:
                states.append(f"{who} ({pid}): {failure}")
        self.end()
        raise SystemExit("nobody has done anything for 20 s:\n" + "\n".join(states))

    def kill_one(self) -> None:
        pid = self.chance.choice(list(self.running))
        who = self.running.pop(pid)
        pidfd = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        select.select([pidfd], [], [])
        os.close(pidfd)
        self.zombies.append(pid)
        if self.reap or len(self.zombies) > 10:
            self.bury()
        self.killed["servers" if isinstance(who, str) else "clients"] += 1
        self.start(who if isinstance(who, str) else None)

    def bury(self) -> None:
        for pid in self.zombies:
            os.waitpid(pid, 0)
        self.zombies.clear()

    def take_leave(self) -> None:
        """Clients that have finished end by themselves; others are started in their place while it storms."""
        for pid, who in list(self.running.items()):
            if isinstance(who, int) and who in self.finished:
                _, status = os.waitpid(pid, 0)
                if status != 0:
                    raise SystemExit(f"client {who} ended with status {status}")
                del self.running[pid]
                if self.kills_left > 0:
                    self.start(None)

    def storm(self) -> None:
        until_kill = 0
        while self.kills_left > 0:
            until_kill -= self.read_records()
            self.take_leave()
            if until_kill <= 0:
                self.kill_one()
                self.kills_left -= 1
                until_kill = self.chance.randrange(0, 60)
        while any(isinstance(who, int) for who in self.running.values()):
            self.read_records()
            self.take_leave()

    def end(self) -> None:
        for pid in self.running:
            os.kill(pid, signal.SIGKILL)
        self.zombies += self.running
        self.bury()
        while select.select([self.read], [], [], 0)[0]:
            self.read_records()

    def judge(self) -> dict[str, object]:
        """The joined histories."""
        by_what: dict[int, collections.Counter[tuple[int, int]]] = collections.defaultdict(collections.Counter)
        for fields in RECORD.iter_unpack(self.records):
            record = Record(*fields)
            by_what[record.what][record.client, record.request] += 1
        received, replied = by_what[RECEIVED], by_what[REPLIED]
        wrong = {
            "received twice": [key for key, count in received.items() if count > 1],
            "replied twice": [key for key, count in replied.items() if count > 1],
            "a reply of another": list(by_what[WRONG]),
            "answered, never received": [key for key in by_what[ANSWERED] if key not in replied],
            "safe to repeat, but received": [key for key in by_what[SAFE] if key in received],
            "received, never sent": [key for key in received if key not in by_what[SENT]],
        }
        return {
            "wrong": {what: keys for what, keys in wrong.items() if keys},
            "killed": dict(self.killed),
            "sent": len(by_what[SENT]),
            "answered": len(by_what[ANSWERED]),
            "safe": len(by_what[SAFE]),
            "in doubt": len(by_what[DOUBT]),
            "clients finished": len(self.finished),
        }


@click.command()
@click.option("--kills", default=300, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--clients", default=6, show_default=True)
@click.option("--servers", default=3, show_default=True)
@click.option("--big/--small", default=True, show_default=True, help="Some messages and replies too long to go inline.")
@click.option("--reap/--zombies", default=True, show_default=True, help="Wait for the dead at once, or let some lie.")
def main(kills: int, seed: int, clients: int, servers: int, big: bool, reap: bool) -> None:
    """A storm of SIGKILLs; see the head of this file."""
    with tempfile.TemporaryDirectory(prefix="srr-") as folder:
        os.environ["SRR_RUNTIME_DIR"] = folder
        boss = Boss(clients, servers, kills, seed, big, reap)
        boss.storm()
        boss.end()
        outcome = boss.judge()
    print(json.dumps(outcome))
    raise SystemExit(1 if outcome["wrong"] else 0)


if __name__ == "__main__":
    main()
