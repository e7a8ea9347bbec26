"""The roll in the database: right across workers and nodes, also when one of them was killed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, select

from conchgo.database.clock import now
from conchgo.database.engine import reading, writing
from conchgo.database.owners import Owner, OwnerRow, all_owners, dead_owners, forget, is_alive
from conchgo.database.schema import sessions as table
from conchgo.database.schema import users
from conchgo.sessions.roll import Session

_COLUMNS: Final = [table.c[name] for name in Session._fields]
_COUNT: Final = select(func.count()).where(table.c.username == bindparam("username"))
_ONE: Final = delete(table).where(table.c.owner == bindparam("this"), table.c.number == bindparam("that"))
_ALL: Final = delete(table).where(table.c.owner == bindparam("this"))
#: On PostgreSQL it makes reservations of one user wait for each other; on SQLite every transaction does.
_TURN: Final = select(users.c.username).where(users.c.username == bindparam("username")).with_for_update(key_share=True)


class SQLRoll:
    """A `Roll` in the table `sessions`, for the worker that is `owner`."""

    shared = True

    def __init__(self, engine: Engine, owner: Owner) -> None:
        self._engine = engine
        self._owner = owner

    def beat(self) -> bool:
        """Also settles the sessions of those that are dead."""
        kept = self._owner.beat()
        with reading(self._engine) as connection:
            dead = dead_owners(connection)
        if dead:
            with writing(self._engine) as connection:
                _settle(connection)
        return kept

    def tell(self, begun: Collection[Session], ended: Collection[int]) -> None:
        with writing(self._engine) as connection:
            self._drop(connection, {session.number for session in begun} | set(ended))
            self._add(connection, begun)

    def reserve(self, session: Session, limit: int, ended: Collection[int]) -> bool:
        with writing(self._engine) as connection:
            connection.execute(_TURN, {"username": session.username})
            self._drop(connection, ended)
            if not _has_room(connection, session.username, limit):
                _settle(connection)
                if not _has_room(connection, session.username, limit):
                    return False
            self._add(connection, [session])
            return True

    def has_room(self, username: str, limit: int) -> bool:
        with reading(self._engine) as connection:
            if _has_room(connection, username, limit):
                return True
        with writing(self._engine) as connection:
            _settle(connection)
            return _has_room(connection, username, limit)

    def workers_of(self, usernames: Collection[str]) -> Mapping[str, int]:
        owners = func.count(table.c.owner.distinct())
        query = select(table.c.username, owners).where(table.c.username.in_(usernames)).group_by(table.c.username)
        with reading(self._engine) as connection:
            return dict(list(connection.execute(query.having(owners > 1))))

    def leave(self) -> None:
        with writing(self._engine) as connection:
            connection.execute(_ALL, {"this": self._owner.id})
        self._owner.leave()

    def _add(self, connection: Connection, begun: Collection[Session]) -> None:
        if begun:
            connection.execute(insert(table), [{"owner": self._owner.id, **session._asdict()} for session in begun])

    def _drop(self, connection: Connection, ended: Collection[int]) -> None:
        if ended:
            connection.execute(_ONE, [{"this": self._owner.id, "that": number} for number in ended])


class Listed(NamedTuple):
    """A session, and in which process it is."""

    session: Session
    owner: OwnerRow


def all_sessions(engine: Engine) -> Sequence[Listed]:
    """Those of living workers everywhere, the oldest first; of a session without a limit, a second after its begin.

    Raises:
        Failure: the database did not answer.
    """
    with reading(engine) as connection:
        present = now(connection)
        living = {row.owner: row for row in all_owners(connection) if is_alive(row, present)}
        rows = connection.execute(select(table.c.owner, *_COLUMNS).order_by(table.c.since, table.c.number)).all()
    return [Listed(Session(*row[1:]), living[row.owner]) for row in rows if row.owner in living]


def _has_room(connection: Connection, username: str, limit: int) -> bool:
    return connection.execute(_COUNT, {"username": username}).scalar_one() < limit


def _settle(connection: Connection) -> None:
    """Forget those that are dead, and their sessions."""
    for row in dead_owners(connection):
        connection.execute(_ALL, {"this": row.owner})
        forget(connection, row)
