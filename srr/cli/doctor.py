"""`srr doctor`: what works here, what does not, and how to mend it."""

from __future__ import annotations

import dataclasses

import click


@click.command(short_help="What works on this machine, what does not, and the fix.")
@click.argument("pid", type=click.IntRange(min=1), required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of {name, verdict, seen, fix}.")
@click.pass_context
def doctor(ctx: click.Context, pid: int | None, as_json: bool) -> None:
    """Can this machine and this user do each lane? With PID: can a process like this one talk to that one?

    It really sends, to processes that it starts for it: 1000 bytes inline and 1 MiB by each lane. What srr-helper
    is needed for, and whether it is there, it says too.

    \b
    ok    it works
    no    it does not, and a line below the table says what to do
    off   it is not there, and messages travel without it; a line below says what for and how

    Exit status: 0 if short and long messages go (with PID: if every line is ok), else 1.
    """
    from srr.cli import table
    from srr.doctor import OK

    if pid is None:
        from srr.doctor import exchange, machine

        inline, long, direct, window = exchange.lanes()
        needed = [inline, long]
        checks = [*needed, direct, window, *machine.machine(direct.verdict == OK)]
    else:
        from srr.doctor import pair

        needed = checks = pair.pair(pid)
    if as_json:
        table.show_json([dataclasses.asdict(check) for check in checks])
    else:
        rows = [(check.name, check.verdict, check.seen) for check in checks]
        table.show(table.layout(["CHECK", "", "=SEEN"], rows))
        for check in checks:
            if check.fix:
                click.echo(f"\n{check.name}: {check.fix}.")
    ctx.exit(0 if all(check.verdict == OK for check in needed) else 1)
