"""The options that carry a user's fields, and what they change in its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from conchgo.accounts.validation import LOGIN_METHODS, PROTOCOLS
from conchgo.cli import patterns, values
from conchgo.cli.records import json_file

F = TypeVar("F", bound=Callable[..., Any])

_NUMBER: Final = click.IntRange(min=0)
_AGAIN: Final = "May be repeated; an empty value clears what was there."
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
    ("--quota-size", {"type": _NUMBER, "metavar": "BYTES", "help": "Most bytes; 0: any number."}),
    ("--quota-files", {"type": _NUMBER, "help": "Most files; 0: any number."}),
    ("--max-upload-file-size", {"type": _NUMBER, "metavar": "BYTES", "help": "Most bytes of one file; 0: any number."}),
    ("--upload-bandwidth", {"type": _NUMBER, "metavar": "KB/S", "help": "Of all uploads together; 0: no limit."}),
    ("--download-bandwidth", {"type": _NUMBER, "metavar": "KB/S", "help": "Of all downloads together; 0: no limit."}),
    (
        "--bandwidth-limit",
        {
            "type": values.bandwidth_limit,
            "multiple": True,
            "metavar": "NETWORKS=KB/S:KB/S",
            "help": f"Up and down instead, for clients from there, as 10.0.0.0/8,::1=100:0. {_AGAIN}",
        },
    ),
    ("--upload-data-transfer", {"type": _NUMBER, "metavar": "MB", "help": "Most data uploaded; 0: any amount."}),
    ("--download-data-transfer", {"type": _NUMBER, "metavar": "MB", "help": "Most data downloaded; 0: any amount."}),
    ("--total-data-transfer", {"type": _NUMBER, "metavar": "MB", "help": "Most data of both; 0: any amount."}),
    (
        "--virtual-folder",
        {
            "type": values.virtual_folder,
            "multiple": True,
            "metavar": "PATH=NAME[:BYTES:FILES]",
            "help": "A folder that the user has at a path, as /shared=docs: in the user's quota, or with limits of its "
            f"own (0: none). {_AGAIN}",
        },
    ),
    *(
        (option, {"type": patterns.rule, "multiple": True, "metavar": "PATH::GLOBS", "help": f"{help_text} {_AGAIN}"})
        for option, help_text in (
            ("--allowed-patterns", "Names that may be used below a directory, and no others, as /images::*.jpg,*.png."),
            (
                "--denied-patterns",
                "Names that may not be used below a directory; an allowed match wins.",
            ),
            ("--hidden-patterns", "Names that may not be used below a directory, and are not seen either."),
        )
    ),
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
    (
        "--enabled-command",
        {
            "multiple": True,
            "metavar": "NAME",
            "help": f"A command for `ssh host NAME`, in place of what commands.enabled lists; * for all. {_AGAIN}",
        },
    ),
)

#: Repeatable options are named for one value.
_PLURALS: Final[Mapping[str, str]] = {
    "denied_login_method": "denied_login_methods",
    "denied_protocol": "denied_protocols",
    "enabled_command": "enabled_commands",
}
_FILTERS: Final = frozenset(
    {
        "start_directory",
        "allowed_ip",
        "denied_ip",
        "denied_login_methods",
        "denied_protocols",
        "max_upload_file_size",
        "enabled_commands",
    }
)


def account_options(command: F) -> F:
    """Gives a command every option of the table, and `--json`."""
    for option, attributes in reversed(_OPTIONS):
        command = click.option(option, **attributes)(command)
    return json_file(command)


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


def _public_keys(record: dict[str, Any], files: tuple[list[str], ...]) -> None:
    record["public_keys"] = [line for lines in files for line in lines]


def _permissions(record: dict[str, Any], verbs: list[str]) -> None:
    record["permissions"] = {**(record.get("permissions") or {}), "/": verbs}


def _directory_permissions(record: dict[str, Any], rules: tuple[tuple[str, list[str]] | None, ...]) -> None:
    root = {path: verbs for path, verbs in (record.get("permissions") or {}).items() if path == "/"}
    record["permissions"] = root | dict(filter(None, rules))


def _virtual_folders(record: dict[str, Any], folders: tuple[dict[str, Any] | None, ...]) -> None:
    record["virtual_folders"] = list(filter(None, folders))


def _bandwidth_limits(record: dict[str, Any], limits: tuple[dict[str, Any] | None, ...]) -> None:
    record["filters"]["bandwidth_limits"] = list(filter(None, limits))


def _patterns(option: str) -> Callable[[dict[str, Any], Any], None]:
    def replace(record: dict[str, Any], rules: tuple[patterns.Rule, ...]) -> None:
        filters = record["filters"]
        filters["file_patterns"] = patterns.replaced(option, filters.get("file_patterns") or [], rules)

    return replace


_COMPOSED: Final[Mapping[str, Callable[[dict[str, Any], Any], None]]] = {
    "public_key": _public_keys,
    "permissions": _permissions,
    "directory_permissions": _directory_permissions,
    "virtual_folder": _virtual_folders,
    "bandwidth_limit": _bandwidth_limits,
    **{option: _patterns(option) for option in patterns.PARTS},
}
