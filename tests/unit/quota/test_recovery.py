"""What an open change came to, as far as that is certain."""

from __future__ import annotations

from typing import Any

import pytest

from conchgo.errors import NotARegularFile
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Usage
from conchgo.quota.journal import Contents
from conchgo.quota.records import Doubt, Intent, Mark, Outcome, Payer, Record
from conchgo.quota.recovery import Findings, Found, examine

ALICE = ("user:alice",)
PAYER = Payer(1, "user:alice", ALICE)
HERE, ELSE = (1, 1), (1, 2)
UNKNOWN = None
NOTHING = Usage(0, 0)


def intent(number: int = 1, **values: Any) -> Intent:
    return Intent(number, 1, **{"path": b"/file", "identity": None, "before": 0, "grow": 0, "files": 0, "links": 0,
                                "moves": False} | values)  # fmt: skip


def outcome(number: int, size: int = 0, files: int = 0) -> Outcome:
    return Outcome(number, 1, size, files, None, 0, 0, 0.0, 0.0)


CREATE = intent(grow=10, files=1)
WRITE = intent(identity=HERE, before=5, grow=10)
TRUNCATE = intent(identity=HERE, before=5)
REMOVE = intent(identity=HERE, before=5, links=1)
UNLINK = intent(identity=HERE, before=5, links=2)
RENAME = intent(moves=True)
RENAME_FILE = intent(identity=HERE, before=5, moves=True)
RENAME_ONTO = intent(identity=HERE, before=5, links=1, moves=True)
RENAME_ONTO_LINK = intent(identity=HERE, before=5, links=2, moves=True)
MOVE_IN = intent(grow=30, files=3, moves=True)


def examined(found: Found | None, *written: Record, checkpoint: int = 0, shared: set[str] | None = None) -> Any:
    def look(storage: str, path: VirtualPath) -> Found | None:
        assert (storage, bytes(path)) == ("user:alice", b"/file")
        return found

    return examine(Contents(0, [PAYER, *written]), checkpoint, look, shared or set(), 0.0)


def resolved(found: Found | None, *written: Record) -> Usage | None:
    findings = examined(found, *written)
    if findings.doubtful:
        assert findings.doubtful == set(ALICE)
        return None
    return Usage(*findings.deltas.get(ALICE[0], NOTHING))


@pytest.mark.parametrize(
    ("asked", "found", "came"),
    [
        (CREATE, None, NOTHING),
        (CREATE, Found(HERE, 0, 1), UNKNOWN),
        (WRITE, Found(HERE, 5, 1), NOTHING),
        (WRITE, Found(HERE, 9, 1), Usage(4, 0)),
        (WRITE, Found(HERE, 15, 2), Usage(10, 0)),
        (WRITE, Found(HERE, 0, 1), Usage(-5, 0)),
        (WRITE, Found(HERE, 16, 1), UNKNOWN),
        (WRITE, Found(ELSE, 9, 1), UNKNOWN),
        (WRITE, None, UNKNOWN),
        (TRUNCATE, Found(HERE, 3, 1), Usage(-2, 0)),
        (TRUNCATE, Found(HERE, 6, 1), UNKNOWN),
        (REMOVE, None, Usage(-5, -1)),
        (REMOVE, Found(HERE, 5, 1), NOTHING),
        (REMOVE, Found(ELSE, 5, 1), UNKNOWN),
        (UNLINK, None, NOTHING),
        (UNLINK, Found(HERE, 5, 2), NOTHING),
        (RENAME, None, UNKNOWN),
        (RENAME, Found(HERE, 5, 1), NOTHING),
        (RENAME_FILE, None, NOTHING),
        (RENAME_ONTO, None, UNKNOWN),
        (RENAME_ONTO, Found(HERE, 5, 1), NOTHING),
        (RENAME_ONTO, Found(ELSE, 9, 1), Usage(-5, -1)),
        (RENAME_ONTO_LINK, Found(ELSE, 9, 1), NOTHING),
        (MOVE_IN, Found(HERE, 9, 1), UNKNOWN),
    ],
)
def test_an_open_change(asked: Intent, found: Found | None, came: Usage | None) -> None:
    assert resolved(found, asked) == came


