"""Guards one program from its start to its end: joins it with the client, and stops it when it must not go on."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure as Failed

from conchgo.edge.bell import Bell
from conchgo.edge.console import Console
from conchgo.edge.pieces import ByteQueue
from conchgo.edge.stream import Buffer, Stream
from conchgo.errors import Cancelled, ConchgoError, Failure
from conchgo.processes.boxes import Boxes, Spawn
from conchgo.processes.error_lines import ErrorLines
from conchgo.processes.family import limit_file_size, ticks
from conchgo.processes.interface import Ending, Wire
from conchgo.processes.pipes import Inlet, Outlet, pipe
from conchgo.processes.system import Lease
from conchgo.processes.toll import Toll

#: Bytes that are moved at once, and bytes after which others have their turn of the reactor.
_CHUNK: Final = 128 * 1024
_TURN: Final = 8 * _CHUNK

#: Seconds between looks at the lease.
_LOOK: Final = 1.0

#: A program that shall end finds its input closed; so many seconds later it is told, and then it has no choice.
_TELL: Final = 1.0
_KILL: Final = 5.0

#: Seconds after its end until its pipes are not waited for, should somebody else have them.
_REST: Final = 2.0


@dataclass(frozen=True, slots=True)
class Tolls:
    """`upload` is for what comes from the client."""

    upload: Toll
    download: Toll


class Guard(ProcessProtocol):
    """Of one run; it borrows the client's console."""

    _log = Logger()

    def __init__(
        self, reactor: Any, boxes: Boxes, tolls: Tolls, wire: Wire | None, lease: Lease | None, file_size: int | None
    ) -> None:
        self._reactor = reactor
        self._boxes = boxes
        self._tolls = tolls
        self._wire = wire
        self._lease = lease
        self._file_size = file_size
        self._bell = Bell()
        self._input = ByteQueue()
        self._input_ended = False
        self._gone = False
        self._pid: int | None = None
        self._exit: Deferred[tuple[int | None, int | None]] = Deferred()
        self._ended = False
        self._reason: str | None = None
        self._box_failed = False
        self._timers: list[IDelayedCall] = []
        self._ticks = 0

    async def run(self, spawn: Spawn, console: Console, seconds: float | None) -> Ending:
        """Raises Cancelled (the client has left) and Failure (it did not start), both when nothing of it is left."""
        try:
            return await self._run(spawn, console, seconds)
        finally:
            spawn.finished()

    async def _run(self, spawn: Spawn, console: Console, seconds: float | None) -> Ending:
        self._start(spawn)
        if seconds is not None:
            self._later(seconds, self.stop, f"it has taken longer than {seconds:g} seconds")
        console.lend(self)
        works = [self._begun(work) for work in (self._feed(), self._forward(), self._complain(), self._hear())]
        self._look()
        status, signal = await self._exit
        self._later(_REST, self._finish_pipes)
        self._tolls.upload.cancel()
        self._bell.ring()
        for work in works:
            await work
        self._inlet.close()
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        console.take_back()
        if self._gone:
            raise Cancelled
        if self._box_failed and self._reason is None:
            self._reason = "the program could not be started"
        return Ending(status, signal, self._reason)

    def stop(self, reason: str) -> None:
        """End the program, for a reason that is told. Only the first one counts."""
        if self._reason is not None or self._ended:
            return
        self._reason = reason
        self._tolls.upload.cancel()
        self._tolls.download.cancel()
        self._inlet.close()
        self._later(_TELL, self._signal, self._boxes.terminate)
        self._later(_KILL, self._signal, self._boxes.kill)
        self._bell.ring()

    # From the console

    @property
    def waits(self) -> bool:
        """Who computes nothing waits for the client."""
        if self._pid is None or self._stream.congested:
            return self._pid is not None
        before, self._ticks = self._ticks, ticks(self._pid)
        return before == self._ticks

    def started(self, stream: Stream) -> None:
        self._stream = stream

    def data_received(self, data: Buffer) -> None:
        if self._is_over:
            self._stream.consumed(len(data))
        else:
            self._input.append(data)
            self._bell.ring()

    def input_ended(self) -> None:
        self._input_ended = True
        self._bell.ring()

    def drained(self) -> None:
        self._bell.ring()

    def connection_lost(self) -> None:
        self._gone = True
        self._input.clear()
        self.stop("the client left")
        # It may have ended already, with output that nobody wants now.
        self._tolls.download.cancel()
        self._bell.ring()

    # From the process

    def processEnded(self, reason: Failed) -> None:
        self._ended = True
        self._pid = None
        ended = cast(ProcessTerminated | ProcessDone, reason.value)
        self._exit.callback((ended.exitCode, ended.signal))

    @property
    def _is_over(self) -> bool:
        return self._ended or self._reason is not None

    def _start(self, spawn: Spawn) -> None:
        with ExitStack() as ours, ExitStack() as theirs:
            theirs.callback(spawn.close)
            if spawn.events is not None:
                ours.callback(os.close, spawn.events)
            try:
                ends = [pipe() for _ in range(3)]
            except OSError as error:
                raise Failure(f"no program can be started: {os.strerror(error.errno or 0)}") from None
            numbers = dict(spawn.descriptors)
            for number, (reading, writing) in enumerate(ends):
                own, given = (writing, reading) if number == 0 else (reading, writing)
                numbers[number] = given
                theirs.callback(os.close, given)
                ours.callback(os.close, own)
            arguments, environment = list(spawn.arguments), dict(spawn.environment)
            try:
                process = self._reactor.spawnProcess(self, spawn.executable, arguments, environment, childFDs=numbers)
            except OSError as error:
                raise Failure(f"no program can be started: {os.strerror(error.errno or 0)}") from None
            ours.pop_all()
        # One that has ended by now has been reaped.
        self._pid = None if self._ended else process.pid
        self._inlet = Inlet(self._reactor, ends[0][1])
        self._output = Outlet(self._reactor, ends[1][0])
        self._errors = Outlet(self._reactor, ends[2][0])
        self._events = None if spawn.events is None else Outlet(self._reactor, spawn.events)

    def _signal(self, send: Callable[[int], None]) -> None:
        if self._pid is not None:
            send(self._pid)

    def _later(self, seconds: float, call: Any, *arguments: object) -> None:
        self._timers.append(self._reactor.callLater(seconds, call, *arguments))

    def _begun(self, work: Coroutine[Deferred[Any], Any, None]) -> Deferred[None]:
        return Deferred.fromCoroutine(work).addErrback(self._failed)

    def _failed(self, failure: Failed) -> None:
        if isinstance(failure.value, ConchgoError):
            self.stop(failure.value.text)
        else:
            self._log.failure("the guard of a program failed", failure)
            self.stop("failure")

    def _finish_pipes(self) -> None:
        for end in (self._output, self._errors, self._events):
            if end is not None:
                end.finish()

    # What moves

    async def _feed(self) -> None:
        """From the client to the program."""
        while True:
            await self._bell.until(lambda: bool(self._input) or self._input_ended or self._is_over)
            if self._is_over:
                return
            data = self._input.take(self._tolls.upload.portion(_CHUNK))
            if not data:
                break
            await self._inlet.room()
            await self._tolls.upload.pay(len(data))
            self._stream.consumed(len(data))
            if self._wire is None:
                self._inlet.write(data.views)
            else:
                for view in data.views:
                    self._pass(self._wire.from_client(view))
        if self._wire is not None:
            self._pass(self._wire.client_ended())
        self._inlet.end()

    async def _forward(self) -> None:
        """From the program to the client."""
        try:
            moved = 0
            while await self._output.ready():
                await self._writable()
                straight = self._wire is None and self._tolls.download.is_free and not self._is_over
                count = self._filled() if straight else await self._carried()
                if count == 0:
                    return
                moved += count or 0
                if moved >= _TURN:
                    moved = 0
                    await deferLater(self._reactor, 0)
        finally:
            self._output.close()

    def _filled(self) -> int | None:
        """Read to where it will be encrypted."""
        count = None
        try:
            count = self._output.read_into(self._stream.reserve(_CHUNK))
        finally:
            self._stream.commit(count or 0)
        return count

    async def _carried(self) -> int | None:
        data = self._output.read(self._tolls.download.portion(_CHUNK))
        if not data:
            return None if data is None else 0
        if self._reason is None:
            await self._tolls.download.pay(len(data))
        if self._wire is None:
            self._send((data,))
        else:
            self._pass(self._wire.from_program(data))
        return len(data)

    async def _complain(self) -> None:
        """What the program writes to its standard error."""
        lines = ErrorLines()
        try:
            while await self._errors.ready():
                await self._writable()
                data = self._errors.read(_CHUNK)
                if data is None:
                    continue
                text = lines.add(data)
                for line in lines.of_the_box():
                    self._box_failed = True
                    self._log.warn("a program was not started: {line}", line=line)
                if text and not self._gone:
                    self._stream.write_error(text if self._wire is None else self._wire.error(text))
                if not data:
                    return
        finally:
            self._errors.close()

    async def _hear(self) -> None:
        """What the program tells of what it does."""
        if self._events is None:
            return
        try:
            while await self._events.ready():
                data = self._events.read(_CHUNK)
                if data is None:
                    continue
                if self._wire is not None:
                    self._wire.events(data)
                self._hold_to_lease()
                if not data:
                    return
        finally:
            self._events.close()

    async def _writable(self) -> None:
        await self._bell.until(lambda: self._gone or self._reason is not None or not self._stream.congested)

    def _pass(self, both: tuple[Sequence[Buffer], Sequence[Buffer]]) -> None:
        to_program, to_client = both
        self._inlet.write(to_program)
        self._send(to_client)

    def _send(self, data: Sequence[Buffer]) -> None:
        """Who shall end is not listened to for ever."""
        if data and not self._gone and not (self._reason is not None and self._stream.congested):
            self._stream.write(*data)

    def _look(self) -> None:
        if self._ended:
            return
        try:
            self._hold_to_lease()
            if self._lease is not None:
                self._lease.share(self._hold_to_lease)
        except Exception:
            self._failed(Failed())
        else:
            self._later(_LOOK, self._look)
            self._timers = [timer for timer in self._timers if timer.active()]

    def _hold_to_lease(self) -> None:
        """What the program may still write is what the lease has left, in one file or in many."""
        lease = self._lease
        if lease is None or self._pid is None:
            return
        left, files_left = lease.left, lease.files_left
        if (left is not None and left < 0) or (files_left is not None and files_left < 0):
            self.stop("quota exceeded")
        elif left is not None:
            limit_file_size(self._pid, left if self._file_size is None else min(left, self._file_size))
