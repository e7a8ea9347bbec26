"""asyncssh: what command line clients can't ask for, many channels, many connections."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import asyncssh
import pytest
from asyncssh import SFTPAttrs

from conchgo.accounts.model import Filters
from conchgo.sftp import constants as c
from conchgo.sftp.codec import string, uint32, uint64
from tests.interop.asyncssh_client import connected, in_loop, sftp_client, symlink, wire
from tests.interop.service import Servers, Service, eventually
from tests.interop.starter import FAST
from tests.interop.trees import KIB, TEXT_NAMES, assert_same, content, make_tree

READ, WRITE = asyncssh.FXF_READ, asyncssh.FXF_WRITE
CREATE, TRUNCATE, EXCLUSIVE = asyncssh.FXF_CREAT, asyncssh.FXF_TRUNC, asyncssh.FXF_EXCL

EXTENSIONS = {
    b"limits@openssh.com": b"1",
    b"posix-rename@openssh.com": b"1",
    b"statvfs@openssh.com": b"2",
    b"fstatvfs@openssh.com": b"2",
    b"hardlink@openssh.com": b"1",
    b"fsync@openssh.com": b"1",
    b"lsetstat@openssh.com": b"1",
    b"expand-path@openssh.com": b"1",
    b"copy-data": b"1",
    b"check-file": b"1",
    b"check-file-handle": b"1",
    b"check-file-name": b"1",
    b"home-directory": b"1",
    b"users-groups-by-id@openssh.com": b"1",
}

NO_ATTRIBUTES = uint32(0)


@in_loop
async def test_trees_go_both_ways_byte_for_byte(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree", TEXT_NAMES)
    async with sftp_client(service) as sftp:
        await sftp.put(os.fsencode(tree), b"/up", recurse=True, preserve=True)
        assert_same(tree, service.home / "up")
        await sftp.get(b"/up", os.fsencode(local / "down"), recurse=True, preserve=True, max_requests=128)
        assert_same(tree, local / "down")
        assert (local / "down" / "plain").stat().st_mtime == int((tree / "plain").stat().st_mtime)


@in_loop
async def test_ten_thousand_entries_are_listed(full_service: Service) -> None:
    async with sftp_client(full_service) as sftp:
        assert set(await sftp.listdir(b"/")) - {b".", b".."} == set(os.listdir(os.fsencode(full_service.home)))


@in_loop
async def test_open_flags(service: Service) -> None:
    home = service.home
    async with sftp_client(service) as sftp:
        async with sftp.open(b"/file", READ | WRITE | CREATE | EXCLUSIVE, encoding=None) as file:
            await file.write(b"0123456789")
            assert await file.read(4, 3) == b"3456"
            assert await file.read(100, 8) == b"89"
            assert await file.read(100, 10) == b""
        with pytest.raises(asyncssh.SFTPFailure, match="exists"):
            await sftp.open(b"/file", WRITE | CREATE | EXCLUSIVE)
        async with sftp.open(b"/file", WRITE, encoding=None) as file:
            await file.write(b"xx", 4)
            await file.write(b"end", 12)
        assert (home / "file").read_bytes() == b"0123xx6789\0\0end"
        async with sftp.open(b"/file", "a", encoding=None) as file:
            await file.write(b"+", 0)
            await file.write(b"+", 0)
        assert (home / "file").read_bytes() == b"0123xx6789\0\0end++"
        async with sftp.open(b"/file", WRITE | CREATE | TRUNCATE, encoding=None) as file:
            assert (await file.stat()).size == 0
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await sftp.open(b"/missing", WRITE)
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await sftp.open(b"/missing", READ)
        with pytest.raises(asyncssh.SFTPFailure):
            await sftp.open(b"/", WRITE | CREATE)
        async with sftp.open(b"/private", WRITE | CREATE, SFTPAttrs(permissions=0o600)):
            assert stat.S_IMODE((home / "private").stat().st_mode) == 0o600


@in_loop
async def test_attributes_by_path_and_by_handle(service: Service) -> None:
    path = service.home / "file"
    path.write_bytes(b"0123456789")
    async with sftp_client(service) as sftp:
        await sftp.truncate(b"/file", 5)
        await sftp.chmod(b"/file", 0o640)
        await sftp.utime(b"/file", (1_000_000_000, 1_234_567_890))
        found = await sftp.stat(b"/file")
        assert (found.size, found.permissions & 0o7777) == (5, 0o640)
        assert (found.atime, found.mtime) == (1_000_000_000, 1_234_567_890)
        async with sftp.open(b"/file", READ | WRITE) as file:
            await file.truncate(2)
            await file.chmod(0o600)
            await file.utime((1, 2))
            found = await file.stat()
        assert (found.size, found.permissions & 0o7777, found.atime, found.mtime) == (2, 0o600, 1, 2)
        assert (path.stat().st_size, path.stat().st_mtime) == (2, 2)
        os.mkdir(service.home / "dir")
        await sftp.utime(b"/dir", (3, 4))
        assert (service.home / "dir").stat().st_mtime == 4


@in_loop
async def test_times_of_a_file_survive_its_close(service: Service) -> None:
    async with sftp_client(service) as sftp:
        async with sftp.open(b"/file", WRITE | CREATE, encoding=None) as file:
            await file.write(b"content")
            await file.utime((1_000_000_000, 1_234_567_890))
        assert (await sftp.stat(b"/file")).mtime == 1_234_567_890


@in_loop
async def test_extensions_are_advertised_exactly_as_they_are_there(service: Service) -> None:
    """An ISFTPServer without extensions of its own has what needs the engine only."""
    async with wire(service) as channel:
        offered = await channel.greet()
        assert offered == (EXTENSIONS if service.path == FAST else {b"limits@openssh.com": b"1"})
        for name in {*EXTENSIONS, b"md5-hash", b"nonsense"} - offered.keys():
            assert (await channel.ask_extended(name, string(b"/"))).code == c.FX_OP_UNSUPPORTED
        limits = (await channel.ask_extended(b"limits@openssh.com")).reader
        assert [limits.uint64() for _ in range(4)] == [c.MAX_PACKET, 255 * KIB, 255 * KIB, c.MAX_HANDLES]


@in_loop
async def test_extensions_of_the_fast_path(fast_service: Service) -> None:
    home = fast_service.home
    (home / "file").write_bytes(content(2 * KIB * KIB))
    async with sftp_client(fast_service) as sftp:
        await sftp.remote_copy(b"/file", b"/copy")
        assert (home / "copy").read_bytes() == content(2 * KIB * KIB)
        await sftp.link(b"/file", b"/hard")
        assert (home / "file").samefile(home / "hard")
        await sftp.posix_rename(b"/copy", b"/hard")
        assert sorted(os.listdir(home)) == ["file", "hard"]
        async with sftp.open(b"/file", READ | WRITE, encoding=None) as file:
            await file.write(b"synced")
            await file.fsync()
            assert (await file.statvfs()).namemax == os.statvfs(home).f_namemax
        assert (await sftp.statvfs(b"/")).blocks == os.statvfs(home).f_blocks
        await symlink(sftp, b"file", b"/link")
        await sftp.utime(b"/link", (1, 2), follow_symlinks=False)
        assert (home / "link").lstat().st_mtime == 2
        assert (home / "file").stat().st_mtime != 2


@in_loop
async def test_whose_home_and_whose_names(servers: Servers) -> None:
    """The session's own user only: no account of this machine is told of."""
    service = servers.start(servers.user(filters=Filters(start_directory="/start/here")))
    async with wire(service) as channel:
        await channel.greet()
        for username, told in ((b"", b"/start/here"), (b"alice", b"/start/here"), (b"root", None)):
            home = await channel.ask_extended(b"home-directory", string(username))
            expanded = await channel.ask_extended(b"expand-path@openssh.com", string(b"~" + username + b"/x"))
            if told:
                assert (home.path, expanded.path) == (told, told + b"/x")
            else:
                assert (home.code, expanded.code) == (c.FX_NO_SUCH_FILE, c.FX_NO_SUCH_FILE)
        ids = string(uint32(os.geteuid()) + uint32(4_000_000)), string(uint32(os.getegid()) + uint32(4_000_000))
        names = (await channel.ask_extended(b"users-groups-by-id@openssh.com", *ids)).reader
        assert names.string() == names.string() == string(b"alice") + string(b"")


