"""Uploads that break off, from the client's side: what is there afterwards, and what others saw meanwhile."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import asyncssh
import pytest

from conchgo.accounts.model import Filters
from tests.interop.asyncssh_client import in_loop, sftp_client
from tests.interop.commands import sftp
from tests.interop.service import Servers, eventually

LARGE = 3_000_000


def contents(home: Path) -> dict[str, int]:
    """What is really there, and how large."""
    return {path.name: path.stat().st_size for path in home.iterdir()}


def temporaries(home: Path) -> list[Path]:
    return list(home.glob(".conchgo-upload-*"))


async def begin(client: asyncssh.SFTPClient, path: bytes) -> asyncssh.SFTPClientFile:
    """An upload in the middle."""
    file = await client.open(path, "wb")
    await file.write(bytes(LARGE))
    return file


@pytest.mark.parametrize(("mode", "left"), [("direct", LARGE), ("atomic", 3), ("resume", LARGE)])
@in_loop
async def test_a_client_that_vanishes(servers: Servers, mode: str, left: int) -> None:
    service = servers.start(transfers={"upload_mode": mode})
    (service.home / "f").write_bytes(b"old")
    with suppress(asyncssh.Error, OSError):
        async with sftp_client(service) as client:
            await begin(client, b"/f")
            assert (await client.stat(b"/f")).size == LARGE
            async with sftp_client(service) as other:
                assert (await other.stat(b"/f")).size == (LARGE if mode == "direct" else 3)
                assert await other.listdir(b"/") == [b".", b"..", b"f"]
            client.exit()
    eventually(lambda: contents(service.home) == {"f": left}, f"{mode}: {contents(service.home)}")


@pytest.mark.parametrize("mode", ["atomic", "resume"])
@in_loop
async def test_a_server_that_is_killed(servers: Servers, mode: str) -> None:
    """The old file is whole; what is left beside it hides, blocks nothing, and is swept away by the next server."""
    user = servers.user()
    service = servers.start(user, transfers={"upload_mode": mode})
    home = service.home
    for name in ("kept", "gone", "elsewhere"):
        (home / name).mkdir()
    (home / "kept" / "f").write_bytes(b"old")
    with suppress(asyncssh.Error, OSError):
        async with sftp_client(service) as client:
            await begin(client, b"/kept/f")
            await begin(client, b"/gone/f")
            await begin(client, b"/elsewhere/f")
            assert (home / "kept" / "f").read_bytes() == b"old"
            service.kill()
    assert len(temporaries(home / "kept")) == len(temporaries(home / "gone")) == 1

    service = servers.start(user, transfers={"upload_mode": mode})
    async with sftp_client(service) as client:
        eventually(lambda: not temporaries(home / "elsewhere"), "swept")
        await client.rmdir(b"/gone")
        assert await client.listdir(b"/kept") == [b".", b"..", b"f"]
    assert contents(home / "kept") == {"f": 3}


@pytest.mark.parametrize("mode", ["direct", "atomic", "resume"])
def test_no_file_gets_larger_than_allowed(servers: Servers, local: Path, mode: str) -> None:
    user = servers.user(filters=Filters(max_upload_file_size=1_000_000))
    service = servers.start(user, transfers={"upload_mode": mode})
    (local / "fits").write_bytes(bytes(1_000_000))
    (local / "large").write_bytes(bytes(1_000_001))
    for target in ("new", "old"):
        sftp(service, f"put {local / 'fits'} old")
        sftp(service, f"put {local / 'large'} {target}", status=None)
        overwritten = {"old": 1_000_000} if mode != "direct" or target == "new" else {}
        assert contents(service.home) == overwritten
    failed = [event for event in service.audit("close", 4) if event["status"] == "failed"]
    assert len(failed) == 2
    assert all(event["reason"].startswith("quota exceeded: ") for event in failed)


@pytest.mark.parametrize("mode", ["direct", "atomic", "resume"])
def test_an_upload_is_resumed(servers: Servers, local: Path, mode: str) -> None:
    service = servers.start(transfers={"upload_mode": mode})
    whole = os.urandom(500_000)
    (local / "f").write_bytes(whole)
    (service.home / "f").write_bytes(whole[:200_000])
    sftp(service, f"reput {local / 'f'} f")
    assert (service.home / "f").read_bytes() == whole


@pytest.mark.parametrize("mode", ["direct", "atomic"])
def test_a_tree_is_put_with_its_times(servers: Servers, local: Path, mode: str) -> None:
    service = servers.start(transfers={"upload_mode": mode})
    tree = local / "tree"
    for number in range(30):
        path = tree / f"d{number % 3}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(number * 1000))
        os.utime(path, (1_000_000 + number, 2_000_000 + number))
    for _ in range(2):
        sftp(service, f"put -rp {tree}")
    for path in tree.rglob("f*"):
        put = service.home / path.relative_to(local)
        assert (put.read_bytes(), put.stat().st_mtime) == (path.read_bytes(), path.stat().st_mtime)
    assert not list(service.home.rglob(".conchgo-*"))


@in_loop
async def test_clients_that_insist_on_modes_and_times(servers: Servers) -> None:
    service = servers.start(transfers={"setstat_mode": "ignore"})
    async with sftp_client(service) as client:
        async with client.open(b"/f", "wb") as file:
            await file.write(b"data")
            await file.setstat(asyncssh.SFTPAttrs(permissions=0o600, atime=1, mtime=2))
        await client.utime(b"/f", (1, 2))
        await client.truncate(b"/f", 2)
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await client.chmod(b"/missing", 0o600)
    found = (service.home / "f").stat()
    assert (found.st_mode & 0o777, found.st_size) == (0o644, 2)
    assert found.st_mtime > 2


@in_loop
async def test_many_clients_replace_one_file(servers: Servers) -> None:
    """At every moment it is one of theirs, and whole."""
    service = servers.start(transfers={"upload_mode": "atomic"})
    (service.home / "f").write_bytes(b"0" * 100_000)

    async def replace(letter: bytes) -> None:
        async with sftp_client(service) as client:
            for _ in range(5):
                async with client.open(b"/f", "wb") as file:
                    await file.write(letter * 100_000)

    done = asyncio.gather(*(replace(b"%d" % number) for number in range(1, 5)))
    while not done.done():
        found = (service.home / "f").read_bytes()
        assert (len(found), len(set(found))) == (100_000, 1)
        await asyncio.sleep(0)
    await done
    assert contents(service.home) == {"f": 100_000}
