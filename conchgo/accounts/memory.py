"""Accounts that live as long as the process: for `conchgo portable` and for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from conchgo.accounts import refusals
from conchgo.accounts.model import Folder, User


class MemoryAccountStore:
    """An AccountStore in two dictionaries."""

    def __init__(self, users: Iterable[User] = (), folders: Iterable[Folder] = ()) -> None:
        self._users = {user.username: user for user in users}
        self._folders = {folder.name: folder for folder in folders}
        self._lock = threading.Lock()

    def user(self, username: str) -> User | None:
        return self._users.get(username)

    def users(self) -> Sequence[User]:
        with self._lock:
            return [self._users[name] for name in sorted(self._users)]

    def add(self, user: User) -> None:
        with self._lock:
            self._require_folders(user)
            if user.username in self._users:
                raise refusals.user_exists(user.username)
            self._users[user.username] = user

    def update(self, user: User) -> None:
        with self._lock:
            self._require_folders(user)
            self._require(user.username)
            self._users[user.username] = user

    def delete(self, username: str) -> None:
        with self._lock:
            self._require(username)
            del self._users[username]

    def folder(self, name: str) -> Folder | None:
        return self._folders.get(name)

    def folders(self) -> Sequence[Folder]:
        with self._lock:
            return [self._folders[name] for name in sorted(self._folders)]

    def add_folder(self, folder: Folder) -> None:
        with self._lock:
            if folder.name in self._folders:
                raise refusals.folder_exists(folder.name)
            self._folders[folder.name] = folder

    def update_folder(self, folder: Folder) -> None:
        with self._lock:
            self._require_folder(folder.name)
            self._folders[folder.name] = folder

    def delete_folder(self, name: str) -> None:
        with self._lock:
            self._require_folder(name)
            users = sorted(user.username for user in self._users.values() if user.has_folder(name))
            if users:
                raise refusals.folder_in_use(name, users)
            del self._folders[name]

    def _require(self, username: str) -> None:
        if username not in self._users:
            raise refusals.no_user(username)

    def _require_folder(self, name: str) -> None:
        if name not in self._folders:
            raise refusals.no_folder(name)

    def _require_folders(self, user: User) -> None:
        for folder in user.virtual_folders:
            self._require_folder(folder.name)
