"""asyncssh as a client: tests in its loop, connections, and packets that no client sends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncssh

from conchgo.sftp import constants as c
from conchgo.sftp.codec import Malformed, Reader, string, uint32
from tests.interop.service import Target
from tests.unit.sftp.harness import Reply


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@asynccontextmanager
async def connected(target: Target, **login: Any) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection that is logged in, by default as the target's user with his password."""
    options = {
        "username": target.username,
        "password": target.password,
        "client_keys": None,
        "known_hosts": None,
        "config": None,
        "agent_path": None,
        **login,
    }
    async with asyncssh.connect(target.host, target.port, **options) as connection:
        yield connection


@asynccontextmanager
async def sftp_client(target: Target, **login: Any) -> AsyncIterator[asyncssh.SFTPClient]:
    """An SFTP channel on a connection of its own. Names are bytes."""
    async with connected(target, **login) as connection, connection.start_sftp_client(path_encoding=None) as client:
        yield client


async def symlink(client: asyncssh.SFTPClient, target: bytes, link: bytes) -> None:
    """asyncssh sends the draft's order of arguments to servers that do not call themselves OpenSSH: turn them round."""
    await client.symlink(link, target)


class Wire:
    """An SFTP channel without a client: packets as they are, right or wrong."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._process = process
        self._ids = itertools.count(1)

    async def greet(self) -> Mapping[bytes, bytes]:
        """INIT; the extensions of the answer."""
        self.send(c.FXP_INIT, uint32(c.VERSION))
        packet = await self.receive()
        assert packet[:5] == bytes([c.FXP_VERSION]) + uint32(c.VERSION)
        reader, extensions = Reader(packet, 5), {}
        with contextlib.suppress(Malformed):
            while True:
                name = reader.string()
                extensions[name] = reader.string()
        return extensions

    def send(self, kind: int, body: bytes) -> None:
        self._process.stdin.write(struct.pack(">IB", len(body) + 1, kind) + body)

    async def receive(self) -> bytes:
        """The next packet, without its length."""
        (length,) = struct.unpack(">I", await self._process.stdout.readexactly(4))
        return await self._process.stdout.readexactly(length)

    async def ask(self, kind: int, *parts: bytes) -> Reply:
        """A request and its answer."""
        number = next(self._ids)
        self.send(kind, uint32(number) + b"".join(parts))
        packet = await self.receive()
        reply = Reply(packet[0], int.from_bytes(packet[1:5], "big"), packet[5:])
        assert reply.request_id == number
        return reply

    async def ask_extended(self, name: bytes, *parts: bytes) -> Reply:
        return await self.ask(c.FXP_EXTENDED, string(name), *parts)

    async def end(self) -> int | None:
        """No more requests; the channel's exit status."""
        self._process.stdin.write_eof()
        return (await self._process.wait()).exit_status


@asynccontextmanager
async def wire(target: Target, **login: Any) -> AsyncIterator[Wire]:
    async with connected(target, **login) as connection:
        yield Wire(await connection.create_process(subsystem="sftp", encoding=None))
