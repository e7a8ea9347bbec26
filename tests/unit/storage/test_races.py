"""Somebody changes the tree while we look: the answer may be this or that, but never from outside the root."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conchgo.errors import ConchgoError, Failure, IsADirectory, NotARegularFile, NotFound
from conchgo.storage import local
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.links import LinkEncountered
from conchgo.storage.local import LocalStorage
from tests.contract.storage.helpers import get, outcome, p, put

ROUNDS = 400


@contextmanager
def meanwhile(step: Callable[[], None]) -> Iterator[None]:
    """Another thread repeats `step` until the block ends."""
    done = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            while not done.is_set():
                step()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert not failures


@pytest.fixture
def outside(root: bytes) -> bytes:
    """A directory beside the root, with what nobody may see or change."""
    found = root + b".outside"
    os.mkdir(found)
    with open(found + b"/file", "wb") as file:
        file.write(b"outside")
    return found


def test_a_directory_and_a_link_change_places(storage: LocalStorage, root: bytes, outside: bytes) -> None:
    storage.mkdir(p(b"/dir"))
    put(storage, b"/dir/file", b"inside")
    os.symlink(outside, root + b"/link")

    def swap() -> None:
        os.rename(root + b"/dir", root + b"/kept")
        os.rename(root + b"/link", root + b"/dir")
        os.rename(root + b"/dir", root + b"/link")
        os.rename(root + b"/kept", root + b"/dir")

    def overwrite() -> None:
        file = storage.open(p(b"/dir/file"), read=True, write=True, create=Create.NEVER)
        file.pwritev([memoryview(b"INSIDE")], 0)
        file.close()

    with meanwhile(swap):
        seen = [outcome(lambda: get(storage, b"/dir/file")) for _ in range(ROUNDS)]
        for number in range(ROUNDS):
            outcome(overwrite)
            outcome(lambda number=number: storage.mkdir(p(b"/dir/new%d" % number)))
            outcome(lambda: storage.set_attributes(p(b"/dir/file"), Attributes(size=6, mode=0o600)))

    assert set(seen) <= {b"inside", LinkEncountered, NotFound}
    assert os.listdir(outside) == [b"file"]
    assert os.stat(outside + b"/file").st_size == 7
    assert os.stat(outside + b"/file").st_mode & 0o777 != 0o600


def test_a_file_a_link_and_a_fifo_change_places(storage: LocalStorage, root: bytes, outside: bytes) -> None:
    put(storage, b"/file", b"inside")
    os.symlink(outside + b"/file", root + b"/link")
    os.mkfifo(root + b"/fifo")

    def swap() -> None:
        os.rename(root + b"/file", root + b"/kept")
        for name in (b"/link", b"/fifo"):
            os.rename(root + name, root + b"/file")
            os.rename(root + b"/file", root + name)
        os.rename(root + b"/kept", root + b"/file")

    def truncate() -> None:
        storage.open(p(b"/file"), read=False, write=True, create=Create.NEVER, truncate=True).close()

    with meanwhile(swap):
        seen = [outcome(lambda: get(storage, b"/file")) for _ in range(ROUNDS)]
        cut = [outcome(truncate) for _ in range(ROUNDS)]

    assert set(seen) <= {b"inside", LinkEncountered, NotARegularFile, NotFound}
    assert set(cut) <= {None, LinkEncountered, NotARegularFile, NotFound}
    assert os.stat(outside + b"/file").st_size == 7


def swap_after_the_look(patch: pytest.MonkeyPatch, swap: Callable[[], None], *, times: int) -> None:
    look = local._refuse_irregular
    left = times

    def look_and_swap(mode: int) -> None:
        nonlocal left
        look(mode)
        if left:
            left -= 1
            swap()

    patch.setattr(local, "_refuse_irregular", look_and_swap)


makers: dict[str, tuple[Callable[[bytes], None], type[ConchgoError]]] = {
    "link": (lambda name: os.symlink(name, name), LinkEncountered),
    "fifo": (os.mkfifo, NotARegularFile),
    "directory": (os.mkdir, IsADirectory),
    "nothing": (lambda _name: None, NotFound),
}


@pytest.mark.parametrize("kind", makers)
@pytest.mark.parametrize(("read", "write"), [(True, False), (False, True), (True, True)])
def test_what_is_swapped_in_after_the_look_is_refused_as_what_it_is(
    storage: LocalStorage, root: bytes, monkeypatch: pytest.MonkeyPatch, kind: str, read: bool, write: bool
) -> None:
    put(storage, b"/file", b"data")
    make, expected = makers[kind]

    def swap() -> None:
        os.unlink(root + b"/file")
        make(root + b"/file")

    swap_after_the_look(monkeypatch, swap, times=1)

    assert outcome(lambda: storage.open(p(b"/file"), read=read, write=write, create=Create.NEVER)) is expected


def test_an_open_does_not_go_on_for_ever(storage: LocalStorage, root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    put(storage, b"/file", b"data")
    os.mkfifo(root + b"/fifo")
    opening = os.open

    def fifo_instead(name: bytes, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if name == b"file" and not flags & os.O_PATH:
            name = b"fifo"
        return opening(name, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", fifo_instead)

    assert outcome(lambda: storage.open(p(b"/file"), read=True, write=False, create=Create.NEVER)) is Failure
