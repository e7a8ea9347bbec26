"""Clients learn all of the server's host keys: OpenSSH's UpdateHostKeys, and a login bound to the one in use."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.conch.ssh.keys import Key

from tests.interop.commands import ssh
from tests.interop.service import Servers, Service
from tests.ssh_server import HOST_KEY


def known_hosts(service: Service, file: Path, *keys: Key) -> Path:
    lines = [b"[%s]:%d %s\n" % (service.host.encode(), service.port, key.public().toString("OPENSSH")) for key in keys]
    file.write_bytes(b"".join(lines))
    return file


def known(file: Path) -> set[bytes]:
    """The keys in the file, in base64."""
    return {line.split()[2] for line in file.read_bytes().splitlines()}


def text_of(key: Key) -> bytes:
    text: bytes = key.public().toString("OPENSSH").split()[1]
    return text


@pytest.fixture
def others(keys: Path) -> list[Path]:
    """Files of host keys that the server has besides the one that tests know."""
    return [keys / "rsa", keys / "ecdsa"]


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp384"])
def test_openssh_takes_over_the_other_keys(
    servers: Servers, tmp_path: Path, others: list[Path], algorithm: str
) -> None:
    """From whichever it knows, and the log of the client tells of no proof that was wrong."""
    service = servers.start(host_keys=tuple(path.read_bytes() for path in others))
    all_keys = [HOST_KEY, *map(Key.fromFile, map(str, others))]
    (first,) = [key for key in all_keys if key.sshType() in (algorithm.encode(), _type_of(algorithm))]
    file = known_hosts(service, tmp_path / "known_hosts", first)
    accepted = ",".join([algorithm, "ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp384"])
    output = ssh(
        service,
        "-v",
        "-oLogLevel=DEBUG1",
        "-oUpdateHostKeys=yes",
        "-oStrictHostKeyChecking=yes",
        f"-oHostKeyAlgorithms={accepted}",
        f"-oUserKnownHostsFile={file}",
    )
    assert known(file) == {text_of(key) for key in all_keys}, output.decode()


def _type_of(algorithm: str) -> bytes:
    return b"ssh-rsa" if algorithm.startswith("rsa-") else b""


def test_a_key_that_the_server_has_no_longer_is_forgotten(servers: Servers, tmp_path: Path, others: list[Path]) -> None:
    service = servers.start(host_keys=(others[1].read_bytes(),))
    file = known_hosts(service, tmp_path / "known_hosts", HOST_KEY, Key.fromFile(str(others[0])))
    ssh(service, "-oUpdateHostKeys=yes", "-oStrictHostKeyChecking=yes", f"-oUserKnownHostsFile={file}")
    assert known(file) == {text_of(HOST_KEY), text_of(Key.fromFile(str(others[1])))}


def test_openssh_binds_its_login_to_the_host_key(servers: Servers) -> None:
    service = servers.start()
    output = ssh(service, "-vvv")
    assert b"publickey-hostbound-v00@openssh.com" in output, output.decode()
    assert [event["method"] for event in service.audit("login", 1)] == ["publickey"]
