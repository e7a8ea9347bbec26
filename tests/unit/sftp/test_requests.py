"""Every request of version 3, its happy path and its errors, over a Filesystem and over an ISFTPServer."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator

import pytest

from conchgo.accounts.permissions import Permissions
from conchgo.events.bus import Bus
from conchgo.events.records import Event
from conchgo.paths import ROOT, VirtualPath
from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import string, uint32, uint64
from conchgo.sftp.requests import REQUESTS
from conchgo.storage.interface import Entry, Listing
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.interface import Attributes
from tests.unit.sftp.harness import ALL, ME, NO_ATTRIBUTES, Client, Reply, fast_server, filesystem, generic_server

READ, WRITE, CREATE = c.FXF_READ, c.FXF_WRITE, c.FXF_WRITE | c.FXF_CREAT
SERVERS = {"fast": fast_server, "generic": generic_server}


@pytest.fixture(params=SERVERS)
def path_taken(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage(owner=(ME.uid, ME.gid), clock=lambda: 1_700_000_000)


@pytest.fixture
def client(path_taken: str, storage: MemoryStorage) -> Client:
    return Client(SERVERS[path_taken](filesystem(storage)))


def ok(reply: Reply) -> None:
    assert reply.code == c.FX_OK, reply.text


def listed(client: Client, path: bytes) -> dict[bytes, tuple[bytes, Attributes]]:
    handle = client.ask(c.FXP_OPENDIR, string(path)).handle
    found = {}
    while (reply := client.ask(c.FXP_READDIR, string(handle))).kind == c.FXP_NAME:
        found.update({name: (line, attributes) for name, line, attributes in reply.names})
    assert reply.code == c.FX_EOF
    ok(client.close(handle))
    return found


# OPEN, READ, WRITE, CLOSE


def test_what_was_written_is_read(client: Client) -> None:
    handle = client.open(b"/new", CREATE | READ)
    ok(client.write(handle, 0, b"hello"))
    ok(client.write(handle, 5, b" world"))
    assert client.read(handle, 0, 100).data == b"hello world"
    assert client.read(handle, 6, 3).data == b"wor"
    ok(client.close(handle))


@pytest.mark.parametrize(("offset", "length"), [(5, 1), (5, 100), (6, 1), (2**32, 1), (0, 0), (3, 0), (9, 0)])
def test_nothing_to_read_is_the_end_of_the_file(client: Client, offset: int, length: int) -> None:
    client.create(b"/f", b"hello")
    assert client.read(client.open(b"/f", READ), offset, length).code == c.FX_EOF


def test_a_read_is_cut_to_the_limit_and_full_up_to_it(client: Client) -> None:
    client.create(b"/f", bytes(range(256)) * 1100)
    handle = client.open(b"/f", READ)
    for asked in (c.MAX_DATA, c.MAX_DATA + 1, 2**32 - 1):
        assert len(client.read(handle, 7, asked).data) == c.MAX_DATA
    assert len(client.read(handle, 256 * 1100 - 5, 2**32 - 1).data) == 5


@pytest.mark.parametrize("offset", [2**63 - 1, 2**63 - 5, 2**63, 2**64 - 1])
def test_offsets_behind_every_file(client: Client, offset: int) -> None:
    handle = client.open(b"/f", CREATE | READ)
    assert client.read(handle, offset, 10).code == c.FX_EOF
    refused = client.write(handle, offset, b"0123456789")
    assert refused.code == c.FX_FAILURE
    assert "reference" not in refused.text
    assert client.stat(b"/f").attributes.size == 0


def test_an_empty_write_is_fine(client: Client) -> None:
    handle = client.open(b"/f", CREATE)
    ok(client.write(handle, 100, b""))
    assert client.stat(b"/f").attributes.size == 0


def test_a_gap_reads_as_zeros(client: Client) -> None:
    handle = client.open(b"/f", CREATE | READ)
    ok(client.write(handle, 3, b"x"))
    assert client.read(handle, 0, 10).data == b"\0\0\0x"


def test_append_writes_at_the_end_whatever_the_offset(client: Client) -> None:
    client.create(b"/f", b"one ")
    handle = client.open(b"/f", WRITE | c.FXF_APPEND)
    ok(client.write(handle, 0, b"two "))
    ok(client.write(handle, 1000, b"three"))
    assert client.content(b"/f") == b"one two three"


def test_open_flags(client: Client) -> None:
    client.create(b"/f", b"old")
    client.close(client.open(b"/f", CREATE))
    assert client.content(b"/f") == b"old"
    client.close(client.open(b"/f", WRITE | c.FXF_TRUNC))
    assert client.content(b"/f") == b""
    refused = client.ask(c.FXP_OPEN, string(b"/f"), uint32(CREATE | c.FXF_EXCL), NO_ATTRIBUTES)
    assert refused.code == c.FX_FAILURE
    assert refused.text == "file exists"


@pytest.mark.parametrize(
    ("path", "flags", "code"),
    [
        (b"/missing", READ, c.FX_NO_SUCH_FILE),
        (b"/missing", WRITE, c.FX_NO_SUCH_FILE),
        (b"/missing/f", CREATE, c.FX_NO_SUCH_FILE),
        (b"/f/below", CREATE, c.FX_NO_SUCH_FILE),
        (b"/dir", READ, c.FX_FAILURE),
        (b"/dir", CREATE, c.FX_FAILURE),
        (b"/pipe", READ, c.FX_FAILURE),
        (b"/f", 0, c.FX_FAILURE),
        (b"/f", c.FXF_TRUNC, c.FX_FAILURE),
        (b"/a\0b", READ, c.FX_FAILURE),
        (b"/" + b"x" * 5000, READ, c.FX_FAILURE),
        (b"/" + b"x" * 300, CREATE, c.FX_FAILURE),
        (b"/loop", READ, c.FX_FAILURE),
    ],
)
def test_open_refused(client: Client, storage: MemoryStorage, path: bytes, flags: int, code: int) -> None:
    client.create(b"/f")
    ok(client.ask(c.FXP_MKDIR, string(b"/dir"), NO_ATTRIBUTES))
    storage.add_special(VirtualPath.parse(b"/pipe"))
    ok(client.ask(c.FXP_SYMLINK, string(b"/loop"), string(b"/loop")))
    reply = client.ask(c.FXP_OPEN, string(path), uint32(flags), NO_ATTRIBUTES)
    assert reply.code == code
    assert "reference" not in reply.text


def test_the_mode_of_a_new_file(client: Client) -> None:
    handle = client.open(b"/f", CREATE, codec.attributes(Attributes(mode=0o600)))
    assert client.ask(c.FXP_FSTAT, string(handle)).mode == stat.S_IFREG | 0o600


def test_a_handle_for_reading_is_not_written_and_the_other_way_round(client: Client) -> None:
    client.create(b"/f", b"data")
    assert client.write(client.open(b"/f", READ), 0, b"x").code == c.FX_PERMISSION_DENIED
    assert client.read(client.open(b"/f", WRITE), 0, 1).code == c.FX_PERMISSION_DENIED
    assert client.content(b"/f") == b"data"


@pytest.mark.parametrize("name", [b"", b"x", b"\0" * 8, b"\xff" * 8, b"y" * 70_000])
def test_handles_that_were_never_given(client: Client, name: bytes) -> None:
    for request in (
        (c.FXP_READ, string(name), uint64(0), uint32(1)),
        (c.FXP_WRITE, string(name), uint64(0), string(b"x")),
        (c.FXP_FSTAT, string(name)),
        (c.FXP_FSETSTAT, string(name), NO_ATTRIBUTES),
        (c.FXP_READDIR, string(name)),
        (c.FXP_CLOSE, string(name)),
    ):
        # A handle has 256 bytes at most (section 6.2): where it is longer, a WRITE is no WRITE.
        assert client.ask(*request).code in ((c.FX_FAILURE, c.FX_BAD_MESSAGE) if len(name) > 256 else (c.FX_FAILURE,))


def test_a_closed_handle_is_none(client: Client) -> None:
    client.create(b"/f", b"data")
    handle = client.open(b"/f", READ)
    ok(client.close(handle))
    assert client.read(handle, 0, 1).code == c.FX_FAILURE
    assert client.close(handle).code == c.FX_FAILURE
    assert client.open(b"/f", READ) != handle


def test_a_directory_handle_is_no_file_and_the_other_way_round(client: Client) -> None:
    client.create(b"/f")
    file, directory = client.open(b"/f", READ), client.ask(c.FXP_OPENDIR, string(b"/")).handle
    assert client.read(directory, 0, 1).code == c.FX_FAILURE
    assert client.write(directory, 0, b"x").code == c.FX_FAILURE
    assert client.ask(c.FXP_FSTAT, string(directory)).code == c.FX_FAILURE
    assert client.ask(c.FXP_READDIR, string(file)).code == c.FX_FAILURE
    ok(client.close(directory))
    ok(client.close(file))


# Attributes


def test_stat_lstat_and_fstat(client: Client) -> None:
    client.create(b"/f", b"12345")
    ok(client.ask(c.FXP_SYMLINK, string(b"f"), string(b"/link")))
    handle = client.open(b"/link", READ)
    for reply in (client.stat(b"/f"), client.stat(b"/link"), client.ask(c.FXP_FSTAT, string(handle))):
        assert stat.S_ISREG(reply.mode)
        found = reply.attributes
        assert (found.size, found.uid, found.gid, found.mtime) == (5, ME.uid, ME.gid, 1_700_000_000)
    assert stat.S_ISLNK(client.ask(c.FXP_LSTAT, string(b"/link")).mode)
    assert stat.S_ISDIR(client.stat(b"/").mode)
    assert client.stat(b"/missing").code == c.FX_NO_SUCH_FILE
    assert client.ask(c.FXP_LSTAT, string(b"/f/below")).code == c.FX_NO_SUCH_FILE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (Attributes(size=2), {"size": 2}),
        (Attributes(size=9), {"size": 9}),
        (Attributes(uid=5, gid=6), {"uid": 5, "gid": 6}),
        (Attributes(mode=0o711), {"mode": 0o711}),
        (Attributes(atime=1, mtime=2**32 - 1), {"atime": 1, "mtime": 2**32 - 1}),
        (Attributes(1, 2, 3, 0o600, 4, 5), {"size": 1, "uid": 2, "gid": 3, "mode": 0o600, "atime": 4, "mtime": 5}),
        (Attributes(), {"size": 5}),
    ],
)
@pytest.mark.parametrize("by_handle", [False, True])
def test_setstat_and_fsetstat(client: Client, changes: Attributes, expected: dict[str, int], by_handle: bool) -> None:
    client.create(b"/f", b"12345")
    if by_handle:
        handle = client.open(b"/f", WRITE)
        ok(client.ask(c.FXP_FSETSTAT, string(handle), codec.attributes(changes)))
    else:
        ok(client.ask(c.FXP_SETSTAT, string(b"/f"), codec.attributes(changes)))
    reply = client.stat(b"/f")
    found = reply.attributes
    assert {name: getattr(found, name) for name in expected} == expected
    assert stat.S_ISREG(reply.mode)


@pytest.mark.parametrize("changes", [Attributes(size=2**63), Attributes(size=2**64 - 1), Attributes(size=2**62)])
def test_a_size_that_no_file_can_have(client: Client, changes: Attributes) -> None:
    client.create(b"/f", b"12345")
    handle = client.open(b"/f", WRITE)
    for reply in (
        client.ask(c.FXP_SETSTAT, string(b"/f"), codec.attributes(changes)),
        client.ask(c.FXP_FSETSTAT, string(handle), codec.attributes(changes)),
    ):
        assert reply.code == c.FX_FAILURE
        assert "reference" not in reply.text
    assert client.content(b"/f") == b"12345"


def test_setstat_errors(client: Client, storage: MemoryStorage) -> None:
    client.create(b"/f")
    storage.add_special(VirtualPath.parse(b"/pipe"))
    mode, size = codec.attributes(Attributes(mode=0o600)), codec.attributes(Attributes(size=1))
    assert client.ask(c.FXP_SETSTAT, string(b"/missing"), mode).code == c.FX_NO_SUCH_FILE
    assert client.ask(c.FXP_SETSTAT, string(b"/pipe"), size).code == c.FX_FAILURE
    assert client.ask(c.FXP_FSETSTAT, string(client.open(b"/f", READ)), size).code == c.FX_PERMISSION_DENIED


# Directories


def test_a_listing_has_dots_and_entries(client: Client, path_taken: str) -> None:
    ok(client.ask(c.FXP_MKDIR, string(b"/d"), NO_ATTRIBUTES))
    client.create(b"/d/file", b"123")
    ok(client.ask(c.FXP_MKDIR, string(b"/d/sub"), NO_ATTRIBUTES))
    ok(client.ask(c.FXP_SYMLINK, string(b"file"), string(b"/d/link")))
    found = listed(client, b"/d")
    # An ISFTPServer's listing is told as it is, and Conch's own have no dots.
    dots = {b".", b".."} if path_taken == "fast" else set()
    assert set(found) == {b"file", b"sub", b"link"} | dots
    line, attributes = found[b"file"]
    assert attributes.size == 3
    assert re.fullmatch(rb"-rw-r--r--    1 ada      ada             3 [A-Z][a-z]{2} [ \d]\d  2023 file", line)
    assert found[b"sub"][0].startswith(b"drwx")
    assert found[b"link"][0].startswith(b"lrwx")
    assert all(line.startswith(b"drwx") for name, (line, _) in found.items() if name in dots)


def test_a_long_listing_streams(client: Client, storage: MemoryStorage, path_taken: str) -> None:
    names = {b"file-%05d-%s" % (number, b"x" * 200) for number in range(10_000)}
    for name in names:
        storage.mkdir(VirtualPath((name,)))
    handle = client.ask(c.FXP_OPENDIR, string(b"/")).handle
    seen: list[bytes] = []
    while (reply := client.ask(c.FXP_READDIR, string(handle))).kind == c.FXP_NAME:
        assert len(reply.body) < 100 * 1024
        assert len(reply.names) <= 100
        seen += [name for name, _, _ in reply.names]
    assert reply.code == c.FX_EOF
    assert client.ask(c.FXP_READDIR, string(handle)).code == c.FX_EOF
    assert len(seen) == len(set(seen))
    assert set(seen) - {b".", b".."} == names


class SpoiltStorage(MemoryStorage):
    """One entry can't be looked at; one has a time that no calendar knows."""

    def scan(self, path: VirtualPath) -> Listing:
        return SpoiltListing(super().scan(path))


