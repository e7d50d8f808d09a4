"""What C says and what Python reads: layouts, numbers, buckets; and the probes themselves, by every compiler."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from installed import makes_32_bits

from srr.trace import elf, events, session
from srr.trace.events import Change, Kind
from srr.trace.programs import Wants

ROOT = Path(__file__).parents[2]
CORE = ROOT / "srr" / "native" / "core"
LAYOUTS = {
    "srr_done": struct.Struct("<" + events.DONE),
    "srr_transaction": events.TRANSACTION,
    "srr_change": events.CHANGE,
    "srr_frames": events.FRAMES,
}


def compiled(folder: Path, text: str, *flags: str, compiler: str = "cc") -> Path:
    source, program = folder / "program.c", folder / "program"
    source.write_text(text)
    command = [compiler, "-std=gnu11", f"-I{ROOT / 'bpf'}", f"-I{CORE}", *flags, str(source), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def output(program: Path) -> list[str]:
    return subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.splitlines()


def fields_of(name: str) -> list[str]:
    """As event.h declares them, in order."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "bpf" / "event.h").read_text(), flags=re.DOTALL)
    body = re.search(rf"struct {name} {{(.*?)\n}};", text, re.DOTALL)
    assert body is not None
    fields = []
    for declaration in body[1].split(";"):
        words = declaration.replace("struct srr_done", "srr_done").split(maxsplit=1)
        if len(words) == 2:
            fields += [re.sub(r"\[.*\]", "", field).strip() for field in words[1].split(",")]
    return fields


def places_in(layout: struct.Struct) -> list[tuple[int, int]]:
    """Offset and size of each field of a format without holes: "48Q" is one here, as is an array in C."""
    places, at = [], 0
    for count, letter in re.findall(r"(\d*)([a-zA-Z])", layout.format):
        size = struct.calcsize("<" + letter)
        times = int(count or 1)
        if times in (events.FRAMES_MAX, events.FRAMES_TEXT):
            size, times = size * times, 1
        for _ in range(times):
            places.append((at, size))
            at += size
    assert at == layout.size
    return places


@pytest.mark.parametrize("name", LAYOUTS)
def test_records_are_what_the_compiler_makes_of_them(tmp_path: Path, name: str) -> None:
    fields = fields_of(name)
    lines = "".join(
        f'printf("%zu %zu\\n", offsetof(struct {name}, {field}), sizeof((struct {name} *)0)->{field});\n'
        for field in fields
    )
    text = f"""#include <stddef.h>
#include <stdio.h>
#include "event.h"
int main(void) {{ {lines} printf("%zu\\n", sizeof(struct {name})); return 0; }}
"""
    *places, size = output(compiled(tmp_path, text))
    in_c = [(int(line.split()[0]), int(line.split()[1])) for line in places]
    in_python = places_in(LAYOUTS[name])
    if name == "srr_transaction":  # its last field is a whole srr_done
        offset = in_c.pop()[0]
        in_c += [(offset + at, n) for at, n in places_in(LAYOUTS["srr_done"])]
    assert in_c == in_python
    assert int(size) == LAYOUTS[name].size


def test_kinds_are_the_order_of_the_probes(tmp_path: Path) -> None:
    text = """#include <stdio.h>
#include "probes.h"
#include "event.h"
#define NAME(name) #name,
#define KIND(name) printf("%s %d\\n", #name, SRR_ON_##name);
int main(void) {
    static const char *const names[] = {EACH_PROBE(NAME)};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) printf("%s\\n", names[i]);
    """
    text += "".join(f"KIND({kind.name})" for kind in Kind) + "return 0; }\n"
    lines = output(compiled(tmp_path, text))
    names, kinds = lines[: -len(Kind)], lines[-len(Kind) :]
    assert kinds == [f"{kind.name} {int(kind)}" for kind in Kind]
    assert names[: len(events.CHANGE_PROBES)] == list(events.CHANGE_PROBES)
    assert list(events.CHANGE_PROBES.values()) == list(range(len(events.CHANGE_PROBES)))
    assert names[len(events.CHANGE_PROBES) :] == ["done", "frames", "idle"]


def test_frames_are_as_many_as_event_h_says(tmp_path: Path) -> None:
    values = '"%d\\n%d\\n", SRR_FRAMES_MAX, SRR_FRAMES_TEXT'
    text = f'#include <stdio.h>\n#include "event.h"\nint main(void) {{ printf({values}); }}'
    assert output(compiled(tmp_path, text)) == [str(events.FRAMES_MAX), str(events.FRAMES_TEXT)]


