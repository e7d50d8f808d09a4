"""`srr names`: who holds which name."""

from __future__ import annotations

import grp
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from srr.names import Shared


@click.command(short_help="Names, and the processes that hold them.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of {name, pid, program, uid, mode, group}.")
def names(as_json: bool) -> None:
    """Every name that a living process of this user holds, with its holder; and those of other users, as NAME@USER,
    that this user may see.

    \b
    MODE, GROUP   of a name that is shared with other users: who has w may send, who has r may see it here;
                  - for a name that only this user's processes find

    Exit status: 0, also if there is none.
    """
    import os

    import srr
    from srr import processes
    from srr.cli import table

    shared = {(one.uid, one.name): one for one in srr.shared()}
    mine = os.geteuid()
    held = [_record(name, pid, mine, shared.pop((mine, name), None)) for name, pid in srr.query()]
    held += [_record(str(one), one.pid, one.uid, one) for one in shared.values() if one.uid != mine]
    for one in held:
        one["program"] = processes.program(one["pid"])
    if as_json:
        table.show_json(held)
        return
    columns, width = ["~NAME", ">PID", "~PROGRAM"], 3
    if any(one["mode"] is not None for one in held):
        columns, width = [*columns, ">MODE", "~GROUP"], 5
    table.show(table.layout(columns, [_row(one)[:width] for one in held]))


def _record(name: str, pid: int, uid: int, shared: Shared | None) -> dict[str, Any]:
    return {
        "name": name,
        "pid": pid,
        "program": "",
        "uid": uid,
        "mode": shared.mode if shared else None,
        "group": _group(shared.gid) if shared else None,
    }


def _row(one: dict[str, Any]) -> list[str]:
    mode = "-" if one["mode"] is None else f"{one['mode']:o}"
    return [one["name"], str(one["pid"]), one["program"], mode, one["group"] or "-"]


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