class SpoiltListing:
    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._listing:
            yield Entry(entry.name, None) if entry.name == b"secret" else entry

    def close(self) -> None:
        self._listing.close()


@pytest.mark.parametrize("path_taken", SERVERS)
def test_one_entry_that_cannot_be_read_does_not_spoil_a_listing(path_taken: str) -> None:
    storage = SpoiltStorage()
    client = Client(SERVERS[path_taken](filesystem(storage)))
    for name in (b"before", b"secret", b"after", b"far"):
        client.create(b"/" + name)
    storage.set_attributes(VirtualPath((b"far",)), Attributes(mtime=2**62))
    found = listed(client, b"/")
    assert {b"before", b"secret", b"after", b"far"} <= set(found)
    assert found[b"secret"][1] == Attributes()
    assert found[b"secret"][0].startswith(b"?---------")
    assert found[b"far"][1].mtime == 2**32 - 1


def test_a_directory_whose_parent_cannot_be_listed_is_listed(storage: MemoryStorage) -> None:
    storage.mkdir(VirtualPath((b"d",)))
    only_below = Permissions({ROOT: set(), VirtualPath((b"d",)): {"list"}})
    events: list[Event] = []
    found = listed(Client(fast_server(filesystem(storage, only_below, bus=Bus(events.append)))), b"/d")
    assert {name: attributes for name, (_, attributes) in found.items()} == {b".": Attributes(), b"..": Attributes()}
    # Nobody asked for these two, so their attributes were refused to nobody.
    assert [(event.action, event.status) for event in events] == [("list", "ok")]


