"""Accounts in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Engine, RowMapping, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from conchgo.accounts.model import User
from conchgo.accounts.naming import is_username, shown
from conchgo.accounts.record import from_record, to_record
from conchgo.database.engine import reading, writing
from conchgo.database.schema import users as table
from conchgo.errors import AlreadyExists, NotFound

_COLUMNS: Final = frozenset(column.name for column in table.columns) - {"extra"}

#: Made once: of all that a login asks of the database, this takes longest.
_BY_NAME: Final = select(table).where(table.c.username == bindparam("username"))


class SQLAccountStore:
    """An AccountStore in the table `users`: a column for every field that conchgo knows, JSON for the others."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def user(self, username: str) -> User | None:
        if not is_username(username):
            return None  # not every database takes a NUL or half a surrogate, and a stranger may send them
        with reading(self._engine) as connection:
            row = connection.execute(_BY_NAME, {"username": username}).mappings().one_or_none()
        return None if row is None else _user(row)

    def users(self) -> Sequence[User]:
        with reading(self._engine) as connection:
            rows = connection.execute(select(table).order_by(table.c.username)).mappings().all()
        return [_user(row) for row in rows]

    def add(self, user: User) -> None:
        with writing(self._engine) as connection:
            try:
                connection.execute(insert(table).values(_row(user)))
            except IntegrityError:
                raise AlreadyExists(f"user {shown(user.username)} exists already") from None

    def update(self, user: User) -> None:
        with writing(self._engine) as connection:
            changed = connection.execute(update(table).where(table.c.username == user.username).values(_row(user)))
            _require(changed.rowcount, user.username)

    def delete(self, username: str) -> None:
        with writing(self._engine) as connection:
            changed = connection.execute(delete(table).where(table.c.username == username))
            _require(changed.rowcount, username)


def _require(count: int, username: str) -> None:
    if count == 0:
        raise NotFound(f"there is no user {shown(username)}")


def _row(user: User) -> dict[str, Any]:
    record = to_record(user)
    row: dict[str, Any] = {name: record.pop(name) for name in _COLUMNS}
    return {**row, "extra": record}


def _user(row: RowMapping) -> User:
    return from_record({**row["extra"], **{name: row[name] for name in _COLUMNS}})
