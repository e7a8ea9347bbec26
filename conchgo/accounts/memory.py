"""Accounts that live as long as the process: for `conchgo portable` and for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from conchgo.accounts.model import User
from conchgo.accounts.naming import shown
from conchgo.errors import AlreadyExists, NotFound


class MemoryAccountStore:
    """An AccountStore in a dictionary."""

    def __init__(self, users: Iterable[User] = ()) -> None:
        self._users = {user.username: user for user in users}
        self._lock = threading.Lock()

    def user(self, username: str) -> User | None:
        return self._users.get(username)

    def users(self) -> Sequence[User]:
        with self._lock:
            return [self._users[name] for name in sorted(self._users)]

    def add(self, user: User) -> None:
        with self._lock:
            if user.username in self._users:
                raise AlreadyExists(f"user {shown(user.username)} exists already")
            self._users[user.username] = user

    def update(self, user: User) -> None:
        with self._lock:
            self._require(user.username)
            self._users[user.username] = user

    def delete(self, username: str) -> None:
        with self._lock:
            self._require(username)
            del self._users[username]

    def _require(self, username: str) -> None:
        if username not in self._users:
            raise NotFound(f"there is no user {shown(username)}")
