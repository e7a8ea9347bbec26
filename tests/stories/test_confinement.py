"""A user can't get out of the home, whatever links lie in it, whoever made them, and whatever the client does."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh import SFTPClient

from tests.interop.asyncssh_client import in_loop, sftp_client, symlink
from tests.interop.commands import address, lftp, rclone, scp, sftp
from tests.interop.mount import mounted
from tests.interop.service import Service
from tests.interop.trees import snapshot

SECRET = "nobody's business"

#: How sshfs says that the server refused.
REFUSED = r"No such file|denied|Input/output|not permitted"


async def _write(client: SFTPClient, path: bytes) -> None:
    async with client.open(path, "w", encoding=None) as file:
        await file.write(b"overwritten")


def _read(client: SFTPClient, path: bytes) -> Awaitable[Any]:
    return client.open(path, "r")


Attempt = Callable[[SFTPClient, bytes], Awaitable[Any]]

#: With a link to a directory that holds `secret` and `below`.
ON_DIRECTORY: tuple[Attempt, ...] = (
    lambda client, link: client.listdir(link),
    lambda client, link: client.stat(link),
    lambda client, link: client.stat(link + b"/secret"),
    lambda client, link: client.lstat(link + b"/secret"),
    lambda client, link: client.chmod(link, 0o777),
    lambda client, link: client.chmod(link + b"/secret", 0o777),
    lambda client, link: client.utime(link + b"/secret", (1, 2)),
    lambda client, link: client.truncate(link + b"/secret", 0),
    lambda client, link: client.mkdir(link + b"/new"),
    lambda client, link: client.rmdir(link + b"/below"),
    lambda client, link: client.remove(link + b"/secret"),
    lambda client, link: client.rename(link + b"/secret", b"/stolen"),
    lambda client, link: client.rename(b"/file", link + b"/new"),
    lambda client, link: symlink(client, b"/file", link + b"/new"),
    lambda client, link: _read(client, link + b"/secret"),
    lambda client, link: _write(client, link + b"/secret"),
    lambda client, link: _write(client, link + b"/new"),
)

#: With a link to a file.
ON_FILE: tuple[Attempt, ...] = (
    lambda client, link: client.stat(link),
    lambda client, link: client.truncate(link, 0),
    lambda client, link: client.chmod(link, 0o777),
    _read,
    _write,
)


class Outside:
    """What lies beside the home, and links to it within the home, as an administrator or an attack may leave them."""

    def __init__(self, service: Service, directory: Path) -> None:
        self.directory = directory / "outside"
        self.directory.mkdir()
        (self.directory / "secret").write_text(SECRET)
        (self.directory / "below").mkdir()
        home = service.home
        (home / "dir").mkdir()
        (home / "file").write_text("the user's own")
        self.to_directory = {
            "absolute": str(self.directory),
            "relative": os.path.relpath(self.directory, home),
            "dir/deeper": os.path.relpath(self.directory, home / "dir"),
            "chain": "absolute",
            "dots": "../" * 50 + str(self.directory).lstrip("/"),
            "through": "dir/deeper/below",
        }
        self.to_file = {"secret": str(self.directory / "secret"), "dangling": str(self.directory / "new")}
        for name, target in (self.to_directory | self.to_file).items():
            (home / name).symlink_to(target)
        self._before = snapshot(os.fsencode(self.directory))

    def assert_untouched(self) -> None:
        assert snapshot(os.fsencode(self.directory)) == self._before


@pytest.fixture
def outside(service: Service, tmp_path: Path) -> Outside:
    return Outside(service, tmp_path)


def assert_nothing_told(*where: Path, output: bytes = b"") -> None:
    assert SECRET.encode() not in output
    for directory in where:
        for path in directory.rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert SECRET not in path.read_text(errors="replace"), path


@in_loop
async def test_no_request_goes_through_a_link_to_the_outside(service: Service, outside: Outside) -> None:
    async with sftp_client(service) as client:
        attempts = [(name, attempt) for name in outside.to_directory for attempt in ON_DIRECTORY]
        attempts += [(name, attempt) for name in outside.to_file for attempt in ON_FILE]
        for name, attempt in attempts:
            with pytest.raises(asyncssh.SFTPError) as refusal:
                await attempt(client, b"/" + name.encode())
            assert str(outside.directory) not in str(refusal.value)
        outside.assert_untouched()
        assert sorted(os.listdir(service.home / "dir")) == ["deeper"]


@in_loop
async def test_the_same_requests_work_through_a_link_that_stays_inside(service: Service) -> None:
    async with sftp_client(service) as client:
        for number, attempt in enumerate([*ON_DIRECTORY, *ON_FILE]):
            on_directory = number < len(ON_DIRECTORY)
            directory = service.home / f"dir{number}"
            (directory / "below").mkdir(parents=True)
            (directory / "secret").write_text("the user's own")
            (service.home / "file").write_text("")
            link = service.home / f"link{number}"
            link.symlink_to(f"/{directory.name}" if on_directory else f"{directory.name}/secret")
            await attempt(client, os.fsencode(f"/{link.name}"))


@in_loop
async def test_no_answer_tells_where_a_link_to_the_outside_leads(service: Service, outside: Outside) -> None:
    async with sftp_client(service) as client:
        for name in outside.to_directory | outside.to_file:
            link = b"/" + name.encode()
            assert await client.realpath(link) == link
            assert (await client.lstat(link)).type == asyncssh.FILEXFER_TYPE_SYMLINK
            if name not in ("chain", "through"):
                with pytest.raises(asyncssh.SFTPPermissionDenied):
                    await client.readlink(link)
        assert await client.readlink(b"/chain") == b"absolute"
        for entry in await client.readdir(b"/"):
            assert os.fsencode(outside.directory) not in entry.longname


@in_loop
async def test_a_file_written_through_a_dangling_link_lands_in_the_home(service: Service, outside: Outside) -> None:
    """The target means a path of the user's own tree: there it is made, if its directory is there."""
    async with sftp_client(service) as client:
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await client.open(b"/dangling", "w")
        await client.makedirs(os.fsencode(outside.directory))
        async with client.open(b"/dangling", "w", encoding=None) as file:
            await file.write(b"inside")
        outside.assert_untouched()
        assert Path(f"{service.home}{outside.directory}/new").read_text() == "inside"


