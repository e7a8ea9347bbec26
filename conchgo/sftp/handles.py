"""Open handles of one channel, and the law of order on each."""

from __future__ import annotations

from collections import Counter
from typing import Final

from conchgo.errors import BadHandle, TooManyOpenFiles
from conchgo.sftp import constants as c
from conchgo.sftp.rows import Handles
from conchgo.sftp.server import ServedDirectory, ServedFile

#: A range of bytes in work: from, to (not included), and whether it is written.
Span = tuple[int, int, bool]


class OpenHandle:
    """One open file or directory, and what works on it right now.

    READs and WRITEs of disjoint ranges may overlap in time, and so may READs of the same range; where one of two
    overlapping ones writes, the later waits. On a file opened for appending every WRITE waits for all before it.
    Everything else on a handle (CLOSE above all) waits until nothing works on it, and is alone.
    """

    def __init__(self, opened: ServedFile | ServedDirectory, *, is_file: bool) -> None:
        self.opened = opened
        self.is_file = is_file
        self.name = b""
        self._appending = is_file and getattr(opened, "appending", False)
        self._spans: list[Span] = []
        self._alone = False

    @property
    def descriptors(self) -> int:
        """A directory has two: one to look at its entries by, and its duplicate, by which names are read."""
        return 1 if self.is_file else 2

    @property
    def idle(self) -> bool:
        return not self._spans and not self._alone

    def admits(self, span: Span | None) -> bool:
        """Whether work on that range (None: on the whole handle) may start now."""
        if self.idle:
            return True
        if self._alone or span is None or self._appending:
            return False
        start, end, writes = span
        return not any((writes or other[2]) and start < other[1] and other[0] < end for other in self._spans)

    def begin(self, span: Span | None) -> None:
        if span is None:
            self._alone = True
        else:
            self._spans.append(span)

    def end(self, span: Span | None) -> None:
        if span is None:
            self._alone = False
        else:
            self._spans.remove(span)


class HandleBudget:
    """How many descriptors the handles of all channels together, and those of one owner, may hold open.

    Who has spent his share can open nothing more; others can, and the server has descriptors left for their logins.
    Opens that are in work on several channels at once may go over it by one each. For the reactor thread only.
    """

    def __init__(self, total: int, per_owner: int) -> None:
        self._total: Final = total
        self._per_owner: Final = per_owner
        self._count = 0
        self._counts: Counter[str] = Counter()

    def has_room(self, owner: str) -> bool:
        return self._count < self._total and self._counts[owner] < self._per_owner

    def take(self, owner: str, count: int) -> None:
        self._count += count
        self._counts[owner] += count

    def give_back(self, owner: str, count: int) -> None:
        self._count -= count
        self._counts[owner] -= count
        if not self._counts[owner]:
            del self._counts[owner]


class HandleTable:
    """Handles by the name that the client has for each: a counter, so that none is ever used twice."""

    __slots__ = ("_budget", "_directories", "_handles", "_limit", "_next", "_owner")

    def __init__(self, limit: int = c.MAX_HANDLES, budget: HandleBudget | None = None, owner: str = "") -> None:
        self._limit: Final = limit
        self._budget: Final = budget or HandleBudget(limit, limit)
        self._owner: Final = owner
        self._next = 0
        self._handles: dict[bytes, OpenHandle] = {}
        self._directories = 0

    def __len__(self) -> int:
        return len(self._handles)

    def require_room(self, *, directory: bool = False) -> None:
        """For one file more, or one `directory`. Raises TooManyOpenFiles."""
        if directory and self._directories >= c.MAX_DIRECTORIES:
            raise TooManyOpenFiles(
                f"too many open directories: a session may have {c.MAX_DIRECTORIES}, close some first"
            )
        if len(self._handles) >= self._limit:
            raise TooManyOpenFiles(f"too many open files: a session may have {self._limit}, close some first")
        if not self._budget.has_room(self._owner):
            raise TooManyOpenFiles("too many open files: all sessions together have no more, close some first")

    def add(self, handle: OpenHandle) -> bytes:
        handle.name = self._next.to_bytes(8, "big")
        self._next += 1
        self._handles[handle.name] = handle
        self._directories += not handle.is_file
        self._budget.take(self._owner, handle.descriptors)
        return handle.name

    def find(self, name: bytes, wanted: Handles) -> OpenHandle:
        """Raises BadHandle where there is none of that name, or one of another kind."""
        handle = self._handles.get(name)
        if handle is None:
            raise BadHandle
        if wanted is not Handles.ANY and handle.is_file == (wanted is Handles.DIRECTORY):
            raise BadHandle(f"invalid handle: it is a {'file' if handle.is_file else 'directory'}")
        return handle

    def remove(self, handle: OpenHandle) -> None:
        del self._handles[handle.name]
        self._directories -= not handle.is_file
        self._budget.give_back(self._owner, handle.descriptors)

    def pop_all(self) -> list[OpenHandle]:
        handles, self._handles, self._directories = self._handles, {}, 0
        self._budget.give_back(self._owner, sum(handle.descriptors for handle in handles.values()))
        return list(handles.values())
