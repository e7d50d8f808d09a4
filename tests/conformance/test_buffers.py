"""What may be a message, a reply, a receive buffer; and what a buffer that is not in memory does."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from drive import Blocked, Company, Partner, exchange, guarantee, srr, works
from wire import PROT_NONE, PROT_READ, Memory, Pattern, shown

# Over users' pairs nothing of it differs, and this very process, which sends in some of them, is no user's partner.
pytestmark = pytest.mark.only_by("direct", "window")


@pytest.fixture
def echo(company: Company) -> Iterator[Partner]:
    """Serves this very process: replies with the message turned around."""
    server = company.start()
    server.order("serve", count=1 << 30)
    yield server
    server.disturbed = True


BYTES = bytes(range(200))


@pytest.mark.parametrize(
    "message",
    [
        BYTES,
        bytearray(BYTES),
        memoryview(BYTES),
        memoryview(BYTES + b"more")[: len(BYTES)],
        memoryview(BYTES).cast("I"),
        np.frombuffer(BYTES, dtype="<u4").reshape(5, 10),
        [BYTES[:50], bytearray(BYTES[50:51]), memoryview(BYTES)[51:]],
        (BYTES[:100], b"", BYTES[100:]),
        [BYTES[i : i + 1] for i in range(200)],
    ],
    ids=["bytes", "bytearray", "view", "slice", "cast", "array", "list", "tuple", "200 parts"],
)
def test_messages(echo: Partner, message: Any) -> None:
    assert srr.connect(echo.pid).send(message, timeout=10.0) == BYTES[::-1]


def test_an_array_travels_both_ways(echo: Partner) -> None:
    sent: Any = np.arange(100_000, dtype=np.float64)
    got: Any = np.empty(800_000, dtype=np.uint8)
    assert srr.connect(echo.pid).send_into(sent, got, timeout=10.0) == sent.nbytes
    assert np.array_equal(got[::-1].copy().view(np.float64), sent)


def test_a_mapped_file_is_a_buffer(echo: Partner) -> None:
    with mmap.mmap(-1, 1 << 20) as memory:
        memory[:] = Pattern(1 << 20).make()
        reply = bytearray(1 << 20)
        assert srr.connect(echo.pid).send_into(memory, reply, timeout=10.0) == 1 << 20
        assert reply[::-1] == memory[:]


def test_a_reply_may_land_in_parts(echo: Partner) -> None:
    parts = [bytearray(3), bytearray(0), bytearray(5), bytearray(1000)]
    assert srr.connect(echo.pid).send_into(b"0123456789", parts, timeout=10.0) == 10
    assert [bytes(part[:7]) for part in parts] == [b"987", b"", b"65432", b"10\0\0\0\0\0"]


def test_255_parts_are_carried_and_256_refused(echo: Partner) -> None:
    connection = srr.connect(echo.pid)
    assert connection.send([b"x"] * 255, timeout=10.0) == b"x" * 255
    for attempt in (
        lambda: connection.send([b"x"] * 256, timeout=10.0),
        lambda: connection.send_into(b"", [bytearray(1) for _ in range(256)], timeout=10.0),
    ):
        with pytest.raises((OSError, ValueError), match="255"):
            attempt()
    assert connection.send(b"ab", timeout=10.0) == b"ba"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(memoryview(BYTES)[::2], id="every second byte"),
        pytest.param(np.zeros((10, 10))[:, 3], id="a column"),
        pytest.param([b"fine", memoryview(BYTES)[::2]], id="in a list"),
    ],
)
def test_what_is_not_contiguous_is_refused_clearly(echo: Partner, message: Any) -> None:
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        srr.connect(echo.pid).send(message, timeout=10.0)


@pytest.mark.parametrize("message", ["text", 5, None, [1, 2], {"a": 1}])
def test_what_is_no_buffer_is_refused(echo: Partner, message: Any) -> None:
    with pytest.raises(TypeError):
        srr.connect(echo.pid).send(message, timeout=10.0)


def test_a_reply_buffer_must_be_writable(echo: Partner) -> None:
    replies: list[Any] = [b"readonly", memoryview(b"readonly"), [bytearray(1), b"readonly"]]
    for reply in replies:
        with pytest.raises((BufferError, TypeError, ValueError)):
            srr.connect(echo.pid).send_into(b"x", reply, timeout=10.0)


def test_buffers_are_released_after_success_and_failure(echo: Partner) -> None:
    """A bytearray can be resized again: the call holds no export of it any more."""
    message, reply = bytearray(b"abc"), bytearray(100)
    srr.connect(echo.pid).send_into(message, reply, timeout=10.0)
    with pytest.raises(srr.ServerDied):
        srr.connect(1 << 22).send_into(message, reply, timeout=10.0)
    with pytest.raises((BufferError, ValueError)):
        srr.connect(echo.pid).send_into([message, memoryview(BYTES)[::2]], reply, timeout=10.0)
    message.extend(b"d" * 10_000)
    reply.extend(b"d" * 10_000)


def test_scatter_and_gather_on_the_server(company: Company) -> None:
    server, client = company.start(), company.start()
    for nbytes in (300, 200_000):
        message = Pattern(nbytes)
        third = nbytes // 3
        sending = client.order("send", to=server.pid, message=[Pattern(nbytes), Pattern(5, 9)])
        got = server.do("receive", into=[third, 0, third, nbytes - 2 * third + 5])
        assert got.data == shown(message.make() + Pattern(5, 9).make())
        server.do("reply", data=[Pattern(third, 1), b"", Pattern(third, 2)])
        assert sending.result() == shown(Pattern(third, 1).make() + Pattern(third, 2).make())


# ---- memory that is not there: the one whose buffer it is gets EFAULT, the other goes on

#: Longer than what goes inline.
BIG = 1 << 20


@pytest.mark.only_by("direct")  # elsewhere it is a fault, as everywhere in C
@guarantee("E")
@pytest.mark.parametrize("bad_from", [0, BIG // 2])
def test_a_message_in_bad_memory_fails_its_sender(company: Company, bad_from: int) -> None:
    server, client, other = company.start_many(3)
    server.do("receive", poll=True)
    sending = client.order("send", to=server.pid, message=Memory(BIG, bad_from, PROT_NONE))
    client.until_blocked(Blocked.SEND)
    behind = other.order("send", to=server.pid, message=b"next")
    other.until_blocked(Blocked.SEND)
    assert server.do("receive").data == b"next"
    assert sending.failure().errno == errno.EFAULT
    server.do("reply", data=b"done")
    assert behind.result() == b"done"
    assert works(server, client)


@pytest.mark.only_by("direct")  # elsewhere it is a fault, as everywhere in C
@guarantee("E")
@pytest.mark.parametrize("protection", [PROT_NONE, PROT_READ])
@pytest.mark.parametrize("bad_from", [0, BIG // 2])
def test_a_reply_buffer_in_bad_memory_fails_its_sender(company: Company, bad_from: int, protection: int) -> None:
    server, client = company.start_many(2)
    sending = client.order("send_into", to=server.pid, message=b"x", reply=Memory(BIG, bad_from, protection))
    server.do("receive")
    failed = server.fails("reply", data=Pattern(BIG))
    assert failed.errno == srr._native.EDSTFAULT
    assert sending.failure().errno == errno.EFAULT
    assert works(server, client)


@pytest.mark.only_by("direct")  # elsewhere it is a fault, as everywhere in C
@guarantee("E")
def test_a_receive_buffer_in_bad_memory_fails_the_receive(company: Company) -> None:
    """The sender gets EDSTFAULT: QNX4 has no way to give a half-taken message back."""
    server, client = company.start_many(2)
    receiving = server.order("receive", into=Memory(BIG, 0, PROT_NONE))
    sending = client.order("send", to=server.pid, message=Pattern(BIG))
    assert receiving.failure().errno == errno.EFAULT
    assert sending.failure().errno == 1012
    assert works(server, client)


@pytest.mark.only_by("direct")  # elsewhere it is a fault, as everywhere in C
@guarantee("E")
def test_a_reply_from_bad_memory_can_be_repeated(company: Company) -> None:
    server, client = company.start_many(2)
    sending = client.order("send", to=server.pid, message=b"x")
    server.do("receive")
    assert server.fails("reply", data=Memory(BIG, 0, PROT_NONE)).errno == errno.EFAULT
    server.do("reply", data=b"from a better one")
    assert sending.result() == b"from a better one"


def test_bad_memory_does_not_matter_where_nothing_is_written(company: Company) -> None:
    """Room that the reply does not need is never touched."""
    server, client = company.start_many(2)
    sending = client.order("send_into", to=server.pid, message=b"x", reply=Memory(BIG, 4096, PROT_NONE))
    server.do("receive")
    server.do("reply", data=b"short")
    assert sending.result().stored == 5
    exchange(server, client)
