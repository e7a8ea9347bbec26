from __future__ import annotations

import pytest

from conchgo.errors import NotBefore, QuotaExceeded
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Change, Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger

FILE = VirtualPath((b"file",))
OTHER = VirtualPath((b"other",))
ALICES = Limits(100, 3, ("folder:shared",))
SHARED = Charge("folder:shared", (("folder:shared", Limits()), ("user:alice", ALICES)))
GUEST = Charge("folder:shared", (("folder:shared", Limits()),))
ALICE = Charge("user:alice", (("user:alice", ALICES),))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> MemoryLedger:
    ledger = MemoryLedger(clock)
    ledger.count("user:alice", Usage(0, 0))
    return ledger


def create(ledger: MemoryLedger, size: int, path: VirtualPath = FILE, charge: Charge = ALICE) -> Change:
    return ledger.change(charge, path, identity=None, before=0, grow=size, files=1)


def test_what_was_done_is_used_and_nothing_else(ledger: MemoryLedger) -> None:
    create(ledger, 100).cancel()
    create(ledger, 100).done((1, 1), size=40, files=1)
    assert ledger.usage("user:alice") == (40, 1)
    ledger.change(ALICE, FILE, identity=(1, 1), before=40, links=1).done((1, 1), size=-40, files=-1)
    assert ledger.usage("user:alice") == (0, 0)


def test_a_change_counts_once(ledger: MemoryLedger) -> None:
    change = create(ledger, 10)
    change.done((1, 1), size=10, files=1)
    change.done((1, 1), size=10, files=1)
    change.cancel()
    assert ledger.usage("user:alice") == (10, 1)


def test_the_limit_holds_to_the_byte_and_to_the_file(ledger: MemoryLedger) -> None:
    with pytest.raises(QuotaExceeded, match="quota exceeded: 0 of 100 bytes"):
        create(ledger, 101)
    create(ledger, 100).done((1, 1), size=100, files=1)
    with pytest.raises(QuotaExceeded, match="quota exceeded: 100 of 100 bytes"):
        create(ledger, 1)
    create(ledger, 0).done((1, 2), size=0, files=1)
    create(ledger, 0).done((1, 3), size=0, files=1)
    with pytest.raises(QuotaExceeded, match="quota exceeded: 3 of 3 files"):
        create(ledger, 0)


def test_who_is_over_the_limit_may_remove(ledger: MemoryLedger) -> None:
    ledger.count("user:alice", Usage(500, 9))
    ledger.change(ALICE, FILE, identity=(1, 1), before=40, links=1).done((1, 1), size=-40, files=-1)
    assert ledger.usage("user:alice") == (460, 8)


def test_what_is_in_a_folder_counts_against_the_limits_of_all_who_have_it_in_their_quota(ledger: MemoryLedger) -> None:
    ledger.count("folder:shared", Usage(0, 0))
    create(ledger, 30, charge=SHARED).done((1, 1), size=30, files=1)
    create(ledger, 10).done((1, 2), size=10, files=1)
    create(ledger, 60, charge=GUEST).done((1, 3), size=60, files=1)
    assert (ledger.usage("folder:shared"), ledger.usage("user:alice")) == ((90, 2), (10, 1))
    for charge in ALICE, SHARED:
        with pytest.raises(QuotaExceeded, match="100 of 100 bytes"):
            ledger.change(charge, FILE, identity=(1, 2), before=10, grow=1)
    # Who removes what another one put there has the room, and no more.
    ledger.change(SHARED, FILE, identity=(1, 3), before=60, links=1).done((1, 3), size=-60, files=-1)
    with pytest.raises(QuotaExceeded, match="40 of 100 bytes"):
        create(ledger, 61)
    create(ledger, 60).done((1, 4), size=60, files=1)


def test_what_is_reserved_in_a_folder_is_reserved_in_the_users_quota(ledger: MemoryLedger) -> None:
    held = create(ledger, 60, charge=SHARED)
    with pytest.raises(NotBefore):
        create(ledger, 41)
    held.cancel()
    create(ledger, 41)


def test_nobody_has_counted_what_was_never_counted(ledger: MemoryLedger) -> None:
    create(ledger, 1, charge=SHARED).done((1, 1), size=1, files=1)
    assert ledger.usage("folder:shared") is None


def test_room_that_others_only_reserved_is_waited_for(ledger: MemoryLedger, clock: Clock) -> None:
    held = create(ledger, 80)
    with pytest.raises(NotBefore) as caught:
        create(ledger, 30, OTHER)
    assert clock.now < caught.value.at < clock.now + 1
    held.cancel()
    clock.now = caught.value.at
    create(ledger, 30, OTHER).done((1, 1), size=30, files=1)


def test_waiting_ends_after_five_seconds(ledger: MemoryLedger, clock: Clock) -> None:
    create(ledger, 80)
    end = clock.now + 5
    while clock.now < end:
        with pytest.raises(NotBefore) as caught:
            create(ledger, 30, OTHER)
        clock.now = caught.value.at
    with pytest.raises(QuotaExceeded):
        create(ledger, 30, OTHER)


def test_waiting_ends_at_once_when_it_became_hopeless(ledger: MemoryLedger) -> None:
    held = create(ledger, 80)
    with pytest.raises(NotBefore):
        create(ledger, 30, OTHER)
    held.done((1, 1), size=80, files=1)
    with pytest.raises(QuotaExceeded):
        create(ledger, 30, OTHER)


def test_the_oldest_is_served_first(ledger: MemoryLedger) -> None:
    held = create(ledger, 80)
    with pytest.raises(NotBefore):
        create(ledger, 90, OTHER)
    with pytest.raises(NotBefore):
        create(ledger, 15)  # there is room for it, but the older one wants that
    held.cancel()
    with pytest.raises(NotBefore):
        create(ledger, 15)
    create(ledger, 90, OTHER).cancel()
    create(ledger, 15)


def test_who_asks_no_more_holds_nobody_up(ledger: MemoryLedger, clock: Clock) -> None:
    create(ledger, 80)
    with pytest.raises(NotBefore):
        create(ledger, 90, OTHER)
    clock.now += 2.5
    create(ledger, 15)
