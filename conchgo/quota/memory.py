"""A ledger in memory: for one process, and for what need not last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence, Set
from typing import Final
from uuid import uuid4

from conchgo.errors import Busy, NotBefore
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.interface import Beside, Change, Charge, Identity, Limits, Room, Usage, Watch
from conchgo.quota.scans import MOVED, Tallied
from conchgo.quota.tally import Correction, inode_key
from conchgo.quota.waiting import PATIENCE, Queue, fits, refuse
from conchgo.quota.watching import Place, Watches

#: What a scan hears of a change, if that is to it.
_Heard = Correction | None

#: Seconds until one asks again who waits for what others have reserved.
_PAUSE: Final = 0.05


class _Account:
    """What is used of one domain, and reserved of its limits by open changes."""

    __slots__ = ("counted", "files", "held_files", "held_size", "open", "queue", "scan", "size", "works")

    def __init__(self) -> None:
        self.counted = False
        #: Changes of what counts here.
        self.open: dict[_MemoryChange, VirtualPath] = {}
        #: Of programs.
        self.works: dict[_MemoryChange, VirtualPath] = {}
        self.scan: _MemoryScan | None = None
        self.size = self.files = 0
        self.held_size = self.held_files = 0
        self.queue = Queue()

    def has_room(self, used: Usage, limits: Limits, need: Usage, key: Hashable, now: float) -> bool:
        """Where so much is used, with what is beside it."""
        older = self.queue.before(key, now)
        taken = Usage(used.size + self.held_size + older.size, used.files + self.held_files + older.files)
        return fits(taken, limits, need)


class MemoryLedger:
    """A Ledger, and Scans, that know all there is to know: nothing waits for a database. `clock` is time.monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}
        self._watches = Watches()

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
        need = Usage(max(grow, 0), max(files, 0))
        return self._change(charge, path, need, identity, before, moves)

    def _change(
        self,
        charge: Charge,
        path: VirtualPath,
        need: Usage,
        identity: Identity | None = None,
        before: int = 0,
        moves: bool = False,
        *,
        quiet: bool = False,
    ) -> _MemoryChange:
        with self._lock:
            accounts = [(self._account(domain), limits) for domain, limits in charge.domains]
            if any(need):
                self._require_room(accounts, need, (charge, path, identity, before, need))
            for account, _ in accounts:
                account.held_size += need.size
                account.held_files += need.files
            counted = self._account(charge.storage)
            change = _MemoryChange(
                self, charge.storage, counted, [account for account, _ in accounts], need, identity, before, moves
            )
            if not quiet:
                counted.open[change] = path
                for place in self._watches:
                    place.begun(charge.storage, path, moves=moves)
        return change

    def reserve(self, charge: Charge, size: int, files: int) -> Room:
        return _MemoryRoom(self, self._change(charge, ROOT, Usage(size, files), quiet=True))

    def work(self, charge: Charge, path: VirtualPath) -> Change:
        change = self._change(charge, path, Usage(0, 0), moves=True, quiet=True)
        with self._lock:
            change.counted.works[change] = path
            for place in self._watches:
                place.worked(charge.storage, path)
        return change

    def watch(self, charge: Charge, path: VirtualPath) -> Watch:
        place = Place(charge.storage, path)
        with self._lock:
            account = self._account(charge.storage)
            for change, there in account.open.items():
                place.begun(charge.storage, there, moves=change.moves)
            for there in account.works.values():
                place.worked(charge.storage, there)
            self._watches.begin(place)
        return _MemoryWatch(self._lock, self._watches, place)

    def is_wanted(self, change: _MemoryChange) -> bool:
        """Whether somebody waits for room that it holds."""
        now = self._clock()
        with self._lock:
            return any(account.queue.oldest(now) is not None for account in change.accounts)

    def keep(self, change: _MemoryChange, kept: Usage) -> None:
        """Hold less than before."""
        with self._lock:
            for account in change.accounts:
                account.held_size -= change.held.size - kept.size
                account.held_files -= change.held.files - kept.files
            change.held = kept

    def usage(self, domain: str, *, at_once: bool = False) -> Usage | None:
        with self._lock:
            account = self._accounts.get(domain)
            return Usage(account.size, account.files) if account is not None and account.counted else None

    def count(self, domain: str, found: Usage) -> None:
        """Say what is there, found by a scan beside which nothing changed."""
        with self._lock:
            account = self._account(domain)
            account.size, account.files = found
            account.counted = True

    def end(self, change: _MemoryChange, size: int, files: int, heard: _Heard, *, arrives: bool = False) -> None:
        """A change has ended. Only the first time: it counts once."""
        counted = change.counted
        with self._lock:
            if change.ended:
                return
            change.ended = True
            path = counted.open.pop(change, None)
            if path is None:
                counted.works.pop(change, None)
            else:
                for place in self._watches:
                    place.ended(change.domain, path, size, files)
            counted.size += size
            counted.files += files
            if counted.scan is not None and heard is not None:
                counted.scan.heard.append(heard)
            for account in change.accounts:
                account.held_size -= change.held.size
                account.held_files -= change.held.files

    def needs(self, domain: str) -> bool:
        return self.usage(domain) is None

    def begin(self, domain: str, beside: Sequence[str] = ()) -> _MemoryScan:
        with self._lock:
            account = self._account(domain)
            if account.scan is not None:
                raise Busy("a scan goes on already")
            account.scan = _MemoryScan(account, self._lock, self._clock)
            return account.scan

    def due(self, interval: float) -> Sequence[str]:
        """None: nothing is left uncertain here, and nobody else changes what is there."""
        return ()

    def doubt(self, domains: Set[str]) -> None:
        for domain in domains:
            self.forget(domain)

    def forget(self, domain: str) -> None:
        with self._lock:
            self._account(domain).counted = False

    def _account(self, domain: str) -> _Account:
        return self._accounts.setdefault(domain, _Account())

    def _require_room(self, accounts: list[tuple[_Account, Limits]], need: Usage, key: Hashable) -> None:
        now = self._clock()
        all_used = [(account, limits, self._used(account, limits)) for account, limits in accounts]
        full = [row for row in all_used if not row[0].has_room(row[2], row[1], need, key, now)]
        if not full:
            for account, _ in accounts:
                account.queue.leave(key)
            return
        for account, limits, used in full:
            # Not even if all that is reserved were given back.
            hopeless = not fits(used, limits, need)
            if hopeless or account.queue.enter(key, need, now).since + PATIENCE <= now:
                for other, _, _ in full:
                    other.queue.leave(key)
                refuse(used, limits, need)
        raise NotBefore(now + _PAUSE)

    def _used(self, account: _Account, limits: Limits) -> Usage:
        """What counts against the limits."""
        beside = [self._account(domain) for domain in limits.beside]
        return Usage(
            account.size + sum(other.size for other in beside), account.files + sum(other.files for other in beside)
        )


