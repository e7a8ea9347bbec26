"""A ledger in memory: for one process, and for what need not last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Final

from conchgo.errors import NotBefore
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Change, Charge, Identity, Limits, Usage
from conchgo.quota.waiting import PATIENCE, Queue, fits, refuse

#: Seconds until one asks again who waits for what others have reserved.
_PAUSE: Final = 0.05


class _Account:
    """What is used of one domain, and reserved by open changes."""

    __slots__ = ("counted", "files", "held_files", "held_size", "queue", "size")

    def __init__(self) -> None:
        self.counted = False
        self.size = self.files = 0
        self.held_size = self.held_files = 0
        self.queue = Queue()

    def has_room(self, limits: Limits, need: Usage, key: Hashable, now: float) -> bool:
        older = self.queue.before(key, now)
        taken = Usage(self.size + self.held_size + older.size, self.files + self.held_files + older.files)
        return fits(taken, limits, need)

    def could_have_room(self, limits: Limits, need: Usage) -> bool:
        """If all that is reserved were given back."""
        return fits(Usage(self.size, self.files), limits, need)


class MemoryLedger:
    """A Ledger that knows all there is to know: nothing in it waits for a database. `clock` is time.monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}

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
        with self._lock:
            accounts = [(self._account(domain), limits) for domain, limits in charge.domains]
            if any(need):
                self._require_room(accounts, need, (charge, path, identity, before, need))
            for account, _ in accounts:
                account.held_size += need.size
                account.held_files += need.files
        return _MemoryChange(self, [account for account, _ in accounts], need)

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

    def settle(self, accounts: list[_Account], held: Usage, size: int, files: int) -> None:
        """A change has ended."""
        with self._lock:
            for account in accounts:
                account.held_size -= held.size
                account.held_files -= held.files
                account.size += size
                account.files += files

    def _account(self, domain: str) -> _Account:
        return self._accounts.setdefault(domain, _Account())

    def _require_room(self, accounts: list[tuple[_Account, Limits]], need: Usage, key: Hashable) -> None:
        now = self._clock()
        full = [(account, limits) for account, limits in accounts if not account.has_room(limits, need, key, now)]
        if not full:
            for account, _ in accounts:
                account.queue.leave(key)
            return
        for account, limits in full:
            hopeless = not account.could_have_room(limits, need)
            if hopeless or account.queue.enter(key, need, now).since + PATIENCE <= now:
                for other, _ in full:
                    other.queue.leave(key)
                refuse(Usage(account.size, account.files), limits, need)
        raise NotBefore(now + _PAUSE)


class _MemoryChange:
    __slots__ = ("_accounts", "_held", "_ledger")

    def __init__(self, ledger: MemoryLedger, accounts: list[_Account], held: Usage) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._held = held

    def done(self, identity: Identity | None, *, size: int, files: int) -> None:
        self._end(size, files)

    def cancel(self) -> None:
        self._end(0, 0)

    def _end(self, size: int, files: int) -> None:
        """Only the first time: a change counts once."""
        accounts, self._accounts = self._accounts, []
        self._ledger.settle(accounts, self._held, size, files)
