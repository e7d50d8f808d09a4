"""Who may know whom, read from the sources: the arrows of the core and the package; what only one file may do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "srr" / "native"
C_FILES = sorted(path for path in NATIVE.rglob("*.[ch]"))
PYTHON_FILES = sorted((ROOT / "srr").rglob("*.py*")) + sorted((ROOT / "tests").rglob("*.py"))
PYTHON_FILES = [path for path in PYTHON_FILES if path.suffix in (".py", ".pyi")]

#: From the ground up. A file of the core includes its own header, srr.h, and headers of lower layers only:
#: so the verbs, which have no headers, can't know each other. (A Send to a proxy's id is a trigger: proxy has one.)
LAYERS = (
    {"state", "signals", "priority", "probes", "event", "protocol"},
    {"layout", "map"},
    {"wait", "transfer", "peer", "pair"},
    {"folder", "helper_socket"},
    {"process", "helper", "helper_inside", "helper_names", "link", "conn", "port", "gate", "proxy_in", "traced"},
    {"proxy", "shared_name", "window"},
    {"lease"},
    {"lane"},
    {"send", "receive", "reply", "relay", "name", "look", "flags"},
)
#: What one layer's files may know of each other: rows are made with a port in them, a port is a process's,
#: conn.c is the other half of port.c, and proxy_in.c its part about proxies; traced.c notes
#: the times of both sides' transactions. The connection to srr-helper is the process's, asked by those who meet others.
WITHIN_A_LAYER = {
    ("process", "port"),
    ("port", "process"),
    ("link", "process"),
    ("link", "helper"),
    ("process", "helper"),
    ("helper", "process"),
    ("helper", "link"),
    ("helper", "helper_inside"),
    ("helper_names", "helper_inside"),
    ("helper_inside", "helper"),
    ("helper_inside", "process"),
    ("gate", "helper"),
    ("gate", "port"),
    ("conn", "port"),
    ("proxy_in", "port"),
    ("process", "traced"),
    ("traced", "process"),
    ("traced", "port"),
}

#: Which modules of the package each one may import. Anything in srr.cli may import all but _native.
PYTHON_ARROWS = {
    "srr._native": set[str](),
    "srr.errors": {"_native"},
    "srr.state": {"_native"},
    "srr.facts": {"_native"},
    "srr.shown": set[str](),
    "srr.names": {"_native", "errors"},
    "srr.client": {"_native", "errors", "names", "state"},
    "srr.proxy": {"_native", "errors"},
    "srr.psinfo": {"_native", "errors", "state"},
    "srr.qnx4": {"_native", "psinfo"},
    "srr.server": {"_native", "errors", "names", "state"},
    "srr.processes": {"_native", "errors", "names", "state"},
    "srr.testing": {"_native", "errors", "names", "state", "processes"},
    "srr": {"client", "errors", "names", "proxy", "server", "state"},
    "srr.__main__": {"cli"},
}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code(path: Path) -> str:
    """A C file without its comments and strings; the lines stay where they are."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n") if match[0][0] == "/" else '""'

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, path.read_text(), flags=re.DOTALL)


def includes(path: Path) -> list[str]:
    """The files that it includes by #include "..."."""
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', path.read_text(), flags=re.MULTILINE)


def layer(stem: str) -> int:
    found = [n for n, members in enumerate(LAYERS) if stem in members]
    assert found, f"{stem}: a new file of the core; give it a layer in this test, and in srr/__init__.py if it matters"
    return found[0]


@pytest.mark.parametrize("path", sorted((NATIVE / "core").glob("*.[ch]")), ids=lambda path: path.name)
def test_core_includes_point_downwards(path: Path) -> None:
    mine = layer(path.stem)
    for header in includes(path):
        theirs = Path(header).stem
        if theirs in (path.stem, "srr"):
            continue
        assert layer(theirs) < mine or (path.stem, theirs) in WITHIN_A_LAYER, f"{path.name} must not know {header}"


