"""File patterns: what other people's clients see of them, and what Mallory tries."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh import SFTPClient

from conchgo.accounts.model import FilePattern, Filters, Folder, VirtualFolder
from tests.interop.asyncssh_client import in_loop, sftp_client, symlink
from tests.interop.commands import rclone, scp, sftp
from tests.interop.mount import mounted
from tests.interop.service import Servers
from tests.interop.trees import snapshot

KEY = "BEGIN PRIVATE KEY"


class Site:
    """A site in a folder. Alice may do everything there; keys are hidden from Mallory, and scripts are not for him."""

    def __init__(self, servers: Servers, directory: Path) -> None:
        self.top = directory / "site"
        for path in ("www/img", "inbox/drafts", "ssl.key.d/old"):
            (self.top / path).mkdir(parents=True)
        for path in ("www/Server.KEY", "ssl.key", "ssl.key.d/chain", "ssl.key.d/old/chain", "inbox/drafts/x.key"):
            (self.top / path).write_text(KEY)
        (self.top / "www" / "index.php").write_text("script")
        (self.top / "www" / "index.html").write_text("page")
        (self.top / "inbox" / "note.txt").write_text("note")
        (self.top / "www" / "img" / "current").symlink_to("../../ssl.key")
        patterns = (
            FilePattern("/", denied_patterns=("*.key", "*.key.d"), deny_policy=1),
            FilePattern("/www", denied_patterns=("*.php", "*.ph*", ".ht*", "*.key")),
        )
        folders = (VirtualFolder("site", "/"),)
        alice = servers.user(virtual_folders=folders)
        mallory = servers.user("mallory", virtual_folders=folders, filters=Filters(file_patterns=patterns))
        self.service = servers.start(alice, mallory, folders=(Folder("site", str(self.top)),))
        self.mallory = replace(self.service, username="mallory")

    def everything(self) -> Any:
        return snapshot(os.fsencode(self.top))


@pytest.fixture
def site(servers: Servers, tmp_path: Path) -> Site:
    return Site(servers, tmp_path)


async def names(client: SFTPClient, path: bytes) -> set[bytes]:
    return set(await client.listdir(path)) - {b".", b".."}


async def read(client: SFTPClient, path: bytes) -> bytes:
    async with client.open(path, "rb") as file:
        data: bytes = await file.read()
        return data


async def write(client: SFTPClient, path: bytes) -> None:
    async with client.open(path, "wb") as file:
        await file.write(b"<?php")


async def comes_of(attempt: Awaitable[Any]) -> Any:
    try:
        return await attempt
    except asyncssh.SFTPError as error:
        return type(error), error.reason


@in_loop
async def test_the_hidden_is_not_listed_and_the_denied_is(site: Site) -> None:
    async with sftp_client(site.mallory) as mallory, sftp_client(site.service) as alice:
        assert await names(mallory, b"/") == {b"www", b"inbox"}
        assert await names(mallory, b"/inbox/drafts") == set()
        assert await names(mallory, b"/www") == {b"img", b"index.html", b"index.php", b"Server.KEY"}
        assert (await mallory.stat(b"/www/index.php")).size == 6
        assert await names(alice, b"/") == {b"www", b"inbox", b"ssl.key", b"ssl.key.d"}
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await read(mallory, b"/www/index.php")
        assert await read(alice, b"/www/index.php") == b"script"


HIDDEN = (b"/ssl.key", b"/SSL.Key", b"/inbox/../ssl.key", b"/ssl.key.d", b"/ssl.key.d/chain", b"/ssl.key.d/old/chain")


@in_loop
async def test_the_hidden_cannot_be_told_from_what_is_not_there(site: Site) -> None:
    """Whatever Mallory asks, he hears the same of Alice's keys and of keys that there are not."""
    asked: tuple[Callable[[SFTPClient, bytes], Awaitable[Any]], ...] = (
        lambda client, path: client.stat(path),
        lambda client, path: client.lstat(path),
        lambda client, path: client.listdir(path),
        lambda client, path: client.statvfs(path),
        lambda client, path: client.readlink(path),
        lambda client, path: client.remove(path),
        lambda client, path: client.rmdir(path),
        lambda client, path: client.mkdir(path),
        lambda client, path: client.chmod(path, 0o600),
        lambda client, path: client.truncate(path, 0),
        lambda client, path: client.link(path, b"/inbox/taken"),
        lambda client, path: client.link(b"/inbox/note.txt", path),
        lambda client, path: client.rename(path, b"/inbox/taken"),
        lambda client, path: client.posix_rename(path, b"/inbox/taken"),
        lambda client, path: client.rename(b"/inbox/note.txt", path),
        lambda client, path: client.posix_rename(b"/inbox/note.txt", path),
        lambda client, path: symlink(client, b"/inbox/note.txt", path),
        lambda client, path: symlink(client, path, b"/inbox/taken"),
        read,
        write,
    )
    async with sftp_client(site.mallory) as mallory:
        before = site.everything()
        paths = (*HIDDEN, b"/none.key", b"/none.key.d/x", b"/\xff.KEY")
        for ask in asked:
            told = {await comes_of(ask(mallory, path)) for path in paths}
            assert len(told) == 1, told
            ((error, reason),) = told
            assert error in (asyncssh.SFTPNoSuchFile, asyncssh.SFTPPermissionDenied)
            assert "key" not in reason
        for path in HIDDEN:
            assert await mallory.realpath(path) == path.replace(b"/inbox/..", b"")
        # What is open can be copied, and nothing hidden is open.
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await mallory.remote_copy(b"/ssl.key", b"/inbox/taken")
        assert site.everything() == before


