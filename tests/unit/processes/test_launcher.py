"""How the launcher gets from a descriptor of the server to the same directory in a mount namespace of its own."""

from __future__ import annotations

import os
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
