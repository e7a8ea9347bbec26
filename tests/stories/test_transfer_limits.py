"""Bandwidth and transfer quotas, as clients and their neighbours see them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import asyncssh
import pytest

from conchgo.accounts.model import BandwidthLimit, Filters
from conchgo.sftp.engine import MAX_OUTSTANDING
from tests.interop.asyncssh_client import in_loop, sftp_client
from tests.interop.commands import scp, sftp
from tests.interop.service import Servers, eventually
from tests.interop.starter import FAST, GENERIC
from tests.socket_client import SocketClient, read

KIB = 1024
MIB = 1024 * KIB
#: KB/s, bytes of a file, and of a request.
RATE, SIZE, REQUEST = 1000, 600 * KIB, 32 * KIB
#: Seconds that it takes at least: what is written last (requests that are gathered, up to 0.1 s of the rate) need not
#: be paid when it comes, and 0.1 s may be saved up.
LEAST = SIZE / (RATE * KIB) - 0.1 - 0.1


@pytest.mark.parametrize("path", [FAST, GENERIC])
@pytest.mark.parametrize("limit", ["own", "network"])
def test_a_throttled_transfer_takes_its_time(servers: Servers, local: Path, path: str, limit: str) -> None:
    network = BandwidthLimit(("127.0.0.0/8", "::1"), RATE, RATE)
    limits = {
        "own": {"upload_bandwidth": RATE, "download_bandwidth": RATE},
        "network": {"upload_bandwidth": 1, "filters": Filters(bandwidth_limits=(network,))},
    }
    service = servers.start(servers.user(**limits[limit]), path=path)
    whole = os.urandom(SIZE)
    (local / "f").write_bytes(whole)
    for command in (f"put {local / 'f'} f", f"get f {local / 'g'}"):
        began = time.monotonic()
        sftp(service, command, options=("-B", str(REQUEST)))
        assert time.monotonic() - began > LEAST
    assert (local / "g").read_bytes() == (service.home / "f").read_bytes() == whole


def test_who_waits_for_his_bandwidth_holds_nobody_up_and_leaves_nothing(servers: Servers) -> None:
    slow = servers.user("slow", upload_bandwidth=1, download_bandwidth=1)
    service = servers.start(servers.user(), slow)
    for home in (service.home, Path(slow.home_dir)):
        (home / "file").write_bytes(bytes(4 * MIB))
    with SocketClient(service.port, service.username, service.password) as neighbour:
        channel = neighbour.sftp()
        handle = neighbour.open(channel, b"/file")
        before = service.ask("left")
        clients = [SocketClient(service.port, "slow", service.password) for _ in range(8)]
        for client in clients:
            asking = client.sftp()
            mine = client.open(asking, b"/file")
            client.send(asking, b"".join(read(mine, n, n * REQUEST, REQUEST) for n in range(1, MAX_OUTSTANDING)))
        for number in range(1, 100):
            neighbour.send(channel, read(handle, number, number * REQUEST, REQUEST))
        neighbour.until(lambda: len(neighbour.replies(channel)) == 100)
        assert service.ask("left")["work"] == 0, "nobody is in a thread, or waits for one"
        for client in clients:
            client.socket.close()
        eventually(lambda: service.ask("left") == before, "all that the slow ones had is gone")


def test_a_transfer_ends_where_the_quota_does_and_the_next_is_refused(servers: Servers, local: Path) -> None:
    user = servers.user(upload_data_transfer=1, download_data_transfer=1)
    service = servers.start(user)
    (local / "large").write_bytes(bytes(MIB + 1))
    (local / "fits").write_bytes(bytes(MIB))
    (service.home / "f").write_bytes(bytes(600 * KIB))
    sftp(service, f"put {local / 'large'} large", status=None)
    assert not (service.home / "large").exists()
    scp(service, f"{service.username}@{service.host}:f", local / "f")
    sftp(service, f"get f {local / 'g'}", status=None)
    assert (local / "f").stat().st_size == 600 * KIB
    closes = [event for event in service.audit("close", 3) if event["status"] == "failed"]
    assert [event["reason"].partition(";")[0] for event in closes] == [
        f"quota exceeded: the user has no {direction} data transfer left" for direction in ("upload", "download")
    ]


@in_loop
async def test_a_total_is_of_both_directions(servers: Servers) -> None:
    service = servers.start(servers.user(total_data_transfer=1, upload_data_transfer=5))
    async with sftp_client(service) as client:
        async with client.open(b"/f", "wb") as file:
            await file.write(bytes(MIB // 2))
        async with client.open(b"/f", "rb") as file:
            assert len(await file.read()) == MIB // 2
        for mode in ("rb", "ab"):
            with pytest.raises(asyncssh.SFTPFailure, match=r"quota exceeded: the user has no (up|down)load data"):
                await client.open(b"/f", mode)
        assert (await client.stat(b"/f")).size == MIB // 2
        await client.remove(b"/f")
    async with sftp_client(service) as client:
        with pytest.raises(asyncssh.SFTPFailure, match="quota exceeded"):
            await client.open(b"/new", "wb")
        assert await client.listdir(b"/") == [b".", b".."]
