"""The two ways to a directory, and which one is taken."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from conchgo.storage import syscalls
from conchgo.storage.beneath import best_opener, leap, walk
from conchgo.storage.links import LinkEncountered
from tests.contract.storage.helpers import p


@pytest.fixture
def directory(root: bytes) -> Iterator[int]:
    os.makedirs(root + b"/a/b/c")
    os.symlink("b", root + b"/a/link")
    made = os.open(root, os.O_PATH | os.O_DIRECTORY)
    yield made
    os.close(made)


@pytest.fixture(autouse=True)
def asked_again() -> Iterator[None]:
    best_opener.cache_clear()
    yield
    best_opener.cache_clear()


def failing(patch: pytest.MonkeyPatch, code: int) -> list[bytes]:
    """openat2 fails with `code`; the paths that it is asked for."""
    asked: list[bytes] = []

    def openat2(_directory: int, path: bytes, _flags: int, _resolve: int) -> int:
        asked.append(path)
        raise OSError(code, os.strerror(code))

    patch.setattr(syscalls, "openat2", openat2)
    return asked


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
def test_a_kernel_or_filter_without_openat2(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    asked = failing(monkeypatch, code)

    assert best_opener() is walk
    assert best_opener() is walk
    assert len(asked) == 1


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES])
def test_a_passing_failure_does_not_mean_that_there_is_no_openat2(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    failing(monkeypatch, code)

    assert best_opener() is leap


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ELOOP, errno.ENOTDIR])
def test_the_walk_gets_through_where_openat2_does_not(
    monkeypatch: pytest.MonkeyPatch, directory: int, root: bytes, code: int
) -> None:
    asked = failing(monkeypatch, code)

    opened = leap(directory, p(b"/a/b/c/x"))

    assert os.path.samestat(os.fstat(opened), os.stat(root + b"/a/b/c"))
    assert asked == [b"a/b/c"]
    os.close(opened)


@pytest.mark.parametrize("opener", [leap, walk])
@pytest.mark.parametrize("path", [b"/", b"/a", b"/a/b", b"/a/b/c/d"])
def test_the_parent_is_opened_without_access_to_data(directory: int, root: bytes, opener: object, path: bytes) -> None:
    opened = opener(directory, p(path))  # type: ignore[operator]

    assert os.path.samestat(
        os.fstat(opened), os.stat(os.path.dirname(root + path.rstrip(b"/")) if path != b"/" else root)
    )
    assert not os.get_inheritable(opened)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.listdir(opened)
    os.close(opened)


@pytest.mark.parametrize("opener", [leap, walk])
def test_the_first_link_is_told(directory: int, root: bytes, opener: object) -> None:
    os.symlink("/", root + b"/a/b/second")

    with pytest.raises(LinkEncountered) as caught:
        opener(directory, p(b"/a/link/second/x"))  # type: ignore[operator]

    assert caught.value.link == p(b"/a/link")
    assert caught.value.target == b"b"
    assert caught.value.rest == (b"second", b"x")
