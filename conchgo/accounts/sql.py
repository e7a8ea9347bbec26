"""Accounts in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, Table, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from conchgo.accounts import refusals
from conchgo.accounts.folder_record import folder_from_record, folder_to_record
from conchgo.accounts.model import Folder, User
from conchgo.accounts.naming import is_name
from conchgo.accounts.record import from_record, to_record
from conchgo.database.engine import reading, writing
from conchgo.database.schema import folders, users

#: Made once: of all that a login asks of the database, this takes longest.
_USER_BY_NAME: Final = select(users).where(users.c.username == bindparam("username"))
_FOLDER_BY_NAME: Final = select(folders).where(folders.c.name == bindparam("name"))

_COLUMNS: Final[Mapping[Table, Sequence[str]]] = {
    table: [column.name for column in table.columns if column.name != "extra"] for table in (users, folders)
}


class SQLAccountStore:
    """An AccountStore in tables: a column for every field that conchgo knows, JSON for the others."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def user(self, username: str) -> User | None:
        if not is_name(username):
            return None  # not every database takes a NUL or half a surrogate, and a stranger may send them
        with reading(self._engine) as connection:
            row = connection.execute(_USER_BY_NAME, {"username": username}).mappings().one_or_none()
        return None if row is None else from_record(_record(users, row))

    def users(self) -> Sequence[User]:
        with reading(self._engine) as connection:
            return _all_users(connection)

    def add(self, user: User) -> None:
        with writing(self._engine) as connection:
            _require_folders(connection, user)
            try:
                connection.execute(insert(users).values(_row(users, to_record(user))))
            except IntegrityError:
                raise refusals.user_exists(user.username) from None

    def update(self, user: User) -> None:
        with writing(self._engine) as connection:
            _require_folders(connection, user)
            row = _row(users, to_record(user))
            if not connection.execute(update(users).where(users.c.username == user.username).values(row)).rowcount:
                raise refusals.no_user(user.username)

    def delete(self, username: str) -> None:
        with writing(self._engine) as connection:
            if not connection.execute(delete(users).where(users.c.username == username)).rowcount:
                raise refusals.no_user(username)

    def folder(self, name: str) -> Folder | None:
        if not is_name(name):
            return None
        with reading(self._engine) as connection:
            row = connection.execute(_FOLDER_BY_NAME, {"name": name}).mappings().one_or_none()
        return None if row is None else folder_from_record(_record(folders, row))

    def folders(self) -> Sequence[Folder]:
        with reading(self._engine) as connection:
            rows = connection.execute(select(folders).order_by(folders.c.name)).mappings().all()
        return [folder_from_record(_record(folders, row)) for row in rows]

    def add_folder(self, folder: Folder) -> None:
        with writing(self._engine) as connection:
            try:
                connection.execute(insert(folders).values(_row(folders, folder_to_record(folder))))
            except IntegrityError:
                raise refusals.folder_exists(folder.name) from None

    def update_folder(self, folder: Folder) -> None:
        with writing(self._engine) as connection:
            row = _row(folders, folder_to_record(folder))
            if not connection.execute(update(folders).where(folders.c.name == folder.name).values(row)).rowcount:
                raise refusals.no_folder(folder.name)

    def delete_folder(self, name: str) -> None:
        with writing(self._engine) as connection:
            # Whoever gives this folder to a user holds its row: then he is seen below, or finds no folder.
            if connection.execute(_FOLDER_BY_NAME.with_for_update(), {"name": name}).one_or_none() is None:
                raise refusals.no_folder(name)
            having = [user.username for user in _all_users(connection) if user.has_folder(name)]
            if having:
                raise refusals.folder_in_use(name, having)
            connection.execute(delete(folders).where(folders.c.name == name))


def _all_users(connection: Connection) -> list[User]:
    rows = connection.execute(select(users).order_by(users.c.username)).mappings().all()
    return [from_record(_record(users, row)) for row in rows]


def _require_folders(connection: Connection, user: User) -> None:
    """They stay until the transaction ends. Asked for in order, so that two of these never wait for each other."""
    for name in sorted(folder.name for folder in user.virtual_folders):
        if connection.execute(_FOLDER_BY_NAME.with_for_update(read=True), {"name": name}).one_or_none() is None:
            raise refusals.no_folder(name)


def _row(table: Table, record: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {name: record.pop(name) for name in _COLUMNS[table]}
    return {**row, "extra": record}


def _record(table: Table, row: RowMapping) -> dict[str, Any]:
    return {**row["extra"], **{name: row[name] for name in _COLUMNS[table]}}
