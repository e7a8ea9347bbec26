"""A session channel (RFC 4254, section 6): one program, which the user's avatar gives, and what belongs to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from twisted.conch.ssh.connection import MSG_CHANNEL_FAILURE, MSG_CHANNEL_SUCCESS
from twisted.logger import Logger

from conchgo.edge.stream import Buffer, Program
from conchgo.ssh.channel import FlowChannel
from conchgo.ssh.wire import Reader

if TYPE_CHECKING:
    from conchgo.ssh.connection import Connection

#: What a client may set with "env", by name, and what its value must look like.
ACCEPTED_ENVIRONMENT: Final[Mapping[bytes, re.Pattern[bytes]]] = {b"GIT_PROTOCOL": re.compile(rb"version=[0-9]{1,3}")}


class Programs(Protocol):
    """What an avatar offers to session channels."""

    def subsystem(self, name: bytes) -> Program | None:
        """The program of a subsystem; None where there is no such subsystem."""
        ...

    def command(self, line: bytes, environment: Mapping[bytes, bytes]) -> Program:
        """The program of a command line; a command that does not exist is a program that says so."""
        ...

    def shell(self) -> Program: ...


class SessionChannel(FlowChannel):
    """Starts at most one program, and keeps to it until the channel is gone."""

    _log = Logger()

    def __init__(
        self, conn: Connection, programs: Programs, remote_id: int, remote_window: int, remote_max_packet: int
    ) -> None:
        super().__init__(conn, remote_id, remote_window, remote_max_packet)
        self._programs = programs
        self._environment: dict[bytes, bytes] = {}
        self._program: Program | None = None
        self.requests = 0
        self.terminal = False

    @property
    def busy(self) -> bool:
        """Whether its program is at work."""
        return self._program is not None and self._program.busy

    def request(self, name: bytes, want_reply: bool, fields: Reader) -> None:
        """Do one channel request and answer it; what is unknown fails quietly."""
        self.requests += 1
        start = _STARTS.get(name)
        if start is None:
            accept = _ACCEPTS.get(name)
            self._reply(want_reply, accept is not None and accept(self, fields))
            return
        program = self._make(start, fields) if self._program is None and not self.localClosed else None
        self._reply(want_reply, program is not None)
        if program is not None:
            self._program = program
            self._guard(program.started, self)

    def _make(
        self, start: Callable[[SessionChannel, Reader], Callable[[], Program | None]], fields: Reader
    ) -> Program | None:
        make = start(self, fields)
        fields.end()
        try:
            return make()
        except Exception:
            self._log.failure("{address}: a program could not be made", address=self.conn.transport.address)
            return None

    def _subsystem(self, fields: Reader) -> Callable[[], Program | None]:
        name = fields.string()
        return lambda: self._programs.subsystem(name)

    def _exec(self, fields: Reader) -> Callable[[], Program | None]:
        line = fields.string()
        return lambda: self._programs.command(line, dict(self._environment))

    def _shell(self, fields: Reader) -> Callable[[], Program | None]:
        return self._programs.shell

    def _env(self, fields: Reader) -> bool:
        name, value = fields.string(), fields.string()
        fields.end()
        pattern = ACCEPTED_ENVIRONMENT.get(name)
        if pattern is None or not pattern.fullmatch(value):
            return False
        self._environment[name] = value
        return True

    def _pty(self, fields: Reader) -> bool:
        """No terminal is made: what matters is that the client has one."""
        self.terminal = True
        return True

    def _ignore(self, fields: Reader) -> bool:
        """Taken and without effect: no program here asks how large a terminal is, or reacts to a signal."""
        return True

    def _reply(self, want_reply: bool, success: bool) -> None:
        if want_reply and not self.localClosed:
            self._send(MSG_CHANNEL_SUCCESS if success else MSG_CHANNEL_FAILURE, b"")

    def terminate(self) -> None:
        if self._program is not None:
            super().terminate()

    # From the channel to the program

    def data_received(self, data: Buffer) -> None:
        if self._program is not None:
            self._guard(self._program.data_received, data)

    def input_ended(self) -> None:
        if self._program is not None:
            self._guard(self._program.input_ended)

    def drained(self) -> None:
        if self._program is not None:
            self._guard(self._program.drained)

    def closed(self) -> None:
        super().closed()
        if self._program is not None:
            self._guard(self._program.connection_lost)

    def _guard(self, call: Callable[..., None], *arguments: object) -> None:
        """A broken program ends its own channel, and nothing else."""
        try:
            call(*arguments)
        except Exception:
            self._log.failure("{address}: a program failed", address=self.conn.transport.address)
            self.exit(1)


_STARTS: Final[Mapping[bytes, Callable[[SessionChannel, Reader], Callable[[], Program | None]]]] = {
    b"subsystem": SessionChannel._subsystem,
    b"exec": SessionChannel._exec,
    b"shell": SessionChannel._shell,
}

_ACCEPTS: Final[Mapping[bytes, Callable[[SessionChannel, Reader], bool]]] = {
    b"env": SessionChannel._env,
    b"pty-req": SessionChannel._pty,
    b"window-change": SessionChannel._ignore,
    b"signal": SessionChannel._ignore,
}
