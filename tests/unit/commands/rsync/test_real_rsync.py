"""The grammar and the bridge between a stock rsync and its daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conchgo.commands.rsync.filters import filter_rules
from conchgo.commands.rsync.module import Module
from conchgo.paths import ROOT
from tests.programs import require_program
from tests.unit.commands.rsync.test_filters import NO_PATTERNS, found, plant

TREE = frozenset({b"f", b"sub/g", b"sub/with space", b"sub/*", b"empty/", b"\xff"})


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A directory, and beside it a configuration that serves it."""
    here = os.fsencode(tmp_path)
    (tmp_path / "remote").mkdir()
    (tmp_path / "rules").write_bytes(
        filter_rules(ROOT, NO_PATTERNS, (), lambda path: here + b"/remote" + bytes(path).rstrip(b"/"), writes=True)
    )
    module = Module(b"files", b"/", here + b"/rules", here + b"/log", b"mark", False, False)
    root = b"uid = 0\ngid = 0\n" if os.geteuid() == 0 else b""
    (tmp_path / "rsyncd.conf").write_bytes(module.configuration() + root)
    plant(here + b"/local", TREE)
    return tmp_path / "remote"


def rsync(remote: Path, *arguments: str | Path) -> None:
    shell = f"{sys.executable} -m tests.unit.commands.rsync.far_end {remote.parent}/rsyncd.conf files"
    command = [require_program("rsync"), "-e", shell, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "options",
    [
        *(["-a", f"--protocol={version}"] for version in (27, 29, 30, 31, 32)),
        ["-az", "--secluded-args", "--delete"],
        ["-aHX", "--info=progress2", "--out-format=%i %n", "--partial-dir=.rp", "--bwlimit=9000", "--numeric-ids"],
    ],
)
def test_there_and_back(remote, options):
    back = remote.parent / "back"
    local = remote.parent / "local"
    rsync(remote, *options, f"{local}/", f"host:{remote}/")
    rsync(remote, *options, f"host:{remote}/", back)
    assert found(os.fsencode(remote)) == found(os.fsencode(back)) == found(os.fsencode(local))


def test_the_log_tells_of_each_file(remote):
    rsync(remote, "-r", f"{remote.parent}/local/f", f"host:{remote}/")
    assert f" mark recv >f+++++++++ 1 {str(remote)[1:]}/f\n" in (remote.parent / "log").read_text()
