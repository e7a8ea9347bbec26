"""Removing trees, step by step: what somebody does in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from conchgo.errors import TooManyLinks
from conchgo.paths import VirtualPath
from conchgo.storage.local import LocalStorage
from conchgo.vfs.copying import TreeCopy
from conchgo.vfs.removing import Removal
from tests.unit.commands.running import filesystem


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("victim", "tree/deep"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(3):
            (tmp_path / name / f"{number}").write_bytes(b"x")
    return tmp_path


def swap(home: Path) -> None:
    """What an attacker does at the right moment."""
    (home / "tree" / "deep").rename(home / "aside")
    (home / "tree" / "deep").symlink_to("../victim")


@pytest.mark.parametrize("steps", range(1, 6))
def test_a_link_in_the_place_of_a_directory_leads_nowhere(home, steps) -> None:
    work = Removal(filesystem(LocalStorage(bytes(home))), VirtualPath.parse(b"/tree"))
    for number in range(100):
        if number == steps and (home / "tree" / "deep").is_dir():
            swap(home)
        if not work.step():
            break
    assert sorted(path.name for path in (home / "victim").iterdir()) == ["0", "1", "2"]


@pytest.mark.parametrize("steps", range(1, 12))
def test_nothing_is_copied_through_a_link_that_was_swapped_in(home, steps) -> None:
    (home / "victim" / "secret").write_bytes(b"secret")
    work = TreeCopy(filesystem(LocalStorage(bytes(home))), VirtualPath.parse(b"/tree"), VirtualPath.parse(b"/copy"))
    for number in range(100):
        if number == steps:
            swap(home)
        if not work.step():
            break
    assert not list((home).glob("copy/**/secret"))


def test_the_way_to_what_is_removed_may_be_a_link(home) -> None:
    (home / "link").symlink_to("tree")
    work = Removal(filesystem(LocalStorage(bytes(home))), VirtualPath.parse(b"/link/deep"))
    while work.step():
        pass
    assert not (home / "tree" / "deep").exists()
    assert work.removed == 4


def test_inside_no_link_is_followed(home) -> None:
    (home / "link").symlink_to("tree")
    files = filesystem(LocalStorage(bytes(home))).inside
    assert files.lstat(VirtualPath.parse(b"/link")).mode
    for path in (b"/link", b"/link/deep"):
        with pytest.raises(TooManyLinks):
            files.scan(VirtualPath.parse(path))
