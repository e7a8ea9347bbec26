"""Whether a user's record makes sense: asked before it is kept."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Final

from conchgo.accounts import public_keys
from conchgo.accounts.clean_paths import clean_path
from conchgo.accounts.folder_validation import folder_name, real_path, unicode_texts
from conchgo.accounts.model import User
from conchgo.accounts.naming import MAX_NAME, is_name, shown
from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.errors import InvalidArgument
from conchgo.paths import VirtualPath

MAX_ID: Final = 2**31 - 1
MAX_COUNT: Final = 2**63 - 1
MAX_MEGABYTES: Final = MAX_COUNT >> 20

#: What a user can log in with over SSH, by SFTPGo's names.
SSH_LOGIN_METHODS: Final = frozenset(
    {"publickey", "password", "keyboard-interactive", "publickey+password", "publickey+keyboard-interactive"}
)
#: Passwords over SSH only; conchgo has no others.
PASSWORD_OVER_SSH: Final = "password-over-SSH"  # noqa: S105
LOGIN_METHODS: Final = SSH_LOGIN_METHODS | {PASSWORD_OVER_SSH, "TLSCertificate", "TLSCertificate+password"}
PROTOCOLS: Final = frozenset({"SSH", "FTP", "DAV", "HTTP"})


_COMMAND: Final = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


def validate(user: User) -> None:
    """Raises InvalidArgument: the first field that makes no sense, why, and what would."""
    for check in _CHECKS:
        check(user)


def _username(user: User) -> None:
    if not is_name(user.username):
        raise InvalidArgument(
            f'username: "{shown(user.username)}" is no username; use letters, digits and -_.~@+, at most {MAX_NAME}'
        )


def _texts(user: User) -> None:
    unicode_texts(user, "home_dir", "password", "email", "description", "additional_info")


def _home_dir(user: User) -> None:
    real_path("home_dir", user.home_dir)


def _numbers(user: User) -> None:
    for name, highest in (
        ("status", 1),
        ("expiration_date", MAX_COUNT),
        ("uid", MAX_ID),
        ("gid", MAX_ID),
        ("max_sessions", MAX_ID),
        ("quota_size", MAX_COUNT),
        ("quota_files", MAX_COUNT),
        ("upload_bandwidth", MAX_ID),
        ("download_bandwidth", MAX_ID),
        ("upload_data_transfer", MAX_MEGABYTES),
        ("download_data_transfer", MAX_MEGABYTES),
        ("total_data_transfer", MAX_MEGABYTES),
    ):
        _number(name, getattr(user, name) or 0, highest)
    _number("filters.max_upload_file_size", user.filters.max_upload_file_size, MAX_COUNT)


def _permissions(user: User) -> None:
    Permissions.parse(user.permissions)


def _public_keys(user: User) -> None:
    for number, line in enumerate(user.public_keys, start=1):
        try:
            public_keys.parse(line)
        except InvalidArgument as error:
            raise InvalidArgument(f"public_keys: number {number}: {error.text}") from error


def _start_directory(user: User) -> None:
    if user.filters.start_directory:
        clean_path("filters.start_directory", user.filters.start_directory)


def _addresses(user: User) -> None:
    for name in ("allowed_ip", "denied_ip"):
        _networks(f"filters.{name}", getattr(user.filters, name))


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


def _file_patterns(user: User) -> None:
    FilePatterns.parse(user.filters.file_patterns)


def _bandwidth_limits(user: User) -> None:
    for number, limit in enumerate(user.filters.bandwidth_limits, start=1):
        field = f"filters.bandwidth_limits: number {number}"
        if not limit.sources:
            raise InvalidArgument(f"{field}: sources: there is none; give the networks that it is for")
        _networks(f"{field}: sources", limit.sources)
        for name in ("upload_bandwidth", "download_bandwidth"):
            _number(f"{field}: {name}", getattr(limit, name), MAX_ID)


def _enabled_commands(user: User) -> None:
    """Which commands there are is not known here."""
    for name in user.filters.enabled_commands:
        if not _COMMAND.fullmatch(name):
            raise InvalidArgument(f'filters.enabled_commands: "{shown(name)}" is no name of a command; `*` means all')


def _virtual_folders(user: User) -> None:
    names: set[str] = set()
    paths: set[VirtualPath] = set()
    for number, folder in enumerate(user.virtual_folders, start=1):
        field = f"virtual_folders: number {number}"
        folder_name(f"{field}: name", folder.name)
        path = clean_path(f"{field}: virtual_path", folder.virtual_path)
        if folder.name in names:
            raise InvalidArgument(f"{field}: name: the user has the folder {folder.name} already, and can have it once")
        if path in paths:
            raise InvalidArgument(f"{field}: virtual_path: there is another folder at {path} already")
        for name in ("quota_size", "quota_files"):
            _number(f"{field}: {name}", getattr(folder, name) or 0, MAX_COUNT)
        names.add(folder.name)
        paths.add(path)


def _networks(field: str, given: Iterable[str]) -> None:
    for network in given:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            raise InvalidArgument(
                f'{field}: "{shown(network)}" is no network; write it as 192.0.2.0/24 or 2001:db8::/32'
            ) from error


def _number(field: str, value: int, highest: int) -> None:
    if not 0 <= value <= highest:
        raise InvalidArgument(f"{field}: must be a number from 0 to {highest}")


def _known(name: str, given: Iterable[str], known: frozenset[str]) -> None:
    for value in given:
        if value not in known:
            raise InvalidArgument(f'{name}: "{shown(value)}" is unknown; known are {", ".join(sorted(known))}')


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
    _file_patterns,
    _bandwidth_limits,
    _enabled_commands,
    _virtual_folders,
)
