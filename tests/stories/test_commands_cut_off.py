"""Clients of commands that leave in the middle, read nothing, or send what nobody reads: nothing of them is left."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

import pytest

from conchgo.ssh import channel as flow
from tests.interop.service import Servers, Service, eventually
from tests.interop.trees import KIB, content
from tests.socket_client import CHANNEL_CLOSE, SocketClient

_NO_LINGER: Final = struct.pack("ii", 1, 0)

#: Command lines, and what each is sent.
COMMANDS: Final = (
    (b"sha256sum big tree/0 missing", b""),
    (b"md5sum", content(200 * KIB)),
    (b"md5sum -c", b"d41d8cd98f00b204e9800998ecf8427e  tree/0\n" * 2000),
    (b"sha512sum -c big", b""),
    (b"scp -f big", b"\0\0"),
    (b"scp -rf tree", b"\0" * 7),
    (b"scp -f */* *", b"\0\0\0\1no\n"),
    (b"scp -t new", b"C0644 1000000 new\n" + content(100 * KIB)),
    (b"scp -rpt up", b"T1 0 1 0\nD0755 0 up\nC0644 5 f\n123"),
    (b"scp -t new", b"C0644 5 new\n12345\0"),
    (b"conchgo-copy tree/ copy", b""),
    (b"conchgo-copy big copied", b"nobody reads this"),
    (b"conchgo-remove copy", b""),
    (b"help", content(10 * KIB)),
    (b"nonsense", b"x"),
)


@pytest.fixture
def service(servers: Servers) -> Service:
    service = servers.start(commands=("*",), ssh={"max_startups": 100, "max_startups_per_host": 100})
    (service.home / "big").write_bytes(content(8 * KIB * KIB))
    (service.home / "tree" / "deep").mkdir(parents=True)
    for number in range(50):
        (service.home / "tree" / f"{number}").write_bytes(b"")
        (service.home / "tree" / "deep" / f"{number}").write_bytes(content(KIB))
    return service


def connected(service: Service) -> SocketClient:
    return SocketClient(service.port, service.username, service.password)


def leaves_nothing(service: Service, work: Callable[[random.Random], None]) -> None:
    with connected(service) as client:
        client.until(lambda: len(client.client.received(CHANNEL_CLOSE)) == 0)
    eventually(lambda: service.ask("connections") == [], "the first connection is gone")
    before, open_before = service.ask("left"), service.descriptors()
    work(random.Random(7))
    eventually(lambda: service.ask("left") == before, "nothing is left of the clients")
    eventually(lambda: service.descriptors() == open_before, "no descriptor is left")


@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.full)])
def test_many_in_a_row_whose_channels_are_closed_in_the_middle(service: Service, count: int) -> None:
    def work(chance: random.Random) -> None:
        with connected(service) as client:
            for number in range(1, count + 1):
                line, data = chance.choice(COMMANDS)
                channel = client.command(line, window=chance.choice((0, 10, 2**20)))
                client.send(channel, data[: chance.randint(0, len(data))])
                for _ in range(chance.choice((0, 0, 1, 3))):
                    service.ask("connections")
                if chance.random() < 0.9:
                    client.client.send_channel(CHANNEL_CLOSE, channel)
                    client.until(lambda: len(client.client.received(CHANNEL_CLOSE)) == number)  # noqa: B023
                else:
                    client.adjust(channel, 2**30)
                    client.client.send_channel(96, channel)
                    client.until(lambda: len(client.client.received(CHANNEL_CLOSE)) == number)  # noqa: B023
                    client.client.send_channel(CHANNEL_CLOSE, channel)

    leaves_nothing(service, work)


def test_fifty_at_once_whose_connections_are_reset(service: Service) -> None:
    def work(chance: random.Random) -> None:
        for _ in range(2):
            with ExitStack() as clients:
                for _ in range(50):
                    client = clients.enter_context(connected(service))
                    line, data = chance.choice(COMMANDS)
                    channel = client.command(line, window=chance.choice((0, 10, 2**20)))
                    client.send(channel, data[: chance.randint(0, len(data))])
                    if chance.random() < 0.8:
                        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    leaves_nothing(service, work)


@pytest.mark.parametrize("window", [0, 2**30])
@pytest.mark.parametrize("line", [b"scp -f big", b"md5sum -c -w lines", b"md5sum " + b"x " * 30_000])
def test_who_reads_no_output_is_held_back(service: Service, line: bytes, window: int) -> None:
    (service.home / "lines").write_bytes(b"nonsense\n" * 100_000)
    with connected(service) as client:
        channel = client.command(line, window=window)
        client.send(channel, b"\0\0")
        seen: list[object] = []

        def still() -> bool:
            seen.append(service.ask("connections"))
            return len(seen) > 5 and all(one == seen[-1] for one in seen[-5:])

        eventually(still, "the server has done what it can")
        (held,) = service.ask("connections")
        # The last line tells of each of its words at once.
        assert sum(one.output for one in held.channels) < flow.HIGH_WATER + 2 * KIB * KIB
        eventually(lambda: service.ask("turns_at_rest") < 20, "the server rests")
    eventually(lambda: service.ask("connections") == [], "nothing is held")


@pytest.mark.parametrize("line", [b"sha256sum big", b"pwd", b"conchgo-copy big copy", b"sftpgo-remove tree"])
def test_input_that_nobody_reads_fills_the_window_only(service: Service, line: bytes) -> None:
    with connected(service) as client:
        channel = client.command(line)
        client.send(channel, bytes(flow.WINDOW // 2))
        client.until(lambda: bool(client.client.received(CHANNEL_CLOSE)))
        exits = [payload for payload in client.client.received(98) if b"exit-status" in payload]
        assert [payload[-4:] for payload in exits] == [bytes(4)]
    eventually(lambda: service.ask("connections") == [], "nothing is held")
