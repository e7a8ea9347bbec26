"""The generic path: an ISFTPServer that somebody else wrote, in all the ways that Conch allows."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from twisted.conch.interfaces import ISFTPFile, ISFTPServer
from twisted.conch.ssh.filetransfer import FX_FILE_ALREADY_EXISTS, SFTPError
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import string, uint32, uint64
from conchgo.sftp.conch_server import ConchServer
from conchgo.vfs.interface import Attributes
from tests.unit.sftp.harness import NO_ATTRIBUTES, Client, extended
from tests.unit.sftp.test_extensions import told

FULL = {"size": 5, "uid": 1, "gid": 2, "permissions": stat.S_IFDIR | 0o755, "atime": 3, "mtime": 4}


@implementer(ISFTPServer)
class Plugin:
    """What it is told to answer: a value, a Deferred or something to raise, by the method's name."""

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.answers = {"gotVersion": {}, **(answers or {})}
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in ISFTPServer.names():
            raise AttributeError(name)

        def call(*args: Any) -> Any:
            self.calls.append((name, *args))
            answer = self.answers.get(name)
            if callable(answer):
                answer = answer()
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call


@implementer(ISFTPFile)
class PluginFile:
    def __init__(self, content: bytes = b"", piece: int = 1000) -> None:
        self.content = content
        self.piece = piece
        self.closed = 0
        self.written: list[tuple[int, bytes]] = []

    def close(self) -> None:
        self.closed += 1

    def readChunk(self, offset: int, length: int) -> Any:
        return self.content[offset : offset + min(length, self.piece)]

    def writeChunk(self, offset: int, data: bytes) -> None:
        self.written.append((offset, data))

    def getAttrs(self) -> Any:
        return FULL

    def setAttrs(self, attrs: Mapping[str, Any]) -> Any:
        raise NotImplementedError


def client_of(**answers: Any) -> tuple[Client, Plugin]:
    plugin = Plugin(answers)
    return Client(ConchServer(plugin)), plugin


def with_file(file: Any, flags: int = c.FXF_READ) -> tuple[Client, bytes]:
    client, _ = client_of(openFile=lambda: file)
    return client, client.open(b"/f", flags)


def test_calls_are_conchs() -> None:
    client, plugin = client_of(
        getAttrs=FULL, realPath=b"/r", readLink=b"t", openDirectory=lambda: Directory([]), openFile=lambda: PluginFile()
    )
    asked = codec.attributes(Attributes(size=1, uid=2, gid=3, mode=0o644, atime=5, mtime=6))
    attrs = {"size": 1, "uid": 2, "gid": 3, "permissions": 0o644, "atime": 5, "mtime": 6}
    client.ask(c.FXP_OPEN, string(b"f"), uint32(0x1B), codec.attributes(Attributes(mode=0o600)))
    client.ask(c.FXP_OPENDIR, string(b"d"))
    client.ask(c.FXP_STAT, string(b"s"))
    client.ask(c.FXP_LSTAT, string(b"l"))
    client.ask(c.FXP_SETSTAT, string(b"s"), asked)
    client.ask(c.FXP_REMOVE, string(b"r"))
    client.ask(c.FXP_MKDIR, string(b"m"), NO_ATTRIBUTES)
    client.ask(c.FXP_RMDIR, string(b"m"))
    client.ask(c.FXP_REALPATH, string(b"."))
    client.ask(c.FXP_RENAME, string(b"old"), string(b"new"))
    client.ask(c.FXP_READLINK, string(b"l"))
    client.ask(c.FXP_SYMLINK, string(b"target"), string(b"link"))
    assert plugin.calls == [
        ("gotVersion", 3, {}),
        ("openFile", b"f", 0x1B, {"permissions": 0o600}),
        ("openDirectory", b"d"),
        ("getAttrs", b"s", True),
        ("getAttrs", b"l", False),
        ("setAttrs", b"s", attrs),
        ("removeFile", b"r"),
        ("makeDirectory", b"m", {}),
        ("removeDirectory", b"m"),
        ("realPath", b"."),
        ("renameFile", b"old", b"new"),
        ("readLink", b"l"),
        ("makeLink", b"link", b"target"),
    ]


