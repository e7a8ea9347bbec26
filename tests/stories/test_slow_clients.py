"""Clients that ask and do not read: what the server holds for them is counted, and their neighbours notice nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conchgo.sftp import constants as c
from conchgo.sftp.codec import packet, string, uint32
from conchgo.sftp.engine import MAX_OUTSTANDING, MAX_PROMISED, MAX_QUEUED
from conchgo.ssh import channel as flow
from conchgo.ssh import socket as sockets
from tests.interop.counters import Connected
from tests.interop.service import Service, eventually, status
from tests.interop.trees import KIB, content
from tests.socket_client import SocketClient, read
from tests.unit.sftp.harness import NO_ATTRIBUTES

FILE = content(4 * KIB * KIB)
#: Most bytes of a channel's output that wait: what makes it congested, what READs in work have promised, one reply.
MOST_OUTPUT = flow.HIGH_WATER + MAX_PROMISED + c.MAX_DATA + KIB
#: Most bytes that wait for the kernel: what makes it full, and one turn of a channel.
MOST_QUEUED = sockets.HIGH_WATER + flow.TURN + 16 * KIB
MOST_PACKET = 256 * KIB + sockets.RECEIVE


@pytest.fixture
def client(service: Service) -> Iterator[SocketClient]:
    (service.home / "file").write_bytes(FILE)
    with SocketClient(service.port, service.username, service.password) as client:
        yield client


def settled(service: Service) -> Connected:
    """What is held once it changes no more."""
    seen: list[Connected] = []

    def still() -> bool:
        (held,) = service.ask("connections")
        seen.append(held)
        return len(seen) > 5 and len(set(seen[-5:])) == 1

    eventually(still, "the server has done what it can", 60)
    return seen[-1]


def assert_bounded(held: Connected) -> None:
    assert held.socket <= MOST_QUEUED
    assert held.packet <= MOST_PACKET
    for channel in held.channels:
        assert channel.output <= MOST_OUTPUT
        assert channel.unread_input <= flow.WINDOW
        assert channel.outstanding <= MAX_OUTSTANDING
        assert channel.queued <= MAX_QUEUED


def assert_held_back(held: Connected) -> None:
    """Of each channel's READs so many at least are not begun: some in the queue, the others in the window."""
    for channel in held.channels:
        assert channel.queued
        assert channel.unread_input >= MAX_QUEUED * len(read(bytes(8), 1, 0, 1))


def assert_neighbours_are_served(service: Service) -> None:
    with SocketClient(service.port, service.username, service.password) as neighbour:
        channel = neighbour.sftp()
        neighbour.send(channel, reads(neighbour.open(channel, b"/file"), 1, 10))
        assert_answered(neighbour, channel, 10)


def reads(handle: bytes, first: int, last: int, length: int = c.MAX_DATA) -> bytes:
    return b"".join(read(handle, number, offset_of(number), length) for number in range(first, last + 1))


