"""What a dead owner has changed and not told: what its journal says, and for open intents what lies at their path.

Certain is what can't have come about in another way; all else is left to a scan of the domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from conchgo.errors import ConchgoError
from conchgo.paths import VirtualPath
from conchgo.quota.books import NOTHING, Seen, total
from conchgo.quota.interface import Identity, Usage
from conchgo.quota.journal import Contents
from conchgo.quota.records import MOVED, Doubt, Intent, Mark, Outcome, Payer, path_of


class Found(NamedTuple):
    """What lies at a path."""

    identity: Identity
    size: int
    links: int


#: Looks at a path of a storage; None where there is nothing. Raises ConchgoError where it can't tell.
Look = Callable[[str, VirtualPath], Found | None]


@dataclass
class Findings:
    """By domain: what is to be told, what was used of leases, what scans must hear of, and where it is not certain."""

    deltas: dict[str, Usage] = field(default_factory=dict)
    spent: dict[str, Usage] = field(default_factory=dict)
    seen: dict[str, list[Seen]] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)

    def add(self, payer: Payer, outcome: Outcome) -> None:
        domain, delta = payer.storage, Usage(outcome.size, outcome.files)
        self.deltas[domain] = total((self.deltas.get(domain, NOTHING), delta))
        for each in payer.domains:
            self.spent[each] = total((self.spent.get(each, NOTHING), delta))
        if outcome.identity is not None or outcome.left == MOVED or delta != NOTHING:
            began, at = outcome.began, outcome.at
            seen = Seen(domain, outcome.identity, outcome.after, outcome.left, delta, began, at)
            self.seen.setdefault(domain, []).append(seen)


def domains_of(contents: Contents) -> set[str]:
    """All that the journal speaks of."""
    return {domain for record in contents.records if isinstance(record, Payer) for domain in record.domains}


def examine(contents: Contents, checkpoint: int, look: Look, shared: set[str], now: float) -> Findings | None:
    """What was not told with the flush `checkpoint`; None where the journal does not know.

    In `shared` domains others may have changed the same since: what one sees there now says nothing of it. `now` is in
    seconds since the epoch.
    """
    history = _History(contents)
    if not history.go_back_to(checkpoint):
        return None
    findings = Findings()
    for outcome in history.untold:
        findings.add(history.payers[outcome.payer], outcome)
    for intent in history.open:
        payer = history.payers[intent.payer]
        delta = None
        if payer.storage not in shared and intent.number not in history.doubts:
            delta = _resolved(intent, payer, history, look)
        if delta is None:
            findings.doubtful.update(payer.domains)
        else:
            findings.add(payer, Outcome(intent.number, intent.payer, delta.size, delta.files, None, 0, 0, now, now))
    return findings


class _History:
    """A journal, put in order."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self.payers: dict[int, Payer] = {}
        self.intents: dict[int, Intent] = {}
        self.doubts: set[int] = set()
        self.untold: list[Outcome] = []
        #: Where each intent was written, and where it ended.
        self._began: dict[int, int] = {}
        self._ended: dict[int, int] = {}

    def go_back_to(self, checkpoint: int) -> bool:
        known = self._contents.checkpoint == checkpoint
        for position, record in enumerate(self._contents.records):
            match record:
                case Payer():
                    self.payers[record.number] = record
                case Intent():
                    self.intents[record.number] = record
                    self._began[record.number] = position
                case Outcome():
                    self._ended[record.number] = position
                    self.untold.append(record)
                case Mark() if record.number == checkpoint:
                    known = True
                    self.untold.clear()
                case Mark():
                    known = known and record.number > checkpoint
                case Doubt():
                    self.doubts.add(record.number)
        return known

    @property
    def open(self) -> Iterable[Intent]:
        return [intent for number, intent in self.intents.items() if number not in self._ended]

    def beside(self, intent: Intent) -> Iterable[Intent]:
        """The others that were open in that storage at some time while this one was, or began later."""
        began = self._began[intent.number]
        endless = len(self._contents.records)
        storage = self.payers[intent.payer].storage
        return [
            other
            for number, other in self.intents.items()
            if number != intent.number
            and self._ended.get(number, endless) > began
            and self.payers[other.payer].storage == storage
        ]


def _resolved(intent: Intent, payer: Payer, history: _History, look: Look) -> Usage | None:
    """What came of an open intent, or None where that is not certain."""
    if intent.moves and intent.identity is not None and not intent.links and not intent.grow:
        return NOTHING
    beside = history.beside(intent)
    if any(other.path == intent.path or _same(other.identity, intent.identity) for other in beside):
        return None
    try:
        found = look(payer.storage, path_of(intent))
    except ConchgoError:
        return None
    if found is None:
        # Where names moved meanwhile it may be elsewhere.
        moved = intent.moves or any(other.moves for other in beside)
        return None if moved else _vanished(intent)
    if intent.identity is None:
        # It may have been there before, and be in the way of what was to be made.
        return None if intent.grow or intent.files else NOTHING
    if found.identity == intent.identity:
        return _still_there(intent, found)
    return _vanished(intent) if intent.moves else None


def _same(one: Identity | None, other: Identity | None) -> bool:
    return one is not None and one == other


def _still_there(intent: Intent, found: Found) -> Usage | None:
    return Usage(found.size - intent.before, 0) if found.size <= intent.before + intent.grow else None


def _vanished(intent: Intent) -> Usage | None:
    if intent.identity is None:
        return NOTHING
    if not intent.links:
        return None
    return Usage(-intent.before, -1) if intent.links == 1 else NOTHING
