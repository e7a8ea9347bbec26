"""Uploads straight into their files: what a limit leaves of them, how large they may be, and their times."""

from __future__ import annotations

from typing import Any

import pytest

from conchgo.errors import AlreadyExists, NotBefore, NotFound, QuotaExceeded
from conchgo.storage.interface import Attributes
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.interface import Filesystem, OpenOptions
from conchgo.vfs.uploads.rules import UploadRules
from tests.unit.vfs.helpers import CREATE, READ, WRITE, View, get, names, outcome, p, put

APPEND = OpenOptions(write=True, append=True)
BOTH = OpenOptions(read=True, write=True, create=True)


def views(data: bytes) -> list[memoryview]:
    return [memoryview(data)]


def session(storage: Any, max_size: int | None = 10) -> Filesystem:
    return View(storage, uploads=UploadRules(max_size=max_size)).fs


def test_a_new_upload_that_a_limit_ends_is_removed(storage: Any) -> None:
    fs = session(storage)
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"0123456789"), 0)
    for data, offset in ((b"x", 10), (b"y", 0)):
        with pytest.raises(QuotaExceeded, match=r"quota exceeded: .* 10 bytes; what was uploaded is removed"):
            file.pwritev(views(data), offset)
    assert not file.close_now()
    with pytest.raises(QuotaExceeded, match="what was uploaded is removed"):
        file.close()
    assert names(fs, b"/") == set()


def test_so_is_an_overwrite(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"old")
    file = fs.open(p(b"/f"), CREATE)
    assert outcome(lambda: file.append(memoryview(b"01234567890"))) is QuotaExceeded
    file.abandon()
    assert names(fs, b"/") == set()


def test_its_other_names_hold_nothing_of_it_either(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"old")
    fs.link(p(b"/f"), p(b"/other"))
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"part"), 0)
    assert outcome(lambda: file.pwritev(views(bytes(7)), 4)) is QuotaExceeded
    assert outcome(file.close) is QuotaExceeded
    assert (names(fs, b"/"), get(fs, b"/other")) == ({b"other"}, b"")


def test_what_has_its_name_by_now_is_not_removed(storage: Any) -> None:
    fs = session(storage)
    file = fs.open(p(b"/f"), CREATE)
    assert outcome(lambda: file.pwritev(views(bytes(11)), 0)) is QuotaExceeded
    put(fs, b"/another", b"keep")
    session(storage).rename(p(b"/another"), p(b"/f"), replace=True)
    assert outcome(file.close) is QuotaExceeded
    assert get(fs, b"/f") == b"keep"


def test_it_is_removed_by_the_name_that_its_session_gave_it(storage: Any) -> None:
    fs = session(storage)
    fs.mkdir(p(b"/d"))
    file = fs.open(p(b"/d/f"), CREATE)
    assert outcome(lambda: file.pwritev(views(bytes(11)), 0)) is QuotaExceeded
    fs.rename(p(b"/d/f"), p(b"/d/g"), replace=False)
    fs.rename(p(b"/d"), p(b"/e"), replace=False)
    assert outcome(file.close) is QuotaExceeded
    assert names(fs, b"/e") == set()


def test_the_upload_of_somebody_who_vanished_is_kept_to_be_resumed(storage: Any) -> None:
    fs = session(storage)
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"half"), 0)
    file.abandon()
    assert get(fs, b"/f") == b"half"


@pytest.mark.parametrize("options", [WRITE, APPEND])
def test_a_resumed_upload_is_cut_back(storage: Any, options: OpenOptions) -> None:
    fs = session(storage)
    put(fs, b"/f", b"1234")
    file = fs.open(p(b"/f"), options)

    def write(data: bytes, offset: int) -> None:
        if options.append:
            file.append(memoryview(data))
        else:
            file.pwritev(views(data), offset)

    write(b"567", 4)
    for _ in range(2):
        with pytest.raises(QuotaExceeded, match=r"quota exceeded: .*; the file is cut back to 4 bytes"):
            write(b"89012", 7)
    with pytest.raises(QuotaExceeded, match="the file is cut back to 4 bytes"):
        file.close()
    assert get(fs, b"/f") == b"1234"


def test_it_is_not_filled_up_again(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"1234")
    file = fs.open(p(b"/f"), WRITE)
    file.set_attributes(Attributes(size=2))
    file.pwritev(views(b"34567"), 2)
    with pytest.raises(QuotaExceeded, match="cut back to 2 bytes"):
        file.pwritev(views(b"89012"), 7)
    assert outcome(file.close) is QuotaExceeded
    assert get(fs, b"/f") == b"12"


def test_what_others_appended_is_not_cut_off(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"12")
    file = fs.open(p(b"/f"), APPEND)
    file.append(memoryview(b"34"))
    other = fs.open(p(b"/f"), APPEND)
    other.append(memoryview(b"56"))
    other.close()
    assert outcome(lambda: file.append(memoryview(b"78901"))) is QuotaExceeded
    assert outcome(file.close) is QuotaExceeded
    assert get(fs, b"/f") == b"123456"


def test_what_was_synced_stays(storage: Any) -> None:
    fs = session(storage)
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"12345"), 0)
    file.sync()
    file.pwritev(views(b"678"), 5)
    with pytest.raises(QuotaExceeded, match="cut back to 5 bytes"):
        file.pwritev(views(b"901"), 8)
    assert outcome(file.close) is QuotaExceeded
    assert get(fs, b"/f") == b"12345"


