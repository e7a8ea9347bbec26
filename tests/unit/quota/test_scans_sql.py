"""Scans in the database, beside ledgers that change what they count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.database.owners import Owner
from conchgo.errors import Busy, Failure, NotBefore
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.scans_sql import SQLScans
from conchgo.quota.settling import settle_dead
from conchgo.quota.sql import State, recount
from conchgo.quota.tally import Tally
from tests.unit.quota.nodes import Clock, Files, Node, rows

ADA = "user:ada"
CHARGE = Charge(ADA, ((ADA, Limits(2**40, 10**6)),))
PATH = VirtualPath.parse(b"/a")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    upgrade(connect(str(url)))
    return str(url)


class Service:
    """A scanner, and nodes that work meanwhile."""

    def __init__(self, url: str, directory: Path) -> None:
        self.directory = directory
        self.engine = connect(url)
        self.files, self.clock = Files(), Clock()
        self.owner = Owner(self.engine, f"{directory}/owners")
        self.scans = SQLScans(self.engine, self.owner, self.files.look)
        self.url = url

    def node(self) -> Node:
        return Node(self.url, str(self.directory), self.files, self.clock)

    def another(self) -> SQLScans:
        return SQLScans(self.engine, Owner(self.engine, f"{self.directory}/owners"), self.files.look)

    @property
    def used(self) -> tuple[int, int, bool]:
        row = rows(self.engine)[0][ADA]
        return row.size, row.files, row.counted_at is not None

    def settled(self, settle: Callable[[], None], *nodes: Node) -> None:
        for _ in range(10):
            try:
                settle()
                return
            except NotBefore:
                for node in nodes:
                    node.tick()
        raise AssertionError("it does not settle")


@pytest.fixture
def service(url: str, tmp_path: Path) -> Service:
    return Service(url, tmp_path)


def tally(**sizes: int) -> Tally:
    made = Tally()
    made.begin("", ())
    made.looked_into((), [(f"1:{inode[1:]}", size) for inode, size in sizes.items()], ())
    return made


def changed(node: Node, inode: int, before: int, more: int, files: int = 0) -> None:
    change = node.ledger.change(
        CHARGE, PATH, identity=(1, inode), before=before, grow=max(0, more), files=max(0, files)
    )
    change.done((1, inode), size=more, files=files)


def asked(node: Node) -> None:
    """Its books know the domain."""
    while True:
        try:
            node.ledger.change(CHARGE, PATH, identity=(1, 99), before=0).cancel()
            return
        except NotBefore:
            node.tick()


def test_what_nobody_changes_is_what_was_seen(service: Service) -> None:
    assert service.scans.needs(ADA)
    scan = service.scans.begin(ADA)
    service.settled(scan.settle)
    assert scan.finish(tally(i1=5, i2=7)) == Usage(12, 2)
    assert service.used == (12, 2, True)
    assert not service.scans.needs(ADA)
    recount(service.engine, [ADA])
    assert service.scans.needs(ADA)
    scan = service.scans.begin(ADA)
    scan.abandon()
    assert service.scans.needs(ADA)
    service.scans.begin(ADA).finish(tally())
    assert not service.scans.needs(ADA)
    service.scans.forget(ADA)
    assert service.scans.needs(ADA)


def test_what_is_doubted_is_counted_again_if_it_was_counted(service: Service) -> None:
    service.scans.doubt({ADA})
    service.scans.doubt(set())
    service.scans.begin(ADA).finish(tally(i1=5))
    assert not service.scans.due(0)
    service.scans.doubt({ADA, "user:bob"})
    assert service.scans.due(0) == [ADA]
    assert service.scans.needs(ADA)
    service.scans.begin(ADA).finish(tally(i1=5))
    assert not service.scans.due(0)


def test_a_second_one_is_refused_while_the_first_lives(service: Service) -> None:
    other = service.another()
    scan = service.scans.begin(ADA)
    for scans in other, service.scans:
        with pytest.raises(Busy, match="user:ada"):
            scans.begin(ADA)
    scan.finish(tally(i1=1))
    scan = service.scans.begin(ADA)
    assert not other.needs(ADA)
    service.owner.leave()
    assert other.needs(ADA)  # it may have begun because of a doubt
    again = other.begin(ADA)
    assert again.name == scan.name
    with pytest.raises(Failure, match="taken over"):
        scan.finish(tally(i1=1))
    with pytest.raises(Failure, match="taken over"):
        scan.abandon()
    assert again.finish(tally(i1=5)) == Usage(5, 1)
    assert other.begin(ADA).name != scan.name


def test_the_later_of_what_was_seen_and_what_was_told_is_right(service: Service) -> None:
    node = service.node()
    asked(node)
    changed(node, 1, 0, 10, 1)  # told after it was seen as it is
    scan = service.scans.begin(ADA)
    changed(node, 1, 10, 5)
    changed(node, 2, 100, -40)
    changed(node, 3, 30, -30, -1)
    service.settled(scan.settle, node)
    assert scan.finish(tally(i1=12, i2=100, i3=30, i4=1)) == Usage(15 + 60 + 1, 3)
    node.tick()
    assert service.used == (76, 3, True)
    changed(node, 4, 1, 9)
    node.tick()
    assert service.used == (85, 3, True)


def test_it_waits_for_changes_that_go_on_and_counts_later_ones_once(service: Service) -> None:
    node = service.node()
    asked(node)
    scan = service.scans.begin(ADA)
    change = node.ledger.change(CHARGE, PATH, identity=(1, 1), before=10, grow=5)
    for _ in range(3):
        with pytest.raises(NotBefore):
            scan.settle()
        node.tick()
    change.done((1, 1), size=5, files=0)
    service.settled(scan.settle, node)
    # Neither told nor seen when the scan ends.
    late = node.ledger.change(CHARGE, PATH, identity=(1, 1), before=15, grow=5)
    late.done((1, 1), size=5, files=0)
    assert scan.finish(tally(i1=12)) == Usage(15, 1)
    node.tick()
    assert service.used == (20, 1, True)


def test_what_is_told_late_counts_once_whoever_went_on_from_there(service: Service) -> None:
    """A change that one worker has not told yet is in the sizes that another one's later changes come to."""
    one, other = service.node(), service.node()
    asked(one)
    asked(other)
    scan = service.scans.begin(ADA)
    changed(one, 1, 5, 5)
    with pytest.raises(NotBefore):
        scan.settle()
    one.tick()
    changed(one, 1, 10, 5)
    changed(one, 2, 30, -30, -1)
    changed(one, 3, 0, 0, 1)
    changed(other, 1, 15, 7)
    changed(other, 3, 0, 2)
    changed(other, 4, 8, -8, -1)
    other.tick()
    scan.settle()
    # As it was seen before it settled, and what the other one has told since.
    assert scan.finish(tally(i1=5, i2=30, i4=8)) == Usage(10 + 7 + 30 + 2, 2)
    one.tick()
    assert service.used == (22 + 2, 2, True)


