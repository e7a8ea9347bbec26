"""The database's own clock: the one that all workers and nodes agree on."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

_NOW: Final = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
}


def now(connection: Connection) -> float:
    """Seconds since the epoch, exact to a millisecond."""
    return float(connection.exec_driver_sql(_NOW[connection.dialect.name]).scalar_one())
