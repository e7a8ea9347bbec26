"""Which programs run for whom, right now."""

from __future__ import annotations

from collections import Counter
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
    """Counts the running programs of each user; `draining` is true from the service's end on.

    `handles` is what they may hold open of `descriptors`. Used from the reactor thread only.
    """

    def __init__(self, descriptors: int) -> None:
        self.handles = HandleBudget(int(descriptors * _FOR_HANDLES), int(descriptors * _FOR_ONE_USER))
        self._running: dict[RegisteredProgram, str] = {}
        self._counts: Counter[str] = Counter()
        self.draining = False

    def __len__(self) -> int:
        return len(self._running)

    def has_room(self, username: str, limit: int) -> bool:
        """Whether the user may have one more session; a limit of 0 is none."""
        return not limit or self._counts[username] < limit

    def register(self, program: Program, username: str) -> Program:
        """The same program, counted until its channel is gone."""
        registered = RegisteredProgram(program, self)
        self._running[registered] = username
        self._counts[username] += 1
        return registered

    def ended(self, program: RegisteredProgram) -> None:
        username = self._running.pop(program)
        self._counts[username] -= 1
        if not self._counts[username]:
            del self._counts[username]

    def drain(self) -> None:
        """Tell every program to take no new work."""
        self.draining = True
        for program in list(self._running):
            program.drain()


class RegisteredProgram:
    """A program that is counted until its channel is gone."""

    __slots__ = ("_program", "_registry", "data_received", "drained", "input_ended")

    def __init__(self, program: Program, registry: Registry) -> None:
        self._program = program
        self._registry = registry
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
        self._registry.ended(self)
        self._program.connection_lost()

    def drain(self) -> None:
        if isinstance(self._program, Drainable):
            self._program.drain()
