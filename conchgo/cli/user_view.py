"""How users are shown: tables for people, JSON for machines, the password hash for nobody."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conchgo.accounts.enforcement import is_set, unenforced
from conchgo.accounts.model import User
from conchgo.accounts.naming import shown
from conchgo.accounts.public_keys import split
from conchgo.accounts.record import shown_record
from conchgo.errors import InvalidArgument

#: Wide enough that a pipe gets one line for each user.
_PIPE_WIDTH: Final = 10_000


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def print_users(users: Sequence[User]) -> None:
    table = Table("username", "status", "expires", "logs in by", "permissions", "home_dir")
    for user in users:
        table.add_row(
            *map(
                _cell,
                (
                    user.username,
                    _status(user),
                    _date(user.expiration_date),
                    ", ".join(_credentials(user)) or "nothing",
                    ",".join(user.permissions.get("/", ())),
                    user.home_dir,
                ),
            )
        )
    _print(table)


def print_user(user: User) -> None:
    """Every field that is set."""
    table = Table("field", "value", show_header=False)
    for name, value in _fields(user):
        table.add_row(_cell(name), _cell(value))
    _print(table)


def _fields(user: User) -> Iterable[tuple[str, str]]:
    record = shown_record(user)
    filters = record.pop("filters")
    del record["has_password"], record["permissions"], record["public_keys"]
    record |= {"status": _status(user), "expiration_date": _date(user.expiration_date)}
    yield "username", record.pop("username")
    yield "password", "present" if user.password else "absent"
    for line in user.public_keys:
        yield "public_keys", _key(line)
    for path, verbs in sorted(user.permissions.items()):
        yield f"permissions {path}", ",".join(verbs) or "nothing"
    for name, value in [*record.items(), *((f"filters.{name}", value) for name, value in filters.items())]:
        if is_set(value):
            yield name, value if isinstance(value, str) else json.dumps(value)
    for name in unenforced(user):
        yield "not enforced", f"{name}: the user cannot log in while it is set"


def _status(user: User) -> str:
    return "enabled" if user.status == 1 else "disabled"


def _date(milliseconds: int) -> str:
    if not milliseconds:
        return "never"
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"


def _credentials(user: User) -> Iterable[str]:
    if user.password:
        yield "password"
    if user.public_keys:
        yield "publickey"


def _key(line: str) -> str:
    try:
        key = split(line)
    except InvalidArgument as error:
        return f"unusable: {error.text}"
    return f"{key.kind} {key.fingerprint} {key.comment}".strip()


def _cell(value: str) -> Text:
    """A name may hold what a terminal or rich's markup would act upon."""
    return Text(shown(value, limit=None), overflow="fold")


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)
