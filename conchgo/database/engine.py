"""Connections to SQLite or PostgreSQL (SQLAlchemy Core), and the two ways to use them: `reading` and `writing`."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from conchgo.errors import Failure

_BUSY_TIMEOUT: Final = 5.0
_CONNECT_TIMEOUT: Final = 5
_WRITES: Final = "conchgo_writes"


def connect(url: str) -> Engine:
    """An engine for `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`, tried once.

    An SQLite file that is not there yet is made, readable by its owner only.

    Raises:
        Failure: the URL is not understood, or the database cannot be reached; the text shows no password.
    """
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        raise Failure(f"database.url: cannot be read; {_USAGE}") from None
    opener = _OPENERS.get(parsed.drivername)
    if opener is None:
        raise Failure(f"database.url: {parsed.drivername!r} is no known kind of database; {_USAGE}")
    try:
        engine = opener(parsed)
        with engine.connect():
            return engine
    except ImportError as error:
        raise Failure(f"database.url: {error.name} is not installed; install conchgo[postgresql]") from None
    except (SQLAlchemyError, OSError, ValueError) as error:
        raise Failure(f"database.url: cannot open {_shown(parsed)}: {_reason(error)}") from None


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view of the data.

    Raises:
        Failure: the database did not answer.
    """
    with _translated(), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One short write transaction: it commits at the end of the block and rolls back when the block raises.

    On SQLite it holds the one write lock from its first moment (`BEGIN IMMEDIATE`), so what it reads stays true until
    it commits; on PostgreSQL a row read to be changed wants `SELECT ... FOR UPDATE`.

    Raises:
        Failure: the database did not answer, or refused.
    """
    with _translated(), engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, UnicodeError) as error:
        raise Failure(f"the database failed: {_reason(error)}") from error


def _sqlite(url: URL) -> Engine:
    path = url.database
    if not path or path == ":memory:" or path.startswith("file:") or url.query or url.host:
        raise Failure(f"database.url: SQLite needs a plain file; {_USAGE}")
    try:
        _create_file(os.path.abspath(path))
    except (OSError, ValueError, sqlite3.Error) as error:
        raise Failure(f"database.url: cannot make {_shown(url)}: {_reason(error)}") from None
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": _BUSY_TIMEOUT})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_file(path: str) -> None:
    """Make the file complete under another name, then give it its own: nobody ever meets it half made.

    An existing file is not even opened here: closing it would drop the locks that this process holds on it (POSIX
    locks belong to the process, see "How To Corrupt An SQLite Database File", 2.2).
    """
    if os.path.exists(path):
        return
    handle, temporary = tempfile.mkstemp(prefix=".conchgo-", dir=os.path.dirname(path))
    os.close(handle)
    try:
        with contextlib.closing(sqlite3.connect(temporary)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver starts no transactions: _begin_sqlite does
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT},
    )


def _shown(url: URL) -> str:
    where = f" on {url.host}" if url.host else ""
    return f"{url.get_backend_name()} database {url.database!r}{where}"


def _reason(error: BaseException) -> str:
    """One line without the statement and its values."""
    original: Any = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(original, OSError) and original.strerror:
        return original.strerror
    if isinstance(original, UnicodeError):
        return "a text is not valid UTF-8"
    text = " ".join(str(original).split())
    return _EXPLAINED.get(text, text) or type(original).__name__


#: What SQLite says, and what that means here. Clients may see it.
_EXPLAINED: Final = {
    "database is locked": (
        f"it is locked: another program has been writing to it for {_BUSY_TIMEOUT:.0f} s (a backup or sqlite3, "
        "perhaps); try again when that has ended"
    ),
    "attempt to write a readonly database": (
        "it may only be read: its file and directory must be writable for this user (is it the service's?)"
    ),
}

_USAGE: Final = "write sqlite:////absolute/path/of/file.db or postgresql://user:password@host/database"

_OPENERS: Final[dict[str, Callable[[URL], Engine]]] = {
    "sqlite": _sqlite,
    "sqlite+pysqlite": _sqlite,
    "postgres": _postgresql,
    "postgresql": _postgresql,
    "postgresql+psycopg": _postgresql,
}

#: What a URL may begin with.
KINDS: Final = frozenset(_OPENERS)
