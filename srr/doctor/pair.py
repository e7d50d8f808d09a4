"""Can this user's processes and one given process talk? What the kernel asks, question by question."""

from __future__ import annotations

import errno
import os
import pwd
from dataclasses import replace

from srr import names, processes
from srr.doctor import NO, OK, Check, check
from srr.doctor.helper import helper
from srr.doctor.proc import pid_namespace, status
from srr.errors import Failure


def pair(pid: int) -> list[Check]:
    """One check for each rule; the first one alone if there is no such process."""
    try:
        theirs = status(pid)
    except ProcessLookupError:
        return [check("process", False, f"there is no process {pid}", "srr ps lists those that use srr")]
    mine = status("self")
    if theirs.get("State", "").startswith(("Z", "X")):
        return [check("process", False, f"process {pid} has ended, its parent has not waited for it", "start it anew")]
    if theirs.get("Tgid") != str(pid):
        fix = f"send to its process: {theirs.get('Tgid')}"
        return [check("process", False, f"{pid} is a thread of process {theirs.get('Tgid')}", fix)]
    if theirs.get("Kthread") == "1":
        return [
            check("process", False, f"{pid} ({processes.program(pid)}) is a thread of the kernel", "pick another one")
        ]
    process = check("process", True, processes.program(pid) or "it has just ended")
    user = _user(pid, mine, theirs)
    themselves = [
        _dumpable(pid, theirs),
        _rights(pid, mine, theirs),
        _descriptors(pid),
        _memory(pid),
        _rows(pid),
    ]
    # Without a helper: only they themselves. Root may look into everybody's rows, and nobody but root into root's.
    if user.verdict == OK and all(check.verdict == OK for check in themselves):
        return [process, user, _namespace(pid), *themselves]
    there = helper()
    if user.verdict == NO:
        admitted = _admitted(pid, int(theirs["Uid"].split()[1])) if there.verdict == OK else []
        if there.verdict == OK:
            user = replace(user, verdict=OK, seen=f"{user.seen}: through srr-helper", fix="")
        return [process, user, replace(there, verdict=OK if there.verdict == OK else NO), *admitted]
    if there.verdict == OK:
        themselves = [_stood_in_for(check) for check in themselves]
    return [process, user, _namespace(pid), *themselves, there]


def _stood_in_for(refused: Check) -> Check:
    """Two processes of one user need no name to be introduced."""
    if refused.verdict == OK:
        return refused
    return replace(refused, verdict=OK, seen=f"{refused.seen}; srr-helper introduces the two instead", fix="")


def _user(pid: int, mine: dict[str, str], theirs: dict[str, str]) -> Check:
    """The kernel compares real, effective and saved ids with ours."""
    uids, gids = ("/".join(sorted(set(theirs[kind].split()[:3]))) for kind in ("Uid", "Gid"))
    same = all(set(mine[kind].split()[:3]) == set(theirs[kind].split()[:3]) for kind in ("Uid", "Gid"))
    return check(
        "user",
        same,
        f"this is user {os.geteuid()}, group {os.getegid()}; process {pid} is {uids}, {gids}",
        "messages between users need srr-helper, or run both as one user and group",
    )


def _admitted(pid: int, owner: int) -> list[Check]:
    """Does one of its names let this process in? Those that it may not even see are not told."""
    seen = [one for one in names.shared() if one.pid == pid]
    open_to_us = [one for one in seen if _may_send(one)]
    if open_to_us:
        return [check("name", True, f"{' '.join(map(str, open_to_us))} lets this user send")]
    try:
        whose = pwd.getpwuid(owner).pw_name
    except KeyError:
        whose = str(owner)
    shown = " ".join(f"{one} ({one.mode:04o})" for one in seen) or "none that this user may see"
    fix = (
        f"let {whose} share one that admits this user, "
        "srr.listen(NAME, mode=0o666) or srr.share(NAME, 0o660, group=GROUP), and send to NAME@" + whose
    )
    return [check("name", False, f"its shared names: {shown}", fix)]


