"""rename: every kind over every kind, and never half."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conchgo.errors import (
    AlreadyExists,
    ConchgoError,
    DirectoryNotEmpty,
    InvalidArgument,
    IsADirectory,
    NotADirectory,
    NotFound,
)
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Kind
from tests.contract.storage.helpers import FullStorage, get, names, outcome, p, put

movable = [b"file", b"empty", b"full", b"link", b"fifo"]
places = [*movable, b"missing"]
kinds = {
    b"file": Kind.FILE,
    b"empty": Kind.DIRECTORY,
    b"full": Kind.DIRECTORY,
    b"link": Kind.LINK,
    b"fifo": Kind.OTHER,
}

#: What rename(2) says to a directory (or not) over what is there.
over_directory: dict[bytes, type[ConchgoError] | None] = {b"empty": None, b"full": DirectoryNotEmpty, b"missing": None}
over_others: dict[bytes, type[ConchgoError] | None] = {b"empty": IsADirectory, b"full": IsADirectory}


@pytest.fixture(autouse=True)
def tree(storage: FullStorage, add_special: Callable[[VirtualPath], None]) -> None:
    """/old and /new, each with one of every kind."""
    for side in (b"/old", b"/new"):
        storage.mkdir(p(side))
        put(storage, side + b"/file", side)
        storage.mkdir(p(side + b"/empty"))
        storage.mkdir(p(side + b"/full"))
        put(storage, side + b"/full/inner", side)
        storage.symlink(side, p(side + b"/link"))
        add_special(p(side + b"/fifo"))


def expected_with_replace(old: bytes, new: bytes) -> type[ConchgoError] | None:
    if kinds[old] is Kind.DIRECTORY:
        return over_directory.get(new, NotADirectory)
    return over_others.get(new)


@pytest.mark.parametrize("old", movable)
@pytest.mark.parametrize("new", places)
@pytest.mark.parametrize("replace", [False, True])
def test_the_matrix(storage: FullStorage, old: bytes, new: bytes, replace: bool) -> None:
    source, target = p(b"/old/" + old), p(b"/new/" + new)
    expected = expected_with_replace(old, new) if replace else None if new == b"missing" else AlreadyExists
    identity = storage.lstat(source).identity
    there = None if new == b"missing" else storage.lstat(target)

    assert outcome(lambda: storage.rename(source, target, replace=replace)) is expected

    if expected:
        assert storage.lstat(source).identity == identity
        assert there is not None
        assert storage.lstat(target).identity == there.identity
    else:
        assert outcome(lambda: storage.lstat(source)) is NotFound
        assert storage.lstat(target).identity == identity
        assert storage.lstat(target).kind is kinds[old]


@pytest.mark.parametrize("replace", [False, True])
def test_a_missing_name(storage: FullStorage, replace: bool) -> None:
    for target in (b"/new/file", b"/new/missing"):
        assert outcome(lambda target=target: storage.rename(p(b"/old/missing"), p(target), replace=replace)) in {
            NotFound,
            AlreadyExists if not replace and target == b"/new/file" else NotFound,
        }
    assert get(storage, b"/new/file") == b"/new"


def test_a_directory_moves_with_what_is_in_it(storage: FullStorage) -> None:
    storage.rename(p(b"/old/full"), p(b"/new/full2"), replace=False)

    assert get(storage, b"/new/full2/inner") == b"/old"


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("new", [b"/old/full/x", b"/old/full/deep/x"])
def test_a_directory_does_not_move_into_itself(storage: FullStorage, replace: bool, new: bytes) -> None:
    storage.mkdir(p(b"/old/full/deep"))

    assert outcome(lambda: storage.rename(p(b"/old/full"), p(new), replace=replace)) is InvalidArgument
    assert names(storage, b"/old/full") == {b"inner", b"deep"}


@pytest.mark.parametrize("old", [b"/old/full/inner", b"/old/full/deep"])
def test_nothing_replaces_a_directory_that_holds_it(storage: FullStorage, old: bytes) -> None:
    storage.mkdir(p(b"/old/full/deep"))

    assert outcome(lambda: storage.rename(p(old), p(b"/old/full"), replace=True)) is DirectoryNotEmpty
    assert outcome(lambda: storage.rename(p(old), p(b"/old/full"), replace=False)) is AlreadyExists


@pytest.mark.parametrize("name", movable)
def test_a_name_to_itself(storage: FullStorage, name: bytes) -> None:
    path = p(b"/old/" + name)
    before = storage.lstat(path)

    storage.rename(path, path, replace=True)
    assert outcome(lambda: storage.rename(path, path, replace=False)) is AlreadyExists

    assert storage.lstat(path) == before


@pytest.mark.parametrize("kind", [b"file", b"link", b"fifo"])
@pytest.mark.parametrize("other", [b"/old/second", b"/new/second"])
def test_over_another_name_of_the_same_file_the_old_name_disappears(
    storage: FullStorage, kind: bytes, other: bytes
) -> None:
    path = p(b"/old/" + kind)
    storage.link(path, p(other))
    identity = storage.lstat(path).identity

    assert outcome(lambda: storage.rename(path, p(other), replace=False)) is AlreadyExists
    assert storage.lstat(path).nlink == 2
    storage.rename(path, p(other), replace=True)

    assert outcome(lambda: storage.lstat(path)) is NotFound
    assert storage.lstat(p(other)).identity == identity
    assert storage.lstat(p(other)).nlink == 1


def test_a_replaced_file_is_gone(storage: FullStorage) -> None:
    storage.rename(p(b"/old/file"), p(b"/new/file"), replace=True)

    assert get(storage, b"/new/file") == b"/old"
    assert storage.lstat(p(b"/new/file")).nlink == 1
