"""Folders that users share: where they are, and what nobody can do to them or through them."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh import SFTPClient

from conchgo.accounts.model import Folder, VirtualFolder
from tests.interop.asyncssh_client import in_loop, sftp_client, symlink
from tests.interop.commands import rclone, sftp
from tests.interop.mount import mounted
from tests.interop.service import Servers, Service
from tests.interop.trees import snapshot

#: As sshfs tells a status FAILURE of a rename.
NOT_MOVED = r"Operation not permitted|denied"


class Team:
    """Alice and Mallory share the folder `team`; Alice has another one in it, and one behind a directory of her own."""

    def __init__(self, servers: Servers, directory: Path) -> None:
        self.directory = directory
        for name in ("team", "deep", "far"):
            (directory / name).mkdir()
            (directory / name / "file").write_text(name)
        mounts = {"team": "/team", "deep": "/team/a/deep", "far": "/v/far", "gone": "/gone"}
        folders = tuple(Folder(name, str(directory / name)) for name in ("team", "deep", "far"))
        # Its directory became a link after it was saved.
        (directory / "gone").symlink_to("/etc")
        alice = servers.user(virtual_folders=tuple(VirtualFolder(name, path) for name, path in mounts.items()))
        # Her own, where the folder has its name.
        (Path(alice.home_dir) / "gone").mkdir()
        (Path(alice.home_dir) / "gone" / "passwd").write_text("hidden")
        mallory = servers.user("mallory", virtual_folders=(VirtualFolder("team", "/"),))
        self.service = servers.start(alice, mallory, folders=(*folders, Folder("gone", str(directory / "gone"))))
        self.mallory = replace(self.service, username="mallory")
        self.home = Path(alice.home_dir)
        (self.home / "file").write_text("home")
        (self.home / "private").mkdir()
        (self.home / "private" / "key").write_text("private")

    def everything(self) -> list[Any]:
        places = (self.home, *(self.directory / name for name in ("team", "deep", "far")))
        return [snapshot(os.fsencode(place)) for place in places]


@pytest.fixture
def team(servers: Servers, tmp_path: Path) -> Team:
    return Team(servers, tmp_path)


async def read(client: SFTPClient, path: bytes) -> bytes:
    async with client.open(path, "rb") as file:
        data: bytes = await file.read()
        return data


async def write(client: SFTPClient, path: bytes, data: bytes) -> None:
    async with client.open(path, "wb") as file:
        await file.write(data)


@in_loop
async def test_folders_are_where_their_users_have_them(team: Team) -> None:
    async with sftp_client(team.service) as alice, sftp_client(team.mallory) as mallory:
        for path, content in ((b"/", b"home"), (b"/team", b"team"), (b"/team/a/deep", b"deep"), (b"/v/far", b"far")):
            assert await read(alice, path + b"/file") == content
            assert await alice.realpath(path + b"/./x/../file") == path.rstrip(b"/") + b"/file"
        listed = {entry.filename for entry in await alice.readdir(b"/")} - {b".", b".."}
        assert listed == {b"file", b"private", b"team", b"v", b"gone"}
        assert set(await alice.listdir(b"/team")) - {b".", b".."} == {b"file", b"a"}
        await write(alice, b"/team/from-alice", b"hello")
        # To Mallory the folder is everything; of Alice's others there is no more than the way.
        assert set(await mallory.listdir(b"/")) - {b".", b".."} == {b"file", b"a", b"from-alice"}
        assert await mallory.listdir(b"/a") in ([], [b".", b".."], [b"..", b"."])
        assert await read(mallory, b"/from-alice") == b"hello"
    assert not (team.directory / "home-mallory" / "from-alice").exists()


Attempt = Callable[[SFTPClient, bytes], Awaitable[Any]]

ON_MOUNT: tuple[Attempt, ...] = (
    lambda client, path: client.rmdir(path),
    lambda client, path: client.remove(path),
    lambda client, path: client.rename(path, b"/moved"),
    lambda client, path: client.posix_rename(path, b"/moved"),
    lambda client, path: client.rename(path, b"/team/moved"),
    lambda client, path: client.rename(b"/private", path),
    lambda client, path: client.posix_rename(b"/private", path),
    lambda client, path: client.posix_rename(b"/file", path),
    lambda client, path: client.mkdir(path),
    lambda client, path: client.chmod(path, 0),
    lambda client, path: client.link(path, b"/second"),
    lambda client, path: client.link(b"/file", path),
    lambda client, path: symlink(client, b"/file", path),
    lambda client, path: client.open(path, "w"),
    lambda client, path: client.truncate(path, 0),
)


@in_loop
async def test_nobody_moves_removes_or_replaces_them(team: Team) -> None:
    async with sftp_client(team.service) as alice:
        before = team.everything()
        for path in (b"/team", b"/team/a/deep", b"/v/far", b"/gone"):
            for attempt in ON_MOUNT:
                with pytest.raises(asyncssh.SFTPError):
                    await attempt(alice, path)
            with pytest.raises(asyncssh.SFTPError):
                await symlink(alice, path, b"/link")
        for path in (b"/team/a", b"/v"):
            for attempt in (*ON_MOUNT[:9], *ON_MOUNT[10:]):
                with pytest.raises(asyncssh.SFTPError):
                    await attempt(alice, path)
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await alice.rmdir(b"/team")
        with pytest.raises(asyncssh.SFTPOpUnsupported):
            await alice.rename(b"/v", b"/w")
        assert team.everything() == before
        # One more way: take it away below a name that leads there.
        await symlink(alice, b"..", b"/private/up")
        for path in (b"/private/up/team", b"/private/up/v/far", b"/private/up/v"):
            with pytest.raises(asyncssh.SFTPError):
                await alice.rename(path, b"/moved")


@in_loop
async def test_a_rename_between_storages_is_whole_and_links_between_them_are_refused(team: Team) -> None:
    async with sftp_client(team.service) as alice:
        await alice.rename(b"/file", b"/team/moved")
        assert (team.directory / "team" / "moved").read_text() == "home"
        with pytest.raises(asyncssh.SFTPFailure):
            await alice.rename(b"/team/moved", b"/v/far/file")
        await alice.posix_rename(b"/team/moved", b"/v/far/file")
        assert (team.directory / "far" / "file").read_text() == "home"
        for attempt in (
            alice.link(b"/team/file", b"/second"),
            alice.link(b"/v/far/file", b"/team/second"),
            symlink(alice, b"/team/file", b"/link"),
            symlink(alice, b"../private/key", b"/team/link"),
        ):
            with pytest.raises(asyncssh.SFTPError):
                await attempt
        await symlink(alice, b"/team/file", b"/team/link")
        assert await read(alice, b"/team/link") == b"team"


@in_loop
async def test_a_link_in_a_folder_gives_nobody_what_is_not_there(team: Team) -> None:
    """Mallory sends Alice's programs, which read and write in the folder, to what only she may see."""
    async with sftp_client(team.service) as alice, sftp_client(team.mallory) as mallory:
        targets = {
            b"absolute": b"/private/key",
            b"up": b"../private/key",
            b"through": b"dot/../../private/key",
            b"directory": b"/private",
            b"other": b"a/deep/file",
        }
        await symlink(mallory, b".", b"/dot")
        for name, target in targets.items():
            await symlink(mallory, target, b"/" + name)
        for name in targets:
            for path in (b"/team/" + name, b"/team/dot/" + name):
                for attempt in (read(alice, path), write(alice, path, b"x"), alice.stat(path), alice.listdir(path)):
                    with pytest.raises(asyncssh.SFTPPermissionDenied):
                        await attempt
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await read(alice, b"/team/directory/key")
        # Links on the disk, which the server did not make.
        (team.directory / "team" / "planted").symlink_to(os.path.relpath(team.home, team.directory / "team"))
        for client, path in ((alice, b"/team/planted"), (mallory, b"/planted")):
            with pytest.raises(asyncssh.SFTPError):
                await client.listdir(path)
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await client.readlink(path)
    assert (team.home / "private" / "key").read_text() == "private"
    assert (team.directory / "deep" / "file").read_text() == "deep"


