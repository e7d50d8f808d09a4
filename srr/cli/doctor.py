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

    It really sends, to a process that it starts for it: 1000 bytes inline and 1 MiB by the direct lane.

    \b
    ok      it works
    no      it does not, and a line below the table says what to do
    later   only parts of srr that are to come need it

    Exit status: 0 if both lanes work (with PID: if every line is ok), else 1.
    """
    from srr.cli import table
    from srr.doctor import OK

    if pid is None:
        from srr.doctor import exchange, machine

        needed = exchange.lanes()
        checks = needed + machine.machine(needed[-1].verdict == OK) + machine.coming()
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
