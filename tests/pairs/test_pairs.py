"""Two users, introduced by srr-helper: Send, Receive and Reply as between processes of one."""

from __future__ import annotations

from drive import exchange
from town import Town


def test_there_and_back(town: Town) -> None:
    server = town.server(1001)
    client = town.start(1002)
    sending = client.order("send", to="plc@1001", message=b"hello")
    got = server.do("receive", timeout=5.0)
    assert (got.data, got.pid, got.tid, got.uid, got.gid) == (b"hello", client.pid, client.pid, 1002, 1002)
    server.do("reply", data=b"olleh")
    assert sending.result() == b"olleh"
    for nbytes in (0, 1, 4096, 65536):
        exchange(server, client, bytes(nbytes))
