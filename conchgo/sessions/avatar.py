"""A logged-in user, as the connection sees him: what his channels may run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from twisted.conch.avatar import ConchUser
from twisted.conch.interfaces import ISFTPServer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from conchgo.accounts.model import User
from conchgo.commands.command import MISUSED, NOT_FOUND, Call, Command, UsageError
from conchgo.commands.files import Files
from conchgo.commands.program import CommandProgram
from conchgo.commands.settings import CommandSettings
from conchgo.commands.words import Word, words
from conchgo.edge.filesystem_work import FilesystemWork
from conchgo.edge.stream import Program
from conchgo.errors import ConchgoError
from conchgo.events.records import Origin
from conchgo.paths import escaped
from conchgo.processes.system import Processes
from conchgo.sessions.admission import Admission
from conchgo.sessions.attendance import Attendance
from conchgo.sessions.notices import Notice
from conchgo.sessions.registry import Registry
from conchgo.sessions.roll import Session
from conchgo.sessions.runner import SessionRunner
from conchgo.sftp.adapter import FilesystemAdapter
from conchgo.sftp.subsystem import sftp_engine

#: Bytes of a name that are repeated in messages and events, and of a command line in an event.
_SHOWN: Final = 64
_SHOWN_LINE: Final = 1024

#: What is counted, and told, as something else than a command.
_PROTOCOLS: Final = {"scp": "SCP"}

#: The protocol of a command, its line, its exit status, what went wrong, and seconds.
Ran = Callable[[str, str, int, str | None, float], None]


class Avatar(ConchUser):
    """One connection's user: a `conchgo.ssh.session.Programs`, and an IConchUser that ISFTPServer can be asked of.

    `origin` is this connection, `files` its ISFTPServer; `processes` is for programs that work on it (None: there are
    none); `refuse` publishes what was not allowed, `ran` what became of
    a command line.
    """

    def __init__(
        self,
        user: User,
        origin: Origin,
        *,
        runner: SessionRunner,
        registry: Registry,
        attendance: Attendance,
        reactor: IReactorTime,
        refuse: Callable[[str, str], None],
        commands: Mapping[str, Command],
        settings: CommandSettings,
        processes: Callable[[FilesystemWork], Processes] | None,
        ran: Ran,
    ) -> None:
        super().__init__()
        # Not the whole user: an idle session does not need his password's hash.
        self._origin = origin
        self._max_sessions = user.max_sessions
        self.files: ISFTPServer | None = None
        self._runner = runner
        self._registry = registry
        self._attendance = attendance
        self._reactor = reactor
        self._refuse = refuse
        self._commands = commands
        self._settings = settings
        self._processes = processes
        self._ran = ran

    def __conform__(self, interface: object) -> object | None:
        return self.files if interface is ISFTPServer else None

    def subsystem(self, name: bytes) -> Program | None:
        if name != b"sftp":
            self._refuse("exec", f"unknown subsystem {escaped(name[:_SHOWN])}")
            return None
        return self._session("SFTP", self._sftp)

    def command(self, line: bytes, environment: Mapping[bytes, bytes]) -> Program:
        shown = escaped(line[:_SHOWN_LINE])
        try:
            (name, _), *arguments = words(line) or [Word("", "")]
        except UsageError as error:
            self._refuse("exec", str(error))
            return Notice(f"{error}.", MISUSED)
        row = self._commands.get(name)
        files = self.files
        if row is None or not isinstance(files, FilesystemAdapter):
            known = escaped(os.fsencode(name)[:_SHOWN]) or "an empty command"
            self._refuse("exec", f"{known}: not enabled")
            return Notice(f"{known}: not enabled on this server. `help` lists what is.", NOT_FOUND)

        protocol = _PROTOCOLS.get(name, "SSH")
        username, filesystem = self._origin.username, files.filesystem.speaking(protocol)

        def make() -> Program:
            work = FilesystemWork(filesystem, self._runner, username, self._reactor)
            opened = Files(work)
            return CommandProgram(
                row,
                lambda console: Call(
                    name,
                    username,
                    [word.text for word in arguments],
                    [word.pattern for word in arguments],
                    console,
                    opened,
                    self._commands,
                    None if self._processes is None else self._processes(work),
                    self._settings,
                    environment,
                ),
                opened,
                partial(self._ran, protocol, shown),
            )

        return self._session(protocol, make)

    def shell(self) -> Program:
        self._refuse("shell", "there is no shell")
        return Notice(f"Hi {self._origin.username}! This is a file server without a shell: use sftp, or scp.", 1)

    def _sftp(self) -> Program:
        owner, handles = self._origin.username, self._registry.handles
        return sftp_engine(ISFTPServer(self), self._runner, owner, self._reactor, handles)

    def _session(self, protocol: str, make: Callable[[], Program]) -> Program:
        """A program that counts as a session."""
        session = self._attendance.session(self._origin, protocol)
        if self._max_sessions:
            return Admission(lambda: self._reserved(session, make))
        self._attendance.begin(session)
        return self._begun(session, make)

    def _begun(self, session: Session, make: Callable[[], Program]) -> Program:
        try:
            return self._registry.register(make(), partial(self._attendance.end, session))
        except BaseException:
            self._attendance.end(session)
            raise

    def _reserved(self, session: Session, make: Callable[[], Program]) -> Deferred[Program]:
        reserved = self._attendance.reserve(session, self._max_sessions)
        return reserved.addCallbacks(
            lambda room: self._begun(session, make) if room else self._too_many(), self._unknown
        )

    def _too_many(self) -> Program:
        self._refuse("exec", f"too many open sessions: {self._max_sessions} allowed")
        return Notice(f"Too many open sessions: {self._max_sessions} allowed. Close one first.", 1)

    def _unknown(self, failure: Failure) -> Program:
        failure.trap(ConchgoError)
        reason = f"the open sessions could not be counted: {failure.value}"
        self._refuse("exec", reason)
        return Notice("The server can't tell how many sessions are open. Try again later.", 1)
