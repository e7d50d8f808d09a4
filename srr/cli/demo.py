"""`srr demo`: forty unrelated processes at work."""

from __future__ import annotations

import click

#: The smallest system that has every role; beyond the largest, a thousand interpreters take long to start.
_FEWEST, _MOST = 6, 1000
_MOST_USERS = 16


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), default=12.0, show_default=True, help="How long they work.")
@click.option(
    "--processes",
    type=click.IntRange(_FEWEST, _MOST),
    default=40,
    show_default=True,
    help="How many, besides the supervisor.",
)
@click.option(
    "--users",
    type=click.IntRange(1, _MOST_USERS),
    default=1,
    show_default=True,
    help="As so many users, introduced by srr-helper; more than one needs root.",
)
@click.option(
    "--files",
    type=click.Path(exists=True, file_okay=False, readable=True),
    multiple=True,
    help="A folder whose files are moved as large messages (default: srr itself and Python's standard library). "
    "They are only read. May be given several times.",
)
@click.option(
    "--plain", is_flag=True, help="No live screen, a line a second; so by itself when stdout is not a terminal."
)
@click.option(
    "--json", "as_json", is_flag=True, help="For programs: one JSON document on stdout at the end, the rest on stderr."
)
@click.option(
    "--trace/--no-trace",
    default=True,
    show_default=True,
    help="Show where the time of a message goes, where probes may be read (root, and BCC is installed).",
)
@click.option("--sabotage", type=click.Choice(["checksum", "count"]), hidden=True)
def demo(
    seconds: float,
    processes: int,
    users: int,
    files: tuple[str, ...],
    plain: bool,
    as_json: bool,
    trace: bool,
    sabotage: str | None,
) -> None:
    """Some forty unrelated processes that work together by Send, Receive and Reply alone.

    Sensors read live files of /proc and /sys and Send them to drivers, these to controllers, these to loggers;
    movers Send files to archivists, who check every checksum. All report to a supervisor. In the middle one server
    is killed with SIGKILL: its clients get ESRCH, its successor takes over. At the end every count is compared
    with its counterpart. With --users its processes belong to several users (60801 and on, which need no accounts);
    srr-helper introduces them, and is killed in the middle as well.

    \b
    SEND      it has sent, and nobody has received yet
    REPLY     its message was received, the reply is pending
    RECEIVE   it waits for a message

    \b
    srr demo --files ~/pictures
    srr demo --seconds 60 --processes 120
    sudo srr demo --users 3
    srr demo --json | jq .latency_us

    Exit status: 0 if every count and checksum is right, 1 if not (and it says which), 2 for a wrong option,
    130 after Ctrl-C. No process that it has started is left behind, whatever its end.
    """
    from srr.demo import main
    from srr.demo.users import NoUsers

    context = click.get_current_context()
    try:
        folders = main.folders(files, users)
    except main.NoFiles as none:
        raise click.BadParameter(str(none), context, param_hint="'--files'") from None
    try:
        code = main.run(
            seconds, processes, folders, many=users, plain=plain, as_json=as_json, trace=trace, sabotage=sabotage or ""
        )
    except NoUsers as none:
        raise click.BadParameter(str(none), context, param_hint="'--users'") from None
    context.exit(code)
