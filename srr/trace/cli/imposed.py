"""`srr-trace imposed`: which client makes a server work."""

from __future__ import annotations

import json

import click

from srr.shown import printable
from srr.trace import imposing
from srr.trace.cli import common
from srr.trace.events import SCHEMA
from srr.trace.imposing import ITSELF, Share, Shares
from srr.trace.intervals import looks
from srr.trace.labels import Labels
from srr.trace.programs import Wants

_HEADING = f"{'SERVER':>7} {'NAME':<15} {'CLIENT':>7} {'NAME':<15} {'REQUESTS':>8} {'CPU ms':>8} {'%':>5} {'us/REQ':>7}"


@click.command(short_help="Each client's share of each server's CPU time.")
@common.ticks(None)
@common.selection
@common.timestamps
@common.as_json
@click.option("--fail-on-loss", is_flag=True, help=f"Exit with {common.LOST} if anything was not seen.")
def imposed(
    interval: float | None,
    count: int | None,
    pids: tuple[int, ...],
    names_: tuple[str, ...],
    timestamp: bool,
    as_json: bool,
    fail_on_loss: bool,
) -> None:
    """For whom servers work: the CPU time of their threads between receiving a client's message and replying to it.

    Without INTERVAL it prints once, at Ctrl-C. With it, every INTERVAL seconds what is new since, COUNT times.

    \b
    REQUESTS  messages of this client that the server received
    CPU ms    CPU time that the server spent on them
    %         of all CPU time that the server used; "-" where it is not known
    us/REQ    CPU time for one of them

    The line without a client is the rest: receiving, waking clients, waiting in a spin, and work for nobody. A thread
    works for the client whose message it received last, until that is replied to, by whatever thread. What it makes
    other servers do is theirs: see there which share their client, this server, has. Time is added when a thread
    replies or leaves its CPU. While somebody reads a BPF map on a CPU, the kernel does not tell of switches there, so
    beside other tracers a percent may be missing.

    This listens to two probes for each message and to every switch between threads of the machine.

    \b
    Examples:
      srr-trace imposed                  until Ctrl-C
      srr-trace imposed 1                every second
      srr-trace imposed 5 1 --name plc   five seconds of one server
      srr-trace imposed --json 1 | jq 'select(.client) | .cpu_ns / .requests'

    Exit status: 0; 1 it could not listen; 2 usage; 3 with --fail-on-loss, if anything was not seen.
    """
    # Chosen here and not in the kernel: what others impose on the same server tells how much is left to itself.
    chosen = common.chosen_pids(pids, names_)
    source = common.source()
    labels = Labels(source.is_live)
    shares = Shares(imposing.cpu_ns if source.is_live else lambda pid: None)
    with common.feed(Wants(imposed=True), fail_on_loss=fail_on_loss) as feed:
        if source.is_live and not as_json:
            click.echo("Listening to every Receive and Reply" + ("" if interval else "; Ctrl-C prints") + ".", err=True)

        def learn() -> None:
            processes = source.survey()
            labels.learn(processes)
            shares.begin((process.pid for process in processes), feed.imposed)

        learn()
        for now in looks(source, feed, interval, count, learn):
            learn()
            new = [share for share in shares.since(feed.imposed()) if _is_chosen(share, chosen)]
            if as_json:
                for share in new:
                    click.echo(json.dumps(share.json(feed.clock.wall(now))))
                continue
            if timestamp or interval:
                click.echo(f"\n{feed.clock.text(now)[:8]}" if timestamp else "")
            click.echo(_HEADING)
            for share in new:
                click.echo(_line(share, labels))
        losses = feed.losses()
        if as_json:
            click.echo(json.dumps({"schema": SCHEMA, "lost": losses.json()}))
        common.told(losses)


def _is_chosen(share: Share, chosen: set[int] | None) -> bool:
    return chosen is None or share.server in chosen or share.client in chosen


def _line(share: Share, labels: Labels) -> str:
    client = (f"{'-':>7}", "(itself)") if share.client == ITSELF else (f"{share.client:>7}", labels.of(share.client))
    part, each = share.part, share.each_ns
    return (
        f"{share.server:>7} {_cut(labels.of(share.server))} {client[0]} {_cut(client[1])}"
        f" {share.requests or '-':>8} {share.cpu_ns / 1e6:>8.1f} {'-' if part is None else f'{100 * part:.1f}':>5}"
        f" {'-' if each is None else f'{each / 1000:.1f}':>7}"
    )


def _cut(text: str) -> str:
    text = printable(text)
    return f"{text if len(text) <= 15 else text[:14] + '~':<15}"
