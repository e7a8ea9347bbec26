"""OpenSSH's ssh: logins with every kind of key, new keys on the way, channels, and what is not offered."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.interop.commands import address, run, sftp, ssh, ssh_options
from tests.interop.keys import KEY_TYPES
from tests.interop.service import Service
from tests.interop.trees import content
from tests.programs import require_program


@pytest.mark.parametrize("key", KEY_TYPES)
def test_a_key_of_each_type_logs_in(fast_service: Service, key: str) -> None:
    """The only host key is ed25519: what users may sign with is another list (RFC 8308, server-sig-algs)."""
    assert b"Hi alice!" in ssh(fast_service, key=key)
    assert [event["method"] for event in fast_service.audit("login", 1)] == ["publickey"]


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_an_rsa_key_signs_with_sha2(fast_service: Service, algorithm: str) -> None:
    option = f"-oPubkeyAcceptedAlgorithms={algorithm}"
    assert b"Hi alice!" in ssh(fast_service, option, key="rsa")


def test_an_rsa_key_does_not_sign_with_sha1(fast_service: Service) -> None:
    ssh(fast_service, "-oPubkeyAcceptedAlgorithms=ssh-rsa", key="rsa", status=255)
    assert b"Hi alice!" in ssh(fast_service, key="rsa")
    fast_service.audit("login", 1)


@pytest.mark.parametrize(("password", "status"), [("secret", 1), ("wrong", 255), ("", 255)])
def test_passwords(fast_service: Service, tmp_path: Path, password: str, status: int) -> None:
    """ssh takes a password from a program that it starts."""
    helper = tmp_path / "askpass"
    helper.write_text(f"#!/bin/sh\necho '{password}'\n")
    helper.chmod(0o700)
    options = ["-oBatchMode=no", "-oPreferredAuthentications=password", "-oNumberOfPasswordPrompts=1"]
    environment = {"SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force"}
    arguments = [require_program("ssh"), *options, *ssh_options(fast_service), address(fast_service).rstrip(":")]
    run(arguments, env=environment, status=status)


def test_several_channels_share_a_connection(fast_service: Service, local: Path) -> None:
    # The name of a socket must be short.
    with tempfile.TemporaryDirectory() as directory:
        control = f"-oControlPath={directory}/c"
        ssh(fast_service, "-oControlMaster=yes", control, "-oControlPersist=yes", "-N", "-f", status=0)
        try:
            for number in range(3):
                (local / f"file{number}").write_bytes(content(10_000, number))
                sftp(fast_service, f"put {local}/file{number} /", options=[control])
        finally:
            ssh(fast_service, control, "-O", "exit", status=0)
    assert sorted(os.listdir(fast_service.home)) == ["file0", "file1", "file2"]
    fast_service.audit("login", 1)


@pytest.mark.parametrize(
    ("option", "command", "status", "text"),
    [
        ("-T", "", 1, b"This is a file server without a shell"),
        ("-T", "id", 127, b"id: not enabled on this server"),
        ("-s", "nonsense", 255, b"subsystem request failed"),
        ("-W127.0.0.1:22", "", 255, b"administratively prohibited"),
        ("-oKexAlgorithms=diffie-hellman-group1-sha1", "", 255, b"no matching key exchange method found"),
        ("-oCiphers=3des-cbc", "", 255, b"no matching cipher found"),
        ("-oCiphers=aes128-ctr -oMACs=hmac-md5", "", 255, b"no matching MAC found"),
        ("-oHostKeyAlgorithms=ssh-rsa", "", 255, b"no matching host key type found"),
    ],
)
def test_what_is_not_offered_is_refused_with_a_word(
    fast_service: Service, option: str, command: str, status: int, text: bytes
) -> None:
    assert text in ssh(fast_service, *option.split(), command=command, status=status)
    assert b"Hi alice!" in ssh(fast_service)
