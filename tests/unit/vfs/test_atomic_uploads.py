"""Uploads in the atomic modes: what others see, and what is there, at every step and after every end."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from conchgo.errors import (
    AlreadyExists,
    BadHandle,
    ConchgoError,
    DirectoryNotEmpty,
    Failure,
    IsADirectory,
    NoSpace,
    NotBefore,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
)
from conchgo.storage.interface import Attributes, Create, Kind
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.interface import Filesystem, OpenOptions
from conchgo.vfs.uploads.rules import UploadMode, UploadRules
from conchgo.vfs.uploads.storage import Uploads
from conchgo.vfs.uploads.temporaries import PREFIX
from tests.unit.vfs.helpers import CREATE, WRITE, View, get, names, outcome, p, put

NEW = OpenOptions(write=True, create=True, exclusive=True)
modes = pytest.mark.parametrize("mode", [UploadMode.ATOMIC, UploadMode.RESUME])


def views(data: bytes) -> list[memoryview]:
    return [memoryview(data)]


def session(storage: Any, mode: UploadMode = UploadMode.ATOMIC, **rules: Any) -> Filesystem:
    return View(storage, uploads=UploadRules(mode, **rules)).fs


def temporaries(storage: Any, path: bytes = b"/") -> list[bytes]:
    listing = storage.scan(p(path))
    try:
        return [entry.name for entry in listing if entry.name.startswith(PREFIX)]
    finally:
        listing.close()


def raw(storage: Any, path: bytes) -> bytes:
    """What is really there."""
    file = storage.open(p(path), read=True, write=False, create=Create.NEVER)
    try:
        return bytes(file.pread(1000, 0))
    finally:
        file.close()


@modes
def test_a_new_file_is_there_when_it_is_closed(storage: Any, mode: UploadMode) -> None:
    file = session(storage, mode).open(p(b"/f"), CREATE)
    file.pwritev(views(b"data"), 0)
    assert outcome(lambda: raw(storage, b"/f")) is NotFound
    (temporary,) = temporaries(storage)
    assert raw(storage, b"/" + temporary) == b"data"
    file.close()
    file.close()
    assert raw(storage, b"/f") == b"data"
    assert temporaries(storage) == []


@modes
def test_the_old_file_is_whole_until_then(storage: Any, mode: UploadMode) -> None:
    put(View(storage).fs, b"/f", b"old")
    file = session(storage, mode).open(p(b"/f"), CREATE)
    file.pwritev(views(b"newer"), 0)
    assert raw(storage, b"/f") == b"old"
    file.close()
    assert raw(storage, b"/f") == b"newer"


@pytest.mark.parametrize(("mode", "left"), [(UploadMode.ATOMIC, b"old"), (UploadMode.RESUME, b"ne")])
def test_an_abandoned_upload(storage: Any, mode: UploadMode, left: bytes) -> None:
    put(View(storage).fs, b"/f", b"old")
    file = session(storage, mode).open(p(b"/f"), CREATE)
    file.pwritev(views(b"ne"), 0)
    file.abandon()
    file.abandon()
    assert raw(storage, b"/f") == left
    assert temporaries(storage) == []


@modes
def test_an_abandoned_upload_of_nothing_replaces_nothing(storage: Any, mode: UploadMode) -> None:
    put(View(storage).fs, b"/f", b"old")
    session(storage, mode).open(p(b"/f"), CREATE).abandon()
    assert raw(storage, b"/f") == b"old"
    assert temporaries(storage) == []


@pytest.mark.parametrize("came_back", ["whole", "resumed", "removed"])
def test_what_is_abandoned_replaces_nothing_that_came_later(storage: Any, came_back: str) -> None:
    """A connection may be known to be lost long after its client came back and tried again."""
    put(View(storage).fs, b"/f", b"old")
    lost = session(storage, UploadMode.RESUME).open(p(b"/f"), CREATE)
    lost.pwritev(views(b"ne"), 0)
    fs = session(storage, UploadMode.RESUME)
    if came_back == "whole":
        put(fs, b"/f", b"newer")
    elif came_back == "resumed":
        file = fs.open(p(b"/f"), WRITE)
        file.pwritev(views(b"er"), 3)
        file.close()
    else:
        fs.remove(p(b"/f"))
    lost.abandon()
    assert {name: raw(storage, b"/" + name) for name in names(fs, b"/")} == {
        "whole": {b"f": b"newer"},
        "resumed": {b"f": b"older"},
        "removed": {},
    }[came_back]
    assert temporaries(storage) == []


@modes
def test_an_empty_file_can_be_uploaded(storage: Any, mode: UploadMode) -> None:
    put(View(storage).fs, b"/f", b"old")
    session(storage, mode).open(p(b"/f"), CREATE).close()
    assert raw(storage, b"/f") == b""


@modes
def test_what_a_limit_ends_is_not_kept(storage: Any, mode: UploadMode) -> None:
    put(View(storage).fs, b"/f", b"old")
    file = session(storage, mode, max_size=10).open(p(b"/f"), CREATE)
    file.pwritev(views(b"0123456789"), 0)
    for _ in range(2):
        with pytest.raises(QuotaExceeded, match=r"quota exceeded: .* 10 bytes; nothing of the upload is kept"):
            file.pwritev(views(b"x"), 10)
    # Nor does what would fit go into a file that lacks something.
    with pytest.raises(QuotaExceeded):
        file.pwritev(views(b"x"), 0)
    with pytest.raises(QuotaExceeded, match="nothing of the upload is kept"):
        file.close()
    assert raw(storage, b"/f") == b"old"
    assert temporaries(storage) == []


@pytest.mark.parametrize(("mode", "left"), [(UploadMode.ATOMIC, b"old"), (UploadMode.RESUME, b"part")])
def test_what_a_full_disk_ends(mode: UploadMode, left: bytes) -> None:
    storage = MemoryStorage(capacity=4096)
    put(View(storage).fs, b"/f", b"old")
    file = session(storage, mode).open(p(b"/f"), CREATE)
    file.pwritev(views(b"part"), 0)
    with pytest.raises(Failure, match="no space left on the storage; "):
        file.append(memoryview(bytes(5000)))
    with pytest.raises(Failure, match="no space left on the storage; "):
        file.close()
    assert raw(storage, b"/f") == left
    assert temporaries(storage) == []


def test_writes_that_are_done_at_once_are_held_to_the_same(storage: Any) -> None:
    file = session(storage, max_size=4).open(p(b"/f"), CREATE)
    assert file.pwritev_now(views(b"12"), 0) == file.immediate
    if file.immediate:
        assert outcome(lambda: file.pwritev_now(views(b"345"), 2)) is QuotaExceeded
        assert outcome(lambda: file.pwritev(views(b"3"), 2)) is QuotaExceeded
        assert outcome(file.close) is QuotaExceeded
    file.abandon()
    assert temporaries(storage) == []


def test_a_failed_upload_may_be_abandoned_too(storage: Any) -> None:
    file = session(storage, max_size=1).open(p(b"/f"), CREATE)
    assert outcome(lambda: file.append(memoryview(b"xx"))) is QuotaExceeded
    file.abandon()
    assert names(session(storage), b"/") == set()


def test_mode_and_owner_of_the_old_file_are_kept(make_storage: Callable[[], Any]) -> None:
    storage = make_storage()
    if isinstance(storage, LocalStorage) and os.geteuid():
        pytest.skip("only root can give files away")
    put(View(storage).fs, b"/f", b"old")
    storage.set_attributes(p(b"/f"), Attributes(uid=1234, gid=2345, mode=0o604))
    put(session(storage), b"/f", b"new")
    found = storage.lstat(p(b"/f"))
    assert (found.uid, found.gid, found.mode & 0o7777) == (1234, 2345, 0o604)


class Stubborn(MemoryStorage):
    """A storage that gives no files away, as for every server but root."""

    def open(self, path: Any, **how: Any) -> Any:
        file = super().open(path, **how)
        change = file.set_attributes

        def set_attributes(changes: Attributes) -> None:
            if changes.uid is not None or changes.gid is not None:
                raise PermissionDenied
            change(changes)

        file.set_attributes = set_attributes  # type: ignore[method-assign]
        return file


@pytest.mark.parametrize(("old", "new"), [(0o660, 0o600), (0o664, 0o644), (0o640, 0o600), (0o604, 0o644)])
def test_where_the_group_cannot_be_kept_the_new_one_gets_no_more_than_all(old: int, new: int) -> None:
    storage = Stubborn()
    put(View(storage).fs, b"/f", b"old")
    storage.set_attributes(p(b"/f"), Attributes(gid=2345, mode=old))
    put(session(storage), b"/f", b"new")
    assert storage.lstat(p(b"/f")).mode & 0o7777 == new


def test_a_temporary_is_never_more_open_than_its_file(storage: Any) -> None:
    put(View(storage).fs, b"/f", b"old")
    storage.set_attributes(p(b"/f"), Attributes(mode=0o600))
    file = session(storage).open(p(b"/f"), CREATE)
    (temporary,) = temporaries(storage)
    assert storage.lstat(p(b"/" + temporary)).mode & 0o777 == 0o600
    file.close()
    new = session(storage).open(p(b"/new"), OpenOptions(write=True, create=True, mode=0o640))
    (temporary,) = temporaries(storage)
    assert storage.lstat(p(b"/" + temporary)).mode & 0o777 == 0o640
    new.close()


def test_not_even_while_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it has the owner and mode of the old file it is nobody else's."""
    storage = MemoryStorage()
    put(View(storage).fs, b"/f", b"old")
    modes, made = [], storage.open

    def tell(path: Any, **how: Any) -> Any:
        if how["create"] is Create.NEW:
            modes.append(how["mode"])
        return made(path, **how)

    monkeypatch.setattr(storage, "open", tell)
    put(session(storage), b"/f", b"new")
    assert modes == [0o600]
    assert storage.lstat(p(b"/f")).mode & 0o777 == 0o644