def test_where_directories_moved_all_is_looked_at_again(service: Service) -> None:
    node = service.node()
    asked(node)
    scan = service.scans.begin(ADA)
    node.ledger.change(CHARGE, PATH, identity=None, before=0, moves=True).done(None, size=0, files=0)
    service.settled(scan.settle, node)
    with pytest.raises(Busy, match="moved"):
        scan.finish(tally(i1=1))
    service.settled(scan.settle, node)
    assert scan.finish(tally(i1=2)) == Usage(2, 1)


def test_it_does_not_wait_for_the_dead(service: Service) -> None:
    node = service.node()
    asked(node)
    node.ledger.change(CHARGE, PATH, identity=(1, 1), before=10, grow=5)
    scan = service.scans.begin(ADA)
    node.die()
    service.settled(scan.settle)
    assert scan.finish(tally(i1=12)) == Usage(12, 1)
    # What the dead one changed may have been seen before that.
    assert [row.state for row in rows(service.engine)[1][ADA]] == [State.LOST]
    assert service.scans.needs(ADA)
    assert service.scans.begin(ADA).finish(tally(i1=12)) == Usage(12, 1)
    assert rows(service.engine)[1][ADA] == []
    assert not service.scans.needs(ADA)


def test_what_is_lost_stays_lost_until_the_folders_beside_are_counted_too(service: Service) -> None:
    node, docs = service.node(), "folder:docs"
    limits = Limits(2**40, 10**6, (docs,))
    charge = Charge(docs, ((docs, Limits()), (ADA, limits)))
    node.ledger.change(charge, PATH, identity=None, before=0, grow=5, files=1)
    node.ledger.change(charge, PATH, identity=None, before=0, grow=5, files=1)
    node.die()
    settle_dead(service.engine, service.owner.id, service.files.look)
    assert set(service.scans.due(0)) == {docs, ADA}
    for _ in range(2):
        assert service.scans.begin(ADA, (docs,)).finish(tally()) == Usage(0, 0)
        assert [row.state for row in rows(service.engine)[1][ADA]] == [State.LOST]
        assert set(service.scans.due(0)) == {docs, ADA}
    going_on = service.scans.begin(docs)
    service.scans.begin(ADA, (docs,)).finish(tally())
    assert [row.state for row in rows(service.engine)[1][ADA]] == [State.LOST]
    going_on.finish(tally(i1=5))
    service.scans.begin(ADA, (docs,)).finish(tally())
    assert rows(service.engine)[1][ADA] == []
    assert not service.scans.due(0)