# Errors


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SFTPError(c.FX_NO_SUCH_FILE, "gone"), c.FX_NO_SUCH_FILE, "gone"),
        (SFTPError(c.FX_PERMISSION_DENIED, "no"), c.FX_PERMISSION_DENIED, "no"),
        (SFTPError(c.FX_OP_UNSUPPORTED, "what"), c.FX_OP_UNSUPPORTED, "what"),
        (SFTPError(c.FX_EOF, "end"), c.FX_EOF, "end of file"),
        (SFTPError(c.FX_FAILURE, "broken"), c.FX_FAILURE, "broken"),
        (SFTPError(FX_FILE_ALREADY_EXISTS, "there"), c.FX_FAILURE, "there"),
        (SFTPError(c.FX_OK, "well"), c.FX_FAILURE, "well"),
        (SFTPError(c.FX_FAILURE, "bad \udcff"), c.FX_FAILURE, "bad \\udcff"),
        (SFTPError(c.FX_FAILURE, ""), c.FX_FAILURE, "failure"),
        (EOFError(), c.FX_EOF, "end of file"),
        (FileNotFoundError(2, "No", "/srv/real"), c.FX_NO_SUCH_FILE, "no such file or directory"),
        (PermissionError(13, "No", "/srv/real"), c.FX_PERMISSION_DENIED, "permission denied"),
        (FileExistsError(17, "No", "/srv/real"), c.FX_FAILURE, "file exists"),
        (NotADirectoryError(20, "No", "/srv/real"), c.FX_NO_SUCH_FILE, "not a directory"),
        (IsADirectoryError(21, "No", "/srv/real"), c.FX_FAILURE, "is a directory"),
        (NotImplementedError("/srv/real"), c.FX_OP_UNSUPPORTED, "operation unsupported"),
    ],
)
@pytest.mark.parametrize("later", [False, True])
def test_errors(error: Exception, code: int, text: str, later: bool) -> None:
    client, _ = client_of(removeFile=(lambda: fail(error)) if later else error)
    reply = client.ask(c.FXP_REMOVE, string(b"/f"))
    assert (reply.code, reply.text) == (code, text)


@pytest.mark.parametrize(
    "error", [OSError(5, "I/O error", "/srv/real"), KeyError("/srv/real"), RuntimeError("/srv/real")]
)
def test_other_errors_are_told_by_a_reference(error: Exception) -> None:
    client, _ = client_of(removeFile=error)
    reply = client.ask(c.FXP_REMOVE, string(b"/f"))
    assert reply.code == c.FX_FAILURE
    assert re.fullmatch(r"failure \(reference [0-9a-f]{8}\)", reply.text)


@pytest.mark.parametrize("answer", [None, "text", 5, object(), [1], {"permissions": "x"}])
def test_answers_that_no_reply_can_be_made_of_are_failures_and_nothing_more(answer: Any) -> None:
    client, plugin = client_of(realPath=answer, readLink=answer, getAttrs=answer, extendedRequest=answer)
    plugin.answers["gotVersion"] = {b"x@example.com": b"1"}
    client = Client(ConchServer(plugin))
    requests = [(kind, string(b"/")) for kind in (c.FXP_REALPATH, c.FXP_READLINK, c.FXP_STAT)]
    for request in (*requests, extended(b"x@example.com")):
        assert client.ask(*request).code == c.FX_FAILURE
    assert client.stream.statuses == []
    assert client.engine.outstanding == 0
    assert client.ask(c.FXP_REMOVE, string(b"/f")).code == c.FX_OK


