"""How the launcher gets from a descriptor of the server to the same directory in a mount namespace of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from conchgo.processes import launcher


@pytest.mark.parametrize("by", ["another directory", "a link to it", "a link above it", "nothing"])
def test_what_has_another_name_by_then_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """Somebody swaps it in between the look at its name and the use of that."""
    right = tmp_path / "right"
    (right / "below").mkdir(parents=True)
    (tmp_path / "another").mkdir()
    (tmp_path / "link").symlink_to(right / "below")
    (tmp_path / "above").symlink_to(right)
    names = {
        "another directory": tmp_path / "another",
        "a link to it": tmp_path / "link",
        "a link above it": tmp_path / "above" / "below",
        "nothing": tmp_path / "missing",
    }
    descriptor = os.open(right / "below", os.O_PATH)
    monkeypatch.setattr(launcher, "_open_tree", lambda ours: 7)
    assert launcher._clone(descriptor) == 7

    monkeypatch.setattr(os, "readlink", lambda path: os.fsencode(names[by]))
    with pytest.raises(launcher.Trouble, match="not where it was") as caught:
        launcher._clone(descriptor)
    assert str(tmp_path) not in str(caught.value)
    os.close(descriptor)


def test_what_is_covered_must_be_there() -> None:
    with pytest.raises(launcher.Trouble, match="what is to be covered is not there"):
        launcher._beneath(launcher._openat2(-100, b"/", 0), b"no such name")


def test_nothing_is_told_but_one_line() -> None:
    """Here there is no plan; descriptor 3 is a directory."""
    directory = os.open("/", os.O_RDONLY)
    command = [sys.executable, "-I", "-S", launcher.__file__]
    with tempfile.TemporaryFile() as said:
        actions = [(os.POSIX_SPAWN_DUP2, said.fileno(), 2), (os.POSIX_SPAWN_DUP2, directory, launcher.PLAN)]
        pid = os.posix_spawn(command[0], command, {}, file_actions=actions)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said.seek(0)
        text = said.read()
    os.close(directory)

    assert (status, text) == (1, b"conchgo-box: failure: IsADirectoryError\n")
