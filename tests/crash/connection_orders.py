"""Orders for one connection that is kept."""

from __future__ import annotations

from typing import Any

from partner import Partner, order


@order
def open_connection(partner: Partner, name: str) -> None:
    import srr

    partner.held["connection"] = srr.connect(name, timeout=10.0)


@order
def send_again(partner: Partner, **keywords: Any) -> bytes:
    reply: bytes = partner.held["connection"].send(**keywords)
    return reply
