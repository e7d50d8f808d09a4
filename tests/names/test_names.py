"""Names: attached, in use, located, waited for, detached, gone with their owner."""

from __future__ import annotations

import errno
import os
import time

import pytest
from drive import Company, exchange, guarantee, srr


def test_attach_locate_detach(company: Company) -> None:
    owner, other = company.start_many(2)
    assert isinstance(other.fails("locate", name="calc"), srr.ServerDied)
    owner.do("attach", name="calc")
    assert other.do("locate", name="calc") == owner.pid
    assert owner.do("locate", name="calc") == owner.pid
    owner.do("detach", name="calc")
    assert isinstance(other.fails("locate", name="calc"), srr.ServerDied)
    other.do("attach", name="calc")
    assert owner.do("locate", name="calc") == other.pid


def test_a_name_in_use(company: Company) -> None:
    """A second attach is refused, its own too: QNX4 knows one owner of a name, once."""
    owner, other = company.start_many(2)
    owner.do("attach", name="calc")
    for partner in (other, owner):
        failure = partner.fails("attach", name="calc")
        assert isinstance(failure, srr.NameInUse)
        assert failure.errno == errno.EBUSY
    assert other.do("locate", name="calc") == owner.pid


def test_only_the_owner_detaches(company: Company) -> None:
    owner, other = company.start_many(2)
    owner.do("attach", name="calc")
    assert isinstance(other.fails("detach", name="calc"), ProcessLookupError)
    owner.do("detach", name="calc")
    assert isinstance(owner.fails("detach", name="calc"), ProcessLookupError)


def test_a_process_may_have_many_names(company: Company) -> None:
    owner, other = company.start_many(2)
    names = [f"name-{number:04}" for number in range(500)]
    for name in names:
        owner.do("attach", name=name)
    other.do("attach", name="another's")
    assert other.do("query", pid=owner.pid) == [[name, owner.pid] for name in names]
    assert len(other.do("query")) == 501
    assert other.do("locate", name="name-0499") == owner.pid
    for name in names[::2]:
        owner.do("detach", name=name)
    assert other.do("query", pid=owner.pid) == [[name, owner.pid] for name in names[1::2]]


@pytest.mark.parametrize(
    "name",
    [
        "/",
        "/global/name",
        "a/b/c",
        "..",
        ".",
        "../../etc/passwd",
        ".hidden",
        ".lock",
        ".rows",
        "with space",
        "new\nline",
        "per%cent",
        "%2F",
        "grüße",
        "日本語",
        "\udcff\udc80",  # bytes that are no UTF-8
        "x" * 64,
        "/" * 64,
        "é" * 32,
        "-",
        "~",
        "*",
    ],
)
def test_odd_names_are_names(company: Company, name: str) -> None:
    owner, other = company.start_many(2)
    owner.do("attach", name=name)
    assert other.do("locate", name=name) == owner.pid
    assert other.do("query") == [[name, owner.pid]]
    assert isinstance(other.fails("attach", name=name), srr.NameInUse)
    owner.do("detach", name=name)
    assert other.do("query") == []


def test_different_names_are_different(company: Company) -> None:
    """None is folded into another: case, escapes, dots."""
    owner = company.start()
    names = ["a", "A", "%61", "a.", ".a", "a/", "/a", "a%", "a b", "a+b", "a%20b", "..", "."]
    for name in names:
        owner.do("attach", name=name)
    assert owner.do("query") == [[name, owner.pid] for name in sorted(names)]


@pytest.mark.parametrize(
    ("name", "number"),
    [("x" * 65, errno.ENAMETOOLONG), ("é" * 33, errno.ENAMETOOLONG), ("", errno.EINVAL), ("a\0b", errno.EINVAL)],
)
@pytest.mark.parametrize("verb", ["attach", "detach", "locate"])
def test_names_that_can_not_be(company: Company, verb: str, name: str, number: int) -> None:
    failure = company.start().fails(verb, name=name)
    assert isinstance(failure, (OSError, ValueError))
    if isinstance(failure, OSError):
        assert failure.errno == number


