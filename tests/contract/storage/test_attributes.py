"""set_attributes: what is asked changes, nothing else does, and nothing at all where it is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conchgo.errors import (
    InvalidArgument,
    IsADirectory,
    NotARegularFile,
    NotFound,
    Unsupported,
)
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import Attributes, FileStat
from conchgo.storage.links import LinkEncountered
from tests.contract.storage.helpers import FullStorage, get, outcome, p, put


@pytest.fixture(autouse=True)
def tree(storage: FullStorage, add_special: Callable[[VirtualPath], None]) -> None:
    put(storage, b"/file", b"0123456789")
    storage.mkdir(p(b"/dir"))
    add_special(p(b"/fifo"))
    storage.symlink(b"file", p(b"/link"))


def change(storage: FullStorage, path: bytes, changes: Attributes, *, link: bool = False) -> tuple[FileStat, FileStat]:
    """What was, and what is afterwards."""
    before = storage.lstat(p(path))
    storage.set_attributes(p(path), changes, link=link)
    return before, storage.lstat(p(path))


@pytest.mark.parametrize("path", [b"/file", b"/dir", b"/fifo", b"/"])
@pytest.mark.parametrize("link", [False, True])
def test_mode(storage: FullStorage, path: bytes, link: bool) -> None:
    before, after = change(storage, path, Attributes(mode=0o750), link=link)

    assert after == before._replace(mode=before.mode & ~0o7777 | 0o750)


@pytest.mark.parametrize("path", [b"/file", b"/dir", b"/fifo"])
def test_the_type_in_a_mode_is_no_matter(storage: FullStorage, path: bytes) -> None:
    before, after = change(storage, path, Attributes(mode=0o120_600))

    assert after == before._replace(mode=before.mode & ~0o7777 | 0o600)


@pytest.mark.parametrize("path", [b"/file", b"/dir", b"/fifo", b"/link"])
@pytest.mark.parametrize("asked", [{"atime": 1000}, {"mtime": 2000}, {"atime": 0, "mtime": 2**31}])
def test_times(storage: FullStorage, path: bytes, asked: dict[str, int]) -> None:
    storage.set_attributes(p(path), Attributes(atime=11, mtime=22), link=True)

    before, after = change(storage, path, Attributes(**asked), link=True)

    assert after == before._replace(**asked)
    assert get(storage, b"/file") == b"0123456789"


@pytest.mark.parametrize("path", [b"/file", b"/dir", b"/fifo", b"/link"])
def test_the_owner_that_it_has(storage: FullStorage, path: bytes) -> None:
    owner = storage.lstat(p(path))

    for asked in (Attributes(uid=owner.uid), Attributes(gid=owner.gid), Attributes(uid=owner.uid, gid=owner.gid)):
        assert change(storage, path, asked, link=True)[1] == owner


@pytest.mark.parametrize(("size", "expected"), [(4, b"0123"), (0, b""), (10, b"0123456789"), (12, b"0123456789\0\0")])
def test_size(storage: FullStorage, size: int, expected: bytes) -> None:
    storage.set_attributes(p(b"/file"), Attributes(size=size))

    assert get(storage, b"/file") == expected


def test_all_together_and_the_times_last(storage: FullStorage) -> None:
    _, after = change(storage, b"/file", Attributes(size=3, mode=0o600, atime=100, mtime=200))

    assert (after.size, after.mode & 0o7777, after.atime, after.mtime) == (3, 0o600, 100, 200)


def test_one_time_leaves_the_other_as_the_new_size_made_it(storage: FullStorage) -> None:
    storage.set_attributes(p(b"/file"), Attributes(atime=1, mtime=1))

    _, after = change(storage, b"/file", Attributes(size=3, atime=100))

    assert after.atime == 100
    assert after.mtime > 1_000_000


def test_nothing_asked(storage: FullStorage) -> None:
    for path in (b"/file", b"/dir", b"/fifo", b"/"):
        before, after = change(storage, path, Attributes())
        assert after == before
    assert outcome(lambda: storage.set_attributes(p(b"/missing"), Attributes())) is NotFound
    assert outcome(lambda: storage.set_attributes(p(b"/link"), Attributes())) is LinkEncountered


@pytest.mark.parametrize(
    ("path", "link", "expected"),
    [
        (b"/dir", False, IsADirectory),
        (b"/", False, IsADirectory),
        (b"/fifo", False, NotARegularFile),
        (b"/link", True, NotARegularFile),
        (b"/link", False, LinkEncountered),
    ],
)
def test_only_files_have_a_size_to_set(storage: FullStorage, path: bytes, link: bool, expected: type) -> None:
    before = storage.lstat(p(path))
    asked = Attributes(size=1, mtime=1)

    assert outcome(lambda: storage.set_attributes(p(path), asked, link=link)) is expected
    # To read what is in a link may count as an access.
    assert storage.lstat(p(path))._replace(atime=before.atime) == before


def test_a_link_has_no_mode(storage: FullStorage) -> None:
    before = storage.lstat(p(b"/link"))

    with pytest.raises(Unsupported):
        storage.set_attributes(p(b"/link"), Attributes(mode=0o600, mtime=1), link=True)

    assert storage.lstat(p(b"/link")) == before
    assert storage.lstat(p(b"/file")).mode & 0o7777 == 0o644


@pytest.mark.parametrize(
    "changes",
    [
        Attributes(size=-1, mtime=1),
        Attributes(size=2**63, mtime=1),
        Attributes(uid=-1, mtime=1),
        Attributes(gid=-1, mtime=1),
        Attributes(uid=2**32 - 1, mtime=1),
        Attributes(gid=2**32 - 1, mtime=1),
        Attributes(uid=2**64, mtime=1),
        Attributes(mode=0o600, mtime=2**63),
        Attributes(mode=0o600, atime=-(2**63) - 1),
    ],
)
@pytest.mark.parametrize("path", [ROOT, p(b"/file")])
def test_values_out_of_range_change_nothing(storage: FullStorage, path: VirtualPath, changes: Attributes) -> None:
    before = storage.lstat(path)

    with pytest.raises(InvalidArgument):
        storage.set_attributes(path, changes)

    assert storage.lstat(path) == before