@in_loop
async def test_handles_that_are_none(service: Service) -> None:
    (service.home / "dir").mkdir()
    async with wire(service) as channel:
        await channel.greet()
        nothing = string(b"nothing")
        for kind, *parts in (
            (c.FXP_CLOSE, nothing),
            (c.FXP_FSTAT, nothing),
            (c.FXP_READDIR, nothing),
            (c.FXP_FSETSTAT, nothing, NO_ATTRIBUTES),
            (c.FXP_READ, nothing, uint64(0), uint32(10)),
            (c.FXP_WRITE, nothing, uint64(0), string(b"x")),
        ):
            assert (await channel.ask(kind, *parts)).code == c.FX_FAILURE
        directory = string((await channel.ask(c.FXP_OPENDIR, string(b"/dir"))).handle)
        assert (await channel.ask(c.FXP_READ, directory, uint64(0), uint32(10))).code == c.FX_FAILURE
        flags = uint32(c.FXF_WRITE | c.FXF_CREAT)
        file = string((await channel.ask(c.FXP_OPEN, string(b"/file"), flags, NO_ATTRIBUTES)).handle)
        assert (await channel.ask(c.FXP_READ, file, uint64(0), uint32(10))).code == c.FX_PERMISSION_DENIED
        assert (await channel.ask(c.FXP_READDIR, file)).code == c.FX_FAILURE
        assert (await channel.ask(c.FXP_CLOSE, file)).code == c.FX_OK
        assert (await channel.ask(c.FXP_CLOSE, file)).code == c.FX_FAILURE
        assert (await channel.ask(c.FXP_OPENDIR, string(b"/file"))).code == c.FX_NO_SUCH_FILE
        assert (await channel.ask(99, string(b"/"))).code == c.FX_OP_UNSUPPORTED
        assert (await channel.ask(c.FXP_STAT, uint32(1000))).code == c.FX_BAD_MESSAGE
        assert await channel.end() == 0


