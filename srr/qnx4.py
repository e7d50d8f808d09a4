"""QNX4's C interface, spelled as there, for people who port a program to Python by hand.

    from srr.qnx4 import *

    pid = Receive(0, message := bytearray(100))         # if ((pid = Receive(0, message, 100)) == -1) ...
    Reply(pid, b"done")                                 # Reply(pid, "done", 4);
    answer = Send(pid, b"hello", 64)                    # Send(pid, "hello", answer, 5, 64);

What differs from C, and nothing else does (docs/porting-qnx4.md, and the pages of section 3):

* A failure is an OSError with the errno, never -1: ESRCH is a ProcessLookupError, EINTR an InterruptedError, and so on.
* Data to send is a buffer (bytes, array, memoryview ...), of its own length; None is a null pointer.
* Where data comes back, give a writable buffer, or a size: then the data is returned, cut to what came. None: nothing.
* A table of parts (...mx) is a list of buffers, which knows its length: the counts are left out.
* What C stores through a pointer is returned, behind the value that C returns.

A process is the same to the other side whichever interface it uses: ``srr``, this one, or C. From the import on it has
its rows of the waiting table, and so has a child after fork(): on QNX4 every process could be sent to from its start.

Left out: descriptors (Sendfd, qnx_fd_attach), timers, what is about other nodes, and DEATH messages (_PPF_INFORM).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from srr import _native, psinfo
from srr.psinfo import PROC_PID, THIS_NODE

if TYPE_CHECKING:
    from typing_extensions import Buffer

    Parts = Sequence[Buffer]

# fmt: off
#: All that is named as in QNX4, also what begins with an underscore: for ``from srr.qnx4 import *``.
__all__ = [  # noqa: RUF022
    "Creceive", "Creceivemx", "EBADFSYS", "ECTRLTERM", "EDSTFAULT", "EMORE", "ENO32BIT", "ENOLIC", "ENONDP",
    "ENONETMAN", "ENONETQ", "ENOREMOTE", "ENOVPE", "EOK", "EVIDBUF2BIG", "EVIDBUF2SML", "MAX_MX_TAB", "PROC_PID",
    "Readmsg", "Readmsgmx", "Receive", "Receivemx", "Relay", "Reply", "Replymx", "STATE_DEAD", "STATE_HELD",
    "STATE_READY", "STATE_RECEIVE_BLOCKED", "STATE_REPLY_BLOCKED", "STATE_SEM_BLOCKED", "STATE_SEND_BLOCKED",
    "STATE_SIGNAL_BLOCKED", "STATE_WAIT_BLOCKED", "Send", "Sendmx", "Trigger", "Writemsg", "Writemsgmx", "Yield",
    "_PPF_32BIT", "_PPF_EXECING", "_PPF_FIXED", "_PPF_FLAT", "_PPF_FORKED", "_PPF_IMMORTAL", "_PPF_INFORM",
    "_PPF_LOADING", "_PPF_MID", "_PPF_NOCLDSTOP", "_PPF_NOZOMBIE", "_PPF_PRIORITY_FLOAT", "_PPF_PRIORITY_REC",
    "_PPF_RDOS", "_PPF_SERVER", "_PPF_SIGCATCH", "_PPF_SIGMASKALL", "_PPF_SLEADER", "_PPF_TERMING",
    "_PPF_TO_BE_HELD", "_PPF_VID", "_PPF_VMID", "_PPF_WAS_32BIT", "_PPF_XIP", "_QNX_PROXY_SIZE_MAX", "_SYSMSG",
    "_SYSMSG_SUBTYPE_DEATH", "_SYSMSG_SUBTYPE_SIGNAL", "_SYSMSG_SUBTYPE_SLIB", "_SYSMSG_SUBTYPE_TRACE",
    "_SYSMSG_SUBTYPE_VERSION", "_VC_AT_FIRST", "_VC_AT_REM_ZOMBIE", "_VC_AT_SHARE", "_VC_MAX_NAME_LEN", "_nameinfo",
    "_psinfo", "getnid", "getprio", "qnx_name_attach", "qnx_name_detach", "qnx_name_locate", "qnx_name_query",
    "qnx_pflags", "qnx_proxy_attach", "qnx_proxy_detach", "qnx_proxy_rem_attach", "qnx_proxy_rem_detach",
    "qnx_psinfo", "qnx_vc_attach", "qnx_vc_detach", "qnx_vc_name_attach", "setprio",
]
# fmt: on

# <sys/sendmx.h>, <sys/proxy.h>, <sys/name.h>, <sys/vc.h>
MAX_MX_TAB = 255
_QNX_PROXY_SIZE_MAX = 100
_VC_AT_FIRST, _VC_AT_SHARE, _VC_AT_REM_ZOMBIE = 0, 1, 2
_VC_MAX_NAME_LEN = 32
_NAME_MAX = 32

# <sys/kernel.h>
STATE_DEAD, STATE_READY, STATE_SEND_BLOCKED, STATE_RECEIVE_BLOCKED, STATE_REPLY_BLOCKED = range(5)
STATE_HELD, STATE_SIGNAL_BLOCKED, STATE_WAIT_BLOCKED, STATE_SEM_BLOCKED = range(5, 9)

# <sys/psinfo.h>
_PPF_IMMORTAL = 0x1
_PPF_INFORM = 0x2
_PPF_FIXED = 0x4
_PPF_PRIORITY_REC = 0x10
_PPF_PRIORITY_FLOAT = 0x20
_PPF_NOCLDSTOP = 0x40
_PPF_SIGCATCH = 0x80
_PPF_SIGMASKALL = 0x100
_PPF_SERVER = 0x200
_PPF_RDOS = 0x400
_PPF_WAS_32BIT = 0x8000
_PPF_32BIT = psinfo.PPF_32BIT
_PPF_FLAT = psinfo.PPF_FLAT
_PPF_XIP = 0x80000
_PPF_VID = 0x100000
_PPF_MID = psinfo.PPF_MID
_PPF_VMID = 0x400000
_PPF_EXECING = 0x1000000
_PPF_LOADING = 0x2000000
_PPF_TERMING = 0x4000000
_PPF_TO_BE_HELD = 0x8000000
_PPF_NOZOMBIE = 0x10000000
_PPF_SLEADER = psinfo.PPF_SLEADER
_PPF_FORKED = 0x40000000

# <sys/sys_msg.h>
_SYSMSG = 0
_SYSMSG_SUBTYPE_DEATH, _SYSMSG_SUBTYPE_SIGNAL, _SYSMSG_SUBTYPE_TRACE = 0, 1, 2
_SYSMSG_SUBTYPE_VERSION, _SYSMSG_SUBTYPE_SLIB = 3, 4

# <errno.h>: QNX4's own. The others are in Python's errno, with Linux's numbers.
EOK = 0
ENOREMOTE, ENONDP, EBADFSYS, ENO32BIT, ENOVPE, ENONETQ, ENONETMAN = range(1000, 1007)
EVIDBUF2SML, EVIDBUF2BIG, EMORE, ECTRLTERM, ENOLIC = range(1007, 1012)
EDSTFAULT = _native.EDSTFAULT

_psinfo = psinfo.Info


@dataclass(frozen=True, slots=True)
class _nameinfo:
    nid: int
    pid: int
    name: str


def _failed(error: int, why: str) -> OSError:
    return OSError(error, why)


def _here(nid: int) -> None:
    if nid not in (0, THIS_NODE):
        raise _failed(errno.EHOSTUNREACH, f"there is no node {nid}: only this one, which is 0 or {THIS_NODE}")


def _proc(pid: int) -> None:
    if pid not in (0, PROC_PID):
        raise _failed(errno.ESRCH, f"process {pid} is no process manager; PROC_PID ({PROC_PID}) or 0 is")


def _of(sender: int) -> int:
    """In place of a message's id: the message of that sender (srr.h, SRR_SENDER)."""
    return 1 << 63 | sender & 0xFFFFFFFF


