"""Several owners on one database, killed between any two steps: nothing is lost or counted twice, no limit passed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, text, update

from conchgo.database.engine import connect, writing
from conchgo.database.migrate import upgrade
from conchgo.database.schema import metadata, owners, quota_journals
from conchgo.errors import Failure, NotBefore, QuotaExceeded
from conchgo.paths import VirtualPath
from conchgo.quota import books
from conchgo.quota.books import total
from conchgo.quota.interface import Change, Charge, Limits, Usage
from conchgo.quota.sql import State
from conchgo.quota.waiting import fits
from tests.unit.quota.nodes import Clock, Files, Inode, Killed, Node, pwrite, rows, scan

ALICE = ("user:alice", Limits(100, 7, ("folder:shared",)))
SHARED = ("folder:shared", Limits(60, None))
BOB = ("user:bob", Limits())
#: Not all who use a folder have the same limits for it; and what they put there counts for alice too.
GUEST = ("folder:shared", Limits(50, 3))
CHARGES = {
    "home": Charge("user:alice", (ALICE,)),
    "shared": Charge("folder:shared", (SHARED, ALICE)),
    "guests": Charge("folder:shared", (GUEST,)),
    "bobs": Charge("user:bob", (BOB,)),
}
DOMAINS: dict[str, Limits] = dict((ALICE, SHARED, BOB))
NAMES = st.sampled_from([b"x", b"y", b"z"])
PAYERS = st.sampled_from(list(CHARGES))
INDEX = st.integers(0, 9)
#: After how many steps there is a kill, if at all.
FUSE = st.none() | st.integers(0, 22)


@dataclass
class Work:
    """A change that is under way: announced, then made, then told."""

    node: Node
    change: Change
    make: Callable[[], tuple[Inode | None, int, int] | None]
    charge: Charge
    locked: Inode | None
    made: tuple[Inode | None, int, int] | None = None
    is_made: bool = False


class Machine(RuleBasedStateMachine):
    url: ClassVar[str]
    directory: ClassVar[str]

    @initialize()
    def begin(self) -> None:
        self.engine = connect(self.url)
        with writing(self.engine) as connection:
            for table in metadata.tables:
                connection.execute(text(f"DELETE FROM {table}"))
        self.clock, self.files = Clock(), Files()
        self.nodes: list[Node] = []
        self.works: list[Work] = []
        self.dirty = False
        #: What guests have put where it counts for alice, whose limit does not keep them from it.
        self.guests = Usage(0, 0)
        self.start()

    def teardown(self) -> None:
        if hasattr(self, "nodes"):
            self.all_is_told()
            for node in list(self.nodes):
                node.ledger.close()
                node.owner.leave()
                node.engine.dispose()
            self.engine.dispose()

    def used(self, domain: str) -> Usage:
        """What there is in truth, with what is beside it."""
        return total(self.files.used(each) for each in (domain, *DOMAINS[domain].beside))

    def attempt(self, node: Node, fuse: int | None, work: Callable[[], Any]) -> Any:
        """What it comes to; None where the node was killed."""
        node.fuse.left = fuse
        try:
            return node.run(work)
        except Killed:
            self.gone(node)
            return None
        finally:
            node.fuse.left = None

    def gone(self, node: Node) -> None:
        self.nodes.remove(node)
        for work in self.works:
            if work.node is node and work.locked is not None:
                work.locked.locked = False
        self.works = [work for work in self.works if work.node is not node]
        self.dirty = True

    def node(self, index: int) -> Node:
        return self.nodes[index % len(self.nodes)]

    @precondition(lambda self: len(self.nodes) < 3)
    @rule()
    def start(self) -> None:
        self.nodes.append(Node(self.url, self.directory, self.files, self.clock))

    @rule(index=INDEX)
    def kill(self, index: int) -> None:
        if len(self.nodes) > 1:
            node = self.node(index)
            node.die()
            self.gone(node)

    @rule(index=INDEX)
    def stop(self, index: int) -> None:
        node = self.node(index)
        if len(self.nodes) > 1 and not [work for work in self.works if work.node is node]:
            node.ledger.close()
            node.owner.leave()
            node.engine.dispose()
            self.nodes.remove(node)

    @rule(index=INDEX, fuse=FUSE)
    def tick(self, index: int, fuse: int | None) -> None:
        node = self.node(index)
        self.attempt(node, fuse, node.tick)
        if not self.nodes:
            self.start()

    @rule(index=INDEX, steps=st.integers(0, 22))
    def tick_with_a_database_that_fails(self, index: int, steps: int) -> None:
        node = self.node(index)
        node.fuse.failing = steps
        try:
            node.tick()
        except Failure:
            pass
        finally:
            node.fuse.failing = None

    @rule(seconds=st.sampled_from([0.1, 0.6, 3.0, 50.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds
        for node in self.nodes:
            node.owner.beaten = self.clock.now

    def announce(
        self,
        index: int,
        fuse: int | None,
        charge: Charge,
        name: bytes,
        inode: Inode | None,
        grow: Usage,
        make: Callable[[], tuple[Inode | None, int, int] | None],
        **more: Any,
    ) -> None:
        node = self.node(index)
        path = VirtualPath((name,))
        identity, before = (None, 0) if inode is None else (inode.identity, inode.size)
        try:
            change = self.attempt(
                node,
                fuse,
                lambda: node.ledger.change(
                    charge, path, identity=identity, before=before, grow=grow.size, files=grow.files, **more
                ),
            )
        except NotBefore:
            return
        except QuotaExceeded:
            self.check_refusal(charge, grow)
            return
        if change is None:
            if not self.nodes:
                self.start()
            return
        if inode is not None:
            inode.locked = True
        self.works.append(Work(node, change, make, charge, inode))

    def check_refusal(self, charge: Charge, grow: Usage) -> None:
        leases = rows(self.engine)[1]
        if self.works or self.dirty or any(row.state == State.LOST for several in leases.values() for row in several):
            return
        assert not all(fits(self.used(domain), limits, grow) for domain, limits in charge.domains)

    @rule(index=INDEX, fuse=FUSE, payer=PAYERS, name=NAMES, most=st.integers(0, 40), part=st.integers(0, 40))
    def create(self, index: int, fuse: int | None, payer: str, name: bytes, most: int, part: int) -> None:
        charge, storage = CHARGES[payer], CHARGES[payer].storage

        def make() -> tuple[Inode | None, int, int] | None:
            if (storage, name) in self.files.names:
                return None
            inode = self.files.names[storage, name] = self.files.new()
            inode.size = min(part, most)
            return inode, inode.size, 1

        # Also where one is there: it is found out too late.
        self.announce(index, fuse, charge, name, None, Usage(most, 1), make)

    @rule(index=INDEX, fuse=FUSE, payer=PAYERS, name=NAMES, most=st.integers(-40, 40), part=st.integers(-40, 40))
    def resize(self, index: int, fuse: int | None, payer: str, name: bytes, most: int, part: int) -> None:
        charge, storage = CHARGES[payer], CHARGES[payer].storage
        inode = self.files.names.get((storage, name))
        if inode is None or inode.locked:
            return

        def make() -> tuple[Inode | None, int, int] | None:
            before = inode.size
            inode.size = max(0, before + min(part, most))
            return inode, inode.size - before, 0

        self.announce(index, fuse, charge, name, inode, Usage(max(0, most), 0), make)

    @rule(index=INDEX, fuse=FUSE, payer=PAYERS, name=NAMES)
    def remove(self, index: int, fuse: int | None, payer: str, name: bytes) -> None:
        charge, storage = CHARGES[payer], CHARGES[payer].storage
        inode = self.files.names.get((storage, name))
        if inode is None or inode.locked:
            return

        def make() -> tuple[Inode | None, int, int] | None:
            if self.files.names.get((storage, name)) is not inode:
                return None
            del self.files.names[storage, name]
            return self.unlinked(inode)

        self.announce(index, fuse, charge, name, inode, Usage(0, 0), make, links=inode.links)

    @staticmethod
    def unlinked(inode: Inode) -> tuple[Inode | None, int, int]:
        inode.links -= 1
        return (inode, 0, 0) if inode.links else (inode, -inode.size, -1)

    @rule(index=INDEX, fuse=FUSE, payer=PAYERS, old=NAMES, new=NAMES)
    def rename(self, index: int, fuse: int | None, payer: str, old: bytes, new: bytes) -> None:
        charge, storage = CHARGES[payer], CHARGES[payer].storage
        source, target = self.files.names.get((storage, old)), self.files.names.get((storage, new))
        if source is None or source is target or (target is not None and target.locked):
            return

        def make() -> tuple[Inode | None, int, int] | None:
            if self.files.names.get((storage, old)) is not source or self.files.names.get((storage, new)) is not target:
                return None
            self.files.names[storage, new] = self.files.names.pop((storage, old))
            return (None, 0, 0) if target is None else self.unlinked(target)

        links = 0 if target is None else target.links
        self.announce(index, fuse, charge, new, target, Usage(0, 0), make, links=links, moves=True)

    @rule(index=INDEX, fuse=FUSE, payer=PAYERS, old=NAMES, new=NAMES)
    def rename_to_a_new_name(self, index: int, fuse: int | None, payer: str, old: bytes, new: bytes) -> None:
        """Announced at the old name, with what moves."""
        charge, storage = CHARGES[payer], CHARGES[payer].storage
        source = self.files.names.get((storage, old))
        if source is None or source.locked or (storage, new) in self.files.names:
            return

        def make() -> tuple[Inode | None, int, int] | None:
            if self.files.names.get((storage, old)) is not source or (storage, new) in self.files.names:
                return None
            self.files.names[storage, new] = self.files.names.pop((storage, old))
            return source, 0, 0

        self.announce(index, fuse, charge, old, source, Usage(0, 0), make, moves=True)

    @rule(payer=PAYERS, old=NAMES, new=NAMES)
    def link(self, payer: str, old: bytes, new: bytes) -> None:
        storage = CHARGES[payer].storage
        inode = self.files.names.get((storage, old))
        if inode is not None and not inode.locked and (storage, new) not in self.files.names:
            self.files.names[storage, new] = inode
            inode.links += 1

    @precondition(lambda self: self.works)
    @rule(index=INDEX)
    def make(self, index: int) -> None:
        self.is_made(self.works[index % len(self.works)])

    def is_made(self, work: Work) -> None:
        if not work.is_made:
            work.made, work.is_made = work.make(), True
            if work.charge is CHARGES["guests"] and work.made is not None:
                _, size, files = work.made
                self.guests = total((self.guests, Usage(max(0, size), max(0, files))))

    @precondition(lambda self: self.works)
    @rule(index=INDEX, fuse=FUSE)
    def end(self, index: int, fuse: int | None) -> None:
        work = self.works[index % len(self.works)]
        self.is_made(work)
        self.attempt(work.node, fuse, lambda: self.tell(work))
        if work in self.works:
            self.works.remove(work)
            if work.locked is not None:
                work.locked.locked = False
        if not self.nodes:
            self.start()

    @staticmethod
    def tell(work: Work) -> None:
        if work.made is None:
            work.change.cancel()
        else:
            inode, size, files = work.made
            work.change.done(None if inode is None else inode.identity, size=size, files=files)

    @rule(index=INDEX, steps=st.integers(0, 22))
    def database_fails(self, index: int, steps: int) -> None:
        self.tick_with_a_database_that_fails(index, steps)

    @rule(index=INDEX)
    def taken_for_dead(self, index: int) -> None:
        """By another host, which sees neither the lock nor the journal."""
        node = self.node(index)
        if len(self.nodes) < 2 or [work for work in self.works if work.node is node]:
            return
        with writing(self.engine) as connection:
            connection.execute(delete(owners).where(owners.c.owner == node.owner.id))
            row = update(quota_journals).where(quota_journals.c.owner == node.owner.id)
            connection.execute(row.values(path="/nowhere"))
        node.owner.beaten = self.clock.now - 30
        self.dirty = True
        other = next(other for other in self.nodes if other is not node)
        self.clock.now += 3
        for living in self.nodes:
            if living is not node:
                living.owner.beaten = self.clock.now
        other.tick()

    @invariant()
    def no_limit_is_passed(self) -> None:
        if not hasattr(self, "nodes"):
            return
        usages, leases = rows(self.engine)
        for domain, limits in DOMAINS.items():
            used, beyond = self.used(domain), self.guests if domain == "user:alice" else Usage(0, 0)
            assert limits.size is None or used.size <= limits.size + beyond.size
            assert limits.files is None or used.files <= limits.files + beyond.files
            if domain in usages:
                told, several = (
                    total(usages[each] for each in (domain, *limits.beside) if each in usages),
                    leases[domain],
                )
                if limits.size is not None:
                    assert told.size + sum(lease.size for lease in several) <= limits.size + beyond.size
                if limits.files is not None:
                    assert told.files + sum(lease.files for lease in several) <= limits.files + beyond.files

    @rule()
    def all_is_told(self) -> None:
        while self.works:
            self.end(0, None)
        for _ in range(3):
            for node in self.nodes:
                node.owner.beat()
            self.time_passes(50)
            for node in self.nodes:
                node.tick()
        usages, leases = rows(self.engine)
        for domain, row in usages.items():
            if row.rescan:
                assert all(lease.state == State.LOST for lease in leases[domain])
                scan(self.engine, domain, self.files.used(domain))
            else:
                assert leases[domain] == []
                assert Usage(row.size, row.files) == self.files.used(domain), domain
        self.dirty = False
        used, limits = self.used("user:alice"), DOMAINS["user:alice"]
        self.guests = Usage(max(0, used.size - limits.size), max(0, used.files - limits.files))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    directory = tempfile.mkdtemp()
    url = f"sqlite:///{directory}/a.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    upgrade(connect(str(url)))
    Machine.url, Machine.directory = str(url), directory
    yield str(url)
    shutil.rmtree(directory)


def test_whatever_happens(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(books, "CHUNK", Usage(16, 2))
    monkeypatch.setattr(books, "_PLENTY", Usage(32, 4))
    examples = 40 if url.startswith("sqlite") else 15
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=int(os.environ.get("EXAMPLES", examples)),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
