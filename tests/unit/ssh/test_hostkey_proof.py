from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.internet.task import Clock

from conchgo.ssh.algorithms import ALGORITHM_SETS
from conchgo.ssh.wire import Reader
from tests.ssh_client import RawClient, Wire, connect, log_in
from tests.ssh_server import HOST_KEY, Gate, make_factory

GLOBAL_REQUEST, SUCCESS, FAILURE = 80, 81, 82
USERAUTH_SUCCESS = 52
RSA = Key(rsa.generate_private_key(65537, 2048))
ECDSA = Key(ec.generate_private_key(ec.SECP256R1()))
STRANGE = Key(ec.generate_private_key(ec.SECP256R1()))
KEYS = (HOST_KEY, RSA, ECDSA)


def session(
    keys: Sequence[Key] = KEYS, known: Sequence[bytes] = (b"ssh-ed25519",), **algorithms: tuple[bytes, ...]
) -> tuple[RawClient, Wire]:
    """A client that knows these signatures of host keys, and is logged in."""
    client = RawClient()
    client.supportedPublicKeys = list(known)
    offered = replace(ALGORITHM_SETS["compatible"], **algorithms)
    return log_in(make_factory(Clock(), Gate(), algorithms=offered, host_keys=tuple(keys)), client=client)


def blobs(*keys: Key) -> list[bytes]:
    return [key.public().blob() for key in keys]


def announced(client: RawClient) -> list[bytes]:
    (message,) = client.announced
    fields = Reader(message)
    assert fields.string() == b"hostkeys-00@openssh.com"
    assert fields.boolean() is False
    found = []
    while not fields.at_end:
        found.append(fields.string())
    return found


def ask(client: RawClient, wire: Wire, *asked: bytes, want_reply: bool = True) -> None:
    client.sendPacket(
        GLOBAL_REQUEST, NS(b"hostkeys-prove-00@openssh.com") + bytes([want_reply]) + b"".join(map(NS, asked))
    )
    wire.pump()


def signatures(client: RawClient) -> list[bytes]:
    """Those of the one proof."""
    (payload,) = client.received(SUCCESS)
    found = []
    while payload:
        signature, payload = getNS(payload)
        found.append(signature)
    return found


def proves(client: RawClient, key: Key, signature: bytes) -> bool:
    blob = key.public().blob()
    return key.public().verify(signature, NS(b"hostkeys-prove-00@openssh.com") + NS(client.sessionID) + NS(blob))


def test_all_keys_are_announced_after_the_login_and_not_before() -> None:
    order = []

    class Listening(RawClient):
        def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
            order.append(messageNum)
            super().dispatchMessage(messageNum, payload)

    client, wire = connect(make_factory(Clock(), Gate(), host_keys=KEYS), Listening())
    assert client.announced == []
    client.request_userauth()
    client.password(b"alice", b"secret")
    wire.pump()

    assert order[-2:] == [USERAUTH_SUCCESS, GLOBAL_REQUEST]
    assert announced(client) == blobs(HOST_KEY, ECDSA, RSA)


def test_a_key_that_the_configuration_does_not_use_is_not_announced_and_not_proven() -> None:
    client, wire = session(host_signatures=(b"ssh-ed25519", b"rsa-sha2-256"))
    assert announced(client) == blobs(HOST_KEY, RSA)

    ask(client, wire, *blobs(ECDSA))
    assert client.received(FAILURE) == [b""]


def test_every_key_is_proven_for_this_session() -> None:
    client, wire = session()
    ask(client, wire, *blobs(RSA, HOST_KEY, ECDSA))

    proofs = signatures(client)
    assert [proves(client, key, proof) for key, proof in zip((RSA, HOST_KEY, ECDSA), proofs, strict=True)] == [True] * 3


def test_the_session_is_the_first_key_exchanges() -> None:
    client, wire = session()
    session_id = client.sessionID
    client.sendKexInit()
    wire.pump()
    assert client.key_exchanges == 2
    ask(client, wire, *blobs(ECDSA))

    assert client.sessionID == session_id
    assert proves(client, ECDSA, *signatures(client))


@pytest.mark.parametrize(
    ("known", "algorithm"),
    [
        ((b"rsa-sha2-256",), b"rsa-sha2-256"),
        ((b"rsa-sha2-512",), b"rsa-sha2-512"),
        ((b"rsa-sha2-256", b"rsa-sha2-512"), b"rsa-sha2-256"),
        ((b"ssh-ed25519", b"rsa-sha2-256"), b"rsa-sha2-256"),
        ((b"ssh-ed25519", b"rsa-sha2-512", b"rsa-sha2-256"), b"rsa-sha2-512"),
        ((b"ssh-ed25519", b"ssh-rsa"), b"rsa-sha2-512"),
        ((b"ssh-ed25519",), b"rsa-sha2-512"),
    ],
)
def test_rsa_signs_with_what_the_client_knows_and_never_with_sha1(known, algorithm) -> None:
    client, wire = session(known=known)
    ask(client, wire, *blobs(RSA))

    (proof,) = signatures(client)
    assert getNS(proof)[0] == algorithm
    assert proves(client, RSA, proof)


def test_rsa_signs_only_with_what_the_configuration_allows() -> None:
    client, wire = session(known=(b"ssh-ed25519", b"rsa-sha2-512"), host_signatures=(b"ssh-ed25519", b"rsa-sha2-256"))
    ask(client, wire, *blobs(RSA))

    assert getNS(signatures(client)[0])[0] == b"rsa-sha2-256"


@pytest.mark.parametrize(
    "asked",
    [blobs(STRANGE), blobs(HOST_KEY, STRANGE), blobs(ECDSA, ECDSA), [b""], [b"\xff" * 1000], blobs(*KEYS, *KEYS)],
)
def test_an_unknown_or_doubled_key_is_refused(asked) -> None:
    client, wire = session()
    ask(client, wire, *asked)

    assert client.received(SUCCESS) == []
    assert client.received(FAILURE) == [b""]
    assert not wire.closed


def test_nothing_is_signed_for_what_is_refused_or_wants_no_answer(monkeypatch) -> None:
    client, wire = session()
    monkeypatch.setattr(Key, "sign", lambda *_: 1 / 0)
    ask(client, wire, *blobs(*KEYS), want_reply=False)
    ask(client, wire, *blobs(*KEYS, STRANGE))

    assert client.received(FAILURE) == [b""]
    assert not wire.closed


def test_a_refusal_takes_nothing_away() -> None:
    client, wire = session()
    ask(client, wire, *blobs(ECDSA, STRANGE))
    ask(client, wire, *blobs(ECDSA))

    assert proves(client, ECDSA, *signatures(client))


def test_each_key_is_proven_once() -> None:
    client, wire = session()
    ask(client, wire, *blobs(RSA))
    for _ in range(3):
        ask(client, wire, *blobs(RSA))
    assert len(client.received(SUCCESS)) == 1
    assert len(client.received(FAILURE)) == 3

    ask(client, wire, *blobs(ECDSA))
    assert len(client.received(SUCCESS)) == 2


def test_what_is_no_list_of_keys_ends_the_connection() -> None:
    client, wire = session()
    client.sendPacket(GLOBAL_REQUEST, NS(b"hostkeys-prove-00@openssh.com") + b"\1" + b"\0\0\0\7short")
    wire.pump()

    assert client.disconnect == (2, b"malformed message: it ends too early")
