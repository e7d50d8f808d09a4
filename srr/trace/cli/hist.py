"""`srr-trace hist`: how long each step takes, for each client and server."""

from __future__ import annotations

import json

import click

from srr.shown import printable
from srr.trace import latency
from srr.trace.cli import common
from srr.trace.events import SCHEMA
from srr.trace.intervals import looks
from srr.trace.labels import Labels
from srr.trace.programs import Wants
from srr.trace.totals import STEPS, Totals

#: Without --step: those that a Send consists of.
_USUAL = ("queue", "service", "transfer", "wakeup")


@click.command(short_help="Histograms of queue, service, transfer and wake-up time.")
@common.ticks(None)
@common.selection
@click.option("-t", "--by-type", "by_type", is_flag=True, help="For each type of message: its first two bytes.")
@click.option(
    "--step",
    "steps",
    type=click.Choice(STEPS),
    multiple=True,
    help="Only this step (repeatable). Default: all but total.",
)
@click.option("--summary", is_flag=True, help="A line a step, not a drawing.")
@click.option("--top", metavar="N", type=click.IntRange(min=1), help="Only the N pairs that spent most time.")
@common.timestamps
@common.as_json
@click.option("--fail-on-loss", is_flag=True, help=f"Exit with {common.LOST} if anything was not seen.")
def hist(
    interval: float | None,
    count: int | None,
    pids: tuple[int, ...],
    names_: tuple[str, ...],
    by_type: bool,
    steps: tuple[str, ...],
    summary: bool,
    top: int | None,
    timestamp: bool,
    as_json: bool,
    fail_on_loss: bool,
) -> None:
    """How long the steps of a Send take, for each client and server; added up in the kernel, so it costs little.

    Without INTERVAL it prints once, at Ctrl-C. With it, every INTERVAL seconds what is new since, COUNT times.

    \b
    queue     SEND-blocked: until the server received
    service   REPLY-blocked: until the server replied
    transfer  of all this, bytes were moved, by either side
    wakeup    from the server's Reply until the client went on
    total     the whole Send, as the client sees it

    A histogram has a line for each power of two. p50, p99 and max come from finer ones, four to a power of two, and
    are their upper ends: at most a quarter too high. Sends without a reply (the client left, the server died) count
    in transfer and total only.

    \b
    Examples:
      srr-trace hist                          until Ctrl-C
      srr-trace hist 1 10 --name plc          ten times one second, one server
      srr-trace hist -t --step service 5      which type of message is slow
      srr-trace hist --summary --top 5 1      the five busiest pairs, a line a step
      srr-trace hist --json 10 | jq .steps.queue.p99_ns

    Exit status: 0; 1 it could not listen; 2 usage; 3 with --fail-on-loss, if anything was not seen.
    """
    chosen = common.chosen_pids(pids, names_)
    steps = tuple(step for step in STEPS if step in (steps or _USUAL))
    wants = Wants(totals=True, by_type=by_type)
    source = common.source()
    labels, sums = Labels(source.is_live), latency.Sums(by_type)
    seen = 0
    with common.feed(wants, chosen, fail_on_loss=fail_on_loss) as feed:
        if source.is_live and not as_json:
            click.echo("Listening to every Send" + ("" if interval else "; Ctrl-C prints") + ".", err=True)

        def learn() -> None:
            labels.learn(source.survey())

        learn()
        for now in looks(source, feed, interval, count, learn):
            learn()
            new = sums.since(feed.totals())
            seen += sum(t.count for t in new)
            if as_json:
                for t in new[:top]:
                    click.echo(json.dumps(latency.json_of(t, steps, feed.clock.wall(now))))
                continue
            if timestamp:
                click.echo(f"\n{feed.clock.text(now)[:8]}")
            if summary:
                if interval and not timestamp:
                    click.echo()
                _show_summary(new[:top], steps, by_type, labels)
            else:
                for t in new[:top]:
                    _show(t, steps, by_type, labels)
            if top is not None and len(new) > top:
                click.echo(f"{len(new) - top} more")
            elif not new:
                click.echo("no Send ended")
        losses = feed.losses()
        if as_json:
            click.echo(json.dumps({"schema": SCHEMA, "transactions": seen, "lost": losses.json()}))
        common.told(losses)


def _who(pid: int, labels: Labels, room: int) -> str:
    text = printable(labels.of(pid))
    return f"{pid} {text if len(text) <= room else text[: room - 1] + '~'}" if text else str(pid)


def _show(t: Totals, steps: tuple[str, ...], by_type: bool, labels: Labels) -> None:
    kind = f", type {latency.shown_type(t.type)}" if by_type else ""
    click.echo(f"\nclient {_who(t.client, labels, 22)} -> server {_who(t.server, labels, 22)}{kind}")
    facts = [f"{t.count} transactions", f"{t.failed} failed", f"{t.sent} bytes sent", f"{t.replied} replied"]
    if t.untimed:
        facts.append(f"{t.untimed} not timed")
    click.echo("  " + ", ".join(facts))
    for step in steps:
        histogram = t.steps[step]
        click.echo(f"\n  {step}: {latency.figures(histogram)}")
        if histogram.count:
            for line in latency.draw(histogram):
                click.echo(line)


def _show_summary(new: list[Totals], steps: tuple[str, ...], by_type: bool, labels: Labels) -> None:
    width, kind = (17, f" {'TYPE':<6}") if by_type else (20, "")
    found = " ".join(f"{name.upper():>6}" for name, _ in latency.QUANTILES)
    click.echo(f"{'CLIENT':<{width}} {'SERVER':<{width}}{kind} {'STEP':<8} {'COUNT':>6} {found}")
    for t in new:
        ends = " ".join(f"{_who(pid, labels, width - 8):<{width}}" for pid in (t.client, t.server))
        if by_type:
            kind = f" {'-' if t.type is None else f'{t.type:#06x}':<6}"
        for step in steps:
            histogram = t.steps[step]
            found = " ".join(f"{latency.short(histogram.quantile_ns(q)):>6}" for _, q in latency.QUANTILES)
            click.echo(f"{ends}{kind} {step:<8} {histogram.count:>6} {found}")
