"""Exceptions: one class for each thing a caller can do about it, each also the OSError it is.

Every failure says who caused it, what happened, what to do, and whether the request had been received.
"""

from __future__ import annotations

import errno as _errno
import os

from srr import _native


class Failure(OSError):
    """A Send, Receive or Reply that failed. Also an instance of OSError's own subclass for its errno.

    ``verb``       the call: ``"send"``, ``"receive"``, ``"reply"``, ``"read"``, ``"write"``, ``"name"`` ...
    ``pid``        the other process (0: none in particular)
    ``received``   True when the other side had taken the request: it is in doubt whether it acted on it
    ``by_server``  True when the failure is the server's own answer (``message.error``)
    """

    verb: str = ""
    pid: int = 0
    received: bool = False
    by_server: bool = False

    @property
    def safe_to_repeat(self) -> bool:
        """The request was never received, so sending it again cannot do anything twice."""
        return not self.received


class ServerDied(Failure, ProcessLookupError):
    """The process, or proxy, does not exist, died, or became another program. Locate its successor."""


class TimedOut(Failure, TimeoutError):
    """The time ran out. The other side may only be slow: ``srr ps`` shows what it waits for."""


class Interrupted(Failure, InterruptedError):
    """A signal handler ran during a blocked call (QNX4's EINTR). Call again if that is what you want."""


class Refused(Failure, PermissionError):
    """The kernel does not let the two processes at each other. ``srr doctor`` says why and how to mend it."""


class WouldDeadlock(Failure):
    """A process sent to itself. Nobody would be left to receive."""


class SenderGone(Failure, ProcessLookupError):
    """The sender died, gave up waiting, or has its reply already, or there never was one (a proxy's message).

    The server may drop the message.
    """


class Truncated(Failure):
    """The reply was longer than the room for it: EMSGSIZE.

    ``reply`` is what fitted (``send`` only), ``length`` what the server wanted to say. The request was
    received and answered; give more ``room``, or pass ``truncate=True`` to take the beginning.
    """

    reply: bytes = b""
    length: int = 0


class NameInUse(Failure):
    """A living process of this user holds the name: EBUSY."""


class HelperMissing(Failure):
    """Other users can only be reached by srr-helper, and it does not run here: ENOSYS. ``srr doctor`` says more."""


_SENDING = {
    _errno.ESRCH: (ServerDied, "there is no such process, or it died"),
    _errno.ETIMEDOUT: (TimedOut, "the time ran out"),
    _errno.EINTR: (Interrupted, "a signal handler ran"),
    _errno.EDEADLK: (WouldDeadlock, "a process can not send to itself; send to another one"),
    _errno.EACCES: (
        Refused,
        "it belongs to another user, or the kernel hides one from the other, and nothing introduces the two: run "
        "srr-helper, or ask its owner to share a name that admits you (`srr doctor PID` says which)",
    ),
    _errno.EPERM: (
        Refused,
        "it may not reach this process's memory, and its SRR_LANE forbids other lanes; run `srr doctor PID`",
    ),
    _errno.ETIME: (
        TimedOut,
        "this process did not move its bytes while the receiver waited for them (SRR_STALL_MS, 1 s): "
        "it was stopped, or starved",
    ),
    _errno.EFAULT: (Failure, "a buffer of this process is not in its memory"),
    _native.EDSTFAULT: (Failure, "the receiver's buffer is not in its memory; mend the receiver"),
    _errno.EHOSTUNREACH: (Failure, "it lives in another pid namespace (container)"),
    _errno.EPROTO: (Failure, "it uses another version of srr; restart the older of the two"),
    _errno.EAGAIN: (
        Failure,
        "too many threads of this process are sending, or this user has too many pairs; let some of them finish",
    ),
    _errno.EMSGSIZE: (Failure, "the message or the room is larger than srr can carry"),
}

_RECEIVING = {
    _errno.ESRCH: (ServerDied, "that sender does not exist, or it died"),
    _errno.ETIMEDOUT: (TimedOut, "no message came in time"),
    _errno.EINTR: (Interrupted, "a signal handler ran"),
    _errno.EFAULT: (Failure, "the receive buffer is not in this process's memory"),
}

_ANSWERING = {
    _errno.ESRCH: (SenderGone, "the sender is not blocked on this process any more: it died, gave up or was answered"),
    _errno.EPERM: (Refused, "the kernel does not let this process at the sender's memory; run `srr doctor`"),
    _native.EDSTFAULT: (Failure, "the sender's own buffer is not in its memory; its Send fails with EFAULT"),
}

_NO_PROXY = (ServerDied, "there is no such proxy, or it went with its owner or with the process that attached it")

