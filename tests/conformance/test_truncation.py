"""Both sides learn what did not fit; Readmsg and Writemsg reach the rest, at any offset, in every lane."""

from __future__ import annotations

import errno

import pytest
from drive import Company, Partner, srr
from wire import Pattern, shown

#: Inline and direct.
SIZES = [10_000, 200_000]


@pytest.fixture
def pair(company: Company) -> tuple[Partner, Partner]:
    return company.start(), company.start()


@pytest.mark.parametrize("nbytes", SIZES)
def test_the_receiver_learns_the_whole_length_and_reads_the_rest(pair: tuple[Partner, Partner], nbytes: int) -> None:
    server, client = pair
    message = Pattern(nbytes).make()
    sending = client.order("send", to=server.pid, message=Pattern(nbytes))
    got = server.do("receive", into=[100])
    assert (got.nbytes, got.data) == (nbytes, message[:100])
    rest = server.do("read", offset=100)
    assert rest == shown(message[100:])
    server.do("reply")
    assert sending.result() == b""


@pytest.mark.parametrize("nbytes", SIZES)
def test_a_limit_is_a_small_buffer(pair: tuple[Partner, Partner], nbytes: int) -> None:
    server, client = pair
    sending = client.order("send", to=server.pid, message=Pattern(nbytes))
    got = server.do("receive", limit=7)
    assert (got.nbytes, got.data) == (nbytes, Pattern(nbytes).make()[:7])
    server.do("reply")
    sending.result()


@pytest.mark.parametrize("nbytes", SIZES)
def test_read_at_any_offset(pair: tuple[Partner, Partner], nbytes: int) -> None:
    server, client = pair
    message = Pattern(nbytes).make()
    half = nbytes // 2
    parts = [Pattern(half).make(), message[half:]]  # two parts: offsets that cross their border
    sending = client.order("send", to=server.pid, message=parts)
    whole = b"".join(parts)
    server.do("receive", into=[])
    for offset, n in [(0, 1), (0, nbytes), (1, 63), (half - 3, 7), (half, 1), (nbytes - 1, 1), (nbytes - 10, 500)]:
        assert server.do("read", offset=offset, nbytes=n) == shown(whole[offset : offset + n])
    for offset in (nbytes, nbytes + 1, 1 << 40):
        assert server.do("read", offset=offset, nbytes=10) == b""
    got = server.do("read_into", into=[5, 10, nbytes], offset=half - 7)
    assert got.read == nbytes - half + 7
    assert got.parts[0] + got.parts[1] == whole[half - 7 : half + 8]
    server.do("reply")
    sending.result()


@pytest.mark.parametrize("room", SIZES)
def test_write_at_any_offset(pair: tuple[Partner, Partner], room: int) -> None:
    """Writemsg fills the reply buffer, the Reply lands at its beginning; what goes beyond its end is cut.

    The sender is told how far the buffer was filled, by either.
    """
    server, client = pair
    half = room // 2
    sending = client.order("send_into", to=server.pid, message=b"x", reply=[half, room - half])
    assert server.do("receive").room == room
    assert server.do("write", offset=half - 5, data=b"0123456789") == 10
    assert server.do("write", offset=room - 4, data=b"abcdefgh") == 4
    for offset in (room, room + 1, 1 << 40):
        assert server.do("write", offset=offset, data=b"nowhere") == 0
    assert server.do("write", offset=20, data=b"") == 0
    assert server.do("reply", data=b"head") == 4
    answer = sending.result()
    assert answer.stored == room
    expected = bytearray(room)
    expected[:4], expected[half - 5 : half + 5], expected[room - 4 :] = b"head", b"0123456789", b"abcd"
    assert answer.parts == [shown(bytes(expected[:half])), shown(bytes(expected[half:]))]


@pytest.mark.parametrize("nbytes", SIZES)
def test_a_reply_may_be_written_piece_by_piece(pair: tuple[Partner, Partner], nbytes: int) -> None:
    server, client = pair
    whole = Pattern(nbytes).make()
    sending = client.order("send", to=server.pid, message=b"x")
    server.do("receive")
    third = nbytes // 3
    for at in (2 * third, 0, third):
        piece = whole[at : at + third] if at < 2 * third else whole[at:]
        assert server.do("write", offset=at, data=piece) == len(piece)
    server.do("reply")
    assert sending.result() == shown(whole)


@pytest.mark.parametrize("nbytes", SIZES)
def test_room_zero(pair: tuple[Partner, Partner], nbytes: int) -> None:
    server, client = pair
    sending = client.order("send", to=server.pid, message=Pattern(nbytes), room=0)
    assert server.do("receive").room == 0
    assert server.do("write", offset=0, data=b"x") == 0
    assert server.do("reply") == 0
    assert sending.result() == b""


@pytest.mark.parametrize("room", [0, 10, 100_000])
def test_a_reply_that_does_not_fit(pair: tuple[Partner, Partner], room: int) -> None:
    server, client = pair
    reply = Pattern(200_000)
    sending = client.order("send", to=server.pid, message=b"x", room=room)
    server.do("receive")
    assert server.do("reply", data=reply) == room
    failure = sending.failure()
    assert isinstance(failure, srr.Truncated)
    assert (failure.errno, failure.length, failure.received, failure.pid) == (
        errno.EMSGSIZE,
        200_000,
        True,
        server.pid,
    )
    assert failure.reply == shown(reply.make()[:room])

    sending = client.order("send", to=server.pid, message=b"x", room=room, truncate=True)
    server.do("receive")
    server.do("reply", data=reply)
    assert sending.result() == shown(reply.make()[:room])


@pytest.mark.parametrize("room", [0, 10, 100_000])
def test_a_reply_that_does_not_fit_into_a_buffer(pair: tuple[Partner, Partner], room: int) -> None:
    server, client = pair
    sending = client.order("send_into", to=server.pid, message=b"x", reply=[room])
    server.do("receive")
    server.do("reply", data=Pattern(200_000))
    failure = sending.failure()
    assert isinstance(failure, srr.Truncated)
    assert failure.length == 200_000

    sending = client.order("send_into", to=server.pid, message=b"x", reply=[room], truncate=True)
    server.do("receive")
    server.do("reply", data=Pattern(200_000))
    answer = sending.result()
    assert (answer.stored, answer.parts) == (room, [shown(Pattern(200_000).make()[:room])])


@pytest.mark.parametrize("offset", [-1, -(1 << 40)])
def test_offsets_before_the_beginning_are_refused(pair: tuple[Partner, Partner], offset: int) -> None:
    server, client = pair
    sending = client.order("send", to=server.pid, message=b"0123456789")
    server.do("receive")
    assert isinstance(server.fails("read", offset=offset, nbytes=4), (ValueError, OverflowError, OSError))
    assert isinstance(server.fails("write", offset=offset, data=b"x"), (ValueError, OverflowError, OSError))
    server.do("reply", data=b"ok")
    assert sending.result() == b"ok"
