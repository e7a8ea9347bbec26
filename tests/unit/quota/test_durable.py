from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from sqlalchemy import Engine

from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.errors import NotBefore, QuotaExceeded, WouldBlock
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Change, Charge, Limits, Usage
from tests.unit.quota.nodes import Clock, Files, Node, rows, scan

LIMIT = 2**30
ALICE = Charge("user:alice", (("user:alice", Limits(LIMIT, 5000)),))
SHARED = Charge("folder:shared", (("folder:shared", Limits()), ("user:alice", Limits(LIMIT, 5000))))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    upgrade(connect(str(url)))
    return str(url)


_numbers = itertools.count(1)


def cluster_identity() -> tuple[int, int]:
    return (1, next(_numbers))


class Cluster:
    def __init__(self, url: str, directory: str) -> None:
        self.clock, self.files = Clock(), Files()
        self.url, self.directory = url, directory
        self.engine: Engine = connect(url)

        self.nodes: list[Node] = []

    def node(self) -> Node:
        self.nodes.append(Node(self.url, self.directory, self.files, self.clock))
        return self.nodes[-1]

    def tick(self) -> None:
        for node in self.nodes:
            node.tick()

    def take(self, node: Node, size: int, name: bytes = b"file") -> None:
        """Make a file, when it may be made; everybody ticks meanwhile."""
        while True:
            try:
                create(node, size, name=name).done(cluster_identity(), size=size, files=1)
                return
            except NotBefore as later:
                self.clock.now = later.at
                self.tick()

    def used(self, domain: str = "user:alice") -> tuple[int, int]:
        row = rows(self.engine)[0][domain]
        return row.size, row.files

    def leased(self, domain: str = "user:alice") -> int:
        return sum(row.size for row in rows(self.engine)[1][domain])


@pytest.fixture
def cluster(url: str, tmp_path: Path) -> Cluster:
    return Cluster(url, str(tmp_path))


def create(node: Node, size: int, charge: Charge = ALICE, name: bytes = b"file", *, at_once: bool = False) -> Change:
    path = VirtualPath((name,))
    return node.ledger.change(charge, path, identity=None, before=0, grow=size, files=1, at_once=at_once)


def test_a_change_that_has_room_in_the_books_asks_no_database(cluster: Cluster) -> None:
    node = cluster.node()
    with pytest.raises(WouldBlock):
        create(node, 10, at_once=True)
    create(node, 10).done((1, 1), size=10, files=1)
    node.fuse.left = 6  # a change is two writes, and no statement
    node.run(lambda: create(node, 10, at_once=True).done((1, 2), size=10, files=1))
    node.fuse.left = None
    assert cluster.used() == (0, 0)
    node.tick()
    assert cluster.used() == (20, 2)


def test_usage_is_what_was_counted_and_what_was_changed_since(cluster: Cluster) -> None:
    node, other = cluster.node(), cluster.node()
    assert node.ledger.usage("user:alice") is None
    create(node, 10).done((1, 1), size=10, files=1)
    node.tick()
    assert node.ledger.usage("user:alice") is None
    scan(cluster.engine, "user:alice", Usage(10, 1))
    create(node, 5).done((1, 2), size=5, files=1)
    assert other.ledger.usage("user:alice") == (10, 1)
    assert node.ledger.usage("user:alice") == (15, 2)
    node.tick()
    assert other.ledger.usage("user:alice") == (15, 2)


def test_the_limit_holds_to_the_byte_over_two_processes(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    cluster.take(one, LIMIT - 10)
    cluster.take(two, 10)
    for node in (one, two):
        with pytest.raises(QuotaExceeded):
            cluster.take(node, 1)
    assert cluster.used() == (LIMIT, 2)


def test_both_domains_of_a_charge_are_counted(cluster: Cluster) -> None:
    node = cluster.node()
    create(node, 10, SHARED).done((1, 1), size=10, files=1)
    node.tick()
    assert cluster.used() == cluster.used("folder:shared") == (10, 1)
