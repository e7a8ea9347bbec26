"""What is read from and written to an open file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from conchgo.errors import (
    AlreadyExists,
    BadHandle,
    InvalidArgument,
    IsADirectory,
    NotARegularFile,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
)
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Attributes, Create, StorageFile
from tests.contract.storage.helpers import FullStorage, get, names, opened, outcome, p, patiently, put

FAR = 2**63 - 1


def views(*parts: bytes) -> list[memoryview]:
    return [memoryview(part) for part in parts]


def test_a_new_file(storage: FullStorage) -> None:
    with opened(storage, b"/new", create=Create.NEW) as file:
        file.pwritev(views(b"hello"), 0)
        assert file.pread(5, 0) == b"hello"
        assert file.stat() == storage.lstat(p(b"/new"))

    assert storage.lstat(p(b"/new")).size == 5
    assert storage.lstat(p(b"/new")).mode & 0o7777 == 0o644


@pytest.mark.parametrize(("mode", "expected"), [(0o666, 0o644), (0o777, 0o755), (0o600, 0o600), (0, 0)])
def test_the_umask_is_taken_from_the_mode_of_a_new_file(storage: FullStorage, mode: int, expected: int) -> None:
    storage.open(p(b"/new"), read=False, write=True, create=Create.NEW, mode=mode).close()

    assert storage.lstat(p(b"/new")).mode & 0o7777 == expected


def test_create_and_truncate(storage: FullStorage) -> None:
    assert outcome(lambda: get(storage, b"/file")) is NotFound
    put(storage, b"/file", b"data")
    assert outcome(lambda: put(storage, b"/file")) is AlreadyExists
    with opened(storage, b"/file") as file:
        assert file.pread(9, 0) == b"data"
    with opened(storage, b"/file", truncate=True) as file:
        assert file.pread(9, 0) == b""
    assert storage.lstat(p(b"/file")).size == 0


def test_what_an_open_must_ask(storage: FullStorage) -> None:
    put(storage, b"/file", b"data")

    with pytest.raises(InvalidArgument):
        storage.open(p(b"/file"), read=False, write=False, create=Create.NEVER)
    with pytest.raises(InvalidArgument):
        storage.open(p(b"/file"), read=True, write=False, create=Create.NEVER, truncate=True)
    assert get(storage, b"/file") == b"data"


@pytest.mark.parametrize("write", [False, True])
def test_only_regular_files_are_opened(
    storage: FullStorage, add_special: Callable[[VirtualPath], None], write: bool
) -> None:
    storage.mkdir(p(b"/dir"))
    add_special(p(b"/fifo"))

    with pytest.raises(IsADirectory):
        storage.open(p(b"/dir"), read=True, write=write, create=Create.NEVER)
    with pytest.raises(NotARegularFile):
        storage.open(p(b"/fifo"), read=True, write=write, create=Create.NEVER, truncate=write)
    with pytest.raises(NotARegularFile):
        storage.open(p(b"/fifo"), read=False, write=True, create=Create.NEVER)


@pytest.mark.parametrize(
    ("length", "offset", "expected"),
    [
        (4, 0, b"0123"),
        (4, 8, b"89"),
        (100, 0, b"0123456789"),
        (4, 10, b""),
        (4, 11, b""),
        (0, 0, b""),
        (4, FAR, b""),
        (4, FAR - 1, b""),
        (4, 2**64 - 1, b""),
    ],
)
def test_reads_within_at_and_behind_the_end(storage: FullStorage, length: int, offset: int, expected: bytes) -> None:
    put(storage, b"/file", b"0123456789")
    with opened(storage, b"/file", write=False) as file:
        assert file.pread(length, offset) == expected

        buffer = bytearray(b"." * length)
        half = length // 2
        parts = [memoryview(buffer)[:half], memoryview(buffer)[half:]]
        assert file.preadv(parts, offset) == len(expected)
        assert bytes(buffer) == expected + b"." * (length - len(expected))


@pytest.mark.parametrize("count", [0, 1, 3, 3000])
def test_as_many_views_as_there_are(storage: FullStorage, count: int) -> None:
    parts = [b"%d," % number for number in range(count)]
    with opened(storage, b"/file", create=Create.NEW) as file:
        file.pwritev(views(b"", *parts, b""), 2)
        assert file.pread(10**6, 2) == b"".join(parts)

        buffers = [bytearray(len(part)) for part in parts]
        assert file.preadv([memoryview(buffer) for buffer in buffers], 2) == sum(map(len, parts))
        assert buffers == parts


def test_views_of_larger_items_count_their_bytes(storage: FullStorage) -> None:
    numbers = memoryview(b"12345678").cast("I")
    with opened(storage, b"/file", create=Create.NEW) as file:
        file.pwritev([numbers], 0)
        assert file.pread(99, 0) == b"12345678"
        buffer = bytearray(8)
        assert file.preadv([memoryview(buffer).cast("I")], 0) == 8
        assert buffer == b"12345678"


def test_a_gap_reads_as_zeros(storage: FullStorage) -> None:
    with opened(storage, b"/file", create=Create.NEW) as file:
        file.pwritev(views(b"end"), 100_000)

        assert file.pread(100_003, 0) == bytes(100_000) + b"end"
        assert file.stat().size == 100_003


def test_a_write_of_nothing_does_not_grow_the_file(storage: FullStorage) -> None:
    with opened(storage, b"/file", create=Create.NEW) as file:
        file.pwritev(views(b""), 100)
        file.append(memoryview(b""))

        assert file.stat().size == 0


bad_calls: dict[str, Callable[[StorageFile], Any]] = {
    "pread length": lambda file: file.pread(-1, 0),
    "pread offset": lambda file: file.pread(1, -1),
    "preadv offset": lambda file: file.preadv([memoryview(bytearray(1))], -1),
    "pwritev offset": lambda file: file.pwritev(views(b"x"), -1),
    "pwritev end": lambda file: file.pwritev(views(b"xy"), FAR - 1),
    "pwritev far": lambda file: file.pwritev(views(b"x"), 2**64 - 1),
    "negative size": lambda file: file.set_attributes(Attributes(size=-1)),
    "far size": lambda file: file.set_attributes(Attributes(size=2**63)),
}


@pytest.mark.parametrize("name", bad_calls)
def test_offsets_and_sizes_out_of_range(storage: FullStorage, name: str) -> None:
    put(storage, b"/file", b"data")
    with opened(storage, b"/file") as file:
        assert outcome(lambda: bad_calls[name](file)) is InvalidArgument
    assert get(storage, b"/file") == b"data"


def test_append_writes_at_the_end_as_it_is_then(storage: FullStorage) -> None:
    put(storage, b"/file", b"one ")
    with opened(storage, b"/file") as first, opened(storage, b"/file", read=False) as second:
        first.append(memoryview(b"two "))
        second.append(memoryview(b"three "))
        first.pwritev(views(b"ONE"), 0)
        first.append(memoryview(b"four"))

    assert get(storage, b"/file") == b"ONE two three four"


def test_an_append_keeps_to_what_a_file_may_have_at_most(storage: FullStorage) -> None:
    put(storage, b"/file", b"12345678")
    with opened(storage, b"/file") as file:
        file.append(memoryview(b"9"), most=9)
        assert outcome(lambda: file.append(memoryview(b"x"), most=9)) is QuotaExceeded
        file.append(memoryview(b""), most=5)
        file.append(memoryview(b"!"))
    assert get(storage, b"/file") == b"123456789!"


def test_no_number_of_handles_appends_more_than_a_file_may_have(storage: FullStorage) -> None:
    put(storage, b"/file")

    def append(_: int) -> int:
        done = 0
        with opened(storage, b"/file") as file:
            for _ in range(30):
                done += outcome(lambda: patiently(lambda: file.append(memoryview(bytes(70)), most=1000))) is None
        return done

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(append, range(8))) == 14
    assert len(get(storage, b"/file")) == 980


def test_nobody_overwrites_what_others_append(storage: FullStorage) -> None:
    put(storage, b"/file")

    def append(mark: bytes) -> None:
        with opened(storage, b"/file") as file:
            for _ in range(100):
                patiently(lambda: file.append(memoryview(mark * 50)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, [b"a", b"b", b"c", b"d"]))

    data = get(storage, b"/file")
    pieces = [data[start : start + 50] for start in range(0, len(data), 50)]
    assert sorted(pieces) == sorted(mark * 50 for mark in (b"a", b"b", b"c", b"d") for _ in range(100))


def test_threads_write_disjoint_ranges_of_one_file(storage: FullStorage) -> None:
    size, count = 1000, 8
    together = threading.Barrier(count)
    with opened(storage, b"/file", create=Create.NEW) as file, ThreadPoolExecutor(count) as pool:

        def write(number: int) -> None:
            together.wait(30)
            for step in range(20):
                offset = (step * count + number) * size
                patiently(lambda offset=offset: file.pwritev(views(bytes([number]) * size), offset))
                assert file.pread(size, offset) == bytes([number]) * size

        list(pool.map(write, range(count)))
        assert file.pread(10**6, 0) == b"".join(bytes([number]) * size for number in range(count)) * 20


def test_a_handle_does_what_it_was_opened_for(storage: FullStorage) -> None:
    put(storage, b"/file", b"data")
    with opened(storage, b"/file", write=False) as file:
        assert outcome(lambda: file.pwritev(views(b"x"), 0)) is BadHandle
        assert outcome(lambda: file.append(memoryview(b"x"))) is BadHandle
        assert outcome(lambda: file.set_attributes(Attributes(size=0))) is BadHandle
    with opened(storage, b"/file", read=False) as file:
        assert outcome(lambda: file.pread(1, 0)) is BadHandle
        assert outcome(lambda: file.preadv([memoryview(bytearray(1))], 0)) is BadHandle
    assert get(storage, b"/file") == b"data"


@pytest.mark.parametrize("end", ["close", "abandon"])
def test_a_closed_file(storage: FullStorage, end: str) -> None:
    put(storage, b"/file", b"data")
    with opened(storage, b"/file") as file:
        getattr(file, end)()
        calls: list[Callable[[], Any]] = [
            lambda: file.pread(1, 0),
            lambda: file.preadv([memoryview(bytearray(1))], 0),
            lambda: file.pwritev(views(b"x"), 0),
            lambda: file.append(memoryview(b"x")),
            lambda: file.stat(),
            lambda: file.set_attributes(Attributes(mode=0o600)),
            lambda: file.sync(),
        ]
        assert [outcome(call) for call in calls] == [BadHandle] * len(calls)


def test_a_storage_keeps_what_an_abandoned_file_holds(storage: FullStorage) -> None:
    with opened(storage, b"/file", create=Create.NEW) as file:
        file.append(memoryview(b"half"))
        file.abandon()
        file.abandon()
    assert get(storage, b"/file") == b"half"


def test_an_open_file_outlives_its_name(storage: FullStorage) -> None:
    put(storage, b"/file", b"data")
    with opened(storage, b"/file") as file:
        storage.remove(p(b"/file"))
        put(storage, b"/file", b"another")
        file.pwritev(views(b"DA"), 0)

        assert file.pread(99, 0) == b"DAta"
        assert file.stat().nlink == 0
    assert get(storage, b"/file") == b"another"


def test_sync(storage: FullStorage) -> None:
    with opened(storage, b"/file", create=Create.NEW) as file:
        file.sync()


def test_attributes_of_an_open_file(storage: FullStorage) -> None:
    put(storage, b"/file", b"0123456789")
    with opened(storage, b"/file") as file:
        storage.rename(p(b"/file"), p(b"/moved"), replace=False)
        file.set_attributes(Attributes(size=4, mode=0o640, atime=100, mtime=200))
        found = file.stat()

    assert found == storage.lstat(p(b"/moved"))
    assert (found.size, found.mode & 0o7777, found.atime, found.mtime) == (4, 0o640, 100, 200)


def test_a_failed_create_leaves_nothing(storage: FullStorage) -> None:
    def create() -> StorageFile:
        return storage.open(p(b"/dir/new"), read=True, write=True, create=Create.NEW)

    storage.mkdir(p(b"/dir"))
    create().close()

    assert outcome(create) is AlreadyExists
    assert names(storage, b"/dir") == {b"new"}
    assert outcome(lambda: storage.link(p(b"/dir"), p(b"/dir/loop"))) is PermissionDenied
    assert names(storage, b"/dir") == {b"new"}


def test_what_is_read_now_is_what_is_read(storage: FullStorage) -> None:
    """`preadv_now` may say that it would wait; what it gives is whole, and short only where the file ends."""
    put(storage, b"/file", bytes(range(256)) * 1000)
    with opened(storage, b"/file") as file:
        for offset, length in (
            (0, 10),
            (0, 256_000),
            (255_990, 100),
            (256_000, 5),
            (10**12, 5),
            (2**63 - 1, 5),
            (7, 0),
        ):
            data = bytearray(length)
            views = [memoryview(data)[: length // 3], memoryview(data)[length // 3 :]]
            count = file.preadv_now(views, offset)
            assert count is None or data[:count] == file.pread(length, offset)
        assert not file.immediate or file.preadv_now([memoryview(bytearray(10))], 0) == 10
