"""System calls through ctypes: they do what their names say, and raise as the `os` module would."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator

import pytest

from conchgo.storage import syscalls


@pytest.fixture
def directory(root: bytes) -> Iterator[int]:
    made = os.open(root, os.O_PATH | os.O_DIRECTORY)
    yield made
    os.close(made)


@pytest.fixture
def fifo(root: bytes) -> Iterator[int]:
    os.mkfifo(root + b"/fifo", 0o600)
    made = os.open(root + b"/fifo", os.O_PATH)
    yield made
    os.close(made)


def has_openat2(directory: int) -> bool:
    try:
        os.close(syscalls.openat2(directory, b".", os.O_PATH, 0))
    except OSError:
        return False
    return True


def test_openat2_stays_beneath(directory: int, root: bytes) -> None:
    if not has_openat2(directory):
        pytest.skip("the kernel lacks openat2")
    os.mkdir(root + b"/dir")
    os.symlink("dir", root + b"/link")
    resolve = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS

    opened = syscalls.openat2(directory, b"dir", os.O_PATH, resolve)
    assert not os.get_inheritable(opened)
    os.close(opened)

    for path, code in (
        (b"..", errno.EXDEV),
        (b"/", errno.EXDEV),
        (b"link/x", errno.ELOOP),
        (b"missing", errno.ENOENT),
    ):
        with pytest.raises(OSError, match=re.escape(os.strerror(code))) as caught:
            syscalls.openat2(directory, path, os.O_PATH, resolve)
        assert caught.value.errno == code
        assert caught.value.filename is None


def test_rename_noreplace(directory: int, root: bytes) -> None:
    os.mknod(root + b"/one")
    os.mknod(root + b"/two")
    try:
        syscalls.rename_noreplace(directory, b"one", directory, b"three")
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENOSYS}:
            pytest.skip("the file system lacks RENAME_NOREPLACE")
        raise

    with pytest.raises(FileExistsError):
        syscalls.rename_noreplace(directory, b"two", directory, b"three")
    assert sorted(os.listdir(root)) == [b"three", b"two"]


def test_a_libc_without_renameat2(directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "_libc", object())

    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        syscalls.rename_noreplace(directory, b"one", directory, b"two")


def test_the_mode_of_what_is_pinned(fifo: int) -> None:
    syscalls.chmod_pinned(fifo, 0o640)

    assert os.fstat(fifo).st_mode & 0o7777 == 0o640


def test_the_mode_of_what_is_pinned_where_proc_is_not_mounted(fifo: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_proc(*_arguments: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(os, "chmod", no_proc)

    try:
        syscalls.chmod_pinned(fifo, 0o640)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            pytest.skip("the kernel lacks fchmodat2")
        raise

    assert os.fstat(fifo).st_mode & 0o7777 == 0o640


def test_the_owner_of_what_is_pinned(fifo: int) -> None:
    before = os.fstat(fifo)

    syscalls.chown_pinned(fifo, before.st_uid, -1)
    syscalls.chown_pinned(fifo, -1, before.st_gid)

    after = os.fstat(fifo)
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


@pytest.mark.parametrize("umask", [0, 0o027, 0o777])
def test_the_umask_is_read_and_not_changed(umask: int) -> None:
    before = os.umask(umask)
    try:
        assert syscalls.process_umask() == umask
        assert syscalls.process_umask() == umask
    finally:
        os.umask(before)


def test_an_interrupted_call_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(-1, errno.EINTR), (-1, errno.EINTR), (7, 0)]
    code = 0

    def call() -> int:
        nonlocal code
        result, code = answers.pop(0)
        return result

    monkeypatch.setattr(syscalls.ctypes, "get_errno", lambda: code)

    assert syscalls._call(call) == 7
