"""Algorithms that the configuration lists, as OpenSSH's ssh meets them."""

from __future__ import annotations

import pytest

from tests.interop.commands import ssh as run_ssh
from tests.interop.service import Service

GREETING = b"Hi alice!"


@pytest.fixture
def ssh() -> dict[str, object]:
    return {
        "kex_algorithms": ["curve25519-sha256", "diffie-hellman-group16-sha512"],
        "ciphers": ["aes256-ctr", "aes256-gcm@openssh.com"],
        "macs": ["hmac-sha2-512"],
        "pubkey_accepted_algorithms": ["ssh-ed25519", "rsa-sha2-512"],
    }


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
def test_the_clients_order_decides_among_what_is_listed(fast_service: Service) -> None:
    wishes = {
        "aes256-ctr,aes256-gcm@openssh.com": b"cipher: aes256-ctr MAC: hmac-sha2-512 ",
        "aes256-gcm@openssh.com,aes256-ctr": b"cipher: aes256-gcm@openssh.com MAC: <implicit> ",
    }
    for ciphers, agreed in wishes.items():
        said = run_ssh(fast_service, "-v", "-oLogLevel=DEBUG1", f"-oCiphers={ciphers}")
        assert GREETING in said
        assert said.count(agreed) == 2
    assert GREETING in run_ssh(fast_service, "-oKexAlgorithms=diffie-hellman-group16-sha512")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("-oKexAlgorithms=ecdh-sha2-nistp256", b"no matching key exchange method found"),
        ("-oCiphers=aes128-gcm@openssh.com", b"no matching cipher found"),
        ("-oCiphers=aes256-ctr -oMACs=hmac-sha2-256", b"no matching MAC found"),
    ],
)
def test_what_is_not_listed_is_not_there(fast_service: Service, option: str, reason: bytes) -> None:
    assert reason in run_ssh(fast_service, *option.split(), status=255)


def test_users_sign_with_what_is_listed(fast_service: Service) -> None:
    assert GREETING in run_ssh(fast_service)
    assert GREETING in run_ssh(fast_service, key="rsa")
    assert GREETING not in run_ssh(fast_service, "-oPubkeyAcceptedAlgorithms=rsa-sha2-256", key="rsa", status=255)
    assert GREETING not in run_ssh(fast_service, key="ecdsa", status=255)
