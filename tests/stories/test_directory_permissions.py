"""Permissions by directory, over the wire: the deepest rule decides, wherever a path leads."""

from __future__ import annotations

import os
from pathlib import Path

import asyncssh
import pytest
from asyncssh import SFTPClient

from tests.interop.asyncssh_client import in_loop, sftp_client, symlink
from tests.interop.commands import sftp
from tests.interop.service import Servers, Service
from tests.interop.starter import FAST, GENERIC

RULES = {
    "/": ("*",),
    "/read": ("list", "download"),
    "/read/write": ("*",),
    "/drop": ("upload",),
    "/none": (),
    "/users/*/private": (),
    "/users/alice/private": ("*",),
}

denied = pytest.raises(asyncssh.SFTPPermissionDenied)


@pytest.fixture(params=[FAST, GENERIC])
def ruled(request: pytest.FixtureRequest, servers: Servers) -> Service:
    service = servers.start(servers.user(permissions=RULES), path=request.param)
    for name in ("read/write", "drop", "none/below", "users/alice/private", "users/bob/private", "free"):
        (service.home / name).mkdir(parents=True)
        (service.home / name / "file").write_text(name)
    (service.home / "read" / "file").write_text("read")
    (service.home / "none" / "file").write_text("none")
    return service


async def put(client: SFTPClient, path: bytes) -> None:
    async with client.open(path, "w", encoding=None) as file:
        await file.write(b"new")


async def get(client: SFTPClient, path: bytes) -> bytes:
    async with client.open(path, "r", encoding=None) as file:
        data: bytes = await file.read()
        return data


@in_loop
async def test_the_deepest_rule_decides(ruled: Service) -> None:
    async with sftp_client(ruled) as client:
        assert await get(client, b"/read/file") == b"read"
        await put(client, b"/read/write/new")
        await put(client, b"/read/write/file")
        await put(client, b"/drop/new")
        await put(client, b"/users/alice/private/new")
        for path in (b"/read/new", b"/read/file", b"/drop/file", b"/none/new", b"/none/below/new"):
            with denied:
                await put(client, path)
        for path in (b"/drop/file", b"/none/file", b"/none/below/file", b"/users/bob/private/file"):
            with denied:
                await get(client, path)
        for path in (b"/drop", b"/none", b"/none/below", b"/users/bob/private"):
            with denied:
                await client.listdir(path)
        for change in (
            client.chmod(b"/read/file", 0o600),
            client.utime(b"/read/file", (1, 2)),
            client.truncate(b"/read/file", 1),
            client.remove(b"/read/file"),
            client.mkdir(b"/read/new"),
            client.rmdir(b"/none/below"),
            client.rename(b"/read/file", b"/free/x"),
            client.rename(b"/free/file", b"/read/x"),
            symlink(client, b"file", b"/read/link"),
            client.stat(b"/none/file"),
        ):
            with denied:
                await change


@in_loop
async def test_a_directory_does_not_move_what_may_not_move(ruled: Service) -> None:
    async with sftp_client(ruled) as client:
        for directory in (b"/none", b"/users", b"/users/bob"):
            with denied:
                await client.rename(directory, b"/free/moved")
        with denied:
            await client.rename(b"/free", b"/read/moved")
        await client.rename(b"/free", b"/moved")
        assert (ruled.home / "moved" / "file").read_text() == "free"


@in_loop
async def test_a_link_gives_no_right_that_its_target_does_not(ruled: Service) -> None:
    for name, target in {"to-none": "../none", "to-read": "/read", "to-file": "/none/file"}.items():
        (ruled.home / "free" / name).symlink_to(target)
    async with sftp_client(ruled) as client:
        assert await get(client, b"/free/to-read/file") == b"read"
        for path in (b"/free/to-none/file", b"/free/to-file"):
            with denied:
                await get(client, path)
        for path in (b"/free/to-none/new", b"/free/to-read/new", b"/free/to-file"):
            with denied:
                await put(client, path)
        with denied:
            await client.listdir(b"/free/to-none")
        # The link itself is the directory's own.
        await client.rename(b"/free/to-none", b"/free/renamed")
        assert os.readlink(ruled.home / "free" / "renamed") == "../none"
        await client.remove(b"/free/renamed")
        assert (ruled.home / "none" / "file").read_text() == "none"


@in_loop
async def test_both_directories_of_a_link_must_allow_links(ruled: Service) -> None:
    async with sftp_client(ruled) as client:
        for target, link in (
            (b"/read/file", b"/free/link"),
            (b"../none/x", b"/free/link"),
            (b"/free/x", b"/read/link"),
        ):
            with denied:
                await symlink(client, target, link)
        await symlink(client, b"../users/alice/private/file", b"/free/link")
        assert await get(client, b"/free/link") == b"users/alice/private"
        assert await client.readlink(b"/free/link") == b"../users/alice/private/file"


def test_a_client_sees_what_was_refused(ruled: Service, local: Path) -> None:
    (local / "file").write_text("new")
    output = sftp(ruled, f"-put {local}/file /read/file", f"-get /none/file {local}/x", "-ls /none", "-rm /read/file")
    assert output.lower().count(b"permission denied") == 3
    # sftp looks for the name first, and what may not be listed is not found.
    assert b'"/none/file" not found' in output
    assert sorted(os.listdir(local)) == ["file"]
