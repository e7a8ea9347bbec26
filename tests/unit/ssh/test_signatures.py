import struct
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from twisted.conch.ssh.common import MP, NS
from twisted.conch.ssh.keys import Key

from conchgo.errors import LoginRefused
from conchgo.ssh.algorithms import USER_SIGNATURES
from conchgo.ssh.signatures import load_user_key, verify_signature

MESSAGE = b"the message"
APPLICATION = b"ssh:"
SK_ED25519 = b"sk-ssh-ed25519@openssh.com"
SK_ECDSA = b"sk-ecdsa-sha2-nistp256@openssh.com"

RSA = Key(rsa.generate_private_key(65537, 2048))
KEYS = {
    b"ssh-ed25519": Key(ed25519.Ed25519PrivateKey.generate()),
    b"ecdsa-sha2-nistp256": Key(ec.generate_private_key(ec.SECP256R1())),
    b"ecdsa-sha2-nistp384": Key(ec.generate_private_key(ec.SECP384R1())),
    b"ecdsa-sha2-nistp521": Key(ec.generate_private_key(ec.SECP521R1())),
    b"rsa-sha2-256": RSA,
    b"rsa-sha2-512": RSA,
}


class SecurityKey:
    """A FIDO key in software (OpenSSH's PROTOCOL.u2f): `blob` is its public key, `sign` makes its signatures."""

    def __init__(self, algorithm: bytes) -> None:
        self.algorithm = algorithm
        self._ed25519 = ed25519.Ed25519PrivateKey.generate()
        self._ecdsa = ec.generate_private_key(ec.SECP256R1())
        if algorithm == SK_ED25519:
            public = NS(self._ed25519.public_key().public_bytes_raw())
        else:
            point = self._ecdsa.public_key().public_numbers()
            public = NS(b"nistp256") + NS(b"\x04" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big"))
        self.blob = NS(algorithm) + public + NS(APPLICATION)

    def sign(self, message: bytes, flags: int = 1, signed_flags: int | None = None) -> bytes:
        counter = struct.pack(">L", 7)
        covered = bytes([flags if signed_flags is None else signed_flags]) + counter
        signed = sha256(APPLICATION).digest() + covered + sha256(message).digest()
        if self.algorithm == SK_ED25519:
            value = self._ed25519.sign(signed)
        else:
            r, s = decode_dss_signature(self._ecdsa.sign(signed, ec.ECDSA(SHA256())))
            value = MP(r) + MP(s)
        return NS(self.algorithm) + NS(value) + bytes([flags]) + counter


def check(algorithm: bytes, blob: bytes, signature: bytes) -> None:
    verify_signature(load_user_key(algorithm, blob, USER_SIGNATURES), algorithm, signature, MESSAGE)


@contextmanager
def refused(reason: str) -> Iterator[None]:
    with pytest.raises(LoginRefused) as caught:
        yield
    assert reason in caught.value.reason


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_good_signature(algorithm) -> None:
    key = KEYS[algorithm]
    signature = key.sign(MESSAGE, algorithm)

    check(algorithm, key.public().blob(), signature)
    with pytest.raises(LoginRefused):
        check(algorithm, key.public().blob(), key.sign(b"another message", algorithm))


@pytest.mark.parametrize("algorithm", [SK_ED25519, SK_ECDSA])
def test_a_security_key_must_have_been_touched(algorithm) -> None:
    key = SecurityKey(algorithm)

    check(algorithm, key.blob, key.sign(MESSAGE))
    check(algorithm, key.blob, key.sign(MESSAGE, flags=5))
    with refused("without a touch"):
        check(algorithm, key.blob, key.sign(MESSAGE, flags=0))
    with refused("wrong"):
        check(algorithm, key.blob, key.sign(MESSAGE, flags=1, signed_flags=0))


@pytest.mark.parametrize("algorithm", [SK_ED25519, SK_ECDSA])
def test_the_layout_of_a_security_keys_signature_is_exact(algorithm) -> None:
    key = SecurityKey(algorithm)
    signature = key.sign(MESSAGE)

    for broken in (signature[:-1], signature[:-5], signature + b"\0", b""):
        with pytest.raises(LoginRefused):
            check(algorithm, key.blob, broken)


def test_a_sha1_signature_does_not_pass_as_sha2() -> None:
    blob = RSA.public().blob()
    signature = RSA.sign(MESSAGE, b"ssh-rsa")

    for algorithm in (b"ssh-rsa", b"rsa-sha2-256"):
        with pytest.raises(LoginRefused):
            check(algorithm, blob, signature)


def test_the_signature_is_of_the_algorithm_that_was_announced() -> None:
    with refused("another algorithm"):
        check(b"rsa-sha2-256", RSA.public().blob(), RSA.sign(MESSAGE, b"rsa-sha2-512"))


@pytest.mark.parametrize("algorithm", [b"rsa-sha2-256", b"ecdsa-sha2-nistp256", SK_ED25519, b"ssh-dss", b"", b"none"])
def test_the_algorithm_fits_the_key(algorithm) -> None:
    with pytest.raises(LoginRefused):
        load_user_key(algorithm, KEYS[b"ssh-ed25519"].public().blob(), [*USER_SIGNATURES, algorithm])


def test_only_what_is_allowed() -> None:
    with refused("not allowed"):
        load_user_key(b"ssh-ed25519", KEYS[b"ssh-ed25519"].public().blob(), [b"rsa-sha2-512"])


@pytest.mark.parametrize("bits", [1024, 8200])
def test_rsa_keys_are_neither_weak_nor_a_burden(bits) -> None:
    numbers = rsa.RSAPublicNumbers(65537, (1 << bits - 1) + 1)

    with refused(f"{bits} bits"):
        load_user_key(b"rsa-sha2-256", Key(numbers.public_key()).blob(), USER_SIGNATURES)


def test_an_rsa_signature_without_its_leading_zero_is_good() -> None:
    private = RSA._keyObject
    number = 0
    value = b"\x01"
    while value[0]:
        number += 1
        message = b"%d" % number
        value = private.sign(message, padding.PKCS1v15(), SHA256())
    signature = NS(b"rsa-sha2-256") + NS(value.lstrip(b"\0"))

    verify_signature(RSA.public(), b"rsa-sha2-256", signature, message)


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        NS(b""),
        NS(b"x" * 31),
        NS(b"\xff" * 32) + b"\0",
        b"\xff\xff\xff\xff",
        NS(b"\x04" + b"\x01" * 64),
        MP(3) + MP(9),
    ],
)
@pytest.mark.parametrize("algorithm", USER_SIGNATURES)
def test_a_broken_key_is_a_refusal_like_others(algorithm, rest) -> None:
    with pytest.raises(LoginRefused):
        check(algorithm, NS(USER_SIGNATURES[algorithm]) + rest, NS(algorithm) + NS(b"x" * 64) + b"\1\0\0\0\0")


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("value", [b"", b"x", b"x" * 36, b"\0" * 64, MP(0) + MP(0), MP(2**600) + MP(1), b"\xff" * 8])
def test_a_broken_signature_is_a_refusal_like_others(algorithm, value) -> None:
    with pytest.raises(LoginRefused):
        check(algorithm, KEYS[algorithm].public().blob(), NS(algorithm) + NS(value))
