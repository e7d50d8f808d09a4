"""Our idea of protocol.h is the compiler's."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest
from helper import protocol
from helper.hosts import HELPER, NATIVE, compiler


def compiled(tmp_path: Path, lines: list[str]) -> list[int]:
    source, program = tmp_path / "ask.c", tmp_path / "ask"
    prints = "".join(f'    printf("%llu\\n", (unsigned long long)({line}));\n' for line in lines)
    source.write_text(
        '#include <stdio.h>\n#include "layout.h"\n#include "protocol.h"\n'
        f"int main(void)\n{{\n{prints}    return 0;\n}}\n"
    )
    subprocess.run([compiler(), "-std=gnu11", f"-I{HELPER}", f"-I{NATIVE / 'core'}", source, "-o", program], check=True)
    return [int(line) for line in subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout.split()]


@pytest.mark.parametrize("struct", [protocol.Request, protocol.Answer])
def test_offsets(tmp_path: Path, struct: type[ctypes.Structure]) -> None:
    name = struct.__name__.lower()
    asked, known = [f"sizeof(struct {name})"], [ctypes.sizeof(struct)]
    for field in struct._fields_:
        place = getattr(struct, field[0])
        asked += [f"offsetof(struct {name}, {field[0]})", f"sizeof ((struct {name} *)0)->{field[0]}"]
        known += [place.offset, place.size]
    assert compiled(tmp_path, asked) == known


def test_numbers(tmp_path: Path) -> None:
    known = {f"OP_{op.name}": int(op) for op in protocol.Op} | {f"QUOTA_{q.name}": int(q) for q in protocol.Quota}
    known |= {
        "HELPER_MAGIC": protocol.MAGIC,
        "HELPER_NAME_MAX": protocol.NAME_MAX,
        "NEWS_MAGIC": protocol.NEWS_MAGIC,
        "NEWS_SIZE": protocol.NEWS_SIZE,
        "LAYOUT_VERSION": protocol.LAYOUT_VERSION,
        "GATE_MAGIC": protocol.GATE_MAGIC,
        "PAIR_MAGIC": protocol.PAIR_MAGIC,
        "GATE_SIZE": protocol.GATE_SIZE,
        "GATE_PAIRS": protocol.GATE_PAIRS,
        "PAIR_SIZE": protocol.PAIR_SIZE,
        "LIFE_SIZE": protocol.LIFE_SIZE,
    }
    assert compiled(tmp_path, list(known)) == list(known.values())
