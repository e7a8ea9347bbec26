"""Who works on this database: every process that serves is an owner, and alive while it holds its lock or beats.

What an owner has in the database (sessions, leases) is settled by the others when it is dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, Engine, delete, insert, select, update

from conchgo.database.clock import now
from conchgo.database.engine import reading, writing
from conchgo.database.schema import owners
from conchgo.errors import Failure

#: Seconds on the database's clock without a heartbeat, after which an owner on another host is dead.
EXPIRY: Final = 30.0

#: Seconds between heartbeats.
BEAT: Final = 10.0


class OwnerRow(NamedTuple):
    """What others know of an owner.

    `boot` is the kernel's boot id: another one means that what was not synced to the disk may be lost. `lock` is the
    file whose lock the owner holds, seen from its host.
    """

    owner: str
    host: str
    boot: str
    pid: int
    lock: str
    heartbeat: float


class Owner:
    """This process, among those that share the database, from now until `leave`."""

    def __init__(self, engine: Engine, directory: str) -> None:
        """Join, with a lock in `directory`, which is made.

        Raises:
            Failure: the database did not answer, or the lock can't be made.
        """
        self._engine = engine
        self.id = uuid4().hex
        #: When the latest heartbeat began that reached the database, as time.monotonic().
        self.beaten = time.monotonic()
        #: How often we came: once, and again whenever the others have taken us for dead.
        self.joins = 0
        self._lock = os.path.join(os.path.abspath(directory), f"{self.id}.lock")
        try:
            os.makedirs(directory, mode=0o750, exist_ok=True)
            self._descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Failure(f"{error.filename or directory}: cannot be made: {error.strerror}") from None
        # Locked before anybody can know of it.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            self.beat()
        except Failure:
            self._unlock()
            raise

    def beat(self) -> bool:
        """Say that we live; False where the others have taken us for dead, and have settled what we had.

        Raises:
            Failure: the database did not answer.
        """
        began = time.monotonic()
        with writing(self._engine) as connection:
            beat = now(connection)
            kept = connection.execute(update(owners).where(owners.c.owner == self.id).values(heartbeat=beat)).rowcount
            if not kept:
                row = OwnerRow(self.id, socket.gethostname(), boot_id(), os.getpid(), self._lock, beat)
                connection.execute(insert(owners).values(row._asdict()))
                self.joins += 1
        self.beaten = began
        return bool(kept)

    def leave(self) -> None:
        """The end, with nothing left to settle.

        Raises:
            Failure: the database did not answer; the others will find us dead.
        """
        try:
            with writing(self._engine) as connection:
                connection.execute(delete(owners).where(owners.c.owner == self.id))
        finally:
            self._unlock()

    def _unlock(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._lock)
        os.close(self._descriptor)


def all_owners(connection: Connection) -> Sequence[OwnerRow]:
    """Every owner that is known, dead or alive."""
    columns = [owners.c[name] for name in OwnerRow._fields]
    return [OwnerRow(*row) for row in connection.execute(select(*columns).order_by(owners.c.owner))]


def living_owners(engine: Engine) -> Sequence[OwnerRow]:
    """Those that are alive, by their hosts and processes.

    Raises:
        Failure: the database did not answer.
    """
    with reading(engine) as connection:
        present = now(connection)
        living = [row for row in all_owners(connection) if is_alive(row, present)]
    return sorted(living, key=lambda row: (row.host, row.pid))


def dead_owners(connection: Connection) -> Sequence[OwnerRow]:
    """Those that are dead and not settled yet."""
    present = now(connection)
    return [row for row in all_owners(connection) if not is_alive(row, present)]


def is_alive(row: OwnerRow, present: float) -> bool:
    """Whether the owner lives at `present` (of the database's clock).

    Its lock tells at once, where it can be seen from here: its name is the owner's own, so another host or container
    has none like it. Elsewhere the heartbeat tells.
    """
    try:
        descriptor = os.open(row.lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return present - row.heartbeat < EXPIRY
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def forget(connection: Connection, row: OwnerRow) -> None:
    """A dead owner has nothing left to settle."""
    connection.execute(delete(owners).where(owners.c.owner == row.owner))
    with contextlib.suppress(OSError):
        os.unlink(row.lock)


def boot_id() -> str:
    """Of this machine's kernel, new with each boot (random(4))."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
