"""The roll: which sessions there are, in all workers and on all nodes. A session is a channel where a program runs."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Protocol


class Session(NamedTuple):
    """`number` is its worker's own, `connection` the id that the audit log knows, `since` seconds since the epoch."""

    number: int
    username: str
    ip: str
    protocol: str
    connection: str
    since: float


class Roll(Protocol):
    """What one worker tells the others of its sessions, and hears of theirs.

    Calls block and may come from several threads at once; all raise `conchgo.errors.Failure` where nobody answers.
    """

    @property
    def shared(self) -> bool:
        """Whether there may be others, and beats are wanted."""
        ...

    def beat(self) -> bool:
        """Say that this worker lives; False where the others took it for dead and have forgotten its sessions."""
        ...

    def tell(self, begun: Collection[Session], ended: Collection[int]) -> None:
        """Add sessions of this worker, and take others away; what is there, or not, already is no error."""
        ...

    def reserve(self, session: Session, limit: int, ended: Collection[int]) -> bool:
        """Take `ended` away, and then add `session`, if its user has fewer than `limit` everywhere; say whether."""
        ...

    def has_room(self, username: str, limit: int) -> bool:
        """Whether the user has fewer than `limit` sessions everywhere, now."""
        ...

    def workers_of(self, usernames: Collection[str]) -> Mapping[str, int]:
        """In how many workers each of these users has sessions, where it is more than one."""
        ...

    def leave(self) -> None:
        """The worker ends, with all its sessions."""
        ...


class MemoryRoll:
    """The roll of a process that shares nothing with others."""

    shared = False

    def __init__(self) -> None:
        self._sessions: dict[int, Session] = {}
        self._lock = threading.Lock()

    def beat(self) -> bool:
        return True

    def tell(self, begun: Collection[Session], ended: Collection[int]) -> None:
        with self._lock:
            self._sessions.update({session.number: session for session in begun})
            self._drop(ended)

    def reserve(self, session: Session, limit: int, ended: Collection[int]) -> bool:
        with self._lock:
            self._drop(ended)
            if self._count(session.username) >= limit:
                return False
            self._sessions[session.number] = session
            return True

    def has_room(self, username: str, limit: int) -> bool:
        with self._lock:
            return self._count(username) < limit

    def workers_of(self, usernames: Collection[str]) -> Mapping[str, int]:
        return {}

    def leave(self) -> None:
        """Nobody else knew of it."""

    def _count(self, username: str) -> int:
        return sum(session.username == username for session in self._sessions.values())

    def _drop(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._sessions.pop(number, None)