@pytest.mark.parametrize("options", [WRITE, BOTH])
def test_work_in_place_loses_nothing_but_the_write_that_is_too_much(storage: Any, options: OpenOptions) -> None:
    fs = session(storage)
    put(fs, b"/f", b"1234")
    file = fs.open(p(b"/f"), options)
    file.pwritev(views(b"X"), 1)
    file.pwritev(views(b"56"), 4)
    with pytest.raises(QuotaExceeded, match=r"at most 10 bytes$"):
        file.pwritev(views(b"789012"), 6)
    file.pwritev(views(b"Y"), 2)
    file.close()
    assert get(fs, b"/f") == b"1XY456"


def test_who_abandons_does_not_wait_until_it_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = session(MemoryStorage())
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"data"), 0)
    assert outcome(lambda: file.pwritev(views(bytes(11)), 0)) is QuotaExceeded

    def wait(*_: object) -> None:
        raise NotBefore(0)

    monkeypatch.setattr("conchgo.storage.memory_file.MemoryFile.set_attributes", wait)
    with pytest.raises(NotBefore):
        file.close()
    file.abandon()
    monkeypatch.undo()
    file.close()
    assert get(fs, b"/f") == b"data"


# The largest size.


def test_a_file_may_be_as_large_as_allowed_and_no_larger(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"0123456789")
    for path in (b"/f", b"/new"):
        file = fs.open(p(path), CREATE)
        assert outcome(lambda: file.pwritev(views(b"x"), 10)) is QuotaExceeded  # noqa: B023
        assert outcome(file.close) is QuotaExceeded
    assert names(fs, b"/") == set()


def test_a_size_is_not_set_beyond(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"data")
    changes = Attributes(size=2**40)
    assert outcome(lambda: fs.set_attributes(p(b"/f"), changes)) is QuotaExceeded
    file = fs.open(p(b"/f"), WRITE)
    assert outcome(lambda: file.set_attributes(changes)) is QuotaExceeded
    file.set_attributes(Attributes(size=10))
    file.close()
    assert get(fs, b"/f") == b"data" + bytes(6)


def test_what_is_larger_already_may_be_changed_but_not_grow(storage: Any) -> None:
    put(session(storage, None), b"/f", bytes(20))
    fs = session(storage)
    file = fs.open(p(b"/f"), BOTH)
    file.pwritev(views(b"x"), 19)
    assert outcome(lambda: file.append(memoryview(b"x"))) is QuotaExceeded
    assert outcome(lambda: file.pwritev(views(b"xx"), 19)) is QuotaExceeded
    file.set_attributes(Attributes(size=15))
    fs.set_attributes(p(b"/f"), Attributes(size=12))
    file.close()
    assert len(get(fs, b"/f")) == 12


def test_without_a_limit_none_is_asked(storage: Any) -> None:
    fs = session(storage, None)
    put(fs, b"/f", bytes(1000))
    file = fs.open(p(b"/f"), APPEND)
    file.append(memoryview(bytes(1000)))
    file.close()
    assert fs.stat(p(b"/f")).size == 2000


# Times.


@pytest.mark.parametrize("by", ["handle", "path"])
def test_times_set_on_an_open_upload_hold_after_its_close(storage: Any, by: str) -> None:
    fs = session(storage)
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"da"), 0)
    times = Attributes(atime=100, mtime=200)
    if by == "handle":
        file.set_attributes(times)
    else:
        fs.set_attributes(p(b"/f"), times)
    file.pwritev(views(b"ta"), 2)
    assert not file.close_now()
    file.close()
    found = fs.stat(p(b"/f"))
    assert (found.atime, found.mtime) == (100, 200)


def test_times_that_were_set_before_the_upload_do_not() -> None:
    now = [1000.0]
    fs = session(MemoryStorage(clock=lambda: now[0]))
    put(fs, b"/f", b"old")
    fs.set_attributes(p(b"/f"), Attributes(mtime=200))
    put(fs, b"/f", b"new")
    assert fs.stat(p(b"/f")).mtime == 1000


def test_a_close_that_has_nothing_to_do_is_done_at_once() -> None:
    file = session(MemoryStorage()).open(p(b"/f"), CREATE)
    file.pwritev(views(b"data"), 0)
    file.set_attributes(Attributes(mtime=200))
    assert file.close_now()
    file.close()


def test_the_file_limit_makes_nothing(storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = session(storage)
    put(fs, b"/f", b"old")

    def full(*_: object, **__: object) -> None:
        raise QuotaExceeded

    monkeypatch.setattr(type(storage), "open", full)
    assert outcome(lambda: fs.open(p(b"/new"), CREATE)) is QuotaExceeded
    monkeypatch.undo()
    assert (names(fs, b"/"), get(fs, b"/f")) == ({b"f"}, b"old")


def test_what_is_only_read_has_no_wrapper_of_uploads(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"data")
    file = fs.open(p(b"/f"), READ)
    assert outcome(lambda: fs.open(p(b"/f"), OpenOptions(write=True, create=True, exclusive=True))) is AlreadyExists
    assert file.pread(10, 0) == b"data"
    file.close()
    assert outcome(lambda: fs.open(p(b"/missing"), READ)) is NotFound