def test_extension_knows_the_public_header_only() -> None:
    for path in sorted((NATIVE / "python").glob("*.[ch]")):
        # "_native_...": parts of the extension itself, should it ever have some.
        foreign = {header for header in includes(path) if not header.startswith("_native")}
        assert foreign <= {"srr.h"}, relative(path)


@pytest.mark.parametrize(
    ("owner", "helpers", "call"),
    [
        # The core's one, and srr-helper's list of system calls.
        # Not FUTEX_WAITERS, FUTEX_TID_MASK, FUTEX_OWNER_DIED: bits of a robust mutex's word, which are only read.
        (
            "wait.c",
            {"main.c", "janitor.c"},
            r"(?:SYS|__NR)_futex\w*|FUTEX_(?:WAIT(?!ERS)|WAKE|REQUEUE|CMP_REQUEUE|LOCK|UNLOCK|TRYLOCK)\w*",
        ),
        ("transfer.c", {"worker.c"}, r"(?:SYS_|__NR_)?process_vm_(?:readv|writev)"),
    ],
    ids=["futex", "process_vm"],
)
def test_only_one_file_calls(owner: str, helpers: set[str], call: str) -> None:
    callers = {path for path in C_FILES if re.search(rf"\b(?:{call})\b", code(path))}
    found = {path.relative_to(NATIVE).as_posix() for path in callers}
    assert found - {f"helper/{name}" for name in helpers} == {f"core/{owner}"}


def test_meson_builds_every_file_of_the_core() -> None:
    listed = set(re.findall(r"'core/(\w+\.c)'", (NATIVE / "meson.build").read_text()))
    assert listed == {path.name for path in (NATIVE / "core").glob("*.c")}


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Each module of srr that is imported anywhere below, as its path inside the package; "" is srr itself."""
    submodules = {module(path).removeprefix("srr.") for path in PYTHON_FILES if module(path).startswith("srr.")}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{package}: imports are absolute, so that a reader finds them"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.append(inner if inner.removeprefix("srr.") in submodules else str(node.module))
        for name in names:
            if name == "srr" or name.startswith("srr."):
                yield name.removeprefix("srr").removeprefix(".")


PACKAGE = [path for path in PYTHON_FILES if path.is_relative_to(ROOT / "srr")]


@pytest.mark.parametrize("path", PACKAGE, ids=relative)
def test_package_arrows(path: Path) -> None:
    name = module(path)
    known = set(imports(ast.parse(path.read_text()), name))
    if name in PYTHON_ARROWS:
        assert known <= PYTHON_ARROWS[name]
    else:
        assert "_native" not in known, "only the modules that are the public interface talk to the extension"
        commands = {other for other in known if other.split(".")[0] == "cli"}
        if name.startswith("srr.trace.cli"):
            commands -= {"cli.bench", "cli.lazy", "cli.table"}
        assert name.startswith("srr.cli") or not commands


@pytest.mark.parametrize("path", PACKAGE, ids=relative)
def test_children_do_not_import_from_the_current_folder(path: Path) -> None:
    """`python -m` puts the current folder first: a random.py there, or this source, would be imported. -P does not."""
    assert not re.search(r"""sys\.executable,\s*["']-[mc]["']""", path.read_text()), (
        'write [sys.executable, "-P", "-m", ...'
    )


def test_command_line_imports_its_subcommands_lazily() -> None:
    """`srr send` in a shell's loop must not pay for the demo's screen."""
    for path in ("cli/__init__.py", "cli/lazy.py", "trace/__init__.py", "trace/cli/__init__.py"):
        tree = ast.parse((ROOT / "srr" / path).read_text())
        at_once: list[ast.stmt] = [node for node in tree.body if not isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        assert set(imports(ast.Module(at_once, []), path)) <= {"cli.lazy"}


@pytest.mark.parametrize("path", PYTHON_FILES + C_FILES + sorted((ROOT / "tests").rglob("*.[ch]")), ids=relative)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500, "split it: one thing a file"
