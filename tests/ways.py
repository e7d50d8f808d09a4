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
    #: The users whom the partners are in turn, introduced by srr-helper; none: all are ours.
    users: tuple[int, ...] = ()
    #: And how that is started.
    options: tuple[str, ...] = ()


WAYS = {
    way.name: way
    for way in (
        Way("direct"),
        Way("window", short="window", long="window", environment={"SRR_LANE": "window"}),
        Way("users", long="window", users=(1001, 1002)),
        Way(
            "helper",
            short="helper",
            long="helper",
            environment={"SRR_LANE": "helper"},
            users=(1001, 1002),
            options=("--transfer",),
        ),
    )
}
DEFAULT = WAYS["direct"]
