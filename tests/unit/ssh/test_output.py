from hypothesis import given, settings
from hypothesis import strategies as st

from conchgo.edge.stream import FIRST_VIEW
from conchgo.ssh.output import OutputQueue
from conchgo.ssh.packet_buffer import HEADROOM, MAX_DATA, BufferPool

kinds = st.sampled_from([None, 1])
sizes = st.one_of(st.integers(0, 100), st.integers(MAX_DATA - 3, MAX_DATA + 3), st.integers(0, 3 * MAX_DATA))


def taken(queue: OutputQueue, limit: int) -> tuple[bytes, int | None]:
    """The next bytes as a channel takes them: whole buffers, or a part of one by copy."""
    first = queue.first
    kind = first.extended
    if len(first) > limit:
        return queue.take(limit), kind
    buffers = queue.pop(limit)
    data = b"".join(buffer.view[buffer.start : buffer.end] for buffer in buffers)
    assert all(buffer.extended == kind for buffer in buffers)
    for buffer in buffers:
        queue._pool.give_back(buffer)
    return data, kind


@settings(deadline=None)
@given(
    writes=st.lists(st.tuples(sizes, kinds, st.sampled_from(["append", "reserve"]), st.integers(0, 100))),
    limits=st.lists(st.integers(1, 2 * MAX_DATA), min_size=1),
)
def test_bytes_leave_in_order_and_keep_their_kind(writes, limits) -> None:
    queue = OutputQueue(BufferPool())
    expected: list[tuple[bytes, int | None]] = []
    for number, (size, kind, way, percent) in enumerate(writes):
        data = bytes([number % 251]) * size
        if way == "append":
            queue.append(data, kind)
        else:
            kind, data = None, data[: size * percent // 100]
            views = queue.reserve(size)
            assert sum(map(len, views)) == size
            assert len(views[0]) >= min(size, FIRST_VIEW)
            left = data
            for view in views:
                view[: len(left)] = left[: len(view)]
                left = left[len(view) :]
            queue.commit(len(data))
        expected.append((data, kind))
        assert queue.size == sum(len(data) for data, _ in expected)
    found = []
    turn = 0
    while queue:
        limit = limits[turn % len(limits)]
        turn += 1
        data, kind = taken(queue, limit)
        assert 0 < len(data) <= limit
        found.append((data, kind))

    for kind in (None, 1):
        assert b"".join(d for d, k in found if k == kind) == b"".join(d for d, k in expected if k == kind)
    assert [k for d, k in found for _ in d[:1]] == [k for d, k in found]
    assert queue.size == 0
    assert not queue._buffers
    assert len(set(map(id, queue._pool._free))) == len(queue._pool._free)


def test_kinds_are_not_mixed_up() -> None:
    queue = OutputQueue(BufferPool())
    for data, kind in [(b"a", None), (b"b", None), (b"c", 1), (b"d", None)]:
        queue.append(data, kind)

    assert [taken(queue, 10) for _ in range(3)] == [(b"ab", None), (b"c", 1), (b"d", None)]


def test_a_packet_is_filled_from_several_writes() -> None:
    queue = OutputQueue(BufferPool())
    queue.append(b"head")
    queue.append(b"d" * 100_000)
    (buffer,) = queue.pop(MAX_DATA)

    assert bytes(buffer.view[buffer.start : buffer.end]) == b"head" + b"d" * (MAX_DATA - 4)


def test_a_buffer_for_a_byte_is_counted_as_what_it_takes() -> None:
    queue = OutputQueue(BufferPool())
    for number in range(100):
        queue.append(b"x", number % 2 or None)

    assert (queue.size, queue.held) == (100, 100 * MAX_DATA)
    queue.clear()
    assert queue.held == 0


def test_what_is_not_wanted_of_a_reservation_leaves_nothing_behind() -> None:
    pool = BufferPool()
    queue = OutputQueue(pool)
    queue.reserve(5 * MAX_DATA)
    queue.commit(0)

    assert not queue
    assert not queue._buffers
    assert len(pool._free) == 5


def test_a_reservation_that_was_left_open_is_forgotten_with_the_next() -> None:
    queue = OutputQueue(BufferPool())
    queue.reserve(3 * MAX_DATA)
    views = queue.reserve(10)
    views[0][:] = b"0123456789"
    queue.commit(10)

    assert taken(queue, 100) == (b"0123456789", None)
    assert not queue


def test_the_pool_keeps_few_buffers() -> None:
    pool = BufferPool()
    buffers = pool.take(100)
    for buffer in buffers:
        buffer.start, buffer.end, buffer.extended = 50, 60, 1
        pool.give_back(buffer)

    assert len(pool._free) == 32
    again = pool.take(40)
    assert len(set(map(id, again))) == 40
    assert all((buffer.start, buffer.end, buffer.extended) == (HEADROOM, HEADROOM, None) for buffer in again)
