"""srr-helper: is it there, does it let this process in, and what has this user used of its quotas?"""

from __future__ import annotations

import errno
import os
import re

from srr import facts
from srr.doctor import OFF, OK, Check, check

_START = "start it: systemctl enable --now srr-helper.socket, or by hand, as root: srr-helper; see srr-helper(8)"
_FIXES = {
    errno.ECONNREFUSED: (
        "a socket that nobody listens at: the helper has ended",
        _START,
    ),
    errno.EACCES: (
        "not to be trusted: its folder, or who listens there, must be root's or this user's, and nobody else may write "
        "the folder",
        "chown root and chmod 755 the folder, or set SRR_HELPER to the right path",
    ),
    errno.EPROTO: ("a helper of another version of srr", "restart it, or this process, with the newer srr"),
    errno.EAGAIN: (
        "it takes no more processes of this user",
        "end some of this user's processes that use srr; srr-helper(8) has the limits",
    ),
    errno.EHOSTUNREACH: (
        "it lives in another pid namespace (container)",
        "run a helper in this container, and set SRR_HELPER to its socket",
    ),
    errno.ETIMEDOUT: ("it does not answer: stopped, or overwhelmed", "srr-helper's log says more; restart it"),
}
_FIXES[errno.EPIPE] = _FIXES[errno.ECONNRESET] = (
    "it ended the connection: this user has too many processes there, or no number of its own (65534)",
    "srr-helper's log says which, and how to allow it",
)
#: futex_waitv: a receiver waits for all its pairs together.
_KERNEL = (5, 16)


def helper() -> Check:
    """The helper itself, joined by this process."""
    found = facts.helper()
    path, error = found.path, found.error
    if error == 0:
        uses = ", ".join(
            f"{used} of {limit} {what}" for what, used, limit in zip(_QUOTAS, found.used, found.limit, strict=False)
        )
        moves = "moves bytes too (--transfer)" if found.transfer else "moves no bytes"
        return Check("helper", OK, f"{path}, protocol {found.protocol}, {moves}; this user has {uses}")
    release = os.uname().release
    if tuple(int(n) for n in re.findall(r"\d+", release)[:2]) < _KERNEL:
        needed = ".".join(map(str, _KERNEL))
        return Check(
            "helper", OFF, f"Linux {release} has no futex_waitv", f"for other users, run Linux {needed} or newer"
        )
    if error in (errno.ENOENT, errno.ENOSYS, errno.ENOTDIR):
        fix = f"messages between users need srr-helper; within one user nothing is missing. {_START}"
        return Check("helper", OFF, f"{path or 'SRR_HELPER'} is not there", fix)
    seen, fix = _FIXES.get(error, (os.strerror(error), _START))
    return check("helper", False, f"{path}: {seen}", fix)


#: As enum quota has them; the others are of the moment.
_QUOTAS = ("processes", "names", "pairs", "KiB of pairs")
