"""Orders for a hostile partner: a client that forges its messages, a server that forges its replies, a vandal."""

from __future__ import annotations

import ctypes
import os
import random
import time
from typing import Any

from hostile import rows
from hostile.rows import Row, Word
from partner import Partner, order


def _address(data: Any) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(data))


@order
def forge(partner: Partner, to: int, fields: dict[str, int], parts: list[list[int]], message: bytes = b"") -> None:
    """A Send made by hand in slot 0, which a proper Send has used before: what a sender writes, but for ``fields``."""
    mine, theirs = Row(os.getpid()), Row(to)
    proper = {
        "target": theirs.header("row_id"),
        "nbytes": len(message),
        "room": 100,
        "tid": os.getpid(),
        "arrival": theirs.port("arrivals"),
        "message_parts": len(parts),
        "reply_parts": 0,
        "lane": rows.INLINE,
        "status": 0,
        "reply_flags": 0,
    }
    at = rows.SLOTS_AT + rows.MESSAGE_AT
    mine.memory[at : at + len(message)] = message
    for field, value in {**proper, **fields}.items():
        if field not in ("word", "state", "port"):
            mine.put_slot(field, value)
    for number, (address, length) in enumerate(parts):
        mine.put_part(number, address, length)
    last = mine.word()
    word = Word(last.generation + 1, fields.get("port", 0), fields.get("state", rows.SENT)).pack()
    mine.put_slot("word", fields.get("word", word))
    theirs.put_port("arrivals", theirs.port("arrivals") + 1)
    theirs.ring(rows.entry_of(theirs, os.getpid()))
    partner.held["forged"] = mine


@order
def forged(partner: Partner) -> dict[str, int]:
    """What has become of the slot."""
    mine = partner.held["forged"]
    return {"state": mine.word().state, "status": mine.slot("status")}


@order
def withdraw(partner: Partner) -> None:
    """Make the slot usable for proper Sends again."""
    mine = partner.held["forged"]
    mine.put_slot("word", mine.word()._replace(state=rows.IDLE).pack())


@order
def lie_about_life(partner: Partner, tid: int) -> None:
    """Say in our own life file, too, that slot 0 is that thread's. We hold it mapped; nobody else can write it."""
    with open("/proc/self/maps") as maps:
        start = next(int(line.split("-")[0], 16) for line in maps if "/memfd:srr-life" in line)
    mine = os.getpid()
    for at in range(rows.PAGE, rows.PAGE + 64, 4):
        word = ctypes.c_uint32.from_address(start + at)
        if word.value & 0x3FFFFFFF == mine:
            word.value = tid
            return
    raise LookupError("no word with our tid")


@order
def buffer_at(partner: Partner, nbytes: int) -> int:
    """The address of that many readable bytes of ours."""
    partner.held["buffer"] = bytearray(b"b" * nbytes)
    return _address(partner.held["buffer"])


@order
def scribble_slot(partner: Partner, rounds: int, seed: int) -> None:
    """Random bytes over the whole control part of our own slot, while another of our threads Sends through it."""
    chance = random.Random(seed)
    mine = Row(os.getpid())
    for _ in range(rounds):
        field = chance.choice(list(rows.SLOT))
        size = rows.SLOT[field][1]
        mine.put_slot(field, chance.choice([0, 1, (1 << 8 * size) - 1, chance.getrandbits(8 * size)]))
        if chance.random() < 0.3:
            mine.put_slot("word", chance.getrandbits(64))
        if chance.random() < 0.2:
            mine.put_part(chance.randrange(2 * rows.PARTS_MAX), chance.getrandbits(64), chance.getrandbits(48))


@order
def scribble_window(partner: Partner, rounds: int, seed: int) -> None:
    """Random values over the window's fields of our slots, now and then another state, while they are in use."""
    chance = random.Random(seed)
    mine = Row(os.getpid())
    fields = [field for field, (at, _) in rows.SLOT.items() if at >= rows.SLOT["asked_from"][0]]
    for _ in range(rounds):
        index = chance.randrange(2)
        field = chance.choice(fields)
        near = mine.slot(field, index) + chance.choice([-1, 1, 4, 5])
        mine.put_slot(field, chance.choice([0, near, chance.getrandbits(64)]), index)
        if chance.random() < 0.05:
            mine.put_slot("word", mine.word(index)._replace(state=chance.choice([rows.ASK, rows.GIVE])).pack(), index)


