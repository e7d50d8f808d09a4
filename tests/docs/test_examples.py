"""What README.md and docs/ show is what happens: programs, sessions at the terminal, and Python at its prompt.

A line of HTML before a fenced block, which no reader sees, says what the block is:

    <!-- program NAME.py -->       the code of docs/examples/NAME.py
    <!-- session -->               what terminals show (terminals.py), from scratch
    <!-- session goes on -->       the same terminals as in the block before
    <!-- prompt -->                Python's prompt (doctest), in a process of its own
    <!-- not run: why -->
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from terminals import Session

import srr

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOTES = [ROOT / "CONTRIBUTING.md", ROOT / "srr" / "native" / "README.md"]
#: Here nothing is shown that is not run, or that does not say why.
STRICT = {"README.md", "tutorial.md"}
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    document: str
    line: int
    kind: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks() -> Iterator[Block]:
    for path in DOCUMENTS:
        text = path.read_text()
        for found in _BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(path.name, line, found["kind"], found["mark"] or "", found["text"])


BLOCKS = list(blocks())


def sessions() -> list[list[Block]]:
    """Those that go on belong to the one before."""
    found: list[list[Block]] = []
    for block in BLOCKS:
        if block.mark == "session":
            found.append([block])
        elif block.mark == "session goes on":
            assert found[-1][0].document == block.document, f"{block}: there is no session to go on with"
            found[-1].append(block)
    return found


SESSIONS = sessions()


def code_of(path: Path) -> str:
    """A program without its docstring, which is for those who find it in its folder."""
    text = path.read_text()
    first = ast.parse(text).body[0]
    assert isinstance(first, ast.Expr) and ast.get_docstring(ast.parse(text)), f"{path.name}: say what it shows"
    return "\n".join(text.splitlines()[first.end_lineno :]).strip() + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The examples, where they may leave files."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "examples"))


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: str(session[0]))
def test_session(session: list[Block], folder: Path, names: Path) -> None:
    played = Session(folder, names)
    try:
        for block in session:
            played.play(block.text)
    finally:
        played.close()
    played.check_all_is_shown()


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.mark == "prompt"], ids=str)
def test_prompt(block: Block, folder: Path, names: Path) -> None:
    (folder / "prompt.txt").write_text(block.text)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "doctest", "-o", "ELLIPSIS", "prompt.txt"],
        cwd=folder,
        env=os.environ | {"SRR_RUNTIME_DIR": str(names)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.mark.startswith("program ")], ids=str)
def test_program_is_shown_as_it_is(block: Block) -> None:
    assert block.text == code_of(EXAMPLES / block.mark.removeprefix("program "))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_every_program_is_run_by_a_session(path: Path) -> None:
    typed = "\n".join(block.text for session in SESSIONS for block in session)
    assert re.search(rf"\$ .*\b{re.escape(path.name)}\b", typed)


@pytest.mark.parametrize("path", [*DOCUMENTS, *NOTES], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_are_there(path: Path) -> None:
    """Links are mkdocs's business in docs/; here are those of the other pages, and what is only named."""
    text = path.read_text()
    named = set(re.findall(r"(?<![\w/])(?:tests|srr|docs)/[\w/.-]*\w", text))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    linked = {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}
    assert [link for link in sorted(linked) if not (path.parent / link).exists()] == []


def test_calls_are_all_described() -> None:
    described = (ROOT / "docs" / "calls.md").read_text()
    header = (ROOT / "srr" / "native" / "include" / "srr.h").read_text()
    functions = re.findall(r"^\w+ (srr_\w+)\(", header, flags=re.MULTILINE)
    assert len(functions) == 38
    values = {"Blocked", "Lane"}  # explained where they are shown
    missing = [
        name for name in [*srr.__all__, *functions] if name not in values and not re.search(rf"\b{name}\b", described)
    ]
    assert missing == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.document in STRICT], ids=str)
def test_nothing_is_shown_that_is_not_run(block: Block) -> None:
    wanted = {"python": ("program ",), "console": ("session", "not run: "), "pycon": ("prompt",), "text": ("",)}
    assert block.mark.startswith(wanted[block.kind]), f"{block}: say in a comment before the block how to run it"
