"""Bounds: what is queued, in work and promised, what a slow or hostile client can make the engine hold."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator

import pytest

from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import string, uint32, uint64
from conchgo.sftp.engine import BULK, LONG, MAX_BURST, MAX_OUTSTANDING, MAX_PROMISED, MAX_QUEUED
from tests.unit.sftp.controlled import ControlledServer
from tests.unit.sftp.harness import NO_ATTRIBUTES, Client, FakeStream, fast_server, generic_server, split

READ, CREATE = c.FXF_READ, c.FXF_WRITE | c.FXF_CREAT


@pytest.fixture
def server() -> ControlledServer:
    return ControlledServer()


@pytest.fixture
def client(server: ControlledServer) -> Client:
    return Client(server)


def opened(client: Client, server: ControlledServer, flags: int = READ | c.FXF_WRITE) -> bytes:
    client.send(c.FXP_OPEN, string(b"/f"), uint32(flags), NO_ATTRIBUTES)
    server.finish()
    (reply,) = client.replies()
    return reply.handle


def reads(handle: bytes, count: int, length: int) -> bytes:
    return b"".join(
        codec.packet(c.FXP_READ, number, string(handle) + uint64(0) + uint32(length)) for number in range(count)
    )


def test_a_congested_channel_starts_nothing_and_queues_little(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    before, started = client.stream.consumed_bytes, len(server.started)
    client.stream.congested = True
    client.feed(reads(handle, 1000, 10))
    client.send(c.FXP_STAT, string(b"/"))
    client.send(99)
    assert len(server.started) == started
    assert client.engine.outstanding == 0
    assert client.engine.queued == MAX_QUEUED
    assert client.stream.consumed_bytes == before
    client.stream.congested = False
    client.engine.drained()
    assert client.engine.outstanding == MAX_OUTSTANDING


def test_it_is_busy_while_work_is_going_on_and_not_while_the_client_takes_nothing(
    client: Client, server: ControlledServer
) -> None:
    handle = opened(client, server)
    assert not client.engine.busy
    client.feed(reads(handle, 2, 10))
    server.finish(1)
    assert client.engine.busy
    server.finish(0)
    assert not client.engine.busy
    client.stream.congested = True
    client.feed(reads(handle, 100, 10))
    assert client.engine.queued
    assert not client.engine.busy


def test_a_stream_that_is_congested_again_stops_the_engine_again(client: Client) -> None:
    class Narrow(FakeStream):
        """Congested by each write, until somebody says otherwise."""

        def write(self, *data: bytes) -> None:
            super().write(*data)
            self.congested = True

    narrow = Client(fast_server())
    narrow.create(b"/f", b"x" * 100)
    handle = narrow.open(b"/f", READ)
    stream = narrow.engine._stream = narrow.stream = Narrow()
    narrow._read = narrow.sent = 0
    narrow.feed(reads(handle, 500, 100))
    for number in range(1, 501):
        assert len(split(stream.output)) == number
        assert stream.consumed_bytes == number * (narrow.sent // 500)
        stream.congested = False
        narrow.engine.drained()


def test_a_hundred_thousand_reads_at_once(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    count = 100_000
    client.feed(reads(handle, count, 10))
    client.replies()
    worked = 0
    while server.working:
        assert client.engine.outstanding <= MAX_OUTSTANDING
        assert client.engine.queued <= MAX_QUEUED
        assert sum(work.args[2] for work in server.working) <= MAX_PROMISED
        server.finish_all()
        client.clock.advance(0)
        worked += 1
    assert client.engine.queued == client.engine.outstanding == 0
    assert len(server.started) == count + 1
    assert client.stream.consumed_bytes == client.sent
    at, seen = client._read, 0
    while at < len(client.stream.output):
        length, kind, request_id = struct.unpack_from(">IBI", client.stream.output, at)
        assert (kind, request_id) == (c.FXP_DATA, seen)
        at, seen = at + 4 + length, seen + 1
    assert seen == count


def test_what_reads_promise_is_bounded(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    client.feed(reads(handle, 60, 2**32 - 1))
    most = MAX_PROMISED // c.MAX_DATA
    assert len(server.working) == most
    # Done, but not sent: the reply of the first is missing, so the promise stands.
    for _ in range(most - 1):
        server.finish(1)
    assert len(server.working) == 1
    server.finish(0)
    assert len(server.working) == most


def test_the_limits_do_not_drift(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    for _ in range(5):
        client.feed(reads(handle, 60, c.MAX_DATA))
        while server.working:
            server.finish(len(server.working) // 2)
        client.clock.advance(0)
        while server.working:
            server.finish(0)
    assert client.engine._promised == 0
    assert client.engine.outstanding == 0


def test_writes_open_the_window_only_when_they_are_done(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    before = client.stream.consumed_bytes
    client.send(c.FXP_WRITE, string(handle), uint64(0), string(bytes(1000)))
    client.send(c.FXP_WRITE, string(handle), uint64(5000), string(bytes(1000)))
    assert client.stream.consumed_bytes == before
    server.finish(1)
    assert client.stream.consumed_bytes == before + (client.sent - before) // 2
    server.finish(0, OSError("disk"))
    assert client.stream.consumed_bytes == client.sent


def test_requests_that_wait_for_their_turn_are_not_consumed(client: Client, server: ControlledServer) -> None:
    client.send(c.FXP_STAT, string(b"/slow"))
    before = client.stream.consumed_bytes
    client.send(c.FXP_STAT, string(b"/next"))
    client.send(c.FXP_STAT, string(b"/third"))
    assert client.stream.consumed_bytes == before
    server.finish()
    assert before < client.stream.consumed_bytes < client.sent


def test_everything_is_consumed_once_also_what_fails(client: Client, server: ControlledServer) -> None:
    opened(client, server)
    for name in ((0).to_bytes(8, "big"), b"none"):
        client.send(c.FXP_WRITE, string(name), uint64(0), string(bytes(100)))
        client.send(c.FXP_WRITE, string(name), uint64(2**64 - 1), string(bytes(100)))
        client.send(c.FXP_WRITE, string(name), uint64(0), uint32(500) + b"cut")
        client.send(c.FXP_READ, string(name), uint64(0), uint32(5))
    client.send(99, bytes(5000))
    client.send(c.FXP_EXTENDED, string(b"unknown"), bytes(5000))
    client.send(c.FXP_STAT, string(bytes(5000)))
    client.feed(struct.pack(">IBI", c.MAX_PACKET + 7, c.FXP_WRITE, 77) + bytes(c.MAX_PACKET + 2))
    server.finish_all()
    assert client.stream.consumed_bytes == client.sent
    assert len(client.replies()) == 12


# Packets that are too large


@pytest.mark.parametrize("kind", [c.FXP_WRITE, c.FXP_STAT, 99, c.FXP_EXTENDED, c.FXP_INIT])
@pytest.mark.parametrize("make", [fast_server, generic_server])
def test_an_oversized_packet_gets_a_status_and_is_passed_over(kind: int, make: object) -> None:
    client = Client(make())
    length = c.MAX_PACKET + 1
    client.feed(struct.pack(">IBI", length, kind, 0xABCD) + bytes(10))
    (reply,) = client.replies()
    assert (reply.request_id, reply.code) == (0xABCD, c.FX_BAD_MESSAGE)
    left = length - 15
    while left:
        piece = min(left, 32768)
        client.feed(bytes(piece))
        left -= piece
    assert client.replies() == []
    assert client.stream.consumed_bytes == client.sent
    assert client.stat(b"/").kind == c.FXP_ATTRS


def test_the_largest_length_is_passed_over_in_bounded_memory(client: Client) -> None:
    client.feed(struct.pack(">IBI", 0xFFFFFFFF, c.FXP_WRITE, 5))
    (reply,) = client.replies()
    assert (reply.request_id, reply.code) == (5, c.FX_BAD_MESSAGE)
    for _ in range(300):
        client.feed(bytes(32768))
        assert client.stream.consumed_bytes == client.sent
    assert len(client.engine._framer._input) < 100_000
    assert client.stream.statuses == []
    client.engine.input_ended()
    assert client.stream.statuses == [1]


def test_the_reply_to_an_oversized_packet_waits_for_its_turn(client: Client, server: ControlledServer) -> None:
    first = client.send(c.FXP_STAT, string(b"/slow"))
    client.feed(struct.pack(">IBI", c.MAX_PACKET + 1, c.FXP_WRITE, 99) + bytes(c.MAX_PACKET - 4))
    assert client.replies() == []
    server.finish()
    assert [reply.request_id for reply in client.replies()] == [first, 99]


# Bursts


def test_much_work_at_once_gives_the_reactor_its_turns() -> None:
    client = Client(fast_server())
    client.feed(b"".join(codec.packet(c.FXP_STAT, number, string(b"/")) for number in range(1000)))
    for turn in range(1, 1000 // MAX_BURST + 1):
        assert len(split(client.stream.output)) - 1 == turn * MAX_BURST
        # One turn of the reactor: Clock.advance would also do what this turn asks for.
        (call,) = client.clock.calls
        client.clock.calls.clear()
        call.func()
    assert len(split(client.stream.output)) - 1 == 1000
    assert client.clock.calls == []


def test_input_in_small_pieces_does_not_begin_a_burst_each() -> None:
    client = Client(fast_server())
    client.feed(b"".join(codec.packet(c.FXP_STAT, number, string(b"/")) for number in range(1000)))
    for _ in range(100):
        client.feed(b"\0")
        client.engine.drained()
    assert len(split(client.stream.output)) - 1 == MAX_BURST
    assert len(client.clock.getDelayedCalls()) == 1


def test_a_burst_ends_with_its_client() -> None:
    client = Client(fast_server())
    client.feed(b"".join(codec.packet(c.FXP_STAT, number, string(b"/")) for number in range(1000)))
    before = len(client.stream.output)
    client.engine.connection_lost()
    client.clock.advance(0)
    assert len(client.stream.output) == before
    assert client.clock.getDelayedCalls() == []


@pytest.mark.parametrize("make", [fast_server, generic_server])
def test_two_mebibytes_of_the_smallest_requests(make: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work per request is the same however many wait, and no stack grows with them: counted, not timed."""
    client = Client(make())
    packet = struct.pack(">IBI", 5, 99, 1)
    count = 2 * 1024 * 1024 // len(packet)
    looked = deepest = 0
    may_start = client.engine._may_start

    def counted(request: object) -> bool:
        nonlocal looked, deepest
        looked += 1
        if looked % 1000 == 0:
            deepest = max(deepest, depth())
        return may_start(request)

    monkeypatch.setattr(client.engine, "_may_start", counted)
    here = depth()
    client.feed(packet * count)
    while client.clock.getDelayedCalls():
        client.clock.advance(0)
    assert client.stream.consumed_bytes == client.sent
    assert len(client.stream.output) - client._read == count * len(codec.status(1, 8, "operation unsupported"))
    assert looked <= 2 * count
    assert deepest < here + 20