class _MemoryChange:
    __slots__ = ("_before", "_identity", "_ledger", "accounts", "counted", "domain", "ended", "held", "moves")

    def __init__(
        self,
        ledger: MemoryLedger,
        domain: str,
        counted: _Account,
        accounts: Sequence[_Account],
        held: Usage,
        identity: Identity | None,
        before: int,
        moves: bool,
    ) -> None:
        self._ledger = ledger
        self.domain = domain
        self.counted = counted
        self.accounts = accounts
        self._identity = identity
        self._before = before
        self.moves = moves
        self.held = held
        self.ended = False

    def done(self, identity: Identity | None, *, size: int, files: int) -> None:
        heard: _Heard = None
        if identity is not None:
            left = max(0, (self._identity is not None) + files)
            heard = Correction(inode_key(identity), self._before + size, left)
        elif self.moves and self._identity is None:
            heard = MOVED
        self._ledger.end(self, size, files, heard)

    def cancel(self) -> None:
        self._ledger.end(self, 0, 0, None)


class _MemoryRoom:
    """A `Room`."""

    def __init__(self, ledger: MemoryLedger, change: _MemoryChange) -> None:
        self._ledger = ledger
        self._change = change
        self.release = change.cancel

    @property
    def size(self) -> int:
        return self._change.held.size

    @property
    def files(self) -> int:
        return self._change.held.files

    def is_wanted(self) -> bool:
        return self._ledger.is_wanted(self._change)

    def keep(self, size: int, files: int) -> None:
        self._ledger.keep(self._change, Usage(size, files))


class _MemoryWatch:
    """A `Watch`."""

    def __init__(self, lock: threading.Lock, watches: Watches, place: Place) -> None:
        self._lock = lock
        self._watches = watches
        self._place = place

    def beside(self) -> Beside:
        with self._lock:
            return self._place.beside

    def is_alone(self) -> bool:
        with self._lock:
            disturbed, self._place.disturbed = self._place.disturbed, False
            return not disturbed

    def end(self) -> None:
        with self._lock:
            self._watches.end(self._place)


class _MemoryScan:
    """A `Scan`."""

    def __init__(self, account: _Account, lock: threading.Lock, clock: Callable[[], float]) -> None:
        self._account = account
        self._lock = lock
        self._clock = clock
        self._waits: set[_MemoryChange] | None = None
        self.name = uuid4().hex
        self.heard: list[Correction] = []

    def settle(self) -> None:
        with self._lock:
            at_work = {*self._account.open, *self._account.works}
            self._waits = at_work if self._waits is None else self._waits & at_work
            if self._waits:
                raise NotBefore(self._clock() + _PAUSE)

    def finish(self, tally: Tallied) -> Usage:
        with self._lock:
            heard, self.heard = self.heard, []
            self._waits = None
            if MOVED in heard:
                raise Busy("a directory was moved while it was scanned, try again")
            tally.correct(heard)
            found = tally.total()
            self._account.size, self._account.files = found
            self._account.counted = True
            self._account.scan = None
        return found

    def abandon(self) -> None:
        with self._lock:
            self._account.scan = None
