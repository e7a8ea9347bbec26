"""Scans of domains that several workers and nodes change; see `conchgo.quota.sql` for how the two go together."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence, Set
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, delete, select, update

from conchgo.database.clock import now
from conchgo.database.engine import reading, writing
from conchgo.database.owners import Owner, all_owners, is_alive
from conchgo.database.schema import quota_leases as leases
from conchgo.database.schema import quota_scan_log as scan_log
from conchgo.database.schema import quota_usage as usages
from conchgo.errors import Busy, Failure, NotBefore
from conchgo.quota.books import total
from conchgo.quota.interface import Usage
from conchgo.quota.recovery import Look
from conchgo.quota.scans import MOVED, Tallied
from conchgo.quota.settling import settle_dead
from conchgo.quota.sql import State, locked_usages
from conchgo.quota.tally import Correction

#: Seconds until one asks again whether all changes have ended: workers tell every half second.
_PAUSE: Final = 0.1


class SQLScans:
    """Scans, by `owner`, who beats elsewhere. `look` is for what dead owners left: a scan must not wait for them."""

    def __init__(self, engine: Engine, owner: Owner, look: Look) -> None:
        self._engine = engine
        self._owner = owner
        self._look = look

    def needs(self, domain: str) -> bool:
        with reading(self._engine) as connection:
            row = connection.execute(select(usages).where(usages.c.domain == domain)).one_or_none()
            if row is None or row.counted_at is None or row.rescan:
                return True
            return row.scan is not None and not _is_alive(connection, row.scan.partition(":")[0])

    def begin(self, domain: str, beside: Sequence[str] = ()) -> _SQLScan:
        with writing(self._engine) as connection:
            row = locked_usages(connection, [domain])[domain]
            owner, _, name = (row.scan or "").partition(":")
            if name and _is_alive(connection, owner):
                raise Busy(f"a scan of {domain} goes on already")
            if not name:
                name = uuid4().hex
                connection.execute(delete(scan_log).where(scan_log.c.domain == domain))
            scan = _SQLScan(self._engine, self._owner.id, self._look, domain, name, beside, doubted=row.rescan)
            _set(connection, domain, scan=scan.holder, rescan=False)
        return scan

    def due(self, interval: float) -> Sequence[str]:
        with reading(self._engine) as connection:
            wanted = usages.c.rescan | usages.c.scan.is_not(None)
            if interval:
                wanted |= usages.c.counted_at < now(connection) - interval
            return list(connection.execute(select(usages.c.domain).where(wanted).order_by(usages.c.domain)).scalars())

    def doubt(self, domains: Set[str]) -> None:
        if domains:
            counted = usages.c.domain.in_(sorted(domains)) & usages.c.counted_at.is_not(None)
            with writing(self._engine) as connection:
                connection.execute(update(usages).where(counted).values(rescan=True))

    def forget(self, domain: str) -> None:
        with reading(self._engine) as connection:
            counted = connection.execute(select(usages.c.counted_at).where(usages.c.domain == domain)).scalar()
        if counted is not None:
            with writing(self._engine) as connection:
                _set(connection, domain, counted_at=None)


class _SQLScan:
    """A `Scan`."""

    def __init__(
        self, engine: Engine, owner: str, look: Look, domain: str, name: str, beside: Sequence[str], *, doubted: bool
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._look = look
        self._domain = domain
        self._beside = beside
        self._doubted = doubted
        self._waits = False
        #: What began until then is told when this scan ends, and what it saw is of then or before.
        self._until = math.inf
        self.name = name
        self.holder = f"{owner}:{name}"

    def settle(self) -> None:
        if not self._waits:
            self._until = time.time()
            with writing(self._engine) as connection:
                # A flush that goes on has looked at its lease already, and would write over it.
                locked_usages(connection, [self._domain])
                held = leases.c.state.in_([State.HELD.value, State.RECALLED.value])
                barrier = update(leases).where(leases.c.domain == self._domain, held)
                connection.execute(barrier.values(state=State.BARRIER.value))
            self._waits = True
        settle_dead(self._engine, self._owner, self._look)
        with reading(self._engine) as connection:
            waited = select(leases.c.owner).where(
                leases.c.domain == self._domain, leases.c.state == State.BARRIER.value
            )
            if connection.execute(waited).first() is not None:
                raise NotBefore(time.monotonic() + _PAUSE)

    def finish(self, tally: Tallied) -> Usage:
        self._waits = False
        with writing(self._engine) as connection:
            row = self._own(connection)
            heard, later = self._heard(connection)
            connection.execute(delete(scan_log).where(scan_log.c.domain == self._domain))
            found = None
            if MOVED not in heard:
                tally.correct(heard)
                found = total((tally.total(), later))
                self._say(connection, found)
                self._free_lost(connection, certain=not row.rescan)
        if found is None:
            raise Busy("directories were moved while they were scanned, try again")
        return found

    def abandon(self) -> None:
        with writing(self._engine) as connection:
            self._own(connection)
            _set(connection, self._domain, scan=None, **({"rescan": True} if self._doubted else {}))
            connection.execute(delete(scan_log).where(scan_log.c.domain == self._domain))

    def _own(self, connection: Connection) -> Row[Any]:
        """The domain's row. Raises Failure: it is not ours to count any more."""
        row = locked_usages(connection, [self._domain])[self._domain]
        if row.scan != self.holder:
            raise Failure(f"somebody else has taken over the scan of {self._domain}")
        return row

    def _heard(self, connection: Connection) -> tuple[Sequence[Correction], Usage]:
        """What became of inodes; and what was more in the end, by changes of which others are not told yet.

        Those are counted when they are told. So the sizes that later ones came to say nothing of what to count now.
        """
        log = select(scan_log).where(scan_log.c.domain == self._domain).order_by(scan_log.c.at)
        rows = connection.execute(log).all()
        later = [row for row in rows if row.began > self._until]
        told = [_correction(row) for row in rows if row.began <= self._until or row.files == MOVED.files]
        return told, total(Usage(row.more_size, row.more_files) for row in later)

    def _say(self, connection: Connection, found: Usage) -> None:
        values = {"size": found.size, "files": found.files, "counted_at": now(connection)}
        _set(connection, self._domain, scan=None, changes=usages.c.changes + 1, **values)

    def _free_lost(self, connection: Connection, *, certain: bool) -> None:
        """What was used of them is known now, unless it was beside the domain: then this is to be done once more."""
        lost = (leases.c.domain == self._domain) & (leases.c.state == State.LOST.value)
        doubted = usages.c.rescan | usages.c.scan.is_not(None)
        beside = select(usages.c.domain).where(usages.c.domain.in_(self._beside), doubted)
        if certain and connection.execute(beside).first() is None:
            connection.execute(delete(leases).where(lost))
        elif connection.execute(select(leases.c.owner).where(lost)).first() is not None:
            _set(connection, self._domain, rescan=True)


def _correction(row: Row[Any]) -> Correction:
    return Correction(row.inode, row.size, row.files)


def _set(connection: Connection, domain: str, **values: Any) -> None:
    connection.execute(update(usages).where(usages.c.domain == domain).values(**values))


def _is_alive(connection: Connection, owner: str) -> bool:
    known = {row.owner: row for row in all_owners(connection)}
    return owner in known and is_alive(known[owner], now(connection))
