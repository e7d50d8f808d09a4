"""qnx_psinfo() of the C library and of Python tell the same of the same processes."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from drive import Blocked, Company, Partner
from installed import installed

from srr import qnx4

ORDERS = str(Path(__file__).with_name("qnx4_orders.py"))
#: What C keeps in fewer bits.
CUT = {
    **dict.fromkeys(("rgid", "ruid", "egid", "euid"), 0x7FFF),
    **dict.fromkeys(("signal_ignore", "signal_pending", "signal_mask"), 0xFFFFFFFF),
    "sid": 0xFFFF,
}
#: The first test compiles the libraries.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("psinfo") / "psinfo"
    return installed().compile(Path(__file__).with_name("psinfo.c"), made, "srr-qnx4", "-std=gnu89", "-Wall", "-Werror")


def told_in_c(program: Path, numbers: list[int]) -> list[dict[str, int]]:
    done = subprocess.run([program, *map(str, numbers)], capture_output=True, text=True, timeout=50, check=True)
    return [
        {word.partition("=")[0]: int(word.partition("=")[2]) for word in line.split()}
        for line in done.stdout.splitlines()
    ]


def told_in_python(number: int, names: set[str]) -> dict[str, int]:
    info = qnx4.qnx_psinfo(qnx4.PROC_PID, number)
    inner = info.mproc or info.proc
    values: dict[str, int] = {name: getattr(info if hasattr(info, name) else inner, name) for name in names}
    return {name: value & CUT.get(name, -1) for name, value in values.items()}


def partners(company: Company) -> tuple[list[Partner], int]:
    """One in each state, and a proxy that is triggered."""
    server, held, queued, receiving, stopped, dead, nice = company.start_many(7)
    server.do("load", path=ORDERS)
    nice.do("load", path=ORDERS)
    held.order("send", to=server.pid)
    server.do("call", name="Receive", args=[0])
    queued.order("send", to=server.pid)
    queued.until_blocked(Blocked.SEND)
    receiving.do("handle", number=signal.SIGUSR1, how="return")
    receiving.order("receive", sender=held.pid)
    receiving.until_blocked(Blocked.RECEIVE)
    nice.do("call", name="setprio", args=[0, 5])
    nice.do("call", name="qnx_pflags", args=[-1, qnx4._PPF_PRIORITY_REC | qnx4._PPF_SERVER])
    proxy = server.do("call", name="qnx_proxy_attach", args=[0, b"", 12])
    nice.do("call", name="Trigger", args=[proxy])
    stopped.stop()
    dead.kill(reap=False)
    for idle in (server, nice):
        idle.until_asleep()
    return [server, held, queued, receiving, stopped, dead, nice], proxy


def test_they_tell_the_same(company: Company, program: Path) -> None:
    everybody, proxy = partners(company)
    numbers = [*(partner.pid for partner in everybody), proxy]
    in_c = told_in_c(program, numbers)
    assert [told["pid"] for told in in_c] == numbers
    for told in in_c:
        in_python = told_in_python(told["pid"], set(told))
        if told.get("brother") not in numbers:  # it was the program that asks
            told.pop("brother", None)
            in_python.pop("brother", None)
        if "start_time" in told:
            assert abs(in_python.pop("start_time") - told.pop("start_time")) <= 1, (
                "two clocks are read one after another"
            )
        assert in_python == {name: value & CUT.get(name, -1) for name, value in told.items()}
    states = [told["state"] for told in in_c]
    assert states == [4, 4, 2, 3, 5, 0, 4, 2], "REPLY (to the system), REPLY, SEND, RECEIVE, HELD, DEAD, REPLY; SEND"


def test_the_next_one_is_the_same(company: Company, program: Path) -> None:
    server, other = company.start_many(2)
    server.do("load", path=ORDERS)
    proxy = server.do("call", name="qnx_proxy_attach", args=[0])
    other.do("wake")
    ends = sorted([server.pid, other.pid, proxy])
    for number in range(ends[0], ends[-1] + 1):
        try:
            (told,) = told_in_c(program, [number])
        except subprocess.CalledProcessError:
            continue  # nobody is behind it, but the program itself was when it began
        if told["pid"] in ends:
            assert qnx4.qnx_psinfo(0, number).pid == told["pid"]
