"""Who changes names in a directory, and who moves a part of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from conchgo.errors import NotBefore, NotFound, WouldBlock
from conchgo.paths import ROOT
from conchgo.storage.interface import Create, Stillness
from conchgo.storage.local import LocalStorage
from tests.contract.storage.helpers import p, put


@pytest.fixture
def two(root: bytes) -> Iterator[tuple[LocalStorage, LocalStorage]]:
    """One directory, as two sessions have it."""
    made = LocalStorage(root), LocalStorage(root)
    made[0].mkdir(p(b"/dir"))
    put(made[0], b"/file")
    yield made
    for storage in made:
        storage.close()


def elsewhere(work: Callable[[], Any]) -> Any:
    """What becomes of it in another thread: its result, or the type of what it raised."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        error = future.exception()
        return future.result() if error is None else type(error)


CHANGES: dict[str, Callable[[LocalStorage], Any]] = {
    "open": lambda storage: storage.open(p(b"/new"), read=False, write=True, create=Create.NEW).close(),
    "mkdir": lambda storage: storage.mkdir(p(b"/new")),
    "rmdir": lambda storage: storage.rmdir(p(b"/dir")),
    "remove": lambda storage: storage.remove(p(b"/file")),
    "remove_found": lambda storage: storage.remove_found(p(b"/file"), storage.lstat(p(b"/file"))),
    "rename": lambda storage: storage.rename(p(b"/file"), p(b"/new"), replace=True),
    "rename a directory": lambda storage: storage.rename(p(b"/dir"), p(b"/new"), replace=True),
    "symlink": lambda storage: storage.symlink(b"x", p(b"/new")),
    "link": lambda storage: storage.link(p(b"/file"), p(b"/new")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nobody_else_changes_names_where_one_is_alone(two: Any, root: bytes, name: str) -> None:
    one, other = two
    assert isinstance(one, Stillness)
    with one.still(ROOT):
        for storage in two:
            assert elsewhere(lambda storage=storage: CHANGES[name](storage)) is NotBefore
        assert sorted(os.listdir(root)) == [b"dir", b"file"]
    CHANGES[name](other)


@pytest.mark.parametrize("name", CHANGES)
def test_who_is_alone_may_go_on_by_any_storage(two: Any, name: str) -> None:
    one, other = two
    with one.still(), other.still(), one.still(alone=False):
        CHANGES[name](other)
    with other.still():
        pass


def test_with_others_no_directory_moves_and_all_else_goes_on(two: Any) -> None:
    one, other = two
    with one.still(alone=False), other.still(alone=False):
        assert elsewhere(lambda: one.rename(p(b"/dir"), p(b"/new"), replace=False)) is NotBefore
        assert elsewhere(lambda: one.still().__enter__()) is NotBefore
        for storage in two:
            put(storage, b"/more")
            storage.rename(p(b"/more"), p(b"/dir/more"), replace=True)
    one.rename(p(b"/dir"), p(b"/new"), replace=False)


def test_what_only_looks_waits_for_nobody(two: Any) -> None:
    one, other = two
    with one.still():
        assert elsewhere(lambda: other.lstat(p(b"/file"))).size == 0
        assert elsewhere(lambda: other.lstat(p(b"/none"))) is NotFound
        with ThreadPoolExecutor(1) as pool:
            pool.submit(other.open, p(b"/file"), read=True, write=True, create=Create.NEVER).result().close()


def test_what_answers_at_once_does_not_wait(two: Any) -> None:
    one, other = two
    if one.at_once is None:
        pytest.skip("nothing is known at once there")
    with one.still():
        assert elsewhere(lambda: other.at_once.still().__enter__()) is WouldBlock
        assert (
            elsewhere(lambda: other.at_once.open(p(b"/new"), read=False, write=True, create=Create.NEW)) is WouldBlock
        )


def test_it_ends_with_what_goes_wrong_inside(two: Any) -> None:
    one, other = two
    with pytest.raises(RuntimeError), one.still():
        raise RuntimeError
    assert elsewhere(lambda: CHANGES["open"](other)) is None


def test_other_directories_do_not_matter(two: Any, tmp_path: Any) -> None:
    with ExitStack() as until:
        third = LocalStorage(os.fsencode(tmp_path))
        until.callback(third.close)
        until.enter_context(two[0].still())
        until.enter_context(third.still())
        third.mkdir(p(b"/new"))


def test_a_directory_that_can_not_be_read_can_be_used_all_the_same(
    two: Any, root: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refused(path: Any, flags: int, *arguments: Any, **how: Any) -> int:
        if path == b"." and not flags & os.O_PATH:
            raise PermissionError
        return opened(path, flags, *arguments, **how)

    monkeypatch.setattr(os, "open", refused)
    storage = LocalStorage(root)
    monkeypatch.undo()
    with storage.still():
        CHANGES["rename a directory"](storage)
        assert elsewhere(lambda: CHANGES["open"](storage)) is NotBefore
    storage.close()
