"""Room that is held for programs, and who was beside them, over several processes."""

from __future__ import annotations

import pytest

from conchgo.errors import NotBefore
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.interface import Room, Usage
from conchgo.quota.scans_sql import SQLScans
from tests.unit.quota.nodes import Node
from tests.unit.quota.test_durable import ALICE, BOB, LIMIT, Cluster, cluster, create, new_identity, url

# pytest finds fixtures by their names here.
__all__ = ["cluster", "url"]

REPO = VirtualPath((b"repo",))


def reserve(cluster: Cluster, node: Node, size: int) -> Room:
    """As soon as there is room."""
    room: list[Room] = []
    cluster.waited(lambda: room.append(node.ledger.reserve(ALICE, size, 1)))  # type: ignore[arg-type,return-value]
    return room[0]


def test_room_is_nobodys_else_until_it_is_given_back(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    room = reserve(cluster, one, LIMIT - 1000)
    assert (room.size, room.files) == (LIMIT - 1000, 1)
    cluster.take(two, 1000)
    room.keep(LIMIT - 3000, 0)
    assert (room.size, room.files) == (LIMIT - 3000, 0)
    cluster.take(two, 2000)
    room.release()
    room.release()
    cluster.take(two, LIMIT - 3000)
    cluster.tick(1)
    assert cluster.used() == (LIMIT, 3)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_who_holds_room_hears_of_those_who_want_some(cluster: Cluster, elsewhere: bool) -> None:
    one, two = cluster.node(), cluster.node()
    room = reserve(cluster, one, LIMIT)
    cluster.tick(3)
    assert not room.is_wanted()
    for _ in range(8):
        try:
            create(two if elsewhere else one, 50).cancel()
            break
        except NotBefore:
            cluster.tick(0.5)
            if room.is_wanted():
                room.keep(room.size - 100, 1)
    else:
        pytest.fail("it was never given")
    assert LIMIT - 300 <= room.size < LIMIT


def test_what_a_program_did_is_doubted_after_a_kill(cluster: Cluster) -> None:
    one, _ = cluster.node(), cluster.node()
    one.ledger.work(ALICE, REPO)
    cluster.kill(one)
    cluster.tick(5)
    assert cluster.is_doubted()


def test_who_is_alone(cluster: Cluster) -> None:
    one = cluster.node()
    work = one.ledger.work(ALICE, REPO)
    watch = one.ledger.watch(ALICE, REPO)
    assert watch.is_alone()
    create(one, 5, name=b"elsewhere").done(new_identity(), size=5, files=1)
    create(one, 7, charge=BOB, name=b"repo").done(new_identity(), size=7, files=1)
    assert watch.beside() == (0, 0, Usage(0, 0))
    inside = one.ledger.change(ALICE, REPO / b"file", identity=None, before=0, grow=5, files=1)
    assert watch.beside() == (1, 1, Usage(0, 0))
    inside.done(new_identity(), size=4, files=1)
    assert watch.beside() == (2, 0, Usage(4, 1))
    assert watch.is_alone()
    one.ledger.change(ALICE, VirtualPath((b"a",)), identity=(1, 9), before=5, moves=True).done((1, 9), size=0, files=0)
    assert not watch.is_alone()
    assert watch.is_alone()
    watch.end()
    work.done(None, size=3, files=1)
    cluster.tick(1)
    assert cluster.used() == (12, 3)


def test_other_programs(cluster: Cluster) -> None:
    one = cluster.node()
    above = one.ledger.work(ALICE, ROOT)
    one.ledger.work(ALICE, REPO)
    watch = one.ledger.watch(ALICE, REPO)
    assert not watch.is_alone()
    above.cancel()
    one.ledger.work(ALICE, REPO)
    one.ledger.work(ALICE, VirtualPath((b"other",)))
    assert watch.is_alone()
    one.ledger.work(ALICE, REPO / b"deep")
    assert not watch.is_alone()


def test_other_processes(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    one.ledger.work(ALICE, REPO)
    watch = one.ledger.watch(ALICE, REPO)
    assert watch.is_alone()
    cluster.take(two, 5)
    assert not watch.is_alone()


def test_what_is_doubted_is_told(cluster: Cluster) -> None:
    one = cluster.node()
    cluster.take(one, 5)
    one.ledger.doubt({"user:alice"})
    cluster.tick(1)
    assert cluster.is_doubted()


def test_a_scan_waits_for_programs_at_work(cluster: Cluster) -> None:
    one = cluster.node()
    work = one.ledger.work(ALICE, REPO)
    scan = SQLScans(one.engine, one.owner, cluster.files.look).begin("user:alice")
    with pytest.raises(NotBefore):
        scan.settle()
    cluster.tick(1)
    with pytest.raises(NotBefore):
        scan.settle()
    work.done(None, size=0, files=0)
    cluster.tick(1)
    scan.settle()
