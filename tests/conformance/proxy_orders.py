"""Orders for proxies, Relay, notices, flags and priorities."""

from __future__ import annotations

import os
import signal
from typing import Any

from partner import Partner, order, told


@order
def take(partner: Partner, hold: str = "it", poll: bool = False, **keywords: Any) -> dict[str, Any] | None:
    """Receive, and tell all of what it is."""
    import srr

    port = srr.Port()
    message = port.poll(**keywords) if poll else port.receive(**keywords)
    if message is None:
        return None
    partner.held[hold] = message
    more = {"kind": message.kind.name, "proxy": message.proxy, "notice": message.notice, "answered": message.answered}
    return told(message) | more


@order
def proxy_attach(partner: Partner, data: bytes = b"", priority: int | None = None, owner: int | None = None) -> int:
    import srr

    return srr.proxy.attach(data, priority, owner).id


@order
def proxy_detach(partner: Partner, proxy: int) -> None:
    import srr

    srr.Proxy(proxy).detach()


@order
def proxy_look(partner: Partner, proxy: int) -> list[int]:
    import srr

    view = srr.proxy.look(proxy)
    return [view.id, view.owner, view.count, view.priority]


@order
def trigger(partner: Partner, proxy: int, count: int = 1) -> int:
    import srr

    for _ in range(count):
        owner = srr.trigger(proxy)
    return owner


@order
def trigger_on(partner: Partner, number: int, proxy: int) -> None:
    """From now on this signal's handler triggers it."""
    import srr

    def handler(got: int, frame: object) -> None:
        partner.handled.append(got)
        srr.trigger(proxy)

    signal.signal(number, handler)


@order
def use(partner: Partner, call: str, hold: str = "it", **keywords: Any) -> Any:
    """A method of a held message."""
    return getattr(partner.held[hold], call)(**keywords)


@order
def flags(partner: Partner, flags: int | None = None) -> int:
    import srr

    port = srr.Port()
    if flags is not None:
        port.flags = srr.Flag(flags)
    return port.flags


@order
def niceness(partner: Partner) -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


@order
def notify(partner: Partner, about: int, data: bytes) -> None:
    """As the library does for a signal of a client (SIGCATCH)."""
    from srr import _native

    _native.notify(about, data)
