"""A TCP relay that delays: a network of a given round trip and any bandwidth, as far as an application can tell.

It is a process of its own (`python -m tests.benchmarks.relay PORT SECONDS`), says its port on a line, and ends with its
standard input. TCP itself sees no delay here, so nothing is told of its slow start or of lost packets: what is measured
is how well SSH and SFTP fill the pipe. What is on its way is bounded by what the two programs send ahead.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque

from tests.benchmarks.helpers import until_stdin_ends


class Direction(asyncio.Protocol):
    """Takes from one connection, and gives to another after `delay` seconds, in order."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.target: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._hold(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hold(b"")

    def _hold(self, data: bytes) -> None:
        """No data: the end."""
        if not self._delay:
            self._pass(data)
            return
        self._waiting.append((self._loop.time() + self._delay, data))
        if len(self._waiting) == 1:
            self._loop.call_later(self._delay, self._pass_due)

    def _pass_due(self) -> None:
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            self._pass(self._waiting.popleft()[1])
        if self._waiting:
            self._loop.call_at(self._waiting[0][0], self._pass_due)

    def _pass(self, data: bytes) -> None:
        if data:
            self.target.write(data)
        else:
            self.target.close()


class Incoming(Direction):
    """The client's connection; it has the server's opened, and waits for it."""

    def __init__(self, port: int, delay: float) -> None:
        super().__init__(delay)
        self._port = port
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        _, outgoing = await self._loop.create_connection(lambda: Direction(self._delay), "127.0.0.1", self._port)
        self.target, outgoing.target = outgoing.transport, self.transport
        self.transport.resume_reading()


async def _relay(port: int, round_trip: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Incoming(port, round_trip / 2), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await until_stdin_ends()


if __name__ == "__main__":
    asyncio.run(_relay(int(sys.argv[1]), float(sys.argv[2])))
