"""What is made has the mode and owner that were asked, whatever the process' umask, and is not left half-made."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import pytest

from conchgo.errors import Failure, PermissionDenied
from conchgo.storage import syscalls
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.local import LocalStorage
from tests.contract.storage.helpers import descriptors, names, outcome, p, put
from tests.unit.storage.identity import ordinary_user

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture(params=[0, 0o022, 0o077, 0o277, 0o777], ids=oct)
def process_umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode_of(storage: LocalStorage, path: bytes) -> int:
    return storage.lstat(p(path)).mode & 0o7777


def create(storage: LocalStorage, path: bytes, mode: int = 0o666) -> None:
    storage.open(p(path), read=True, write=True, create=Create.NEW, mode=mode).close()


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
@pytest.mark.parametrize("mode", [0o777, 0o666, 0o640, 0o7777])
def test_the_umask_is_the_storages_own(root: bytes, process_umask: int, umask: int, mode: int) -> None:
    storage = LocalStorage(root, umask=umask)
    create(storage, b"/file", mode)
    storage.mkdir(p(b"/dir"), mode)
    modes = mode_of(storage, b"/file"), mode_of(storage, b"/dir")
    storage.close()

    assert modes == (mode & 0o777 & ~umask, mode & 0o777 & ~umask)
    assert syscalls.process_umask() == process_umask


def test_an_ordinary_user_with_a_strict_umask(root: bytes, process_umask: int) -> None:
    storage = LocalStorage(root)
    with ordinary_user(root):
        create(storage, b"/file")
        storage.mkdir(p(b"/dir"))
    modes = mode_of(storage, b"/file"), mode_of(storage, b"/dir")
    storage.close()

    assert modes == (0o644, 0o755)


def test_a_directory_passes_its_group_on_and_keeps_its_special_bits(
    storage: LocalStorage, root: bytes, process_umask: int
) -> None:
    storage.mkdir(p(b"/group"))
    os.chmod(root + b"/group", 0o2700)
    storage.set_attributes(p(b"/group"), Attributes(mode=0o4775))
    assert mode_of(storage, b"/group") == 0o2775

    storage.mkdir(p(b"/group/dir"))

    assert mode_of(storage, b"/group/dir") == 0o2755


@only_root
@pytest.mark.parametrize(("owner", "expected"), [((1000, 2000), (1000, 2000)), ((1000, -1), (1000, 0))])
def test_the_owner_of_what_is_made(
    root: bytes, process_umask: int, owner: tuple[int, int], expected: tuple[int, int]
) -> None:
    storage = LocalStorage(root, owner=owner)
    create(storage, b"/file", 0o4755)
    storage.mkdir(p(b"/dir"))
    storage.symlink(b"file", p(b"/link"))
    found = {name: storage.lstat(p(name)) for name in (b"/file", b"/dir", b"/link")}
    storage.close()

    assert {(each.uid, each.gid) for each in found.values()} == {expected}
    assert found[b"/file"].mode & 0o7777 == 0o755
    assert found[b"/dir"].mode & 0o7777 == 0o755


def test_who_cannot_give_away_makes_nothing(root: bytes) -> None:
    storage = LocalStorage(root, owner=(0, 0))
    with ordinary_user(root):
        before = descriptors()
        assert outcome(lambda: create(storage, b"/file")) is PermissionDenied
        assert outcome(lambda: storage.mkdir(p(b"/dir"))) is PermissionDenied
        assert outcome(lambda: storage.symlink(b"x", p(b"/link"))) is PermissionDenied
        assert names(storage) == set()
        assert descriptors() == before
    storage.close()


def test_a_directory_that_is_swapped_while_it_is_made_is_left_alone(
    storage: LocalStorage, root: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attacker moves somebody's private directory to where a new one is being made, to have it opened up."""
    os.mkdir(root + b"/private", 0o700)
    mkdir = os.mkdir

    def mkdir_and_swap(name: bytes, mode: int, *, dir_fd: int) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        os.rename(root + b"/new", root + b"/elsewhere")
        os.rename(root + b"/private", root + b"/new")

    monkeypatch.setattr(os, "mkdir", mkdir_and_swap)
    before = os.umask(0o077)
    try:
        storage.mkdir(p(b"/new"), 0o755)
    finally:
        os.umask(before)

    assert mode_of(storage, b"/new") == 0o700


@only_root
def test_a_file_that_is_swapped_for_a_new_link_is_not_given_away(root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = LocalStorage(root, owner=(1000, 1000))
    os.mknod(root + b"/private")
    symlink = os.symlink

    def symlink_and_swap(target: bytes, name: bytes, *, dir_fd: int) -> None:
        symlink(target, name, dir_fd=dir_fd)
        os.rename(root + b"/private", root + b"/new")

    monkeypatch.setattr(os, "symlink", symlink_and_swap)
    storage.symlink(b"x", p(b"/new"))
    found = storage.lstat(p(b"/new"))
    storage.close()

    assert stat.S_ISREG(found.mode)
    assert found.uid == 0


def test_a_file_that_cannot_be_finished_is_removed(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, process_umask: int
) -> None:
    def failing(*_arguments: object) -> None:
        raise OSError(5, "Input/output error")

    put(storage, b"/kept")
    monkeypatch.setattr(os, "fchmod", failing)
    monkeypatch.setattr(syscalls, "chmod_pinned", failing)

    made = outcome(lambda: create(storage, b"/file")), outcome(lambda: storage.mkdir(p(b"/dir")))

    if process_umask & 0o044:
        assert made == (Failure, Failure)
        assert names(storage) == {b"kept"}
    else:
        assert made == (None, None)  # there was nothing to finish
