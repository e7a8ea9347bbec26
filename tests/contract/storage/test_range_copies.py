"""Copies from file to file: what a backend does that can, and that one which can't has changed nothing."""

from __future__ import annotations

from functools import partial

import pytest

from conchgo.errors import InvalidArgument, Unsupported
from conchgo.storage.interface import Create, RangeCopies, StorageFile
from tests.contract.storage.helpers import FullStorage, get, opened, outcome, put

FAR = 2**63 - 1
DATA = bytes(range(256)) * 40


def copied(source: StorageFile, target: StorageFile, offset: int, length: int, to: int) -> bool:
    """All of it; False where the two can't."""
    done = 0
    while done < length:
        if not (isinstance(source, RangeCopies) and isinstance(target, RangeCopies)):
            return False
        count = outcome(partial(source.copy_to, target, offset + done, length - done, to + done))
        if count is Unsupported:
            assert not done
            return False
        assert isinstance(count, int)
        if not count:
            break
        done += count
    return True


@pytest.mark.parametrize(
    ("offset", "length", "to", "expected"),
    [
        (0, len(DATA), 0, DATA),
        (100, 5000, 0, DATA[100:5100]),
        (len(DATA) - 10, 5000, 0, DATA[-10:]),
        (len(DATA), 5000, 0, b""),
        (10 * len(DATA), 1, 0, b""),
        (0, 100, 1000, bytes(1000) + DATA[:100]),
    ],
)
def test_a_part_of_a_file(storage: FullStorage, offset: int, length: int, to: int, expected: bytes) -> None:
    put(storage, b"/source", DATA)
    with opened(storage, b"/source", write=False) as source, opened(storage, b"/new", create=Create.NEW) as target:
        if not copied(source, target, offset, length, to):
            expected = b""
    assert get(storage, b"/new") == expected
    assert get(storage, b"/source") == DATA


def test_over_what_is_there(storage: FullStorage) -> None:
    put(storage, b"/source", DATA)
    put(storage, b"/target", b"x" * len(DATA))
    with opened(storage, b"/source", write=False) as source, opened(storage, b"/target") as target:
        expected = b"x" * 10 + DATA[5:25] + b"x" * (len(DATA) - 30)
        if not copied(source, target, 5, 20, 10):
            expected = b"x" * len(DATA)
    assert get(storage, b"/target") == expected


@pytest.mark.parametrize(("offset", "length", "to"), [(-1, 1, 0), (0, -1, 0), (0, 1, -1), (0, 2, FAR)])
def test_what_is_out_of_range_changes_nothing(storage: FullStorage, offset: int, length: int, to: int) -> None:
    put(storage, b"/source", DATA)
    with opened(storage, b"/source", write=False) as source, opened(storage, b"/new", create=Create.NEW) as target:
        if isinstance(source, RangeCopies) and isinstance(target, RangeCopies):
            copy = partial(source.copy_to, target, offset, length, to)
            assert outcome(copy) in (InvalidArgument, Unsupported)
        assert target.stat().size == 0