def _may_send(name: names.Shared) -> bool:
    """As srr-helper decides: of group and others the one that fits; root and the owner always may."""
    if os.geteuid() in (0, name.uid):
        return True
    if name.gid in (os.getegid(), *os.getgroups()):
        return bool(name.mode & 0o020)
    return bool(name.mode & 0o002)


def _namespace(pid: int) -> Check:
    mine, theirs = pid_namespace(), pid_namespace(pid)
    if theirs is None:
        return check("pid namespace", False, "the kernel does not tell", "see user, dumpable and capabilities here")
    return check(
        "pid namespace", mine == theirs, f"{theirs}, ours is {mine}", "run both in one container, or both outside"
    )


def _dumpable(pid: int, theirs: dict[str, str]) -> Check:
    """The kernel gives the files of a process that is not dumpable to root (the folder itself it does not)."""
    owner, user = os.stat(f"/proc/{pid}/status").st_uid, int(theirs["Uid"].split()[1])
    if user == 0:
        return check("dumpable", True, "root's processes do not show it; see descriptors")
    return check(
        "dumpable",
        owner == user,
        f"the files in /proc/{pid} belong to user {owner}, the process to {user}",
        "it gained rights at exec, or its program can not be read; let it call prctl(PR_SET_DUMPABLE, 1)",
    )


def _rights(pid: int, mine: dict[str, str], theirs: dict[str, str]) -> Check:
    """Each side must have every capability of the other one, or the kernel refuses the look."""
    i_have, it_has = int(mine["CapEff"], 16), int(theirs["CapEff"], 16)
    i_may, it_may = int(mine["CapPrm"], 16), int(theirs["CapPrm"], 16)
    ptrace = 1 << 19
    i_can = not it_may & ~i_have or i_have & ptrace
    it_can = not i_may & ~it_has or it_has & ptrace
    works = bool(i_can and it_can)
    fewer = f"process {pid} has fewer" if i_can else "this one has fewer"
    found = "neither side has more than the other" if works else fewer
    return check(
        "capabilities",
        works,
        f"{found} (ours {i_have:x}, its {it_has:x})",
        "run both with the same capabilities, best none",
    )


def _descriptors(pid: int) -> Check:
    """The right to look (PTRACE_MODE_READ): all that the inline lane needs."""
    try:
        count = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError as error:
        return check(
            "descriptors", False, f"/proc/{pid}/fd: {error.strerror}", "see user, dumpable and capabilities here"
        )
    return check("descriptors", True, f"/proc/{pid}/fd can be read, {count} open: the inline lane works")


def _memory(pid: int) -> Check:
    """The right to attach (PTRACE_MODE_ATTACH), asked by opening its memory and looking at none of it."""
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        if _yama() == "1":
            return check("memory", True, "while it Sends to us (ptrace_scope=1, PR_SET_PTRACER): the direct lane works")
        return check("memory", True, f"/proc/{pid}/mem: {error.strerror}; long messages go by the window lane")
    return check("memory", True, "it may be read and written: the direct lane works")


def _yama() -> str:
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "0"


def _rows(pid: int) -> Check:
    try:
        process = processes.look(pid)
    except FileNotFoundError:
        return check("rows", True, "it has not used srr: a Send to it waits until it receives")
    except ProcessLookupError:
        return check("rows", False, "it has just ended", "start it anew")
    except Failure as failure:
        newer = "restart the older of the two with the newer srr"
        fix = newer if failure.errno == errno.EPROTO else "see user, dumpable and capabilities here"
        return check("rows", False, str(failure.strerror), fix)
    known = f", as {' '.join(process.names)}" if process.names else ""
    return check("rows", True, f"it uses srr{known}: {process.sent} messages sent, {process.received} received")