@pytest.mark.parametrize("answer", [None, "text", 5])
def test_a_file_that_is_none_and_reads_that_are_no_bytes(answer: Any) -> None:
    client, handle = with_file(answer)
    assert client.read(handle, 0, 5).code == c.FX_FAILURE
    assert client.close(handle).code == c.FX_FAILURE
    assert client.close(handle).text == "invalid handle"
    file = PluginFile()
    file.readChunk = lambda offset, length: answer
    client, handle = with_file(file)
    assert client.read(handle, 0, 5).code in (c.FX_FAILURE, c.FX_EOF)
    client.engine.connection_lost()
    assert file.closed == 1


# Files


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_reads_are_full_though_the_file_gives_little_at_a_time(piece: int) -> None:
    client, handle = with_file(PluginFile(bytes(range(100)), piece))
    assert client.read(handle, 10, 50).data == bytes(range(10, 60))
    assert client.read(handle, 90, 50).data == bytes(range(90, 100))
    assert client.read(handle, 100, 1).code == c.FX_EOF


def test_a_file_that_gives_more_than_was_asked() -> None:
    file = PluginFile()
    file.readChunk = lambda offset, length: b"x" * (length + 5)
    client, handle = with_file(file)
    assert client.read(handle, 0, 10).data == b"x" * 10


@pytest.mark.parametrize("end", [EOFError(), SFTPError(c.FX_EOF, "")])
def test_a_file_that_raises_at_its_end(end: Exception) -> None:
    file = PluginFile(b"12345", 3)
    whole = PluginFile.readChunk

    def read(offset: int, length: int) -> Any:
        return fail(end) if offset >= 5 else succeed(whole(file, offset, length))

    file.readChunk = read
    client, handle = with_file(file)
    assert client.read(handle, 0, 100).data == b"12345"
    assert client.read(handle, 5, 100).code == c.FX_EOF


def test_a_read_that_fails_halfway_is_a_failure_and_no_short_read() -> None:
    file = PluginFile(b"12345", 3)
    whole = PluginFile.readChunk

    def read(offset: int, length: int) -> Any:
        if offset:
            raise PermissionError
        return whole(file, offset, length)

    file.readChunk = read
    client, handle = with_file(file)
    assert client.read(handle, 0, 5).code == c.FX_PERMISSION_DENIED


def test_writes_keep_their_offset_also_when_appending() -> None:
    file = PluginFile()
    client, handle = with_file(file, c.FXF_WRITE | c.FXF_APPEND)
    assert client.write(handle, 7, b"data").code == c.FX_OK
    assert file.written == [(7, b"data")]


@pytest.mark.parametrize("offset", [2**63 - 1, 2**63, 2**64 - 1])
def test_offsets_behind_every_file_are_not_asked_of_a_plugin(offset: int) -> None:
    file = PluginFile()
    asked: list[int] = []
    file.readChunk = lambda offset, length: asked.append(offset)
    client, handle = with_file(file, c.FXF_READ | c.FXF_WRITE)
    assert client.read(handle, offset, 1).code == c.FX_EOF
    assert client.write(handle, offset, b"x").code == c.FX_FAILURE
    assert (asked, file.written) == ([], [])


def test_what_a_file_cannot_do() -> None:
    client, handle = with_file(PluginFile())
    assert client.ask(c.FXP_FSETSTAT, string(handle), NO_ATTRIBUTES).code == c.FX_OP_UNSUPPORTED
    assert client.ask(*extended(b"fsync@openssh.com", string(handle))).code == c.FX_OP_UNSUPPORTED
    assert client.ask(*extended(b"copy-data", string(handle))).code == c.FX_OP_UNSUPPORTED


def test_a_file_opened_after_the_loss_is_closed() -> None:
    opening: Deferred[PluginFile] = Deferred()
    client, _ = client_of(openFile=lambda: opening)
    client.send(c.FXP_OPEN, string(b"/f"), uint32(c.FXF_READ), NO_ATTRIBUTES)
    client.engine.connection_lost()
    file = PluginFile()
    opening.callback(file)
    assert file.closed == 1


# Attributes


