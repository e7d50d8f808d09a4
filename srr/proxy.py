"""Proxies: messages of fixed content that anybody who knows their id can have delivered, without blocking.

    tick = srr.proxy.attach(b"tick")
    threading.Timer(1.0, tick.trigger).start()
    for message in srr.listen("clock"):
        if message.proxy == tick.id:
            ...                            # nobody awaits a reply
        else:
            message.reply(now())

Any process of this user may trigger one by its id (``srr.trigger(id)``). Triggers are counted, 65,535 at most
are pending. QNX4's qnx_proxy_attach, qnx_proxy_detach, Trigger.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from srr import _native
from srr.errors import ServerDied

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: Bytes of data at most.
MAX = _native.PROXY_MAX


class Proxy:
    """A proxy that this process attached. ``with`` detaches it at the end.

    One that is merely forgotten stays, for others may know its id: until ``detach``, or until its owner or the
    process that attached it ends.
    """

    __slots__ = ("_id",)

    def __init__(self, number: int) -> None:
        self._id = number

    @property
    def id(self) -> int:
        """By which others trigger it, and ``receive(sender=)`` asks for it. No process or thread has this number."""
        return self._id

    def trigger(self) -> int:
        """Deliver its message once more. Returns the owner's pid; never blocks. ServerDied: it is gone."""
        return _native.trigger(self._id)

    def detach(self) -> None:
        """Give it up; triggers that are pending vanish. ServerDied: it is gone already."""
        _native.proxy_detach(self._id)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.detach()
        except ServerDied:
            pass

    def __repr__(self) -> str:
        return f"<srr.Proxy {self._id}>"


@dataclass(frozen=True, slots=True)
class View:
    """A proxy seen from outside."""

    id: int
    #: The process that it delivers to.
    owner: int
    #: Triggers that it has not received yet.
    count: int
    priority: int


def attach(data: Buffer = b"", priority: int | None = None, owner: int | None = None) -> Proxy:
    """A new proxy that delivers ``data`` (at most 100 bytes, copied now) to this process, or to process ``owner``.

    ``priority``: 1 (lowest) to 29, for receivers that order by it; None: this thread's. Does not block.
    ServerDied: no such owner; Refused: another user's; Failure (EAGAIN): the owner has not used srr yet, there are
    256 proxies already, or no thread could be started (each id is held by one).
    """
    return Proxy(_native.proxy_attach(owner or 0, data, -1 if priority is None else priority))


def trigger(proxy: int) -> int:
    """Deliver the message of the proxy with this id. Returns its owner's pid; never blocks. ServerDied: it is gone."""
    return _native.trigger(proxy)


def look(proxy: int) -> View:
    """What is known of the proxy with this id. ServerDied: it is gone."""
    return View(*_native.proxy_look(proxy))


def query(owner: int) -> list[View]:
    """The proxies that deliver to a process. Fails as ``srr.processes.look`` does."""
    return [View(*view) for view in _native.proxy_list(owner)]
