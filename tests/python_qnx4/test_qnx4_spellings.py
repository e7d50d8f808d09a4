"""srr.qnx4 has the names, values and parameters of QNX4's headers."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from srr import psinfo, qnx4
from srr.psinfo import State

HEADERS = Path(__file__).parents[2] / "srr" / "native" / "include" / "srr" / "qnx4"
READ = ["sys/kernel.h", "sys/proxy.h", "sys/name.h", "sys/vc.h", "sys/psinfo.h", "sys/sched.h", "sys/sys_msg.h"]
READ += ["sys/sendmx.h", "errno.h", "unistd.h"]
#: What is about descriptors, about other nodes, or about the scheduler alone: not for Python.
LEFT_OUT = {
    *("Sendfd", "Sendfdmx"),
    *("qnx_name_locators", "qnx_name_nodes", "qnx_net_alive"),
    *("qnx_vc_poll_parm", "qnx_vc_refresh", "qnx_strtonid", "qnx_nidtostr"),
    *("qnx_scheduler", "srr_strerror"),
}
#: Parameters that Python's functions have no use for: a buffer knows its size, and what is stored is returned.
NO_NEED = {
    *("snbytes", "rnbytes", "sparts", "rparts", "nbytes", "parts"),
    *("copies", "buf", "segindex", "seg", "old", "now"),
}


def text(name: str) -> str:
    return re.sub(r"/\*.*?\*/", "", (HEADERS / name).read_text(), flags=re.DOTALL)


def functions() -> dict[str, list[str]]:
    """The functions of the headers with the names of their parameters."""
    found = {}
    for name in READ:
        for function, parameters in re.findall(r"^extern [\w ]+?\*?(\w+)\(([^)]*)\);", text(name), re.MULTILINE):
            words = [re.sub(r"\[\]$", "", each).split()[-1].lstrip("*") for each in parameters.split(",")]
            found[function] = [word for word in words if word != "void"]
    return found


def constants() -> dict[str, int]:
    found = {}
    for name in READ:
        for constant, value in re.findall(r"^#define (\w+) (0x[0-9a-fA-F]+|\d+)[UL]*\s*$", text(name), re.MULTILINE):
            found[constant] = int(value, 0)
    return found


def test_something_was_read() -> None:
    assert {"Send", "Receivemx", "qnx_psinfo", "getnid"} <= set(functions())
    assert len(functions()) > 35
    assert len(constants()) > 60


def test_each_function_is_there() -> None:
    missing = {name for name in functions() if not hasattr(qnx4, name)}
    assert missing == LEFT_OUT


@pytest.mark.parametrize("name", sorted(set(functions()) - LEFT_OUT))
def test_parameters_are_those_of_the_header(name: str) -> None:
    wanted = [parameter for parameter in functions()[name] if parameter not in NO_NEED]
    assert list(inspect.signature(getattr(qnx4, name)).parameters) == wanted


def test_constants_have_the_values_of_the_headers() -> None:
    there = {name: value for name, value in constants().items() if hasattr(qnx4, name)}
    assert there == {name: getattr(qnx4, name) for name in there}
    assert {name for name in constants() if name.startswith(("STATE_", "_PPF_", "_SYSMSG", "_VC_AT"))} <= set(there)
    errors = {name for name in constants() if re.fullmatch(r"E[A-Z0-9]+", name)}
    assert errors <= set(there)
    assert "EDSTFAULT" in errors


def test_states_have_the_values_of_the_header() -> None:
    c = {value: name for name, value in constants().items() if name.startswith("STATE_")}
    assert set(c) == {state.value for state in State}
    for state in State:
        assert c[state].startswith(f"STATE_{state.name[:3]}".replace("SIG", "SIGNAL")[:9]), (state, c[state])


def test_all_names_what_is_public() -> None:
    """A static list, so that type checkers know it too; imports are not in it."""
    tree = ast.parse(Path(qnx4.__file__).read_text())
    defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            defined |= {each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)}
    public = {name for name in defined if not name.startswith("_") or name in ("_psinfo", "_nameinfo")}
    public |= {name for name in defined if name.startswith(("_PPF_", "_VC_", "_SYSMSG", "_QNX_"))} | {"PROC_PID"}
    assert set(qnx4.__all__) == public


def test_the_changeable_flags_are_those_of_the_c_library() -> None:
    source = (HEADERS.parents[2] / "qnx4" / "flags.c").read_text()
    names = re.search(r"#define CHANGEABLE\b(.*?\))", source, re.DOTALL)
    assert names
    values = [getattr(qnx4, name) for name in re.findall(r"_PPF_\w+", names[1])]
    assert sum(values) == psinfo.PPF_CHANGEABLE
