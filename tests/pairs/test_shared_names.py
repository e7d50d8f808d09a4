"""Names for others: found as name@user, sent to and listed as their mode and group say; nobody's own is shadowed."""

from __future__ import annotations

import errno

import pytest
from drive import srr
from pairs.town import Town

PLANT = 4711


@pytest.mark.parametrize(
    ("mode", "uid", "groups", "sends", "sees"),
    [
        (0o600, 1002, [], False, False),
        (0o600, 1001, [], True, True),
        (0o660, 1002, [], False, False),
        (0o660, 1002, [PLANT], True, True),
        (0o620, 1002, [PLANT], True, False),
        (0o644, 1002, [], False, True),
        (0o606, 1002, [], True, True),
        (0o606, 1002, [PLANT], False, False),  # as a file's: the group's bits count for its members
    ],
)
def test_mode_and_group(town: Town, mode: int, uid: int, groups: list[int], sends: bool, sees: bool) -> None:
    server = town.start(1001, groups=[PLANT])
    server.do("share", name="plc", mode=mode, group=PLANT)
    client = town.start(uid, groups=groups)
    shared = client.do("shared")
    assert [one[0] for one in shared] == (["plc"] if sees else [])
    receiving = server.order("receive", timeout=10.0 if sends else 1.0)
    sending = client.order("send", to=server.pid, message=b"x", timeout=10.0)
    if sends:
        assert receiving.result().uid == uid
        server.do("reply")
        sending.result()
        assert client.do("locate", name="plc@1001") == server.pid
    else:
        assert sending.failure().errno == errno.EACCES
        assert isinstance(receiving.failure(), srr.TimedOut)


def test_nobody_elses_plain_name_is_found(town: Town) -> None:
    """And the miss says what was perhaps meant."""
    server, client = town.server(1001), town.start(1002)
    failure = client.fails("locate", name="plc")
    assert isinstance(failure, srr.ServerDied)
    assert "plc@1001" in str(failure) or "plc@" in str(failure)
    mine = town.start(1002)
    mine.do("attach", name="plc")
    assert client.do("locate", name="plc") == mine.pid
    assert client.do("locate", name="plc@1001") == server.pid
    mine.do("attach", name="plc@1001")  # one's own of exactly that spelling comes first
    assert client.do("locate", name="plc@1001") == mine.pid


def test_sharing_again_detaching_and_death(town: Town) -> None:
    server, client = town.server(1001, mode=0o600), town.start(1002)
    assert isinstance(client.fails("locate", name="plc@1001"), srr.ServerDied)
    server.do("share", name="plc", mode=0o666)
    assert client.do("locate", name="plc@1001") == server.pid
    assert server.do("locate", name="plc") == server.pid  # its own user's, too
    server.do("detach", name="plc")
    assert isinstance(client.fails("locate", name="plc@1001"), srr.ServerDied)
    server.do("share", name="plc", mode=0o666)
    server.kill()
    assert isinstance(client.fails("locate", name="plc@1001", timeout=0.0), srr.ServerDied)
    second = town.server(1001)
    assert client.do("locate", name="plc@1001") == second.pid


def test_held_by_another_process(town: Town) -> None:
    town.server(1001)
    assert isinstance(town.start(1001).fails("share", name="plc", mode=0o666), srr.NameInUse)


def test_a_foreign_group(town: Town) -> None:
    server = town.start(1001)
    assert isinstance(server.fails("share", name="plc", mode=0o660, group=PLANT), srr.Refused)
    assert isinstance(server.fails("locate", name="plc"), srr.ServerDied)  # nor is it attached


def test_waiting_for_a_name(town: Town) -> None:
    client = town.start(1002)
    waiting = client.order("locate", name="plc@1001", timeout=20.0, tell=True).wait_entered()
    client.until_asleep()
    server = town.server(1001)
    assert waiting.result() == server.pid
    assert isinstance(client.fails("locate", name="nobody@1001", timeout=0.2), srr.TimedOut)
