"""What lies at a path of a charge's storage: for the ledger, after a kill, when nobody has a session there."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from conchgo.accounts.store import AccountStore
from conchgo.errors import Failure, NotARegularFile, NotFound
from conchgo.paths import VirtualPath
from conchgo.quota.charges import folder_domain, user_domain
from conchgo.quota.recovery import Found
from conchgo.sessions.directories import Directories
from conchgo.storage.interface import Kind


@dataclass(frozen=True, slots=True)
class Looking:
    """A `conchgo.quota.recovery.Look` at the homes and folders of `store`; nothing is made."""

    store: AccountStore
    directories: Directories

    def __call__(self, storage: str, path: VirtualPath) -> Found | None:
        """Raises ConchgoError: it can't be opened, or no regular file is there."""
        with closing(self.directories.as_it_is(self._directory(storage))) as opened:
            try:
                found = opened.lstat(path)
            except NotFound:
                return None
        if found.kind is not Kind.FILE:
            raise NotARegularFile
        return Found(found.identity, found.size, found.nlink)

    def _directory(self, storage: str) -> str:
        name = storage.partition(":")[2]
        if storage == user_domain(name) and (user := self.store.user(name)) is not None:
            return user.home_dir
        if storage == folder_domain(name) and (folder := self.store.folder(name)) is not None:
            return folder.mapped_path
        raise Failure(f"{storage} is not there any more")
