"""What programs change in a directory: the difference between two looks at it, less what others announced meanwhile.

Programs that work at the same time in the same directory are looked at together: the first that ends tells what all of
them have done so far, and the next one what has been done since.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

from conchgo.errors import ConchgoError
from conchgo.paths import VirtualPath
from conchgo.processes.sight import Sight, difference, look
from conchgo.quota.interface import Charge, Ledger, Usage, Watch
from conchgo.storage.interface import Storage

_log: Final = Logger()

#: How often one looks again because others changed something just then.
_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Area:
    """What a program may write to in one storage: `top` is a path there."""

    storage: Storage
    top: VirtualPath
    charge: Charge

    @property
    def key(self) -> tuple[str, VirtualPath]:
        return self.charge.storage, self.top


class _Baseline:
    """How it was in an area at the last look. `known` is what others had announced by then; `certain` whether that is
    surely so."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.programs = 0
        self.watch: Watch | None = None
        self.sight: Sight | None = None
        self.known = Usage(0, 0)
        self.certain = True

    def look(self, area: Area, watch: Watch) -> Sight:
        """Raises PermissionDenied, Failure: what is there can't be counted."""
        self.certain = False
        for _ in range(_TRIES):
            before = watch.beside()
            sight = look(area.storage, area.top)
            self.sight, self.known = sight, before.more
            self.certain = not before.open and watch.beside() == before
            if self.certain:
                break
        return sight

    def more(self, area: Area, watch: Watch, before: Sight) -> tuple[Usage, bool]:
        """What programs have added since, and whether that is certain. Raises as `look`."""
        known, was_certain = self.known, self.certain
        more, certain = difference(before, self.look(area, watch))
        certain = certain and was_certain and self.certain and watch.is_alone()
        return Usage(more.size - self.known.size + known.size, more.files - self.known.files + known.files), certain


class Baselines:
    """Of all areas where programs work in this process. For any thread; both calls block."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._baselines: dict[tuple[str, VirtualPath], _Baseline] = {}

    def join(self, ledger: Ledger, area: Area) -> None:
        """A program is about to begin.

        Raises:
            PermissionDenied, Failure: what is there can't be counted.
        """
        with self._lock:
            baseline = self._baselines.setdefault(area.key, _Baseline())
            baseline.programs += 1
        try:
            with baseline.lock:
                if baseline.watch is None:
                    baseline.watch = ledger.watch(area.charge, area.top)
                if baseline.sight is None:
                    baseline.look(area, baseline.watch)
        except BaseException:
            self._left(area, baseline)
            raise

    def leave(self, area: Area) -> tuple[Usage | None, bool]:
        """A program has ended: how much more is there through programs, and whether that is certain.

        None where nobody can tell. Never raises.
        """
        baseline = self._baselines[area.key]
        try:
            with baseline.lock:
                if baseline.watch is None or baseline.sight is None:
                    return None, False
                return baseline.more(area, baseline.watch, baseline.sight)
        except ConchgoError as error:
            _log.warn("what a program wrote is to be counted anew: {reason}", reason=error.text)
            baseline.certain = False
            return None, False
        finally:
            self._left(area, baseline)

    def _left(self, area: Area, baseline: _Baseline) -> None:
        with self._lock:
            baseline.programs -= 1
            if not baseline.programs:
                del self._baselines[area.key]
                if baseline.watch is not None:
                    baseline.watch.end()