def _table(parts: Parts) -> Parts:
    if len(parts) > MAX_MX_TAB:
        raise _failed(errno.EINVAL, f"{len(parts)} parts: a table has at most {MAX_MX_TAB}; join some of them")
    return list(parts)


# ---- <sys/kernel.h>


@overload
def Send(pid: int, smsg: Buffer | None = None, rmsg: Buffer | None = None) -> int: ...
@overload
def Send(pid: int, smsg: Buffer | None, rmsg: int) -> bytes: ...
def Send(pid: int, smsg: Buffer | None = None, rmsg: Buffer | int | None = None) -> int | bytes:
    """Send, and block until ``pid`` replies. ``rmsg``: a buffer for the reply: 0 is returned; or its most bytes: the
    reply is returned. To a proxy's id: trigger it.

    ESRCH, EINTR, EDSTFAULT, EFAULT, EDEADLK, EACCES, EPERM, EHOSTUNREACH, EPROTO, EAGAIN; what the server has answered.
    """
    message = () if smsg is None else smsg
    if isinstance(rmsg, int):
        return _native.send(pid, message, rmsg, None)[0]
    _native.send_into(pid, message, () if rmsg is None else rmsg, None)
    return 0


def Sendmx(pid: int, smsg: Parts = (), rmsg: Parts = ()) -> int:
    """Send in parts. Returns 0. Fails as Send; EINVAL: more than 255 parts."""
    _native.send_into(pid, _table(smsg), _table(rmsg), None)
    return 0


