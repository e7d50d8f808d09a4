"""`srr-trace`: one line a transaction."""

from __future__ import annotations

import json

import click

from srr.shown import brief, printable, size
from srr.trace.cli import common
from srr.trace.events import Clock, Transaction, status_name
from srr.trace.programs import Wants

#: Times a second that the ring is read.
_RATE = 20

_HEADING = (
    f"{'CLIENT':>7} {'SERVER':>7} {'SENT':>6} {'REPLY':>6} {'LANE':<7}{'QUEUE':>6} {'SERV':>6} {'WAKE':>6} STATUS"
)


@click.command(short_help="One line a transaction (the default).")
@common.selection
@click.option(
    "--min-latency",
    "min_latency",
    metavar="TIME",
    type=common.Duration(),
    default=0,
    help="Only those that took this long: 10ms, 300us.",
)
@click.option("--failed", is_flag=True, help="Only those that did not get a reply.")
@click.option(
    "--peek", metavar="N", type=click.IntRange(0, 4096), default=0, help="With the first N bytes of each message."
)
@click.option("--count", "-c", "count", metavar="N", type=click.IntRange(min=1), help="Stop after N transactions.")
@click.option("--duration", metavar="TIME", type=common.Duration(), help="Stop after this time.")
@common.timestamps
@common.as_json
@common.listening
def events(
    pids: tuple[int, ...],
    names_: tuple[str, ...],
    min_latency: int,
    failed: bool,
    peek: int,
    count: int | None,
    duration: int | None,
    timestamp: bool,
    as_json: bool,
    ring: int,
    fail_on_loss: bool,
) -> None:
    """One line for each transaction, when it has ended, until Ctrl-C.

    \b
    CLIENT, SERVER  pids
    SENT, REPLY     bytes of the message and of the reply
    LANE            how the message travelled: inline, direct; -: it is empty
    QUEUE           how long it was SEND-blocked (nobody received)
    SERV            how long it was REPLY-blocked (the server worked)
    WAKE            from the server's Reply until the client went on
    STATUS          ok, or the errno that Send returned

    Times are in us, or as 1.2ms, 3.4s; "-" where it is not known: the client left before there was a reply.

    \b
    Examples:
      srr-trace -T                          with the time of day
      srr-trace --min-latency 5ms           the slow ones
      srr-trace --name plc --failed         what went wrong at one server
      srr-trace --peek 16 -c 10             ten, with the head of the message
      srr-trace --json --fail-on-loss | jq .service_ns

    Exit status: 0; 1 it could not listen; 2 usage; 3 with --fail-on-loss, if anything was not seen.
    """
    wants = Wants(transactions=True, min_latency_ns=min_latency, failed_only=failed, peek=peek, ring_bytes=ring)
    seen = 0
    with common.feed(wants, common.chosen_pids(pids, names_), fail_on_loss=fail_on_loss) as feed:
        if not as_json:
            click.echo(("TIME            " if timestamp else "") + _HEADING)
        source = common.source()
        deadline = None if duration is None else source.now_ns() + duration
        going = True
        while going:
            going = source.pace(1 / _RATE) and (deadline is None or source.now_ns() < deadline)
            for event in feed.drain() if going else feed.finish():
                if not isinstance(event, Transaction) or seen == count:
                    continue
                seen += 1
                click.echo(json.dumps(event.json(feed.clock)) if as_json else line(event, feed.clock, timestamp))
            going = going and seen != count
        losses = feed.losses()
        if as_json:
            click.echo(json.dumps({"schema": 1, "transactions": seen, "lost": losses.json()}))
        common.told(losses)


def line(event: Transaction, clock: Clock, timestamp: bool = False) -> str:
    """At most 79 characters, but for the time of day and what was peeked at."""
    text = (
        f"{event.client:>7} {event.server:>7} {size(event.sent):>6} {size(event.replied):>6} {event.lane!s:<7}"
        f"{brief(event.queue_ns):>6} {brief(event.service_ns):>6} {brief(event.wakeup_ns):>6}"
        f" {status_name(event.status)}"
    )
    if event.legs > 1:
        text += f" (relayed {event.legs - 1}x)"
    if event.peek is not None:
        text += "  " + printable(event.peek.decode("latin-1"))
    return (clock.text(event.ended_ns) + " " if timestamp else "") + text