@pytest.mark.parametrize("garbage", [b"\0\0\0\1\3", b"\0\0\0\0", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"])
@in_loop
async def test_garbage_ends_its_channel_and_no_other(service: Service, garbage: bytes) -> None:
    async with connected(service) as connection, connection.start_sftp_client() as other:
        process = await connection.create_process(subsystem="sftp", encoding=None)
        process.stdin.write(garbage)
        process.stdin.write_eof()
        assert (await process.wait()).exit_status == 1
        assert await other.listdir("/") is not None


@in_loop
async def test_channels_of_one_connection_are_independent(service: Service) -> None:
    (service.home / "dir").mkdir()
    async with connected(service) as connection:
        one, other, *others = [await connection.start_sftp_client() for _ in range(10)]
        with pytest.raises(asyncssh.ChannelOpenError, match="too many"):
            await connection.start_sftp_client()
        await one.chdir("/dir")
        file = await one.open("file", "w", encoding=None)
        await file.write(b"content")
        assert await other.getcwd() == "/"
        await asyncio.gather(*(_round_trip(client, number) for number, client in enumerate(others)))
        other.exit()
        await other.wait_closed()
        await file.write(b"!")
        assert (service.home / "dir" / "file").read_bytes() == b"content!"
    eventually(lambda: not _open_below(service), "all files are closed")


async def _round_trip(client: asyncssh.SFTPClient, number: int) -> None:
    data = content(300 * KIB, number)
    async with client.open(f"/file{number}", "w", encoding=None) as file:
        await file.write(data)
    async with client.open(f"/file{number}", "r", encoding=None) as file:
        assert await file.read() == data


def _open_below(service: Service) -> list[str]:
    """What the server has open in the home, but the home itself."""
    return [name for name in service.descriptors() if name.startswith(f"{service.home}/")]


@in_loop
async def test_dozens_of_connections_at_once(service: Service) -> None:
    """Uploads, downloads and failed logins side by side; afterwards nothing of them is left."""
    before = service.descriptors()
    (service.home / "shared").write_bytes(content(300 * KIB))

    async def upload(number: int) -> None:
        async with sftp_client(service) as sftp, sftp.open(b"/up%d" % number, "w", encoding=None) as file:
            await file.write(content(100 * KIB, number))

    async def download(number: int) -> None:
        async with sftp_client(service) as sftp, sftp.open(b"/shared", "r", encoding=None) as file:
            assert await file.read() == content(300 * KIB)

    async def fail(number: int) -> None:
        with pytest.raises(asyncssh.PermissionDenied):
            async with connected(service, password="wrong"):
                pass

    async def vanish(number: int) -> None:
        """In the middle of an upload, without a word."""
        async with connected(service) as connection:
            sftp = await connection.start_sftp_client(path_encoding=None)
            file = await sftp.open(b"/lost%d" % number, "w", encoding=None)
            await file.write(b"part")
            connection.abort()

    limit = asyncio.Semaphore(16)

    async def bounded(work: object, number: int) -> None:
        async with limit:
            await work(number)  # type: ignore[operator]

    await asyncio.gather(*(bounded(work, number) for number in range(10) for work in (upload, download, fail, vanish)))
    for number in range(10):
        assert (service.home / f"up{number}").read_bytes() == content(100 * KIB, number)
        assert (service.home / f"lost{number}").read_bytes() == b"part"
    service.audit("logout", 30)
    eventually(lambda: service.descriptors() == before, "nothing is left open")
    service.audit("open", 30)
    service.audit("close", 30)


@in_loop
async def test_sessions_are_counted_and_given_back(servers: Servers) -> None:
    """`max_sessions` is for SFTP channels, over all connections of the user."""
    service = servers.start(servers.user(max_sessions=2))
    async with connected(service) as one, connected(service) as other:
        first, second = await one.start_sftp_client(), await other.start_sftp_client()
        with pytest.raises(asyncssh.SFTPError):
            await one.start_sftp_client()
        with pytest.raises(asyncssh.PermissionDenied):
            async with connected(service):
                pass
        assert await first.listdir("/") is not None
        second.exit()
        await second.wait_closed()
        async with one.start_sftp_client() as third:
            assert await third.listdir("/") is not None
