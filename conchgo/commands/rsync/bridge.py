"""Between an rsync client, which speaks as through a remote shell, and an rsync daemon, which speaks as on a socket.

Only a daemon holds its filters against both directions, refuses what is read-only, and logs each file. The protocols
differ in how they begin (`setup_protocol` in rsync's compat.c, `start_daemon` in clientserver.c); after that they are
the same.
"""

from __future__ import annotations

import enum
import re
import struct
from collections.abc import Callable, Sequence
from typing import Final

from conchgo.edge.stream import Buffer
from conchgo.errors import Failure, InvalidArgument
from conchgo.paths import escaped

#: Since this version of the protocol, a daemon's words end with a NUL; before with a newline.
_NULS: Final = 30
#: Numbers from here on are no version of a protocol, but text.
_NO_VERSION: Final = 255
#: Since 31, a greeting names digests. None is ever used: the daemon asks for no password.
_DIGESTS: Final = b"md5 md4"
#: Bytes of the daemon's lines, or of what a client sends before it may.
_MOST: Final = 64 * 1024
_GREETING: Final = re.compile(rb"@RSYNCD: (\d{1,3})\.\d+\b.*", re.DOTALL)
_VERSION: Final = struct.Struct("<I")
_READY: Final = b"@RSYNCD: OK"
_ERROR: Final = b"@ERROR: "

_Sent = tuple[Sequence[Buffer], Sequence[Buffer]]


class _State(enum.Enum):
    GREETING = enum.auto()
    VERSION = enum.auto()
    MODULE = enum.auto()
    OPEN = enum.auto()


class Bridge:
    """A `conchgo.processes.interface.Wire`. `words` are for the daemon, `early` is what the client sent before.

    `tell` hears what the daemon writes into its log.
    """

    def __init__(
        self, module: bytes, words: Sequence[bytes], early: bytes = b"", tell: Callable[[bytes], None] | None = None
    ) -> None:
        self._module = module
        self._words = words
        self._tell = tell
        self._state = _State.GREETING
        self._client = bytearray(early)
        self._program = bytearray()
        self._client_version = 0
        self._program_version = 0

    def from_client(self, data: Buffer) -> _Sent:
        if self._state is _State.OPEN:
            return [data], ()
        self._client += data
        if len(self._client) > _MOST:
            raise InvalidArgument("rsync sends data before its version was answered")
        return self._go_on()

    def client_ended(self) -> _Sent:
        return (), ()

    def from_program(self, data: Buffer) -> _Sent:
        if self._state is _State.OPEN:
            return (), [data]
        self._program += data
        return self._go_on()

    def error(self, data: bytes) -> bytes:
        return data

    def events(self, data: bytes) -> None:
        if self._tell is not None:
            self._tell(data)

    def _go_on(self) -> _Sent:
        """All steps of the beginning that can be done with what has come."""
        to_program: list[Buffer] = []
        if self._state is _State.GREETING and (line := self._line()) is not None:
            greeting = _GREETING.fullmatch(line)
            if greeting is None:
                raise Failure("rsync at this end does not begin as a daemon does")
            self._program_version = int(greeting[1])
            self._state = _State.VERSION
        if self._state is _State.VERSION and len(self._client) >= _VERSION.size:
            (self._client_version,) = _VERSION.unpack_from(self._client)
            if self._client_version > _NO_VERSION:
                raise InvalidArgument("what came is no rsync's version")
            del self._client[: _VERSION.size]
            to_program.append(b"@RSYNCD: %d.0 %s\n%s\n" % (self._client_version, _DIGESTS, self._module))
            self._state = _State.MODULE
        while self._state is _State.MODULE and (line := self._line()) is not None:
            if line.startswith(_ERROR):
                raise Failure(f"rsync at this end: {escaped(line[len(_ERROR) :])}")
            if line == _READY:
                to_program += [self._arguments(), bytes(self._client)]
                self._state = _State.OPEN
        if self._state is not _State.OPEN:
            return to_program, ()
        # Only now: so a client has no reason to send more before somebody takes it.
        return to_program, [_VERSION.pack(self._program_version), bytes(self._program)]

    def _line(self) -> bytes | None:
        end = self._program.find(b"\n")
        if end < 0:
            if len(self._program) > _MOST:
                raise Failure("rsync at this end does not begin as a daemon does")
            return None
        line = bytes(self._program[:end])
        del self._program[: end + 1]
        return line

    def _arguments(self) -> bytes:
        end = b"\0" if min(self._client_version, self._program_version) >= _NULS else b"\n"
        if any(end in word or b"\n" in word for word in self._words):
            raise InvalidArgument("a newline in a path cannot be said to rsync")
        return b"".join(word + end for word in (*self._words, b""))