@in_loop
async def test_a_link_of_the_home_may_lead_into_a_folder(team: Team) -> None:
    """An administrator's: over SFTP none is made."""
    (team.home / "latest").symlink_to("/team")
    (team.home / "private" / "up").symlink_to("../v/far/file")
    async with sftp_client(team.service) as alice:
        assert await read(alice, b"/latest/file") == b"team"
        assert await read(alice, b"/private/up") == b"far"
        assert await alice.realpath(b"/latest/a/deep") == b"/team/a/deep"
        with pytest.raises(asyncssh.SFTPError):
            await alice.rmdir(b"/latest/a/deep")


@in_loop
async def test_a_folder_that_cannot_be_opened_fails_alone_and_is_told(team: Team) -> None:
    async with sftp_client(team.service) as alice:
        for attempt in (alice.listdir(b"/gone"), read(alice, b"/gone/passwd"), write(alice, b"/gone/new", b"x")):
            with pytest.raises(asyncssh.SFTPFailure, match="the folder gone is not available"):
                await attempt
        assert await read(alice, b"/file") == b"home"
    (told,) = team.service.audit("mount", 1)
    assert (told["status"], told["path"]) == ("failed", "/gone")
    assert "symbolic link" in told["reason"]


def test_sftp_and_rclone_carry_trees_through_folders(team: Team, local: Path) -> None:
    (local / "tree").mkdir()
    (local / "tree" / "new").write_text("1")
    # Into a directory that is there, because it is a mount.
    (local / "team").mkdir()
    (local / "team" / "sub").write_text("2")
    sftp(team.service, f"put -r {local}/tree /v/far/", f"put -r {local}/team /", f"get -r / {local}/all")
    assert (team.directory / "far" / "tree" / "new").read_text() == "1"
    assert (team.directory / "team" / "sub").read_text() == "2"
    assert (local / "all" / "team" / "a" / "deep" / "file").read_text() == "deep"
    rclone(team.service, "copy", local / "tree", ":sftp:/team/a/deep/copied")
    assert (team.directory / "deep" / "copied" / "new").read_text() == "1"
    rclone(team.service, "moveto", ":sftp:/team/a/deep/copied/new", ":sftp:/team/moved")
    assert (team.directory / "team" / "moved").read_text() == "1"


