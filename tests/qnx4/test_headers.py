"""QNX4's headers: they compile for everybody and in any order, and mean to the byte what QNX4's did; and libc's
structures stay libc's in programs that pack theirs."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "headers"
ROOT = Path(__file__).parents[2] / "srr" / "native" / "include" / "srr" / "qnx4"

#: QNX4's own, and those of libc to which something is added.
SYS = "kernel sendmx proxy name vc psinfo seginfo sched sys_msg timers fd"
QNX4 = [f"sys/{name}.h" for name in SYS.split()]
QNX4 += ["process.h", "i86.h", "conio.h"]
ADDED_TO = ["sys/types.h", "time.h", "errno.h", "unistd.h", "limits.h", "signal.h", "stdlib.h", "string.h"]
LIBC = ["stdio.h", "sys/wait.h", "sys/stat.h", "pthread.h", "fcntl.h", "setjmp.h", "ctype.h", "math.h", "sys/socket.h"]
#: Every other one that is there only so that libc's structures keep their layout.
OVERLAYS = sorted({str(path.relative_to(ROOT)) for path in ROOT.rglob("*.h")} - {*QNX4, *ADDED_TO})

COMPILERS = ("gcc", "clang")
STANDARDS = ("gnu89", "gnu99", "gnu11", "gnu17", "c99")
FEATURES = ((), ("-D_GNU_SOURCE",), ("-D_POSIX_C_SOURCE=199309L",), ("-D_POSIX_C_SOURCE=200809L",))
PACKINGS: tuple[tuple[str, ...], ...] = ((), ("-fpack-struct=1",))
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Werror")


def cc(source: str, *options: str, compiler: str = "gcc", language: str = "c") -> subprocess.CompletedProcess[str]:
    """What the compiler says about that text; by default it only reads it."""
    command = [compiler, "-x", language, f"-I{ROOT}", *options, *([] if "-c" in options else ["-fsyntax-only"]), "-"]
    return subprocess.run(
        command, input=source, capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C"}
    )


def compiles(source: str, *options: str, compiler: str = "gcc", language: str = "c") -> None:
    done = cc(source, *options, compiler=compiler, language=language)
    assert done.returncode == 0, f"{compiler} {' '.join(options)}:\n{done.stderr}"


@cache
def speaks(compiler: str, language: str = "c", width: str = "-m64") -> bool:
    if not shutil.which(compiler):
        return False
    return cc("#include <stdio.h>\n", width, compiler=compiler, language=language).returncode == 0


def need(compiler: str, language: str = "c", width: str = "-m64") -> None:
    if not speaks(compiler, language, width):
        pytest.skip(f"{compiler} {width} does not speak {language} here")


def including(*headers: str) -> str:
    return "".join(f"#include <{header}>\n" for header in headers)


USES_ALL = "int use(void);\nint use(void) { return (int)sizeof(struct _psinfo); }\n"


@pytest.mark.parametrize("standard", STANDARDS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_all_together(compiler: str, standard: str) -> None:
    need(compiler)
    for packing in PACKINGS:
        for features in FEATURES:
            source = including(*QNX4, *ADDED_TO, *LIBC) + USES_ALL
            compiles(source, f"-std={standard}", *packing, *features, *STRICT, compiler=compiler)


@pytest.mark.parametrize("standard", ["gnu++98", "c++11", "gnu++17"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_all_together_in_cplusplus(compiler: str, standard: str) -> None:
    need(compiler, "c++")
    source = including(*QNX4, *ADDED_TO, *LIBC, "vector", "string", "ctime") + "int main() { return 0; }\n"
    for packing in PACKINGS:
        compiles(source, f"-std={standard}", *packing, *STRICT, compiler=compiler, language="c++")


@pytest.mark.parametrize("header", [*QNX4, *ADDED_TO])
def test_each_alone_and_twice(header: str) -> None:
    """In the oldest dialect, and in the strictest one, where libc itself declares least."""
    compiles(including(header, header) + "extern int unused;\n", "-std=gnu89", *STRICT)
    compiles(including(header, header) + "extern int unused;\n", "-std=c99", *STRICT)


def test_in_any_order() -> None:
    headers, dice = [*QNX4, *ADDED_TO, *LIBC], random.Random(4)
    orders = [headers[::-1], [*LIBC, *ADDED_TO, *QNX4]] + [dice.sample(headers, len(headers)) for _ in range(20)]
    for i, order in enumerate(orders):
        compiles(including(*order) + USES_ALL, "-std=gnu89", *PACKINGS[i % 2], *STRICT)


def test_programs_can_ask_for_the_include_guards() -> None:
    """Some include a header only if its guard is not there: the guards have QNX4's names."""
    guards = {f"sys/{name}.h": f"__{name.upper()}_H_INCLUDED" for name in SYS.split()}
    guards |= {"sys/types.h": "__TYPES_H_INCLUDED", "i86.h": "_I86_H_INCLUDED", "process.h": "_PROCESS_H_INCLUDED"}
    for header, guard in guards.items():
        compiles(including(header) + f"#ifndef {guard}\n#error missing\n#endif\n")


