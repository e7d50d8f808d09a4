"""Every guarantee of the library has a test that names it."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent


def named() -> dict[str, list[str]]:
    """The tests that each letter has, by ``@guarantee("A", ...)``."""
    tests: dict[str, list[str]] = {}
    for path in sorted(HERE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "guarantee":
                    for letter in mark.args:
                        assert isinstance(letter, ast.Constant)
                        tests.setdefault(str(letter.value), []).append(f"{path.relative_to(HERE)}::{node.name}")
    return tests


def test_each_guarantee_is_shown() -> None:
    found = named()
    for letter, tests in sorted(found.items()):
        print(letter, len(tests), "tests, as", tests[0])
    assert set(found) == set("ABCDEFG")
