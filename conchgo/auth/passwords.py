"""Password hashes: made as bcrypt or argon2id, verified in every format that SFTPGo knows.

A stored hash says its format by its prefix. The patterns also bound what a stored hash may cost. Hashing takes a tenth
of a second or more: call it where blocking is allowed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from conchgo.auth import libcrypt
from conchgo.auth.apr1 import apr1
from conchgo.errors import InvalidArgument

#: Longer ones are refused unread: hashing would only cost time.
MAX_PASSWORD: Final = 1024
#: bcrypt looks at no byte behind these.
MAX_BCRYPT_PASSWORD: Final = 72

_BCRYPT_COST: Final = 12
#: A hash that no known password has, at the cost of a new one.
_DUMMY: Final = f"$2b${_BCRYPT_COST}$" + "." * 53


def hash_password(password: bytes, algorithm: str = "bcrypt") -> str:
    """What to store for a new password; `algorithm` is a name from ALGORITHMS.

    Raises:
        InvalidArgument: the password is empty, too long or holds a NUL, so that it could never verify.
    """
    if not password:
        raise InvalidArgument("the password is empty; choose one")
    if len(password) > MAX_PASSWORD:
        raise InvalidArgument(f"the password is longer than {MAX_PASSWORD} bytes; choose a shorter one")
    if b"\0" in password:
        raise InvalidArgument("the password holds a NUL byte; choose one without")
    return ALGORITHMS[algorithm](password)


def hash_given(given: str) -> str:
    """What to store for the `password` of a record: a hash as it is, anything else hashed; "" is no password.

    Raises:
        InvalidArgument: a damaged hash, or a password that `hash_password` refuses.
    """
    if not given:
        return ""
    if _format(given) is None:
        return hash_password(given.encode("utf-8", "surrogatepass"))
    reason = problem(given)
    if reason:
        raise InvalidArgument(f"password: {reason}; give the whole hash, or the password itself")
    return given


def problem(stored: str) -> str | None:
    """Why a stored hash can verify nothing, or None where it can."""
    known = _format(stored)
    if known is None:
        return "the stored password hash is in no known format"
    if not known.pattern.fullmatch(stored):
        return f"the stored password hash begins with {known.prefix} and is damaged, or too costly"
    if not known.available():
        return f"the stored password hash begins with {known.prefix} and needs libcrypt, which is not installed"
    return None


def verify(stored: str, password: bytes) -> bool:
    """Whether the password is the one that `stored` was made of. Never raises.

    A password that is empty, longer than MAX_PASSWORD, or holds a NUL is nobody's; neither is any where `problem` has
    something to say.
    """
    if not password or len(password) > MAX_PASSWORD or b"\0" in password:
        return False
    known = _format(stored)
    if known is None or not known.pattern.fullmatch(stored):
        return False
    return known.verify(stored, password)


def dummy_verify(password: bytes) -> None:
    """As much work as `verify`, for nobody: so that the time taken does not tell whether a user exists."""
    verify(_DUMMY, password)


def _hash_bcrypt(password: bytes) -> str:
    if len(password) > MAX_BCRYPT_PASSWORD:
        raise InvalidArgument(
            f"the password is longer than the {MAX_BCRYPT_PASSWORD} bytes that bcrypt can tell apart; "
            "choose a shorter one, or argon2id"
        )
    return bcrypt.hashpw(password, bcrypt.gensalt(_BCRYPT_COST)).decode("ascii")


def _hash_argon2id(password: bytes) -> str:
    return PasswordHasher().hash(password)


ALGORITHMS: Final[dict[str, Callable[[bytes], str]]] = {"bcrypt": _hash_bcrypt, "argon2id": _hash_argon2id}


def _verify_bcrypt(stored: str, password: bytes) -> bool:
    try:
        same = bcrypt.checkpw(password[:MAX_BCRYPT_PASSWORD], stored.encode("ascii"))
    except ValueError:
        return False  # bits set where there must be none
    return same and len(password) <= MAX_BCRYPT_PASSWORD


def _verify_argon2id(stored: str, password: bytes) -> bool:
    try:
        return PasswordHasher().verify(stored, password)
    except (Argon2Error, InvalidHashError):
        return False


def _verify_pbkdf2(stored: str, password: bytes) -> bool:
    """$pbkdf2-DIGEST$ITERATIONS$SALT$KEY: the key is base64; the salt are its own letters, or base64 as well."""
    _, name, iterations, salt, key = stored.split("$")
    try:
        wanted = base64.b64decode(key, validate=True)
        raw_salt = base64.b64decode(salt, validate=True) if "b64salt" in name else salt.encode("utf-8")
    except ValueError:
        return False
    found = hashlib.pbkdf2_hmac(name.rpartition("-")[2], password, raw_salt, int(iterations), len(wanted))
    return hmac.compare_digest(found, wanted)


def _verify_crypt(stored: str, password: bytes) -> bool:
    found = libcrypt.crypt(password, stored)
    return found is not None and hmac.compare_digest(found, stored)


def _verify_apr1(stored: str, password: bytes) -> bool:
    _, _, salt, wanted = stored.split("$")
    return hmac.compare_digest(apr1(password, salt.encode("ascii")), wanted)


def _verify_digest(stored: str, password: bytes) -> bool:
    name, _, wanted = stored[1:].partition("}")
    return hmac.compare_digest(hashlib.new(name, password, usedforsecurity=False).hexdigest(), wanted.lower())


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Format:
    """`pattern` is a whole well-formed hash."""

    prefix: str
    pattern: re.Pattern[str]
    verify: Callable[[str, bytes], bool]
    available: Callable[[], bool] = _always


def _row(
    prefix: str, rest: str, verify: Callable[[str, bytes], bool], available: Callable[[], bool] = _always
) -> _Format:
    return _Format(prefix, re.compile(re.escape(prefix) + rest), verify, available)


_BCRYPT: Final = r"(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}"
_BASE64: Final = r"([+/A-Za-z0-9]{4}){5,128}([+/A-Za-z0-9]{2}==|[+/A-Za-z0-9]{3}=)?"
_BASE64_SALT: Final = r"([+/A-Za-z0-9]{4}){0,128}([+/A-Za-z0-9]{2}==|[+/A-Za-z0-9]{3}=)?"
_UNPADDED: Final = r"([+/A-Za-z0-9]{4}){2,32}([+/A-Za-z0-9]{2,3})?"
_ARGON2: Final = rf"v=19\$m=[0-9]{{1,6}},t=[0-9]{{1,2}},p=[0-9]{{1,2}}\${_UNPADDED}\${_UNPADDED}"
_PBKDF2: Final = rf"[1-9][0-9]{{0,6}}\$[^$\s]{{1,512}}\${_BASE64}"
_PBKDF2_BASE64: Final = rf"[1-9][0-9]{{0,6}}\${_BASE64_SALT}\${_BASE64}"
_SHA_CRYPT: Final = r"(rounds=[1-9][0-9]{3,6}\$)?[./A-Za-z0-9]{0,16}\$"
_YESCRYPT: Final = r"j[./0-9A-F][./0-9A-T]\$[./A-Za-z0-9]{0,86}\$[./A-Za-z0-9]{43}"

_FORMATS: Final = (
    _row("$2a$", _BCRYPT, _verify_bcrypt),
    _row("$2b$", _BCRYPT, _verify_bcrypt),
    _row("$2y$", _BCRYPT, _verify_bcrypt),
    _row("$argon2id$", _ARGON2, _verify_argon2id),
    _row("$pbkdf2-sha1$", _PBKDF2, _verify_pbkdf2),
    _row("$pbkdf2-sha256$", _PBKDF2, _verify_pbkdf2),
    _row("$pbkdf2-sha512$", _PBKDF2, _verify_pbkdf2),
    _row("$pbkdf2-b64salt-sha256$", _PBKDF2_BASE64, _verify_pbkdf2),
    _row("$apr1$", r"[./A-Za-z0-9]{0,8}\$[./A-Za-z0-9]{22}", _verify_apr1),
    _row("$1$", r"[./A-Za-z0-9]{0,8}\$[./A-Za-z0-9]{22}", _verify_crypt, libcrypt.available),
    _row("$5$", _SHA_CRYPT + r"[./A-Za-z0-9]{43}", _verify_crypt, libcrypt.available),
    _row("$6$", _SHA_CRYPT + r"[./A-Za-z0-9]{86}", _verify_crypt, libcrypt.available),
    _row("$y$", _YESCRYPT, _verify_crypt, libcrypt.available),
    _row("{MD5}", "[0-9A-Fa-f]{32}", _verify_digest),
    _row("{SHA256}", "[0-9A-Fa-f]{64}", _verify_digest),
    _row("{SHA512}", "[0-9A-Fa-f]{128}", _verify_digest),
)


def _format(stored: str) -> _Format | None:
    return next((known for known in _FORMATS if stored.startswith(known.prefix)), None)
