"""New keys in the middle of transfers, asked for by the server, by the client, by both: every byte is the same.

Commands' input and output, and all combinations with key exchanges, are in `tests/unit/ssh/test_clients.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conchgo.ssh.algorithms import ALGORITHM_SETS
from conchgo.ssh.ciphers import needs_mac
from tests.interop.asyncssh_client import in_loop, sftp_client
from tests.interop.commands import address, scp, sftp
from tests.interop.service import Servers, Service
from tests.interop.starter import FAST, GENERIC
from tests.interop.trees import KIB, content

DATA = content(KIB * KIB + 7)

#: By who asks for new keys: the server's configuration, and the client's number of bytes.
WHO: Mapping[str, tuple[Mapping[str, int], int]] = {
    "server": ({"rekey_bytes": 2**16}, 2**30),
    "client": ({}, 100_000),
    "both": ({"rekey_bytes": 2**16}, 2**16),
}
#: How often keys change at least in one direction's transfer, the first time not counted.
OFTEN = 2

_SET = ALGORITHM_SETS["compatible"]
#: Every cipher with every MAC, where it needs one.
CIPHERS = [
    (cipher.decode(), mac.decode())
    for cipher in _SET.ciphers
    for mac in (_SET.macs if needs_mac(cipher) else (b"umac-64@openssh.com",))
]


def with_sftp(service: Service, local: Path, cipher: str, mac: str, limit: int) -> int:
    """Up and down; how often keys changed."""
    options = ["-v", "-oLogLevel=DEBUG1", f"-oRekeyLimit={limit}", f"-oCiphers={cipher}", f"-oMACs={mac}"]
    output = sftp(service, f"put {local}/file /file", f"get /file {local}/back", options=options)
    return output.count(b"SSH2_MSG_NEWKEYS received")


def with_scp(service: Service, local: Path, cipher: str, mac: str, limit: int) -> int:
    options = ["-v", "-oLogLevel=DEBUG1", f"-oRekeyLimit={limit}", f"-oCiphers={cipher}", f"-oMACs={mac}"]
    up = scp(service, *options, local / "file", address(service, "/file"))
    down = scp(service, *options, address(service, "/file"), local / "back")
    return min(output.count(b"SSH2_MSG_NEWKEYS received") for output in (up, down))


def with_asyncssh(service: Service, local: Path, cipher: str, mac: str, limit: int) -> int:
    @in_loop
    async def both_ways() -> None:
        algorithms: dict[str, Any] = {"encryption_algs": [cipher], "mac_algs": [mac], "rekey_bytes": limit}
        async with sftp_client(service, **algorithms) as client:
            await client.put(str(local / "file"), b"/file")
            await client.get(b"/file", str(local / "back"))
            (connection,) = service.ask("connections")
            exchanges.append(connection.key_exchanges)

    exchanges: list[int] = []
    both_ways()
    return exchanges[0]


Client = Callable[[Service, Path, str, str, int], int]
CLIENTS: Mapping[str, Client] = {"sftp": with_sftp, "scp": with_scp, "asyncssh": with_asyncssh}

#: Who asks, with each client over each path, ciphers by turns.
_PAIRS = itertools.product(CLIENTS, WHO, (FAST, GENERIC))
SOME = [(*pair, cipher) for pair, cipher in zip(_PAIRS, itertools.cycle(CIPHERS), strict=False)]
#: Each client with each cipher, paths by turns.
_PAIRS_OF_CIPHERS = zip(itertools.product(CLIENTS, CIPHERS), itertools.cycle((FAST, GENERIC)), strict=False)
EACH_CIPHER = [(client, "both", path, cipher) for (client, cipher), path in _PAIRS_OF_CIPHERS]


def transfers(servers: Servers, local: Path, row: tuple[str, str, str, tuple[str, str]]) -> None:
    client, who, path, (cipher, mac) = row
    configured, limit = WHO[who]
    service = servers.start(path=path, ssh={"algorithms": "compatible", **configured})
    (local / "file").write_bytes(DATA)
    exchanges = CLIENTS[client](service, local, cipher, mac, limit)
    assert (service.home / "file").read_bytes() == DATA
    assert (local / "back").read_bytes() == DATA
    assert exchanges > OFTEN


def _name(row: tuple[Any, ...]) -> str:
    return "-".join((*row[:3], *row[3]))


@pytest.mark.parametrize("row", SOME, ids=_name)
def test_new_keys_in_the_middle_of_a_transfer(servers: Servers, local: Path, row: Any) -> None:
    transfers(servers, local, row)


@pytest.mark.full
@pytest.mark.parametrize("row", EACH_CIPHER, ids=_name)
def test_every_client_with_every_cipher(servers: Servers, local: Path, row: Any) -> None:
    transfers(servers, local, row)