def test_two_mebibytes_of_requests_whose_work_is_done_at_once_by_a_deferred() -> None:
    client = Client(generic_server())
    count = 20_000
    here = sys.getrecursionlimit()
    sys.setrecursionlimit(depth() + 150)
    try:
        client.feed(b"".join(codec.packet(c.FXP_STAT, number, string(b"/")) for number in range(count)))
        while client.clock.getDelayedCalls():
            client.clock.advance(0)
    finally:
        sys.setrecursionlimit(here)
    assert client.stream.consumed_bytes == client.sent


def depth() -> int:
    def frames() -> Iterator[object]:
        frame = sys._getframe(1)
        while frame is not None:
            yield frame
            frame = frame.f_back

    return sum(1 for _ in frames())


def test_bulk_data_makes_a_burst_shorter() -> None:
    client = Client(fast_server())
    client.create(b"/f", bytes(c.MAX_DATA))
    handle = client.open(b"/f", READ)
    before = len(split(client.stream.output))
    client.feed(reads(handle, 60, c.MAX_DATA))
    assert len(split(client.stream.output)) - before == -(-MAX_BURST // (1 + c.MAX_DATA // BULK))
    while client.clock.getDelayedCalls():
        client.clock.advance(0)
    assert len(split(client.stream.output)) - before == 60


def test_long_paths_make_a_burst_shorter() -> None:
    client = Client(fast_server())
    stat = codec.packet(c.FXP_STAT, 1, string(b"/a" * 2000))
    client.feed(stat * 20)
    assert len(split(client.stream.output)) - 1 == -(-MAX_BURST // (1 + len(stat) // LONG))
    while client.clock.getDelayedCalls():
        client.clock.advance(0)
    assert len(split(client.stream.output)) - 1 == 20


def test_answers_of_one_burst_are_sent_together() -> None:
    client = Client(fast_server())
    client.feed(b"".join(codec.packet(c.FXP_STAT, number, string(b"/")) for number in range(10)))
    assert client.stream.writes == 2, "VERSION, and the ten answers"
