"""Several processes want one name at the same time: one gets it, each time, whoever dies."""

from __future__ import annotations

import pytest
from drive import Company, guarantee, srr


@guarantee("B")
def test_exactly_one_wins(company: Company) -> None:
    partners = company.start_many(4)
    for _ in range(300):
        attaching = {partner: partner.order("attach", name="wanted") for partner in partners}
        winners = []
        for partner, one in attaching.items():
            try:
                one.result()
                winners.append(partner)
            except srr.NameInUse:
                pass
        (winner,) = winners
        assert partners[0].do("locate", name="wanted") == winner.pid
        winner.do("detach", name="wanted")


@guarantee("D")
@pytest.mark.parametrize("reap", [True, False])
def test_exactly_one_inherits_from_the_dead(company: Company, reap: bool) -> None:
    """The name is free at the death at once, and two that bury it do not take it from a third."""
    partners = company.start_many(3)
    for _ in range(15):
        owner = company.start()
        owner.do("attach", name="wanted")
        owner.kill(reap=reap)
        attaching = {partner: partner.order("attach", name="wanted") for partner in partners}
        winners = []
        for partner, one in attaching.items():
            try:
                one.result()
                winners.append(partner)
            except srr.NameInUse:
                pass
        (winner,) = winners
        assert [holder for _, holder in partners[0].do("query")] == [winner.pid]
        winner.do("detach", name="wanted")


@guarantee("D")
def test_killed_while_it_attaches(company: Company) -> None:
    """At some moment of it; the lock and the half-made record of the dead keep nobody from the name."""
    survivor = company.start()
    for round_ in range(15):
        dying = company.start()
        dying.do("query")
        attaching = [dying.order("attach", name=f"n{number}") for number in range(round_ * 3)]
        last = dying.order("attach", name="wanted", tell=True)
        if round_ % 2:
            last.wait_entered()
        dying.kill()
        del attaching
        survivor.do("attach", name="wanted")
        assert survivor.do("query") == [["wanted", survivor.pid]]
        survivor.do("detach", name="wanted")


@guarantee("A")
def test_those_that_wait_hear_of_every_attach(company: Company) -> None:
    owner, *waiting = company.start_many(4)
    for round_ in range(50):
        pending = [one.order("locate", name=f"n{round_}", timeout=30.0) for one in waiting]
        owner.do("attach", name=f"n{round_}")
        assert {one.result() for one in pending} == {owner.pid}
        owner.do("detach", name=f"n{round_}")


def test_threads_of_one_process_want_one_name(company: Company) -> None:
    owner, other = company.start_many(2)
    for round_ in range(30):
        attaching = [owner.order("attach", thread=f"t{number}", name="wanted") for number in range(4)]
        failures = 0
        for one in attaching:
            try:
                one.result()
            except srr.NameInUse:
                failures += 1
        assert failures == 3
        assert other.do("locate", name="wanted") == owner.pid
        owner.do("detach", thread=f"t{round_ % 4}", name="wanted")
