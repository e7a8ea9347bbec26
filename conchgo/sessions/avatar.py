"""A logged-in user, as the connection sees him: what his channels may run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from twisted.conch.avatar import ConchUser
from twisted.conch.interfaces import ISFTPServer
from twisted.internet.interfaces import IReactorTime

from conchgo.accounts.model import User
from conchgo.edge.stream import Program
from conchgo.paths import escaped
from conchgo.sessions.notices import Notice
from conchgo.sessions.registry import Registry
from conchgo.sessions.runner import SessionRunner
from conchgo.sftp.subsystem import sftp_engine

#: Bytes of a name that are repeated in messages and events.
_SHOWN: Final = 64


class Avatar(ConchUser):
    """One connection's user: a `conchgo.ssh.session.Programs`, and an IConchUser that ISFTPServer can be asked of.

    `files` is its ISFTPServer; `refuse` publishes what was not allowed.
    """

    def __init__(
        self,
        user: User,
        *,
        runner: SessionRunner,
        registry: Registry,
        reactor: IReactorTime,
        refuse: Callable[[str, str], None],
    ) -> None:
        super().__init__()
        # Not the whole user: an idle session does not need his password's hash.
        self._username = user.username
        self._max_sessions = user.max_sessions
        self.files: ISFTPServer | None = None
        self._runner = runner
        self._registry = registry
        self._reactor = reactor
        self._refuse = refuse

    def __conform__(self, interface: object) -> object | None:
        return self.files if interface is ISFTPServer else None

    def subsystem(self, name: bytes) -> Program | None:
        if name != b"sftp":
            self._refuse("exec", f"unknown subsystem {escaped(name[:_SHOWN])}")
            return None
        if not self._registry.has_room(self._username, self._max_sessions):
            self._refuse("exec", f"too many open sessions: {self._max_sessions} allowed")
            return Notice(f"Too many open sessions: {self._max_sessions} allowed. Close one first.", 1)
        engine = sftp_engine(ISFTPServer(self), self._runner, self._username, self._reactor, self._registry.handles)
        return self._registry.register(engine, self._username)

    def command(self, line: bytes, environment: Mapping[bytes, bytes]) -> Program:
        words = line.split(maxsplit=1)
        name = escaped(words[0][:_SHOWN]) if words else "an empty command"
        self._refuse("exec", f"{name}: not enabled")
        return Notice(f"{name}: not enabled on this server. It serves files: use sftp, or scp without -O.", 127)

    def shell(self) -> Program:
        self._refuse("shell", "there is no shell")
        return Notice(f"Hi {self._username}! This is a file server without a shell: use sftp, or scp.", 1)
