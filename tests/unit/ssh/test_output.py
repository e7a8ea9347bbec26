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
        taken += [(byte, kind) for byte in bytes(data)]

    assert taken == [(byte, kind) for data, kind in writes for byte in data]
    assert queue.size == 0
    assert not queue


def test_a_packet_is_filled_from_several_writes() -> None:
    queue = OutputQueue()
    queue.append(b"head")
    queue.append(b"d" * 100_000)
    data, _ = queue.take(32_768)

    assert bytes(data) == b"head" + b"d" * 32_764
