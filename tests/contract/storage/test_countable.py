"""What a storage can do so that a quota on it is exact."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from conchgo.errors import BadHandle, Busy, IsADirectory, NotBefore, NotFound, WouldBlock
from conchgo.paths import VirtualPath
from conchgo.storage.countable import Countable
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from tests.contract.storage.helpers import Backend, countable, get, names, old_kernel, opened, outcome, p, put


@pytest.fixture(params=countable.items(), ids=lambda row: row[0])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    name, made = request.param
    if name == "local-walk":
        old_kernel(monkeypatch)
    return made


def test_who_is_in_keeps_others_out_and_knows_the_size(storage: Any) -> None:
    put(storage, b"/file", b"four")
    with opened(storage, b"/file") as one, opened(storage, b"/file", write=False) as other:
        with one.exclusively() as found:
            assert found.size == 4
            assert found.identity == other.stat().identity
            for file in one, other:
                with pytest.raises(NotBefore) as refusal, file.exclusively():
                    pytest.fail("two are in")
                assert refusal.value.at <= time.monotonic() + 1
                with pytest.raises(WouldBlock), file.exclusively(at_once=True):
                    pytest.fail("two are in")
            one.append(memoryview(b"!"))
        with other.exclusively(at_once=True) as found:
            assert found.size == 5


def test_it_ends_with_what_goes_wrong_inside(storage: Any) -> None:
    put(storage, b"/file")
    with opened(storage, b"/file") as file:
        with pytest.raises(RuntimeError), file.exclusively():
            raise RuntimeError
        with file.exclusively():
            pass


def test_a_closed_file_keeps_nobody_out(storage: Any) -> None:
    put(storage, b"/file")
    with opened(storage, b"/file") as file:
        file.close()
        with pytest.raises(BadHandle), file.exclusively():
            pytest.fail("it is closed")


def test_other_files_do_not_matter(storage: Any) -> None:
    put(storage, b"/one")
    put(storage, b"/other")
    with opened(storage, b"/one") as one, opened(storage, b"/other") as other, one.exclusively(), other.exclusively():
        pass


def test_a_name_is_removed_if_it_is_still_of_that_inode(
    storage: Any, add_special: Callable[[VirtualPath], None]
) -> None:
    put(storage, b"/file")
    put(storage, b"/other", b"data")
    storage.symlink(b"other", p(b"/link"))
    add_special(p(b"/fifo"))
    storage.mkdir(p(b"/dir"))
    found = {name: storage.lstat(p(b"/" + name)) for name in names(storage)}

    for name in (b"file", b"link", b"fifo"):
        assert outcome(lambda name=name: storage.remove_found(p(b"/" + name), found[b"other"])) is Busy
        storage.remove_found(p(b"/" + name), found[name])
        assert outcome(lambda name=name: storage.remove_found(p(b"/" + name), found[name])) is NotFound
    assert outcome(lambda: storage.remove_found(p(b"/dir"), found[b"dir"])) is IsADirectory
    assert outcome(lambda: storage.remove_found(p(b"/"), storage.lstat(p(b"/")))) is IsADirectory
    assert names(storage) == {b"other", b"dir"}
    assert get(storage, b"/other") == b"data"


def test_the_number_of_a_removed_link_may_be_a_new_files(storage: Any) -> None:
    put(storage, b"/file", b"data")
    found = storage.lstat(p(b"/file"))._replace(mode=0o120777)
    if not isinstance(storage, MemoryStorage):  # no number is given twice there
        assert outcome(lambda: storage.remove_found(p(b"/file"), found)) is Busy
        assert get(storage, b"/file") == b"data"


def test_a_file_is_held_until_its_name_is_removed(storage: Any) -> None:
    put(storage, b"/file")
    storage.mkdir(p(b"/dir"))
    with opened(storage, b"/file") as file:
        assert storage.holds(file, p(b"/file"))
        storage.rename(p(b"/file"), p(b"/dir/new"), replace=True)
        storage.rename(p(b"/dir"), p(b"/moved"), replace=False)
        assert storage.holds(file, p(b"/file"))
        storage.remove(p(b"/moved/new"))
        put(storage, b"/moved/new (deleted)")
        assert not storage.holds(file, p(b"/file"))


def test_the_storages_have_the_ability(storage: Any) -> None:
    both = getattr(storage, "storage", storage)
    assert isinstance(both, Countable)
    assert both.at_once is None or isinstance(both.at_once, Countable)


def test_a_file_that_left_the_storage_is_not_held(root: bytes) -> None:
    os.mkdir(root + b"/in")
    os.mkdir(root + b"/in-and-out")
    with ExitStack() as closing:
        inside, around = LocalStorage(root + b"/in"), LocalStorage(root)
        closing.callback(inside.close)
        closing.callback(around.close)
        put(inside, b"/file")
        with opened(inside, b"/file") as file:
            assert inside.holds(file, p(b"/file"))
            os.rename(root + b"/in/file", root + b"/in-and-out/file")
            assert not inside.holds(file, p(b"/file"))
            assert around.holds(file, p(b"/file"))
            os.rename(root + b"/in-and-out/file", root + b"/in/file (deleted)")
            assert inside.holds(file, p(b"/file"))
            os.rename(root + b"/in", root + b"/renamed")
            assert inside.holds(file, p(b"/file"))


def _hold(path: bytes, held: Any, end: Any) -> None:
    storage = LocalStorage(path)
    with opened(storage, b"/file", write=False) as file, file.exclusively():  # type: ignore[attr-defined]
        held.set()
        end.wait(30)


def test_other_processes_are_kept_out_until_they_die(root: bytes) -> None:
    storage = LocalStorage(root)
    put(storage, b"/file")
    context = multiprocessing.get_context("fork")
    held, end = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(root, held, end))
    process.start()
    try:
        assert held.wait(30)
        with opened(storage, b"/file") as file:
            with pytest.raises(NotBefore), file.exclusively():  # type: ignore[attr-defined]
                pytest.fail("two are in")
            process.kill()
            process.join()
            with file.exclusively():  # type: ignore[attr-defined]
                pass
    finally:
        process.kill()
        storage.close()


def test_a_file_too_deep_for_a_path_is_held_by_the_name_it_was_opened_by(storage: Any) -> None:
    """The kernel tells no path of more than 4,095 bytes; below the root it may have so many."""
    deep = VirtualPath((b"d" * 255,) * 15)
    for depth in range(1, 16):
        storage.mkdir(VirtualPath(deep.parts[:depth]))
    path = deep / (b"f" * 254)
    put(storage, bytes(path))
    with opened(storage, bytes(path)) as file:
        assert storage.holds(file, path)
        storage.remove(path)
        assert outcome(lambda: storage.holds(file, path)) in {False, NotFound}
