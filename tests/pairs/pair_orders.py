"""Orders about names for others, and about what the helper is."""

from __future__ import annotations

from typing import Any

from partner import Partner, order


@order
def share(partner: Partner, name: str, mode: int = 0o660, group: int | None = None) -> None:
    import srr

    srr.share(name, mode, group)


@order
def shared(partner: Partner) -> list[list[Any]]:
    import srr

    return [list(one) for one in srr.shared()]


@order
def about_helper(partner: Partner) -> dict[str, Any]:
    from srr import _native

    return dict(_native.helper())


@order
def relay_to(partner: Partner, target: int, hold: str = "it") -> None:
    partner.held[hold].relay(target)
