from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from conchgo.database.engine import connect, reading, writing
from conchgo.database.migrate import upgrade
from conchgo.database.schema import owners, quota_journals, quota_leases, quota_scan_log, quota_usage
from conchgo.errors import Failure, NotBefore, QuotaExceeded, WouldBlock
from conchgo.paths import VirtualPath
from conchgo.quota import journal
from conchgo.quota.durable import FENCE
from conchgo.quota.interface import Change, Charge, Identity, Limits, Usage
from conchgo.quota.sql import State
from tests.unit.quota.nodes import Clock, Files, Node, rows, scan

LIMIT = 2**30
ALICE = Charge("user:alice", (("user:alice", Limits(LIMIT, 100_000)),))
#: Hers too, with a folder that is included in her quota.
ALICES = Limits(LIMIT, 100_000, ("folder:shared",))
HOME = Charge("user:alice", (("user:alice", ALICES),))
SHARED = Charge("folder:shared", (("folder:shared", Limits()), ("user:alice", ALICES)))
CAROL = Charge("folder:shared", (("folder:shared", Limits()),))
GUEST = Charge("folder:shared", (("folder:shared", Limits(100, None)),))
BOB = Charge("user:bob", (("user:bob", Limits()),))

_numbers = itertools.count(1)


def new_identity() -> Identity:
    return (1, next(_numbers))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    upgrade(connect(str(url)))
    return str(url)


class Cluster:
    """Nodes on one database, which tick whenever somebody waits."""

    def __init__(self, url: str, directory: str) -> None:
        self.clock, self.files = Clock(), Files()
        self.url, self.directory = url, directory
        self.engine = connect(url)
        self.nodes: list[Node] = []

    def node(self) -> Node:
        self.nodes.append(Node(self.url, self.directory, self.files, self.clock))
        return self.nodes[-1]

    def kill(self, node: Node) -> None:
        self.nodes.remove(node)
        node.die()

    def tick(self, seconds: float = 0.0) -> None:
        self.clock.now += seconds
        for node in self.nodes:
            node.tick()

    def waited(self, ask: Callable[[], Change], *, ticks: bool = True) -> Change:
        """What comes of asking until there is an answer."""
        while True:
            try:
                return ask()
            except NotBefore as later:
                self.clock.now = later.at
                for node in self.nodes:
                    node.owner.beaten = self.clock.now
                if ticks:
                    self.tick()

    def take(self, node: Node, size: int, charge: Charge = ALICE) -> None:
        self.waited(lambda: create(node, size, charge)).done(new_identity(), size=size, files=1)

    def used(self, domain: str = "user:alice") -> tuple[int, int]:
        row = rows(self.engine)[0][domain]
        return row.size, row.files

    def leased(self, domain: str = "user:alice") -> int:
        return sum(row.size for row in rows(self.engine)[1][domain])

    def is_doubted(self, domain: str = "user:alice") -> bool:
        return bool(rows(self.engine)[0][domain].rescan)


@pytest.fixture
def cluster(url: str, tmp_path: Path) -> Cluster:
    return Cluster(url, str(tmp_path))


def create(node: Node, size: int, charge: Charge = ALICE, name: bytes = b"file", *, at_once: bool = False) -> Change:
    path = VirtualPath((name,))
    return node.ledger.change(charge, path, identity=None, before=0, grow=size, files=1, at_once=at_once)


def test_a_change_that_has_room_in_the_books_asks_no_database(cluster: Cluster, monkeypatch: Any) -> None:
    node = cluster.node()
    with pytest.raises(WouldBlock):
        create(node, 10, at_once=True)
    create(node, 10).done(new_identity(), size=10, files=1)
    node.fuse.left = 0
    node.run(lambda: create(node, 10, at_once=True).done(new_identity(), size=10, files=1))
    node.fuse.left = None
    assert cluster.used() == (0, 0)
    node.tick()
    assert cluster.used() == (20, 2)


def test_many_changes_do_not_wait_for_the_next_tick(cluster: Cluster) -> None:
    node = cluster.node()
    for _ in range(256):
        create(node, 1).done(new_identity(), size=1, files=1)
    assert node.woken == 1


