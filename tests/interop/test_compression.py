"""zlib@openssh.com with real clients: both ways, while new keys begin new streams; and only where it is listed."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from tests.interop import paramiko_client
from tests.interop.asyncssh_client import connected, in_loop
from tests.interop.commands import sftp
from tests.interop.service import Servers, Service
from tests.interop.trees import content

ZLIB = "zlib@openssh.com"

#: Half of it compresses to nothing, so that it is more than some times `rekey_bytes` on the wire.
CONTENT = b"".join(content(20_000, number) + bytes(20_000) for number in range(50))


@pytest.fixture
def ssh() -> dict[str, object]:
    return {"compression": ["none", ZLIB], "rekey_bytes": 2**16}


def test_openssh_both_ways(service: Service, local: Path) -> None:
    (local / "file").write_bytes(CONTENT)
    options = ["-C", "-oCompression=yes", "-oLogLevel=DEBUG1", "-v"]
    output = sftp(service, f"put {local}/file /file", f"get /file {local}/back", options=options)

    assert (local / "back").read_bytes() == (service.home / "file").read_bytes() == CONTENT
    for way in (b"server->client", b"client->server"):
        lines = [line for line in output.splitlines() if b"kex: " + way in line]
        assert all(line.endswith(b"compression: " + ZLIB.encode()) for line in lines)
        assert len(lines) > 3
    assert b"Enabling compression at level" in output


@in_loop
async def test_asyncssh_both_ways(service: Service) -> None:
    async with connected(service, compression_algs=[ZLIB], rekey_bytes=100_000) as connection:
        names = {connection.get_extra_info(name) for name in ("send_compression", "recv_compression")}
        async with connection.start_sftp_client(path_encoding=None) as client:
            async with client.open(b"/file", asyncssh.FXF_WRITE | asyncssh.FXF_CREAT, encoding=None) as file:
                await file.write(CONTENT)
            async with client.open(b"/file", asyncssh.FXF_READ, encoding=None) as file:
                assert await file.read() == CONTENT
    assert names == {ZLIB}
    assert (service.home / "file").read_bytes() == CONTENT


def test_paramiko_both_ways(service: Service) -> None:
    with paramiko_client.connected(service, password=service.password, compress=True) as client:
        with client.open("/file", "wb") as file:
            file.set_pipelined()
            file.write(CONTENT)
        with client.open("/file", "rb") as file:
            file.prefetch()
            assert file.read() == CONTENT
        transport = client.get_channel().get_transport()
        assert (transport.local_compression, transport.remote_compression) == (ZLIB, ZLIB)
    assert (service.home / "file").read_bytes() == CONTENT


def test_by_default_there_is_none(servers: Servers, local: Path) -> None:
    (local / "file").write_bytes(CONTENT)
    service = servers.start()
    output = sftp(service, f"put {local}/file /file", options=["-C", "-oLogLevel=DEBUG1", "-v"])

    assert output.count(b"compression: none") == 2
    assert ZLIB.encode() not in output