def test_opendir_errors(client: Client) -> None:
    client.create(b"/f")
    assert client.ask(c.FXP_OPENDIR, string(b"/missing")).code == c.FX_NO_SUCH_FILE
    assert client.ask(c.FXP_OPENDIR, string(b"/f")).code == c.FX_NO_SUCH_FILE


def test_mkdir_rmdir(client: Client) -> None:
    ok(client.ask(c.FXP_MKDIR, string(b"/d"), codec.attributes(Attributes(mode=0o700))))
    assert client.stat(b"/d").mode == stat.S_IFDIR | 0o700
    assert client.ask(c.FXP_MKDIR, string(b"/d"), NO_ATTRIBUTES).code == c.FX_FAILURE
    client.create(b"/d/f")
    assert client.ask(c.FXP_RMDIR, string(b"/d")).code == c.FX_FAILURE
    ok(client.ask(c.FXP_REMOVE, string(b"/d/f")))
    ok(client.ask(c.FXP_RMDIR, string(b"/d")))
    assert client.ask(c.FXP_RMDIR, string(b"/d")).code == c.FX_NO_SUCH_FILE
    assert client.ask(c.FXP_RMDIR, string(b"/")).code == c.FX_PERMISSION_DENIED


def test_remove(client: Client) -> None:
    client.create(b"/f")
    ok(client.ask(c.FXP_MKDIR, string(b"/d"), NO_ATTRIBUTES))
    ok(client.ask(c.FXP_REMOVE, string(b"/f")))
    assert client.ask(c.FXP_REMOVE, string(b"/f")).code == c.FX_NO_SUCH_FILE
    assert client.ask(c.FXP_REMOVE, string(b"/d")).code == c.FX_FAILURE
    assert stat.S_ISDIR(client.stat(b"/d").mode)


