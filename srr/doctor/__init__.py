"""What works on this machine, for this user, between two processes: the checks behind `srr doctor`."""

from __future__ import annotations

from dataclasses import dataclass

OK, NO, LATER = "ok", "no", "later"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``fix`` says what to do about a "no", and what a "later" is good for."""

    name: str
    #: "ok", "no", or "later": only parts of srr that are to come need it.
    verdict: str
    seen: str
    fix: str = ""


def check(name: str, works: bool, seen: str, fix: str = "") -> Check:
    """A plain yes or no; the fix counts only for a no."""
    return Check(name, OK if works else NO, seen, "" if works else fix)