# The old style.


@pytest.mark.parametrize("width", ["-m64", "-m32"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_old_style(compiler: str, width: str, tmp_path: Path) -> None:
    """Implicit int, calls of what nobody has declared, Watcom's words. Only QNX4's timers go under other names."""
    need(compiler, "c", width)
    for packing in PACKINGS:
        made = tmp_path / "old.o"
        source = (HERE / "old_style.c").read_text()
        compiles(source, "-std=gnu89", width, "-w", *packing, "-c", "-o", str(made), compiler=compiler)
        wanted = set(subprocess.run(["nm", "-u", made], capture_output=True, text=True, check=True).stdout.split())
        assert {"srr_qnx4_timer_create", "srr_qnx4_timer_settime", "Receive", "qnx_pflags"} <= wanted
        assert not wanted & {"timer_create", "timer_settime", "timer_gettime", "timer_delete"}


def test_without_our_headers_timer_create_is_libcs() -> None:
    """The name is bound in programs that include our <time.h>, nowhere else."""
    source = "#include <time.h>\nint f(void); int f(void) { return timer_create(CLOCK_REALTIME, 0, 0); }\n"
    assert "too many arguments" in cc(source).stderr
    done = subprocess.run(["gcc", "-fsyntax-only", "-xc", "-"], input=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Layouts. The members in QNX4's order, with QNX4's types (c: char, s: short, l: long, of 32 bits; a number behind it:
# an array; p: a process id, a short, and the short of zeros behind it; a number: so many bytes), nothing between them.

SIZES = {"c": 1, "s": 2, "l": 4, "p": 4}

LAYOUTS = {
    "_psinfo": "pid:p blocked_on:p pid_group:p flags:l rgid:s ruid:s egid:s euid:s sp_reg:l ss_reg:s magic_off:l "
    "magic_sel:s ldt:s umask:s signal_ignore:l signal_pending:l signal_mask:l signal_off:l signal_sel:s "
    "state:c zero0:c zero0a:c priority:c max_priority:c sched_algorithm:c sid:s sid_nid:l zero1:s5 un:168 zero3:s12",
    "_psinfo.un.proc": "father:p son:p brother:p debugger:p mpass_pid:p mpass_sel:s mpass_flags:s name:c100 links:s "
    "file_time:l nselectors:s start_time:l times.tms_utime:l times.tms_stime:l times.tms_cutime:l times.tms_cstime:l "
    "mxcount:s zero2:s7",
    "_psinfo.un.vproc": "local_pid:p remote_pid:p remote_vid:p remote_nid:l vidseg:s links:s substate:c zero_v1:c "
    "zero2:s49",
    "_psinfo.un.mproc": "count:s zero2:s50",
    "_psinfo2": "pid:p ppid:p pid_group:p flags:l rgid:s ruid:s egid:s euid:s",
    "_psinfo3": "egid:s euid:s flags:l priority:c max_priority:c",
    "_seginfo": "selector:s flags:s addr:l nbytes:l",
    "_nameinfo": "nid:l pid:p zero2:s4 name:c33",
    "_vc_poll_parm_set": "poll_period:l idle_time:l max_idle_time:l num_polls:s num_qpkts:s zero1:l zero2:l",
    "_fd_entry": "nid:l pid:p vid:p -:l",
    "_sysmsg_hdr": "type:s subtype:s",
    "_sysmsg_death": "signum:s xstatus:l",
    "_sysmsg_signal": "bits:l",
    "_sysmsg_trace": "op:s point:s value:l datalen:s data:c1",
    "_sysmsg_version": "unit:s",
    "_sysmsg_hdr_reply": "status:s zero:s",
    "_sysmsg_trace_reply": "zero:s point:s value:l datalen:s data:c1",
    "_sysmsg_version_reply": "name:c12 date:c12 version:s letter:c more:c",
    "_sysmsg_slib_reply": "naddrs:s addrs:96",
}


def layout_checks() -> str:
    """The table as the compiler's own assertions."""
    lines = []
    for name, members in LAYOUTS.items():
        tag, _, prefix = name.partition(".")
        within = f"struct {tag}, {prefix}." if prefix else f"struct {tag}, "
        base = f"__builtin_offsetof(struct {tag}, {prefix})" if prefix else "0"
        at = 0
        for member in members.split():
            path, _, kind = member.partition(":")
            size = int(kind) if kind.isdigit() else SIZES[kind[0]] * int(kind[1:] or 1)
            if path != "-":  # a bit field
                value = f"((struct {tag} *)0)->{prefix}{'.' if prefix else ''}{path}"
                lines.append(
                    f'_Static_assert(__builtin_offsetof({within}{path}) - {base} == {at}, "{name} {path} at");'
                )
                lines.append(f'_Static_assert(sizeof({value}) == {size}, "{name} {path} size");')
            at += size
        if not prefix:
            lines.append(f'_Static_assert(sizeof(struct {tag}) == {at}, "sizeof {name}");')
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("width", ["-m64", "-m32"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_layouts_are_qnx4s(compiler: str, width: str) -> None:
    need(compiler, "c", width)
    source = including(*QNX4) + layout_checks()
    source += '_Static_assert(sizeof(struct _psinfo) == 272 && sizeof(struct _nameinfo) == 49, "as counted by hand");\n'
    for packing in (*PACKINGS, ("-fpack-struct=4",)):
        for standard in ("gnu89", "gnu17"):
            compiles(source, f"-std={standard}", width, *packing, compiler=compiler)


def test_the_layout_checks_can_fail() -> None:
    wrong = layout_checks().replace("signum) - 0 == 0", "signum) - 0 == 2")
    assert wrong != layout_checks()
    assert "static assertion failed" in cc(including(*QNX4) + wrong).stderr


def test_parts_are_iovecs() -> None:
    """Whatever the packing: the kernel calls hand the table on."""
    checks = including("sys/sendmx.h", "sys/uio.h") + (
        '_Static_assert(sizeof(struct _mxfer_entry) == sizeof(struct iovec), "size");\n'
        '_Static_assert(__builtin_offsetof(struct _mxfer_entry, iov_len) == sizeof(void *), "iov_len");\n'
        '_Static_assert(__builtin_offsetof(struct iovec, iov_len) == sizeof(void *), "iov_len of libc");\n'
    )
    for packing in PACKINGS:
        compiles(checks, "-std=gnu11", *packing)


def test_types() -> None:
    checks = including("sys/types.h", "time.h") + (
        '_Static_assert(sizeof(nid_t) == 4 && (nid_t)-1 < 0, "nid_t");\n'
        '_Static_assert(sizeof(mpid_t) == sizeof(pid_t), "mpid_t");\n'
        '_Static_assert(sizeof(timer_t) == 4 && (timer_t)-1 < 0, "timer_t");\n'
        '_Static_assert(sizeof(ushort_t) == 2 && sizeof(muid_t) == 2 && sizeof(mgid_t) == 2, "shorts");\n'
    )
    compiles(checks, "-std=gnu11")


# Values.

CONSTANTS = {
    "sys/kernel.h": "PROC_PID=1 STATE_DEAD=0 STATE_READY=1 STATE_SEND_BLOCKED=2 STATE_RECEIVE_BLOCKED=3 "
    "STATE_REPLY_BLOCKED=4 STATE_HELD=5 STATE_SIGNAL_BLOCKED=6 STATE_WAIT_BLOCKED=7 STATE_SEM_BLOCKED=8 "
    "_VCS_READY=1 _VCS_GW_PROC_BLK=9 MAX_MX_TAB=255",
    "sys/psinfo.h": "_PPF_IMMORTAL=0x1 _PPF_INFORM=0x2 _PPF_FIXED=0x4 _PPF_PRIORITY_REC=0x10 _PPF_PRIORITY_FLOAT=0x20 "
    "_PPF_NOCLDSTOP=0x40 _PPF_SIGCATCH=0x80 _PPF_SIGMASKALL=0x100 _PPF_SERVER=0x200 _PPF_RDOS=0x400 "
    "_PPF_WAS_32BIT=0x8000 _PPF_32BIT=0x20000 _PPF_FLAT=0x40000 _PPF_XIP=0x80000 _PPF_VID=0x100000 _PPF_MID=0x200000 "
    "_PPF_VMID=0x400000 _PPF_EXECING=0x1000000 _PPF_LOADING=0x2000000 _PPF_TERMING=0x4000000 "
    "_PPF_TO_BE_HELD=0x8000000 _PPF_NOZOMBIE=0x10000000 _PPF_SLEADER=0x20000000 _PPF_FORKED=0x40000000",
    "sys/sys_msg.h": "_SYSMSG=0 _SYSMSG_SUBTYPE_DEATH=0 _SYSMSG_SUBTYPE_SIGNAL=1 _SYSMSG_SUBTYPE_TRACE=2 "
    "_SYSMSG_SUBTYPE_VERSION=3 _SYSMSG_SUBTYPE_SLIB=4",
    "sys/vc.h": "_VC_AT_FIRST=0 _VC_AT_SHARE=1 _VC_AT_REM_ZOMBIE=2 _VC_MAX_NAME_LEN=32",
    "limits.h": "_QNX_MXTAB_LEN=255 _QNX_MSGLEN=65500U _QNX_PROXY_SIZE_MAX=100 _QNX_ATTACHEDNAME_MAX=64 "
    "_QNX_PREFIX_MAX=48 _QNX_ROOT_PREFIX_MAX=128 CHAR_BIT=8 PATH_MAX=4096",
    "process.h": "P_WAIT=0 P_NOWAIT=1 P_OVERLAY=2 P_NOWAITO=3",
}
ONLY_QNX4 = "ENOREMOTE ENONDP EBADFSYS ENO32BIT ENOVPE ENONETQ ENONETMAN EVIDBUF2SML EVIDBUF2BIG EMORE ECTRLTERM ENOLIC"
QNX4_ERRNO = {name: 1000 + i for i, name in enumerate([*ONLY_QNX4.split(), "EDSTFAULT"])} | {"EOK": 0}
#: Names that both have, with Linux's numbers.
SHARED_ERRNO = "ESRCH EINTR EAGAIN ENOMEM EFAULT EBUSY EINVAL ENOMSG EDEADLK ENOSYS EHOSTUNREACH EPERM EBADF"


def test_constants() -> None:
    for header, table in CONSTANTS.items():
        values = dict(entry.split("=") for entry in table.split())
        checks = [f'_Static_assert({name} == {value}, "{name}");\n' for name, value in values.items()]
        compiles(including(header) + "".join(checks), "-D_GNU_SOURCE")


def test_errno() -> None:
    values = QNX4_ERRNO | {name: getattr(errno, name) for name in SHARED_ERRNO.split()}
    assert values["EDSTFAULT"] == 1012
    checks = [f'_Static_assert({name} == {value}, "{name}");\n' for name, value in values.items()]
    compiles(including("errno.h") + "".join(checks))


# libc's structures in programs that pack theirs.


def paddings(header: str, *options: str) -> set[str]:
    """Where the compiler has put padding into structures of that header: with less of it they are others."""
    source = f"#include <{header}>\n"
    command = [
        "gcc",
        "-xc",
        "-std=gnu11",
        "-D_GNU_SOURCE",
        "-Wpadded",
        "-Wsystem-headers",
        "-fsyntax-only",
        *options,
        "-",
    ]
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, input=source, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^\S+: warning: .*\[-Wpadded\]$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize("width", ["-m64", "-m32"])
def test_structures_of_libc_keep_their_layout(width: str) -> None:
    need("gcc", "c", width)
    there = [
        header for header in [*OVERLAYS, *ADDED_TO] if not cc(including(header), width, "-D_GNU_SOURCE").returncode
    ]
    assert set(there) >= {*ADDED_TO, "dirent.h", "termios.h", "sys/stat.h", "sys/socket.h", "setjmp.h", "fcntl.h"}
    padded = 0
    for header in there:
        natural = paddings(header, width)
        assert natural <= paddings(header, width, f"-I{ROOT}", "-fpack-struct=1"), header
        padded += bool(natural - paddings(header, width, "-fpack-struct=1"))
    assert padded > 10, "that option changes nothing here: the test sees nothing"


#: A C library's headers without structures of their own, or with such as have no padding on any machine.
NO_STRUCTURES = """assert complex cpio ctype errno fenv float fmtmsg fnmatch iconv inttypes iso646 langinfo libgen
    limits math monetary nl_types stdarg stdbool stdint strings tar tgmath wctype"""


def test_no_header_of_libc_is_forgotten() -> None:
    """All of those that POSIX names."""
    posix = """aio arpa/inet dirent dlfcn fcntl ftw glob grp locale mqueue net/if netdb netinet/in netinet/tcp poll
        pthread pwd regex sched search semaphore setjmp signal spawn stdio stdlib string sys/ipc sys/mman sys/msg
        sys/resource sys/select sys/sem sys/shm sys/socket sys/stat sys/statvfs sys/time sys/times sys/types sys/uio
        sys/un sys/utsname sys/wait syslog termios time ulimit unistd utime utmpx wchar wordexp"""
    assert {f"{name}.h" for name in posix.split()} <= {*OVERLAYS, *ADDED_TO}
    for name in NO_STRUCTURES.split():
        assert paddings(f"{name}.h") == set(), name


@pytest.mark.parametrize("width", ["-m64", "-m32"])
def test_srr_h_has_no_padding(width: str) -> None:
    """So its structures are the same in programs that pack theirs."""
    need("gcc", "c", width)
    source = including("srr.h")
    found = cc(source, width, "-D_GNU_SOURCE", f"-I{ROOT.parents[1]}", "-Wpadded").stderr
    assert "srr.h" not in found and not found, found


@pytest.mark.parametrize("optimize", ["-O0", "-O2"])
@pytest.mark.parametrize("width", ["-m64", "-m32"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_libc_and_program_mean_the_same(compiler: str, width: str, optimize: str, tmp_path: Path) -> None:
    """headers/libc.c hands structures to libc; packed, and without our headers, it must come to grief."""
    need(compiler, "c", width)

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        made = tmp_path / "libc"
        command = [
            compiler,
            "-std=gnu89",
            "-D_GNU_SOURCE",
            width,
            optimize,
            *options,
            str(HERE / "libc.c"),
            "-o",
            str(made),
        ]
        subprocess.run([*command, "-pthread"], check=True, capture_output=True, timeout=60)
        return subprocess.run([made], capture_output=True, text=True, timeout=20)

    for options in ((f"-I{ROOT}",), (f"-I{ROOT}", "-DPACKED", "-fpack-struct=1")):
        done = run(*options)
        assert (done.returncode, done.stdout) == (0, "ok\n"), (options, done)
    assert run("-DPACKED", "-fpack-struct=1").returncode != 0
