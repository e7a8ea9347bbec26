"""From a user's record, and what the service says for everybody, to the view of one session."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from conchgo.accounts.model import FilePattern, User
from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.events.bus import Bus
from conchgo.events.records import Origin
from conchgo.paths import VirtualPath
from conchgo.quota.throttles import Throttles
from conchgo.quota.transfers import MemoryTransferCounter
from conchgo.sessions.directories import identity_of
from conchgo.sessions.quotas import Quotas
from conchgo.sessions.storages import Storages
from conchgo.storage.interface import Storage
from conchgo.vfs.compose import View, joined
from conchgo.vfs.filtered import Names
from conchgo.vfs.setstat import SetstatMode
from conchgo.vfs.uploads.rules import UploadMode, UploadRules
from conchgo.vfs.uploads.temporaries import Temporaries


@dataclass(frozen=True, slots=True)
class Rules:
    """What a record says, understood before anything is opened for the user."""

    permissions: Permissions
    names: Names
    start: VirtualPath

    @classmethod
    def of(cls, user: User) -> Rules:
        """Raises InvalidArgument or InvalidPath: something in the record makes no sense."""
        start = VirtualPath.parse(user.filters.start_directory.encode("utf-8", "surrogateescape"))
        return cls(_permissions(tuple(user.permissions.items())), _names(user.filters.file_patterns), start)


@dataclass(frozen=True, slots=True)
class Views:
    """Makes views. All sessions of the service have in common what is kept here."""

    bus: Bus
    throttles: Throttles = field(default_factory=lambda: Throttles(MemoryTransferCounter()))
    upload_mode: UploadMode = UploadMode.DIRECT
    setstat_mode: SetstatMode = SetstatMode.APPLY
    temporaries: Temporaries = field(default_factory=Temporaries)
    quotas: Quotas | None = None

    def tree(self, storages: Storages) -> Storage:
        """All of the storages, for work that the service does itself; what it removes is counted."""
        if self.quotas is None:
            return joined(storages.mounts, storages.table)
        tracked = self.quotas.tracked(storages)
        return joined(tracked.mounts, tracked.table, self.quotas.ledger)

    def view(self, user: User, rules: Rules, origin: Origin, storages: Storages) -> View:
        """Of one session. Who makes it leaves its throttle when the session ends."""
        max_size = user.filters.max_upload_file_size or None
        return View(
            mounts=storages.mounts,
            table=storages.table,
            permissions=rules.permissions,
            names=rules.names,
            uploads=_uploads(self.upload_mode, max_size, self.temporaries),
            setstat=self.setstat_mode,
            throttle=self.throttles.join(user, origin.ip),
            identity=identity_of(user),
            origin=origin,
            bus=self.bus,
            start=rules.start,
            ledger=None if self.quotas is None else self.quotas.ledger,
        )


@lru_cache
def _permissions(rules: tuple[tuple[str, tuple[str, ...]], ...]) -> Permissions:
    """One object for all sessions whose rules are the same: it also remembers what it was asked."""
    return Permissions.parse(dict(rules))


@lru_cache
def _names(patterns: tuple[FilePattern, ...]) -> Names:
    """One object for all sessions whose patterns are the same, for the same reason."""
    return Names(FilePatterns.parse(patterns))


@lru_cache
def _uploads(mode: UploadMode, max_size: int | None, temporaries: Temporaries) -> UploadRules:
    """One object for all sessions too: an idle one shall not have its own."""
    return UploadRules(mode, max_size, temporaries)