# Names


def test_rename_moves_and_never_replaces(client: Client) -> None:
    client.create(b"/a", b"a")
    client.create(b"/b", b"b")
    refused = client.ask(c.FXP_RENAME, string(b"/a"), string(b"/b"))
    assert refused.code == c.FX_FAILURE
    assert refused.text == "file exists"
    assert (client.content(b"/a"), client.content(b"/b")) == (b"a", b"b")
    ok(client.ask(c.FXP_RENAME, string(b"/a"), string(b"/c")))
    assert client.content(b"/c") == b"a"
    assert client.stat(b"/a").code == c.FX_NO_SUCH_FILE
    assert client.ask(c.FXP_RENAME, string(b"/a"), string(b"/d")).code == c.FX_NO_SUCH_FILE


def test_symlink_takes_the_target_first_as_openssh_does(client: Client) -> None:
    client.create(b"/target", b"t")
    ok(client.ask(c.FXP_SYMLINK, string(b"target"), string(b"/link")))
    assert client.content(b"/link") == b"t"
    assert client.ask(c.FXP_READLINK, string(b"/link")).path == b"target"
    assert client.ask(c.FXP_SYMLINK, string(b"x"), string(b"/link")).code == c.FX_FAILURE
    assert client.ask(c.FXP_SYMLINK, string(b""), string(b"/other")).code == c.FX_FAILURE
    assert client.ask(c.FXP_READLINK, string(b"/target")).code == c.FX_FAILURE
    assert client.ask(c.FXP_READLINK, string(b"/missing")).code == c.FX_NO_SUCH_FILE


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (b"", b"/home"),
        (b".", b"/home"),
        (b"x/../y", b"/home/y"),
        (b"/../../etc", b"/etc"),
        (b"/a//b/./c/", b"/a/b/c"),
        (b"/\xff\\\n", b"/\xff\\\n"),
    ],
)
@pytest.mark.parametrize("path_taken", SERVERS)
def test_realpath(path_taken: str, asked: bytes, told: bytes) -> None:
    client = Client(SERVERS[path_taken](filesystem(start=VirtualPath.parse(b"/home"))))
    reply = client.ask(c.FXP_REALPATH, string(asked))
    ((name, _, attributes),) = reply.names
    assert (name, attributes) == (told, Attributes())


