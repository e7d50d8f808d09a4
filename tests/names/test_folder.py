"""The folder of names is trusted only if it is this user's alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from drive import Company, Partner, exchange, guarantee, srr


def others_by_link(folder: Path) -> Path:
    link = folder.parent / f"{folder.name}-link"
    link.symlink_to(folder)
    return link


def writable(mode: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        folder.chmod(mode)
        return folder

    return make


def a_file(folder: Path) -> Path:
    path = folder / "file"
    path.write_text("")
    return path


def nowhere(folder: Path) -> Path:
    return folder / "missing" / "deeper"


def not_ours(folder: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("giving a folder away needs root")
    os.chown(folder, 65534, 65534)
    return folder


SPOILT = [
    writable(0o770),
    writable(0o777),
    writable(0o1777),
    writable(0o702),
    others_by_link,
    a_file,
    nowhere,
    not_ours,
]


def refused(partner: Partner) -> None:
    for verb, args in [("attach", {"name": "calc"}), ("locate", {"name": "calc"}), ("query", {})]:
        failure = partner.fails(verb, **args)
        assert isinstance(failure, srr.Refused), verb
        assert "SRR_RUNTIME_DIR" in str(failure)


@guarantee("E")
@pytest.mark.parametrize("spoil", SPOILT)
def test_a_folder_that_is_not_ours_alone_is_refused(
    company: Company, tmp_path: Path, spoil: Callable[[Path], Path]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    partner = company.start(SRR_RUNTIME_DIR=str(spoil(folder)))
    refused(partner)
    exchange(company.start(), partner, b"pids need no folder")


@guarantee("E")
def test_a_folder_that_is_spoilt_later_is_refused_then(company: Company, names: Path) -> None:
    owner, other = company.start_many(2)
    owner.do("attach", name="calc")
    names.chmod(0o777)
    refused(other)
    names.chmod(0o700)
    assert other.do("locate", name="calc") == owner.pid


def test_it_is_made_private(company: Company, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    owner = company.start(SRR_RUNTIME_DIR=str(folder))
    owner.do("attach", name="calc")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_long_path_is_refused_or_works(company: Company, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True, mode=0o700)
    owner = company.start(SRR_RUNTIME_DIR=str(folder))
    try:
        owner.do("attach", name="calc")
    except OSError as failure:
        print(failure)
    else:
        assert company.start(SRR_RUNTIME_DIR=str(folder)).do("locate", name="calc") == owner.pid


def test_the_folder_may_vanish(company: Company, tmp_path: Path) -> None:
    """Somebody cleaned up. The names in it are lost, nothing else is, and attaching works again."""
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    owner = company.start(SRR_RUNTIME_DIR=str(folder))
    other = company.start(SRR_RUNTIME_DIR=str(folder))
    owner.do("attach", name="calc")
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert isinstance(other.fails("locate", name="calc"), (srr.ServerDied, FileNotFoundError))
    exchange(owner, other)
    owner.do("attach", name="again")
    assert other.do("locate", name="again") == owner.pid