def test_known_attributes_are_told_with_the_files_type() -> None:
    client, _ = client_of(getAttrs=FULL)
    assert client.stat(b"/").body == codec.uint32(0xF) + uint64(5) + b"".join(
        map(uint32, (1, 2, stat.S_IFDIR | 0o755, 3, 4))
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({}, uint32(0)),
        ({"permissions": stat.S_IFDIR | 0o700}, uint32(4) + uint32(stat.S_IFDIR | 0o700)),
        ({"size": 2**40, "mtime": 5}, uint32(1) + uint64(2**40)),
        ({"atime": 1.9, "mtime": -5}, uint32(8) + uint32(1) + uint32(0)),
        ({"atime": 0, "mtime": 2**33, "ext_x": b"y"}, uint32(8) + uint32(0) + uint32(2**32 - 1)),
        ({"uid": 5}, uint32(0)),
    ],
)
def test_a_plugin_tells_what_it_knows(found: dict[str, Any], told: bytes) -> None:
    client, _ = client_of(getAttrs=found)
    assert client.stat(b"/").body == told


# Directories


class Directory:
    def __init__(self, entries: list[Any]) -> None:
        self.entries = entries
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        for entry in self.entries:
            if isinstance(entry, BaseException):
                raise entry
            yield entry

    def close(self) -> None:
        self.closed += 1


def listing(directory: Directory) -> tuple[Client, bytes]:
    client, _ = client_of(openDirectory=lambda: directory)
    return client, client.ask(c.FXP_OPENDIR, string(b"/")).handle


def test_entries_may_come_now_or_later() -> None:
    directory = Directory([(b"a", b"line a", FULL), succeed((b"b", b"line b", {})), (b"c", b"line c", FULL)])
    client, handle = listing(directory)
    names = client.ask(c.FXP_READDIR, string(handle)).names
    assert [(name, line) for name, line, _ in names] == [(b"a", b"line a"), (b"b", b"line b"), (b"c", b"line c")]
    assert client.ask(c.FXP_READDIR, string(handle)).code == c.FX_EOF
    assert client.close(handle).code == c.FX_OK
    assert directory.closed == 1


@pytest.mark.parametrize(
    "entry", [PermissionError(13, "No", "/srv"), lambda: fail(SFTPError(c.FX_PERMISSION_DENIED, "no"))]
)
def test_an_entry_that_fails_is_told_as_what_it_is(entry: Any) -> None:
    client, handle = listing(Directory([entry() if callable(entry) else entry]))
    assert client.ask(c.FXP_READDIR, string(handle)).code == c.FX_PERMISSION_DENIED


def test_a_long_listing_comes_in_pieces() -> None:
    client, handle = listing(Directory([(b"%d" % number, b"", {}) for number in range(250)]))
    counts = [len(client.ask(c.FXP_READDIR, string(handle)).names) for _ in range(3)]
    assert counts == [100, 100, 50]


# Extensions


def test_extensions_are_told_and_served() -> None:
    client, plugin = client_of(
        gotVersion={b"a@example.com": b"1", b"empty@example.com": b"", b"limits@openssh.com": b"7"},
        extendedRequest=lambda: succeed(b"reply"),
    )
    assert told(client.version) == {b"a@example.com": b"1", b"empty@example.com": b"", b"limits@openssh.com": b"7"}
    reply = client.ask(*extended(b"a@example.com", b"body"))
    assert (reply.kind, reply.body) == (c.FXP_EXTENDED_REPLY, b"reply")
    assert plugin.calls[-1] == ("extendedRequest", b"a@example.com", b"body")
    assert client.ask(*extended(b"other@example.com")).code == c.FX_OP_UNSUPPORTED


def test_an_extension_that_fails() -> None:
    client, _ = client_of(gotVersion={b"a@example.com": b"1"}, extendedRequest=NotImplementedError())
    assert client.ask(*extended(b"a@example.com")).code == c.FX_OP_UNSUPPORTED
