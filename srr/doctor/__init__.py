"""What works on this machine, for this user, between two processes: the checks behind `srr doctor`."""

from __future__ import annotations

from dataclasses import dataclass

OK, NO, OFF = "ok", "no", "off"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``fix`` says what to do about a "no", and how to have what is "off"."""

    name: str
    #: "ok", "no", or "off": it is not there, and messages travel without it.
    verdict: str
    seen: str
    fix: str = ""


def check(name: str, works: bool, seen: str, fix: str = "", *, otherwise: str = NO) -> Check:
    """A plain yes or no; the fix counts only for a no. ``otherwise``: OFF where something else stands in."""
    return Check(name, OK if works else otherwise, seen, "" if works else fix)
