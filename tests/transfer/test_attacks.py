"""
Attacks on the transfer worker, by real processes of real users; and on movers that one would build at first, against
which they succeed. attacks.c makes them, stage.h says what the movers are.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

Stage = Callable[[str, str], str]
EPERM, ESRCH = str(errno.EPERM), str(errno.ESRCH)


def told(said: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in said.split())


@pytest.mark.parametrize("attack", ["exec", "exec_sibling", "reuse_same", "reuse_other", "hidden", "capable", "other"])
def test_what_is_not_the_lenders_is_not_read(stage: Stage, attack: str) -> None:
    """A set-uid program that it execs, another process with its pid, one that the kernel does not let its user into."""
    control = told(stage(attack, "unchecked"))
    assert (control["error"], control["first"]) == ("0", "S"), "the secret is there to be had"
    ours = told(stage(attack, "worker"))
    assert ours["error"] == (ESRCH if attack == "reuse_same" else EPERM)
    assert (ours["moved"], ours["first"]) == ("0", "w")


@pytest.mark.parametrize("attack", ["exec_out", "exec_sibling_out", "reuse_same_out"])
def test_what_is_not_the_lenders_is_not_written(stage: Stage, attack: str) -> None:
    control = told(stage(attack, "unchecked"))
    assert (control["error"], control["there"]) == ("0", "w"), "it can be overwritten"
    ours = told(stage(attack, "worker"))
    assert ours["error"] == (EPERM if "sibling" in attack else ESRCH)
    assert (ours["moved"], ours["there"]) == ("0", "S")


@pytest.mark.parametrize("attack", ["exec_sibling", "exec_sibling_out"])
def test_no_check_afterwards_makes_a_privileged_mover_safe(stage: Stage, attack: str) -> None:
    """
    A sibling (CLONE_VM, CLONE_FILES) keeps the old address space and the lock alive, the pid stays: everything looks
    the same, and the memory is that of root's program.
    """
    checked = told(stage(attack, "ptrace"))
    assert checked["error"] == "0"
    assert checked["there" if "out" in attack else "first"] == ("w" if "out" in attack else "S")
    assert told(stage(attack.replace("_sibling", ""), "ptrace"))["error"] == ESRCH, "without it they do see it"


def test_no_moment_of_an_exec_lets_it_in(stage: Stage) -> None:
    """3000 times: user's program, root's, user's ... while it is read without a pause."""
    control, kernel, ours = (told(stage("race", mover)) for mover in ("unchecked", "same_user", "worker"))
    print(control, kernel, ours)
    assert int(control["secret"]) > 0
    assert (kernel["secret"], ours["secret"]) == ("0", "0")
    assert min(int(kernel["own"]), int(kernel["denied"]), int(ours["reads"])) > 0


def test_root_has_no_worker(stage: Stage) -> None:
    assert told(stage("root", "worker"))["error"] == EPERM


STALLS = [
    "stall_userfault",
    "stall_userfault_out",
    "stall_fuse_async",
    "stall_fuse_async_out",
    "stop",
    "stop_fuse_async",
]


@pytest.mark.parametrize("attack", STALLS)
def test_a_stalled_worker_can_be_killed(stage: Stage, attack: str) -> None:
    """By the broker, which has no privilege: also one that its user stopped, which no timer of its own would end."""
    ours = told(stage(attack, "worker"))
    print(ours)
    assert ours["stalled"] == "1"
    assert ours.get("own_timer_helps", "0") == "0"
    assert 0 <= float(ours["killed_ms"]) < 1000
    assert (ours["after_error"], ours["after_moved"], ours["after_first"]) == ("0", "4096", "m")


@pytest.mark.parametrize("attack", ["stall_fuse", "stall_fuse_out"])
def test_one_that_can_not_be_killed_is_given_up(stage: Stage, attack: str) -> None:
    """A FUSE server without readahead holds who asked it, also against SIGKILL. Another worker is as good."""
    ours = told(stage(attack, "worker"))
    assert (ours["stalled"], float(ours["killed_ms"])) == ("1", -1.0)
    assert (ours["after_error"], ours["after_moved"], ours["after_first"]) == ("0", "4096", "m")


def test_none_is_left_behind(stage: Stage) -> None:
    assert told(stage("orphan_fuse_async", "worker"))["gone"] == "1"


def test_what_its_user_can_do_to_it(stage: Stage) -> None:
    """Stop it, slow it down, kill it, and then there is another one; nothing else that a process of his must bear."""
    said = told(stage("worker", "worker"))
    words = [word.removeprefix("easy_") for word in said if word.startswith("easy_")]
    assert all(said["easy_" + word] == "0" for word in words), "he can do all that to a process like any other"
    assert {word for word in words if said[word] == "0"} == {"stop", "kill", "nice"}
    assert (said["after_error"], said["after_moved"]) == ("0", "4096")


def test_what_they_have(stage: Stage) -> None:
    """The spawner two capabilities, the worker none; neither any group, nor a way to more."""
    status: dict[tuple[str, str], list[str]] = {}
    for line in stage("status", "worker").splitlines():
        if ":" in line:
            who, _, rest = line.partition(" ")
            name, _, value = rest.partition(":")
            status[who, name] = value.split()
    srr = "64123"
    assert status["worker", "Uid"] == status["worker", "Gid"] == ["1001", srr, srr, srr]
    assert status["spawner", "Uid"] == status["spawner", "Gid"] == [srr] * 4
    assert int(status["spawner", "CapPrm"][0], 16) == int(status["spawner", "CapEff"][0], 16) == 1 << 6 | 1 << 7
    for who, name in status:
        if name in ("CapBnd", "CapAmb", "CapInh") or (who == "worker" and name in ("CapPrm", "CapEff")):
            assert int(status[who, name][0], 16) == 0, (who, name)
        if name in ("NoNewPrivs", "Seccomp", "Groups"):
            assert status[who, name] == {"NoNewPrivs": ["1"], "Seccomp": ["2"], "Groups": []}[name], (who, name)


def test_every_other_system_call_kills_it(stage: Stage) -> None:
    said = told(stage("calls", "worker"))
    assert int(said["tried"]) > 300
    assert "survived" not in said


def test_orders_that_can_not_be_right(stage: Stage) -> None:
    said = told(stage("orders", "worker"))
    assert {said[key] for key in said if key.startswith(("order", "no_lender"))} == {str(errno.EINVAL)}
    assert said["after_moved"] == "4096"
