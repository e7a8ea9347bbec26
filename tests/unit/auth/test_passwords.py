from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conchgo.auth import libcrypt
from conchgo.auth.passwords import hash_given, hash_password, problem, verify
from conchgo.errors import InvalidArgument

PASSWORD = b"correct horse"

#: Hashes of PASSWORD, made by other programs: perl's crypt (libxcrypt), openssl's passwd, kdf and dgst, and the argon2
#: of OpenSSL through cryptography.
HASHES = [
    "$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
    "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
    "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
    "$argon2id$v=19$m=65536,t=1,p=2$c2FsdHNhbHRzYWx0c2FsdA$tesD4nCFH2pNhPXcYwiwVSAq6RvXhDv+lK8JphUPE2Q",
    "$pbkdf2-sha1$1000$saltsalt$wQoBU7GXMNo2CJC+raijrf6key4=",
    "$pbkdf2-sha256$1000$saltsalt$qQDPSZa3Ormyy9oK1Pu0ZLLwP2Svzmx3yu8OvDdq/J0=",
    "$pbkdf2-sha512$1000$saltsalt"
    "$+sUSD8jw4f8ns7m9b7kj8PeJLe8lJXO8Am09BLgO79kST9D/Ija5aKINGF5Xg7hkKXw1+fNhBzzJP3eIXcWXww==",
    "$pbkdf2-b64salt-sha256$1000$c2FsdHNhbHQ=$qQDPSZa3Ormyy9oK1Pu0ZLLwP2Svzmx3yu8OvDdq/J0=",
    "$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80",
    "$apr1$abcdefgh$sIQmFnT1CuEXAsyjuXjUX/",
    "$5$abcdefgh$ruMep1ijHnJPZbETDNiumskxcX3kN4lzZd5VlsqE7eB",
    "$5$rounds=1000$abc$/cRuvrIiQqQvcPwD.a/LO47x90cA9f8oqYBouKihds1",
    "$6$abcdefgh$yIZAF3gQPvtKZO/9qOJKffAKKbtS3ef3qmwyugk4uWVjX8YZf/GV3A8SkFxEPY0T56CcilGrHKLffBsp6dLMG.",
    "$6$rounds=6000$abcdefgh$I4TsSmUjz3A.xP9MMTXPA6pLk708J4swOuek44bD1D65obBcfrhU9og120tok1OwoBEIu7tS7wJsimmLaR7UA.",
    "$y$j75$abcdefgh$Jakf0CHhzdQOivqISxvBXCIRIaxY0Fs1wJGsJSurry/",
    "$y$j9T$abcdefghijklmnop$0Hi8KsZH/hAMRN9Bam6ce3nmi5QAIz3R/KeaXG/c7p9",
    "{MD5}3cb4e732631f47e6eb961f34554b7cde",
    "{SHA256}4104d36f8da2c254349f85836793ebe029e0c957063a34c91c2e9203187b5631",
    "{SHA512}56b698defedb5a435b634afe3320bbaf3fdcd920b6c503a446fc7b7a776b298d"
    "479d1ba6a8b617808eb0bf579ce9a95d668347bcab7149085ac93cb27995197b",
]
HOSTILE = [b"", b"\0", PASSWORD + b"\0", PASSWORD + b"\0x", b"\xff" * 1025, b"x" * 100_000]


@pytest.mark.parametrize("stored", HASHES)
def test_every_format_knows_its_password_and_no_other(stored: str) -> None:
    assert problem(stored) is None
    assert verify(stored, PASSWORD)
    for other in (b"Correct horse", PASSWORD[:-1], PASSWORD + b" ", b"x" * 72, b"x" * 73, b"x" * 1024, b"\xff"):
        assert not verify(stored, other)


@pytest.mark.parametrize("stored", HASHES)
@pytest.mark.parametrize("password", HOSTILE, ids=lambda password: f"{len(password)} bytes")
def test_no_password_is_an_exception(stored: str, password: bytes) -> None:
    assert not verify(stored, password)


def test_the_example_of_sftpgos_documentation_verifies() -> None:
    assert verify("$pbkdf2-sha256$150000$E86a9YMX3zC7$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=", b"password")


