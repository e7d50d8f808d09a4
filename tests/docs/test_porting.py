"""Every function of the C headers has a manual page, and every one of QNX4's is in the porting guide's table.

What the headers declare, the compiler says. A page's synopsis must compile with the header that it is about, and its
errnos are those of the header's comment.
"""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INCLUDE = ROOT / "srr" / "native" / "include"
QNX4 = INCLUDE / "srr" / "qnx4"
CORE = [INCLUDE / "srr.h", INCLUDE / "srr" / "device.h"]
MAN = ROOT / "docs" / "man"
GUIDE = ROOT / "docs" / "porting-qnx4.md"

OVERVIEWS = {"srr", "qnx4"}
SECTIONS = ["NAME", "LIBRARY", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE", "ERRORS", "DIFFERENCES", "SEE ALSO", "SOURCE"]
OPTIONAL = {"EXAMPLE", "ENVIRONMENT"}
#: Names that other manuals have: the page is qnx4_NAME. A page of libc's or of curses would be shown instead.
TAKEN = {f"timer_{what}" for what in ("create", "delete", "settime", "gettime", "getoverrun")} | {"getch", "ungetch"}
#: Pages of others in section 3.
ELSEWHERE = {
    "errno",
    "exec",
    "fopen",
    "longjmp",
    "posix_spawn",
    "sprintf",
    "strcasecmp",
    "sysconf",
    "termios",
    "toupper",
} | {"perror", "strerror"}

# The headers.


@dataclass(frozen=True)
class Function:
    name: str
    header: Path
    line: int
    #: The comment above it, which it may share.
    comment: str


def compiler(source: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["cc", "-x", "c", *options, "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, timeout=60)


@cache
def comments(header: Path) -> list[tuple[int, str]]:
    """Those that begin a line, with the line behind their end."""
    text = header.read_text()
    found = re.finditer(r"^/\*.*?\*/", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, comment.end()) + 1, comment[0]) for comment in found]


def declared(headers: list[Path], includes: Path, folder: Path) -> dict[str, Function]:
    """What the compiler found declared in these headers, and not in those that they include."""
    listing = folder / "declared.txt"
    found = {}
    for header in headers:
        name = header.relative_to(includes)
        source = f"#include <{name}>\n"
        options = ["-std=gnu11", "-D_GNU_SOURCE", f"-I{includes}"]
        if compiler(source, *options, "-fsyntax-only").returncode:
            continue  # it includes one of libc's that this libc does not have
        done = compiler(source, *options, "-c", "-o", "/dev/null", "-aux-info", str(listing))
        assert done.returncode == 0, done.stderr
        for path, line, function in re.findall(
            r"^/\* (.*):(\d+):\w+ \*/ .*?(\w+) \(", listing.read_text(), re.MULTILINE
        ):
            if Path(path) in headers:
                above = [text for end, text in comments(Path(path)) if end <= int(line)]
                found[function] = Function(function, Path(path), int(line), above[-1])
    return found


@pytest.fixture(scope="module")
def qnx4(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Function]:
    if (
        "gcc" not in compiler("", "--version").stdout.lower()
        and "Free Software" not in compiler("", "--version").stdout
    ):
        pytest.skip("only gcc lists what a header declares (-aux-info)")
    return declared(sorted(QNX4.rglob("*.h")), QNX4, tmp_path_factory.mktemp("qnx4"))


@pytest.fixture(scope="module")
def core(qnx4: dict[str, Function], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Function]:
    return declared(CORE, INCLUDE, tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def functions(qnx4: dict[str, Function], core: dict[str, Function]) -> dict[str, Function]:
    return qnx4 | core


def test_the_compiler_lists_all(qnx4: dict[str, Function], core: dict[str, Function]) -> None:
    """As `extern` in QNX4's headers, which is how every function is written there."""
    written = {
        name
        for header in QNX4.rglob("*.h")
        for name in re.findall(r"^extern (?!\")[^(]*?(\w+)\(", header.read_text(), re.MULTILINE)
    }
    assert set(qnx4) == written and len(written) > 70
    assert {"srr_send", "srr_proxy_list", "srr_device_ioctl"} <= set(core) and len(core) > 28


# The guide.


def rows() -> list[list[str]]:
    """Of the tables under the heading, without their heads."""
    text = GUIDE.read_text().partition("\n## The table\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in cells if row[0] not in ("QNX4", "---")]


def test_every_call_is_in_the_table(qnx4: dict[str, Function]) -> None:
    named = [name for row in rows() for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted([*qnx4, "_setmx"])
    for row in rows():
        assert len(row) == 3 and all(row), row


def test_the_table_is_in_the_order_of_the_headers(qnx4: dict[str, Function]) -> None:
    """A call stands under the heading that names its header."""
    text = GUIDE.read_text().partition("\n## The table\n")[2]
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        heads = set(re.findall(r"<([\w/.]+)>", part.splitlines()[0]))
        names = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*)\|", part, re.MULTILINE))))
        assert {str(qnx4[name].header.relative_to(QNX4)) for name in names - {"_setmx"}} <= heads, heads


def test_the_old_program_is_shown_as_it_is() -> None:
    for name, shown in re.findall(r"^<!-- C program (\S+) -->\n```c\n(.*?)^```$", GUIDE.read_text(), re.M | re.S):
        text = (ROOT / "docs" / "examples" / name).read_text()
        assert shown == text.partition("*/\n")[2], name
    assert "<!-- C program qnx4_client.c -->" in GUIDE.read_text()


# The pages.


def plain(text: str) -> str:
    """A page's text without its macros and fonts, a line a line."""
    lines = []
    for line in text.splitlines():
        if macro := re.match(r"\.(BI|BR|IR|RI|B|I|TP|IP|SS) ?(.*)", line):
            line = macro[2]
            if macro[1] in ("BI", "BR", "IR", "RI"):  # the arguments stand side by side
                line = "".join(quoted or word for quoted, word in re.findall(r'"([^"]*)"|(\S+)', line))
            else:
                line = line.strip('"')
        elif re.match(r"\.(PP|in|EX|EE|nf|fi|nh|ad)\b", line):
            line = ""
        lines.append(re.sub(r"\\f[BIPR]|\\&", "", line))
    for escape, character in {r"\-": "-", r"\(aq": "'", r"\(ga": "`", r"\(ha": "^", r"\(ti": "~", r"\e": "\\"}.items():
        lines = [line.replace(escape, character) for line in lines]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Page:
    path: Path
    sections: dict[str, str]

    @property
    def names(self) -> list[str]:
        return self.sections["NAME"].partition(" - ")[0].replace(",", " ").split()

    def __str__(self) -> str:
        return self.path.name


def read_page(path: Path) -> Page:
    parts = re.split(r"^\.SH (.*)\n", path.read_text(), flags=re.MULTILINE)
    return Page(path, {title: plain(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)})


def is_link(path: Path) -> bool:
    return path.read_text().startswith(".so ")


PATHS = sorted(MAN.glob("*.3"))
PAGES = [read_page(path) for path in PATHS if not is_link(path)]
CALLS = [page for page in PAGES if page.path.stem not in OVERVIEWS]


def page_name(function: str) -> str:
    return f"qnx4_{function}" if function in TAKEN else function


def test_every_function_has_a_page(functions: dict[str, Function]) -> None:
    described = [name for page in CALLS for name in page.names]
    assert sorted(described) == sorted([*functions, "_setmx"])
    assert {path.stem for path in PATHS} == {page_name(name) for name in described} | OVERVIEWS


def test_pages_are_where_their_names_lead() -> None:
    where = {page_name(name): page.path for page in CALLS for name in page.names}
    for path in PATHS:
        if is_link(path):
            assert path.read_text() == f".so man3/{where[path.stem].name}\n"
        elif path.stem not in OVERVIEWS:
            assert where[path.stem] == path


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_sections(page: Page) -> None:
    there = [title for title in page.sections if title not in OPTIONAL]
    wanted = [title for title in SECTIONS if page in CALLS or title not in ("RETURN VALUE", "ERRORS")]
    assert there == wanted
    assert all(text.strip() for text in page.sections.values())
    title = page.path.read_text().splitlines()[0]
    assert re.fullmatch(rf'\.TH {page.path.stem} 3 \d{{4}}-\d\d-\d\d srr "(QNX4|srr) functions"', title)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_other_pages_are_there(page: Page) -> None:
    text = "\n".join(page.sections.values())
    others = set(re.findall(r"([\w.-]+)\(3\)", text))
    assert {name for name in others if not (MAN / f"{name}.3").exists()} <= ELSEWHERE
    overview = "qnx4" if "QNX4's C" in page.sections["LIBRARY"] else "srr"
    assert f"{overview}(3)" in page.sections["SEE ALSO"] or page.path.stem in OVERVIEWS


def test_overviews_name_all(qnx4: dict[str, Function], core: dict[str, Function]) -> None:
    for overview, functions in (("qnx4", qnx4), ("srr", core)):
        text = (MAN / f"{overview}.3").read_text()
        assert [name for name in functions if f"\\fB{page_name(name)}\\fP(3)" not in text] == []


@pytest.mark.parametrize("page", CALLS, ids=str)
def test_synopsis_is_what_the_header_says(page: Page, functions: dict[str, Function]) -> None:
    """Compiled: another declaration of the same function would be an error. And a name that is missing shows."""
    synopsis = page.sections["SYNOPSIS"]
    undone = "".join(f"#undef {name}\n" for name in page.names)
    includes = "".join(line + "\n" for line in synopsis.splitlines() if line.startswith("#include"))
    prototypes = "\n".join(line for line in synopsis.splitlines() if not line.startswith("#"))
    source = includes + undone + prototypes
    for root in (["-D__QNX__", f"-I{QNX4}"], [f"-I{INCLUDE}"]):
        if ("QNX4's C" in page.sections["LIBRARY"]) == (root[-1] == f"-I{QNX4}"):
            done = compiler(source, "-std=gnu11", "-Wall", "-Werror", *root, "-fsyntax-only")
            assert done.returncode == 0, done.stderr
    assert set(page.names) <= set(re.findall(r"\b(\w+)\(", prototypes))
    for name in set(page.names) & set(functions):
        header = functions[name].header
        included = header.relative_to(QNX4 if QNX4 in header.parents else INCLUDE)
        assert f"#include <{included}>" in includes, name


@pytest.mark.parametrize("page", [page for page in PAGES if "EXAMPLE" in page.sections], ids=str)
def test_example_compiles(page: Page) -> None:
    old = "QNX4's C" in page.sections["LIBRARY"]
    options = ["-std=gnu89", "-D__QNX__", f"-I{QNX4}"] if old else ["-std=gnu11", "-Wall", f"-I{INCLUDE}"]
    done = compiler(page.sections["EXAMPLE"], *options, "-Werror", "-fsyntax-only")
    assert done.returncode == 0, done.stderr


# Errors.

#: Of a process's first call, whichever it is: there is nothing to make its rows of.
FIRST_CALL = {"EMFILE", "ENFILE", "ENOMEM"}
NUMBERS = set(errno.errorcode.values()) | {"EDSTFAULT"}
_ERRNO = r"(?<!\w)(?:SRR_)?(E[A-Z0-9]+)\b"
#: What a comment says of other functions' errors, and of those that do not happen.
_NOT_ITS_OWN = re.compile(rf"Never here:[^.]*\.|(?:gets|gives?|ends? with|ended with|without) -?{_ERRNO}")


def named(text: str) -> set[str]:
    return set(re.findall(_ERRNO, text)) & NUMBERS


def of_page(page: Page) -> set[str]:
    """Those that are explained: they stand alone in their line."""
    lines = page.sections["ERRORS"].splitlines()
    return {name for line in lines if re.fullmatch(rf"(?:{_ERRNO}(?:, )?)+", line) for name in named(line)}


@cache
def one_line(text: str) -> str:
    return re.sub(r"\s*\n \*\s*", " ", text)


def own(function: Function) -> set[str]:
    return named(_NOT_ITS_OWN.sub("", one_line(function.comment)))


def related(function: Function, functions: dict[str, Function]) -> set[Function]:
    """Itself, and those to which its comment refers ("as Readmsg", "Send's")."""
    found, new = set[Function](), {function}
    while new:
        found |= new
        words = {word for each in new for word in re.findall(r"\w+", each.comment)}
        new = {functions[word] for word in words & set(functions)} - found
    return found


def said_for_all(header: Path, functions: dict[str, Function]) -> set[str]:
    """In comments that are above no function, such as the header's first."""
    above = {each.comment for each in functions.values()}
    return {error for _, text in comments(header) if text not in above for error in named(text)}


@pytest.mark.parametrize("page", CALLS, ids=str)
def test_a_page_has_no_errors_that_the_header_has_not(page: Page, functions: dict[str, Function]) -> None:
    allowed = set(FIRST_CALL)
    for name in set(page.names) & set(functions):
        allowed |= said_for_all(functions[name].header, functions)
        allowed |= {error for each in related(functions[name], functions) for error in own(each)}
    assert of_page(page) - allowed == set()
    says_none = page.sections["ERRORS"].strip() == "None."
    assert says_none == (not of_page(page))


def test_what_the_headers_say_of_errors_is_in_the_pages(functions: dict[str, Function]) -> None:
    """A comment may be about functions that have several pages; each of its errors is in one of them."""
    missing = {}
    page_of = {name: page for page in CALLS for name in page.names}
    for function in functions.values():
        sharing = [page_of[each.name] for each in functions.values() if each.comment == function.comment]
        if without := own(function) - set().union(*map(of_page, sharing)):
            missing[function.name] = without
    assert missing == {}


# How they look.


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_pages_render_without_a_warning(page: Page, tmp_path: Path) -> None:
    if shutil.which("groff"):
        command = ["groff", "-ww", "-man", "-Tutf8", "-P-cbou", "-rLL=80n", str(page.path)]
    elif shutil.which("mandoc"):
        command = ["mandoc", "-Tutf8", "-Owidth=80", "-Wwarning", str(page.path)]
    else:
        pytest.skip("neither groff nor mandoc is installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    heads = [line for line in done.stdout.splitlines() if line.isupper() and not line.startswith(" ")]
    assert heads == list(page.sections)
    assert max(map(len, done.stdout.splitlines())) <= 96  # a line of an example may be longer than the text's
