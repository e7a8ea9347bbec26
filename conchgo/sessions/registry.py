"""Which programs run in this process, right now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from conchgo.edge.stream import Program, Stream
from conchgo.sftp.handles import HandleBudget

#: Of the descriptors that the process may have; what is left is for connections, and for the server itself.
_FOR_HANDLES: Final = 3 / 4
_FOR_ONE_USER: Final = 1 / 4


@runtime_checkable
class Drainable(Protocol):
    """A program that can be told to take no new work and to end when it has finished."""

    def drain(self) -> None: ...


class Registry:
    """Knows the running programs; `draining` is true from the service's end on.

    `handles` is what they may hold open of `descriptors`. Used from the reactor thread only.
    """

    def __init__(self, descriptors: int) -> None:
        self.handles = HandleBudget(int(descriptors * _FOR_HANDLES), int(descriptors * _FOR_ONE_USER))
        self._running: set[RegisteredProgram] = set()
        self.draining = False

    def __len__(self) -> int:
        return len(self._running)

    def register(self, program: Program, ended: Callable[[], None]) -> Program:
        """The same program, known until its channel is gone; `ended` is called then."""
        registered = RegisteredProgram(program, self, ended)
        self._running.add(registered)
        return registered

    def forget(self, program: RegisteredProgram) -> None:
        self._running.remove(program)

    def drain(self) -> None:
        """Tell every program to take no new work."""
        self.draining = True
        for program in list(self._running):
            program.drain()


class RegisteredProgram:
    """A program that is known until its channel is gone."""

    __slots__ = ("_ended", "_program", "_registry", "data_received", "drained", "input_ended")

    def __init__(self, program: Program, registry: Registry, ended: Callable[[], None]) -> None:
        self._program = program
        self._registry = registry
        self._ended = ended
        self.data_received = program.data_received
        self.input_ended = program.input_ended
        self.drained = program.drained

    @property
    def busy(self) -> bool:
        return self._program.busy

    def started(self, stream: Stream) -> None:
        self._program.started(stream)
        if self._registry.draining:
            self.drain()

    def connection_lost(self) -> None:
        self._registry.forget(self)
        self._ended()
        self._program.connection_lost()

    def drain(self) -> None:
        if isinstance(self._program, Drainable):
            self._program.drain()
