"""From a login to an avatar: the user's storage is opened and his filesystem composed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol, cast

from twisted.conch.interfaces import IConchUser
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import Interface, implementer

from conchgo.accounts.model import FilePattern, User
from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.auth.credentials import Login
from conchgo.edge.pools import Runner
from conchgo.edge.waiting import PatientRunner, Waits
from conchgo.errors import LoginRefused
from conchgo.events.bus import Bus
from conchgo.events.records import Event, Origin
from conchgo.paths import ROOT, VirtualPath
from conchgo.sessions.avatar import Avatar
from conchgo.sessions.registry import Registry
from conchgo.sessions.runner import SessionRunner
from conchgo.sessions.storages import identity_of, open_start_directory
from conchgo.sftp.adapter import FilesystemAdapter
from conchgo.storage.interface import Storage
from conchgo.vfs.compose import Mount, View, compose
from conchgo.vfs.filtered import Names

#: As IRealm wants it: interface, avatar, logout.
_Avatar = tuple[type[Interface], object, Callable[[], None]]


class Connected(Protocol):
    """What the realm wants to know of a connection: the mind of the login."""

    connection_id: str


@implementer(IRealm)
class Realm:
    """Gives avatars. `open_storage` opens a user's storage; it may block."""

    def __init__(
        self,
        *,
        open_storage: Callable[[User], Storage],
        disk: Runner,
        bus: Bus,
        registry: Registry,
        reactor: IReactorTime,
    ) -> None:
        self._open_storage = open_storage
        self._disk = disk
        self._bus = bus
        self._registry = registry
        self._reactor = reactor

    def requestAvatar(self, avatarId: object, mind: object, *interfaces: object) -> Deferred[_Avatar]:
        """The avatar of a `Login`.

        Raises (in the Deferred):
            LoginRefused: the user has all the sessions that he may have.
            ConchgoError: his storage can't be opened, or his permissions make no sense.
        """
        if IConchUser not in interfaces:
            raise NotImplementedError("conchgo has avatars for IConchUser only")
        login, connected = cast(Login, avatarId), cast(Connected, mind)
        user = login.user
        permissions = _permissions(tuple(user.permissions.items()))
        if not self._registry.has_room(user.username, user.max_sessions):
            raise LoginRefused(f"too many open sessions: {user.max_sessions} allowed")
        opened: Deferred[Storage] = self._disk.run(user.username, self._prepared, user)
        return opened.addCallback(self._logged_in, login, permissions, connected.connection_id)

    def _prepared(self, user: User) -> Storage:
        storage = self._open_storage(user)
        try:
            open_start_directory(storage, _start(user))
        except BaseException:
            storage.close()
            raise
        return storage

    def _logged_in(self, storage: Storage, login: Login, permissions: Permissions, connection_id: str) -> _Avatar:
        user = login.user
        origin = Origin(user.username, connection_id, login.ip)
        runner = SessionRunner(self._disk)
        waits = Waits(self._reactor)
        session = _Session(origin, self._bus, runner, waits, storage)
        avatar = Avatar(user, runner=runner, registry=self._registry, reactor=self._reactor, refuse=session.refuse)
        filesystem = compose(
            View(
                mounts={ROOT: Mount(storage)},
                permissions=permissions,
                identity=identity_of(user),
                origin=origin,
                bus=self._bus,
                start=_start(user),
                names=_names(user.filters.file_patterns),
            )
        )
        avatar.files = FilesystemAdapter(avatar, filesystem, PatientRunner(runner, waits), user.username)
        self._bus.publish(Event("login", origin, method=login.method))
        return IConchUser, avatar, session.logout


class _Session:
    """What is told of a session besides its files, and its end."""

    __slots__ = ("_began", "_bus", "_origin", "_runner", "_storage", "_waits")

    def __init__(self, origin: Origin, bus: Bus, runner: SessionRunner, waits: Waits, storage: Storage) -> None:
        self._origin = origin
        self._bus = bus
        self._runner = runner
        self._waits = waits
        self._storage = storage
        self._began = time.monotonic()

    def refuse(self, action: str, reason: str) -> None:
        self._bus.publish(Event(action, self._origin, status="refused", reason=reason))

    def logout(self) -> None:
        self._bus.publish(Event("logout", self._origin, elapsed=time.monotonic() - self._began))
        self._waits.cancel()
        self._runner.when_idle(self._storage.close)


@lru_cache
def _permissions(rules: tuple[tuple[str, tuple[str, ...]], ...]) -> Permissions:
    """One object for all sessions whose rules are the same: it also remembers what it was asked."""
    return Permissions.parse(dict(rules))


@lru_cache
def _names(patterns: tuple[FilePattern, ...]) -> Names:
    """One object for all sessions whose patterns are the same, for the same reason."""
    return Names(FilePatterns.parse(patterns))


def _start(user: User) -> VirtualPath:
    return VirtualPath.parse(user.filters.start_directory.encode("utf-8", "surrogateescape"))