def test_realpath_of_no_path(client: Client) -> None:
    assert client.ask(c.FXP_REALPATH, string(b"a\0")).code == c.FX_FAILURE


@pytest.mark.parametrize("name", [b"\xff\xfe", b"back\\slash", b"new\nline", b" ", b"\x1b[31m", b"..."])
def test_names_work_byte_for_byte(client: Client, name: bytes) -> None:
    client.create(b"/" + name, name)
    assert client.content(b"/" + name) == name
    assert name in listed(client, b"/")
    ok(client.ask(c.FXP_RENAME, string(b"/" + name), string(b"/" + name + b"2")))
    ok(client.ask(c.FXP_REMOVE, string(b"/" + name + b"2")))


def test_relative_paths_begin_at_the_start_directory(path_taken: str, storage: MemoryStorage) -> None:
    storage.mkdir(VirtualPath((b"home",)))
    client = Client(SERVERS[path_taken](filesystem(storage, start=VirtualPath((b"home",)))))
    client.create(b"f", b"x")
    assert client.content(b"/home/f") == b"x"


# What a packet may look like


BODIES = {
    c.FXP_OPEN: string(b"/f") + uint32(READ) + NO_ATTRIBUTES,
    c.FXP_CLOSE: string(b"h"),
    c.FXP_READ: string(b"h") + uint64(0) + uint32(1),
    c.FXP_WRITE: string(b"h") + uint64(0) + string(b"data"),
    c.FXP_LSTAT: string(b"/"),
    c.FXP_FSTAT: string(b"h"),
    c.FXP_SETSTAT: string(b"/f") + codec.attributes(Attributes(1, 2, 3, 4, 5, 6)),
    c.FXP_FSETSTAT: string(b"h") + codec.attributes(Attributes(1, 2, 3, 4, 5, 6)),
    c.FXP_OPENDIR: string(b"/"),
    c.FXP_READDIR: string(b"h"),
    c.FXP_REMOVE: string(b"/f"),
    c.FXP_MKDIR: string(b"/m") + codec.attributes(Attributes(mode=0o700)),
    c.FXP_RMDIR: string(b"/r"),
    c.FXP_REALPATH: string(b"/"),
    c.FXP_STAT: string(b"/"),
    c.FXP_RENAME: string(b"/f") + string(b"/g"),
    c.FXP_READLINK: string(b"/l"),
    c.FXP_SYMLINK: string(b"t") + string(b"/s"),
}