_PROXY_ATTACHING = {
    _errno.ESRCH: (ServerDied, "there is no such process to deliver to"),
    _errno.EACCES: (Refused, "it belongs to another user, or the kernel hides one from the other"),
    _errno.EAGAIN: (
        Failure,
        "it has not used srr yet (let it receive once), it has 256 proxies, this process attached 256, or no thread "
        "could be started; detach some",
    ),
    _errno.EINVAL: (Failure, "a priority is 1 (lowest) to 29, or None: this thread's"),
}

_PROXY_DETACHING = {
    _errno.ESRCH: _NO_PROXY,
    _errno.EPERM: (Refused, "it is neither attached to this process nor by it; only these two may detach a proxy"),
}

_TRIGGERING = {
    _errno.ESRCH: _NO_PROXY,
    _errno.EACCES: (Refused, "it belongs to another user, or the kernel hides one from the other"),
}

_RANKING = {
    _errno.ESRCH: (ServerDied, "there is no such process or thread"),
    _errno.EPERM: (Refused, "the kernel does not let this process; raise RLIMIT_NICE or RLIMIT_RTPRIO"),
    _errno.EINVAL: (Failure, "a priority is 1 (lowest) to 29"),
}

_NAMING = {
    _errno.EBUSY: (NameInUse, "a living process holds this name; `srr names` shows which"),
    _errno.ESRCH: (ServerDied, "nobody holds this name; `srr names` lists those that are held"),
    _errno.ETIMEDOUT: (TimedOut, "nobody attached this name in time; `srr names` lists those that are held"),
    _errno.EACCES: (Refused, "the folder of names is not this user's alone; set SRR_RUNTIME_DIR to one that is"),
    _errno.ENAMETOOLONG: (Failure, f"a name has at most {_native.NAME_MAX} bytes"),
    _errno.EINVAL: (Failure, "a name has at least one byte, and none of them is 0"),
    _errno.EINTR: (Interrupted, "a signal handler ran"),
}

_NO_HELPER = (HelperMissing, "srr-helper does not run here; start it, or set SRR_HELPER to its socket")
_NAMING[_errno.ENOSYS] = _NO_HELPER

_SHARING = {
    **_NAMING,
    _errno.EPERM: (Refused, "the group is none of this process's; name one that `id` shows"),
    _errno.EAGAIN: (Failure, "this user shares too many names; detach some"),
    _errno.EINVAL: (Failure, "a name has at least one byte, none of them is 0, and its mode is 0o666 at most"),
}

_VERBS: dict[str, dict[int, tuple[type[Failure], str]]] = {
    "send": _SENDING,
    "receive": _RECEIVING,
    "reply": _ANSWERING,
    "error": _ANSWERING,
    "read": _ANSWERING,
    "write": _ANSWERING,
    "relay": _ANSWERING,
    "relay to": {
        _errno.ESRCH: (
            ServerDied,
            "there is no such process to hand the sender to; the message is still to be answered",
        )
    },
    "proxy_attach": _PROXY_ATTACHING,
    "proxy_detach": _PROXY_DETACHING,
    "proxy_look": _TRIGGERING,
    "trigger": _TRIGGERING,
    "priority": _RANKING,
    "notify": {_errno.EINVAL: (Failure, "a notice has at most 64 bytes, and is about a process")},
    "name": _NAMING,
    "share": _SHARING,
    "look": {_errno.EACCES: (Refused, "it belongs to another user, or the kernel hides it")},
}

#: The calls whose ``pid`` is a proxy's id.
_OF_PROXIES = frozenset({"proxy_detach", "proxy_look", "trigger"})

_by_errno: dict[int, type[Failure]] = {}


def _class_for(error: int) -> type[Failure]:
    """Failure, joined with the OSError subclass that Python has for this errno."""
    if error not in _by_errno:
        base = type(OSError(error, ""))
        _by_errno[error] = Failure if base is OSError else type(f"{base.__name__}Failure", (Failure, base), {})
    return _by_errno[error]


def failure(verb: str, error: int, pid: int, flags: int) -> Failure:
    """The exception for one failed call. The extension calls this; ``flags`` are ``srr_sent.flags``."""
    received = bool(flags & _native.RECEIVED)
    by_server = bool(flags & _native.BY_SERVER)
    if by_server:
        cls, why = _class_for(error), f"process {pid} answered with an error: {os.strerror(error)}"
    else:
        cls, why = _VERBS.get(verb, {}).get(error, (_class_for(error), os.strerror(error)))
        if verb == "send" and cls is not WouldDeadlock:
            doubt = "after it was received, so it is in doubt" if received else "before it was received: safe to repeat"
            why = f"the Send to process {pid} failed ({doubt}): {why}"
        elif pid:
            whose = "proxy" if verb in _OF_PROXIES else "process"
            why = f"{verb}, {whose} {pid}: {why}"
        elif verb not in ("name", "share"):
            why = f"{verb}: {why}"
    exception = cls(error, why)
    exception.verb = verb
    exception.pid = pid
    exception.received = received
    exception.by_server = by_server
    return exception


_native.raise_with(failure)