def test_hard_links_of_the_old_file_keep_it(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"old")
    fs.link(p(b"/f"), p(b"/other"))
    put(fs, b"/f", b"new")
    assert (raw(storage, b"/f"), raw(storage, b"/other")) == (b"new", b"old")


def test_names_of_temporaries_cannot_be_guessed(storage: Any) -> None:
    fs = session(storage)
    files = [fs.open(p(b"/%d" % number), CREATE) for number in range(20)]
    found = temporaries(storage)
    assert len({name[-32:] for name in found}) == len(found) == 20
    for file in files:
        file.abandon()


def test_the_name_of_a_file_may_be_as_long_as_names_can_be(storage: Any) -> None:
    put(session(storage), b"/" + b"n" * 255, b"data")
    assert raw(storage, b"/" + b"n" * 255) == b"data"


# What is at the path decides, as it does without a temporary.


def test_what_is_no_file_is_not_replaced(storage: Any) -> None:
    fs = session(storage)
    fs.mkdir(p(b"/d"))
    assert outcome(lambda: fs.open(p(b"/d"), CREATE)) is IsADirectory
    assert outcome(lambda: fs.open(p(b"/missing/f"), CREATE)) is NotFound
    assert outcome(lambda: fs.open(p(b"/missing"), OpenOptions(write=True, truncate=True))) is NotFound
    assert temporaries(storage) == []


