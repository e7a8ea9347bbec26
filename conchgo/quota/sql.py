"""The ledger's tables: one short transaction tells what was used, and leases what may be used next.

What makes limits hold: in every transaction that leases, usage + all leases <= limit, in bytes and in files. Usage is
that of the domain and of those beside it. These need no lock: whoever uses a lease on the domain tells what he changed
in the same transaction that gives it back, with the domain's row locked.

A scan of a domain is named in `quota_usage.scan` while it goes on; it finds what is changed meanwhile in
`quota_scan_log`, to be read by `at`. Before its end it sets the leases of the domain to BARRIER, and waits until none
is: by then all changes that were open have ended, and are told; of those that `began` later some are. In one
transaction, with the row of `quota_usage` locked, it says what is there, removes the LOST leases, and ends. It resets
`rescan` when it begins: where that is set meanwhile, the LOST leases stay for the next one.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

from sqlalchemy import Connection, Engine, Insert, Row, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from conchgo.database.engine import reading, writing
from conchgo.database.schema import quota_journals as journals
from conchgo.database.schema import quota_leases as leases
from conchgo.database.schema import quota_scan_log as scan_log
from conchgo.database.schema import quota_usage as usages
from conchgo.quota.books import ENDLESS, NOTHING, Answer, Entry, Seen, total
from conchgo.quota.interface import Limits, Usage
from conchgo.quota.waiting import fits

#: Where others are, one takes at most this part of what is free.
_SHARE: Final = 4


class State(enum.IntEnum):
    """Of a lease."""

    HELD = 0
    #: What is not needed shall be given back: somebody waits for it.
    RECALLED = 1
    #: The same, when the changes that are open now have ended: a scan waits for them.
    BARRIER = 2
    #: Its owner is dead, and nobody knows what of it was used, until the domain is scanned.
    LOST = 3


class Forgotten(Exception):
    """The others have taken this owner for dead, and have settled what it had."""


_MAKE: Final[dict[str, Insert]] = {
    "sqlite": sqlite.insert(usages).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(usages).on_conflict_do_nothing(),
}


def _upsert(statement: sqlite.Insert | postgresql.Insert) -> Insert:
    changed = {column.name: statement.excluded[column.name] for column in leases.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=["domain", "owner"], set_=changed)


_LEASE: Final = {"sqlite": _upsert(sqlite.insert(leases)), "postgresql": _upsert(postgresql.insert(leases))}
_EMPTY_USAGE: Final = {"size": 0, "files": 0, "changes": 0, "counted_at": None, "scan": None, "rescan": False}

_CHECKPOINT: Final = (
    update(journals)
    .where(journals.c.owner == bindparam("this"), journals.c.checkpoint == bindparam("number") - 1)
    .values(checkpoint=bindparam("number"))
)
_TOLD: Final = select(journals.c.checkpoint).where(journals.c.owner == bindparam("this"))
_USAGES: Final = (
    select(usages)
    .where(usages.c.domain.in_(bindparam("domains", expanding=True)))
    .order_by(usages.c.domain)
    .with_for_update()
)
_USAGES_BESIDE: Final = select(usages).where(usages.c.domain.in_(bindparam("domains", expanding=True)))
_LEASES: Final = select(leases).where(leases.c.domain.in_(bindparam("domains", expanding=True)))
_USE: Final = (
    update(usages)
    .where(usages.c.domain == bindparam("which"))
    .values(
        size=usages.c.size + bindparam("more_size"),
        files=usages.c.files + bindparam("more_files"),
        changes=usages.c.changes + 1,
    )
)
_RECALL: Final = (
    update(leases)
    .where(
        leases.c.domain == bindparam("which"), leases.c.owner != bindparam("this"), leases.c.state == State.HELD.value
    )
    .values(state=State.RECALLED.value)
)
_CLOSE: Final = delete(leases).where(leases.c.domain == bindparam("which"), leases.c.owner == bindparam("this"))
_RESCAN: Final = update(usages).where(usages.c.domain.in_(bindparam("domains", expanding=True))).values(rescan=True)
_ASKED: Final = select(leases.c.domain, leases.c.state).where(
    leases.c.owner == bindparam("this"), leases.c.state != State.HELD.value
)


def flush(
    engine: Engine, owner: str, number: int, entries: Sequence[Entry], uncertain: Sequence[str] = ()
) -> dict[str, Answer]:
    """Tell and ask, once: a flush of the same number again only says what came of the first. `uncertain` domains are
    to be scanned again.

    Raises:
        Forgotten: the owner's journal is not known any more. Nothing was told.
        Failure: the database did not answer, and may or may not have done it.
    """
    with writing(engine) as connection:
        fresh = connection.execute(_CHECKPOINT, {"this": owner, "number": number}).rowcount == 1
        if not fresh and connection.execute(_TOLD, {"this": owner}).scalar_one_or_none() != number:
            raise Forgotten
        domains = sorted(entry.domain for entry in entries)
        rows = locked_usages(connection, domains)
        found: dict[str, list[Row[Any]]] = {domain: [] for domain in domains}
        for row in connection.execute(_LEASES, {"domains": domains}):
            found[row.domain].append(row)
        deltas = {entry.domain: entry.delta for entry in entries} if fresh else {}
        used = _used(connection, rows, {domain for entry in entries for domain in entry.limits.beside}, deltas)
        decisions = [_Decision(entry, owner, rows[entry.domain], found[entry.domain], used, fresh) for entry in entries]
        if fresh:
            _write(connection, owner, decisions)
            want_rescan(connection, uncertain)
        return {decision.entry.domain: decision.answer for decision in decisions}


def _used(
    connection: Connection, rows: Mapping[str, Row[Any]], beside: Set[str], deltas: Mapping[str, Usage]
) -> dict[str, Usage]:
    """What is used of the locked `rows`, with what is told now, and of the domains beside them."""
    found = list(rows.values())
    others = sorted(beside - rows.keys())
    if others:
        found += connection.execute(_USAGES_BESIDE, {"domains": others})
    used = dict.fromkeys(beside, NOTHING)
    for row in found:
        delta = deltas.get(row.domain, NOTHING)
        used[row.domain] = Usage(row.size + delta.size, row.files + delta.files)
    return used


def locked_usages(connection: Connection, domains: Sequence[str]) -> dict[str, Row[Any]]:
    """The rows of `domains`, which are sorted, locked until the transaction ends; made where they are missing."""
    rows = {row.domain: row for row in connection.execute(_USAGES, {"domains": domains})}
    missing = [domain for domain in domains if domain not in rows]
    if missing:
        connection.execute(_MAKE[connection.dialect.name], [{"domain": name, **_EMPTY_USAGE} for name in missing])
        rows |= {row.domain: row for row in connection.execute(_USAGES, {"domains": missing})}
    return rows


def tell(connection: Connection, deltas: Mapping[str, Usage]) -> None:
    """Add to what is used; the rows are locked."""
    values = [{"which": domain, "more_size": delta.size, "more_files": delta.files} for domain, delta in deltas.items()]
    if values:
        connection.execute(_USE, values)


def log(connection: Connection, seen: Mapping[str, Sequence[Seen]]) -> None:
    """For the scans that go on in these domains."""
    values = [
        {
            "domain": domain,
            "storage": one.storage,
            "inode": "" if one.identity is None else "{}:{}".format(*one.identity),
            "size": one.size,
            "files": one.files,
            "more_size": one.more.size,
            "more_files": one.more.files,
            "began": one.began,
            "at": one.at,
        }
        for domain, several in seen.items()
        for one in several
    ]
    if values:
        connection.execute(insert(scan_log), values)


def want_rescan(connection: Connection, domains: Sequence[str]) -> None:
    """What is known of them is uncertain."""
    if domains:
        connection.execute(_RESCAN, {"domains": domains})


def recount(engine: Engine, domains: Iterable[str]) -> None:
    """What is known of these holds no more: count them when they are used next."""
    with writing(engine) as connection:
        connection.execute(update(usages).where(usages.c.domain.in_(list(domains))).values(counted_at=None))


def asked_of(engine: Engine, owner: str) -> dict[str, State]:
    """What others ask of the owner, by domain."""
    with reading(engine) as connection:
        return {row.domain: State(row.state) for row in connection.execute(_ASKED, {"this": owner})}


def usage_of(engine: Engine, domain: str) -> Usage | None:
    """What was told of a domain, if anybody has counted it."""
    with reading(engine) as connection:
        row = connection.execute(select(usages).where(usages.c.domain == domain)).one_or_none()
    return None if row is None or row.counted_at is None else Usage(row.size, row.files)


def all_usages(engine: Engine) -> dict[str, Usage]:
    """The same of every domain that somebody has counted, by its name."""
    with reading(engine) as connection:
        rows = connection.execute(select(usages).where(usages.c.counted_at.is_not(None))).all()
    return {row.domain: Usage(row.size, row.files) for row in rows}


def _write(connection: Connection, owner: str, decisions: Sequence[_Decision]) -> None:
    entries = [decision.entry for decision in decisions]
    tell(connection, {entry.domain: entry.delta for entry in entries if entry.changed})
    scanned = {decision.entry.domain for decision in decisions if decision.scanned}
    log(connection, {entry.domain: entry.seen for entry in entries if entry.domain in scanned})
    kept = [decision.row(owner) for decision in decisions if not decision.entry.closes]
    if kept:
        connection.execute(_LEASE[connection.dialect.name], kept)
    for statement, chosen in (
        (_CLOSE, [entry.domain for entry in entries if entry.closes]),
        (_RECALL, [decision.entry.domain for decision in decisions if decision.recalls]),
    ):
        if chosen:
            connection.execute(statement, [{"which": domain, "this": owner} for domain in chosen])


class _Decision:
    """What a domain's rows, an entry and what is `used` of each domain come to."""

    def __init__(
        self,
        entry: Entry,
        owner: str,
        usage: Row[Any],
        rows: Sequence[Row[Any]],
        used: Mapping[str, Usage],
        fresh: bool,
    ) -> None:
        self.entry = entry
        self.scanned = usage.scan is not None
        own = next((row for row in rows if row.owner == owner), None)
        others = [row for row in rows if row.owner != owner]
        alive = [row for row in others if row.state != State.LOST]
        own_use, beside = used[entry.domain], total(used[domain] for domain in entry.limits.beside)
        all_use = total((own_use, beside))
        foreign = bool(others) or (entry.serial >= 0 and usage.changes != entry.serial + (not fresh and entry.changed))
        serial = usage.changes + (fresh and entry.changed)
        granted, short = NOTHING, False
        if fresh:
            lease = entry.lease
            granted, short = _granted(entry, all_use, others)
        else:
            lease = NOTHING if own is None else Usage(own.size, own.files)
        self.lease = Usage(lease.size + granted.size, lease.files + granted.files)
        self.seen = serial if entry.alone and not foreign else -1
        self.state = State.HELD if own is None or own.state == entry.answers else State(own.state)
        # Whoever has been asked before is asked again only where it would help.
        helps = fits(all_use, entry.limits, entry.need) and any(row.size or row.files for row in alive)
        self.recalls = bool(short and alive and (entry.recall or helps))
        pending = self.recalls or any(row.state != State.HELD for row in alive)
        excess = _excess(entry.limits, total((all_use, self.lease, *(Usage(row.size, row.files) for row in others))))
        self.answer = Answer(
            own_use, beside, excess, usage.counted_at is not None, self.lease, pending, serial, foreign
        )

    def row(self, owner: str) -> dict[str, Any]:
        wanted = self.entry.wanted
        return {
            "domain": self.entry.domain,
            "owner": owner,
            "size": self.lease.size,
            "files": self.lease.files,
            "state": self.state.value,
            "seen": self.seen,
            "wanted_since": None if wanted is None else time.time() - self.entry.waited,
            "wanted_size": 0 if wanted is None else wanted.need.size,
            "wanted_files": 0 if wanted is None else wanted.need.files,
        }


