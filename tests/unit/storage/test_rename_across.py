"""From one local storage to another: as a rename within one, or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from conchgo.errors import (
    AlreadyExists,
    CrossStorage,
    DirectoryNotEmpty,
    InvalidArgument,
    IsADirectory,
    NotADirectory,
    NotFound,
    WouldBlock,
)
from conchgo.paths import ROOT
from conchgo.storage.interface import RenameAcross
from conchgo.storage.links import LinkEncountered
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from tests.contract.storage.helpers import outcome, p
from tests.permission_table import DIRECTORY, Link, prepare, snapshot

TREE = {
    b"/file": b"content",
    b"/empty": DIRECTORY,
    b"/full": DIRECTORY,
    b"/full/inner": b"",
    b"/link": Link(b"full"),
}

#: What is moved, onto what, and what rename(2) says.
ONTO = [
    (b"/file", b"/file", None),
    (b"/file", b"/link", None),
    (b"/file", b"/empty", IsADirectory),
    (b"/link", b"/file", None),
    (b"/full", b"/empty", None),
    (b"/full", b"/full", DirectoryNotEmpty),
    (b"/empty", b"/file", NotADirectory),
    (b"/empty", b"/link", NotADirectory),
]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[LocalStorage, LocalStorage]]:
    made = [LocalStorage(mkdtemp(dir=tmp_path).encode()) for _ in range(2)]
    for storage in made:
        prepare(storage, TREE)
    yield made[0], made[1]
    for storage in made:
        storage.close()


@pytest.mark.parametrize("old", [b"/file", b"/empty", b"/full", b"/link"])
@pytest.mark.parametrize("replace", [False, True])
def test_everything_moves_to_a_new_name(pair: Any, old: bytes, replace: bool) -> None:
    one, other = pair
    identity = one.lstat(p(old)).identity
    one.rename_to(p(old), other, p(b"/full/new"), replace=replace)
    assert other.lstat(p(b"/full/new")).identity == identity
    assert outcome(lambda: one.lstat(p(old))) is NotFound


@pytest.mark.parametrize(("old", "new", "expected"), ONTO)
def test_onto_what_is_there(pair: Any, old: bytes, new: bytes, expected: type[Exception] | None) -> None:
    one, other = pair
    before = snapshot(one), snapshot(other)
    assert outcome(lambda: one.rename_to(p(old), other, p(new), replace=False)) is AlreadyExists
    assert (snapshot(one), snapshot(other)) == before
    assert outcome(lambda: one.rename_to(p(old), other, p(new), replace=True)) is expected
    assert ((snapshot(one), snapshot(other)) == before) is (expected is not None)


def test_two_names_of_one_file(pair: Any) -> None:
    one, other = pair
    one.link(p(b"/file"), p(b"/second"))
    one.rename_to(p(b"/file"), other, p(b"/file"), replace=True)
    one.rename_to(p(b"/second"), other, p(b"/file"), replace=True)
    assert other.lstat(p(b"/file")).nlink == 1
    for gone in (b"/file", b"/second"):
        assert outcome(lambda gone=gone: one.lstat(p(gone))) is NotFound


@pytest.mark.parametrize(
    ("old", "new", "link"),
    [(b"/link/inner", b"/new", b"/link"), (b"/file", b"/link/new", b"/link"), (b"/link/x", b"/link/y", b"/link")],
)
def test_a_link_on_either_way_is_met(pair: Any, old: bytes, new: bytes, link: bytes) -> None:
    one, other = pair
    with pytest.raises(LinkEncountered) as met:
        one.rename_to(p(old), other, p(new), replace=True)
    assert met.value.link == p(link)


@pytest.mark.parametrize(("old", "new"), [(b"/", b"/new"), (b"/full", b"/")])
def test_the_roots_stay(pair: Any, old: bytes, new: bytes) -> None:
    one, other = pair
    for replace in (False, True):
        assert outcome(lambda replace=replace: one.rename_to(p(old), other, p(new), replace=replace)) is InvalidArgument


@pytest.mark.parametrize("call", ["os.rename", "conchgo.storage.syscalls.rename_noreplace"])
def test_another_file_system_is_refused(pair: Any, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def refused(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(call, refused)
    one, other = pair
    replace = call == "os.rename"
    assert outcome(lambda: one.rename_to(p(b"/file"), other, p(b"/new"), replace=replace)) is CrossStorage


def test_another_kind_of_storage_is_refused(pair: Any) -> None:
    one, _ = pair
    assert outcome(lambda: one.rename_to(p(b"/file"), MemoryStorage(), p(b"/new"), replace=True)) is CrossStorage
    assert isinstance(one, RenameAcross)
    assert not isinstance(MemoryStorage(), RenameAcross)


def test_it_is_never_known_at_once(pair: Any) -> None:
    one, other = pair
    if one.at_once is None:
        pytest.skip("nothing is known at once here")
    with pytest.raises(WouldBlock):
        one.at_once.rename_to(p(b"/file"), other.at_once, p(b"/new"), replace=True)
    assert one.lstat(p(b"/file")).size == 7


def test_a_storage_in_another_one(tmp_path: Path) -> None:
    """Both know some files, by two paths."""
    (tmp_path / "d").mkdir()
    outer, inner = LocalStorage(bytes(tmp_path)), LocalStorage(bytes(tmp_path / "d"))
    prepare(outer, {b"/d/file": b"1"})
    outer.link(p(b"/d/file"), p(b"/second"))
    outer.rename_to(p(b"/d/file"), inner, p(b"/file"), replace=True)
    assert inner.lstat(p(b"/file")).nlink == 2
    assert outcome(lambda: outer.rename_to(p(b"/d"), inner, p(b"/x"), replace=False)) is InvalidArgument
    assert outcome(lambda: outer.rename_to(p(b"/missing"), inner, p(b"/missing"), replace=True)) is NotFound
    assert outcome(lambda: inner.rename_to(ROOT, outer, p(b"/x"), replace=True)) is InvalidArgument
    outer.close()
    inner.close()
