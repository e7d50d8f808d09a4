"""The `srr-trace` command. Each view is a file of its own, imported when it is called."""

from __future__ import annotations

import click

from srr.cli.lazy import Commands, version_option

_COMMANDS = {
    "events": "srr.trace.cli.events:events",
    "ps": "srr.trace.cli.ps:ps",
    "top": "srr.trace.cli.top:top",
    "graph": "srr.trace.cli.graph:graph",
    "deadlock": "srr.trace.cli.deadlock:deadlock",
    "hist": "srr.trace.cli.hist:hist",
    "stacks": "srr.trace.cli.stacks:stacks",
    "imposed": "srr.trace.cli.imposed:imposed",
    "record": "srr.trace.cli.record:record",
    "replay": "srr.trace.cli.replay:replay",
    "metrics": "srr.trace.cli.metrics:metrics",
    "overhead": "srr.trace.cli.overhead:overhead",
}


@click.group(
    cls=Commands,
    program="srr-trace",
    table=_COMMANDS,
    default="events",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@version_option("srr-trace")
def main() -> None:
    """Who is SEND-, RECEIVE- or REPLY-blocked on whom, for how long, and why.

    Without a subcommand: a line for each transaction (`srr-trace events --help`).

    ps, top, graph and deadlock read the waiting table: they need no privilege for one's own processes, and see what
    was blocked before they came. The others listen to probes, with eBPF: CAP_BPF and CAP_PERFMON, or root.

    \b
    srr-trace                      every transaction, as it ends
    srr-trace --min-latency 10ms   the slow ones
    srr-trace -p 4711 --failed     those of one process that failed
    srr-trace deadlock             silent until processes wait for each other in a circle
    """