@overload
def Receive(pid: int = 0, msg: Buffer | None = None) -> int: ...
@overload
def Receive(pid: int, msg: int) -> tuple[int, bytes]: ...
def Receive(pid: int = 0, msg: Buffer | int | None = None) -> int | tuple[int, bytes]:
    """Block until there is a message, from ``pid`` or, if it is 0, from anybody. Returns the sender's pid, or a proxy's
    id, or whom a system message is about. ``msg``: a buffer for it, or its most bytes: (pid, data) is returned.

    ESRCH: pid does not exist, or dies; EINTR: a signal handler ran.
    """
    return _receive(pid, msg, None)


def Receivemx(pid: int, msg: Parts) -> int:
    """Receive in parts."""
    return _into(_native.receive_into(pid, None, _table(msg)))


@overload
def Creceive(pid: int = 0, msg: Buffer | None = None) -> int: ...
@overload
def Creceive(pid: int, msg: int) -> tuple[int, bytes]: ...
def Creceive(pid: int = 0, msg: Buffer | int | None = None) -> int | tuple[int, bytes]:
    """Receive, but never blocking: ENOMSG if no message waits."""
    return _receive(pid, msg, 0)


def Creceivemx(pid: int, msg: Parts) -> int:
    """Creceive in parts."""
    return _into(_native.receive_into(pid, 0, _table(msg)))


def _receive(pid: int, msg: Buffer | int | None, timeout: float | None) -> int | tuple[int, bytes]:
    if isinstance(msg, int):
        got = _native.receive(pid, timeout, msg)
        if got is None:
            raise _nothing()
        return got[0][3], got[1]
    return _into(_native.receive_into(pid, timeout, () if msg is None else msg))


def _into(got: tuple[_native.Taken, int] | None) -> int:
    if got is None:
        raise _nothing()
    return got[0][3]


def _nothing() -> OSError:
    return _failed(errno.ENOMSG, "no message waits")


def Reply(pid: int, msg: Buffer | None = None) -> int:
    """End the Send of ``pid``, whose message we have received. Returns 0.

    ESRCH: it is not REPLY-blocked on us (harmless); EDSTFAULT, EPERM: its memory cannot be reached, its Send fails.
    """
    _native.reply(_of(pid), () if msg is None else msg)
    return 0


def Replymx(pid: int, msg: Parts = ()) -> int:
    """Reply in parts."""
    _native.reply(_of(pid), _table(msg))
    return 0


@overload
def Readmsg(pid: int, offset: int, msg: int) -> bytes: ...
@overload
def Readmsg(pid: int, offset: int, msg: Buffer) -> int: ...
def Readmsg(pid: int, offset: int, msg: Buffer | int) -> int | bytes:
    """Read the message of ``pid``, which is REPLY-blocked on us, from ``offset`` of it on. Into a buffer: returns how
    many bytes were read; a size: returns the bytes, fewer at the message's end. Fails as Reply."""
    if isinstance(msg, int):
        return _native.read(_of(pid), offset, msg)
    return _native.read_into(_of(pid), offset, msg)


