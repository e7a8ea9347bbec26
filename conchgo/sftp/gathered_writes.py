"""Writes of one open file, at most one of them in a thread: those that come meanwhile go together with the next.

A way to a thread and back costs the CPU as much as writing 100 KiB does (65 microseconds), so it should carry much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from conchgo.edge.pieces import Pieces
from conchgo.errors import NotBefore

#: Bytes that one way to a thread carries.
MAX_GATHERED: Final = 2 * 1024 * 1024
#: Bytes that are worth a way, and how long writes wait for so many, in seconds, while the client streams.
ENOUGH: Final = 1024 * 1024
PATIENCE: Final = 0.002

#: None where it is written, else what went wrong.
_Outcome = Exception | None


class _Write:
    """One request on its way."""

    __slots__ = ("data", "done", "offset")

    def __init__(self, offset: int, data: Pieces) -> None:
        self.offset = offset
        self.data = data
        self.done: Deferred[None] = Deferred()


class GatheredWrites:
    """`hop` does work in a thread and when its time has come, `pwritev` writes views at an offset.

    No two writes in work may overlap. `portion` is how many bytes may go together (None: MAX_GATHERED).
    """

    __slots__ = ("_clock", "_end", "_hop", "_most", "_pwritev", "_streams", "_timer", "_waiting", "_working")

    def __init__(
        self,
        hop: Callable[..., Any],
        pwritev: Callable[[Sequence[memoryview], int], None],
        clock: IReactorTime,
        portion: int | None = None,
    ) -> None:
        self._hop = hop
        self._pwritev = pwritev
        self._clock = clock
        self._most = MAX_GATHERED if portion is None else min(portion, MAX_GATHERED)
        self._waiting: list[_Write] = []
        self._working = False
        self._timer: IDelayedCall | None = None
        self._end = -1
        self._streams = False

    def write(self, offset: int, data: Pieces, *, more: bool) -> Deferred[None]:
        """`more`: the client goes on sending, without waiting for what becomes of this.

        The Deferred tells of this write alone, whatever becomes of those that it went with.
        """
        write = _Write(offset, data)
        self._streams = more and offset == self._end
        self._end = offset + len(data)
        self._waiting.append(write)
        if not self._working:
            self._go_on()
        return write.done

    def _go_on(self) -> None:
        """Begin, unless there will soon be more that can go along."""
        if not self._streams or sum(len(write.data) for write in self._waiting) >= min(ENOUGH, self._most):
            self._begin()
        elif self._timer is None:
            self._timer = self._clock.callLater(PATIENCE, self._begin)

    def _begin(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        size = count = 0
        while count < len(self._waiting) and (not count or size + len(self._waiting[count].data) <= self._most):
            size += len(self._waiting[count].data)
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._working = True
        maybeDeferred(self._hop, self._outcomes, batch).addBoth(self._ended, batch)

    def _ended(self, result: Sequence[_Outcome] | Failure, batch: Sequence[_Write]) -> None:
        outcomes = [result] * len(batch) if isinstance(result, Failure) else result
        self._waiting[:0] = batch[len(outcomes) :]
        # The thread goes on while the replies are made.
        self._working = False
        if self._waiting:
            self._go_on()
        for write, outcome in zip(batch, outcomes, strict=False):
            if outcome is None:
                write.done.callback(None)
            else:
                write.done.errback(outcome)

    def _outcomes(self, batch: Sequence[_Write]) -> Sequence[_Outcome]:
        """Write them, in a thread; one outcome for each, but for the last ones where these must wait for their time."""
        outcomes: list[_Outcome] = []
        try:
            for run in _runs(batch):
                for outcome in self._written(run):
                    outcomes.append(outcome)
        except NotBefore:
            if not outcomes:
                raise
        return outcomes

    def _written(self, run: Sequence[_Write]) -> Iterator[_Outcome]:
        try:
            self._pwritev([view for write in run for view in write.data.views], run[0].offset)
            yield from [None] * len(run)
        except NotBefore:
            raise
        except Exception as error:
            if len(run) == 1:
                yield error
                return
            # One of them failed, and only each by itself tells which: to write the others again does no harm.
            for write in run:
                yield from self._written([write])


def _runs(batch: Sequence[_Write]) -> Iterator[Sequence[_Write]]:
    """Split where a write does not begin at the end of the one before it."""
    start = 0
    for number in range(1, len(batch)):
        before = batch[number - 1]
        if before.offset + len(before.data) != batch[number].offset:
            yield batch[start:number]
            start = number
    yield batch[start:]