# ---- the probes, by compilers and levels of optimization

COMPILERS = ["gcc -O0", "gcc -O2", "gcc -O2 -flto", "clang -O0", "clang -O2"]
PROBES = [
    "send",
    "receive",
    "reply",
    "relay",
    "trigger",
    "wait",
    "wake",
    "transfer",
    "signal",
    "done",
    "frames",
    "idle",
]
#: Six arguments of 64 bits; 0x1..., so that a half, or a neighbour, would be seen.
ARGUMENTS = [0x1111111122222222, 0x7FFFFFF3, 0x7FFFFFF4, 0x1555555566666666, 0x77777777, -0x1888888899999999]

_FIRE = """#include <stdio.h>
#include "probes.h"
int main(void) {
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    """ + (
    "".join(f"PROBE({name}, {', '.join(f'{n}LL' for n in ARGUMENTS)});\n" for name in PROBES[:9])
    + "return !PROBE_WANTED(send); }\n"
)


def build(folder: Path, how: str) -> Path:
    """A program that fires each probe of a change once. Its name makes the tracer look into it."""
    compiler, *flags = how.split()
    folder.mkdir()
    program = compiled(folder, _FIRE, *flags, str(CORE / "probes.c"), compiler=compiler)
    return program.rename(folder / "libsrr-fires")


def notes_of(path: Path) -> Counter[str]:
    """Sites by probe, as readelf tells them, another reader than ours."""
    told = subprocess.run(["readelf", "-n", str(path)], capture_output=True, text=True, check=True).stdout
    return Counter(
        name for provider, name in re.findall(r"Provider: (\w+)\s+Name: (\w+)", told) if provider == elf.PROVIDER
    )


@pytest.mark.parametrize("how", COMPILERS)
def test_one_site_a_probe_six_registers_and_a_semaphore_each(tmp_path: Path, how: str) -> None:
    program = build(tmp_path / "built", how)
    assert notes_of(program) == Counter(PROBES)
    sites = elf.probes(io.BytesIO(program.read_bytes()))
    assert set(sites) == set(PROBES)  # only those with the six registers and a semaphore count
    assert len({site.semaphore for site in sites.values()}) == len({site.offset for site in sites.values()}) == 12
    if os.uname().machine == "x86_64":
        data = program.read_bytes()
        assert {data[site.offset] for site in sites.values()} == {0x90}, "one byte of nop"
    subprocess.run(["strip", str(program)], check=True)
    assert elf.probes(io.BytesIO(program.read_bytes())).keys() == sites.keys()


def test_a_build_of_32_bits_has_none(tmp_path: Path) -> None:
    if not makes_32_bits():
        pytest.skip("cc -m32 does not work: Debian's gcc-multilib is missing")
    program = build(tmp_path / "built", "gcc -O2 -m32")
    assert notes_of(program) == Counter()
    assert elf.probes(io.BytesIO(program.read_bytes())) == {}
    assert subprocess.run([str(program)], stdin=subprocess.DEVNULL).returncode == 1, "and nobody can listen to it"


@pytest.mark.usefixtures("needs_bpf")
def test_arguments_arrive_whole_whatever_compiled_them(tmp_path: Path) -> None:
    """All builds at once, each with all its probes, stripped or not."""
    programs = [build(tmp_path / str(n), how) for n, how in enumerate(COMPILERS)]
    subprocess.run(["strip", str(programs[1])], check=True)
    running = [subprocess.Popen([str(p)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for p in programs]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        with session.Session(Wants(changes=True), transfers=True) as listening:
            for process in running:
                process.communicate()
                assert process.returncode == 0, "its semaphore was 0"
            told = [event for event in listening.finish() if isinstance(event, Change)]
    finally:
        for process in running:
            process.kill()
            process.communicate()
    for process in running:
        mine = sorted((event for event in told if event.pid == process.pid), key=lambda event: event.sequence)
        assert [event.kind for event in mine] == list(Kind)[: len(mine)]
        assert len(mine) == 9
        for event in mine:
            got = [event.id, event.peer, event.peer_thread, event.nbytes, event.detail, event.extra]
            assert got == ARGUMENTS
