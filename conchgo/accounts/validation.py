"""Whether a user's record makes sense: asked before it is kept."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterable
from typing import Final

from conchgo.accounts import public_keys
from conchgo.accounts.model import User
from conchgo.accounts.naming import MAX_USERNAME, is_username, shown
from conchgo.accounts.permissions import Permissions
from conchgo.errors import InvalidArgument, InvalidPath
from conchgo.paths import VirtualPath

MAX_ID: Final = 2**31 - 1
MAX_COUNT: Final = 2**63 - 1

#: What a user can log in with over SSH, by SFTPGo's names.
SSH_LOGIN_METHODS: Final = frozenset(
    {"publickey", "password", "keyboard-interactive", "publickey+password", "publickey+keyboard-interactive"}
)
#: Passwords over SSH only; conchgo has no others.
PASSWORD_OVER_SSH: Final = "password-over-SSH"  # noqa: S105
LOGIN_METHODS: Final = SSH_LOGIN_METHODS | {PASSWORD_OVER_SSH, "TLSCertificate", "TLSCertificate+password"}
PROTOCOLS: Final = frozenset({"SSH", "FTP", "DAV", "HTTP"})


def validate(user: User) -> None:
    """Raises InvalidArgument: the first field that makes no sense, why, and what would."""
    for check in _CHECKS:
        check(user)


def _username(user: User) -> None:
    if not is_username(user.username):
        raise InvalidArgument(
            f'username: "{shown(user.username)}" is no username; use letters, digits and -_.~@+, at most {MAX_USERNAME}'
        )


def _texts(user: User) -> None:
    for name in ("home_dir", "password", "email", "description", "additional_info"):
        value = getattr(user, name)
        if "\0" in value or not _is_unicode(value):
            raise InvalidArgument(f"{name}: holds a NUL or something that is not Unicode; remove it")


def _home_dir(user: User) -> None:
    home = user.home_dir
    if not home.startswith("/"):
        raise InvalidArgument(f'home_dir: "{shown(home)}" is not absolute; write it from the root, as /srv/alice')
    if ".." in home.split("/"):
        raise InvalidArgument(f'home_dir: "{shown(home)}" has ".." in it; write it as {os.path.normpath(home)}')


def _numbers(user: User) -> None:
    for name, highest in (
        ("status", 1),
        ("expiration_date", MAX_COUNT),
        ("uid", MAX_ID),
        ("gid", MAX_ID),
        ("max_sessions", MAX_ID),
        ("quota_size", MAX_COUNT),
        ("quota_files", MAX_COUNT),
    ):
        value = getattr(user, name) or 0
        if not 0 <= value <= highest:
            raise InvalidArgument(f"{name}: must be a number from 0 to {highest}")


def _permissions(user: User) -> None:
    Permissions.parse(user.permissions)


def _public_keys(user: User) -> None:
    for number, line in enumerate(user.public_keys, start=1):
        try:
            public_keys.parse(line)
        except InvalidArgument as error:
            raise InvalidArgument(f"public_keys: number {number}: {error.text}") from error


def _start_directory(user: User) -> None:
    given = user.filters.start_directory
    if not given:
        return
    try:
        raw = given.encode("utf-8", "surrogateescape")
        path = VirtualPath.parse(raw)
    except (InvalidPath, UnicodeEncodeError) as error:
        raise InvalidArgument(f'filters.start_directory: "{shown(given)}" is no path; {error}') from error
    if bytes(path) != raw:
        raise InvalidArgument(f'filters.start_directory: "{shown(given)}": write it absolute and clean, as {path}')


def _addresses(user: User) -> None:
    for name in ("allowed_ip", "denied_ip"):
        for given in getattr(user.filters, name):
            try:
                ipaddress.ip_network(given, strict=False)
            except ValueError as error:
                raise InvalidArgument(
                    f'filters.{name}: "{shown(given)}" is no network; write it as 192.0.2.0/24 or 2001:db8::/32'
                ) from error


def _login_methods(user: User) -> None:
    denied = user.filters.denied_login_methods
    _known("filters.denied_login_methods", denied, LOGIN_METHODS)
    if {"password" if method == PASSWORD_OVER_SSH else method for method in denied} >= SSH_LOGIN_METHODS:
        raise InvalidArgument("filters.denied_login_methods: every way in is denied; leave one, or set status to 0")


def _protocols(user: User) -> None:
    denied = user.filters.denied_protocols
    _known("filters.denied_protocols", denied, PROTOCOLS)
    if PROTOCOLS.issubset(denied):
        raise InvalidArgument("filters.denied_protocols: every protocol is denied; leave one, or set status to 0")


def _known(name: str, given: Iterable[str], known: frozenset[str]) -> None:
    for value in given:
        if value not in known:
            raise InvalidArgument(f'{name}: "{shown(value)}" is unknown; known are {", ".join(sorted(known))}')


def _is_unicode(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_CHECKS: Final[tuple[Callable[[User], None], ...]] = (
    _username,
    _texts,
    _home_dir,
    _numbers,
    _permissions,
    _public_keys,
    _start_directory,
    _addresses,
    _login_methods,
    _protocols,
)
