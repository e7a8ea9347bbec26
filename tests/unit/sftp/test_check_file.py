"""check-file, check-file-handle and check-file-name."""

from __future__ import annotations

import hashlib
import zlib

import pytest

from conchgo.sftp import constants as c
from conchgo.sftp.codec import string, uint32, uint64
from conchgo.vfs.hashing import HASHES
from tests.unit.sftp.harness import Client, Reply, extended, fast_server, filesystem

CONTENT = bytes(range(256)) * 40
READ, WRITE = uint32(c.FXF_READ), uint32(c.FXF_WRITE)
BY_HANDLE = [b"check-file", b"check-file-handle"]


@pytest.fixture
def client() -> Client:
    client = Client(fast_server(filesystem()))
    client.create(b"/f", CONTENT)
    return client


def ask(
    client: Client,
    name: bytes = b"check-file-name",
    what: bytes = b"/f",
    algorithms: bytes = b"sha256",
    offset: int = 0,
    length: int = 0,
    block: int = 0,
) -> Reply:
    return client.ask(*extended(name, string(what), string(algorithms), uint64(offset), uint64(length), uint32(block)))


def told(reply: Reply) -> tuple[bytes, bytes]:
    """The algorithm and the hashes."""
    assert reply.kind == c.FXP_EXTENDED_REPLY, reply
    reader = reply.reader
    assert reader.string() == b"check-file"
    return reader.string(), reader.rest()


@pytest.mark.parametrize("name", BY_HANDLE)
@pytest.mark.parametrize(
    ("offset", "length", "end"),
    [(0, 0, None), (10, 0, None), (10, 20, 30), (0, 2**63, None), (len(CONTENT), 0, None), (1, 1, 2)],
)
def test_a_part_is_hashed(client, name, offset, length, end) -> None:
    handle = client.open(b"/f", c.FXF_READ)
    reply = ask(client, name, handle, offset=offset, length=length)
    assert told(reply) == (b"sha256", hashlib.sha256(CONTENT[offset:end]).digest())


@pytest.mark.parametrize("algorithm", sorted(HASHES))
def test_every_algorithm_by_name(client, algorithm) -> None:
    expected = zlib.crc32(CONTENT).to_bytes(4, "big") if algorithm == "crc32" else None
    name, digest = told(ask(client, algorithms=algorithm.encode()))
    assert name == algorithm.encode()
    if algorithm in hashlib.algorithms_available:
        expected = hashlib.new(algorithm, CONTENT).digest()
    assert digest == (expected or digest)


def test_the_first_that_is_known_is_taken(client) -> None:
    assert told(ask(client, algorithms=b"whirlpool,sha512,md5"))[0] == b"sha512"
    for unknown in (b"", b"whirlpool", b"SHA256", b"\xff"):
        assert ask(client, algorithms=unknown).code == c.FX_OP_UNSUPPORTED


def test_blocks_are_hashed_one_by_one(client) -> None:
    blocks = [CONTENT[at : at + 4096] for at in range(0, len(CONTENT), 4096)]
    expected = b"".join(hashlib.md5(block).digest() for block in blocks)
    assert told(ask(client, algorithms=b"md5", block=4096)) == (b"md5", expected)


@pytest.mark.parametrize(("offset", "block"), [(0, 1), (0, 255), (len(CONTENT) + 1, 0), (2**64 - 1, 0)])
def test_what_makes_no_sense_is_refused(client, offset, block) -> None:
    assert ask(client, offset=offset, block=block).code == c.FX_FAILURE


def test_as_many_hashes_as_a_packet_holds(client) -> None:
    client.create(b"/large", bytes(4 * 2**20))
    assert ask(client, what=b"/large", algorithms=b"sha512", block=256).code == c.FX_FAILURE
    assert len(told(ask(client, what=b"/large", algorithms=b"sha512", block=2048))[1]) == 2048 * 64


def test_large_files_are_hashed_in_steps(client, monkeypatch) -> None:
    monkeypatch.setattr("conchgo.sftp.extensions.check_file.STEP", 1000)
    assert told(ask(client))[1] == hashlib.sha256(CONTENT).digest()


def test_only_what_may_be_read_is_hashed(client) -> None:
    handle = client.open(b"/f", c.FXF_WRITE)
    assert ask(client, b"check-file-handle", handle).code == c.FX_PERMISSION_DENIED
    assert ask(client, what=b"/missing").code == c.FX_NO_SUCH_FILE
    assert ask(client, b"check-file-handle", b"nonsense").code == c.FX_FAILURE


def test_nothing_stays_open(client) -> None:
    for what in (b"/f", b"/missing", b"/f"):
        ask(client, what=what, algorithms=b"md5" if what == b"/f" else b"none")
    assert not client.engine.busy
