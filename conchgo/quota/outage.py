"""What becomes of those who need the database while it does not answer: they wait, for a minute, and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

from conchgo.errors import Failure, NotBefore

T = TypeVar("T")

#: Seconds for which one waits, and between two tries.
LONGEST: Final = 60.0
RETRY: Final = 0.5


class Outage:
    """Of one database, for all who ask it by way of this. Calls may come from several threads.

    While it does not answer one of them tries now and then, for all: each try takes a thread for seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._since: float | None = None
        self._next = 0.0

    def ask(self, work: Callable[[], T]) -> T:
        """What `work` returns.

        Raises:
            NotBefore: the database does not answer; ask again then.
            Failure: it has not answered for so long.
        """
        began = self._now()
        with self._lock:
            if self._since is not None:
                if began < self._next:
                    self._stall(began)
                self._next = began + RETRY
        try:
            result = work()
        except Failure:
            now = self._now()
            with self._lock:
                self._since = began if self._since is None else self._since
                self._next = now + RETRY
                self._stall(now)
        except BaseException:
            self._since = None
            raise
        self._since = None
        return result

    def _stall(self, now: float) -> NoReturn:
        if self._since is not None and now >= self._since + LONGEST:
            raise Failure("what is transferred can't be counted: the database does not answer")
        raise NotBefore(max(self._next, now + RETRY))