def _excess(limits: Limits, taken: Usage) -> Usage:
    """How much more is taken than there is."""
    return Usage(
        0 if limits.size is None else max(0, taken.size - limits.size),
        0 if limits.files is None else max(0, taken.files - limits.files),
    )


def _granted(entry: Entry, used: Usage, others: Sequence[Row[Any]]) -> tuple[Usage, bool]:
    """What is leased on top, and whether that is less than somebody needs."""
    since = time.time() - entry.waited
    waiting = [row for row in others if row.wanted_since is not None and row.state != State.LOST]
    older = [row for row in waiting if row.wanted_since < since]
    limits, lease, need = entry.limits, entry.lease, entry.need
    size = ENDLESS if limits.size is None else limits.size - used.size - lease.size - sum(row.size for row in others)
    files = (
        ENDLESS if limits.files is None else limits.files - used.files - lease.files - sum(row.files for row in others)
    )
    size_left, files_left = size - need.size, files - need.files
    if (need.size and size_left < sum(row.wanted_size for row in older)) or (
        need.files and files_left < sum(row.wanted_files for row in older)
    ):
        return NOTHING, True
    more = NOTHING if waiting else entry.more
    share = _SHARE if others else 1
    return (
        Usage(
            need.size + max(0, min(more.size, size_left // share)),
            need.files + max(0, min(more.files, files_left // share)),
        ),
        False,
    )