def test_bcrypt_tells_apart_what_it_cannot_see() -> None:
    stored = "$2b$05$abcdefghijklmnopqrstuuGUnCqbfgs3htOkLrFduUjAyLBw1Rq/u"
    assert verify(stored, b"a" * 72)
    assert not verify(stored, b"a" * 73)


@pytest.mark.parametrize("stored", HASHES)
@pytest.mark.parametrize(
    "damage", [lambda s: s[:-2], lambda s: s + "xx", lambda s: s[:-1] + "\udc80", lambda s: s + "\n"]
)
def test_a_damaged_hash_verifies_nothing_and_says_so(stored: str, damage: Callable[[str], str]) -> None:
    assert not verify(damage(stored), PASSWORD)
    assert "damaged" in (problem(damage(stored)) or "")
    with pytest.raises(InvalidArgument, match="damaged"):
        hash_given(damage(stored))


@pytest.mark.parametrize(
    "stored",
    [
        "$2b$31$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
        "$argon2id$v=19$m=4194304,t=1,p=2$c2FsdHNhbHRzYWx0c2FsdA$tesD4nCFH2pNhPXcYwiwVSAq6RvXhDv+lK8JphUPE2Q",
        "$argon2id$v=19$m=65536,t=999,p=2$c2FsdHNhbHRzYWx0c2FsdA$tesD4nCFH2pNhPXcYwiwVSAq6RvXhDv+lK8JphUPE2Q",
        "$pbkdf2-sha1$4000000000$saltsalt$wQoBU7GXMNo2CJC+raijrf6key4=",
        "$6$rounds=999999999$abcdefgh$" + "a" * 86,
        "$y$jzz$abcdefgh$Jakf0CHhzdQOivqISxvBXCIRIaxY0Fs1wJGsJSurry/",
    ],
)
def test_a_hash_that_would_take_ages_is_not_tried(stored: str) -> None:
    assert "too costly" in (problem(stored) or "")
    assert not verify(stored, PASSWORD)


@pytest.mark.parametrize("stored", ["", "x", "correct horse", "$", "$2x$05$" + "a" * 53, "{SSHA}AAAA", "\ud800", "*0"])
def test_an_unknown_format_verifies_nothing_and_says_so(stored: str) -> None:
    assert not verify(stored, stored.encode("utf-8", "surrogatepass"))
    assert "no known format" in (problem(stored) or "")


@given(prefix=st.sampled_from([stored[:12] for stored in HASHES]), rest=st.text(max_size=40), password=st.binary())
def test_no_stored_text_is_an_exception(prefix: str, rest: str, password: bytes) -> None:
    assert not verify(prefix + rest, password)


@pytest.mark.parametrize(
    ("algorithm", "prefix", "longest"), [("bcrypt", "$2b$12$", 72), ("argon2id", "$argon2id$v=19$", 1024)]
)
def test_new_passwords(algorithm: str, prefix: str, longest: int) -> None:
    stored = hash_password(b"x" * longest, algorithm)
    assert stored.startswith(prefix)
    assert problem(stored) is None
    assert verify(stored, b"x" * longest)
    assert not verify(stored, b"x" * (longest - 1))
    for password in (b"", b"a\0b", b"x" * (longest + 1), b"x" * 100_000):
        with pytest.raises(InvalidArgument, match="choose"):
            hash_password(password, algorithm)


def test_bcrypt_is_the_default() -> None:
    assert hash_password(b"x").startswith("$2b$12$")


def test_a_records_password_may_be_hashed_already() -> None:
    assert hash_given(HASHES[0]) == HASHES[0]
    assert hash_given("") == ""
    assert verify(hash_given("correct horse"), PASSWORD)


def test_without_libcrypt_its_formats_say_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypt, "_NAMES", ("libmissing.so",))
    libcrypt._crypt_r.cache_clear()
    try:
        for stored in HASHES:
            if stored.startswith(("$1$", "$5$", "$6$", "$y$")):
                assert "libcrypt" in (problem(stored) or "")
                assert not verify(stored, PASSWORD)
    finally:
        libcrypt._crypt_r.cache_clear()