@guarantee("A")
def test_locate_waits(company: Company) -> None:
    owner, *others = company.start_many(4)
    times = (None, 30.0, 1e9)
    waiting = [one.order("locate", name="late", timeout=time) for one, time in zip(others, times, strict=True)]
    for other in others:
        other.until_asleep()
    owner.do("attach", name="early")
    assert not any(one.answered() for one in waiting)
    owner.do("attach", name="late")
    assert [one.result() for one in waiting] == [owner.pid] * 3


def test_locate_waits_in_vain(company: Company) -> None:
    other = company.start()
    for timeout in (0.001, 0.2):
        began = time.monotonic()
        failure = other.fails("locate", name="never", timeout=timeout)
        assert time.monotonic() - began >= timeout
        assert isinstance(failure, srr.TimedOut)


@guarantee("D")
@pytest.mark.parametrize("how", ["kill", "_exit", "exit", "exec"])
@pytest.mark.parametrize("reap", [True, False])
def test_gone_with_its_owner(company: Company, how: str, reap: bool) -> None:
    owner, other = company.start_many(2)
    owner.do("attach", name="calc")
    if how == "exec":
        owner.disturbed = True
        owner.order("die", how=how, argv=["sleep", "inf"])
        owner.until_runs("sleep")
    else:
        owner.order("die", how=how)
        owner.wait_dead()
        if reap:
            owner.reap()
    assert isinstance(other.fails("locate", name="calc"), srr.ServerDied)
    assert other.do("query") == []
    other.do("attach", name="calc")
    assert other.do("locate", name="calc") == other.pid


@guarantee("D")
def test_the_owners_first_thread_may_be_another(company: Company) -> None:
    """A name belongs to the process, not to the thread that attached it."""
    owner, other = company.start_many(2)
    owner.do("attach", thread="short", name="calc")
    owner.do("leave", thread="short")
    assert other.do("locate", name="calc") == owner.pid
    owner.do("detach", name="calc")


def test_a_reused_pid_is_not_the_owner(company: Company) -> None:
    """The record of a dead owner names its row file, not only its pid: a stranger of that number is nobody."""
    owner, other = company.start_many(2)
    owner.do("attach", name="calc")
    (record,) = [path for path in company.names.iterdir() if not path.name.startswith(".")]
    text = os.readlink(record)
    owner.kill()
    forged = text.replace(str(owner.pid), str(other.pid), 1)
    record.unlink()
    record.symlink_to(forged)
    assert isinstance(other.fails("locate", name="calc"), srr.ServerDied)
    other.do("attach", name="calc")


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "-1:60:1:1", "1:2:3", "999999999999:1:1:1", "/etc/passwd", "1:60:1:1:", "2:60:1:1"],
)
def test_nonsense_in_the_folder_is_nobody(company: Company, text: str) -> None:
    owner, other = company.start_many(2)
    if text:
        (company.names / "calc").symlink_to(text)
    else:
        (company.names / "calc").write_text("a file")
    assert isinstance(other.fails("locate", name="calc"), srr.ServerDied)
    assert other.do("query") == []
    owner.do("attach", name="calc")
    assert other.do("locate", name="calc") == owner.pid


def test_a_port_gives_its_names_up_at_its_end(company: Company, names: os.PathLike[str]) -> None:
    """``with srr.listen(name)`` in this very process."""
    other = company.start()
    before = os.environ.get("SRR_RUNTIME_DIR")
    os.environ["SRR_RUNTIME_DIR"] = str(names)
    try:
        with srr.listen("first") as port:
            port.attach("second")
            assert port.names == ("first", "second")
            assert other.do("query") == [["first", os.getpid()], ["second", os.getpid()]]
        assert other.do("query") == []
    finally:
        if before is None:
            del os.environ["SRR_RUNTIME_DIR"]
        else:
            os.environ["SRR_RUNTIME_DIR"] = before


def test_send_by_name_to_a_leading_slash(company: Company) -> None:
    server, client = company.start_many(2)
    server.do("attach", name="/calc")
    sending = client.order("send", to="/calc", message=b"x")
    server.do("receive")
    server.do("reply", data=b"y")
    assert sending.result() == b"y"
    exchange(server, client)
