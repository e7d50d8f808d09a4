"""SIGKILLs at random, counted; then the joined histories of all clients and servers are judged (storm.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from drive import guarantee

#: SRR_KILLS=10000 for a long one.
KILLS = int(os.environ.get("SRR_KILLS", "400"))

STORMS = {
    "mixed": [],
    "zombies lie": ["--zombies", "--seed", "2"],
    "one server, many clients": ["--servers", "1", "--clients", "12", "--small", "--seed", "3"],
    "many servers, few clients": ["--servers", "6", "--clients", "2", "--seed", "4"],
    "never spinning": ["--seed", "5"],
}


@guarantee("A", "B", "C", "D", "G")
@pytest.mark.timeout(60 + KILLS // 10)
@pytest.mark.parametrize("storm", STORMS)
def test_storm(storm: str) -> None:
    environment = {**os.environ, **({"SRR_SPIN_US": "0"} if storm == "never spinning" else {})}
    script = str(Path(__file__).with_name("storm.py"))
    command = [sys.executable, script, "--kills", str(KILLS), *STORMS[storm]]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    assert done.returncode == 0
    outcome = json.loads(done.stdout)
    assert outcome["wrong"] == {}
    assert sum(outcome["killed"].values()) == KILLS
    assert outcome["safe"] > 0
    assert outcome["answered"] > KILLS
