"""The options that carry a user's fields, and what they change in its record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import IO, Any, Final, NoReturn, TypeVar

import click

from conchgo.accounts.validation import LOGIN_METHODS, PROTOCOLS
from conchgo.cli import values
from conchgo.errors import InvalidArgument

F = TypeVar("F", bound=Callable[..., Any])

_NUMBER: Final = click.IntRange(min=0)
_AGAIN: Final = "May be repeated; an empty value clears what was there."
_NOT_YET: Final = "Not enforced yet: with it the user cannot log in."
_NOTE: Final = "A note for administrators."

#: Option, its attributes. Its name in the record is the option's own, with underscores.
_OPTIONS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (
        "--home-dir",
        {"metavar": "DIRECTORY", "help": "What the user sees as /; a new user's is below users.base_directory."},
    ),
    ("--status", {"type": click.IntRange(0, 1), "help": "1: enabled (a new user), 0: disabled."}),
    (
        "--expiration-date",
        {"type": values.date, "metavar": "DATE", "help": "The account ends then; `never` to remove the end."},
    ),
    (
        "--public-key",
        {
            "type": values.public_keys,
            "multiple": True,
            "metavar": "FILE|KEY",
            "help": f"A key that may log in: a .pub file or the key itself. {_AGAIN}",
        },
    ),
    (
        "--permissions",
        {
            "type": values.verbs,
            "metavar": "LIST",
            "help": f"What the user may do, {values.KNOWN_VERBS} (a new user's default).",
        },
    ),
    (
        "--directory-permissions",
        {
            "type": values.directory_rule,
            "multiple": True,
            "metavar": "PATH=LIST",
            "help": f"What it may do below a directory instead, as /incoming=list,upload. {_AGAIN}",
        },
    ),
    ("--uid", {"type": _NUMBER, "help": "Owner of what a root server makes for the user; 0: the server's own."}),
    ("--gid", {"type": _NUMBER, "help": "Group of what a root server makes for the user; 0: the server's own."}),
    ("--max-sessions", {"type": _NUMBER, "help": "Most sessions at once; 0: any number."}),
    ("--quota-size", {"type": _NUMBER, "help": f"Most bytes; 0: any number. {_NOT_YET}"}),
    ("--quota-files", {"type": _NUMBER, "help": f"Most files; 0: any number. {_NOT_YET}"}),
    ("--email", {"metavar": "ADDRESS", "help": _NOTE}),
    ("--description", {"help": _NOTE}),
    ("--additional-info", {"help": _NOTE}),
    ("--start-directory", {"metavar": "PATH", "help": "Where a session begins; empty: /."}),
    ("--allowed-ip", {"metavar": "NETWORK", "multiple": True, "help": f"Log in from here only. {_AGAIN}"}),
    ("--denied-ip", {"metavar": "NETWORK", "multiple": True, "help": f"No log in from here. {_AGAIN}"}),
    (
        "--denied-login-method",
        {
            "type": click.Choice([*sorted(LOGIN_METHODS), ""]),
            "multiple": True,
            "metavar": "METHOD",
            "help": f"As password or publickey. {_AGAIN}",
        },
    ),
    (
        "--denied-protocol",
        {
            "type": click.Choice([*sorted(PROTOCOLS), ""]),
            "multiple": True,
            "metavar": "PROTOCOL",
            "help": f"SSH; FTP, DAV and HTTP do not exist here. {_AGAIN}",
        },
    ),
)

#: Repeatable options are named for one value.
_PLURALS: Final[Mapping[str, str]] = {
    "denied_login_method": "denied_login_methods",
    "denied_protocol": "denied_protocols",
}
_FILTERS: Final = frozenset({"start_directory", "allowed_ip", "denied_ip", "denied_login_methods", "denied_protocols"})


def account_options(command: F) -> F:
    """Gives a command every option of the table, and `--json`."""
    for option, attributes in reversed(_OPTIONS):
        command = click.option(option, **attributes)(command)
    help_text = "The whole record as JSON, in SFTPGo's form; - for stdin. Other options win over it."
    return click.option("--json", "record_file", type=click.File("rb"), metavar="FILE", help=help_text)(command)


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that stand on the command line."""
    return {name: value for name, value in options.items() if value is not None and value != ()}


def changed(record: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The record with what the options say in place of what it said."""
    result = {**record, "filters": {**(record.get("filters") or {})}}
    for option, value in given(options).items():
        name = _PLURALS.get(option, option)
        if option in _COMPOSED:
            _COMPOSED[option](result, value)
        elif name in _FILTERS:
            result["filters"][name] = [item for item in value if item] if isinstance(value, tuple) else value
        else:
            result[name] = value
    return result


def read_record(file: IO[bytes]) -> dict[str, Any]:
    """Raises InvalidArgument: it is no JSON object."""
    try:
        record = json.loads(file.read(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"--json: that is no JSON: {error}") from error
    if not isinstance(record, dict):
        raise InvalidArgument("--json: a user is one JSON object")
    return record


def _public_keys(record: dict[str, Any], files: tuple[list[str], ...]) -> None:
    record["public_keys"] = [line for lines in files for line in lines]


def _permissions(record: dict[str, Any], verbs: list[str]) -> None:
    record["permissions"] = {**(record.get("permissions") or {}), "/": verbs}


def _directory_permissions(record: dict[str, Any], rules: tuple[tuple[str, list[str]] | None, ...]) -> None:
    root = {path: verbs for path, verbs in (record.get("permissions") or {}).items() if path == "/"}
    record["permissions"] = root | dict(filter(None, rules))


_COMPOSED: Final[Mapping[str, Callable[[dict[str, Any], Any], None]]] = {
    "public_key": _public_keys,
    "permissions": _permissions,
    "directory_permissions": _directory_permissions,
}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
