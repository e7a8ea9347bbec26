"""Reads and writes that the operating system does only in part, or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from conchgo.errors import ConchgoError, Failure, NoSpace, ReadOnlyStorage
from conchgo.storage.interface import Attributes, Create, StorageFile
from conchgo.storage.local import LocalStorage
from tests.contract.storage.helpers import get, outcome, p, put

DATA = bytes(range(256)) * 4


@pytest.fixture
def file(storage: LocalStorage) -> Iterator[StorageFile]:
    put(storage, b"/file", DATA)
    made = storage.open(p(b"/file"), read=True, write=True, create=Create.NEVER)
    yield made
    made.close()


def cut(views: Sequence[Any], count: int) -> list[memoryview]:
    """At most `count` bytes of the first view."""
    return [memoryview(views[0])[:count]]


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most seven bytes move at once, as from a network file system."""
    pread, preadv, pwritev = os.pread, os.preadv, os.pwritev
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: pread(fd, min(length, 7), offset))
    monkeypatch.setattr(os, "preadv", lambda fd, views, offset: preadv(fd, cut(views, 7), offset))
    monkeypatch.setattr(os, "pwritev", lambda fd, views, offset, *flags: pwritev(fd, cut(views, 7), offset, *flags))


@pytest.mark.usefixtures("in_parts")
def test_reads_go_on_until_all_is_there(file: StorageFile) -> None:
    assert file.pread(100, 3) == DATA[3:103]
    assert file.pread(9999, 1000) == DATA[1000:]
    buffers = [bytearray(5), bytearray(0), bytearray(30), bytearray(2000)]

    assert file.preadv([memoryview(buffer) for buffer in buffers], 3) == len(DATA) - 3
    assert b"".join(buffers)[: len(DATA) - 3] == DATA[3:]


@pytest.mark.usefixtures("in_parts")
def test_writes_go_on_until_all_is_there(storage: LocalStorage, file: StorageFile) -> None:
    file.pwritev([memoryview(DATA[:20]), memoryview(b""), memoryview(DATA[20:300])], 10)
    file.append(memoryview(b"at the very end"))

    assert get(storage, b"/file") == DATA[:10] + DATA[:300] + DATA[310:] + b"at the very end"


def full_disk(patch: pytest.MonkeyPatch, room: int, code: int) -> None:
    pwritev = os.pwritev

    def limited(descriptor: int, views: Sequence[Any], offset: int, *flags: int) -> int:
        nonlocal room
        if not room:
            raise OSError(code, os.strerror(code))
        written = pwritev(descriptor, cut(views, room), offset, *flags)
        room -= written
        return written

    patch.setattr(os, "pwritev", limited)


writes: dict[str, Callable[[StorageFile], None]] = {
    "pwritev": lambda file: file.pwritev([memoryview(b"x" * 8), memoryview(b"y" * 8)], len(DATA)),
    "append": lambda file: file.append(memoryview(b"x" * 8 + b"y" * 8)),
}


@pytest.mark.parametrize("name", writes)
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENOSPC, NoSpace),
        (errno.EDQUOT, NoSpace),
        (errno.EROFS, ReadOnlyStorage),
        (errno.EIO, Failure),
        (errno.EFBIG, Failure),
    ],
)
def test_a_write_that_ends_halfway_is_told_and_what_is_written_stays(
    storage: LocalStorage,
    file: StorageFile,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    code: int,
    expected: type[ConchgoError],
) -> None:
    full_disk(monkeypatch, 10, code)

    assert outcome(lambda: writes[name](file)) is expected

    monkeypatch.undo()
    assert get(storage, b"/file") == DATA + b"x" * 8 + b"yy"


@pytest.mark.parametrize("name", writes)
def test_a_write_of_nothing_does_not_spin(file: StorageFile, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(os, "pwritev", lambda *_arguments: 0)

    assert outcome(lambda: writes[name](file)) is NoSpace


failing: dict[str, Callable[[StorageFile], object]] = {
    "pread": lambda file: file.pread(1, 0),
    "preadv": lambda file: file.preadv([memoryview(bytearray(1))], 0),
    "fstat": lambda file: file.stat(),
    "ftruncate": lambda file: file.set_attributes(Attributes(size=1)),
    "fchmod": lambda file: file.set_attributes(Attributes(mode=0o600)),
    "fchown": lambda file: file.set_attributes(Attributes(uid=0)),
    "utime": lambda file: file.set_attributes(Attributes(mtime=1)),
    "fsync": lambda file: file.sync(),
}


@pytest.mark.parametrize("name", failing)
def test_a_broken_disk_is_told(file: StorageFile, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def broken(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), b"/real/path")

    with monkeypatch.context() as patch:
        patch.setattr(os, name, broken)
        with pytest.raises(Failure) as caught:
            failing[name](file)

    assert caught.value.text == os.strerror(errno.EIO)


def test_a_close_that_lost_data_is_told_once(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    put(storage, b"/file")
    file = storage.open(p(b"/file"), read=False, write=True, create=Create.NEVER)
    close = os.close

    def full(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "close", full)

    assert outcome(file.close) is NoSpace
    file.close()