def test_what_it_told_is_not_counted_again() -> None:
    written = (intent(1), outcome(1, 5, 1), Mark(1), intent(2), outcome(2, 7, 1))
    assert examined(None, *written).deltas == {ALICE[0]: (12, 2)}
    assert examined(None, *written, checkpoint=1).deltas == {ALICE[0]: (7, 1)}
    assert examined(None, *written, Mark(2), checkpoint=1).deltas == {ALICE[0]: (7, 1)}


def test_a_checkpoint_that_it_does_not_know_makes_it_worthless() -> None:
    assert examined(None, Mark(1), checkpoint=2) is None
    assert examine(Contents(3, []), 2, lambda *_: None, set(), 0.0) is None
    assert examine(Contents(2, []), 2, lambda *_: None, set(), 0.0) == Findings()


def test_what_changed_counts_where_it_lies_and_was_taken_from_the_leases_of_all_who_pay() -> None:
    both = Payer(1, "a", ("a", "b"))
    findings = examine(Contents(0, [both, intent(1), outcome(1, 5, 1)]), 0, lambda *_: None, set(), 0.0)
    assert findings is not None
    assert findings.deltas == {"a": (5, 1)}
    assert findings.spent == {"a": (5, 1), "b": (5, 1)}


def test_where_others_were_it_says_nothing() -> None:
    assert examined(Found(HERE, 9, 1), WRITE, shared=set(ALICE)).doubtful == set(ALICE)
    assert examined(Found(HERE, 9, 1), WRITE, shared={"user:bob"}).doubtful == set()


def test_what_only_pays_for_a_storage_may_be_used_by_others() -> None:
    both = Payer(1, "a", ("a", "b"))
    findings = examine(Contents(0, [both, WRITE]), 0, lambda *_: Found(HERE, 9, 1), {"b"}, 0.0)
    assert findings is not None
    assert (findings.doubtful, findings.deltas) == (set(), {"a": (4, 0)})


def test_where_its_storage_cannot_be_looked_at_it_says_nothing() -> None:
    def look(storage: str, path: VirtualPath) -> Found | None:
        raise NotARegularFile

    findings = examine(Contents(0, [PAYER, WRITE]), 0, look, set(), 0.0)
    assert findings is not None
    assert findings.doubtful == set(ALICE)


def test_an_intent_that_is_older_than_the_journal_says_nothing() -> None:
    assert resolved(Found(HERE, 9, 1), WRITE, Doubt(1)) is None


@pytest.mark.parametrize("ends", [True, False])
def test_a_change_beside_it_at_the_same_path_makes_it_uncertain(ends: bool) -> None:
    beside = [intent(2, grow=10, files=1), *([outcome(2, 9, 1)] if ends else [])]
    assert resolved(Found(HERE, 9, 1), WRITE, *beside) is None
    assert resolved(None, CREATE, *beside) is None


def test_one_that_ended_before_it_does_not() -> None:
    assert resolved(Found(HERE, 9, 1), intent(2, identity=HERE, grow=5), outcome(2, 5), WRITE) == (9, 0)


def test_a_change_beside_it_of_the_same_file_makes_it_uncertain() -> None:
    other = intent(2, path=b"/other", identity=HERE, before=5, grow=10)
    assert resolved(Found(HERE, 9, 1), WRITE, other, outcome(2, 4)) is None


@pytest.mark.parametrize("asked", [CREATE, REMOVE])
def test_where_names_moved_beside_it_what_is_gone_may_be_elsewhere(asked: Intent) -> None:
    elsewhere = intent(2, path=b"/directory", moves=True)
    assert resolved(None, asked, elsewhere, outcome(2)) is None
    assert resolved(None, elsewhere, asked, outcome(2)) is None
    assert resolved(None, elsewhere, outcome(2), asked) is not None


def test_what_happens_in_other_storages_does_not_matter() -> None:
    other = Payer(2, "elsewhere", ("user:bob",))
    beside = intent(2, moves=True)._replace(payer=2)
    assert resolved(None, other, REMOVE, beside, outcome(2)._replace(payer=2)) == (-5, -1)
