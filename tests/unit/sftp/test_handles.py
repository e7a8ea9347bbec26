"""What may work on a handle at the same time, and the names of handles."""

from __future__ import annotations

from typing import Any

import pytest

from conchgo.errors import BadHandle, TooManyOpenFiles
from conchgo.sftp.constants import MAX_DIRECTORIES
from conchgo.sftp.handles import HandleBudget, HandleTable, OpenHandle, Span
from conchgo.sftp.rows import Handles


class Opened:
    def __init__(self, *, appending: bool = False) -> None:
        self.appending = appending


def handle(*, appending: bool = False, is_file: bool = True) -> OpenHandle:
    opened: Any = Opened(appending=appending)
    return OpenHandle(opened, is_file=is_file)


READ_LOW: Span = (0, 10, False)
READ_ACROSS: Span = (5, 15, False)
WRITE_LOW: Span = (0, 10, True)
WRITE_ACROSS: Span = (9, 15, True)
WRITE_HIGH: Span = (10, 20, True)
NOTHING: Span = (5, 5, True)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (READ_LOW, READ_LOW, True),
        (READ_LOW, READ_ACROSS, True),
        (READ_LOW, WRITE_HIGH, True),
        (READ_LOW, WRITE_ACROSS, False),
        (WRITE_LOW, READ_ACROSS, False),
        (WRITE_LOW, WRITE_HIGH, True),
        (WRITE_LOW, WRITE_ACROSS, False),
        (WRITE_HIGH, READ_LOW, True),
        (READ_LOW, None, False),
        (None, READ_LOW, False),
        (None, None, False),
    ],
)
def test_what_may_work_together(first: Span | None, second: Span | None, together: bool) -> None:
    one = handle()
    assert one.admits(first)
    one.begin(first)
    assert one.admits(second) is together
    one.end(first)
    assert one.idle
    assert one.admits(second)


@pytest.mark.parametrize("second", [READ_LOW, WRITE_HIGH, NOTHING, None])
def test_an_appending_handle_is_strictly_serial(second: Span | None) -> None:
    one = handle(appending=True)
    one.begin(READ_LOW)
    assert not one.admits(second)


def test_the_same_range_may_be_in_work_twice_and_each_ends_once() -> None:
    one = handle()
    one.begin(READ_LOW)
    one.begin(READ_LOW)
    one.end(READ_LOW)
    assert not one.idle
    assert not one.admits(WRITE_LOW)
    one.end(READ_LOW)
    assert one.idle


def test_no_name_is_used_twice() -> None:
    table = HandleTable()
    names = set()
    for _ in range(100):
        one = handle()
        names.add(table.add(one))
        table.remove(one)
    assert len(names) == 100


def test_the_names_do_not_run_out() -> None:
    table = HandleTable()
    table._next = 2**32
    assert table.find(table.add(handle()), Handles.FILE)


def test_a_handle_is_found_as_what_it_is() -> None:
    table = HandleTable()
    file, directory = handle(), handle(is_file=False)
    table.add(file)
    table.add(directory)
    assert table.find(file.name, Handles.FILE) is table.find(file.name, Handles.ANY) is file
    assert table.find(directory.name, Handles.DIRECTORY) is table.find(directory.name, Handles.ANY) is directory
    for name, wanted in (
        (file.name, Handles.DIRECTORY),
        (directory.name, Handles.FILE),
        (b"", Handles.ANY),
        (file.name + b"\0", Handles.ANY),
    ):
        with pytest.raises(BadHandle):
            table.find(name, wanted)


def test_there_is_room_for_so_many_and_no_more() -> None:
    table = HandleTable(limit=2)
    one = handle()
    table.add(one)
    table.require_room()
    table.add(handle())
    with pytest.raises(TooManyOpenFiles, match="2"):
        table.require_room()
    table.remove(one)
    table.require_room()


def test_who_opens_all_he_may_leaves_room_for_others() -> None:
    budget = HandleBudget(total=5, per_owner=2)
    mine, also_mine, hers, his = (HandleTable(10, budget, owner) for owner in ("me", "me", "she", "he"))
    one = handle()
    mine.add(one)
    also_mine.add(handle())
    for table in (mine, also_mine):
        with pytest.raises(TooManyOpenFiles, match="together"):
            table.require_room()
    for _ in range(2):
        hers.require_room()
        hers.add(handle())
    his.require_room()
    mine.remove(one)
    mine.require_room()
    also_mine.pop_all()
    also_mine.pop_all()
    for table in (mine, mine, his):
        table.require_room()
        table.add(handle())
    with pytest.raises(TooManyOpenFiles):
        his.require_room()


def test_a_directory_counts_twice_for_it_has_two_descriptors() -> None:
    table = HandleTable(10, HandleBudget(total=4, per_owner=4))
    directories = [handle(is_file=False), handle(is_file=False)]
    for one in directories:
        table.require_room(directory=True)
        table.add(one)
    with pytest.raises(TooManyOpenFiles, match="together"):
        table.require_room()
    table.remove(directories[0])
    for _ in range(2):
        table.require_room()
        table.add(handle())
    with pytest.raises(TooManyOpenFiles, match="together"):
        table.require_room()
    table.pop_all()
    for _ in range(4):
        table.require_room()
        table.add(handle())


def test_all_are_given_out_once() -> None:
    table = HandleTable()
    both = [handle(), handle()]
    for one in both:
        table.add(one)
    assert table.pop_all() == both
    assert table.pop_all() == []
    assert len(table) == 0


def test_directories_have_a_limit_of_their_own() -> None:
    table = HandleTable()
    directories = [handle(is_file=False) for _ in range(MAX_DIRECTORIES)]
    for one in directories:
        table.require_room(directory=True)
        table.add(one)
    with pytest.raises(TooManyOpenFiles, match="64"):
        table.require_room(directory=True)
    table.require_room()
    table.add(handle())
    with pytest.raises(TooManyOpenFiles):
        table.require_room(directory=True)

    table.remove(directories[3])
    table.require_room(directory=True)
    table.pop_all()
    for one in directories:
        table.require_room(directory=True)
        table.add(one)
