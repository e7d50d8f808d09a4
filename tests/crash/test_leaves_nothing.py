"""After a death nothing is left: no mapping in the survivors, no file, no name that looks alive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from drive import Blocked, Company, guarantee, srr, works


def shared_memory() -> set[str]:
    """Everything that has a name and could be shared memory."""
    return set(os.listdir("/dev/shm")) | {path.name for path in Path("/tmp").glob("srr*.shm")}


@guarantee("D")
@pytest.mark.parametrize("reap", [True, False])
def test_survivors_unmap_a_dead_client(company: Company, reap: bool) -> None:
    server, dead, other = company.start_many(3)
    assert works(server, dead)
    assert works(server, other)
    inodes = dead.row_inodes()
    assert inodes & server.mapped_inodes()
    dead.kill(reap=reap)
    assert works(server, other)
    receiving = server.order("receive", timeout=0.5)  # long enough to look round
    receiving.failure()
    assert not inodes & server.mapped_inodes()
    assert not inodes & open_inodes(server.pid)


@guarantee("D")
@pytest.mark.parametrize("reap", [True, False])
def test_survivors_unmap_a_dead_client_that_they_hold(company: Company, reap: bool) -> None:
    server, dead, other = company.start_many(3)
    dead.order("send", to=server.pid, message=b"x")
    server.do("receive")
    inodes = dead.row_inodes()
    dead.kill(reap=reap)
    assert isinstance(server.fails("reply"), srr.SenderGone)
    assert works(server, other)
    server.order("receive", timeout=0.5).failure()
    assert not inodes & server.mapped_inodes()


@guarantee("D")
@pytest.mark.parametrize("reap", [True, False])
def test_survivors_unmap_a_dead_server(company: Company, reap: bool) -> None:
    dead, client, other = company.start_many(3)
    sending = client.order("send", to=dead.pid, message=b"x")
    dead.do("receive")
    client.until_blocked(Blocked.REPLY)
    inodes = dead.row_inodes()
    assert inodes & client.mapped_inodes()
    dead.kill(reap=reap)
    assert isinstance(sending.failure(), srr.ServerDied)
    assert works(other, client)
    assert not inodes & client.mapped_inodes()
    assert not inodes & open_inodes(client.pid)


@guarantee("D")
def test_a_client_forgets_servers_that_died_while_it_did_not_look(company: Company) -> None:
    """It has met many servers and goes on with others: what the dead ones had is not kept for ever."""
    client, other = company.start_many(2)
    assert works(other, client)
    before = len(client.mapped_inodes())
    dead: set[int] = set()
    for _ in range(30):
        server = company.start()
        assert works(server, client)
        dead |= server.row_inodes()
        server.kill()
    for _ in range(3):
        assert works(other, client)
    left = len(dead & client.mapped_inodes())
    print(f"{left} of {len(dead) // 2} dead servers are still mapped ({before} mappings before)")
    assert left <= 1


@guarantee("D")
def test_no_shared_memory_and_no_live_looking_name(company: Company) -> None:
    before = shared_memory()
    server, client, survivor = company.start_many(3)
    for number in range(5):
        server.do("attach", name=f"name {number}")
    client.order("send", to=server.pid, message=bytes(100_000))
    server.do("receive")
    assert shared_memory() == before
    server.kill()
    client.kill()
    assert shared_memory() == before
    assert survivor.do("query") == []
    for number in range(5):
        survivor.do("attach", name=f"name {number}")
    assert [name for name, _ in survivor.do("query")] == [f"name {number}" for number in range(5)]
    survivor.kill()
    left = [path.name for path in company.names.iterdir() if not path.name.startswith(".")]
    print(f"left in the runtime folder, of dead processes: {left}")
    assert company.start().do("query") == []


def open_inodes(pid: int) -> set[int]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(entry.stat().st_ino)
        except FileNotFoundError:
            continue
    return found
