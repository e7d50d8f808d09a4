"""Names: attach, detach, locate, query. QNX4's qnx_name_* family.

A name belongs to one process of this user, a process may hold several, and it is gone when the process
is, however it died.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from srr import _native
from srr.errors import HelperMissing, ServerDied


class Shared(NamedTuple):
    """A name that other users can find: ``str(it)`` is what they say."""

    name: str
    uid: int
    gid: int
    mode: int
    pid: int

    def __str__(self) -> str:
        try:
            return f"{self.name}@{pwd.getpwuid(self.uid).pw_name}"
        except KeyError:
            return f"{self.name}@{self.uid}"


def attach(name: str) -> None:
    """Give this process a name. NameInUse if a living process of this user holds it."""
    with _about(name):
        _native.name_attach(os.fsencode(name))


def detach(name: str) -> None:
    """Give the name up. ServerDied (ESRCH) if this process does not hold it."""
    with _about(name):
        _native.name_detach(os.fsencode(name))


def locate(name: str, timeout: float | None = 0.0) -> int:
    """The pid of the process that holds the name.

    ``"plc@alice"`` is the name that user alice shares, if she lets this process (``share``).
    Waits up to ``timeout`` seconds (None: for ever) for somebody to attach it, then TimedOut; with 0,
    ServerDied (ESRCH) at once.
    """
    with _about(name):
        try:
            return _native.name_locate(os.fsencode(name), timeout)
        except ServerDied as nobody:
            others = [str(one) for one in shared() if one.name == name and one.uid != os.geteuid()]
            if others:
                nobody.strerror = f"no process of this user holds this name; did you mean {' or '.join(others)}?"
            raise


def share(name: str, mode: int = 0o660, group: str | int | None = None) -> None:
    """Give this process a name that other users find as ``name@user``, as srr-helper lets them.

    ``mode`` and ``group`` are a file's: who has w may send to this process, who has r may see the name in lists.
    ``group``: None is this process's own. Sharing again changes both. HelperMissing if there is no srr-helper.
    """
    gid = os.getegid() if group is None else group if isinstance(group, int) else grp.getgrnam(group).gr_gid
    with _about(name):
        _native.name_share(os.fsencode(name), mode, gid)


def shared() -> list[Shared]:
    """What this process may see of all users' shared names, sorted; empty where there is no srr-helper."""
    try:
        seen = _native.name_list_shared()
    except HelperMissing:
        return []
    return sorted(Shared(os.fsdecode(name), *rest) for name, *rest in seen)


def query(pid: int = 0) -> list[tuple[str, int]]:
    """Every living name of this user with its holder's pid, sorted; with ``pid``, only that process's."""
    return sorted((os.fsdecode(name), holder) for _, holder, name in _native.name_list(pid))


@contextmanager
def _about(name: str) -> Iterator[None]:
    """A failure says which name it is about, in the attribute that OSError has for such things."""
    try:
        yield
    except OSError as failure:
        failure.filename = name
        raise
