"""Memory, descriptors and mappings return to where they were, however many messages went through."""

from __future__ import annotations

import os

import pytest
from drive import Company, guarantee

#: SRR_MESSAGES=1000000 for the long run.
MESSAGES = int(os.environ.get("SRR_MESSAGES", "100000"))


@guarantee("D")
@pytest.mark.timeout(60 + MESSAGES // 1000)
@pytest.mark.parametrize("nbytes", [64, 5000])
def test_after_many_messages(company: Company, nbytes: int) -> None:
    server, client = company.start_many(2)

    def run(count: int) -> None:
        serving = server.order("serve", count=count)
        client.do("repeat", to=server.pid, count=count, nbytes=nbytes)
        serving.result()

    run(2000)
    before = [partner.figures() for partner in (server, client)]
    run(MESSAGES)
    for old, partner in zip(before, (server, client), strict=True):
        new = partner.figures()
        print(old, new)
        assert new.resident - old.resident < 1 << 20
        assert new.descriptors == old.descriptors
        assert new.mappings == old.mappings
        assert new.objects - old.objects < 100


@guarantee("D")
@pytest.mark.parametrize("nbytes", [1 << 20])
def test_after_failures(company: Company, nbytes: int) -> None:
    """What fails gives back what it took: time-outs, errors, refusals."""
    server, client = company.start_many(2)

    def run(count: int) -> None:
        for _ in range(count):
            client.fails("send", to=server.pid, message=bytes(10), timeout=0.001)
            client.fails("send", to=1 << 22, message=bytes(10))
            client.fails("send", to=client.pid, message=bytes(10))
            client.fails("locate", name="nobody", timeout=0.001)
            server.fails("receive", timeout=0.001)
            sending = client.order("send", to=server.pid, message=bytes(10))
            server.do("receive")
            server.do("error", errno=5)
            sending.failure()

    server.do("receive", poll=True)
    run(20)
    before = [partner.figures() for partner in (server, client)]
    run(200)
    for old, partner in zip(before, (server, client), strict=True):
        new = partner.figures()
        print(old, new)
        assert new.resident - old.resident < 1 << 20
        assert new.descriptors == old.descriptors
        assert new.mappings == old.mappings
        assert new.objects - old.objects < 100


@guarantee("D")
def test_one_large_reply_is_not_kept_for_ever(company: Company) -> None:
    server, client = company.start_many(2)
    serving = server.order("serve", count=2)
    client.do("repeat", to=server.pid, count=1, nbytes=64)
    before = client.figures()
    client.do("repeat", to=server.pid, count=1, nbytes=64 << 20)
    serving.result()
    after = client.figures()
    print(before, after)
    assert after.resident - before.resident < 8 << 20


def test_an_idle_process_is_small(company: Company) -> None:
    """What the library adds to a process that has sent and received, beside its code: under 200 KiB."""
    server, client = company.start_many(2)
    for partner in (server, client):
        partner.do("wake")
    before = [partner.figures() for partner in (server, client)]
    serving = server.order("serve", count=1)
    client.do("repeat", to=server.pid, count=1)
    serving.result()
    for old, partner in zip(before, (server, client), strict=True):
        grown = partner.figures().resident - old.resident
        print(f"{grown >> 10} KiB")
        assert grown < 200 << 10
