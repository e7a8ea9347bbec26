"""What the durable ledger gives to those who announce changes, hold room, or watch what others do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from conchgo.paths import VirtualPath
from conchgo.quota.asking import Account, Asked
from conchgo.quota.interface import Beside, Identity, Usage
from conchgo.quota.watching import Place

if TYPE_CHECKING:
    from conchgo.quota.durable import DurableLedger


class DurableChange:
    """A `Change`."""

    __slots__ = ("_ended", "_ledger", "account", "asked", "began", "number", "payload")

    def __init__(self, ledger: DurableLedger, number: int, account: Account, asked: Asked, payload: bytes) -> None:
        self._ledger = ledger
        self._ended = False
        self.number = number
        self.account = account
        self.asked = asked
        self.payload = payload
        self.began = time.time()

    @property
    def path(self) -> VirtualPath:
        return VirtualPath.parse(self.asked.path)

    def done(self, identity: Identity | None, *, size: int, files: int) -> None:
        self._end(identity, size, files, changed=True)

    def cancel(self) -> None:
        self._end(None, 0, 0, changed=False)

    def _end(self, identity: Identity | None, size: int, files: int, *, changed: bool) -> None:
        if not self._ended:
            self._ended = True
            self._ledger.end(self, identity, size, files, changed=changed)


class DurableRoom:
    """A `Room`."""

    __slots__ = ("_calls", "_change", "_ledger", "release")

    def __init__(self, ledger: DurableLedger, change: DurableChange) -> None:
        self._ledger = ledger
        self._change = change
        self._calls = ledger.calls(change)
        self.release = change.cancel

    @property
    def size(self) -> int:
        return self._change.asked.need.size

    @property
    def files(self) -> int:
        return self._change.asked.need.files

    def is_wanted(self) -> bool:
        before, self._calls = self._calls, self._ledger.calls(self._change)
        return self._calls > before or self._ledger.is_waited_for(self._change)

    def keep(self, size: int, files: int) -> None:
        self._ledger.keep(self._change, Usage(size, files))


class DurableWatch:
    """A `Watch`."""

    __slots__ = ("_domain", "_foreigners", "_ledger", "_place")

    def __init__(self, ledger: DurableLedger, domain: str, place: Place, foreigners: int) -> None:
        self._ledger = ledger
        self._domain = domain
        self._place = place
        self._foreigners = foreigners

    def beside(self) -> Beside:
        return self._ledger.beside(self._place)

    def is_alone(self) -> bool:
        disturbed, foreigners = self._ledger.disturbances(self._place, self._domain)
        before, self._foreigners = self._foreigners, foreigners
        return not disturbed and foreigners == before

    def end(self) -> None:
        self._ledger.unwatch(self._place)