def test_sshfs_sees_one_tree(team: Team, local: Path) -> None:
    with mounted(team.service, local / "mount") as mount:
        assert sorted(os.listdir(mount / "v")) == ["far"]
        assert (mount / "team" / "a" / "deep" / "file").read_text() == "deep"
        with pytest.raises(OSError, match=NOT_MOVED):
            (mount / "team").rename(mount / "private" / "team")
        with pytest.raises(OSError, match=NOT_MOVED):
            (mount / "v" / "far").rmdir()
        os.utime(mount / "v" / "far", (1, 2))


@in_loop
async def test_another_session_of_the_same_home_changes_nothing_of_what_is_mounted(
    servers: Servers, tmp_path: Path
) -> None:
    """Bob has Alice's home too, without folders: he may take away the directories that lead to them."""
    (tmp_path / "far").mkdir()
    alice = servers.user(virtual_folders=(VirtualFolder("far", "/v/w/far"),))
    bob = servers.user("bob", home_dir=alice.home_dir)
    service: Service = servers.start(alice, bob, folders=(Folder("far", str(tmp_path / "far")),))
    async with sftp_client(service) as one, sftp_client(replace(service, username="bob")) as other:
        await write(one, b"/v/w/far/file", b"1")
        assert await other.listdir(b"/v/w") in ([], [b".", b".."], [b"..", b"."])
        await other.rename(b"/v", b"/moved")
        await symlink(other, b"/moved", b"/v")
        await write(other, b"/moved/w/trap", b"")
        assert set(await one.listdir(b"/v")) - {b".", b".."} == {b"w"}
        assert set(await one.listdir(b"/v/w")) - {b".", b".."} == {b"far"}
        assert await read(one, b"/v/w/far/file") == b"1"
        for path in (b"/v", b"/v/w", b"/v/w/far"):
            with pytest.raises(asyncssh.SFTPError):
                await one.rename(path, b"/other")
