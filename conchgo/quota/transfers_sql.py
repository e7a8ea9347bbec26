"""What users have transferred, in the database: for all workers and nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, case, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from conchgo.database.engine import reading, writing
from conchgo.database.schema import transfer_usage
from conchgo.errors import Failure, PermissionDenied
from conchgo.quota.transfers import Direction, TransferLimits, Transferred, chunk

_OF_USER: Final = transfer_usage.c.username == bindparam("of")
_FIND: Final = select(transfer_usage.c.upload, transfer_usage.c.download).where(_OF_USER)


def _at_least_0(count: ColumnElement[int]) -> ColumnElement[int]:
    """What is given back may have been forgotten meanwhile."""
    return case((count < 0, 0), else_=count)


_ADD: Final = (
    update(transfer_usage)
    .where(_OF_USER)
    .values(
        upload=_at_least_0(transfer_usage.c.upload + bindparam("uploaded")),
        download=_at_least_0(transfer_usage.c.download + bindparam("downloaded")),
    )
)
_RESET: Final = update(transfer_usage).where(_OF_USER).values(upload=0, download=0)
_MAKE: Final[dict[str, Any]] = {
    name: dialect.insert(transfer_usage).values(upload=0, download=0).on_conflict_do_nothing()
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


class SQLTransferCounter:
    """A TransferCounter.

    It counts before anything is transferred: after a crash what a worker had taken and not transferred stays counted
    (16 MiB at most of each direction), and no limit is ever passed.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def take(self, username: str, direction: Direction, count: int, limits: TransferLimits) -> int:
        """Raises PermissionDenied too: there is no such user any more."""
        with writing(self._engine) as connection:
            taken = chunk(count, limits.room(direction, _locked(connection, username)))
            uploads = direction is Direction.UPLOAD
            _add(connection, username, Transferred(taken if uploads else 0, 0 if uploads else taken))
        return taken

    def give_back(self, username: str, unused: Transferred) -> None:
        told = False
        try:
            with writing(self._engine) as connection:
                _add(connection, username, Transferred(-unused.upload, -unused.download))
                told = True
        except Failure:
            # The commit may have come about: who gave it back again would have it twice.
            if not told:
                raise

    def transferred(self, username: str) -> Transferred:
        with reading(self._engine) as connection:
            row = connection.execute(_FIND, {"of": username}).one_or_none()
        return Transferred() if row is None else Transferred(*row)

    def reset(self, username: str) -> bool:
        with writing(self._engine) as connection:
            return connection.execute(_RESET, {"of": username}).rowcount > 0

    def all_transferred(self) -> Sequence[tuple[str, Transferred]]:
        """Of everybody of whom something was counted, by name. Raises Failure."""
        table = transfer_usage
        with reading(self._engine) as connection:
            rows = connection.execute(select(table.c.username, table.c.upload, table.c.download).order_by("username"))
            return [(row.username, Transferred(row.upload, row.download)) for row in rows]


def _locked(connection: Connection, username: str) -> Transferred:
    """The user's row, which nobody else changes until the transaction ends; made where it is missing."""
    find = _FIND.with_for_update()
    row = connection.execute(find, {"of": username}).one_or_none()
    if row is None:
        try:
            connection.execute(_MAKE[connection.dialect.name], {"username": username})
        except IntegrityError:
            raise PermissionDenied("permission denied: there is no such user any more") from None
        row = connection.execute(find, {"of": username}).one()
    return Transferred(*row)


def _add(connection: Connection, username: str, more: Transferred) -> None:
    connection.execute(_ADD, {"of": username, "uploaded": more.upload, "downloaded": more.download})
