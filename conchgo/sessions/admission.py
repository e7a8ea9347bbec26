"""The program of a user with a limit of sessions: it begins when it is known that he may have one more."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from conchgo.edge.stream import Buffer, Program, Stream


class Admission:
    """A `Program` that keeps its input until it is decided what program it is.

    The input is not reported as consumed before, so there is no more of it than the receive window lets in. `decide`
    is called when the channel is there; its Deferred gives the program, and never fails. A program that comes too late
    is not started, but told that its connection is lost.
    """

    _log = Logger()

    __slots__ = (
        "_decide",
        "_ended",
        "_held",
        "_lost",
        "_program",
        "_stream",
        "data_received",
        "drained",
        "input_ended",
    )

    def __init__(self, decide: Callable[[], Deferred[Program]]) -> None:
        self._decide = decide
        self._held: list[Buffer] = []
        self._ended = False
        self._lost = False
        self._program: Program | None = None
        self.data_received: Callable[[Buffer], None] = self._held.append
        self.input_ended: Callable[[], None] = self._input_ended
        self.drained: Callable[[], None] = _nothing

    @property
    def busy(self) -> bool:
        return self._program is None or self._program.busy

    def started(self, stream: Stream) -> None:
        self._stream = stream
        self._decide().addCallback(self._begin).addErrback(self._failed)

    def connection_lost(self) -> None:
        self._lost = True
        if self._program is not None:
            self._program.connection_lost()

    def _input_ended(self) -> None:
        self._ended = True

    def _begin(self, program: Program) -> None:
        if self._lost:
            program.connection_lost()
            return
        self._program = program
        self.data_received, self.input_ended, self.drained = (
            program.data_received,
            program.input_ended,
            program.drained,
        )
        held, self._held = self._held, []
        program.started(self._stream)
        for data in held:
            program.data_received(data)
        if self._ended:
            program.input_ended()

    def _failed(self, failure: Failure) -> None:
        """As a channel does with a program that fails."""
        self._log.failure("a program could not begin", failure=failure)
        self._stream.exit(1)


def _nothing() -> None:
    """There was no output to drain."""
