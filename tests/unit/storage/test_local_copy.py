"""Copies by the system: where it can, and what becomes of holes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conchgo.errors import NoSpace, Unsupported
from conchgo.storage.local_copy import copy_range

BLOCK = 64 * 1024


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[int, int]]:
    descriptors = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("source", "target")]
    yield descriptors[0], descriptors[1]
    for descriptor in descriptors:
        os.close(descriptor)


def copy_all(source: int, target: int, piece: int) -> None:
    at = 0
    while count := copy_range(source, target, at, piece, at):
        assert count <= piece
        at += count


@pytest.mark.parametrize("piece", [BLOCK, 3 * BLOCK])
def test_holes_stay_holes(pair: tuple[int, int], piece: int) -> None:
    source, target = pair
    for number in (3, 4, 60):
        os.pwrite(source, os.urandom(BLOCK), number * BLOCK)
    os.ftruncate(source, 99 * BLOCK + 7)
    copy_all(source, target, piece)
    assert os.pread(target, 100 * BLOCK, 0) == os.pread(source, 100 * BLOCK, 0)
    assert os.fstat(target).st_size == 99 * BLOCK + 7
    # What is in one piece with data is written, and of each piece of a hole its last block.
    assert os.fstat(target).st_blocks * 512 < 16 * BLOCK


def test_a_hole_takes_away_what_was_there(pair: tuple[int, int]) -> None:
    source, target = pair
    os.ftruncate(source, 4 * BLOCK)
    os.pwrite(target, b"x" * 5 * BLOCK, 0)
    copy_all(source, target, 100 * BLOCK)
    assert os.pread(target, 5 * BLOCK, 0) == bytes(4 * BLOCK) + b"x" * BLOCK


def test_an_overlap_in_one_file_is_for_others(pair: tuple[int, int]) -> None:
    source, _ = pair
    os.pwrite(source, b"x" * BLOCK, 0)
    with pytest.raises(Unsupported):
        copy_range(source, source, 0, BLOCK, 10)
    assert os.fstat(source).st_size == BLOCK


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.EXDEV, Unsupported),
        (errno.ENOSYS, Unsupported),
        (errno.EOPNOTSUPP, Unsupported),
        (errno.EINVAL, Unsupported),
        (errno.ENOSPC, NoSpace),
    ],
)
def test_what_the_system_says(
    pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    os.pwrite(pair[0], b"x", 0)
    monkeypatch.setattr(os, "copy_file_range", fail)
    with pytest.raises(error):
        copy_range(*pair, 0, 1, 0)
