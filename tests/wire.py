"""What travels between a test and its partners: JSON lines, with bytes in base64.

Large messages need not go over the pipe. A test names one by ``Pattern(nbytes, seed)``, which both sides can
make, and gets it back as a ``Digest``; ``shown`` tells how given bytes will come back.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, NamedTuple

#: Bytes that are shown as they are; longer ones as a Digest.
SMALL = 65536


class Pattern(NamedTuple):
    """``nbytes`` bytes that depend on the seed and, each of them, on its position."""

    nbytes: int
    seed: int = 0

    def make(self) -> bytes:
        return hashlib.shake_128(b"srr %d" % self.seed).digest(self.nbytes)


class Digest(NamedTuple):
    """Bytes too many to show."""

    nbytes: int
    sha256: str


class Memory(NamedTuple):
    """A buffer of the partner's own making, of which the bytes from ``bad_from`` on have this protection (mprotect)."""

    nbytes: int
    bad_from: int
    protection: int


PROT_NONE, PROT_READ = 0, 1


def shown(data: bytes | Pattern) -> bytes | Digest:
    """How these bytes look in an answer."""
    if isinstance(data, Pattern):
        data = data.make()
    return data if len(data) <= SMALL else Digest(len(data), hashlib.sha256(data).hexdigest())


def _pack(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytes": base64.b64encode(value).decode()}
    for kind in (Pattern, Digest, Memory):
        if isinstance(value, kind):
            return {kind.__name__: list(value)}
    if isinstance(value, dict):
        return {key: _pack(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_pack(item) for item in value]
    return value


def _unpack(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        ((kind, content),) = value.items()
        if kind == "bytes" and isinstance(content, str):
            return base64.b64decode(content)
        for known in (Pattern, Digest, Memory):
            if kind == known.__name__:
                return known(*content)
    return value


def small(value: Any) -> Any:
    """The same, with long bytes as Digests."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return shown(bytes(value))
    if isinstance(value, dict):
        return {key: small(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [small(item) for item in value]
    return value


def line(value: dict[str, Any]) -> bytes:
    """One order or answer, ready to be written."""
    return json.dumps(_pack(value)).encode() + b"\n"


def parse(text: bytes) -> dict[str, Any]:
    """The order or answer in one line."""
    value: dict[str, Any] = json.loads(text, object_hook=_unpack)
    return value