def offset_of(number: int) -> int:
    return number * 101 % (len(FILE) // 2)


def assert_answered(client: SocketClient, channel: int, count: int, length: int = c.MAX_DATA) -> None:
    """Each READ, in order, in full; the client reads on until then."""
    client.until(lambda: len(client.outputs[channel]) >= count * (length + 13))
    client.until(lambda: len(client.replies(channel)) > count)
    replies = client.replies(channel)[1:]
    assert [reply.request_id for reply in replies] == list(range(1, count + 1))
    for number, reply in enumerate(replies, 1):
        assert reply.data == FILE[offset_of(number) : offset_of(number) + length], number


def test_who_reads_nothing_is_held_back_and_gets_all_in_the_end(service: Service, client: SocketClient) -> None:
    channels = [client.sftp() for _ in range(3)]
    handles = {channel: client.open(channel, b"/file") for channel in channels}
    for channel in channels:
        client.send(channel, reads(handles[channel], 1, 100))
    held = settled(service)

    assert held.socket > sockets.HIGH_WATER // 2
    assert_held_back(held)
    assert_bounded(held)
    assert service.ask("turns_at_rest") < 20
    assert_neighbours_are_served(service)
    for channel in channels:
        assert_answered(client, channel, 100)


def test_whose_window_is_shut_is_held_back_and_gets_all_in_the_end(service: Service, client: SocketClient) -> None:
    channels = [client.sftp(window=10_000) for _ in range(3)]
    handles = {channel: client.open(channel, b"/file") for channel in channels}
    for channel in channels:
        client.send(channel, reads(handles[channel], 1, 100))
    held = settled(service)

    assert held.socket == 0
    assert_held_back(held)
    assert all(channel.output > flow.HIGH_WATER for channel in held.channels)
    assert_bounded(held)
    assert service.ask("turns_at_rest") < 20
    assert_neighbours_are_served(service)
    for channel in channels:
        client.adjust(channel, 2**31)
        assert_answered(client, channel, 100)


def test_what_waits_takes_the_memory_that_is_counted(service: Service, client: SocketClient) -> None:
    """A file of 4 KiB, read by requests for 255 KiB: what waits for the client is what was found, no more."""
    (service.home / "small").write_bytes(FILE[:4100])
    channels = [client.sftp(window=1000) for _ in range(10)]
    handles = [client.open(channel, b"/small") for channel in channels]
    before = status(service.process.pid, "VmRSS")
    for channel, handle in zip(channels, handles, strict=True):
        client.send(channel, b"".join(read(handle, number, 0, c.MAX_DATA) for number in range(1, 400)))
    held = settled(service)

    assert_bounded(held)
    counted = sum(channel.output + channel.unread_input for channel in held.channels)
    assert counted > 10 * flow.HIGH_WATER
    assert status(service.process.pid, "VmRSS") - before < 4 * counted // KIB


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.full)])
def test_many_requests_at_once_wait_in_the_window(service: Service, client: SocketClient, count: int) -> None:
    channel = client.sftp()
    handle = client.open(channel, b"/file")
    size = len(read(handle, 0, 0, 1))
    for first in range(1, count + 1, flow.WINDOW // 2 // size):
        last = min(first + flow.WINDOW // 2 // size - 1, count)
        # What the server has read and not worked off is at most the half of its window that it need not give back.
        client.send(channel, reads(handle, first, last, 10))
        (held,) = service.ask("connections")
        assert_bounded(held)
        assert_neighbours_are_served(service)
        assert_answered(client, channel, last, 10)


def test_a_window_of_one_byte_is_slow_and_works_to_the_end(service: Service, client: SocketClient) -> None:
    channel, taken = client.sftp(window=1), 0

    def all_is_there() -> bool:
        nonlocal taken
        for _ in range(len(client.outputs[channel]) - taken):
            client.adjust(channel, 1)
        taken = len(client.outputs[channel])
        return len(client.replies(channel)) == wanted

    wanted = 1
    client.send(channel, packet(c.FXP_OPEN, 0, string(b"/file") + uint32(c.FXF_READ) + NO_ATTRIBUTES))
    client.until(all_is_there)
    wanted = 2
    client.send(channel, read(client.replies(channel)[0].handle, 1, 5, 3000))
    client.until(all_is_there)

    assert client.replies(channel)[1].data == FILE[5:3005]
    assert {len(payload) for payload in client.client.received(94)} == {9}
    assert service.ask("turns_at_rest") < 20


def test_more_than_the_window_ends_the_connection_and_no_other(service: Service, client: SocketClient) -> None:
    channel = client.sftp(window=0)
    handle = (0).to_bytes(8, "big")
    client.send(channel, packet(c.FXP_OPEN, 0, string(b"/file") + uint32(c.FXF_READ) + NO_ATTRIBUTES))
    client.send(channel, reads(handle, 1, flow.WINDOW // 33 + 100))
    client.read_to_the_end()

    assert client.client.disconnect is not None
    assert client.client.disconnect[0] == 2
    assert_neighbours_are_served(service)
    eventually(lambda: service.ask("connections") == [], "nothing is held")
