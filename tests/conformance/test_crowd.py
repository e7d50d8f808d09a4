"""A thousand processes and one server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from drive import Company, Partner, guarantee, works

from srr.facts import facts


def crowd(server: Partner, count: int, batch: int, how: str) -> int:
    script = str(Path(__file__).with_name("crowd.py"))
    command = [sys.executable, script, str(server.pid), str(count), str(batch), how]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


@guarantee("A", "B")
@pytest.mark.timeout(180)
def test_a_thousand_processes_at_once(company: Company) -> None:
    server, client = company.start_many(2)
    serving = server.order("serve", count=3000)
    assert crowd(server, 1000, 1000, "together") == 1000
    serving.result()
    assert works(server, client)


@guarantee("A", "B", "D")
@pytest.mark.timeout(300)
@pytest.mark.may_heal  # the crowd's deaths
def test_more_processes_one_after_the_other_than_a_port_has_entries(company: Company) -> None:
    """The dead are buried in time, and take neither memory nor descriptors along."""
    count = facts().entries + 500
    server, client = company.start_many(2)
    serving = server.order("serve", count=3 * 200)
    assert crowd(server, 200, 8, "apart") == 200
    serving.result()
    before = server.figures()
    serving = server.order("serve", count=3 * count)
    assert crowd(server, count, 8, "apart") == count
    serving.result()
    assert works(server, client)
    after = server.figures()
    print(before, after)
    assert after.descriptors <= before.descriptors
    assert after.mappings < before.mappings + 2 * facts().entries
