"""Folders in a user's tree: routed, listed, kept in their places, and nothing leads around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from conchgo.paths import ROOT
from conchgo.storage.interface import Kind
from conchgo.vfs.interface import Filesystem
from tests.permission_table import DIRECTORY, prepare, snapshot
from tests.unit.vfs.helpers import ALL, View, get, names, p, put

NOTHING: tuple[str, ...] = ()


class Tree:
    """A home and three folders: one nested, one behind directories that exist nowhere."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.home, self.team, self.deep, self.far = make(), make(), make(), make()
        self.folders = {b"/team": self.team, b"/team/a/deep": self.deep, b"/v/w/far": self.far}
        for storage, content in zip(self.storages, (b"home", b"team", b"deep", b"far"), strict=True):
            prepare(storage, {b"/file": content, b"/d": DIRECTORY, b"/d/inner": content, b"/empty": DIRECTORY})

    @property
    def storages(self) -> tuple[Any, ...]:
        return self.home, self.team, self.deep, self.far

    def fs(self, rules: Mapping[str, Any] | None = None) -> Filesystem:
        return View(self.home, rules or {"/": ALL}, folders=self.folders).fs

    def content(self) -> list[dict[bytes, object]]:
        return [snapshot(storage) for storage in self.storages]


@pytest.fixture
def tree(make_storage: Callable[[], Any]) -> Tree:
    return Tree(make_storage)


def test_each_path_is_in_the_deepest_mount_on_its_way(tree: Tree) -> None:
    fs = tree.fs()
    assert [get(fs, path + b"/file") for path in (b"", b"/team", b"/team/a/deep", b"/v/w/far")] == [
        b"home",
        b"team",
        b"deep",
        b"far",
    ]
    put(fs, b"/team/a/deep/d/new", b"new")
    assert tree.deep.lstat(p(b"/d/new")).size == 3


def test_mounts_are_listed_in_their_parents(tree: Tree) -> None:
    fs = tree.fs()
    assert names(fs, b"/") == {b"file", b"d", b"empty", b"team", b"v"}
    assert names(fs, b"/team") == {b"file", b"d", b"empty", b"a"}
    assert names(fs, b"/team/a") == {b"deep"}
    assert names(fs, b"/v") == {b"w"}
    assert names(fs, b"/v/w") == {b"far"}
    assert names(fs, b"/v/w/far") == {b"file", b"d", b"empty"}
    for path in (b"/v", b"/v/w", b"/v/w/far", b"/team", b"/team/a", b"/team/a/deep"):
        assert fs.stat(p(path)).kind is fs.lstat(p(path)).kind is Kind.DIRECTORY
        assert fs.realpath(p(path)) == p(path)
    assert fs.stat(p(b"/team")).identity == tree.team.lstat(ROOT).identity
