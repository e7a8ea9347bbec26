"""What a user's paths mean: where a session starts, odd spellings, and homes with odd names."""

from __future__ import annotations

import os
from pathlib import Path

import asyncssh
import pytest

from conchgo.accounts.model import Filters
from tests.interop.asyncssh_client import in_loop, sftp_client
from tests.interop.commands import sftp
from tests.interop.service import Servers, Service
from tests.interop.starter import FAST, GENERIC

#: For a session that starts at /start/here: what is asked, and what it means.
SPELLINGS = {
    b"": b"/start/here",
    b".": b"/start/here",
    b"./": b"/start/here",
    b"x": b"/start/here/x",
    b"./x/../y": b"/start/here/y",
    b"..": b"/start",
    b"../..": b"/",
    b"../../..": b"/",
    b"../../../etc/passwd": b"/etc/passwd",
    b"/": b"/",
    b"//": b"/",
    b"/..": b"/",
    b"/./a/": b"/a",
    b"//a//b/": b"/a/b",
    b"/a/../../b": b"/b",
    b"..\\..": b"/start/here/..\\..",
    b"/a/...": b"/a/...",
    b"~": b"/start/here/~",
    b"\xff": b"/start/here/\xff",
    b" ": b"/start/here/ ",
}


@pytest.mark.parametrize("path", [FAST, GENERIC])
@in_loop
async def test_every_spelling_means_one_path_below_the_root(servers: Servers, path: str) -> None:
    service = servers.start(servers.user(filters=Filters(start_directory="/start/here")), path=path)
    async with sftp_client(service) as client:
        assert (service.home / "start" / "here").is_dir()
        for asked, meant in SPELLINGS.items():
            assert await client.realpath(asked) == meant, asked
        async with client.open(b"relative", "w"):
            assert os.listdir(service.home / "start" / "here") == ["relative"]
        for unusable in (b"a\0b", b"x" * 5000):
            with pytest.raises(asyncssh.SFTPFailure, match="invalid path"):
                await client.realpath(unusable)
        with pytest.raises(asyncssh.SFTPFailure, match="longer than"):
            await client.mkdir(b"x" * 256)


def test_a_session_starts_where_the_account_says(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(filters=Filters(start_directory="/start/here")))
    (local / "file").write_text("content")
    output = sftp(service, "pwd", f"put {local}/file", "cd ../../../..", "pwd", "ls")
    assert b"Remote working directory: /start/here" in output
    assert b"Remote working directory: /\n" in output
    assert (service.home / "start" / "here" / "file").read_text() == "content"


@in_loop
async def test_realpath_tells_nothing_that_may_not_be_listed(servers: Servers) -> None:
    """It answers even for users who may only upload; a link below what they can't list is not followed."""
    service = servers.start(servers.user(permissions={"/": ("list",), "/in": ("upload",)}))
    (service.home / "in").mkdir()
    (service.home / "in" / "link").symlink_to("../real")
    (service.home / "real").mkdir()
    (service.home / "seen").symlink_to("real")
    async with sftp_client(service) as client:
        assert await client.realpath(b"seen/x") == b"/real/x"
        assert await client.realpath(b"in/link/x") == b"/in/link/x"
        assert await client.realpath(b"missing/x") == b"/missing/x"


@pytest.mark.parametrize("name", ["with space", "naïve 漢字", "back\\slash", "new\nline", "*?[a]", "%username%", "-rf"])
@in_loop
async def test_a_home_may_have_any_name(servers: Servers, tmp_path: Path, name: str) -> None:
    """It is made at the first login."""
    home = tmp_path / name
    service = servers.start(servers.user(home_dir=str(home)))
    async with sftp_client(service) as client:
        async with client.open(b"/file", "w", encoding=None) as file:
            await file.write(b"content")
        assert await client.realpath(b".") == b"/"
    assert (home / "file").read_bytes() == b"content"


@in_loop
async def test_a_refused_write_at_an_offset_has_changed_nothing(service: Service) -> None:
    """Resuming: what is written behind the end leaves a gap of zeros, an offset that no file can have is refused."""
    async with sftp_client(service) as client, client.open(b"/file", "w", encoding=None) as file:
        await file.write(b"start")
        with pytest.raises(asyncssh.SFTPFailure, match="offset"):
            await file.write(b"x", 2**63 - 1)
        await file.write(b"end", 7)
    assert (service.home / "file").read_bytes() == b"start\0\0end"


@in_loop
async def test_free_space(servers: Servers) -> None:
    service = servers.start(servers.user(permissions={"/": ("*",), "/hidden": ("upload",)}))
    (service.home / "hidden" / "below").mkdir(parents=True)
    async with sftp_client(service) as client:
        assert (await client.statvfs(b"/")).blocks == os.statvfs(service.home).f_blocks
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await client.statvfs(b"/missing")
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await client.statvfs(b"/hidden/below")
