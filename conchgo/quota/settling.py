"""Owners of the ledger: they join, they leave, and what a dead one left is settled by the others."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, bindparam, delete, insert, select, update

from conchgo.database.clock import now
from conchgo.database.engine import reading, writing
from conchgo.database.owners import all_owners, boot_id, is_alive
from conchgo.database.schema import quota_journals as journals
from conchgo.database.schema import quota_leases as leases
from conchgo.quota import journal
from conchgo.quota.books import NOTHING
from conchgo.quota.interface import Usage
from conchgo.quota.recovery import Findings, Look, domains_of, examine
from conchgo.quota.sql import State, locked_usages, log, tell, want_rescan

_OTHERS: Final = select(journals).where(journals.c.owner != bindparam("this"))


def join(engine: Engine, owner: str, path: str, uncertain: Sequence[str]) -> None:
    """From now on the owner has a journal at `path`, and may lease; `uncertain` domains are to be scanned again.

    Raises:
        Failure: the database did not answer.
    """
    with writing(engine) as connection:
        row = {"owner": owner, "path": path, "boot": boot_id(), "checkpoint": 0}
        connection.execute(delete(journals).where(journals.c.owner == owner))
        connection.execute(insert(journals).values(row))
        want_rescan(connection, uncertain)


def leave(engine: Engine, owner: str) -> None:
    """The owner has told all, and uses no lease any more.

    Raises:
        Failure: the database did not answer.
    """
    with writing(engine) as connection:
        connection.execute(delete(journals).where(journals.c.owner == owner))
        connection.execute(delete(leases).where(leases.c.owner == owner))


def settle_dead(engine: Engine, this: str, look: Look) -> None:
    """Settle what dead owners left; `this` is alive.

    Raises:
        Failure: the database did not answer; what was settled before is settled.
    """
    with reading(engine) as connection:
        left = connection.execute(_OTHERS, {"this": this}).all()
        dead = [row for row in left if _is_dead(connection, row.owner)] if left else []
    for row in dead:
        with writing(engine) as connection:
            settled = _settle(connection, row.owner, look)
        if settled:
            with suppress(OSError):
                os.unlink(row.path)


def _is_dead(connection: Connection, owner: str) -> bool:
    known = {row.owner: row for row in all_owners(connection)}
    return owner not in known or not is_alive(known[owner], now(connection))


def _settle(connection: Connection, owner: str, look: Look) -> bool:
    """Once: whoever comes later finds no journal. The order of locks is that of a flush."""
    left = connection.execute(
        select(journals).where(journals.c.owner == owner).with_for_update(skip_locked=True)
    ).one_or_none()
    if left is None or not _is_dead(connection, owner):
        return False
    contents = _contents(left.path)
    own = {row.domain: row for row in connection.execute(select(leases).where(leases.c.owner == owner))}
    domains = sorted({*own, *(domains_of(contents) if contents else ())})
    usages = locked_usages(connection, domains)
    others = {
        row.domain
        for row in connection.execute(
            select(leases.c.domain).where(leases.c.domain.in_(domains), leases.c.owner != owner)
        )
    }
    shared = {
        domain
        for domain, usage in usages.items()
        if domain in others or domain not in own or own[domain].seen != usage.changes or usage.scan is not None
    }
    findings = None
    if contents is not None and left.boot == boot_id():
        findings = examine(contents, left.checkpoint, look, shared, time.time())
    if findings is None:
        findings = Findings(doubtful=set(domains))
    for domain in sorted(findings.doubtful & own.keys()):
        _lose(connection, own[domain], findings.spent.get(domain, NOTHING))
    want_rescan(connection, sorted(findings.doubtful))
    tell(connection, dict.fromkeys(domains, NOTHING) | findings.deltas)
    log(connection, {domain: seen for domain, seen in findings.seen.items() if usages[domain].scan is not None})
    connection.execute(delete(leases).where(leases.c.owner == owner))
    connection.execute(delete(journals).where(journals.c.owner == owner))
    return True


def _lose(connection: Connection, lease: Row[Any], spent: Usage) -> None:
    """What the owner may have used on top of what it said stays leased, by nobody, until a scan has counted."""
    connection.execute(
        update(leases)
        .where(leases.c.owner == lease.owner, leases.c.domain == lease.domain)
        .values(
            owner=f"lost-{uuid4().hex}",
            size=max(0, lease.size - max(0, spent.size)),
            files=max(0, lease.files - max(0, spent.files)),
            state=State.LOST.value,
            wanted_since=None,
        )
    )


def _contents(path: str) -> journal.Contents | None:
    try:
        return journal.read(path)
    except (OSError, ValueError):
        return None
