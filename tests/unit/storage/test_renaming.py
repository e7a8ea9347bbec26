"""Where the file system helps less than it should."""

from __future__ import annotations

import errno
import os

import pytest

from conchgo.errors import AlreadyExists, DirectoryNotEmpty, PermissionDenied
from conchgo.storage import syscalls
from conchgo.storage.local import LocalStorage
from tests.contract.storage.helpers import get, names, outcome, p, put


@pytest.fixture
def no_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without RENAME_NOREPLACE, as NFS."""

    def invalid(*_arguments: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(syscalls, "rename_noreplace", invalid)


def failing(patch: pytest.MonkeyPatch, name: str, code: int, *, times: int = 1) -> None:
    real = getattr(os, name)
    left = times

    def call(*arguments: object, **more: object) -> object:
        nonlocal left
        if left:
            left -= 1
            raise OSError(code, os.strerror(code))
        return real(*arguments, **more)

    patch.setattr(os, name, call)


@pytest.mark.parametrize("flag", [True, False])
def test_an_upload_that_replaces_a_name_while_it_is_renamed_onto_its_own_file_is_not_lost(
    storage: LocalStorage, root: bytes, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, flag: bool
) -> None:
    if not flag:
        request.getfixturevalue("no_flag")
    put(storage, b"/a", b"old")
    storage.link(p(b"/a"), p(b"/b"))
    put(storage, b"/upload", b"precious")
    samestat = os.path.samestat

    def replaced_after_the_look(one: os.stat_result, other: os.stat_result) -> bool:
        monkeypatch.setattr(os.path, "samestat", samestat)
        os.rename(root + b"/upload", root + b"/a")
        return samestat(one, other)

    monkeypatch.setattr(os.path, "samestat", replaced_after_the_look)
    storage.rename(p(b"/a"), p(b"/b"), replace=True)

    assert names(storage) == {b"a", b"b"}
    assert (get(storage, b"/a"), get(storage, b"/b")) == (b"precious", b"old")


@pytest.mark.usefixtures("no_flag")
def test_what_cannot_leave_its_old_place_gets_no_second_one(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(storage, b"/file", b"data")
    failing(monkeypatch, "unlink", errno.EPERM)

    assert outcome(lambda: storage.rename(p(b"/file"), p(b"/new"), replace=False)) is PermissionDenied

    assert names(storage) == {b"file"}
    assert get(storage, b"/file") == b"data"


@pytest.mark.usefixtures("no_flag")
@pytest.mark.parametrize("made", [b"file", b"full"])
def test_what_appears_after_the_look_is_not_replaced(
    storage: LocalStorage, root: bytes, monkeypatch: pytest.MonkeyPatch, made: bytes
) -> None:
    storage.mkdir(p(b"/dir"))
    put(storage, b"/file", b"old")
    rename, link = os.rename, os.link

    def appear() -> None:
        if made == b"full":
            os.makedirs(root + b"/new/inner")
        else:
            os.mknod(root + b"/new")

    def late_rename(*arguments: bytes, **more: int) -> None:
        appear()
        rename(*arguments, **more)

    def late_link(*arguments: bytes, **more: int) -> None:
        appear()
        link(*arguments, **more)

    monkeypatch.setattr(os, "rename", late_rename)
    monkeypatch.setattr(os, "link", late_link)

    assert outcome(lambda: storage.rename(p(b"/dir"), p(b"/new"), replace=False)) is not None
    monkeypatch.setattr(os, "link", link)
    assert outcome(lambda: storage.rename(p(b"/file"), p(b"/new"), replace=False)) is AlreadyExists
    assert names(storage) == {b"dir", b"file", b"new"}


def test_xfs_says_otherwise_that_a_directory_is_not_empty(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.mkdir(p(b"/dir"))
    failing(monkeypatch, "rename", errno.EEXIST)

    assert outcome(lambda: storage.rename(p(b"/dir"), p(b"/full"), replace=True)) is DirectoryNotEmpty


def test_one_name_in_two_spellings_stays(storage: LocalStorage, root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that does not tell upper from lower case: both names are there, and are the same one."""
    put(storage, b"/file", b"data")
    rename, stat = os.rename, os.stat
    monkeypatch.setattr(os, "rename", lambda old, new, **more: rename(old.lower(), new.lower(), **more))
    monkeypatch.setattr(os, "stat", lambda name, **more: stat(name.lower(), **more))

    storage.rename(p(b"/file"), p(b"/FILE"), replace=True)

    assert os.listdir(root) == [b"file"]
