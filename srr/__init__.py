"""srr: Send, Receive and Reply between unrelated processes of one machine, as in QNX4.

    with srr.listen("calc") as port:
        for message in port:
            message.reply(bytes(message)[::-1])

    with srr.connect("calc", timeout=1.0) as calc:
        answer = calc.send(b"hello")

Who may know whom (a test holds the code to it):

    cli  ──▶ client server names state errors      lazily, inside the subcommand
    client server proxy testing ──▶ names errors state ──▶ _native
    qnx4, psinfo: QNX4's own spellings, on _native alone
    ──────────────────────────────────────────────── Python above, C below
    python/_native.c ──▶ srr.h only
    send receive reply relay proxy name look ──▶ table port ──▶ peer transfer wait ──▶ layout state
"""

from srr import proxy
from srr.client import ROOM, Connection, connect
from srr.errors import (
    Failure,
    HelperMissing,
    Interrupted,
    NameInUse,
    Refused,
    SenderGone,
    ServerDied,
    TimedOut,
    Truncated,
    WouldDeadlock,
)
from srr.names import Shared, attach, detach, locate, query, share, shared
from srr.proxy import Proxy, trigger
from srr.server import LIMIT, Message, Port, listen
from srr.state import Blocked, Flag, Kind, Lane

__version__ = "0.1.0"

__all__ = [
    "LIMIT",
    "ROOM",
    "Blocked",
    "Connection",
    "Failure",
    "Flag",
    "HelperMissing",
    "Interrupted",
    "Kind",
    "Lane",
    "Message",
    "NameInUse",
    "Port",
    "Proxy",
    "Refused",
    "SenderGone",
    "ServerDied",
    "Shared",
    "TimedOut",
    "Truncated",
    "WouldDeadlock",
    "attach",
    "connect",
    "detach",
    "listen",
    "locate",
    "proxy",
    "query",
    "share",
    "shared",
    "trigger",
]
