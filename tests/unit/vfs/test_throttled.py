"""Throttled files: when they may be read or written, how much of it, and that nothing is counted that was not moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from conchgo.accounts.model import User
from conchgo.accounts.permissions import Permissions
from conchgo.errors import NoSpace, NotBefore, PermissionDenied, QuotaExceeded, WouldBlock
from conchgo.events.bus import Bus
from conchgo.events.records import Event
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.throttles import Throttle, Throttles
from conchgo.quota.transfers import MemoryTransferCounter, TransferLimits, Transferred
from conchgo.storage.memory import MemoryStorage
from conchgo.storage.memory_file import MemoryFile
from conchgo.vfs.compose import Mount, View, compose
from conchgo.vfs.interface import File, Filesystem
from conchgo.vfs.uploads.rules import UploadMode, UploadRules
from tests.unit.vfs.helpers import CREATE, IDENTITY, ORIGIN, READ, WRITE, p

KB = 1024
MB = 1024 * KB


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class FailingFile(MemoryFile):
    """Writes fail as the storage says; nothing is in the page cache where it says so."""

    storage: FailingStorage

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        if self.storage.error is not None:
            raise self.storage.error
        super().pwritev(views, offset)

    def preadv_now(self, views: Sequence[memoryview], offset: int) -> int | None:
        return None if self.storage.cold else super().preadv_now(views, offset)


class FailingStorage(MemoryStorage):
    error: Exception | None = None
    cold = False

    def open(self, path: VirtualPath, **how: Any) -> FailingFile:
        file = super().open(path, **how)
        file.__class__ = FailingFile
        file.storage = self  # type: ignore[attr-defined]
        return file  # type: ignore[return-value]


class Bench:
    """A user's filesystem, one session of it, and the time."""

    def __init__(self, **limits: int) -> None:
        self.time = Time()
        self.counter = MemoryTransferCounter()
        self.storage = FailingStorage()
        self.events: list[Event] = []
        self.throttles = Throttles(self.counter, now=self.time)
        self.user = User("alice", "/srv/alice", **limits)  # type: ignore[arg-type]
        self.throttle = self.throttles.join(self.user, "::1")
        self.view = View(
            {ROOT: Mount(self.storage)},
            Permissions.parse({"/": ["*"]}),
            IDENTITY,
            ORIGIN,
            Bus(self.events.append),  # type: ignore[arg-type]
        )
        file = compose(self.view).open(p(b"/f"), CREATE)
        file.pwritev([memoryview(bytes(100 * KB))], 0)
        file.close()
        self.events.clear()
        self.fs: Filesystem = compose(replace(self.view, throttle=self.throttle))

    def refused(self, at: float, call: Any, *args: Any) -> None:
        """It must wait so many seconds."""
        with pytest.raises(NotBefore) as wait:
            call(*args)
        assert 0 <= wait.value.at - self.time.now - at < 0.03, wait.value.at - self.time.now

    def transferred(self) -> Transferred:
        """After the end of the session."""
        assert self.throttle is not None
        self.throttles.leave(self.throttle)
        return self.counter.transferred("alice")


def ways_to_read(file: File, length: int) -> Any:
    view = memoryview(bytearray(length))
    return {
        "pread": lambda: len(file.pread(length, 0)),
        "preadv": lambda: file.preadv([view[:3], view[3:]], 0),
        "preadv_now": lambda: file.preadv_now([view[:3], view[3:]], 0),
    }


