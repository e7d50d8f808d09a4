"""Orders for a server that asks another server before it replies, and one that works as long as it is told to."""

from __future__ import annotations

import time

from partner import Partner, order


@order
def pass_on(partner: Partner, to: int, count: int) -> int:
    """Receive, ask ``to`` twice, reply; ``count`` times."""
    import srr

    port, connection = srr.Port(), srr.connect(to, 10)

    def look_up(message: bytes) -> bytes:
        return connection.send(message)

    for _ in range(count):
        message = port.receive()
        message.reply(look_up(look_up(bytes(message)))[::-1])
    return count


@order
def hold_and_ask(partner: Partner, to: int) -> list[int]:
    """Receive one message, then another; ask ``to``; reply to the first, ask again, reply to the second; ask for
    nobody. The clients."""
    import srr

    port, connection = srr.Port(), srr.connect(to, 10)
    first, second = port.receive(), port.receive()
    connection.send(b"for the second")
    first.reply(b"1")
    connection.send(b"for the second, too")
    second.reply(b"2")
    connection.send(b"for nobody")
    return [first.pid, second.pid]


@order
def burn(partner: Partner, count: int) -> list[list[int]]:
    """Receive messages that say how many us of CPU time they want, use them up, reply. Of each client: its
    pid, how many, and CPU ns."""
    import srr

    port = srr.Port()
    log: dict[int, list[int]] = {}
    clock = time.thread_time_ns
    for _ in range(count):
        message = port.receive()
        began = clock()
        until = began + int(bytes(message)) * 1000
        while clock() < until:
            pass
        mine = log.setdefault(message.pid, [message.pid, 0, 0])
        mine[1] += 1
        mine[2] += clock() - began
        message.reply()
    return list(log.values())


@order
def want(partner: Partner, to: int, us: int, count: int) -> int:
    """Ask for so much work, so often."""
    import srr

    connection = srr.connect(to, 10)
    for _ in range(count):
        connection.send(str(us).encode())
    return count