def test_a_link_is_followed_first(storage: Any) -> None:
    fs = session(storage)
    fs.mkdir(p(b"/d"))
    put(fs, b"/d/f", b"old")
    fs.symlink(b"d/f", p(b"/l"))
    fs.symlink(b"d/new", p(b"/dangling"))
    put(fs, b"/l", b"new")
    put(fs, b"/dangling", b"made")
    assert storage.lstat(p(b"/l")).kind is Kind.LINK
    assert (raw(storage, b"/d/f"), raw(storage, b"/d/new")) == (b"new", b"made")


def test_exclusive_refuses_what_is_there(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"old")
    assert outcome(lambda: fs.open(p(b"/f"), NEW)) is AlreadyExists
    file = fs.open(p(b"/new"), NEW)
    assert outcome(lambda: fs.open(p(b"/new"), NEW)) is AlreadyExists
    file.close()
    assert raw(storage, b"/new") == b""


def test_a_file_that_somebody_else_made_meanwhile_stays(storage: Any) -> None:
    """Whoever may upload but not overwrite must not replace it."""
    fs = View(storage, {"/": ("list", "upload")}, uploads=UploadRules(UploadMode.ATOMIC)).fs
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"mine"), 0)
    put(View(storage).fs, b"/f", b"theirs")
    with pytest.raises(AlreadyExists, match="somebody made it while this upload ran"):
        file.close()
    assert raw(storage, b"/f") == b"theirs"
    assert temporaries(storage) == []


