"""What one session of the soak does, and how it ends: decided by a random generator that its seed and number begin."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncssh

from conchgo.sftp import constants as c
from conchgo.sftp.codec import packet, string, uint32, uint64
from tests.interop.trees import KIB, content
from tests.unit.sftp.harness import INIT, NO_ATTRIBUTES

_SIZES: Final = (0, 1, 1000, 32 * KIB - 1, 32 * KIB, 255 * KIB, 255 * KIB + 1, 700 * KIB)
#: Bytes after which a client asks for new keys; the server has a limit of its own.
_REKEY: Final = (100_000, 1_000_000, 2**30)
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Session:
    """One connection. `step` is told each thing that was done."""

    def __init__(
        self, seed: int, number: int, port: int, users: Sequence[str], password: str, step: Callable[[], None]
    ):
        self.random = random.Random(f"{seed}/{number}")
        self.number = number
        self.port = port
        self.username = self.random.choice(users)
        self.password = password
        self.step = step
        self.socket: socket.socket
        self.files: dict[bytes, tuple[int, int]] = {}
        self.directory = b"/%d-%d" % (seed, number)

    async def run(self) -> None:
        kind = self.random.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])[0]
        await _KINDS[kind][1](self)
        self.step()

    # How it comes

    @asynccontextmanager
    async def connected(self, password: str | None = None) -> Any:
        loop = asyncio.get_running_loop()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        await loop.sock_connect(self.socket, ("127.0.0.1", self.port))
        async with asyncssh.connect(
            sock=self.socket,
            username=self.username,
            password=self.password if password is None else password,
            known_hosts=None,
            client_keys=None,
            config=None,
            agent_path=None,
            login_timeout=300,
            rekey_bytes=self.random.choice(_REKEY),
        ) as connection:
            yield connection

    def reset(self) -> None:
        """The connection ends with a TCP reset, whatever is on its way."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    # What it does

    async def works(self) -> None:
        """Some channels do some things each; the end is orderly, or a reset in the middle."""
        async with self.connected() as connection:
            clients = [await connection.start_sftp_client(path_encoding=None) for _ in range(self.random.randint(1, 3))]
            await clients[0].mkdir(self.directory)
            things = self.random.randint(5, 15)
            vanishes = self.random.choice((things // 2, None, None))
            for number in range(things):
                if number == vanishes:
                    await self._vanish(connection, clients[0])
                    return
                await self.random.choice(_ACTIONS)(self, self.random.choice(clients), connection)
                self.step()

    async def _vanish(self, connection: Any, client: Any) -> None:
        """With an open file, an open directory, and a request on its way."""
        file = await client.open(self.directory + b"/lost", "wb")
        await client.open(self.directory + b"/also lost", "wb")
        writing = asyncio.ensure_future(file.write(content(700 * KIB)))
        await asyncio.sleep(0)
        self.reset()
        connection.abort()
        with suppress(asyncssh.Error):
            await writing

    async def put(self, client: Any, _: Any) -> None:
        name, size, seed = b"f%d" % self.random.randrange(8), self.random.choice(_SIZES), self.random.randrange(1000)
        async with client.open(self.directory + b"/" + name, "wb") as file:
            await file.write(content(size, seed))
        self.files[name] = size, seed

    async def get(self, client: Any, _: Any) -> None:
        for name, (size, seed) in self._some():
            async with client.open(self.directory + b"/" + name, "rb") as file:
                assert await file.read() == content(size, seed), f"{name!r} is not what was put"

    async def stat(self, client: Any, _: Any) -> None:
        for name, (size, _seed) in self._some():
            assert (await client.stat(self.directory + b"/" + name)).size == size
        with suppress(asyncssh.SFTPNoSuchFile):
            await client.stat(self.directory + b"/never")
            raise AssertionError("what was never made is there")

    async def listing(self, client: Any, _: Any) -> None:
        assert set(await client.listdir(self.directory)) == {b".", b"..", *self.files}

    async def rename(self, client: Any, _: Any) -> None:
        for name, described in self._some():
            await client.posix_rename(self.directory + b"/" + name, self.directory + b"/r" + name)
            del self.files[name]
            self.files[b"r" + name] = described

    async def remove(self, client: Any, _: Any) -> None:
        for name, _described in self._some():
            await client.remove(self.directory + b"/" + name)
            del self.files[name]

    def _some(self) -> list[tuple[bytes, tuple[int, int]]]:
        """One file, or none where there is none."""
        return [self.random.choice(list(self.files.items()))] if self.files else []

    async def half_a_request(self, _: Any, connection: Any) -> None:
        """On a channel of its own, which then ends in one way or another, or stays."""
        process = await connection.create_process(subsystem="sftp", encoding=None)
        whole = INIT + packet(c.FXP_STAT, 1, string(b"/"))
        process.stdin.write(whole[: self.random.randint(1, len(whole) - 1)])
        end = self.random.choice((process.stdin.write_eof, process.channel.close, process.channel.abort, None))
        if end is not None:
            end()
            await process.wait_closed()

    async def a_command(self, _: Any, connection: Any) -> None:
        """There is none of that name."""
        done = await connection.run("nonsense", check=False)
        assert done.exit_status == 127

    async def does_not_read(self) -> None:
        """Its window is small and stays shut, then it resets the connection."""
        with suppress(asyncssh.ConnectionLost):
            async with self.connected() as connection:
                async with connection.start_sftp_client(path_encoding=None) as client:
                    await client.mkdir(self.directory)
                    await self.put(client, connection)
                name = self.directory + b"/" + next(iter(self.files))
                process = await connection.create_process(
                    subsystem="sftp", encoding=None, window=self.random.choice((100, 10_000))
                )
                opening = packet(c.FXP_OPEN, 1, string(name) + uint32(c.FXF_READ) + NO_ATTRIBUTES)
                handle = string((0).to_bytes(8, "big"))
                reads = (packet(c.FXP_READ, 2, handle + uint64(0) + uint32(255 * KIB)) for _ in range(300))
                process.stdin.write(INIT + opening + b"".join(reads))
                await process.stdin.drain()
                await self._a_word(connection)
                self.reset()
                connection.abort()

    async def _a_word(self, connection: Any) -> None:
        """Asked and answered: the server has worked off what was sent before."""
        async with connection.start_sftp_client() as client:
            await client.stat("/")

    async def guesses(self) -> None:
        """Wrong passwords only."""
        for _ in range(self.random.randint(1, 3)):
            with suppress(asyncssh.PermissionDenied):
                async with self.connected(password="wrong"):
                    raise AssertionError("let in by a wrong password")
            self.step()

    async def says_nothing(self) -> None:
        """Or half of what a client says first; then it resets the connection, or waits for the server to end it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        words = b"SSH-2.0-half\r\n" + struct.pack(">L", 1000) + b"\x05\x14"
        writer.write(words[: self.random.randint(0, len(words))])
        await reader.readline()
        if self.random.random() < 0.5:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()
            return
        with suppress(ConnectionError):
            await reader.read()
            writer.close()


_ACTIONS: Final = (
    *(2 * (Session.put, Session.get)),
    Session.stat,
    Session.listing,
    Session.rename,
    Session.remove,
    Session.half_a_request,
    Session.a_command,
)

#: Kinds of sessions, each with its weight.
_KINDS: Final[dict[str, tuple[int, Callable[[Session], Awaitable[None]]]]] = {
    "works": (12, Session.works),
    "does not read": (3, Session.does_not_read),
    "guesses": (2, Session.guesses),
    "says nothing": (2, Session.says_nothing),
}
