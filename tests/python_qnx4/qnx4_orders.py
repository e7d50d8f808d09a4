"""Orders that are calls of srr.qnx4."""

from __future__ import annotations

import dataclasses
from typing import Any

from partner import Partner, order


@order
def call(partner: Partner, name: str, args: list[Any]) -> Any:
    """By its name. What it returns, with dataclasses as dicts."""
    from srr import qnx4

    value = getattr(qnx4, name)(*args)
    if isinstance(value, tuple):
        return [dataclasses.asdict(each) if dataclasses.is_dataclass(each) else each for each in value]  # type: ignore[arg-type]
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]


@order
def call_into(partner: Partner, name: str, args: list[Any], sizes: int | list[int]) -> dict[str, Any]:
    """With a buffer of that size as its last argument, or a list of them: what it returns, and what is in them."""
    from srr import qnx4

    parts = [bytearray(size) for size in (sizes if isinstance(sizes, list) else [sizes])]
    value = getattr(qnx4, name)(*args, parts if isinstance(sizes, list) else parts[0])
    return {"value": value, "parts": parts}
