import sys
from dataclasses import fields
from hashlib import sha256, sha512

import pytest
from cryptography.hazmat.primitives import asymmetric

from conchgo.ssh import conch_private
from conchgo.ssh.algorithms import ALGORITHM_SETS, ALGORITHMS

FORBIDDEN = ("cbc", "3des", "md5", "sha1", "ssh-dss")


@pytest.mark.parametrize("field", ALGORITHMS)
def test_nothing_old_can_be_chosen(field) -> None:
    assert not [name for name in ALGORITHMS[field] if any(word in name.decode() for word in FORBIDDEN)]
    assert not {b"ssh-rsa", b"zlib"} & set(ALGORITHMS[field])


@pytest.mark.parametrize("name", ALGORITHM_SETS)
def test_a_set_is_of_what_can_be_chosen(name) -> None:
    for field in fields(ALGORITHM_SETS[name]):
        names = getattr(ALGORITHM_SETS[name], field.name)
        assert set(names) <= set(ALGORITHMS[field.name])
        assert len(set(names)) == len(names)


def test_whoever_wants_compression_lists_it() -> None:
    assert {algorithms.compressions for algorithms in ALGORITHM_SETS.values()} == {(b"none",)}
    assert set(ALGORITHMS["compressions"]) == {b"none", b"zlib@openssh.com"}


def test_the_sets_are_what_the_documentation_says() -> None:
    modern = (b"mlkem768x25519-sha256", b"curve25519-sha256", b"curve25519-sha256@libssh.org")

    assert ALGORITHM_SETS["default"].key_exchanges == modern
    assert ALGORITHM_SETS["compatible"].key_exchanges[:3] == modern
    assert b"ecdh-sha2-nistp521" in ALGORITHM_SETS["compatible"].key_exchanges


def test_rows_vanish_where_the_library_lacks_them(monkeypatch) -> None:
    assert conch_private._has_finite_field_dh()
    monkeypatch.delattr(asymmetric, "dh")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.dh", None)
    assert not conch_private._has_finite_field_dh()


def arctan_of_inverse(x: int, unity: int) -> int:
    power = total = unity // x
    divisor, sign = 3, -1
    while power:
        power //= x * x
        total += sign * (power // divisor)
        divisor, sign = divisor + 2, -sign
    return total


@pytest.mark.parametrize(
    ("bits", "added", "prime"),
    [(2048, 124476, conch_private.GROUP14_PRIME), (4096, 240904, conch_private.GROUP16_PRIME)],
)
def test_the_groups_are_those_of_rfc_3526(bits, added, prime) -> None:
    """2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + k): sections 3 and 5, pi by Machin's formula."""
    guard = 64
    unity = 1 << (bits - 130 + guard)
    pi = 4 * (4 * arctan_of_inverse(5, unity) - arctan_of_inverse(239, unity)) >> guard

    assert prime == 2**bits - 2 ** (bits - 64) - 1 + 2**64 * (pi + added)


def test_the_groups_go_with_the_hashes_of_rfc_8268() -> None:
    rows = conch_private._kex._kexAlgorithms

    assert rows[b"diffie-hellman-group14-sha256"].hashProcessor is sha256
    assert rows[b"diffie-hellman-group16-sha512"].hashProcessor is sha512
    assert rows[b"diffie-hellman-group14-sha256"].prime == conch_private.GROUP14_PRIME
    assert rows[b"diffie-hellman-group16-sha512"].prime == conch_private.GROUP16_PRIME