@in_loop
async def test_links_lead_mallory_to_nothing_hidden_or_denied(site: Site) -> None:
    async with sftp_client(site.mallory) as mallory, sftp_client(site.service) as alice:
        links = {b"a.txt": b"../ssl.key", b"b.txt": b"../www/index.php", b"d": b"../ssl.key.d", b"e": b"d"}
        for name, target in links.items():
            await symlink(alice, target, b"/inbox/" + name)
        await symlink(alice, b"../inbox", b"/www/in.php")
        before = site.everything()
        for path in (b"/inbox/a.txt", b"/inbox/d", b"/inbox/d/chain", b"/inbox/e", b"/inbox/e/old/chain"):
            for attempt in (mallory.stat(path), read(mallory, path), mallory.listdir(path)):
                with pytest.raises(asyncssh.SFTPNoSuchFile):
                    await attempt
            assert await mallory.realpath(path) == path
        for path in (b"/inbox/b.txt", b"/www/in.php/note.txt", b"/www/in.php/x.php", b"/inbox/a.txt", b"/inbox/d/new"):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await write(mallory, path)
        for path in (b"/inbox/a.txt", b"/inbox/d", b"/www/img/current", b"/www/in.php"):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await mallory.readlink(path)
        assert await mallory.readlink(b"/inbox/e") == b"d"
        assert site.everything() == before


@in_loop
async def test_no_way_of_moving_places_a_script_or_uncovers_a_key(site: Site) -> None:
    async with sftp_client(site.mallory) as mallory:
        await write(mallory, b"/inbox/drafts/x.php")
        await mallory.mkdir(b"/inbox/drafts/sub")
        before = site.everything()
        for attempt in (
            mallory.rename(b"/inbox/drafts/x.php", b"/www/x.php"),
            mallory.rename(b"/inbox/drafts/x.php", b"/www/x.PHP"),
            mallory.rename(b"/inbox/drafts/x.php", b"/www/.htaccess"),
            mallory.link(b"/inbox/drafts/x.php", b"/www/x.php"),
            # The directory takes along what is in it, and what comes into it meanwhile.
            mallory.rename(b"/inbox/drafts", b"/www/drafts"),
            mallory.rename(b"/inbox/drafts/sub", b"/www/sub"),
            mallory.posix_rename(b"/inbox/drafts/sub", b"/www/img"),
            mallory.rename(b"/www/img", b"/img"),
            mallory.rename(b"/www", b"/site"),
            mallory.rename(b"/inbox/drafts", b"/www/img/drafts"),
            mallory.rename(b"/www/index.php", b"/www/index.txt"),
            mallory.rename(b"/www/Server.KEY", b"/www/server.txt"),
            mallory.link(b"/www/Server.KEY", b"/inbox/server.txt"),
            mallory.remote_copy(b"/inbox/note.txt", b"/www/x.php"),
            mallory.remote_copy(b"/www/Server.KEY", b"/inbox/taken"),
            mallory.mkdir(b"/www/d.php"),
            mallory.mkdir(b"/www/x.php/d"),
            symlink(mallory, b"../inbox/drafts/x.php", b"/www/x.php"),
        ):
            with pytest.raises((asyncssh.SFTPPermissionDenied, asyncssh.SFTPNoSuchFile)):
                await attempt
        assert site.everything() == before
        # Where the same holds, a directory moves, and what is hidden in it stays so.
        await mallory.rename(b"/inbox/drafts", b"/inbox/moved")
        assert (site.top / "inbox" / "moved" / "x.key").read_text() == KEY
        assert await names(mallory, b"/inbox/moved") == {b"x.php", b"sub"}
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await read(mallory, b"/inbox/moved/x.key")


def test_clients_carry_what_is_allowed_and_say_what_is_not(site: Site, local: Path) -> None:
    tree = local / "tree"
    tree.mkdir()
    for name in ("a.html", "b.php", "c.html"):
        (tree / name).write_text(name)
    assert b"ermission denied" in rclone(site.mallory, "copy", tree, ":sftp:/www/new", status=None)
    assert sorted(os.listdir(site.top / "www" / "new")) == ["a.html", "c.html"]
    assert b"ermission denied" in scp(site.mallory, tree / "b.php", "mallory@127.0.0.1:/www/b.php", status=None)
    (local / "all").mkdir()
    sftp(site.mallory, f"-get -r /inbox {local}/all/", f"-get -r /www {local}/all/", "ls -la /")
    taken = sorted(path.name for path in (local / "all").rglob("*") if path.is_file())
    assert taken == ["a.html", "c.html", "index.html", "note.txt"]
    assert b"ssl" not in sftp(site.mallory, "ls -laR /", "ls /ssl*", "cd /inbox", status=None)


def test_sshfs_shows_the_denied_and_misses_the_hidden(site: Site, local: Path) -> None:
    with mounted(site.mallory, local / "mount") as mount:
        assert sorted(os.listdir(mount)) == ["inbox", "www"]
        assert "index.php" in os.listdir(mount / "www")
        for path, number in (
            (mount / "www" / "index.php", errno.EACCES),
            (mount / "ssl.key", errno.ENOENT),
            (mount / "ssl.key.d" / "chain", errno.ENOENT),
        ):
            with pytest.raises(OSError) as caught:  # noqa: PT011
                path.read_text()
            assert caught.value.errno == number