@pytest.fixture(params=["pread", "preadv", "preadv_now"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def data(count: int) -> list[memoryview]:
    return [memoryview(bytes(count // 2)), memoryview(bytes(count - count // 2))]


def test_without_a_throttle_no_file_is_wrapped() -> None:
    bench = Bench()
    assert bench.throttle is None
    file = bench.fs.open(p(b"/f"), READ)
    assert file.immediate
    assert file.portion is None
    assert file.pread(10, 0) == bytes(10)


def test_reads_wait_until_the_last_is_paid(way: str) -> None:
    bench = Bench(download_bandwidth=10)
    file = bench.fs.open(p(b"/f"), READ)
    read = ways_to_read(file, 50 * KB)[way]
    assert read() == 50 * KB
    bench.refused(4.9, read)
    bench.time.now += 5
    assert read() == 50 * KB


def test_a_read_pays_for_what_it_found_only(way: str) -> None:
    bench = Bench(download_bandwidth=10)
    file = bench.fs.open(p(b"/f"), READ)
    assert ways_to_read(file, 150 * KB)[way]() == 100 * KB
    bench.refused(9.9, ways_to_read(file, 1)[way])


def test_a_read_behind_the_end_or_that_fails_pays_nothing(way: str) -> None:
    bench = Bench(download_bandwidth=10)
    bench.fs.open(p(b"/empty"), CREATE).close()
    empty, unreadable = bench.fs.open(p(b"/empty"), READ), bench.fs.open(p(b"/f"), WRITE)
    for _ in range(3):
        assert ways_to_read(empty, 100 * KB)[way]() == 0
        with pytest.raises(Exception, match="not open for reading"):
            ways_to_read(unreadable, 100 * KB)[way]()


def test_what_is_not_in_memory_is_paid_once() -> None:
    bench = Bench(download_bandwidth=10)
    bench.storage.cold = True
    file = bench.fs.open(p(b"/f"), READ)
    for _ in range(3):
        assert ways_to_read(file, 50 * KB)["preadv_now"]() is None
    bench.refused(4.9, ways_to_read(file, 10)["preadv_now"])
    assert file.pread(50 * KB, 0) == bytes(50 * KB), "it was paid before the thread began"
    bench.refused(4.9, ways_to_read(file, 50 * KB)["preadv_now"])


def test_what_a_thread_was_to_read_and_did_not_is_forgotten() -> None:
    bench = Bench(download_bandwidth=10)
    bench.storage.cold = True
    file = bench.fs.open(p(b"/f"), READ)
    for number in range(1000):
        assert file.preadv_now([memoryview(bytearray(1))], number) is None
        bench.time.now += 1
    assert len(file._file._paid) < 300  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", ["pwritev", "append"])
def test_writes_wait_and_go_to_threads(way: str) -> None:
    bench = Bench(upload_bandwidth=10)
    file = bench.fs.open(p(b"/f"), WRITE)
    assert not file.immediate
    assert not file.pwritev_now(data(10), 0)
    assert file.portion == KB
    write = {"pwritev": lambda: file.pwritev(data(50 * KB), 0), "append": lambda: file.append(data(100 * KB)[0])}[way]
    write()
    bench.refused(4.9, write)
    bench.time.now += 5
    write()


def test_all_files_of_the_user_share_a_direction_and_the_directions_nothing() -> None:
    bench = Bench(upload_bandwidth=10, download_bandwidth=10)
    other = compose(replace(bench.view, throttle=bench.throttles.join(bench.user, "::1")))
    bench.fs.open(p(b"/f"), READ).pread(50 * KB, 0)
    file = other.open(p(b"/f"), WRITE)
    file.pwritev(data(50 * KB), 0)
    bench.refused(4.9, other.open(p(b"/f"), READ).pread, 10, 0)
    bench.refused(4.9, bench.fs.open(p(b"/g"), CREATE).pwritev, data(1), 0)


def test_a_write_that_must_wait_below_is_not_paid(way: str) -> None:
    bench = Bench(upload_bandwidth=10, upload_data_transfer=1)
    file = bench.fs.open(p(b"/f"), WRITE)
    bench.storage.error = NotBefore(bench.time.now + 7)
    for _ in range(30):
        bench.refused(7, file.pwritev, data(50 * KB), 0)
    bench.storage.error = None
    file.pwritev(data(50 * KB), 0)
    assert bench.transferred() == Transferred(50 * KB, 0)


def test_what_came_here_counts_also_where_writing_fails() -> None:
    bench = Bench(upload_data_transfer=1)
    file = bench.fs.open(p(b"/f"), WRITE)
    bench.storage.error = NoSpace()
    with pytest.raises(NoSpace):
        file.pwritev(data(1000), 0)
    file.abandon()
    assert bench.transferred() == Transferred(1000, 0)


def test_a_download_ends_where_the_quota_does_and_gives_nothing_more(way: str) -> None:
    bench = Bench(download_data_transfer=1)
    file = bench.fs.open(p(b"/f"), READ)

    def read(length: int) -> None:
        # preadv_now does not ask the counter, a thread does.
        if ways_to_read(file, length)[way]() is None:
            file.pread(length, 0)

    for _ in range(10):
        read(100 * KB)
    with pytest.raises(QuotaExceeded, match=r"quota exceeded: .* download"):
        read(100 * KB)
    read(24 * KB)
    empty = ways_to_read(bench.fs.open(p(b"/empty"), replace(CREATE, read=True)), 10)[way]
    assert empty() == 0, "the end of a file is no transfer"
    assert bench.transferred() == Transferred(0, MB)


@pytest.mark.parametrize(("mode", "old"), [("direct", 0), ("atomic", 100 * KB), ("resume", 100 * KB)])
@pytest.mark.parametrize("way", ["pwritev", "append"])
def test_an_upload_ends_where_the_quota_does_and_leaves_nothing_half_done(mode: str, old: int, way: str) -> None:
    bench = Bench(upload_data_transfer=1)
    fs = compose(replace(bench.view, throttle=bench.throttle, uploads=UploadRules(UploadMode(mode))))
    for path in (b"/new", b"/f"):
        file = fs.open(p(path), CREATE)
        file.pwritev(data(MB // 4), 0)
        too_much = partial(file.pwritev, data(MB), 9) if way == "pwritev" else partial(file.append, data(2 * MB)[0])
        with pytest.raises(QuotaExceeded, match=r"quota exceeded: .* upload data transfer left; (what was|nothing)"):
            too_much()
        with pytest.raises(QuotaExceeded, match="; "):
            file.pwritev(data(1), 0)
        assert not file.close_now()
        with pytest.raises(QuotaExceeded, match="; "):
            file.close()
    assert [_size_of(fs, path) for path in (b"/new", b"/f")] == [0, old]
    closes = [event.status for event in bench.events if event.action == "close"]
    assert closes == ["failed", "failed"]


def _size_of(fs: Filesystem, path: bytes) -> int:
    """0 where there is nothing."""
    found = fs.peek(p(path))
    return 0 if found is None else found.size


def test_a_file_that_is_worked_on_in_place_keeps_what_fitted() -> None:
    bench = Bench(upload_data_transfer=1)
    file = bench.fs.open(p(b"/new"), replace(CREATE, read=True))
    file.pwritev(data(MB - 10), 0)
    with pytest.raises(QuotaExceeded, match=r"quota exceeded: .* upload"):
        file.pwritev(data(11), MB - 10)
    file.pwritev(data(10), MB - 10)
    file.close()
    assert bench.fs.stat(p(b"/new")).size == MB
    assert bench.transferred() == Transferred(MB, 0)


def test_who_has_nothing_left_opens_nothing_for_it() -> None:
    bench = Bench(upload_data_transfer=1, download_data_transfer=1)
    bench.fs.open(p(b"/f"), WRITE).pwritev(data(MB), 0)
    size = bench.fs.stat(p(b"/f")).size
    for options in (CREATE, WRITE, replace(WRITE, read=True)):
        with pytest.raises(QuotaExceeded):
            bench.fs.open(p(b"/f"), options)
    assert bench.fs.stat(p(b"/f")).size == size, "not truncated"
    assert bench.fs.open(p(b"/f"), READ).pread(10, 0) == bytes(10)


def test_the_twin_that_must_not_wait_asks_no_counter() -> None:
    bench = Bench(download_data_transfer=1)
    assert bench.fs.at_once is not None
    with pytest.raises(WouldBlock):
        bench.fs.at_once.open(p(b"/f"), READ)
    file = bench.fs.open(p(b"/f"), READ)
    assert bench.fs.at_once.open(p(b"/f"), READ).preadv_now([memoryview(bytearray(10))], 0) == 10
    file.close()


def test_copies_within_the_server_are_no_transfers_and_are_told_of() -> None:
    bench = Bench(upload_bandwidth=1, download_bandwidth=1, upload_data_transfer=1, download_data_transfer=1)
    source, target = bench.fs.open(p(b"/f"), READ), bench.fs.open(p(b"/new"), CREATE)
    for number in range(20):
        data = memoryview(source.inside.pread(100 * KB, 0))
        target.inside.pwritev([data], number * 200 * KB)
        target.inside.append(data)
    assert target.stat().size == 40 * 100 * KB
    with pytest.raises(PermissionDenied):
        target.inside.pread(1, 0)
    for file in (source, target):
        file.close()
    moved = [(event.bytes_read, event.bytes_written) for event in bench.events if event.action == "close"]
    assert moved == [(2000 * KB, 0), (0, 4000 * KB)]
    assert bench.transferred() == Transferred(0, 0)


def test_a_wait_is_told_to_nobody() -> None:
    bench = Bench(download_bandwidth=1)
    file = bench.fs.open(p(b"/f"), READ)
    file.pread(10 * KB, 0)
    bench.refused(9.9, file.pread, 1, 0)
    file.close()
    assert [(event.action, event.status) for event in bench.events] == [("open", "ok"), ("close", "ok")]
    assert bench.events[1].bytes_read == 10 * KB


def test_a_throttle_of_nothing_holds_nobody_up() -> None:
    bench = Bench(upload_bandwidth=1)
    file = bench.fs.open(p(b"/f"), READ)
    for way in ways_to_read(file, 100 * KB).values():
        for _ in range(20):
            assert way() == 100 * KB
    assert isinstance(bench.throttle, Throttle)
    assert bench.throttle.download.allowance._limits == TransferLimits()