def test_two_uploads_that_replace_one_file_are_each_whole(storage: Any) -> None:
    put(View(storage).fs, b"/f", b"old")
    one, other = session(storage).open(p(b"/f"), CREATE), session(storage).open(p(b"/f"), CREATE)
    one.pwritev(views(b"from the one"), 0)
    other.pwritev(views(b"other"), 0)
    one.close()
    assert raw(storage, b"/f") == b"from the one"
    other.close()
    assert raw(storage, b"/f") == b"other"


def test_a_directory_in_its_place_is_not_replaced(storage: Any) -> None:
    file = session(storage).open(p(b"/f"), CREATE)
    file.pwritev(views(b"data"), 0)
    storage.mkdir(p(b"/f"))
    with pytest.raises(ConchgoError):
        file.close()
    assert storage.lstat(p(b"/f")).kind is Kind.DIRECTORY
    assert temporaries(storage) == []


# To its session the path means the temporary.


def test_stat_tells_of_the_upload_to_its_session_alone(storage: Any) -> None:
    put(View(storage).fs, b"/f", b"old")
    fs, other = session(storage), session(storage)
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"12345"), 0)
    assert (fs.stat(p(b"/f")).size, other.stat(p(b"/f")).size) == (5, 3)
    new = fs.open(p(b"/new"), CREATE)
    assert fs.lstat(p(b"/new")).size == 0
    assert outcome(lambda: other.lstat(p(b"/new"))) is NotFound
    new.close()
    file.close()
    assert fs.stat(p(b"/f")).size == other.stat(p(b"/f")).size == 5


def test_attributes_by_path_are_those_of_the_upload(storage: Any) -> None:
    put(View(storage).fs, b"/f", b"old")
    fs = session(storage)
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"12345"), 0)
    fs.set_attributes(p(b"/f"), Attributes(size=2, mode=0o640, atime=100, mtime=200))
    found = storage.lstat(p(b"/f"))
    assert (found.size, found.mode & 0o777) == (3, 0o644)
    file.close()
    found = storage.lstat(p(b"/f"))
    assert (found.size, found.mode & 0o777, found.atime, found.mtime) == (2, 0o640, 100, 200)


def test_times_hold_though_more_is_written(storage: Any) -> None:
    file = session(storage).open(p(b"/f"), CREATE)
    file.set_attributes(Attributes(atime=100, mtime=200))
    file.pwritev(views(b"data"), 0)
    file.close()
    found = storage.lstat(p(b"/f"))
    assert (found.atime, found.mtime) == (100, 200)


def test_an_upload_is_read_back_by_its_session(storage: Any) -> None:
    fs = session(storage)
    file = fs.open(p(b"/f"), OpenOptions(read=True, write=True, create=True))
    file.pwritev(views(b"data"), 0)
    assert file.pread(10, 0) == b"data"
    assert get(fs, b"/f") == b"data"
    more = fs.open(p(b"/f"), WRITE)
    more.append(memoryview(b" more"))
    more.close()
    assert outcome(lambda: get(session(storage), b"/f")) is NotFound
    file.close()
    assert raw(storage, b"/f") == b"data more"


