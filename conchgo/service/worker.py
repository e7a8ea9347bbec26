"""One of several workers: `python -m conchgo.service.worker`, which the main process starts and tells what to serve."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from conchgo.service import log
from conchgo.service.compose import compose
from conchgo.service.errors import StartError
from conchgo.service.handover import FAILED, LOAD, ORDERS, READY, REPORTS, Handover, receive
from conchgo.service.load import Load
from conchgo.service.sharing import SharedEndpoint

_log: Final = Logger()

#: Seconds between two signs that the reactor turns. The main process looks less often.
_BEAT: Final = 5.0


class Worker:
    """Serves until it is told to end, as often as it may be told: a signal for a whole group comes here twice."""

    def __init__(self, reactor: Any, handover: Handover) -> None:
        """Raises StartError: something that it needs is not there."""
        self._reactor = reactor
        self._ending = False
        self._lifeline = Lifeline(self._alone)
        self._number = handover.number
        self._load = load = Load(LOAD, handover.settings.service.workers)
        self._server = compose(
            reactor,
            handover.settings,
            host_keys=handover.private_keys(),
            listen={socket.name: SharedEndpoint(reactor, socket, load, handover.number) for socket in handover.sockets},
            counted=self._counted,
        )
        self._server.privilegedStartService()
        self._counted(0)
        self._beats = LoopingCall(load.beat, handover.number)
        self._beats.clock = reactor

    def run(self) -> None:
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        self._reactor.addReader(self._lifeline)
        self._reactor.callWhenRunning(self._beats.start, _BEAT)
        self._reactor.callWhenRunning(self._started)
        self._reactor.run()

    def _started(self) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: self._reactor.callFromThread(self._end))
        os.write(REPORTS, READY)

    def _counted(self, connections: int) -> None:
        if not self._ending:
            self._load.set(self._number, connections)

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._load.gone(self._number)
            self._reactor.stop()

    def _stop(self) -> Deferred[None]:
        stopped = self._server.stopService()
        # It is the end of the main process that ends this one at once.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ignore)
        return stopped.addCallback(lambda _: self._reactor.removeReader(self._lifeline))

    def _alone(self) -> None:
        _log.warn("the main process is gone")
        if self._ending:
            self._server.end_at_once(1)
        self._end()


@implementer(IReadDescriptor)
class Lifeline:
    """The pipe from the main process. Nothing more ever comes; when it ends, the main process is gone."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone

    def fileno(self) -> int:
        return ORDERS

    def logPrefix(self) -> str:
        return "lifeline"

    def doRead(self) -> None:
        """Nothing comes, and the end is another event (POLLHUP, poll(2))."""

    def connectionLost(self, reason: Failure) -> None:
        self._gone()


def main() -> None:
    """Serve until SIGTERM, or until the main process is gone."""
    try:
        handover = receive(ORDERS)
    except EOFError:
        return
    # The main process ends with SIGABRT what hangs: where it hangs is told on standard error.
    faulthandler.enable()
    # Ctrl-C in a terminal goes to all processes; it is the main process that ends the others.
    signal.signal(signal.SIGINT, ignore)
    from twisted.internet import reactor

    try:
        log.begin(handover.settings.log.file, handover.settings.log.level, worker=handover.number)
    except OSError as error:
        fail(f"log.file: {error.filename}: {error.strerror}")
    try:
        worker = Worker(reactor, handover)
    except StartError as error:
        fail(str(error))
    gc.collect()
    gc.freeze()
    worker.run()


def ignore(number: int, frame: FrameType | None) -> None:
    """Not SIG_IGN, which programs that are run would inherit."""


def fail(reason: str) -> NoReturn:
    os.write(REPORTS, FAILED + reason.encode("utf-8", "backslashreplace"))
    raise SystemExit(1)


if __name__ == "__main__":
    main()