def Readmsgmx(pid: int, offset: int, msg: Parts) -> int:
    """Readmsg in parts."""
    return _native.read_into(_of(pid), offset, _table(msg))


def Writemsg(pid: int, offset: int, msg: Buffer) -> int:
    """Write into the reply buffer of ``pid`` at ``offset``; it stays blocked. Returns how many bytes fitted. Fails as
    Reply."""
    return _native.write(_of(pid), offset, msg)


def Writemsgmx(pid: int, offset: int, msg: Parts) -> int:
    """Writemsg in parts."""
    return _native.write(_of(pid), offset, _table(msg))


def Relay(source: int, target: int) -> int:
    """Hand ``source``, which is REPLY-blocked on us, over to ``target``. Returns 0. ESRCH: either is not there."""
    _native.relay(_of(source), target)
    return 0


def Trigger(proxy: int) -> int:
    """Deliver a proxy's message. Returns its owner's pid. ESRCH: there is no such proxy; EACCES: another user's."""
    return _native.trigger(proxy)


def Yield() -> None:
    """Let other processes of the same priority run."""
    os.sched_yield()


# ---- <sys/proxy.h>


def qnx_proxy_attach(pid: int = 0, data: Buffer | None = None, priority: int = -1) -> int:
    """A new proxy that delivers ``data`` (100 bytes at most) to ``pid`` (0: to us). Returns its id.

    EINVAL: more data, or no such priority; ESRCH: no such process; EACCES: another user's; EAGAIN: it has not used the
    library yet, or there are 256 proxies.
    """
    content = b"" if data is None else memoryview(data).cast("B")
    if len(content) > _QNX_PROXY_SIZE_MAX:
        raise _failed(errno.EINVAL, f"a proxy delivers at most {_QNX_PROXY_SIZE_MAX} bytes, not {len(content)}")
    return _native.proxy_attach(pid, content, priority)


def qnx_proxy_detach(proxy: int) -> int:
    """Returns 0. ESRCH: there is no such proxy; EPERM: it is neither attached to us nor by us."""
    _native.proxy_detach(proxy)
    return 0


def qnx_proxy_rem_attach(nid: int, proxy: int) -> int:
    """What triggers ``proxy`` from node ``nid``: for the own node, the only one, itself. ESRCH, EHOSTUNREACH."""
    _here(nid)
    return _native.proxy_look(proxy)[0]


def qnx_proxy_rem_detach(nid: int, vproxy: int) -> int:
    """Looks it up, and detaches nothing. Returns 0. Fails as qnx_proxy_rem_attach."""
    qnx_proxy_rem_attach(nid, vproxy)
    return 0


# ---- <sys/name.h>


def qnx_name_attach(nid: int, name: str) -> int:
    """Give us a name (32 bytes at most). Returns its number. EBUSY: somebody has it; EINVAL; EHOSTUNREACH."""
    _here(nid)
    encoded = os.fsencode(name)
    if not 0 < len(encoded) <= _NAME_MAX:
        raise _failed(errno.EINVAL, f"a name has 1 to {_NAME_MAX} bytes: {name!r}")
    return _native.name_attach(encoded)


def qnx_name_detach(nid: int, name_id: int) -> int:
    """Returns 0. EINVAL: that is no name of ours; EHOSTUNREACH."""
    _here(nid)
    for number, _, name in _native.name_list(os.getpid()):
        if number == name_id:
            _native.name_detach(name)
            return 0
    raise _failed(errno.EINVAL, f"this process has no name with the number {name_id}")


def qnx_name_locate(nid: int, name: str, size: int = 0) -> int:
    """The pid of the process that has the name. ``size`` does not matter. There is one copy of each name.

    ESRCH: nobody has it; EHOSTUNREACH.
    """
    _here(nid)
    try:
        return _native.name_locate(os.fsencode(name), 0)
    except OSError as failure:
        if failure.errno in (errno.EINVAL, errno.ENAMETOOLONG):  # names that nobody can have
            raise ProcessLookupError(errno.ESRCH, f"nobody has the name {name!r}") from None
        raise