def test_the_table_holds_every_request_of_version_3() -> None:
    assert set(REQUESTS) == set(BODIES) == set(range(c.FXP_OPEN, c.FXP_SYMLINK + 1))


@pytest.mark.parametrize("kind", BODIES)
def test_a_request_cut_anywhere_is_a_bad_message_and_changes_nothing(client: Client, kind: int) -> None:
    client.create(b"/f", b"kept")
    body = BODIES[kind]
    before = listed(client, b"/")
    for cut in range(len(body)):
        reply = client.ask(kind, body[:cut])
        assert reply.code == c.FX_BAD_MESSAGE
    assert listed(client, b"/") == before
    assert client.stream.consumed_bytes == client.sent


@pytest.mark.parametrize("kind", [0, 21, 99, c.FXP_STATUS, c.FXP_DATA, c.FXP_EXTENDED_REPLY, 255])
def test_unknown_types_are_unsupported(client: Client, kind: int) -> None:
    assert client.ask(kind, b"whatever").code == c.FX_OP_UNSUPPORTED
    assert client.ask(kind).code == c.FX_OP_UNSUPPORTED
    assert client.stream.statuses == []


def test_a_flood_of_extended_attributes(client: Client) -> None:
    packed = uint32(c.ATTR_EXTENDED) + uint32(2**32 - 1) + (string(b"") + string(b"")) * 30_000
    assert client.ask(c.FXP_SETSTAT, string(b"/"), packed).code == c.FX_BAD_MESSAGE


