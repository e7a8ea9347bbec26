"""Our ISFTPServer under Conch's own FileTransferServer, spoken to by Conch's own client."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from typing import Any

import pytest
from twisted.conch.interfaces import ISFTPFile, ISFTPServer
from twisted.conch.ssh.filetransfer import (
    FXF_APPEND,
    FXF_CREAT,
    FXF_EXCL,
    FXF_READ,
    FXF_TRUNC,
    FXF_WRITE,
    FileTransferClient,
    FileTransferServer,
    SFTPError,
)
from twisted.internet.defer import Deferred, fail
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from conchgo.accounts.permissions import Permissions
from conchgo.edge.pools import Inline
from conchgo.errors import Busy
from conchgo.paths import ROOT, VirtualPath
from conchgo.sftp import constants as c
from conchgo.sftp.adapter import FilesystemAdapter
from conchgo.storage.interface import Attributes
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.interface import Filesystem
from tests.unit.sftp.harness import ALL, ME, LaterRunner, filesystem
from tests.unit.sftp.test_requests import SpoiltStorage


class Conch:
    """Client and server of Conch, and between them two lists of bytes."""

    def __init__(self, files: Filesystem, runner: Any = None) -> None:
        self.adapter = FilesystemAdapter(object(), files, runner or Inline(), "ada")
        self.server = FileTransferServer(avatar=self.adapter)
        self.client = FileTransferClient()
        self._sides = [(self.server, StringTransport()), (self.client, StringTransport())]
        for side, transport in self._sides:
            side.makeConnection(transport)
        self.pump()

    def pump(self) -> None:
        (server, to_client), (client, to_server) = self._sides
        while to_client.value() or to_server.value():
            for transport, other in ((to_client, client), (to_server, server)):
                data = transport.value()
                transport.clear()
                if data:
                    other.dataReceived(data)

    def got(self, deferred: Deferred[Any]) -> Any:
        """What the client gets; raised where it is an error."""
        found: list[Any] = []
        self.pump()
        deferred.addBoth(found.append)
        (result,) = found
        if isinstance(result, Failure):
            result.raiseException()
        return result

    def refused(self, deferred: Deferred[Any]) -> SFTPError:
        with pytest.raises(SFTPError) as caught:
            self.got(deferred)
        return caught.value

    def open(self, name: bytes, flags: int, attrs: Mapping[str, int] | None = None) -> Any:
        return self.got(self.client.openFile(name, flags, attrs or {}))

    def put(self, name: bytes, content: bytes) -> None:
        file = self.open(name, FXF_WRITE | FXF_CREAT | FXF_TRUNC)
        for offset in range(0, len(content), 30_000):
            self.got(file.writeChunk(offset, content[offset : offset + 30_000]))
        self.got(file.close())

    def get(self, name: bytes) -> bytes:
        file = self.open(name, FXF_READ)
        content = b""
        try:
            while True:
                content += self.got(file.readChunk(len(content), 30_000))
        except EOFError:
            pass
        self.got(file.close())
        return content

    def names(self, path: bytes) -> list[tuple[bytes, bytes, dict[str, int]]]:
        directory = self.got(self.client.openDirectory(path))
        found: list[tuple[bytes, bytes, dict[str, int]]] = []
        try:
            while True:
                found += self.got(directory.read())
        except EOFError:
            pass
        self.got(directory.close())
        return found


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage(owner=(ME.uid, ME.gid), clock=lambda: 1_700_000_000)


@pytest.fixture
def conch(storage: MemoryStorage) -> Conch:
    return Conch(filesystem(storage))


def test_it_is_what_conch_asks_for(conch: Conch) -> None:
    verifyObject(ISFTPServer, conch.adapter)
    file = conch.adapter.openFile(b"/f", FXF_WRITE | FXF_CREAT, {}).result
    verifyObject(ISFTPFile, file)


def test_put_and_get(conch: Conch) -> None:
    content = bytes(range(256)) * 1000
    conch.put(b"/f", content)
    assert conch.get(b"/f") == content


def test_flags(conch: Conch) -> None:
    conch.put(b"/f", b"one")
    appending = conch.open(b"/f", FXF_WRITE | FXF_APPEND)
    conch.got(appending.writeChunk(0, b" two"))
    conch.got(appending.close())
    assert conch.get(b"/f") == b"one two"
    assert conch.refused(conch.client.openFile(b"/f", FXF_WRITE | FXF_CREAT | FXF_EXCL, {})).code == c.FX_FAILURE
    conch.open(b"/g", FXF_WRITE | FXF_CREAT, {"permissions": 0o600})
    assert conch.got(conch.client.getAttrs(b"/g"))["permissions"] == stat.S_IFREG | 0o600


def test_list(conch: Conch, storage: MemoryStorage) -> None:
    for number in range(600):
        storage.mkdir(VirtualPath((b"%03d" % number,)))
    conch.put(b"/file", b"123")
    found = {name: (line, attributes) for name, line, attributes in conch.names(b"/")}
    assert len(found) == 601
    line, attributes = found[b"file"]
    assert line.startswith(b"-rw-r--r--    1 ada      ada             3 Nov 1")
    assert attributes["size"] == 3


def test_a_recent_file_has_its_hour_in_a_listing() -> None:
    conch = Conch(filesystem(MemoryStorage()))
    conch.put(b"/file", b"")
    ((_, line, _),) = conch.names(b"/")
    assert b":" in line


def test_one_entry_that_cannot_be_read_does_not_spoil_a_listing() -> None:
    storage = SpoiltStorage()
    conch = Conch(filesystem(storage))
    for name in (b"/before", b"/secret", b"/far"):
        conch.put(name, b"")
    storage.set_attributes(VirtualPath((b"far",)), Attributes(mtime=2**62))
    found = {name: attributes for name, _, attributes in conch.names(b"/")}
    assert found[b"secret"] == {}
    assert found[b"far"]["mtime"] == 2**32 - 1
    assert conch.got(conch.client.getAttrs(b"/far"))["mtime"] == 2**32 - 1


def test_stat_and_setstat(conch: Conch) -> None:
    conch.put(b"/f", b"12345")
    conch.got(conch.client.makeLink(b"/link", b"f"))
    conch.got(conch.client.setAttrs(b"/f", {"permissions": 0o640, "atime": 1, "mtime": 2}))
    expected = {
        "size": 5,
        "uid": ME.uid,
        "gid": ME.gid,
        "permissions": stat.S_IFREG | 0o640,
        "atime": 1,
        "mtime": 2,
    }
    assert conch.got(conch.client.getAttrs(b"/f")) == expected
    assert conch.got(conch.client.getAttrs(b"/link", True)) == expected
    assert stat.S_ISLNK(conch.got(conch.client.getAttrs(b"/link"))["permissions"])
    assert conch.got(conch.open(b"/f", FXF_READ).getAttrs()) == expected
    conch.got(conch.client.setAttrs(b"/f", {"size": 2}))
    assert conch.get(b"/f") == b"12"
    file = conch.adapter.openFile(b"/f", FXF_WRITE, {}).result
    file.setAttrs({"size": 1})
    assert conch.get(b"/f") == b"1"


def test_names(conch: Conch) -> None:
    conch.put(b"/a", b"a")
    conch.put(b"/b", b"b")
    assert conch.refused(conch.client.renameFile(b"/a", b"/b")).code == c.FX_FAILURE
    conch.got(conch.client.renameFile(b"/a", b"/c"))
    assert (conch.get(b"/b"), conch.get(b"/c")) == (b"b", b"a")
    conch.got(conch.client.makeDirectory(b"/d", {"permissions": 0o700}))
    assert conch.got(conch.client.getAttrs(b"/d"))["permissions"] == stat.S_IFDIR | 0o700
    conch.put(b"/d/f", b"")
    assert conch.refused(conch.client.removeDirectory(b"/d")).code == c.FX_FAILURE
    conch.got(conch.client.removeFile(b"/d/f"))
    conch.got(conch.client.removeDirectory(b"/d"))
    conch.got(conch.client.makeLink(b"/link", b"c"))
    assert conch.got(conch.client.readLink(b"/link")) == "c"
    assert conch.got(conch.client.realPath(b"x/../..")) == "/"


def test_errors(conch: Conch) -> None:
    conch.put(b"/f", b"")
    missing = conch.refused(conch.client.getAttrs(b"/missing"))
    assert (missing.code, missing.message) == (c.FX_NO_SUCH_FILE, "no such file or directory")
    assert conch.refused(conch.client.openFile(b"/missing", FXF_READ, {})).code == c.FX_NO_SUCH_FILE
    assert conch.refused(conch.client.openDirectory(b"/f")).code == c.FX_NO_SUCH_FILE
    assert conch.refused(conch.client.removeFile(b"/a\0")).code == c.FX_FAILURE
    assert conch.refused(conch.open(b"/f", FXF_READ).writeChunk(0, b"x")).code == c.FX_PERMISSION_DENIED
    assert conch.refused(conch.client.openFile(b"/f", 0, {})).code == c.FX_FAILURE
    with pytest.raises(NotImplementedError):
        conch.got(conch.client.extendedRequest(b"unknown@example.com", b""))


def test_refusals(storage: MemoryStorage) -> None:
    Conch(filesystem(storage, ALL)).put(b"/f", b"data")
    guest = Conch(filesystem(storage, Permissions({ROOT: {"list"}})))
    for asked in (
        guest.client.openFile(b"/f", FXF_READ, {}),
        guest.client.removeFile(b"/f"),
        guest.client.renameFile(b"/f", b"/g"),
        guest.client.makeDirectory(b"/d", {}),
        guest.client.makeLink(b"/l", b"f"),
        guest.client.setAttrs(b"/f", {"permissions": 0}),
    ):
        assert guest.refused(asked).code == c.FX_PERMISSION_DENIED


def test_a_text_beyond_ascii_still_is_a_status() -> None:
    class Broken(MemoryStorage):
        def rmdir(self, path: VirtualPath) -> None:
            raise Busy("später \udcff")

    conch = Conch(filesystem(Broken()))
    refused = conch.refused(conch.client.removeDirectory(b"/d"))
    assert (refused.code, refused.message) == (c.FX_FAILURE, r"sp\xe4ter \udcff")


def test_an_unknown_error_tells_nothing() -> None:
    class Broken(MemoryStorage):
        def rmdir(self, path: VirtualPath) -> None:
            raise RuntimeError("/srv/real")

    conch = Conch(filesystem(Broken()))
    refused = conch.refused(conch.client.removeDirectory(b"/d"))
    assert refused.code == c.FX_FAILURE
    assert "/srv" not in str(refused.message)


def test_a_lost_client_leaves_nothing_open(conch: Conch, storage: MemoryStorage) -> None:
    conch.open(b"/f", FXF_WRITE | FXF_CREAT)
    conch.open(b"/f", FXF_READ)
    node = storage._find(VirtualPath((b"f",)))
    assert node.handles == 2
    conch.server.connectionLost(Failure(ConnectionError()))
    assert node.handles == 0


def test_closing_is_never_refused(storage: MemoryStorage) -> None:
    class Full(LaterRunner):
        def run(self, owner: str, work: Any, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
            return fail(Busy())

    adapter = FilesystemAdapter(object(), filesystem(storage), Inline(), "ada")
    file = adapter.openFile(b"/f", FXF_WRITE | FXF_CREAT, {}).result
    file._worker._runner = Full()
    file.close()
    assert storage._find(VirtualPath((b"f",))).handles == 0