def qnx_name_query(proc_pid: int, name_id: int) -> tuple[int, _nameinfo]:
    """The name with that number or the next higher one: (number, what is known). EINVAL: there are no more; ESRCH."""
    _proc(proc_pid)
    found = min((row for row in _native.name_list(0) if row[0] >= name_id), default=None)
    if found is None:
        raise _failed(errno.EINVAL, "there are no more names")
    return found[0], _nameinfo(THIS_NODE, found[1], os.fsdecode(found[2]))


# ---- <sys/vc.h>, <unistd.h>


def qnx_vc_attach(nid: int, pid: int, length: int = 0, flags: int = 0) -> int:
    """What stands for process ``pid`` of node ``nid``: for the own node, the only one, itself.

    ESRCH: there is no such process; EINVAL; EHOSTUNREACH.
    """
    _here(nid)
    if pid <= 0 or flags & ~(_VC_AT_SHARE | _VC_AT_REM_ZOMBIE):
        raise _failed(errno.EINVAL, f"no process number: {pid}, or no such flags: {flags:#x}")
    return _existing(pid)


def qnx_vc_detach(vid: int) -> int:
    """Returns 0. EINVAL: it is not positive; ESRCH: there is no process with that number."""
    if vid <= 0:
        raise _failed(errno.EINVAL, f"no process number: {vid}")
    _existing(vid)
    return 0


def qnx_vc_name_attach(nid: int, length: int, name: str) -> int:
    """qnx_name_locate. EINVAL: the name is empty, or longer than 32 bytes."""
    _here(nid)
    if not 0 < len(os.fsencode(name)) <= _VC_MAX_NAME_LEN:
        raise _failed(errno.EINVAL, f"a name has 1 to {_VC_MAX_NAME_LEN} bytes: {name!r}")
    return qnx_name_locate(nid, name)


def _existing(pid: int) -> int:
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass
    return pid


def getnid() -> int:
    """This node's number."""
    return THIS_NODE


# ---- <sys/psinfo.h>, <sys/sched.h>


def qnx_pflags(bits: int, mask: int) -> tuple[int, int]:
    """Change our flags: new = (old & ~mask) | (bits & mask). Returns (old, new); mask 0 only asks.

    EINVAL: mask names a flag that is shown only; ENOSYS: _PPF_INFORM (poll what ``os.pidfd_open`` gives).
    """
    if mask & ~psinfo.PPF_CHANGEABLE:
        raise _failed(errno.EINVAL, f"these flags are shown only: {mask & ~psinfo.PPF_CHANGEABLE:#x}")
    if bits & mask & _PPF_INFORM:
        raise _failed(errno.ENOSYS, "no DEATH messages in Python; poll what os.pidfd_open(pid) gives")
    old, new = _native.flags(bits & mask, mask)
    return old | psinfo.PPF_ALWAYS, new | psinfo.PPF_ALWAYS


def qnx_psinfo(proc_pid: int, pid: int) -> _psinfo:
    """Process, or proxy, ``pid`` (0: us) or the one with the next higher number: compare ``.pid``.

    EINVAL: there is none; ESRCH: proc_pid is not the process manager.
    """
    _proc(proc_pid)
    found = None if pid < 0 else psinfo.at_or_after(pid or os.getpid())
    if found is None:
        raise _failed(errno.EINVAL, f"there is no process {pid}, and none behind it")
    return found


def getprio(pid: int = 0) -> int:
    """1 (lowest) to 29; 0: ours. ESRCH, EINVAL."""
    return _native.priority(_number(pid))


def setprio(pid: int, prio: int) -> int:
    """Returns the priority before. EINVAL: not 1 to 29; EPERM: the kernel does not let us; ESRCH."""
    return _native.set_priority(_number(pid), prio)


def _number(pid: int) -> int:
    if pid < 0:
        raise _failed(errno.EINVAL, f"no process number: {pid}")
    return pid


def _begin() -> None:
    try:
        _native.flags(0, 0)
    except (OSError, MemoryError):
        pass  # no descriptors or memory: the first call will say so


_begin()
os.register_at_fork(after_in_child=_begin)
