"""The program of one command line."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from conchgo.commands.command import FAILED, MISUSED, Call, Command, UsageError
from conchgo.commands.files import Files
from conchgo.edge.console import Console
from conchgo.edge.stream import Buffer, Stream
from conchgo.errors import Cancelled, ConchgoError

_log = Logger()

#: As a shell says it of a program that a signal has ended: so it is in events.
BY_SIGNAL: Final = 128

#: Told of the command's end: its status, what went wrong (None: nothing), and seconds.
Told = Callable[[int, str | None, float], None]


class CommandProgram:
    """Runs a command as a `conchgo.edge.stream.Program`."""

    def __init__(self, command: Command, call: Callable[[Console], Call], files: Files, told: Told) -> None:
        self._command = command
        self._call = call
        self._files = files
        self._told = told
        self._running = False

    @property
    def busy(self) -> bool:
        return self._running and not self._console.waits

    def started(self, stream: Stream) -> None:
        self._stream = stream
        self._console = Console(stream)
        self._running = True
        self._began = time.monotonic()
        work: Coroutine[Deferred[Any], Any, None] = self._run()
        Deferred.fromCoroutine(work).addErrback(lambda failure: _log.failure("a command's end failed", failure))

    def data_received(self, data: Buffer) -> None:
        if self._running:
            self._console.data_received(data)
        else:
            self._stream.consumed(len(data))

    def input_ended(self) -> None:
        self._console.input_ended()

    def drained(self) -> None:
        self._console.drained()

    def connection_lost(self) -> None:
        self._files.cancel()
        self._console.connection_lost()

    async def _run(self) -> None:
        status, reason = await self._status()
        self._running = False
        if reason is not None:
            self._console.error(f"{self._command.name}: {reason}")
        self._told(status if status >= 0 else BY_SIGNAL - status, reason, time.monotonic() - self._began)
        if status and self._console.lent:
            self._stream.linger()
        if status >= 0:
            self._stream.exit(status)
        else:
            self._stream.exit_by_signal(_signal_name(-status))

    async def _status(self) -> tuple[int, str | None]:
        try:
            return await self._command.run(self._call(self._console)), None
        except UsageError as error:
            return MISUSED, f"{error}; usage: {self._command.name} {self._command.synopsis}".rstrip()
        except Cancelled:
            return FAILED, "cut off before it was done"
        except ConchgoError as error:
            return FAILED, error.text
        except Exception:
            reference = secrets.token_hex(4)
            _log.failure("command {name} failed, reference {reference}", name=self._command.name, reference=reference)
            return FAILED, f"failure (reference {reference})"


def _signal_name(number: int) -> bytes:
    """As RFC 4254, 6.10 has it, which names most; all others are of this system."""
    try:
        name = signal.Signals(number).name.removeprefix("SIG").encode()
    except ValueError:
        name = b"%d" % number
    return name if name in _SIGNALS else name + b"@conchgo"


_SIGNALS: Final = frozenset(b"ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT SEGV TERM USR1 USR2".split())
