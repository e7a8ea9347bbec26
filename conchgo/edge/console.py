"""Standard input and output of a program that is a coroutine, with back-pressure both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.defer import Deferred

from conchgo.edge.pieces import ByteQueue, Pieces
from conchgo.edge.stream import Buffer, Stream
from conchgo.errors import Cancelled, InvalidArgument

#: Bytes of one line of input, its end included.
MAX_LINE: Final = 64 * 1024
#: Bytes that are looked at for the end of a line, which mostly is not far: many short lines wait in one input.
_GLANCE: Final = 512


class Borrower(Protocol):
    """Somebody to whom a console was lent. As `conchgo.edge.stream.Program` where the names are the same."""

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn."""
        ...

    def started(self, stream: Stream) -> None: ...
    def data_received(self, data: Buffer) -> None: ...
    def input_ended(self) -> None: ...
    def drained(self) -> None: ...
    def connection_lost(self) -> None: ...


class Console:
    """What one coroutine reads and writes, one thing at a time. It is cancelled with the client."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._input = ByteQueue()
        self._input_ended = False
        self._waiting: Deferred[None] | None = None
        self._borrower: Borrower | None = None
        self.gone = False
        #: Whether a borrower has had it.
        self.lent = False

    # For the coroutine

    async def read(self, most: int) -> Pieces:
        """At least one byte of input, at most so many; none where it has ended."""
        while not self._input and not self._input_ended:
            await self._wait()
        data = self._input.take(most)
        self._stream.consumed(len(data))
        return data

    async def read_line(self) -> bytes:
        """A line without its newline.

        Raises:
            EOFError: input has ended, and there was nothing more.
            InvalidArgument: the line is longer than MAX_LINE, or cut off by the end of the input.
        """
        line = bytearray()
        while True:
            start = self._input.peek(min(_GLANCE, MAX_LINE + 1 - len(line)))
            end = start.find(b"\n")
            taken = start if end < 0 else start[: end + 1]
            self._input.take(len(taken))
            self._stream.consumed(len(taken))
            line += taken
            if end >= 0:
                return bytes(line[:-1])
            if len(line) > MAX_LINE:
                raise InvalidArgument(f"a line is longer than {MAX_LINE} bytes")
            if self._input_ended and not self._input:
                if line:
                    raise InvalidArgument("the last line has no end")
                raise EOFError
            if not self._input:
                await self._wait()

    async def write(self, *data: Buffer) -> None:
        """Send to standard output, once there is room."""
        await self.writable()
        self._stream.write(*data)

    def write_from(self, fill: Callable[[list[memoryview]], int | None], most: int) -> int | None:
        """Send what `fill` puts into the views that it is given: bulk data that is not copied. What `fill` gives: its
        count of bytes, or None where it put nothing there. To be called after `writable`.
        """
        try:
            count = fill(self._stream.reserve(most))
        except BaseException:
            self._stream.commit(0)
            raise
        self._stream.commit(count or 0)
        return count

    async def writable(self) -> None:
        """Wait until the client takes output."""
        while self._stream.congested:
            await self._wait()
        if self.gone:
            raise Cancelled

    def error(self, text: str) -> None:
        """One line on standard error. A terminal in raw mode needs the carriage return, nothing else minds it."""
        self._stream.write_error(text.encode("utf-8", "surrogateescape") + b"\r\n")

    def progress(self, text: str) -> None:
        """Where somebody looks, in the place of the last such line; empty to take that away."""
        if self._stream.terminal:
            self._stream.write_error(b"\r" + text.encode() + b"\x1b[K")

    def lend(self, borrower: Borrower) -> None:
        """All that comes goes to `borrower` from now on, first what waits here; he reports what he has consumed."""
        self._borrower = borrower
        self.lent = True
        borrower.started(self._stream)
        for view in self._input.take(len(self._input)).views:
            borrower.data_received(view)
        if self._input_ended:
            borrower.input_ended()
        if self.gone:
            borrower.connection_lost()

    def take_back(self) -> None:
        """The borrower has done."""
        self._borrower = None

    # For the program

    def data_received(self, data: Buffer) -> None:
        if self._borrower is not None:
            self._borrower.data_received(data)
            return
        self._input.append(data)
        self._go_on()

    def input_ended(self) -> None:
        self._input_ended = True
        if self._borrower is not None:
            self._borrower.input_ended()
        self._go_on()

    def drained(self) -> None:
        if self._borrower is not None:
            self._borrower.drained()
        self._go_on()

    def connection_lost(self) -> None:
        """The coroutine ends with Cancelled at its next look here; work of its own in a thread ends first."""
        self.gone = True
        self._input.clear()
        if self._borrower is not None:
            self._borrower.connection_lost()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.errback(Cancelled())

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn."""
        return self._waiting is not None if self._borrower is None else self._borrower.waits

    def _wait(self) -> Deferred[None]:
        if self.gone:
            raise Cancelled
        self._waiting = Deferred()
        return self._waiting

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)
