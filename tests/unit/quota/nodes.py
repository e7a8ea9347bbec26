"""Owners of a ledger on one database, that are killed at any step; and the files that they change."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, delete, event, select, update
from sqlalchemy.exc import OperationalError

from conchgo.database.engine import connect, reading, writing
from conchgo.database.owners import Owner
from conchgo.database.schema import quota_leases, quota_usage
from conchgo.errors import Failure
from conchgo.paths import VirtualPath
from conchgo.quota import journal
from conchgo.quota.durable import DurableLedger
from conchgo.quota.interface import Identity, Usage
from conchgo.quota.recovery import Found
from conchgo.quota.sql import State

_pwrite = os.pwrite


class Killed(BaseException):
    """The process is gone."""


class Fuse:
    """Burns down with each step; a process without fuse lives for ever."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.burnt = False
        #: After how many steps the database fails, once.
        self.failing: int | None = None

    def step(self) -> None:
        if self.left is not None:
            self.left -= 1
            self.burnt |= self.left < 0
        if self.burnt:
            raise Killed
        if self.failing is not None:
            self.failing -= 1
            if self.failing < 0:
                self.failing = None
                raise OperationalError("", {}, Exception("the database fails"))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Inode:
    number: int
    size: int = 0
    links: int = 1
    locked: bool = False

    @property
    def identity(self) -> Identity:
        return (1, self.number)


@dataclass
class Files:
    """One storage for each domain; names are single bytes strings."""

    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    names: dict[tuple[str, bytes], Inode] = field(default_factory=dict)

    def look(self, storage: str, path: VirtualPath) -> Found | None:
        inode = self.names.get((storage, path.name))
        return None if inode is None else Found(inode.identity, inode.size, inode.links)

    def used(self, storage: str) -> Usage:
        inodes = {inode.number: inode for (where, _), inode in self.names.items() if where == storage}
        return Usage(sum(inode.size for inode in inodes.values()), len(inodes))

    def new(self) -> Inode:
        return Inode(next(self.numbers))


class Node:
    """A process with a ledger."""

    current: Node | None = None

    def __init__(self, url: str, directory: str, files: Files, clock: Clock) -> None:
        self.fuse = Fuse()
        self.engine = connect(url)
        self.clock = clock
        #: What is committed is done, and nobody hears of it.
        self.loses_answers = False
        event.listen(self.engine, "before_cursor_execute", lambda *_: self.fuse.step())
        commit = self.engine.dialect.do_commit

        def commits(connection: Any) -> None:
            self.fuse.step()
            commit(connection)
            self.fuse.step()
            if self.loses_answers:
                raise OperationalError("", {}, Exception("the connection was lost"))

        self.engine.dialect.do_commit = commits  # type: ignore[method-assign]
        self.owner = Owner(self.engine, f"{directory}/owners")
        self.owner.beaten = clock.now
        self.woken = 0
        self.ledger = DurableLedger(self.engine, self.owner, f"{directory}/ledger", files.look, clock)
        self.ledger.wake = self._wake

    def _wake(self) -> None:
        self.woken += 1

    def run(self, work: Callable[[], Any]) -> Any:
        """Raises Killed: the fuse was burnt, the process is gone."""
        outer, Node.current = Node.current, self
        try:
            return work()
        except Killed:
            self.die()
            raise
        finally:
            Node.current = outer

    def die(self) -> None:
        """As by kill -9: the kernel closes its descriptors, and the database ends its transaction."""
        self.fuse.burnt = True
        os.close(self.owner._descriptor)
        self.ledger._journal.close()
        self.engine.dispose()

    def tick(self) -> None:
        self.owner.beat()
        self.owner.beaten = self.clock.now
        self.ledger.tick()


def pwrite(descriptor: int, data: bytes, offset: int) -> int:
    """As os.pwrite, where a kill may come before, in the middle, or after it."""
    fuse = Node.current.fuse if Node.current is not None else Fuse()
    failing, fuse.failing = fuse.failing, None  # the disk does not fail
    fuse.step()
    if fuse.left == 0:
        _pwrite(descriptor, data[: len(data) // 2], offset)
        fuse.step()
    written = _pwrite(descriptor, data, offset)
    fuse.step()
    fuse.failing = failing
    return written


def scan(engine: Engine, domain: str, used: Usage) -> None:
    """Say what is there, while nobody changes anything."""
    with writing(engine) as connection:
        found = {"size": used.size, "files": used.files, "counted_at": 1.0, "rescan": False}
        connection.execute(update(quota_usage).where(quota_usage.c.domain == domain).values(found))
        connection.execute(
            delete(quota_leases).where(quota_leases.c.domain == domain, quota_leases.c.state == State.LOST)
        )


def rows(engine: Engine) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Usage and leases by domain."""
    with reading(engine) as connection:
        usages = {row.domain: row for row in connection.execute(select(quota_usage))}
        leases: dict[str, list[Any]] = {domain: [] for domain in usages}
        for row in connection.execute(select(quota_leases)):
            leases[row.domain].append(row)
        return usages, leases


__all__ = ["Clock", "Failure", "Files", "Inode", "Killed", "Node", "journal", "pwrite", "rows", "scan"]
