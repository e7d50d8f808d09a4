"""The ways in which two partners may be connected: the same suite runs over each."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Way:
    """How bytes travel, and what partners need to be told for it."""

    name: str
    #: The lane of short messages, and of long ones.
    short: str = "inline"
    long: str = "direct"
    environment: dict[str, str] = field(default_factory=dict)


WAYS = {
    way.name: way
    for way in (
        Way("direct"),
        Way("window", short="window", long="window", environment={"SRR_LANE": "window"}),
    )
}
DEFAULT = WAYS["direct"]
