"""The same with a ledger that lasts, whose process is killed at any step of anything."""

from __future__ import annotations

import shutil
from random import Random
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.errors import NotBefore, NotFound
from conchgo.paths import VirtualPath
from conchgo.quota import journal
from conchgo.quota.interface import Usage
from conchgo.quota.recovery import Found
from conchgo.quota.scans_sql import SQLScans
from conchgo.quota.tally import Tally
from conchgo.vfs.scan import count
from tests.unit.quota.nodes import Clock, Killed, Node, pwrite
from tests.unit.vfs.test_metered_exactly import STORAGES, Sessions


class Files:
    """What is there, for who looks after a kill."""

    def __init__(self, sessions: Any) -> None:
        self._sessions = sessions

    def look(self, storage: str, path: VirtualPath) -> Found | None:
        try:
            found = self._sessions.plain[storage].lstat(path)
        except NotFound:
            return None
        return Found(found.identity, found.size, found.nlink)


class KilledSessions(Sessions):
    template = ""
    random = Random(0)

    def serve(self) -> None:
        self.clock = Clock()
        self.state = mkdtemp()
        self.url = f"sqlite:///{self.state}/a.db"
        shutil.copy(self.template, f"{self.state}/a.db")
        self._begin()
        for domain in STORAGES:
            self._count(domain)

    def _begin(self) -> None:
        self.node = Node(self.url, self.state, Files(self), self.clock)  # type: ignore[arg-type]
        self.ledger = self.node.ledger
        self.scans = SQLScans(self.node.engine, self.node.owner, Files(self).look)
        self.mount()

    def teardown(self) -> None:
        super().teardown()
        self.node.die()
        shutil.rmtree(self.state)

    def used(self, domain: str) -> Usage | None:
        self.node.tick()
        return self.ledger.usage(domain)

    def patiently(self, work: Any) -> Any:
        for _ in range(100):
            try:
                return self.node.run(work)
            except NotBefore:
                self.clock.now += 0.5
                self.node.run(self.node.tick)
        raise AssertionError("it waits for ever")

    def _count(self, domain: str) -> None:
        tally = Tally()
        count(self.scans.begin(domain), {domain: self.plain[domain]}, tally, self.patiently)
        tally.close()

    @initialize(seed=st.integers(0, 2**32))
    def light(self, seed: int) -> None:
        self.random = Random(seed)

    def attempt(self, mount: str, work: Any) -> Any:
        """A third of what is done is killed, after some steps of the ledger."""
        if self.random.random() < 1 / 3:
            self.node.fuse.left = self.random.randrange(9)
        try:
            return super().attempt(mount, work)
        except Killed:
            self._again()
        finally:
            self.node.fuse.left = None
        return None

    def _again(self) -> None:
        for _, file in self.files:
            file.close()
        self.files.clear()
        if self.scan is not None:
            self.scan[2].close()
            self.scan = None
        self._begin()
        for domain in STORAGES:
            if self.scans.needs(domain):
                self._count(domain)


@pytest.fixture(autouse=True, scope="module")
def prepared() -> Any:
    directory = mkdtemp()
    engine = connect(f"sqlite:///{directory}/a.db")
    upgrade(engine)
    engine.dispose()
    KilledSessions.template = f"{directory}/a.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal.os, "pwrite", pwrite)
        yield
    shutil.rmtree(directory)


TestKilledSessions = KilledSessions.TestCase
TestKilledSessions.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
