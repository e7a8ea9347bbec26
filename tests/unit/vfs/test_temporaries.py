"""Which temporaries of uploads are stale, and when these are swept away."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from conchgo.errors import DirectoryNotEmpty, ReadOnlyStorage
from conchgo.storage.interface import Create
from conchgo.vfs.uploads.rules import UploadMode, UploadRules
from conchgo.vfs.uploads.temporaries import PREFIX, Temporaries
from tests.unit.vfs.helpers import CREATE, View, names, outcome, p

WEEK = 7 * 24 * 3600

#: What a process that is gone left.
_MAKE = "from conchgo.vfs.uploads.temporaries import Temporaries; print(Temporaries().take().decode())"


@pytest.fixture(scope="module")
def left() -> bytes:
    return subprocess.run([sys.executable, "-c", _MAKE], capture_output=True, check=True).stdout.strip()


def touch(storage: Any, *path: bytes) -> None:
    storage.open(p(b"/".join((b"", *path))), read=False, write=True, create=Create.NEW).close()


def test_those_in_use_are_not_stale() -> None:
    temporaries = Temporaries()
    name = temporaries.take()
    assert name.startswith(PREFIX)
    assert len(name) < 200
    assert not temporaries.is_stale(name)
    assert not Temporaries().is_stale(name)
    temporaries.release(name)
    assert temporaries.is_stale(name)
    # Others can't know that.
    assert not Temporaries().is_stale(name)


def test_those_of_a_process_that_is_gone_are_stale(left: bytes) -> None:
    assert Temporaries().is_stale(left)


def test_a_process_that_has_the_id_of_another_one_has_not_its_uploads() -> None:
    made, machine, pid, started, maker, token = _fields()
    assert not Temporaries().is_stale(_name(made, machine, pid, started, maker, token))
    assert Temporaries().is_stale(_name(made, machine, pid, b"%x" % (int(started, 16) + 1), maker, token))


def _fields() -> list[bytes]:
    return Temporaries().take().removeprefix(PREFIX).split(b".")


def _name(*fields: bytes) -> bytes:
    return PREFIX + b".".join(fields)


def test_those_of_another_machine_are_left_alone_for_a_week() -> None:
    _, _, pid, started, maker, token = _fields()
    name = _name(b"%x" % 1_000_000, b"0" * 8, pid, started, maker, token)
    assert not Temporaries(lambda: 1_000_000 + WEEK).is_stale(name)
    assert Temporaries(lambda: 1_000_001 + WEEK).is_stale(name)


def test_no_other_name_is_stale(left: bytes) -> None:
    for name in (PREFIX, PREFIX + b"x", b"file", b"x" + left, left + b"x", left.upper()):
        assert not Temporaries(lambda: 10.0**10).is_stale(name)


def test_a_listing_sweeps(storage: Any, left: bytes) -> None:
    temporaries = Temporaries()
    used = temporaries.take()
    touch(storage, left)
    touch(storage, used)
    touch(storage, b"file")
    fs = View(storage, uploads=UploadRules(UploadMode.ATOMIC, temporaries=temporaries)).fs
    assert b"file" in names(fs, b"/")
    assert left not in names(fs, b"/")
    listing = storage.scan(p(b"/"))
    assert {entry.name for entry in listing} == {b"file", used}
    listing.close()


def test_what_cannot_be_swept_spoils_no_listing(storage: Any, left: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ReadOnlyStorage

    touch(storage, left)
    touch(storage, b"file")
    monkeypatch.setattr(type(storage), "remove", refuse)
    assert names(View(storage).fs, b"/") == {b"file"}


def test_a_directory_with_nothing_else_can_be_removed(storage: Any, left: bytes) -> None:
    fs = View(storage).fs
    storage.mkdir(p(b"/d"))
    touch(storage, b"d", left)
    fs.rmdir(p(b"/d"))
    assert names(fs, b"/") == set()


def test_one_with_anything_else_cannot(storage: Any, left: bytes) -> None:
    fs = View(storage, uploads=UploadRules(UploadMode.ATOMIC)).fs
    storage.mkdir(p(b"/d"))
    touch(storage, b"d", left)
    file = fs.open(p(b"/d/f"), CREATE)
    assert outcome(lambda: fs.rmdir(p(b"/d"))) is DirectoryNotEmpty
    file.close()
    assert outcome(lambda: fs.rmdir(p(b"/d"))) is DirectoryNotEmpty
    assert names(fs, b"/d") == {b"f"}
