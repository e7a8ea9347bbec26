"""From a login to an avatar: the user's storages are opened and his filesystem composed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Protocol, cast

from twisted.conch.interfaces import IConchUser
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Interface, implementer

from conchgo.accounts.model import Folder, User
from conchgo.auth.credentials import Login
from conchgo.commands.command import Command
from conchgo.commands.settings import DEFAULTS, CommandSettings
from conchgo.commands.table import enabled
from conchgo.edge.filesystem_work import FilesystemWork
from conchgo.edge.pools import Runner
from conchgo.edge.waiting import PatientRunner, Waits
from conchgo.errors import LoginRefused
from conchgo.events.bus import Bus
from conchgo.events.records import Event, Origin
from conchgo.processes.boxes import Ids
from conchgo.processes.session import Machinery, SessionProcesses
from conchgo.quota.throttles import Throttle
from conchgo.sessions.attendance import Attendance
from conchgo.sessions.avatar import Avatar
from conchgo.sessions.registry import Registry
from conchgo.sessions.runner import SessionRunner
from conchgo.sessions.storages import Storages, open_start_directory
from conchgo.sessions.sweeper import Sweeper
from conchgo.sessions.views import Rules, Views
from conchgo.sftp.adapter import FilesystemAdapter
from conchgo.vfs.compose import View, compose, joined
from conchgo.vfs.uploads.rules import UploadMode

_log = Logger()

#: As IRealm wants it: interface, avatar, logout.
_Avatar = tuple[type[Interface], object, Callable[[], None]]


class Connected(Protocol):
    """What the realm wants to know of a connection: the mind of the login."""

    connection_id: str


@implementer(IRealm)
class Realm:
    """Gives avatars. `folder` finds a folder's record, in `database`; `open_storages` opens what a user has, in `disk`.

    Both may block.
    """

    def __init__(
        self,
        *,
        folder: Callable[[str], Folder | None],
        open_storages: Callable[[User, Mapping[str, Folder]], Storages],
        database: Runner,
        disk: Runner,
        views: Views,
        registry: Registry,
        attendance: Attendance,
        reactor: IReactorTime,
        commands: Mapping[str, Command] | None = None,
        command_settings: CommandSettings = DEFAULTS,
        machinery: Machinery | None = None,
    ) -> None:
        self._machinery = machinery
        self._command_settings = command_settings
        self._commands = enabled(None) if commands is None else commands
        self._folder = folder
        self._open_storages = open_storages
        self._database = database
        self._disk = disk
        self._views = views
        self._bus = views.bus
        self._registry = registry
        self._attendance = attendance
        self._reactor = reactor
        leaves_some = views.upload_mode is not UploadMode.DIRECT
        self._sweeper = Sweeper(open_storages, views, disk, reactor) if leaves_some else None
        self._patient_disk = PatientRunner(disk, Waits(reactor))

    def requestAvatar(self, avatarId: object, mind: object, *interfaces: object) -> Deferred[_Avatar]:
        """The avatar of a `Login`.

        Raises (in the Deferred):
            LoginRefused: the user has all the sessions that he may have.
            ConchgoError: his home can't be opened, or something in his record makes no sense.
        """
        if IConchUser not in interfaces:
            raise NotImplementedError("conchgo has avatars for IConchUser only")
        login, connected = cast(Login, avatarId), cast(Connected, mind)
        user = login.user
        rules = Rules.of(user)

        def opened(folders: Mapping[str, Folder]) -> Deferred[Storages]:
            if self._sweeper is not None:
                self._sweeper.begin(user, folders)
            return self._patient_disk.run(user.username, self._prepared, user, rules, folders)

        def entered(storages: Storages) -> _Avatar:
            try:
                return self._logged_in(storages, login, rules, connected.connection_id)
            except BaseException:
                storages.close()
                raise

        return self._admitted(user).addCallback(self._folders).addCallback(opened).addCallback(entered)

    def _admitted(self, user: User) -> Deferred[User]:
        """Only a channel is a session; but who can't have one more need not come in."""
        if not user.max_sessions:
            return succeed(user)

        def asked(has_room: bool) -> User:
            if not has_room:
                raise LoginRefused(f"too many open sessions: {user.max_sessions} allowed")
            return user

        return self._attendance.has_room(user.username, user.max_sessions).addCallback(asked)

    def _folders(self, user: User) -> Deferred[Mapping[str, Folder]]:
        """The records of the user's folders, by name; those that are not there are left out."""
        names = [folder.name for folder in user.virtual_folders]
        return self._database.run(user.username, self._looked_up, names) if names else succeed({})

    def _looked_up(self, names: Iterable[str]) -> Mapping[str, Folder]:
        return {name: folder for name in names if (folder := self._folder(name)) is not None}

    def _prepared(self, user: User, rules: Rules, folders: Mapping[str, Folder]) -> Storages:
        storages = self._open_storages(user, folders)
        try:
            open_start_directory(joined(storages.mounts, storages.table), rules.start)
            return storages if self._views.quotas is None else self._views.quotas.prepare(storages)
        except BaseException:
            storages.close()
            raise

    def _logged_in(self, storages: Storages, login: Login, rules: Rules, connection_id: str) -> _Avatar:
        user = login.user
        origin = Origin(user.username, connection_id, login.ip, "SSH")
        runner = SessionRunner(self._disk)
        waits = Waits(self._reactor)
        view = self._views.view(user, rules, replace(origin, protocol="SFTP"), storages)
        close = partial(self._close, user.username, storages, view.throttle)
        session = _Session(origin, self._bus, runner, waits, close)
        avatar = Avatar(
            user,
            origin,
            runner=runner,
            registry=self._registry,
            attendance=self._attendance,
            reactor=self._reactor,
            refuse=session.refuse,
            commands=_chosen(user.filters.enabled_commands) if user.filters.enabled_commands else self._commands,
            settings=self._command_settings,
            processes=self._processes(user, view, runner),
            ran=session.ran,
        )
        avatar.files = FilesystemAdapter(avatar, compose(view), PatientRunner(runner, waits), user.username)
        self._bus.publish(Event("login", origin, method=login.method))
        for point, reason in storages.broken.items():
            self._bus.publish(Event("mount", origin, status="failed", path=point, reason=reason))
        return IConchUser, avatar, session.logout

    def _processes(
        self, user: User, view: View, runner: SessionRunner
    ) -> Callable[[FilesystemWork], SessionProcesses] | None:
        if self._machinery is None:
            return None
        return partial(SessionProcesses, self._machinery, view, runner, Ids(user.uid, user.gid))

    def _close(self, username: str, storages: Storages, throttle: Throttle | None) -> None:
        storages.close()
        if self._views.quotas is not None:
            self._views.quotas.places.left(storages)
        if throttle is None:
            return
        left = self._disk.run(username, self._views.throttles.leave, throttle)
        left.addErrback(lambda failure: _log.failure("counting what was transferred failed", failure))


@lru_cache
def _chosen(names: tuple[str, ...]) -> Mapping[str, Command]:
    """One object for all sessions whose users may run the same."""
    return enabled(names)


class _Session:
    """What is told of a session besides its files, and its end."""

    __slots__ = ("_began", "_bus", "_close", "_origin", "_runner", "_waits")

    def __init__(
        self, origin: Origin, bus: Bus, runner: SessionRunner, waits: Waits, close: Callable[[], None]
    ) -> None:
        self._origin = origin
        self._bus = bus
        self._runner = runner
        self._waits = waits
        self._close = close
        self._began = time.monotonic()

    def refuse(self, action: str, reason: str) -> None:
        self._bus.publish(Event(action, self._origin, status="refused", reason=reason))

    def ran(self, protocol: str, command: str, status: int, reason: str | None, elapsed: float) -> None:
        """A command line has ended."""
        word = "ok" if status == 0 else "failed"
        origin = replace(self._origin, protocol=protocol)
        self._bus.publish(Event("exec", origin, status=word, reason=reason, command=command, elapsed=elapsed))

    def logout(self) -> None:
        self._bus.publish(Event("logout", self._origin, elapsed=time.monotonic() - self._began))
        self._waits.cancel()
        self._runner.when_idle(self._close)
