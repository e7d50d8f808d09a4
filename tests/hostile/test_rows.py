"""Our idea of the layout is the compiler's; and what the kernel itself protects is protected."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from drive import HERE, Company, guarantee, works
from hostile import rows

CORE = HERE.parent / "srr" / "native" / "core"


def compiled(tmp_path: Path, lines: list[str]) -> list[int]:
    """The values of C expressions over layout.h."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler")
    source = tmp_path / "ask.c"
    prints = "".join(f'    printf("%llu\\n", (unsigned long long)({line}));\n' for line in lines)
    source.write_text(
        '#include <stdio.h>\n#include "layout.h"\n#include "state.h"\n#include "srr.h"\n'
        f"int main(void)\n{{\n{prints}    return 0;\n}}\n"
    )
    program = tmp_path / "ask"
    include = CORE.parent / "include"
    subprocess.run([compiler, "-std=gnu11", f"-I{CORE}", f"-I{include}", source, "-o", program], check=True)
    return [int(line) for line in subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout.split()]


@pytest.mark.parametrize(("struct", "fields"), [("row_header", rows.HEADER), ("port", rows.PORT), ("slot", rows.SLOT)])
def test_offsets_are_those_of_layout_h(tmp_path: Path, struct: str, fields: dict[str, tuple[int, int]]) -> None:
    asked = []
    for field in fields:
        asked += [f"offsetof(struct {struct}, {field})", f"sizeof ((struct {struct} *)0)->{field}"]
    assert compiled(tmp_path, asked) == [number for place in fields.values() for number in place]


def test_constants_are_those_of_layout_h(tmp_path: Path) -> None:
    asked = {
        "PAGE": rows.PAGE,
        "SLOTS": rows.SLOTS,
        "ENTRIES": rows.ENTRIES,
        "PARTS_MAX": rows.PARTS_MAX,
        "INLINE_SIZE": rows.INLINE_SIZE,
        "ROW_PORT_AT": rows.PORT_AT,
        "ROW_ENTRIES_AT": rows.ENTRIES_AT,
        "ROW_PROXIES_AT": rows.PROXIES_AT,
        "sizeof(struct proxy)": rows.PROXY_SIZE,
        "ROW_TAKEN_AT": rows.TAKEN_AT,
        "ROW_SLOTS_AT": rows.SLOTS_AT,
        "offsetof(struct slot, parts)": rows.PARTS_AT,
        "SLOT_MESSAGE_AT": rows.MESSAGE_AT,
        "SLOT_REPLY_AT": rows.REPLY_AT,
        "SLOT_STRIDE": rows.STRIDE,
        "ROW_SIZE": rows.ROW_SIZE,
        "word_make(0x3123456789abc, 5, SLOT_BUSY)": rows.Word(0x3123456789ABC, 5, rows.BUSY).pack(),
        "SLOT_RELAY": rows.RELAY,
        "SRR_LANE_HELPER": rows.HELPER,
    }
    assert compiled(tmp_path, list(asked)) == list(asked.values())


@guarantee("E")
def test_a_row_file_can_not_shrink_under_anybody(company: Company) -> None:
    """Sealed: a peer that truncates it would make our next access a SIGBUS."""
    server, client = company.start_many(2)
    assert works(server, client)
    for name in ("srr-row", "srr-life"):
        fd = os.open(rows.find(client.pid, name), os.O_RDONLY if name == "srr-life" else os.O_RDWR)
        try:
            size = os.fstat(fd).st_size
            for other in (0, size - 1, size + 1):
                with pytest.raises(OSError, match=r"Operation not permitted|Invalid argument|Bad file"):
                    os.ftruncate(fd, other)
        finally:
            os.close(fd)
    assert works(server, client)


@guarantee("E")
def test_a_life_file_is_its_owners_alone_to_write(company: Company) -> None:
    """It holds mutexes, with pointers in them: a peer that could write them could make us write anywhere."""
    server, client = company.start_many(2)
    assert works(server, client)
    path = rows.find(client.pid, "srr-life")
    for flags in (os.O_RDWR, os.O_WRONLY):
        try:
            fd = os.open(path, flags)
        except PermissionError:
            continue
        try:
            with pytest.raises(PermissionError):
                os.pwrite(fd, b"\0" * 64, rows.PAGE)
            with pytest.raises(PermissionError):
                mmap.mmap(fd, rows.PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        finally:
            os.close(fd)
    assert works(server, client)
