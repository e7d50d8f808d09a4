"""make install: what is where, and that pkg-config's answer is all that a program in C needs."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from installed import ROOT, Installed, installed, make_install, without

import srr

NATIVE = ROOT / "srr" / "native"
HERE = Path(__file__).parent
LIBRARIES = ("libsrr", "libsrr-qnx4", "libsrr-device")

#: The first test compiles the libraries.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def libraries() -> Installed:
    return installed()


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


def run(program: Path, names: Path) -> str:
    """Without LD_LIBRARY_PATH: a program finds its libraries itself."""
    environment = without("LD_LIBRARY_PATH", "LD_PRELOAD") | {"SRR_RUNTIME_DIR": str(names)}
    done = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def exports(library: Path) -> dict[str, str]:
    """Each symbol that the library defines for others, and its version."""
    command = ["nm", "-D", "--defined-only", "--with-symbol-versions", "--format=posix", str(library)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = (line.split()[:2] for line in listed.splitlines())
    parted = (name.partition("@@") for name, kind in found if kind != "A")
    return {name: version for name, _, version in parted}


def test_what_is_installed(libraries: Installed) -> None:
    shared = {f"lib/{name}.so{version}" for name in LIBRARIES for version in ("", ".0", f".{srr.__version__}")}
    static = {"lib/libsrr.a", "lib/libsrr-qnx4.a"}
    described = {f"lib/pkgconfig/{name.removeprefix('lib')}.pc" for name in LIBRARIES}
    headers = {f"include/{path}" for path in below(NATIVE / "include")}
    manual = {f"share/man/man3/{path}" for path in below(ROOT / "docs" / "man")}
    manual |= {f"share/man/man1/{path}" for path in below(ROOT / "docs" / "man1")}
    manual |= {f"share/man/man8/{path}" for path in below(ROOT / "docs" / "man8")}
    units = {f"lib/systemd/system/srr-helper.{kind}" for kind in ("socket", "service")}
    helper = {"sbin/srr-helper", "share/srr/transfer.conf"} | units
    assert below(libraries.prefix) == shared | static | described | headers | manual | helper
    for header in headers:
        assert (libraries.prefix / header).read_bytes() == (NATIVE / header).read_bytes()


def test_pkg_config_knows_the_version(libraries: Installed) -> None:
    for name in LIBRARIES:
        assert libraries.config("--modversion", name.removeprefix("lib")) == [srr.__version__]


def test_libsrr_exports_what_its_header_declares(libraries: Installed) -> None:
    header = re.sub(r"/\*.*?\*/|^#.*?(?<!\\)$", "", (NATIVE / "include" / "srr.h").read_text(), flags=re.S | re.M)
    declared = set(re.findall(r"^[a-z]\w*(?: \w+)* \*?(srr_\w+)\(", header, flags=re.M))
    assert len(declared) > 25
    assert exports(libraries.lib / "libsrr.so") == dict.fromkeys(declared, "SRR_0.1")


def test_only_wrapped_functions_of_libc_have_no_version(libraries: Installed) -> None:
    """With a version of its own a wrapper would be passed by: other libraries ask for libc's version of the name."""
    libc = next(Path(line.split()[2]) for line in needed(libraries.lib / "libsrr.so") if line.startswith("libc.so"))
    of_libc = set(exports(libc))
    for name in ("libsrr-qnx4", "libsrr-device"):
        found = exports(libraries.lib / f"{name}.so")
        assert found
        wrapped = {symbol for symbol, version in found.items() if not version}
        assert wrapped <= of_libc
        assert not (set(found) - wrapped) & of_libc


def test_qnx4s_functions_have_a_version(libraries: Installed) -> None:
    text = re.sub(r"/\*.*?\*/", "", (NATIVE / "qnx4" / "qnx4.map").read_text(), flags=re.S)
    listed = re.findall(r"^ +([\w*]+);", text, flags=re.M)
    found = {name for name, version in exports(libraries.lib / "libsrr-qnx4.so").items() if version == "SRR_QNX4_0.1"}
    assert [pattern for pattern in listed if not fnmatch.filter(found, pattern)] == []
    assert "Send" in found and "qnx_name_attach" in found


def needed(library: Path) -> list[str]:
    return [line.strip() for line in subprocess.check_output(["ldd", library], text=True).splitlines()]


def test_libraries_need_libc_and_one_another_alone(libraries: Installed) -> None:
    for name in LIBRARIES:
        foreign = [line for line in needed(libraries.lib / f"{name}.so") if not re.match(r"linux-|/lib|libc\.so", line)]
        own = [] if name == "libsrr" else [f"libsrr.so.0 => {libraries.lib}/libsrr.so.0"]
        assert [line.partition(" (")[0] for line in foreign] == own


@pytest.mark.parametrize("static", [False, True], ids=["shared", "static"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_program_of_srr_h(libraries: Installed, tmp_path: Path, names: Path, compiler: str, static: bool) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-std=gnu11"]
    source = HERE / "exchange.c"
    program = libraries.compile(source, tmp_path / "exchange", "srr", *warnings, compiler=compiler, static=static)
    assert run(program, names) == "0 pong\n"


def test_program_of_srr_h_in_cplusplus(libraries: Installed, tmp_path: Path, names: Path) -> None:
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed")
    source = shutil.copy(HERE / "exchange.c", tmp_path / "exchange.cc")
    program = libraries.compile(Path(source), tmp_path / "exchange", "srr", "-Wall", "-Werror", compiler="g++")
    assert run(program, names) == "0 pong\n"


@pytest.mark.parametrize("static", [False, True], ids=["shared", "static"])
def test_old_program(libraries: Installed, tmp_path: Path, names: Path, static: bool) -> None:
    program = libraries.compile(HERE / "old.c", tmp_path / "old", "srr-qnx4", "-std=gnu89", static=static)
    assert run(program, names) == "pong\n"


def test_distribution_package(tmp_path: Path) -> None:
    """DESTDIR: all below it, nothing of it in the files, and no rpath for a system's own folder."""
    make_install("/usr", DESTDIR=str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"usr"}
    for described in (tmp_path / "usr/lib/pkgconfig").iterdir():
        text = described.read_text()
        assert "prefix=/usr\n" in text
        assert str(tmp_path) not in text
        assert "rpath" not in text


def test_wheel_has_no_libraries() -> None:
    files = metadata.distribution("srr").files
    assert files
    foreign = [str(f) for f in files if f.parts[0] not in ("srr", f"srr-{srr.__version__}.dist-info", "..")]
    assert foreign == []
    tracer = ("srr", "bpf")  # what srr-trace compiles on the user's machine
    ours = [f for f in files if f.parts[:2] != tracer]
    assert [f.name for f in ours if ".so" in f.name or f.suffix in (".a", ".h", ".pc")] == ["_native.abi3.so"]
