"""`srr names`: who holds which name."""

from __future__ import annotations

import click


@click.command(short_help="Names, and the processes that hold them.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of {name, pid, program}.")
def names(as_json: bool) -> None:
    """Every name that a living process of this user holds, with its holder.

    Exit status: 0, also if there is none.
    """
    import srr
    from srr import processes
    from srr.cli import table

    held = [(name, pid, processes.program(pid)) for name, pid in srr.query()]
    if as_json:
        table.show_json([{"name": name, "pid": pid, "program": program} for name, pid, program in held])
    else:
        table.show(
            table.layout(["~NAME", ">PID", "~PROGRAM"], [(name, str(pid), program) for name, pid, program in held])
        )
