"""How long one asks for what somebody else keeps to himself, a file or a tree: our own writers do so for a moment,
others may for ever (flock(1), a local user's program)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Final

from conchgo.errors import Failure, NotBefore
from conchgo.storage.countable import PAUSE

#: Seconds after which nobody waits any more.
LONGEST: Final = 30.0

#: Seconds between two questions: more the longer it lasts (this part of it), up to the most.
_PART: Final = 0.1
_LONGEST_PAUSE: Final = 0.25

#: Seconds without a question after which the next one begins to wait anew.
_FORGOTTEN: Final = 10.0


class Patience:
    """Since when each thing was refused. Calls may come from several threads; `clock` is time.monotonic.

    It knows those only for which somebody asks.
    """

    def __init__(self, message: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`message` is for whoever has waited too long."""
        self._message = message
        self._clock = clock
        self._lock = threading.Lock()
        #: The first refusal of a series, and the latest.
        self._refused: dict[Hashable, tuple[float, float]] = {}

    def __bool__(self) -> bool:
        """Whether somebody waits."""
        return bool(self._refused)

    def refused(self, thing: Hashable) -> NotBefore:
        """What to raise: when to ask again.

        Raises:
            Failure: that went on for too long, and does still.
        """
        now = self._clock()
        with self._lock:
            self._refused = {one: times for one, times in self._refused.items() if now - times[1] < _FORGOTTEN}
            since, _ = self._refused.get(thing, (now, now))
            self._refused[thing] = since, now
        waited = now - since
        if waited >= LONGEST:
            raise Failure(self._message)
        return NotBefore(now + min(max(PAUSE, waited * _PART), _LONGEST_PAUSE))

    def granted(self, thing: Hashable) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            self._refused.pop(thing, None)
