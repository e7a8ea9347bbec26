"""The ledger that lasts: shared with other workers and hosts through the database, and right after a kill.

A change that has room in the books costs two records in the journal and no statement. All else is one transaction,
`sql.flush`: it tells what was changed, and leases what may be changed next.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from typing import Final, NoReturn

from sqlalchemy import Engine

from conchgo.database.owners import Owner
from conchgo.errors import Failure, NotBefore, WouldBlock
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota import sql
from conchgo.quota.asking import RECALL, Account, Asked
from conchgo.quota.books import NOTHING, Book, Entry, Seen, Shelf
from conchgo.quota.changes import DurableChange, DurableRoom, DurableWatch
from conchgo.quota.interface import Beside, Change, Charge, Identity, Room, Usage, Watch
from conchgo.quota.journal import Journal
from conchgo.quota.records import MOVED, Doubt, Intent, Mark, Outcome, Payer
from conchgo.quota.recovery import Look
from conchgo.quota.settling import join, leave, settle_dead
from conchgo.quota.watching import Place, Watches

#: Seconds without a heartbeat after which nothing more may be used: the others may soon take this owner for dead.
FENCE: Final = 25.0

#: Seconds that changes wait for a database that does not answer, and until it is tried again.
_OUTAGE: Final = 60.0
_RETRY: Final = 0.5

#: Seconds that a thread waits for another's transaction, which takes a few milliseconds; and until it tries again.
_BRIEF: Final = 0.25
_TURN: Final = 0.02

#: No owner has joined so often.
_UNKNOWN: Final = -1

#: Changes after which a flush does not wait for the next tick.
_MANY: Final = 256

#: Seconds between looks for dead owners.
_FUNERALS: Final = 2.0


class DurableLedger:
    """A Ledger in the database of `engine`, for `owner`, who beats elsewhere; its journal is in `directory`.

    `look` finds what lies at a path after a kill; `clock` is time.monotonic. `wake` is called, from any thread, when a
    `tick` is wanted soon. There are two locks: one for the books and the journal, held for microseconds, and around it
    one for the database.
    """

    def __init__(
        self,
        engine: Engine,
        owner: Owner,
        directory: str,
        look: Look,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Settles what dead owners left.

        Raises:
            Failure: the journal can't be made, or the database did not answer.
        """
        self._engine = engine
        self._owner = owner
        self._look = look
        self.wake: Callable[[], None] = lambda: None
        self._clock = clock
        self._path = os.path.join(os.path.abspath(directory), f"{owner.id}.journal")
        self._database = threading.Lock()
        self._lock = threading.Lock()
        self._number = 0
        self._uncertain: set[str] = set()
        self._watches = Watches()
        #: Where programs work, by the numbers of their changes.
        self._works: dict[int, tuple[str, VirtualPath]] = {}
        self._failing_since: float | None = None
        self._retry_at = self._funeral_at = 0.0
        try:
            os.makedirs(directory, mode=0o750, exist_ok=True)
        except OSError as error:
            raise Failure(f"{directory}: cannot be made: {error.strerror}") from None
        self._settle_dead(self._clock())
        self._begin([])

    def _begin(self, uncertain: Sequence[str]) -> None:
        """With a new journal and empty books; what `uncertain` domains use is for a scan to find."""
        joins = self._owner.joins
        try:
            journal = Journal(self._path)
        except OSError as error:
            raise _journal_failed(error) from None
        join(self._engine, self._owner.id, self._path, uncertain)
        with self._lock:
            self._joins = joins
            self._journal = journal
            self._books: dict[str, Book] = {}
            self._accounts: dict[Charge, Account] = {}
            #: The shelves that have a domain beside their own.
            self._beside: dict[str, list[Shelf]] = {}
            self._payers = 0
            self._open: dict[int, DurableChange] = {}
            self._untold = 0
            #: The number of the latest flush, and of the latest change before it.
            self._flushes = self._marked = 0
            self._unanswered: list[Entry] | None = None

    def change(
        self,
        charge: Charge,
        path: VirtualPath,
        *,
        identity: Identity | None,
        before: int,
        grow: int = 0,
        files: int = 0,
        links: int = 0,
        moves: bool = False,
        at_once: bool = False,
    ) -> Change:
        need = Usage(max(grow, 0), max(files, 0)) if grow > 0 or files > 0 else NOTHING
        return self._change(Asked(charge, bytes(path), identity, before, need, links, moves), at_once=at_once)

    def reserve(self, charge: Charge, size: int, files: int) -> Room:
        asked = Asked(charge, bytes(ROOT), None, 0, Usage(size, files), 0, moves=False, quiet=True)
        return DurableRoom(self, self._change(asked))

    def work(self, charge: Charge, path: VirtualPath) -> Change:
        change = self._change(Asked(charge, bytes(path), None, 0, NOTHING, 0, moves=True, quiet=True))
        with self._lock:
            self._works[change.number] = charge.storage, path
            for place in self._watches:
                place.worked(charge.storage, path)
        return change

    def watch(self, charge: Charge, path: VirtualPath) -> Watch:
        place = Place(charge.storage, path)
        with self._lock:
            for change in self._open.values():
                if not change.asked.quiet:
                    place.begun(change.asked.charge.storage, change.path, moves=change.asked.moves)
            for storage, there in self._works.values():
                place.worked(storage, there)
            self._watches.begin(place)
            book = self._books.get(charge.storage)
            return DurableWatch(self, charge.storage, place, _UNKNOWN if book is None else book.foreigners)

    def _change(self, asked: Asked, *, at_once: bool = False) -> DurableChange:
        charge = asked.charge
        now = self._clock()
        with self._lock:
            account = self._accounts.get(charge)
            if account is not None and self._is_certain(now) and account.has_room(asked, now):
                return self._announced(account, asked, now)
        if at_once:
            raise WouldBlock
        return self._negotiated(asked, now)

    def usage(self, domain: str, *, at_once: bool = False) -> Usage | None:
        with self._lock:
            book = self._books.get(domain)
            if book is not None and book.knows_all(self._clock()):
                return book.current()
        if at_once:
            raise WouldBlock
        with self._database:
            told = sql.usage_of(self._engine, domain)
            with self._lock:
                book = self._books.get(domain)
                return told if told is None or book is None else book.beyond(told)

    def tick(self) -> None:
        """Tell what was changed, and hear what the others want. Wanted every half second; it blocks.

        Raises:
            Failure: the database did not answer; nothing is lost, and all is told the next time.
        """
        now = self._clock()
        with self._database, suppress(sql.Forgotten):
            self._prepare()
            if self._books:
                self._listen()
            self._tell(now)
        if now >= self._funeral_at:
            self._settle_dead(now)

    def close(self) -> None:
        """Tell all, and give everything back. Blocks.

        Raises:
            Failure: the database did not answer; the others will find the journal.
        """
        with self._database:
            with suppress(sql.Forgotten):
                self._prepare()
                self._tell(self._clock())
            # An open change is for recovery: nobody knows what comes of it.
            if not self._open:
                leave(self._engine, self._owner.id)
                self._journal.remove()

    def end(self, change: DurableChange, identity: Identity | None, size: int, files: int, *, changed: bool) -> None:
        """A change has ended, for the first time."""
        asked, number = change.asked, change.number
        at = time.time()
        with self._lock:
            self._works.pop(number, None)
            if self._watches and not asked.quiet:
                for place in self._watches:
                    place.ended(asked.charge.storage, change.path, size, files)
            if self._open.pop(number, None) is None:
                # It began before the others took this owner for dead: they have settled what it had.
                self._uncertain.update(domain for domain, _ in asked.charge.domains)
                return
            after, left = asked.before + size, max(0, (asked.identity is not None) + files)
            if identity is None:
                after, left = 0, MOVED if changed and asked.moves and asked.identity is None else 0
            outcome = Outcome(number, change.account.payer.number, size, files, identity, after, left, change.began, at)
            self._journal.write_or_owe(outcome.payload())
            seen = None
            if identity or left or size or files:
                seen = Seen(asked.charge.storage, identity, after, left, Usage(size, files), change.began, at)
            for book, shelf in change.account.pairs:
                book.end(number, shelf, asked.need)
                if changed:
                    book.use(shelf, size, files)
            if changed:
                change.account.counted.count(size, files, seen)
                for other in self._beside.get(asked.charge.storage, ()):
                    if all(shelf is not other for _, shelf in change.account.pairs):
                        other.lose(size, files)
            self._untold += 1
            many = self._untold == _MANY
        if many:
            self.wake()

    def beside(self, place: Place) -> Beside:
        """What was done where a `watch` is."""
        with self._lock:
            return place.beside

    def disturbances(self, place: Place, domain: str) -> tuple[bool, int]:
        """Whether anything else has happened there since this was last asked, and how often others were in the domain.

        The database is asked for them.
        """
        with self._database, suppress(sql.Forgotten):
            self._prepare()
            with self._lock:
                book = self._books.get(domain)
                if book is not None:
                    book.changed = True
            self._tell(self._clock())
            with self._lock:
                disturbed, place.disturbed = place.disturbed, False
                return disturbed or book is None or book.closed, 0 if book is None else book.foreigners
        return True, 0

    def unwatch(self, place: Place) -> None:
        """Idempotent."""
        with self._lock:
            self._watches.end(place)

    def doubt(self, domains: Set[str]) -> None:
        with self._lock:
            self._uncertain |= domains

    def calls(self, change: DurableChange) -> int:
        """How often other workers have asked for room that it holds."""
        with self._lock:
            return sum(book.heard for book, _ in change.account.pairs)

    def is_waited_for(self, change: DurableChange) -> bool:
        """Whether somebody waits here for room that it holds."""
        now = self._clock()
        with self._lock:
            return any(book.queue.oldest(now) is not None for book, _ in change.account.pairs)

    def keep(self, change: DurableChange, kept: Usage) -> None:
        """Hold less room than before."""
        with self._lock:
            held = change.asked.need
            if change.number in self._open:
                for book, shelf in change.account.pairs:
                    book.yield_room(shelf, Usage(held.size - kept.size, held.files - kept.files))
                change.asked = change.asked._replace(need=kept)

    def _announced(self, account: Account, asked: Asked, now: float) -> DurableChange:
        """Under the lock, where there is room."""
        number = self._number + 1
        _, path, identity, before, need, links, moves, _ = asked
        payload = Intent(number, account.payer.number, path, identity, before, *need, links, moves).payload()
        self._write(payload)
        self._number = number
        change = self._open[number] = DurableChange(self, number, account, asked, payload)
        for book, shelf in account.pairs:
            book.take(number, shelf, need, asked, now)
        if self._watches and not asked.quiet:
            for place in self._watches:
                place.begun(asked.charge.storage, change.path, moves=moves)
        return change

    def _negotiated(self, asked: Asked, now: float) -> DurableChange:
        """With the database: room is leased, or waited for."""
        if now >= self._owner.beaten + FENCE:
            self._stall(self._owner.beaten + FENCE, now)
        if self._failing_since is not None and now < self._retry_at:
            self._stall(self._failing_since, now)
        if not self._database.acquire(timeout=_BRIEF):
            raise NotBefore(now + _BRIEF + _TURN)
        try:
            self._prepare()
            with self._lock:
                account = self._account(asked.charge, now)
                short = account.short(asked, now)
                if not short:
                    return self._announced(account, asked, now)
                later = max(book.ask_at for book, _ in short)
                if later > now:
                    account.wait(asked, now, recalled=False)
                    raise NotBefore(later)
            self._tell(now, asked, short)
            with self._lock:
                if account.has_room(asked, now):
                    return self._announced(account, asked, now)
                account.wait(asked, now, recalled=True)
                raise NotBefore(now + RECALL)
        except sql.Forgotten:
            raise NotBefore(now + _TURN) from None
        except Failure:
            if self._failing_since is None:
                raise
            self._stall(self._failing_since, now)
        finally:
            self._database.release()

    def _is_certain(self, now: float) -> bool:
        """Whether the others surely take us for alive, so that what is leased is ours."""
        return now < self._owner.beaten + FENCE and self._owner.joins == self._joins

    def _prepare(self) -> None:
        """Under the database's lock: know what came of the latest flush, and whether the others know us still."""
        self._answer()
        joins = self._owner.joins
        if joins != self._joins:
            self._tell(self._clock(), always=True)
            self._joins = joins

    def _stall(self, since: float, now: float) -> NoReturn:
        if now >= since + _OUTAGE:
            raise Failure("the quota can't be looked up: the database does not answer")
        raise NotBefore(now + _RETRY)

    def _account(self, charge: Charge, now: float) -> Account:
        """Under both locks; its books may be closed still."""
        account = self._accounts.get(charge)
        if account is None:
            payer = Payer(self._payers + 1, charge.storage, tuple(domain for domain, _ in charge.domains))
            self._write(payer.payload())
            self._payers = payer.number
            books = [(self._books.setdefault(domain, Book(domain)), limits) for domain, limits in charge.domains]
            pairs = [(book, book.shelf(limits)) for book, limits in books]
            account = self._accounts[charge] = Account(payer, pairs)
            for _, shelf in pairs:
                for domain in shelf.limits.beside:
                    others = self._beside.setdefault(domain, [])
                    if all(shelf is not other for other in others):
                        others.append(shelf)
        for book, _ in account.pairs:
            book.used_at = now
        return account

    def _listen(self) -> None:
        """Hear what others ask for."""
        heard = sql.asked_of(self._engine, self._owner.id)
        with self._lock:
            for domain, state in heard.items():
                if domain in self._books:
                    self._books[domain].hear(state, state == sql.State.BARRIER, self._number)

    def _tell(
        self,
        now: float,
        asked: Asked | None = None,
        short: Sequence[tuple[Book, Shelf]] = (),
        *,
        always: bool = False,
    ) -> None:
        """Flush what is due, and ask for room where it is short."""
        with self._lock:
            due = {book.domain: book for book in self._books.values() if book.is_due(now)}
            if due or short or self._uncertain or always:
                self._write(Mark(self._flushes + 1).payload(), mark=True)
                self._flushes += 1
                self._marked = self._number
                self._untold = 0
                self._unanswered = [book.entry(now, shelf, asked) for book, shelf in short]
                for book, _ in short:
                    due.pop(book.domain, None)
                self._unanswered += [book.entry(now) for book in due.values()]
        self._answer()

    def _answer(self) -> None:
        """The answer to the latest flush, which is made if it has none yet. Under the database's lock."""
        with self._lock:
            entries, uncertain = self._unanswered, sorted(self._uncertain)
        if entries is None:
            return
        now = self._clock()
        try:
            answers = sql.flush(self._engine, self._owner.id, self._flushes, entries, uncertain)
        except Failure:
            self._failing_since = self._failing_since or now
            self._retry_at = now + _RETRY
            raise
        except sql.Forgotten:
            self._begin_again()
            raise
        self._failing_since = None
        with self._lock:
            for entry in entries:
                self._books[entry.domain].answered(entry, answers[entry.domain], self._number, now)
            self._unanswered = None
            self._uncertain.difference_update(uncertain)
            self._tidy()

    def _tidy(self) -> None:
        """Forget closed books, and what the journal need not hold any more."""
        closed = [domain for domain, book in self._books.items() if book.closed]
        if closed:
            for domain in closed:
                del self._books[domain]
            self._accounts = {
                charge: account
                for charge, account in self._accounts.items()
                if not any(book.closed for book, _ in account.pairs)
            }
            kept = {id(shelf) for book in self._books.values() for shelf in book.shelves.values()}
            self._beside = {
                domain: left
                for domain, shelves in self._beside.items()
                if (left := [shelf for shelf in shelves if id(shelf) in kept])
            }
        if self._journal.is_long:
            payers = [account.payer.payload() for account in self._accounts.values()]
            old = [change for number, change in self._open.items() if number <= self._marked]
            intents = [payload for change in old for payload in (change.payload, Doubt(change.number).payload())]
            try:
                self._journal.renew(self._flushes, [*payers, *intents])
            except OSError:
                return

    def _begin_again(self) -> None:
        """The others have settled all that this owner had told, and keep its leases until somebody has scanned."""
        with self._lock:
            self._joins = _UNKNOWN
            uncertain = sorted(self._books)
        old = self._journal
        self._begin(uncertain)
        old.close()

    def _settle_dead(self, now: float) -> None:
        self._funeral_at = now + _FUNERALS
        settle_dead(self._engine, self._owner.id, self._look)

    def _write(self, payload: bytes, *, mark: bool = False) -> None:
        try:
            (self._journal.mark if mark else self._journal.write)(payload)
        except OSError as error:
            raise _journal_failed(error) from None


def _journal_failed(error: OSError) -> Failure:
    return Failure(f"the quota's journal can't be written: {error.strerror or error}")