@in_loop
async def test_links_that_the_user_makes_lead_nowhere_else(service: Service, outside: Outside) -> None:
    targets = [str(outside.directory / "secret"), "../outside/secret", "../" * 50 + str(outside.directory / "secret")]
    async with sftp_client(service) as client:
        for number, target in enumerate([*targets, "/proc/self/root/etc/passwd", "/etc/passwd", "/dev/fd/0"]):
            link = b"/mine%d" % number
            await symlink(client, target.encode(), link)
            with pytest.raises(asyncssh.SFTPError):
                await client.open(link, "r")
        await client.mkdir(b"/swap")
        await symlink(client, b"swap/below", b"/later")
        await client.rmdir(b"/swap")
        await client.rename(b"/absolute", b"/swap")
        with pytest.raises(asyncssh.SFTPError):
            await client.listdir(b"/later")


def test_sftp_and_scp_bring_nothing_from_outside(service: Service, outside: Outside, local: Path) -> None:
    lines = [f"-get -r / {local}/all", "-get absolute/secret", f"-get secret {local}/x", "-ls absolute", "-cd absolute"]
    output = sftp(service, *lines, f"-put {local} relative/new", "-rm absolute/secret", "-rename secret absolute/moved")
    output += scp(service, "-r", address(service, "/"), local / "scp", status=None)
    output += scp(service, address(service, "/absolute/*"), local, status=1)
    assert_nothing_told(local, output=output)
    outside.assert_untouched()


def test_lftp_mirrors_nothing_from_outside(service: Service, outside: Outside, local: Path) -> None:
    (local / "tree").mkdir()
    (local / "tree" / "link").symlink_to(outside.directory)
    (local / "tree" / "file").symlink_to(outside.directory / "secret")
    (local / "tree" / "own").write_text("the user's own")
    lftp(service, f"mirror -R {local}/tree /up")
    assert os.readlink(service.home / "up" / "link") == str(outside.directory)
    attempts = [
        f"mirror -L / {local}/down",
        f"get /up/file -o {local}/down/file",
        f"get /up/link/secret -o {local}/down/secret",
        f"put {local}/tree/own -o /up/link/new",
        "ls /up/link/",
        "rm /up/link/secret",
        "rm -r /up/link/below",
    ]
    output = b"".join(lftp(service, line, status=1) for line in attempts)
    assert_nothing_told(local / "down", output=output)
    outside.assert_untouched()


def test_rclone_copies_nothing_from_outside(service: Service, outside: Outside, local: Path) -> None:
    (local / "tree").mkdir()
    (local / "tree" / "link").symlink_to(outside.directory)
    (local / "tree" / "own").write_text("the user's own")
    rclone(service, "copy", "--links", local / "tree", ":sftp:/up")
    rclone(service, "copy", "--copy-links", "--ignore-errors", ":sftp:/", local / "down", status=None)
    output = rclone(service, "cat", ":sftp:/absolute/secret", status=None)
    rclone(service, "sync", local / "tree", ":sftp:/relative", status=None)
    rclone(service, "purge", ":sftp:/absolute", status=None)
    assert_nothing_told(local / "down", output=output)
    outside.assert_untouched()


def test_sshfs_shows_nothing_from_outside(service: Service, outside: Outside, local: Path) -> None:
    """With follow_symlinks it is the server that follows them; without, links are the client machine's own affair."""
    with mounted(service, local / "mount", "follow_symlinks") as mount:
        for name in outside.to_directory:
            with pytest.raises(OSError, match=REFUSED):
                os.listdir(mount / name)
            with pytest.raises(OSError, match=REFUSED):
                (mount / name / "secret").read_text()
            with pytest.raises(OSError, match=REFUSED):
                (mount / name / "new").write_text("x")
        with pytest.raises(OSError, match=REFUSED):
            (mount / "secret").read_text()
        assert (mount / "file").read_text() == "the user's own"
    outside.assert_untouched()
