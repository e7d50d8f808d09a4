"""How times, sizes and other people's text are shown: the same in tables, screens and files."""

from __future__ import annotations


def printable(text: str) -> str:
    """Names and programs are other people's bytes: nothing in them may steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def span(seconds: float) -> str:
    """A time in at most 7 characters: `12 us`, `345 ms`, `6.7 s`, `8m09s`, `1h02m`, `3d04h`."""
    for limit, factor, unit in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.0f} {unit}"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


def brief(ns: int | None) -> str:
    """In at most 6 characters: `0.3`, `12.7`, `345` (us), `1.2ms`, `34ms`, `1.2s`, `123s`, `-`."""
    if ns is None:
        return "-"
    if ns < 100_000:
        return f"{ns / 1e3:.1f}"
    if ns < 1_000_000:
        return f"{ns / 1e3:.0f}"
    value, unit = (ns / 1e6, "ms") if ns < 10**9 else (ns / 1e9, "s")
    return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"


def size(nbytes: int) -> str:
    """In at most 6 characters: `0`, `65536`, `123K`, `1.5M`, `2.0G`."""
    if nbytes < 100_000:
        return str(nbytes)
    value = float(nbytes)
    for unit in "KMGT":
        value /= 1024
        if value < 1000:
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return f"{value:.0f}T"