def test_usage_is_what_was_counted_and_what_was_changed_since(cluster: Cluster) -> None:
    node, other = cluster.node(), cluster.node()
    assert node.ledger.usage("user:alice") is None
    create(node, 10).done(new_identity(), size=10, files=1)
    node.tick()
    assert node.ledger.usage("user:alice") is None
    scan(cluster.engine, "user:alice", Usage(10, 1))
    create(node, 5).done(new_identity(), size=5, files=1)
    assert other.ledger.usage("user:alice") == (10, 1)
    with pytest.raises(WouldBlock):
        other.ledger.usage("user:alice", at_once=True)
    node.tick()
    assert node.ledger.usage("user:alice", at_once=True) == (15, 2)
    assert other.ledger.usage("user:alice") == (15, 2)


def test_the_limit_holds_to_the_byte_over_two_processes(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    cluster.take(one, LIMIT - 10)
    cluster.take(two, 10)
    for node in (one, two):
        with pytest.raises(QuotaExceeded):
            cluster.take(node, 1)
    assert cluster.used() == (LIMIT, 2)


def test_who_is_alone_is_refused_without_waiting(cluster: Cluster) -> None:
    node = cluster.node()
    with pytest.raises(QuotaExceeded, match=f"0 of {LIMIT} bytes"):
        create(node, LIMIT + 1)
    create(node, LIMIT).done(new_identity(), size=LIMIT, files=1)
    with pytest.raises(QuotaExceeded, match=f"{LIMIT} of {LIMIT} bytes"):
        create(node, 1)


def test_what_was_freed_can_be_used_at_once(cluster: Cluster) -> None:
    node, path = cluster.node(), VirtualPath((b"file",))
    create(node, LIMIT).done((1, 1), size=LIMIT, files=1)
    node.ledger.change(ALICE, path, identity=(1, 1), before=LIMIT, links=1).done((1, 1), size=-LIMIT, files=-1)
    create(node, LIMIT).done((1, 1), size=LIMIT, files=1)


def test_an_unused_lease_is_recalled(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    create(one, 1).done(new_identity(), size=1, files=1)
    assert cluster.leased() > 1
    began = cluster.clock.now
    cluster.take(two, LIMIT - 1)
    assert cluster.clock.now - began < 1


def test_room_that_another_process_holds_is_waited_for_five_seconds(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    create(one, LIMIT - 5)
    began = cluster.clock.now
    with pytest.raises(QuotaExceeded):
        cluster.take(two, 10)
    assert 5 <= cluster.clock.now - began < 5.5
    cluster.take(two, 5)


def test_of_several_processes_the_oldest_is_served_first(cluster: Cluster) -> None:
    holder, one, two = cluster.node(), cluster.node(), cluster.node()
    held = create(holder, LIMIT - 10)
    for node, size in ((one, 100), (two, 50)):
        with pytest.raises(NotBefore):
            create(node, size)
        cluster.tick(0.3)
        with pytest.raises(NotBefore):
            create(node, size)
    held.done(new_identity(), size=LIMIT - 100, files=1)
    cluster.tick(0.3)
    with pytest.raises(NotBefore):
        create(two, 50)
    create(one, 100).cancel()


def test_an_idle_lease_is_given_back(cluster: Cluster) -> None:
    node = cluster.node()
    create(node, 10).done(new_identity(), size=10, files=1)
    cluster.tick(1)
    assert cluster.leased() > 0
    cluster.tick(50)
    assert rows(cluster.engine)[1]["user:alice"] == []
    create(node, 10).done(new_identity(), size=10, files=1)
    cluster.tick()
    assert cluster.used() == (20, 2)


def test_what_lies_in_a_folder_counts_against_the_limits_of_all_who_have_it_in_their_quota(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    cluster.take(one, 10, HOME)
    cluster.take(one, LIMIT - 100, SHARED)
    cluster.take(two, 50, CAROL)
    cluster.tick(0.5)
    assert (cluster.used(), cluster.used("folder:shared")) == ((10, 1), (LIMIT - 50, 2))
    # What was leased before is no good any more.
    cluster.tick(1)
    for node in one, two:
        with pytest.raises(QuotaExceeded, match=f"{LIMIT - 40} of {LIMIT} bytes"):
            cluster.take(node, 41, HOME)
    cluster.take(two, 15, HOME)
    cluster.take(one, 25, SHARED)
    with pytest.raises(QuotaExceeded):
        cluster.take(one, 1, HOME)


def test_what_others_put_there_is_heard_before_more_is_used_of_an_old_lease(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    cluster.take(one, 10, HOME)
    cluster.tick(0.5)
    cluster.take(two, LIMIT - 20, CAROL)
    two.tick()
    cluster.clock.now += 1
    with pytest.raises(QuotaExceeded):
        cluster.take(one, 11, HOME)
    cluster.take(one, 10, HOME)


def test_what_others_put_there_by_the_same_process_is_known_at_once(cluster: Cluster) -> None:
    node = cluster.node()
    cluster.take(node, 10, HOME)
    cluster.take(node, LIMIT - 20, CAROL)
    assert cluster.waited(lambda: create(node, 10, HOME))
    with pytest.raises(WouldBlock):
        create(node, 1, HOME, at_once=True)
    with pytest.raises(QuotaExceeded):
        cluster.take(node, 1, HOME)


def test_who_removes_what_another_one_put_into_a_folder_has_that_room_and_no_more(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    cluster.take(two, LIMIT, CAROL)
    cluster.tick()
    with pytest.raises(QuotaExceeded):
        cluster.take(one, 1, HOME)
    removed = one.ledger.change(SHARED, VirtualPath((b"file",)), identity=(1, 1), before=LIMIT, links=1)
    removed.done((1, 1), size=-LIMIT, files=-1)
    with pytest.raises(QuotaExceeded):
        cluster.take(one, LIMIT + 1, HOME)
    cluster.take(one, LIMIT, HOME)
    cluster.tick()
    assert (cluster.used(), cluster.used("folder:shared")) == ((LIMIT, 1), (0, 0))
    assert cluster.leased() == 0


def test_what_a_killed_process_used_of_a_lease_is_not_lost_with_it(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    cluster.take(one, 10, SHARED)
    one.tick()
    leased = cluster.leased()
    create(one, 1000, SHARED).done(new_identity(), size=1000, files=1)
    create(one, 5, SHARED, b"doubtful")
    cluster.files.names["folder:shared", b"doubtful"] = cluster.files.new()
    cluster.kill(one)
    two.tick()
    cluster.tick(3)
    assert cluster.is_doubted()
    assert cluster.is_doubted("folder:shared")
    assert cluster.used("folder:shared") == (1010, 2)
    assert cluster.leased() == leased - 1000


def test_what_a_killed_process_did_in_a_folder_counts_for_all(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    cluster.take(two, 10, HOME)
    cluster.tick(50)
    create(one, LIMIT - 100, SHARED).done(new_identity(), size=LIMIT - 100, files=1)
    cluster.kill(one)
    cluster.tick(3)
    assert (cluster.used(), cluster.used("folder:shared"), cluster.leased()) == ((10, 1), (LIMIT - 100, 1), 0)
    with pytest.raises(QuotaExceeded, match=f"{LIMIT - 90} of {LIMIT} bytes"):
        cluster.take(two, 91, HOME)
    cluster.take(two, 90, HOME)


def test_users_of_one_folder_each_have_their_own_limit(cluster: Cluster) -> None:
    node = cluster.node()
    cluster.take(node, 90, GUEST)
    cluster.take(node, 50, SHARED)
    with pytest.raises(QuotaExceeded):
        cluster.take(node, 11, GUEST)
    cluster.take(node, 50, SHARED)
    node.tick()
    assert cluster.used("folder:shared") == (190, 3)


def test_a_limit_that_was_lowered_holds_for_new_sessions(cluster: Cluster) -> None:
    node = cluster.node()
    create(node, 100).done(new_identity(), size=100, files=1)
    lowered = Charge("user:alice", (("user:alice", Limits(120, None)),))
    cluster.take(node, 20, lowered)
    with pytest.raises(QuotaExceeded):
        cluster.take(node, 1, lowered)


def test_a_flush_whose_answer_was_lost_counts_once(cluster: Cluster) -> None:
    node = cluster.node()
    create(node, 10).done(new_identity(), size=10, files=1)
    node.loses_answers = True
    with pytest.raises(Failure):
        node.ledger.tick()
    node.loses_answers = False
    create(node, 5).done(new_identity(), size=5, files=1)
    node.tick()
    assert cluster.used() == (15, 2)
    cluster.take(node, LIMIT - 15)
    with pytest.raises(QuotaExceeded):
        cluster.take(node, 1)


def test_while_the_database_is_away_what_has_room_goes_on_and_the_rest_waits_a_minute(cluster: Cluster) -> None:
    node = cluster.node()
    create(node, 10).done(new_identity(), size=10, files=1)
    node.loses_answers = True
    create(node, 20).done(new_identity(), size=20, files=1)
    began = cluster.clock.now
    with pytest.raises(Failure, match="the database does not answer"):
        cluster.waited(lambda: create(node, LIMIT // 2), ticks=False)
    assert 60 <= cluster.clock.now - began < 62
    node.loses_answers = False
    cluster.tick(1)
    assert cluster.used() == (30, 2)


def test_without_a_heartbeat_nothing_more_is_used(cluster: Cluster) -> None:
    node = cluster.node()
    create(node, 10).done(new_identity(), size=10, files=1)
    cluster.clock.now += FENCE - 1
    create(node, 10, at_once=True).cancel()
    cluster.clock.now += 2
    with pytest.raises(NotBefore):
        create(node, 10)
    node.owner.beaten = cluster.clock.now
    create(node, 10).cancel()


def test_what_a_killed_process_did_not_tell_is_found_in_its_journal(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    create(one, 10).done(new_identity(), size=10, files=1)
    create(one, 10).done(new_identity(), size=10, files=1)
    cluster.kill(one)
    cluster.tick(5)
    assert cluster.used() == (20, 2)
    assert not cluster.is_doubted()
    assert rows(cluster.engine)[1]["user:alice"] == []
    assert os.listdir(f"{cluster.directory}/ledger") == [f"{two.owner.id}.journal"]


def test_the_next_to_start_settles_what_the_last_one_left(cluster: Cluster) -> None:
    one, path = cluster.node(), VirtualPath((b"file",))
    inode = cluster.files.names["user:alice", b"file"] = cluster.files.new()
    create(one, 0).done(inode.identity, size=0, files=1)
    one.ledger.change(ALICE, path, identity=inode.identity, before=0, grow=10)
    inode.size = 4
    cluster.kill(one)
    cluster.node()
    assert cluster.used() == (4, 1)
    assert not cluster.is_doubted()


def test_where_others_are_too_an_open_change_is_for_a_scan(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    create(one, 10)
    create(two, 5, name=b"other").done(new_identity(), size=5, files=1)
    cluster.kill(one)
    cluster.tick(5)
    assert cluster.is_doubted()
    lost = [row for row in rows(cluster.engine)[1]["user:alice"] if row.state == State.LOST]
    assert sum(row.size for row in lost) >= 10
    # What they may have used is nobody's until then.
    with pytest.raises(QuotaExceeded):
        cluster.take(two, LIMIT - 5)


@pytest.mark.parametrize("trouble", ["journal", "boot"])
def test_without_a_journal_to_trust_the_domains_are_scanned(cluster: Cluster, trouble: str) -> None:
    one = cluster.node()
    create(one, 10).done(new_identity(), size=10, files=1)
    cluster.kill(one)
    if trouble == "journal":
        os.unlink(f"{cluster.directory}/ledger/{one.owner.id}.journal")
    else:
        with writing(cluster.engine) as connection:
            connection.execute(update(quota_journals).values(boot="another"))
    cluster.node()
    assert cluster.is_doubted()
    assert cluster.used() == (0, 0)
    assert cluster.leased() >= 10


def grow(cluster: Cluster, node: Node, size: int) -> Change:
    """An open change of a file that is there, and has grown already."""
    inode = cluster.files.names.get(("user:alice", b"grown"))
    if inode is None:
        inode = cluster.files.names["user:alice", b"grown"] = cluster.files.new()
        create(node, 0, name=b"grown").done(inode.identity, size=0, files=1)
    path, identity, before = VirtualPath((b"grown",)), inode.identity, inode.size
    change = node.ledger.change(ALICE, path, identity=identity, before=before, grow=size)
    inode.size += size
    return change


def comes_and_goes(cluster: Cluster) -> None:
    """Another worker changes something, and ends."""
    other = cluster.node()
    cluster.take(other, 1)
    other.ledger.close()
    other.owner.leave()
    cluster.nodes.remove(other)


@pytest.mark.parametrize("told", [False, True])
def test_where_others_were_in_between_an_open_change_is_for_a_scan(cluster: Cluster, told: bool) -> None:
    one = cluster.node()
    grow(cluster, one, 4)
    one.tick()
    comes_and_goes(cluster)
    if told:
        create(one, 1).done(new_identity(), size=1, files=1)
        one.tick()
    cluster.kill(one)
    cluster.node()
    assert cluster.is_doubted()


def test_where_others_were_before_it_began_it_is_not(cluster: Cluster) -> None:
    one = cluster.node()
    grow(cluster, one, 4).done(cluster.files.names["user:alice", b"grown"].identity, size=4, files=0)
    one.tick()
    comes_and_goes(cluster)
    for _ in range(2):
        create(one, 1).done(new_identity(), size=1, files=1)
        one.tick()
    grow(cluster, one, 4)
    cluster.kill(one)
    cluster.node()
    assert not cluster.is_doubted()
    assert cluster.used() == (11, 4)


def test_an_open_change_is_settled_when_the_service_ends_before_it(cluster: Cluster) -> None:
    one = cluster.node()
    grow(cluster, one, 10)
    one.ledger.close()
    one.owner.leave()
    cluster.node()
    assert cluster.used() == (10, 1)
    assert rows(cluster.engine)[1]["user:alice"] == []


def test_at_the_end_all_is_told_and_given_back(cluster: Cluster) -> None:
    node = cluster.node()
    create(node, 10).done(new_identity(), size=10, files=1)
    node.ledger.close()
    assert cluster.used() == (10, 1)
    assert rows(cluster.engine)[1]["user:alice"] == []
    assert os.listdir(f"{cluster.directory}/ledger") == []


def test_who_was_taken_for_dead_begins_again(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    create(one, 10).done(new_identity(), size=10, files=1)
    late = create(one, 10)
    with writing(cluster.engine) as connection:
        connection.execute(delete(owners).where(owners.c.owner == one.owner.id))
        connection.execute(update(quota_journals).where(quota_journals.c.owner == one.owner.id).values(path="/nowhere"))
    cluster.clock.now += 5
    two.tick()
    scan(cluster.engine, "user:alice", Usage(10, 1))
    one.tick()
    assert cluster.is_doubted()
    scan(cluster.engine, "user:alice", Usage(10, 1))
    late.done(new_identity(), size=10, files=1)
    one.tick()
    assert cluster.is_doubted()
    assert cluster.used() == (10, 1)
    cluster.take(one, 5)
    one.tick()
    assert cluster.used() == (15, 2)


def test_the_journal_stays_short(cluster: Cluster) -> None:
    node = cluster.node()
    open_all_the_time = create(node, 1)
    for number in range(5000):
        create(node, 1).done(new_identity(), size=1, files=1)
        if number % 500 == 0:
            node.tick()
    path = f"{cluster.directory}/ledger/{node.owner.id}.journal"
    contents = journal.read(path)
    assert len(contents.records) < 5000
    del open_all_the_time
    cluster.kill(node)
    cluster.node()
    assert cluster.used() == (5000, 5000)
    assert cluster.is_doubted()  # it was open longer than the journal reaches back


def test_a_full_disk_refuses_changes_and_forgets_none(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    node = cluster.node()
    create(node, 10).cancel()
    change = create(node, 10)
    full, pwrite = [True], os.pwrite

    def sometimes(descriptor: int, data: bytes, offset: int) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", sometimes)
    change.done(new_identity(), size=10, files=1)
    with pytest.raises(Failure, match="No space left on device"):
        create(node, 10)
    full[0] = False
    create(node, 10).done(new_identity(), size=10, files=1)
    cluster.kill(node)
    cluster.node()
    assert cluster.used() == (20, 2)


def test_while_a_domain_is_scanned_its_changes_are_logged(cluster: Cluster) -> None:
    node, path = cluster.node(), VirtualPath((b"file",))
    create(node, 10).done((1, 77), size=10, files=1)
    node.tick()
    with writing(cluster.engine) as connection:
        connection.execute(update(quota_usage).values(scan="this"))
    node.ledger.change(ALICE, path, identity=(1, 77), before=10, grow=5).done((1, 77), size=5, files=0)
    node.ledger.change(ALICE, path, identity=(1, 77), before=15, links=1).done((1, 77), size=-15, files=-1)
    node.ledger.change(ALICE, path, identity=None, before=0, moves=True).done(None, size=0, files=0)
    node.ledger.change(ALICE, path, identity=None, before=0, moves=True).cancel()
    node.tick()
    with reading(cluster.engine) as connection:
        logged = connection.execute(select(quota_scan_log).order_by(quota_scan_log.c.at)).all()
    assert [(row.domain, row.storage, row.inode, row.size, row.files) for row in logged] == [
        ("user:alice", "user:alice", "1:77", 15, 1),
        ("user:alice", "user:alice", "1:77", 0, 0),
        ("user:alice", "user:alice", "", 0, -1),
    ]


def test_a_scan_may_wait_for_what_is_open(cluster: Cluster) -> None:
    node = cluster.node()
    old = create(node, 10)
    with writing(cluster.engine) as connection:
        connection.execute(update(quota_leases).values(state=State.BARRIER))
    cluster.tick(1)
    new = create(node, 10)
    assert [row.state for row in rows(cluster.engine)[1]["user:alice"]] == [State.BARRIER]
    old.done(new_identity(), size=7, files=1)
    cluster.tick(1)
    assert [row.state for row in rows(cluster.engine)[1]["user:alice"]] == [State.HELD]
    assert cluster.used() == (7, 1)
    new.cancel()


def test_threads_and_processes_at_once_do_not_pass_the_limit(cluster: Cluster) -> None:
    one, two = cluster.node(), cluster.node()
    charge = Charge("user:carol", (("user:carol", Limits(1000, None)),))
    made: list[int] = []
    errors: list[BaseException] = []

    def work(node: Node) -> None:
        try:
            for _ in range(200):
                try:
                    change = create(node, 7, charge)
                except (NotBefore, QuotaExceeded):
                    continue
                change.done(new_identity(), size=7, files=1)
                made.append(7)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(node,)) for node in (one, two) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    cluster.tick(1)
    cluster.tick(1)
    assert sum(made) == cluster.used("user:carol")[0] <= 1000


def test_what_is_let_in_beyond_a_limit_of_files_makes_no_room(cluster: Cluster) -> None:
    """As a temporary that will replace a file, of workers of which each has leased what there was."""
    tight, lending = (Charge("user:alice", (("user:alice", limits),)) for limits in (Limits(None, 3), Limits()))
    one, other = cluster.node(), cluster.node()
    for node in (one, other, one):
        cluster.take(node, 1, tight)
    before = cluster.used()
    assert before[1] <= 3
    for node in (one, other):
        cluster.take(node, 0, lending)
    cluster.tick(1)
    assert cluster.used() == (3, 5)
    for node in (one, other):
        with pytest.raises(QuotaExceeded):
            cluster.waited(lambda: create(node, 1, tight))  # noqa: B023
    for node in (one, other):
        change = cluster.waited(
            lambda: node.ledger.change(lending, VirtualPath((b"old",)), identity=(1, 99), before=0, links=1)  # noqa: B023
        )
        change.done((1, 99), size=0, files=-1)
    cluster.tick(1)
    assert cluster.used() == (3, 3)
    with pytest.raises(QuotaExceeded):
        cluster.waited(lambda: create(one, 1, tight))