@order
def answer_request(partner: Partner, fields: dict[str, int], patience: float = 0.5) -> bool:
    """Wait until somebody asks for bytes of the forged message; then say this, as steps of that very request."""
    mine = Row(os.getpid())
    until = time.monotonic() + patience
    while mine.word().state not in (rows.ASK, rows.GIVE):
        if time.monotonic() > until:
            return False
        time.sleep(0)
    for field, value in fields.items():
        number = mine.slot("asked_number") * (rows.CHUNKS + 1) if field == "sender_step" else 0
        mine.put_slot(field, number + value)
    return True


@order
def scribble_port(partner: Partner, to: int, what: str, rounds: int, seed: int) -> None:
    """Vandalism at a server's port."""
    chance = random.Random(seed)
    theirs = Row(to)
    hints = rows.PORT_AT + rows.PORT["hints"][0]
    for _ in range(rounds):
        if what == "hints":
            for word in range(rows.ENTRIES // 64):
                theirs.put(hints + 8 * word, 8, (1 << 64) - 1)
            theirs.put_port("summary", (1 << 64) - 1)
        elif what == "no hints":
            for word in range(rows.ENTRIES // 64):
                theirs.put(hints + 8 * word, 8, 0)
            theirs.put_port("summary", 0)
        elif what == "entries":
            for _ in range(20):
                theirs.put_entry(chance.randrange(rows.ENTRIES), chance.getrandbits(64))
        elif what == "all entries":
            for number in range(rows.ENTRIES):
                theirs.put_entry(number, chance.getrandbits(64))
        elif what == "no entries":
            for number in range(rows.ENTRIES):
                theirs.put_entry(number, 0)
        else:
            for field in ("bell", "sleepers", "cpu", "crowded", "since_ns", "from", "arrivals"):
                theirs.put_port(field, chance.choice([0, 1, (1 << 64) - 1, chance.getrandbits(64)]))
        theirs.put_port("bell", theirs.port("bell") + 1)


@order
def forge_reply(partner: Partner, to: int, fields: dict[str, int], state: int | None, word: int | None = None) -> None:
    """Write into a client's slot 0 as its receiver may; then end it so, if a state is given."""
    theirs = Row(to)
    now = theirs.word()
    for field, value in fields.items():
        theirs.put_slot(field, value)
    if word is not None:
        theirs.put_slot("word", word)
    elif state is not None:
        theirs.put_slot("word", now._replace(state=state).pack())


@order
def scribble_client(partner: Partner, to: int, rounds: int, seed: int) -> None:
    """Random receiver's fields and words into a client's slot, for as long as it takes to end its Send."""
    chance = random.Random(seed)
    theirs = Row(to)
    for _ in range(rounds):
        for field in ("reply_lane", "reply_flags", "status", "inlined", "replied", "woken", "sleeping", *rows.ASKED):
            theirs.put_slot(field, chance.getrandbits(64))
        state = chance.choice([rows.IDLE, rows.SENT, rows.RECV, rows.ASK, *range(rows.DONE, 16)])
        word = Word(chance.getrandbits(50), chance.getrandbits(10), state)
        theirs.put_slot("word", word.pack())


@order
def false_row(partner: Partner, kind: str) -> None:
    """Show peers a memfd that looks like a row file and is none, before the library makes the real one."""
    import fcntl

    fd = os.memfd_create("srr-row", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    if kind != "empty":
        os.ftruncate(fd, rows.ROW_SIZE if kind != "wrong size" else rows.ROW_SIZE - 4096)
    header = bytearray(64)
    fields = {"magic": 0x31776F722D727273, "version": 1, "pid": os.getpid(), "row_id": 4711, "life_fd": fd}
    fields["pid_ns"] = os.stat("/proc/self/ns/pid").st_ino
    if kind == "wrong magic":
        fields["magic"] = 0
    if kind == "wrong version":
        fields["version"] = 77
    if kind == "wrong pid":
        fields["pid"] = os.getppid()
    if kind == "no id":
        fields["row_id"] = 0
    if kind == "other namespace":
        fields["pid_ns"] = 1
    for field, value in fields.items():
        at, size = rows.HEADER[field]
        header[at : at + size] = value.to_bytes(size, "little")
    if kind != "empty":
        os.pwrite(fd, header, 0)
    if kind != "no seals":
        # F_ADD_SEALS: F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW
        fcntl.fcntl(fd, 1033, 1 | 2 | 4)
    partner.held["false row"] = fd
    os.dup2(fd, 60)  # where peers look first
