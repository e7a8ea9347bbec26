"""Over the wire: a user who lacks one verb is refused what needs it, with FX_PERMISSION_DENIED, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh import FXF_APPEND, FXF_CREAT, FXF_EXCL, FXF_READ, FXF_TRUNC, FXF_WRITE, SFTPAttrs, SFTPClient

from conchgo.storage.local import LocalStorage
from tests.interop.asyncssh_client import in_loop, sftp_client, symlink
from tests.interop.service import Servers
from tests.interop.starter import FAST, GENERIC
from tests.permission_table import CONTENT, NEW, OPERATIONS, SINGLE_VERBS, Operation, prepare, snapshot

OWNER = os.geteuid(), os.getegid()

#: What to do with an open file.
Use = Callable[[Any], Awaitable[Any]]


async def _nothing(file: Any) -> None:
    pass


async def _write_and_read(file: Any) -> bytes:
    await file.write(NEW)
    data: bytes = await file.read(len(NEW), 0)
    return data


def _write(file: Any) -> Awaitable[Any]:
    return file.write(NEW)


def _read(file: Any) -> Awaitable[Any]:
    return file.read(len(CONTENT), 0)


def _open(flags: int, use: Use, path: bytes = b"/file") -> Callable[[SFTPClient], Awaitable[Any]]:
    async def run(client: SFTPClient) -> Any:
        async with client.open(path, flags, encoding=None) as file:
            return await use(file)

    return run


#: The operations of the table in asyncssh's words.
WIRE: dict[str, Callable[[SFTPClient], Awaitable[Any]]] = {
    "realpath": lambda client: client.realpath(b"/directory/file"),
    "stat": lambda client: client.stat(b"/file"),
    "stat a directory": lambda client: client.stat(b"/directory"),
    "stat through a link": lambda client: client.stat(b"/link"),
    "lstat": lambda client: client.lstat(b"/link"),
    "scan": lambda client: client.listdir(b"/directory"),
    "readlink": lambda client: client.readlink(b"/link"),
    "space": lambda client: client.statvfs(b"/file"),
    "read": _open(FXF_READ, _read),
    "fstat": _open(FXF_READ, lambda file: file.stat()),
    "upload": _open(FXF_WRITE | FXF_CREAT | FXF_TRUNC, _write),
    "upload exclusively": _open(FXF_WRITE | FXF_CREAT | FXF_EXCL, _write),
    "upload by appending": _open(FXF_WRITE | FXF_APPEND | FXF_CREAT, _write),
    "upload and fstat": _open(FXF_WRITE | FXF_CREAT, lambda file: file.stat()),
    "upload and read back": _open(FXF_READ | FXF_WRITE | FXF_CREAT, _write_and_read),
    "create for reading": _open(FXF_READ | FXF_CREAT, _read),
    "read with leave to create": _open(FXF_READ | FXF_CREAT, _read),
    "upload through a dangling link": _open(FXF_WRITE | FXF_CREAT, _nothing, b"/link"),
    "overwrite": _open(FXF_WRITE | FXF_CREAT | FXF_TRUNC, _write),
    "write without create": _open(FXF_WRITE, _write),
    "append": _open(FXF_WRITE | FXF_APPEND | FXF_CREAT, _write),
    "read and write: write": _open(FXF_READ | FXF_WRITE, _write),
    "read and write: read": _open(FXF_READ | FXF_WRITE, _read),
    "ftruncate": _open(FXF_WRITE, lambda file: file.truncate(1)),
    "fchmod": _open(FXF_READ, lambda file: file.chmod(0o600)),
    "fchown": _open(FXF_READ, lambda file: file.chown(*OWNER)),
    "futimes": _open(FXF_READ, lambda file: file.utime((1, 2))),
    "mkdir": lambda client: client.mkdir(b"/new"),
    "rmdir": lambda client: client.rmdir(b"/directory"),
    "remove": lambda client: client.remove(b"/file"),
    "remove a link": lambda client: client.remove(b"/link"),
    "rename": lambda client: client.rename(b"/file", b"/new"),
    "rename a link": lambda client: client.rename(b"/link", b"/new"),
    "rename a directory": lambda client: client.rename(b"/directory", b"/n"),
    "rename a full directory": lambda client: client.rename(b"/directory", b"/n"),
    "symlink": lambda client: symlink(client, b"file", b"/link"),
    "setstat of nothing": lambda client: client.setstat(b"/file", SFTPAttrs()),
    "truncate": lambda client: client.truncate(b"/file", 1),
    "chmod": lambda client: client.chmod(b"/file", 0o600),
    "chmod a directory": lambda client: client.chmod(b"/directory", 0o700),
    "chown": lambda client: client.chown(b"/file", *OWNER),
    "utimes": lambda client: client.utime(b"/file", (1, 2)),
    "utimes of a directory": lambda client: client.utime(b"/directory", (1, 2)),
    "chmod and utimes": lambda client: client.setstat(b"/file", SFTPAttrs(permissions=0o600, atime=1, mtime=2)),
}

#: These need an extension, which the generic path lacks.
WIRE_OF_EXTENSIONS: dict[str, Callable[[SFTPClient], Awaitable[Any]]] = {
    "rename over a file": lambda client: client.posix_rename(b"/file", b"/other"),
    "rename over a link": lambda client: client.posix_rename(b"/other", b"/link"),
    "rename over a directory": lambda client: client.posix_rename(b"/directory", b"/other"),
    "rename with leave to replace": lambda client: client.posix_rename(b"/file", b"/new"),
    "hard link": lambda client: client.link(b"/file", b"/new"),
    "chown a link itself": lambda client: client.chown(b"/link", *OWNER, follow_symlinks=False),
    "utimes of a link itself": lambda client: client.utime(b"/link", (1, 2), follow_symlinks=False),
    "space": WIRE.pop("space"),
}


def _empty(directory: Path) -> None:
    """All that is in it: the server holds the directory itself."""
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


async def _check(client: SFTPClient, home: Path, operation: Operation, run: Any, *, refused: bool) -> None:
    _empty(home)
    storage = LocalStorage(os.fsencode(home))
    try:
        prepare(storage, operation.tree)
        before = snapshot(storage)
        if refused:
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await run(client)
            # What makes a file and then reads it has made it; all else changed nothing.
            assert operation.name == "upload and read back" or snapshot(storage) == before, operation.name
        else:
            await run(client)
            assert (snapshot(storage) != before) == operation.writes, operation.name
    finally:
        storage.close()


def test_every_operation_is_here() -> None:
    assert {row.name for row in OPERATIONS} == WIRE.keys() | WIRE_OF_EXTENSIONS.keys()


@pytest.mark.parametrize("path", [FAST, GENERIC])
@pytest.mark.parametrize("missing", sorted(SINGLE_VERBS))
@in_loop
async def test_a_missing_verb_blocks_its_operations_and_no_other(servers: Servers, missing: str, path: str) -> None:
    user = servers.user(permissions={"/": tuple(SINGLE_VERBS - {missing})})
    service = servers.start(user, path=path)
    wire = WIRE | WIRE_OF_EXTENSIONS if path == FAST else WIRE
    async with sftp_client(service) as client:
        for operation in OPERATIONS:
            if operation.name in wire:
                refused = missing in operation.verbs
                await _check(client, service.home, operation, wire[operation.name], refused=refused)


@in_loop
async def test_an_operation_needs_no_other_verbs_than_its_own(servers: Servers) -> None:
    """A user for each set of verbs that some operation needs, all on one server."""
    needs = sorted({tuple(sorted(row.verbs)) for row in OPERATIONS})
    # "/" must have a verb, so one that does nothing stands in for none.
    names = {verbs: f"user{number}" for number, verbs in enumerate(needs)}
    users = {verbs: servers.user(names[verbs], permissions={"/": verbs or ("copy",)}) for verbs in needs}
    service = servers.start(*users.values())
    for verbs, user in users.items():
        async with sftp_client(service, username=user.username) as client:
            for operation in OPERATIONS:
                run = (WIRE | WIRE_OF_EXTENSIONS)[operation.name]
                refused = not operation.verbs <= set(verbs)
                await _check(client, Path(user.home_dir), operation, run, refused=refused)
