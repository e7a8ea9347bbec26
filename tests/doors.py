"""The doors: ways in for clients, the rows of what can be done there, and how each is said in the client's words.

What must come of a row for whom is in `door_table`. A new command joins by a row in COMMANDS.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncssh
from asyncssh import (
    FXF_APPEND,
    FXF_CREAT,
    FXF_EXCL,
    FXF_READ,
    FXF_TRUNC,
    FXF_WRITE,
    SFTPAttrs,
    SFTPClient,
    SSHClientConnection,
)

from conchgo.sftp import constants as c
from conchgo.sftp.codec import string, uint32, uint64
from tests.interop.asyncssh_client import Wire, connected, sftp_client, symlink, wire
from tests.interop.service import Target
from tests.permission_table import (
    CONTENT,
    DIRECTORY,
    NEW,
    OPERATIONS,
    Answer,
    Link,
    Row,
    Took,
    Tree,
    row,
)

OWNER = os.geteuid(), os.getegid()

#: How an operation is said to a client that is logged in.
Words = Mapping[str, Callable[[Any], Awaitable[Any]]]


_ALL_NEW = Took.A_FILE | Took.BYTES
_file: Tree = {b"/file": CONTENT}
_two_files: Tree = {b"/file": CONTENT, b"/other": NEW}
_directory: Tree = {b"/directory": DIRECTORY, b"/directory/inner": CONTENT}
_repository: Tree = {
    b"/repo": DIRECTORY,
    b"/repo/objects": DIRECTORY,
    b"/repo/refs": DIRECTORY,
    b"/repo/config": b"[core]\n\tbare = true\n",
    b"/repo/HEAD": b"ref: refs/heads/main\n",
}
_link: Tree = {b"/file": CONTENT, b"/link": Link(b"file")}


@dataclass(frozen=True)
class Door:
    """`rows` are what can be done there, and `words` how, by the row's name.

    `answer` says what an error of its client means, as far as it is an answer of the server.
    """

    name: str
    client: Callable[..., AbstractAsyncContextManager[Any]]
    rows: Sequence[Row]
    words: Words
    answer: Callable[[Exception], Answer]


class CommandFailed(Exception):
    """With what it says on standard error."""


async def said(door: Door, client: Any, row: Row) -> Answer:
    """What comes of it."""
    try:
        await door.words[row.name](client)
    except (asyncssh.Error, OSError, CommandFailed, Answered) as error:
        return door.answer(error)
    return Answer.DONE


# SFTP.


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


def _open(
    flags: int, use: Callable[[Any], Awaitable[Any]], path: bytes = b"file"
) -> Callable[[SFTPClient], Awaitable[Any]]:
    async def run(client: SFTPClient) -> Any:
        async with client.open(path, flags, encoding=None) as file:
            return await use(file)

    return run


def _sftp_answer(error: Exception) -> Answer:
    if isinstance(error, asyncssh.SFTPPermissionDenied):
        return Answer.REFUSED
    if isinstance(error, asyncssh.SFTPNoSuchFile):
        return Answer.MISSING
    assert isinstance(error, asyncssh.SFTPError), error
    return Answer.OVER_QUOTA if "quota exceeded" in error.reason else Answer.FAILED


#: In version 3 as the draft has it; names are relative to where the session starts.
SFTP: Words = {
    "realpath": lambda client: client.realpath(b"directory/file"),
    "stat": lambda client: client.stat(b"file"),
    "stat a directory": lambda client: client.stat(b"directory"),
    "stat through a link": lambda client: client.stat(b"link"),
    "lstat": lambda client: client.lstat(b"link"),
    "scan": lambda client: client.listdir(b"directory"),
    "readlink": lambda client: client.readlink(b"link"),
    "read": _open(FXF_READ, _read),
    "fstat": _open(FXF_READ, lambda file: file.stat()),
    "upload": _open(FXF_WRITE | FXF_CREAT | FXF_TRUNC, _write),
    "upload exclusively": _open(FXF_WRITE | FXF_CREAT | FXF_EXCL, _write),
    "upload by appending": _open(FXF_WRITE | FXF_APPEND | FXF_CREAT, _write),
    "upload and fstat": _open(FXF_WRITE | FXF_CREAT, lambda file: file.stat()),
    "upload and read back": _open(FXF_READ | FXF_WRITE | FXF_CREAT, _write_and_read),
    "create for reading": _open(FXF_READ | FXF_CREAT, _read),
    "read with leave to create": _open(FXF_READ | FXF_CREAT, _read),
    "upload through a dangling link": _open(FXF_WRITE | FXF_CREAT, _nothing, b"link"),
    "overwrite": _open(FXF_WRITE | FXF_CREAT | FXF_TRUNC, _write),
    "write without create": _open(FXF_WRITE, _write),
    "append": _open(FXF_WRITE | FXF_APPEND | FXF_CREAT, _write),
    "read and write: write": _open(FXF_READ | FXF_WRITE, _write),
    "read and write: read": _open(FXF_READ | FXF_WRITE, _read),
    "ftruncate": _open(FXF_WRITE, lambda file: file.truncate(1)),
    "fchmod": _open(FXF_READ, lambda file: file.chmod(0o600)),
    "fchown": _open(FXF_READ, lambda file: file.chown(*OWNER)),
    "futimes": _open(FXF_READ, lambda file: file.utime((1, 2))),
    "mkdir": lambda client: client.mkdir(b"new"),
    "rmdir": lambda client: client.rmdir(b"directory"),
    "remove": lambda client: client.remove(b"file"),
    "remove a link": lambda client: client.remove(b"link"),
    "rename": lambda client: client.rename(b"file", b"new"),
    "rename a link": lambda client: client.rename(b"link", b"new"),
    "rename a directory": lambda client: client.rename(b"directory", b"n"),
    "rename a full directory": lambda client: client.rename(b"directory", b"n"),
    "symlink": lambda client: symlink(client, b"file", b"link"),
    "setstat of nothing": lambda client: client.setstat(b"file", SFTPAttrs()),
    "truncate": lambda client: client.truncate(b"file", 1),
    "chmod": lambda client: client.chmod(b"file", 0o600),
    "chmod a directory": lambda client: client.chmod(b"directory", 0o700),
    "chown": lambda client: client.chown(b"file", *OWNER),
    "utimes": lambda client: client.utime(b"file", (1, 2)),
    "utimes of a directory": lambda client: client.utime(b"directory", (1, 2)),
    "chmod and utimes": lambda client: client.setstat(b"file", SFTPAttrs(permissions=0o600, atime=1, mtime=2)),
}

SFTP_EXTENSIONS: Words = {
    "rename over a file": lambda client: client.posix_rename(b"file", b"other"),
    "rename over a link": lambda client: client.posix_rename(b"other", b"link"),
    "rename over a directory": lambda client: client.posix_rename(b"directory", b"other"),
    "rename with leave to replace": lambda client: client.posix_rename(b"file", b"new"),
    "hard link": lambda client: client.link(b"file", b"new"),
    "chown a link itself": lambda client: client.chown(b"link", *OWNER, follow_symlinks=False),
    "utimes of a link itself": lambda client: client.utime(b"link", (1, 2), follow_symlinks=False),
    "space": lambda client: client.statvfs(b"file"),
    "copy-data": lambda client: client.remote_copy(b"file", b"new"),
    "copy-data over a file": lambda client: client.remote_copy(b"file", b"other"),
}

#: What is no operation of a filesystem: both files are opened, and the server copies.
_COPIES = (
    row("copy-data", "download upload", "use file, make new", _file, takes=_ALL_NEW),
    row("copy-data over a file", "download overwrite", "use file, make other", _two_files, takes=Took.BYTES),
)
SFTP_DOOR = Door("sftp", sftp_client, (*OPERATIONS, *_COPIES), {**SFTP, **SFTP_EXTENSIONS}, _sftp_answer)
#: The same through a plain Conch ISFTPServer, which has no extensions.
_IN_VERSION_3 = [operation for operation in OPERATIONS if operation.name in SFTP]
GENERIC_SFTP_DOOR = Door("generic sftp", sftp_client, _IN_VERSION_3, SFTP, _sftp_answer)


# What no client of ours asks: packets of SFTP's extensions.


class Answered(Exception):
    """With a status that is no success, and its text."""


@asynccontextmanager
async def _greeted(target: Target, **login: Any) -> AsyncIterator[Wire]:
    async with wire(target, **login) as packets:
        await packets.greet()
        yield packets


async def _check_file(packets: Wire) -> None:
    reply = await packets.ask_extended(
        b"check-file-name", string(b"file"), string(b"sha256"), uint64(0), uint64(0), uint32(0)
    )
    if reply.kind == c.FXP_STATUS:
        raise Answered(reply.code)


def _answer_of_status(error: Exception) -> Answer:
    (code,) = error.args
    return {c.FX_PERMISSION_DENIED: Answer.REFUSED, c.FX_NO_SUCH_FILE: Answer.MISSING}.get(code, Answer.FAILED)


_CHECK_FILE = row("check-file", "download", "use file", _file, writes=False)
PACKETS_DOOR = Door("sftp packets", _greeted, [_CHECK_FILE], {_CHECK_FILE.name: _check_file}, _answer_of_status)


# Commands.

#: How errors are told in words.
_WORDS = {
    "quota exceeded": Answer.OVER_QUOTA,
    "permission denied": Answer.REFUSED,
    "no such file or directory": Answer.MISSING,
}


def _answer_in_words(error: Exception) -> Answer:
    return next((answer for words, answer in _WORDS.items() if words in str(error)), Answer.FAILED)


def _command(line: str) -> Callable[[SSHClientConnection], Awaitable[Any]]:
    async def run(connection: SSHClientConnection) -> None:
        done = await connection.run(line)
        if done.returncode != 0:
            raise CommandFailed(done.stderr)

    return run


def _scp_upload(connection: SSHClientConnection) -> Awaitable[Any]:
    return _with_local(lambda directory: asyncssh.scp(f"{directory}/directory/inner", (connection, "file")))


def _scp_download(connection: SSHClientConnection) -> Awaitable[Any]:
    return _with_local(lambda directory: asyncssh.scp((connection, "file"), f"{directory}/file"))


def _scp_directory_upload(connection: SSHClientConnection) -> Awaitable[Any]:
    return _with_local(lambda local: asyncssh.scp(f"{local}/directory", (connection, "directory"), recurse=True))


def _scp_directory_download(connection: SSHClientConnection) -> Awaitable[Any]:
    return _with_local(lambda local: asyncssh.scp((connection, "directory"), f"{local}/new", recurse=True))


async def _with_local(use: Callable[[str], Awaitable[Any]]) -> None:
    """In a directory of this machine that has another one with a file."""
    with TemporaryDirectory() as local:
        inner = Path(local, "directory", "inner")
        inner.parent.mkdir()
        inner.write_bytes(NEW)
        await use(local)


def _program(line: str) -> Callable[[SSHClientConnection], Awaitable[Any]]:
    """A client of git that wants nothing of what is there."""

    async def run(connection: SSHClientConnection) -> None:
        process = await connection.create_process(line)
        with suppress(OSError):  # it may have been refused already
            process.stdin.write("0000")
            process.stdin.write_eof()
        done = await process.wait()
        if done.returncode != 0:
            raise CommandFailed(done.stderr)

    return run


COMMANDS: Sequence[tuple[Row, Callable[[SSHClientConnection], Awaitable[Any]]]] = (
    (row("checksum", "download", "use file", _file, writes=False), _command("md5sum file")),
    (row("checksum through a link", "download", "use link, use file", _link, writes=False), _command("md5sum link")),
    (row("scp -t", "upload", "put file", {}, takes=_ALL_NEW), _scp_upload),
    (row("scp -t over a file", "overwrite", "put file", _file), _scp_upload),
    (row("scp -f", "list download", "use file", _file, writes=False), _scp_download),
    (
        row("scp -t -r", "upload create_dirs", "put directory", {}, takes=_ALL_NEW, whole=False),
        _scp_directory_upload,
    ),
    (row("scp -f -r", "list download", "look directory", _directory, writes=False), _scp_directory_download),
    (
        row("copy", "copy list download upload", "take file, put new", _file, takes=_ALL_NEW),
        _command("conchgo-copy file new"),
    ),
    (
        row("copy over a file", "copy list download overwrite", "use file, put other", _two_files, takes=Took.BYTES),
        _command("conchgo-copy file other"),
    ),
    (
        row(
            "copy a directory",
            "copy list download upload create_dirs",
            "look directory, put n",
            _directory,
            takes=_ALL_NEW,
            whole=False,
        ),
        _command("conchgo-copy directory n"),
    ),
    (row("git fetch", "list download", "", _repository, writes=False), _program("git-upload-pack repo")),
    (row("remove", "list delete_files", "use file", _file), _command("conchgo-remove file")),
    (row("remove a link", "list delete_files", "use link", _link), _command("conchgo-remove link")),
    (
        row("remove a directory", "list delete_files delete_dirs", "use directory", _directory),
        _command("conchgo-remove directory"),
    ),
)
COMMANDS_DOOR = Door(
    "commands", connected, [row for row, _ in COMMANDS], {row.name: say for row, say in COMMANDS}, _answer_in_words
)

DOORS = (SFTP_DOOR, GENERIC_SFTP_DOOR, PACKETS_DOOR, COMMANDS_DOOR)
