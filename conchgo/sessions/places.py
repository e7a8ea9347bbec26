"""Where sessions have worked that are over: if their records say something else now, they have spoilt a count."""

from __future__ import annotations

import threading
from collections.abc import Set
from typing import NamedTuple

from conchgo.sessions.counting import Counting
from conchgo.sessions.storages import Storages


class _Place(NamedTuple):
    """A directory where somebody worked; `counted`: what he did was told as a change of `domain`."""

    domain: str
    directory: str
    counted: bool


class Places:
    """A session goes on with the directories and limits that it began with. Where a record was changed meanwhile, what
    it did was counted though it was elsewhere, or not at all: so all is counted anew after it.
    """

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._lock = threading.Lock()
        self._left: Set[_Place] = frozenset()

    def left(self, storages: Storages) -> None:
        """The session that had these is over."""
        places = {
            _Place(mount.charge.storage, storages.directories[point], bool(mount.charge.domains))
            for point, mount in storages.mounts.items()
            if mount.charge is not None and point in storages.directories
        }
        with self._lock:
            self._left |= places

    def check(self) -> None:
        """Have counted anew what is not certain since the last time. Blocks. Raises Failure: try again."""
        with self._lock:
            places, self._left = self._left, frozenset()
        try:
            self._counting.doubt(
                {
                    place.domain
                    for place in places
                    if not (place.counted and self._counting.lies_in(place.domain, place.directory))
                }
            )
        except BaseException:
            with self._lock:
                self._left |= places
            raise