def test_a_second_upload_of_one_session_replaces_the_first(storage: Any) -> None:
    fs = session(storage)
    first = fs.open(p(b"/f"), CREATE)
    first.pwritev(views(b"first"), 0)
    second = fs.open(p(b"/f"), CREATE)
    second.pwritev(views(b"second"), 0)
    first.close()
    assert raw(storage, b"/f") == b"first"
    second.close()
    assert raw(storage, b"/f") == b"second"


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("target", [b"/g", b"/d/g"])
def test_an_upload_that_is_renamed_takes_its_new_place(storage: Any, there: bool, target: bytes) -> None:
    fs = session(storage)
    fs.mkdir(p(b"/d"))
    if there:
        put(fs, b"/f", b"old")
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"new"), 0)
    fs.rename(p(b"/f"), p(target), replace=False)
    assert outcome(lambda: fs.stat(p(b"/f"))) is NotFound
    assert fs.stat(p(target)).size == 3
    file.close()
    assert raw(storage, target) == b"new"
    assert outcome(lambda: raw(storage, b"/f")) is NotFound
    assert temporaries(storage) == temporaries(storage, b"/d") == []


def test_an_upload_that_is_renamed_replaces_only_if_that_was_asked(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/g", b"old")
    fs.mkdir(p(b"/d"))
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"new"), 0)
    assert outcome(lambda: fs.rename(p(b"/f"), p(b"/g"), replace=False)) is AlreadyExists
    assert outcome(lambda: fs.rename(p(b"/f"), p(b"/d"), replace=True)) is IsADirectory
    fs.rename(p(b"/f"), p(b"/g"), replace=True)
    assert raw(storage, b"/g") == b"old"
    file.close()
    assert raw(storage, b"/g") == b"new"


def test_an_upload_goes_with_its_directory(storage: Any) -> None:
    fs = session(storage)
    fs.mkdir(p(b"/d"))
    file = fs.open(p(b"/d/f"), CREATE)
    file.pwritev(views(b"data"), 0)
    fs.rename(p(b"/d"), p(b"/e"), replace=False)
    assert fs.stat(p(b"/e/f")).size == 4
    file.close()
    assert raw(storage, b"/e/f") == b"data"
    assert temporaries(storage, b"/e") == []


def test_a_directory_that_somebody_else_moves_ends_the_upload_and_nothing_more(storage: Any) -> None:
    put_into, other = session(storage), session(storage)
    other.mkdir(p(b"/d"))
    put(other, b"/d/f", b"old")
    file = put_into.open(p(b"/d/f"), CREATE)
    file.pwritev(views(b"newer"), 0)
    other.rename(p(b"/d"), p(b"/e"), replace=False)
    with pytest.raises(Failure, match="the upload can't take its place: no such file or directory; nothing of it"):
        file.close()
    assert raw(storage, b"/e/f") == b"old"


def test_an_upload_that_is_removed_is_gone_at_its_end(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"old")
    for path in (b"/f", b"/new"):
        file = fs.open(p(path), CREATE)
        file.pwritev(views(b"data"), 0)
        fs.remove(p(path))
        assert outcome(lambda: fs.stat(p(path))) is NotFound  # noqa: B023
        file.pwritev(views(b"more"), 4)
        file.close()
    assert names(fs, b"/") == set()
    assert temporaries(storage) == []


def test_a_directory_with_an_upload_in_it_is_not_empty(storage: Any) -> None:
    fs = session(storage)
    fs.mkdir(p(b"/d"))
    file = fs.open(p(b"/d/f"), CREATE)
    assert outcome(lambda: fs.rmdir(p(b"/d"))) is DirectoryNotEmpty
    file.close()
    assert raw(storage, b"/d/f") == b""


# What is opened as it is, is written to as it is.


@modes
def test_a_file_is_resumed_in_place(storage: Any, mode: UploadMode) -> None:
    fs = session(storage, mode)
    put(fs, b"/f", b"first half")
    for options in (WRITE, OpenOptions(write=True, create=True, append=True)):
        file = fs.open(p(b"/f"), options)
        file.append(memoryview(b", second"))
        assert temporaries(storage) == []
        file.abandon()
    assert raw(storage, b"/f") == b"first half, second, second"


