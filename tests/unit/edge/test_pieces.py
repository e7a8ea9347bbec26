"""Bytes that are kept as they came."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from conchgo.edge.pieces import ByteQueue, Pieces

SIZES = st.lists(st.integers(1, 10_000), max_size=30)


@settings(deadline=None)
@given(SIZES, SIZES, st.booleans())
def test_bytes_leave_in_the_order_in_which_they_came(appended: list[int], taken: list[int], copied: bool) -> None:
    queue = ByteQueue()
    sent = b"".join(bytes([number % 251]) * size for number, size in enumerate(appended))
    at = 0
    for number, size in enumerate(appended):
        queue.append(bytes([number % 251]) * size)
    for size in taken:
        assert queue.peek(size) == sent[at : at + size]
        piece = queue.take_copy(size) if copied else queue.take(size)
        assert bytes(piece) == sent[at : at + size]
        at += len(piece)
        assert len(queue) == len(sent) - at
    queue.append(b"more")
    assert bytes(queue.take(len(queue))) == sent[at:] + b"more"


def test_many_small_pieces_cost_no_more_than_their_bytes() -> None:
    queue = ByteQueue()
    for _ in range(100_000):
        queue.append(b"x")
    assert len(queue._pieces) <= 100_000 // 4096 + 1
    assert bytes(queue.take(100_000)) == b"x" * 100_000


def test_large_pieces_are_not_copied() -> None:
    data = b"x" * 100_000
    queue = ByteQueue()
    queue.append(data)
    queue.take(10)
    assert [view.obj for view in queue.take(50_000).views] == [data]


def test_pieces_are_as_long_as_their_views() -> None:
    pieces = Pieces([b"ab", bytearray(b"cd"), memoryview(b"efg")[1:]])
    assert len(pieces) == 6
    assert bytes(pieces) == b"abcdfg"
    assert not Pieces()


def test_the_first_bytes_of_pieces() -> None:
    pieces = Pieces([b"abc", b"def"])
    assert [b"".join(pieces.first(count)) for count in (0, 2, 3, 5, 9)] == [b"", b"ab", b"abc", b"abcde", b"abcdef"]
