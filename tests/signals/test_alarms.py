"""Alarms at random moments: before the call, on its way into the wait, in it. None is lost."""

from __future__ import annotations

import pytest
from drive import Company, guarantee, works

ROUNDS = 200


@guarantee("A", "B")
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("setting", [{}, {"SRR_SPIN_US": "0"}], ids=["spin", "sleep"])
@pytest.mark.parametrize("verb", ["send", "receive"])
def test_each_alarm_ends_its_call(company: Company, verb: str, setting: dict[str, str], seed: int) -> None:
    """One that rings between the last look and the sleep is found at the end of a slice: 100 ms at most."""
    partner, peer = company.start(**setting), company.start(**setting)
    peer.do("receive", poll=True)
    outcome = partner.do("alarms", rounds=ROUNDS, verb=verb, to=peer.pid, seed=seed)
    print(f"longest delay of {ROUNDS}: {outcome.worst * 1000:.1f} ms")
    assert outcome.ended == ROUNDS
    assert outcome.worst < 1.0
    assert peer.do("receive", poll=True) is None
    assert works(peer, partner)


@guarantee("B", "C")
def test_alarms_while_replies_come(company: Company) -> None:
    """The answer and the alarm race; whichever wins, the next transaction is undisturbed."""
    partner, peer = company.start_many(2)
    partner.do("load", path=__file__.replace("test_alarms.py", "racing_orders.py"))
    peer.do("load", path=__file__.replace("test_alarms.py", "racing_orders.py"))
    peer.order("serve_whoever_stays", thread="serves")
    outcome = partner.do("race_alarms", rounds=3000, to=peer.pid, seed=7)
    print(outcome)
    assert outcome.wrong == 0
    assert outcome.answered + outcome.interrupted == 3000
    assert outcome.answered > 0
    assert outcome.interrupted > 0
