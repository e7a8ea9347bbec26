"""What the operating system refuses the server, the server refuses the client: with the right status, and no more."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.checkout import checkout_environment, conchgo
from tests.interop.asyncssh_client import in_loop, sftp_client
from tests.interop.service import PASSWORD, USERNAME, Target, check_log
from tests.programs import require_program
from tests.stories.processes import running

#: root passes by the modes of files by these; without them it is held to them like everybody.
_PRIVILEGES = "-dac_override,-dac_read_search,-chown,-fowner"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


@pytest.fixture
def target(tmp_path: Path, home: Path, keys: Path) -> Iterator[Target]:
    """A server without the privileges of root."""
    ready, password = tmp_path / "ready", tmp_path / "password"
    password.write_text(PASSWORD)
    options = ["-u", USERNAME, "--password-file", password, "-g", "*", "--ready-file", ready]
    command = conchgo("portable", "-d", *map(str, [home, *options]))
    if os.geteuid() == 0:
        command = [require_program("setpriv"), f"--bounding-set={_PRIVILEGES}", *command]
    with running(command, tmp_path / "run", env=checkout_environment()) as process:
        yield Target(port=json.loads(process.wait_for(ready, "}"))["port"], keys=keys)
        check_log(process.said())


@in_loop
async def test_modes_of_files_and_directories_hold(target: Target, home: Path) -> None:
    for name in ("no-read", "no-write"):
        (home / name).write_text(name)
    for name in ("no-list", "no-enter", "no-change"):
        (home / name).mkdir()
        (home / name / "file").write_text(name)
    modes = {"no-read": 0o200, "no-write": 0o400, "no-list": 0o300, "no-enter": 0o600, "no-change": 0o500}
    for name, mode in modes.items():
        (home / name).chmod(mode)
    denied = pytest.raises(asyncssh.SFTPPermissionDenied)
    async with sftp_client(target) as client:
        for refused in (
            client.open(b"/no-read", "r"),
            client.open(b"/no-write", "w"),
            client.open(b"/no-change/new", "w"),
            client.listdir(b"/no-list"),
            client.stat(b"/no-enter/file"),
            client.open(b"/no-enter/file", "r"),
            client.mkdir(b"/no-change/new"),
            client.remove(b"/no-change/file"),
            client.rename(b"/no-change/file", b"/moved"),
            client.posix_rename(b"/no-read", b"/no-change/file"),
            client.chown(b"/no-read", 4_000_000, 4_000_000),
        ):
            with denied as refusal:
                await refused
            assert str(home) not in str(refusal.value)
        # One entry that can't be looked at spoils no listing.
        assert b"file" in await client.listdir(b"/no-enter")
        assert await client.stat(b"/no-list/file") is not None
        assert (home / "no-write").read_text() == "no-write"
    for name in ("no-list", "no-enter", "no-change"):
        (home / name).chmod(0o700)


@in_loop
async def test_fifos_sockets_and_devices_are_never_opened(target: Target, home: Path) -> None:
    os.mkfifo(home / "fifo")
    async with sftp_client(target) as client:
        for mode in ("r", "w", "a", "r+"):
            with pytest.raises(asyncssh.SFTPFailure):
                await client.open(b"/fifo", mode)
        with pytest.raises(asyncssh.SFTPFailure):
            await client.truncate(b"/fifo", 0)
        assert (await client.stat(b"/fifo")).type == asyncssh.FILEXFER_TYPE_FIFO
        await client.chmod(b"/fifo", 0o600)
        await client.rename(b"/fifo", b"/moved")
        await client.remove(b"/moved")
    assert os.listdir(home) == []