# Answers that must wait, and storages that break.


def test_what_answers_at_once_leaves_uploads_to_a_thread(storage: Any) -> None:
    fs = session(storage)
    put(fs, b"/f", b"old")
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"data"), 0)
    assert not file.close_now()
    if fs.at_once is not None:
        assert fs.at_once.stat(p(b"/f")).size == 4
    file.close()
    assert file.close_now()


class Waiting(MemoryStorage):
    """Says that it can't rename or remove yet, as where somebody else writes to what would be replaced."""

    waits = True

    def rename(self, old: Any, new: Any, *, replace: bool) -> None:
        if self.waits:
            raise NotBefore(0)
        super().rename(old, new, replace=replace)

    def remove(self, path: Any) -> None:
        if self.waits:
            raise NotBefore(0)
        super().remove(path)


class OneAtATime(MemoryStorage):
    """Says after each rename that the next one has to wait."""

    waits = False

    def rename(self, old: Any, new: Any, *, replace: bool) -> None:
        self.lstat(old)
        if self.waits:
            self.waits = False
            raise NotBefore(0)
        super().rename(old, new, replace=replace)
        self.waits = True


@pytest.mark.parametrize("there", [True, False])
def test_uploads_whose_rename_has_to_wait_in_between_get_there(there: bool) -> None:
    storage = OneAtATime()
    uploads = Uploads(storage, UploadRules(UploadMode.ATOMIC))
    uploads.mkdir(p(b"/d"))
    if there:
        storage.open(p(b"/f"), read=False, write=True, create=Create.NEW).close()
    first = Create.NEVER if there else Create.NEW
    files = [
        uploads.open(p(b"/f"), read=False, write=True, create=create, truncate=create is Create.NEVER)
        for create in (first, Create.NEVER)
    ]
    waits = 0
    while True:
        try:
            uploads.rename(p(b"/f"), p(b"/d/g"), replace=True)
            break
        except NotBefore:
            waits += 1
    assert waits == len(files) - (not there)
    for file in files:
        file.abandon()
    storage.waits = False
    assert temporaries(storage) == temporaries(storage, b"/d") == []


def test_a_close_that_had_to_wait_is_asked_again() -> None:
    storage = Waiting()
    uploads = Uploads(storage, UploadRules(UploadMode.ATOMIC))
    file = uploads.open(p(b"/f"), read=False, write=True, create=Create.NEW)
    file.pwritev(views(b"data"), 0)
    with pytest.raises(NotBefore):
        file.close()
    storage.waits = False
    file.close()
    assert raw(storage, b"/f") == b"data"


@pytest.mark.parametrize("after_close", [False, True])
@modes
def test_who_abandons_does_not_wait(mode: UploadMode, after_close: bool) -> None:
    storage = Waiting()
    uploads = Uploads(storage, UploadRules(mode))
    file = uploads.open(p(b"/f"), read=False, write=True, create=Create.NEW)
    file.pwritev(views(b"data"), 0)
    if after_close:
        with pytest.raises(NotBefore):
            file.close()
    file.abandon()
    storage.waits = False
    listing = uploads.scan(p(b"/"))
    assert list(listing) == []
    assert temporaries(storage) == []


def test_a_storage_that_lost_data_says_so_at_the_close(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    put(View(storage).fs, b"/f", b"old")
    fs = session(storage)
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(b"new"), 0)

    def close(_: object) -> None:
        raise NoSpace

    monkeypatch.setattr("conchgo.storage.memory_file.MemoryFile.close", close)
    assert outcome(file.close) is Failure
    monkeypatch.undo()
    assert raw(storage, b"/f") == b"old"
    assert temporaries(storage) == []


def test_a_closed_upload_is_closed(storage: Any) -> None:
    file = session(storage).open(p(b"/f"), CREATE)
    file.close()
    assert outcome(lambda: file.pwritev(views(b"x"), 0)) is BadHandle
