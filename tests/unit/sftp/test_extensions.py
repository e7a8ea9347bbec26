"""Extended requests: the wire format of each (OpenSSH PROTOCOL, section 4), and what VERSION says of them."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from conchgo.paths import VirtualPath
from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import Reader, string, uint32, uint64
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.interface import Attributes, Identity
from tests.unit.sftp.harness import (
    ME,
    Client,
    LaterRunner,
    LaterStorage,
    Reply,
    extended,
    fast_server,
    filesystem,
    generic_server,
)

READ, WRITE, CREATE = c.FXF_READ, c.FXF_WRITE, c.FXF_WRITE | c.FXF_CREAT

#: What OpenSSH's clients look for: name and version.
ADVERTISED = {
    b"posix-rename@openssh.com": b"1",
    b"statvfs@openssh.com": b"2",
    b"fstatvfs@openssh.com": b"2",
    b"hardlink@openssh.com": b"1",
    b"fsync@openssh.com": b"1",
    b"lsetstat@openssh.com": b"1",
    b"limits@openssh.com": b"1",
    b"expand-path@openssh.com": b"1",
    b"copy-data": b"1",
    b"check-file": b"1",
    b"check-file-handle": b"1",
    b"check-file-name": b"1",
    b"home-directory": b"1",
    b"users-groups-by-id@openssh.com": b"1",
}


def told(version: Reply) -> dict[bytes, bytes]:
    assert version.kind == c.FXP_VERSION
    assert version.request_id == 3
    reader, found = version.reader, {}
    while left := reader.rest():
        reader = Reader(left)
        name = reader.string()
        assert name not in found
        found[name] = reader.string()
    return found


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage(owner=(ME.uid, ME.gid))


@pytest.fixture
def client(storage: MemoryStorage) -> Client:
    return Client(fast_server(filesystem(storage, start=VirtualPath.parse(b"/home/ada"))))


def test_version_tells_of_each_extension(client: Client) -> None:
    assert told(client.version) == ADVERTISED


def test_the_generic_path_tells_of_what_it_serves() -> None:
    generic = Client(generic_server())
    assert told(generic.version) == {b"limits@openssh.com": b"1"}
    for name in ADVERTISED:
        unsupported = generic.ask(*extended(name)).kind == c.FXP_STATUS
        assert unsupported is (name != b"limits@openssh.com")


def test_what_is_advertised_is_served(client: Client) -> None:
    for name in ADVERTISED:
        reply = client.ask(*extended(name))
        assert reply.kind != c.FXP_STATUS or reply.code == c.FX_BAD_MESSAGE


@pytest.mark.parametrize("name", [b"", b"md5-hash", b"md5-hash@openssh.com", b"OPEN", b"READ", b"\xff", b"Copy-Data"])
def test_what_is_not_advertised_is_unsupported(client: Client, name: bytes) -> None:
    assert client.ask(*extended(name, string(b"/"))).code == c.FX_OP_UNSUPPORTED


def test_a_name_that_is_cut_is_a_bad_message(client: Client) -> None:
    assert client.ask(c.FXP_EXTENDED, uint32(50) + b"limits").code == c.FX_BAD_MESSAGE


def test_posix_rename_replaces(client: Client) -> None:
    client.create(b"/a", b"a")
    client.create(b"/b", b"b")
    assert client.ask(*extended(b"posix-rename@openssh.com", string(b"/a"), string(b"/b"))).code == c.FX_OK
    assert client.content(b"/b") == b"a"
    assert client.stat(b"/a").code == c.FX_NO_SUCH_FILE


def test_statvfs_and_fstatvfs(client: Client) -> None:
    client.create(b"/f", b"x")
    handle = client.open(b"/f", READ)
    for asked in (extended(b"statvfs@openssh.com", string(b"/f")), extended(b"fstatvfs@openssh.com", string(handle))):
        reply = client.ask(*asked)
        assert reply.kind == c.FXP_EXTENDED_REPLY
        block, fragment, blocks, free, available, files, *_, flag, longest = struct.unpack(">11Q", reply.body)
        assert block == fragment == 512
        assert blocks > free == available > 0
        assert files > 0
        assert (flag, longest) == (2, 255)
    assert client.ask(*extended(b"statvfs@openssh.com", string(b"/missing"))).code == c.FX_NO_SUCH_FILE
    client.ask(c.FXP_REMOVE, string(b"/f"))
    assert client.ask(*extended(b"fstatvfs@openssh.com", string(handle))).kind == c.FXP_EXTENDED_REPLY
    assert client.ask(*extended(b"fstatvfs@openssh.com", string(b"none"))).code == c.FX_FAILURE


def test_hardlink_takes_the_existing_name_first(client: Client) -> None:
    client.create(b"/f", b"x")
    assert client.ask(*extended(b"hardlink@openssh.com", string(b"/f"), string(b"/g"))).code == c.FX_OK
    handle = client.open(b"/g", WRITE)
    client.write(handle, 0, b"both")
    assert client.content(b"/f") == b"both"
    assert client.ask(*extended(b"hardlink@openssh.com", string(b"/f"), string(b"/g"))).code == c.FX_FAILURE
    assert client.ask(*extended(b"hardlink@openssh.com", string(b"/no"), string(b"/h"))).code == c.FX_NO_SUCH_FILE


def test_fsync(client: Client) -> None:
    handle = client.open(b"/f", CREATE)
    directory = client.ask(c.FXP_OPENDIR, string(b"/")).handle
    assert client.ask(*extended(b"fsync@openssh.com", string(handle))).code == c.FX_OK
    assert client.ask(*extended(b"fsync@openssh.com", string(directory))).code == c.FX_FAILURE


def test_lsetstat_changes_the_link_itself(client: Client) -> None:
    client.create(b"/f", b"x")
    client.ask(c.FXP_SYMLINK, string(b"f"), string(b"/link"))
    before = client.stat(b"/f").attributes
    changes = codec.attributes(Attributes(atime=11, mtime=12))
    assert client.ask(*extended(b"lsetstat@openssh.com", string(b"/link"), changes)).code == c.FX_OK
    found = client.ask(c.FXP_LSTAT, string(b"/link")).attributes
    assert (found.atime, found.mtime) == (11, 12)
    assert client.stat(b"/f").attributes == before


def test_limits(client: Client) -> None:
    reply = client.ask(*extended(b"limits@openssh.com"))
    assert reply.kind == c.FXP_EXTENDED_REPLY
    packet, read, write, handles = struct.unpack(">4Q", reply.body)
    assert packet == c.MAX_PACKET >= 34000
    assert read == write == c.MAX_DATA <= packet - 1024
    assert handles == c.MAX_HANDLES


def test_the_limits_are_true(client: Client) -> None:
    handle = client.open(b"/f", CREATE | READ)
    assert client.write(handle, 0, bytes(c.MAX_DATA)).code == c.FX_OK
    assert len(client.read(handle, 0, c.MAX_DATA).data) == c.MAX_DATA
    for _ in range(c.MAX_HANDLES - 1):
        client.open(b"/f", READ)
    for kind, rest in ((c.FXP_OPEN, uint32(READ) + uint32(0)), (c.FXP_OPENDIR, b"")):
        refused = client.ask(kind, string(b"/"), rest)
        assert refused.code == c.FX_FAILURE
        assert str(c.MAX_HANDLES) in refused.text
    client.close(handle)
    client.open(b"/f", READ)


def test_open_directories_have_a_limit_of_their_own(client: Client) -> None:
    handles = [client.ask(c.FXP_OPENDIR, string(b"/")).handle for _ in range(c.MAX_DIRECTORIES)]
    refused = client.ask(c.FXP_OPENDIR, string(b"/"))
    assert refused.code == c.FX_FAILURE
    assert "too many open directories" in refused.text
    client.open(b"/f", CREATE | READ)
    client.close(handles[5])
    assert client.ask(c.FXP_OPENDIR, string(b"/")).handle


@pytest.mark.parametrize(
    ("asked", "expanded"),
    [
        (b"~", b"/home/ada"),
        (b"~/x/../y", b"/home/ada/y"),
        (b"~ada", b"/home/ada"),
        (b"~ada/z", b"/home/ada/z"),
        (b"~/../../../..", b"/"),
        (b"x", b"/home/ada/x"),
        (b"/~", b"/~"),
        (b"", b"/home/ada"),
    ],
)
def test_expand_path(client: Client, asked: bytes, expanded: bytes) -> None:
    assert client.ask(*extended(b"expand-path@openssh.com", string(asked))).path == expanded


@pytest.mark.parametrize("name", [b"root", b"ADA", b"ada ", b"\xff", b"ada\0"])
def test_nobody_else_has_a_home(client: Client, name: bytes) -> None:
    assert client.ask(*extended(b"expand-path@openssh.com", string(b"~" + name + b"/x"))).code == c.FX_NO_SUCH_FILE
    assert client.ask(*extended(b"home-directory", string(name))).code == c.FX_NO_SUCH_FILE


@pytest.mark.parametrize("name", [b"", b"ada"])
def test_home_directory(client: Client, name: bytes) -> None:
    assert client.ask(*extended(b"home-directory", string(name))).path == b"/home/ada"


def names_of(reply: Reply) -> tuple[list[bytes], list[bytes]]:
    assert reply.kind == c.FXP_EXTENDED_REPLY
    outer, both = reply.reader, ([], [])
    for names in both:
        left = outer.string()
        while left:
            inner = Reader(left)
            names.append(inner.string())
            left = inner.rest()
    assert outer.rest() == b""
    return both


def ids(*numbers: int) -> bytes:
    return string(b"".join(map(uint32, numbers)))


def test_users_and_groups_are_the_sessions_own_or_empty(client: Client) -> None:
    ask = b"users-groups-by-id@openssh.com"
    reply = client.ask(*extended(ask, ids(0, ME.uid, 2**32 - 1), ids(ME.gid, 0)))
    assert names_of(reply) == ([b"", b"ada", b""], [b"ada", b""])
    assert names_of(client.ask(*extended(ask, ids(), ids()))) == ([], [])
    assert client.ask(*extended(ask, string(b"\0\0\0"), ids())).code == c.FX_BAD_MESSAGE
    assert client.ask(*extended(ask, ids(), string(b"\0\0\0\0\0"))).code == c.FX_BAD_MESSAGE


def test_one_request_for_names_does_not_make_a_reply_without_bound(storage: MemoryStorage) -> None:
    client = Client(fast_server(filesystem(storage)))
    me = Identity("a" * 255, 0, 0)
    client.engine._server.filesystem._filesystem.identity = me
    ask = b"users-groups-by-id@openssh.com"
    reply = client.ask(*extended(ask, ids(*[0] * 500), ids(*[0] * 500)))
    assert reply.kind == c.FXP_EXTENDED_REPLY
    assert len(reply.body) <= c.MAX_PACKET
    assert client.ask(*extended(ask, ids(*[0] * 65_000), ids())).code == c.FX_FAILURE
    assert client.ask(*extended(ask, ids(), ids(*[0] * 1001))).code == c.FX_FAILURE


# copy-data


def copy(source: bytes, offset: int, length: int, target: bytes, to: int) -> tuple[int, bytes]:
    return extended(b"copy-data", string(source), uint64(offset), uint64(length), string(target), uint64(to))


CONTENT = bytes(range(256)) * 10


@pytest.mark.parametrize(
    ("offset", "length", "to", "expected"),
    [
        (0, 0, 0, CONTENT),
        (10, 0, 0, CONTENT[10:]),
        (10, 20, 0, CONTENT[10:30]),
        (0, 3, 2, b"\0\0" + CONTENT[:3]),
        (0, len(CONTENT), 0, CONTENT),
        (len(CONTENT), 0, 0, b""),
        (2**64 - 1, 0, 0, b""),
    ],
)
def test_copy_data_copies_ranges(client: Client, offset: int, length: int, to: int, expected: bytes) -> None:
    client.create(b"/from", CONTENT)
    source, target = client.open(b"/from", READ), client.open(b"/to", CREATE)
    assert client.ask(*copy(source, offset, length, target, to)).code == c.FX_OK
    assert client.content(b"/to") == expected


@pytest.mark.parametrize("length", [len(CONTENT) + 1, 2**63, 2**64 - 1])
def test_copy_data_says_where_the_source_ended_early(client: Client, length: int) -> None:
    client.create(b"/from", CONTENT)
    source, target = client.open(b"/from", READ), client.open(b"/to", CREATE)
    assert client.ask(*copy(source, 0, length, target, 0)).code == c.FX_EOF
    assert client.content(b"/to") == CONTENT


@pytest.mark.parametrize("to", [2**63 - 10, 2**63, 2**64 - 1])
def test_copy_data_behind_every_file(client: Client, to: int) -> None:
    client.create(b"/from", CONTENT)
    source, target = client.open(b"/from", READ), client.open(b"/to", CREATE)
    reply = client.ask(*copy(source, 0, 0, target, to))
    assert reply.code == c.FX_FAILURE
    assert "reference" not in reply.text


def test_copy_data_over_many_steps(client: Client) -> None:
    content = bytes(range(251)) * 15_000
    client.create(b"/from", content)
    source, target = client.open(b"/from", READ), client.open(b"/to", CREATE)
    assert client.ask(*copy(source, 1, 0, target, 0)).code == c.FX_OK
    assert client.content(b"/to") == content[1:]


@pytest.mark.parametrize(
    ("offset", "length", "to", "code"),
    [(0, 5, 5, c.FX_OK), (5, 5, 0, c.FX_OK), (0, 5, 4, c.FX_FAILURE), (4, 5, 0, c.FX_FAILURE), (0, 0, 0, c.FX_FAILURE)],
)
def test_copy_data_within_one_handle(client: Client, offset: int, length: int, to: int, code: int) -> None:
    client.create(b"/f", b"0123456789")
    both = client.open(b"/f", READ | WRITE)
    assert client.ask(*copy(both, offset, length, both, to)).code == code
    expected = bytearray(b"0123456789")
    if code == c.FX_OK:
        expected[to : to + length] = expected[offset : offset + length]
    assert client.content(b"/f") == expected


def test_copy_data_to_its_own_end_by_two_handles_ends(client: Client) -> None:
    client.create(b"/f", b"0123456789")
    source, target = client.open(b"/f", READ), client.open(b"/f", WRITE)
    assert client.ask(*copy(source, 0, 0, target, 10)).code == c.FX_OK
    appending = client.open(b"/f", WRITE | c.FXF_APPEND)
    assert client.ask(*copy(source, 0, 0, appending, 0)).code == c.FX_OK
    assert client.content(b"/f") == b"0123456789" * 4


def test_copy_data_needs_both_rights_and_two_files(client: Client) -> None:
    client.create(b"/from", CONTENT)
    source, target = client.open(b"/from", READ), client.open(b"/to", CREATE)
    directory = client.ask(c.FXP_OPENDIR, string(b"/")).handle
    client.write(target, 0, b"data")
    assert client.ask(*copy(target, 0, 0, source, 0)).code == c.FX_PERMISSION_DENIED
    assert client.ask(*copy(source, 0, 0, source, 9000)).code == c.FX_PERMISSION_DENIED
    for pair in ((source, directory), (directory, target), (source, b"none"), (b"none", target)):
        assert client.ask(*copy(pair[0], 0, 0, pair[1], 0)).code == c.FX_FAILURE
    assert client.content(b"/from") == CONTENT


def open_later(client: Client, runner: LaterRunner, path: bytes, flags: int) -> bytes:
    client.send(c.FXP_OPEN, string(path), uint32(flags), uint32(0))
    runner.do_all()
    (reply,) = client.replies()
    return reply.handle


def test_a_copy_ends_with_its_client_and_leaves_nothing_open() -> None:
    storage, runner = LaterStorage(), LaterRunner()
    big = 64 * 1024 * 1024
    client = Client(fast_server(filesystem(storage), runner))
    source, target = (open_later(client, runner, path, CREATE | READ) for path in (b"/from", b"/to"))
    client.send(c.FXP_FSETSTAT, string(source), codec.attributes(Attributes(size=big)))
    runner.do_all()
    nodes = [storage._find(VirtualPath((name,))) for name in (b"from", b"to")]
    client.send(*copy(source, 0, 0, target, 0))
    for _ in range(10):
        runner.do()
    assert len(runner.jobs) == 1
    client.engine.connection_lost()
    assert [node.handles for node in nodes] == [1, 1]
    steps = 0
    while runner.jobs:
        runner.do()
        steps += 1
    assert steps <= 4
    assert [node.handles for node in nodes] == [0, 0]
    assert len(nodes[1].data) < big // 4


def test_while_a_copy_runs_its_handles_wait_and_others_read_on() -> None:
    storage, runner = LaterStorage(), LaterRunner()
    client = Client(fast_server(filesystem(storage), runner))
    source, target, other = (open_later(client, runner, path, CREATE | READ) for path in (b"/a", b"/b", b"/c"))
    client.send(c.FXP_WRITE, string(source), uint64(0), string(b"data"))
    runner.do_all()
    client.replies()
    client.send(*copy(source, 0, 0, target, 0))
    client.send(c.FXP_READ, string(other), uint64(0), uint32(10))
    assert len(runner.jobs) == 2
    client.send(c.FXP_READ, string(target), uint64(0), uint32(10))
    assert len(runner.jobs) == 2
    runner.do_all()
    copied, other_read, target_read = client.replies()
    assert (copied.code, other_read.code, target_read.data) == (c.FX_OK, c.FX_EOF, b"data")


def test_a_copy_leaves_the_reactor_between_its_parts_even_where_each_call_answers_at_once() -> None:
    """Files on tmpfs and in the page cache are read inline: a copy of gigabytes must not be."""

    class Cached(LaterStorage):
        def open(self, path: VirtualPath, **how: Any) -> Any:
            return MemoryStorage.open(self, path, **how)

    runner = LaterRunner()
    client = Client(fast_server(filesystem(Cached()), runner))
    source, target = (open_later(client, runner, path, CREATE | READ) for path in (b"/from", b"/to"))
    client.send(c.FXP_FSETSTAT, string(source), codec.attributes(Attributes(size=8 * 1024 * 1024)))
    runner.do_all()
    client.replies()
    client.send(*copy(source, 0, 0, target, 0))
    jobs = 0
    while runner.jobs:
        runner.do()
        jobs += 1
    assert jobs >= 8
    assert client.replies()[0].code == c.FX_OK
