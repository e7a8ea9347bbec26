from hypothesis import given, settings
from hypothesis import strategies as st

from conchgo.ssh.output import OutputQueue


@settings(deadline=None)
@given(
    writes=st.lists(st.tuples(st.binary(min_size=1, max_size=100), st.sampled_from([None, 1]))),
    limits=st.lists(st.integers(1, 150), min_size=1),
)
def test_bytes_leave_in_order_and_keep_their_kind(writes, limits) -> None:
    queue = OutputQueue()
    for data, kind in writes:
        queue.append(data, kind)
    taken = []
    turn = 0
    while queue:
        limit = limits[turn % len(limits)]
        turn += 1
        data, kind = queue.take(limit)
        assert 0 < len(data) <= limit
        taken += [(byte, kind) for byte in data]

    assert taken == [(byte, kind) for data, kind in writes for byte in data]
    assert queue.size == 0


def test_many_small_writes_are_few_pieces() -> None:
    queue = OutputQueue()
    for _ in range(100_000):
        queue.append(b"x")

    assert queue.size == 100_000
    assert len(queue._pieces) <= 4


def test_what_the_caller_changes_later_is_not_sent() -> None:
    queue = OutputQueue()
    small, large = bytearray(b"before"), bytearray(b"b" * 100_000)
    queue.append(small)
    queue.append(memoryview(large))
    small[:] = b"after!"
    large[:5] = b"after"

    assert queue.take(6) == (b"before", None)
    assert queue.take(5) == (b"bbbbb", None)


def test_taking_small_bites_of_a_large_piece_copies_only_the_bites() -> None:
    queue = OutputQueue()
    data = b"x" * 1_000_000
    queue.append(data)
    queue.take(10)

    assert queue._pieces[0].data is data