# Permissions are the filesystem's matter; the engine tells them well


def test_a_refusal_is_permission_denied(path_taken: str, storage: MemoryStorage) -> None:
    owner = Client(fast_server(filesystem(storage)))
    owner.create(b"/f", b"data")
    guest = Client(SERVERS[path_taken](filesystem(storage, Permissions({ROOT: {"list"}}))))
    assert guest.ask(c.FXP_OPEN, string(b"/f"), uint32(READ), NO_ATTRIBUTES).code == c.FX_PERMISSION_DENIED
    assert guest.ask(c.FXP_OPEN, string(b"/n"), uint32(CREATE), NO_ATTRIBUTES).code == c.FX_PERMISSION_DENIED
    for kind in (c.FXP_REMOVE, c.FXP_RMDIR):
        assert guest.ask(kind, string(b"/f")).code == c.FX_PERMISSION_DENIED
    assert guest.ask(c.FXP_RENAME, string(b"/f"), string(b"/g")).code == c.FX_PERMISSION_DENIED
    assert guest.ask(c.FXP_MKDIR, string(b"/d"), NO_ATTRIBUTES).code == c.FX_PERMISSION_DENIED
    assert guest.ask(c.FXP_SYMLINK, string(b"f"), string(b"/l")).code == c.FX_PERMISSION_DENIED
    changes = codec.attributes(Attributes(mode=0))
    assert guest.ask(c.FXP_SETSTAT, string(b"/f"), changes).code == c.FX_PERMISSION_DENIED
    assert owner.content(b"/f") == b"data"


def test_who_may_only_upload_still_sees_how_his_file_grows(path_taken: str, storage: MemoryStorage) -> None:
    client = Client(SERVERS[path_taken](filesystem(storage, Permissions({ROOT: {"upload"}}))))
    handle = client.open(b"/f", CREATE | READ)
    ok(client.write(handle, 0, b"12345"))
    assert client.ask(c.FXP_FSTAT, string(handle)).attributes.size == 5
    assert client.read(handle, 0, 5).code == c.FX_PERMISSION_DENIED


def test_a_full_storage_is_told(path_taken: str) -> None:
    storage = MemoryStorage(capacity=64 * 1024)
    client = Client(SERVERS[path_taken](filesystem(storage, ALL)))
    handle = client.open(b"/f", CREATE)
    reply = client.write(handle, 0, bytes(100_000))
    assert reply.code == c.FX_FAILURE
    assert reply.text == "no space left on the storage"


def test_a_broken_storage_tells_a_reference_and_nothing_else(path_taken: str) -> None:
    class Broken(MemoryStorage):
        def mkdir(self, path: VirtualPath, mode: int = 0o777) -> None:
            raise RuntimeError("/srv/data/ada is broken")

    client = Client(SERVERS[path_taken](filesystem(Broken(), ALL)))
    reply = client.ask(c.FXP_MKDIR, string(b"/d"), NO_ATTRIBUTES)
    assert reply.code == c.FX_FAILURE
    assert re.fullmatch(r"failure \(reference [0-9a-f]{8}\)", reply.text)
    assert stat.S_ISDIR(client.stat(b"/").mode)


@pytest.mark.parametrize("size", [10, 100_000])
def test_bytes_behind_the_data_of_a_write_are_passed_over(client: Client, size: int) -> None:
    """pkg/sftp (rclone) sends its whole buffer for the last part of a file, and counts less."""
    handle = client.open(b"/f", CREATE)
    assert client.ask(c.FXP_WRITE, string(handle), uint64(0), string(b"x" * size) + b"more").code == c.FX_OK
    client.close(handle)
    assert client.content(b"/f") == b"x" * size


def test_data_that_runs_over_the_packet_is_malformed(client: Client) -> None:
    handle = client.open(b"/f", CREATE)
    assert client.ask(c.FXP_WRITE, string(handle), uint64(0), uint32(100_001), b"x" * 100_000).code == c.FX_BAD_MESSAGE
