"""`service.workers` above 1: the main process listens, and keeps so many workers that accept on its sockets."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IStreamServerEndpoint
from twisted.internet.protocol import Factory, ProcessProtocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from conchgo.events.lines import STANDARD_ERROR, LineFile
from conchgo.service.handover import FAILED, LOAD, ORDERS, READY, REPORTS, SOCKETS, Handover, SharedSocket
from conchgo.service.listeners import listening, shown
from conchgo.service.load import Load, shared_memory
from conchgo.service.notify import keep_watchdog, notify
from conchgo.service.settings import Settings

#: Seconds until a worker that ended is replaced: the first, doubled each time up to the last.
_FIRST_PAUSE: Final = 0.5
_LAST_PAUSE: Final = 30.0

#: Seconds of service after which a worker's end is no part of a series.
_STEADY: Final = 60.0

#: Seconds beyond the grace time until a worker that does not end is killed.
_LENIENCE: Final = 10.0

#: Seconds between two looks at whether the workers' reactors turn, and after how many looks in vain this is told, and
#: the worker is ended. What counts is the looks and not the time: it may be the main process that got no time to work.
_LOOK: Final = 10.0
_DOUBTFUL: Final = 3
_HUNG: Final = 6

#: Bytes of a line on standard error, after which it is passed on in parts.
_LONG_LINE: Final = 2**20

#: What is for the main process only.
_NOT_FOR_WORKERS: Final = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})


class Supervisor(Service):
    """Listens, starts the workers, replaces those that end, and at the end waits until all of them have ended.

    `failed` is called with the reason where one can't start before all have served once.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        host_keys: tuple[str, ...],
        listen: Mapping[str, IStreamServerEndpoint],
        failed: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._host_keys = host_keys
        self._listen = listen
        self._failed = failed
        self._ports: list[Any] = []
        self._running: dict[int, WorkerProcess] = {}
        self._pauses: dict[int, float] = {}
        self._restarts: dict[int, IDelayedCall] = {}
        self._ready = False
        self._ending = False
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def privilegedStartService(self) -> None:
        """Raises StartError: an address cannot be listened on."""
        for name, endpoint in self._listen.items():
            port: Any = listening(name, endpoint.listen(Factory()))
            # The workers accept.
            port.stopReading()
            self._ports.append(port)

    def startService(self) -> None:
        super().startService()
        count = self._settings.service.workers
        self._memory = shared_memory(count)
        self._load = Load(self._memory, count)
        for number in range(count):
            self._reactor.callWhenRunning(self._start, number)
        self._looking.start(_LOOK)
        keep_watchdog(self._reactor)

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        grace_time = self._settings.service.grace_time
        self._ending = True
        notify("STOPPING=1")
        self._log.info("ending: transfers have {seconds} s to finish", seconds=grace_time)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end_at_once)
        if self._looking.running:
            self._looking.stop()
        for restart in self._restarts.values():
            restart.cancel()
        for port in self._ports:
            port.stopListening()
        patience = self._reactor.callLater(grace_time + _LENIENCE, self._signal_all, signal.SIGKILL)
        self._signal_all(signal.SIGTERM)
        ended = DeferredList([worker.ended for worker in self._running.values()])
        return ended.addCallback(self._all_ended, patience)

    def _all_ended(self, _: object, patience: IDelayedCall) -> None:
        if patience.active():
            patience.cancel()
        self._log.info("ended")

    def _end_at_once(self, number: int, frame: FrameType | None) -> None:
        """The second signal. The workers see that this process has ended, and do as well."""
        os._exit(128 + number)

    def _signal_all(self, number: int) -> None:
        for worker in self._running.values():
            worker.signal(number)

    def _start(self, number: int) -> None:
        """A process for worker `number`."""
        self._restarts.pop(number, None)
        if self._ending:
            return
        worker = WorkerProcess(number, self)
        sockets = {SOCKETS + index: port for index, port in enumerate(self._ports)}
        self._running[number] = worker
        try:
            process = self._spawn(worker, sockets)
        except OSError as error:
            self.worker_ended(worker, f"it can't be started: {error.strerror}")
            return
        shared = tuple(
            SharedSocket(name, descriptor, port.addressFamily)
            for name, (descriptor, port) in zip(self._listen, sockets.items(), strict=True)
        )
        process.writeToChild(ORDERS, Handover(number, self._settings, self._host_keys, shared).to_line())

    def _spawn(self, worker: WorkerProcess, sockets: Mapping[int, Any]) -> Any:
        """Raises OSError: the system gives no process, or no pipes for it."""
        return self._reactor.spawnProcess(
            worker,
            sys.executable,
            # -P: no modules from the working directory, which may be anybody's.
            [sys.executable, "-P", "-m", "conchgo.service.worker"],
            env={name: value for name, value in os.environ.items() if name not in _NOT_FOR_WORKERS},
            childFDs={ORDERS: "w", 1: 1, 2: "r", REPORTS: "r", LOAD: self._memory}
            | {descriptor: port.fileno() for descriptor, port in sockets.items()},
        )

    def _look(self) -> None:
        """Whether the workers work. One that hangs would neither answer its clients nor leave them to others."""
        for worker in self._running.values():
            if worker.serving_since is None:
                continue
            in_vain = worker.looked_in_vain
            worker.look(self._load.beats(worker.number))
            if worker.looked_in_vain == _DOUBTFUL:
                self._log.error(
                    "worker {number} (process {pid}) has not moved for {seconds} s, and is ended if it does not soon",
                    number=worker.number,
                    pid=worker.pid,
                    seconds=_DOUBTFUL * _LOOK,
                )
            elif worker.looked_in_vain == _HUNG:
                self._log.error(
                    "worker {number} (process {pid}) hangs and is ended; where it hangs is told on standard error",
                    number=worker.number,
                    pid=worker.pid,
                )
                worker.signal(signal.SIGABRT)
            elif worker.looked_in_vain > _HUNG:
                worker.signal(signal.SIGKILL)
            elif in_vain >= _DOUBTFUL > worker.looked_in_vain:
                self._log.info("worker {number} (process {pid}) moves again", number=worker.number, pid=worker.pid)

    # What the workers tell

    def worker_serves(self, worker: WorkerProcess) -> None:
        worker.serving_since = self._reactor.seconds()
        if self._ready:
            self._log.info("worker {number} serves again", number=worker.number)
        elif all(other.serving_since is not None for other in self._running.values()):
            self._ready = True
            addresses = ", ".join(map(shown, self._ports))
            count = len(self._running)
            self._log.info("listening on {addresses} with {count} workers", addresses=addresses, count=count)
            notify("READY=1")

    def worker_ended(self, worker: WorkerProcess, reason: str) -> None:
        number = worker.number
        del self._running[number]
        self._load.gone(number)
        if self._ending:
            return
        if not self._ready:
            self._ending = True
            self._failed(reason)
            return
        steady = worker.serving_since is not None and self._reactor.seconds() - worker.serving_since >= _STEADY
        pause = _FIRST_PAUSE if steady else self._pauses.get(number, _FIRST_PAUSE)
        self._pauses[number] = min(2 * pause, _LAST_PAUSE)
        self._log.error(
            "worker {number} ended: {reason}; another takes its place in {pause} s",
            number=number,
            reason=reason,
            pause=pause,
        )
        self._restarts[number] = self._reactor.callLater(pause, self._start, number)


class WorkerProcess(ProcessProtocol):
    """One worker, from its start to its end. What it writes to standard error is passed on, line by line."""

    def __init__(self, number: int, supervisor: Supervisor) -> None:
        self.number = number
        self.pid = 0
        self.ended: Deferred[None] = Deferred()
        self.serving_since: float | None = None
        self.looked_in_vain = 0
        self._beats = 0
        self._supervisor = supervisor
        self._errors = bytearray()
        self._report = bytearray()

    def connectionMade(self) -> None:
        # The transport knows it no longer when the process has ended.
        self.pid = self.transport.pid  # type: ignore[union-attr]

    def look(self, beats: int) -> None:
        """Its counter of beats is at `beats`."""
        self.looked_in_vain = self.looked_in_vain + 1 if beats == self._beats else 0
        self._beats = beats

    def signal(self, number: int) -> None:
        try:
            self.transport.signalProcess(number)  # type: ignore[union-attr]
        except ProcessExitedAlready:
            return

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD == REPORTS:
            self._report += data
            if self._report == READY:
                self._supervisor.worker_serves(self)
            return
        self._errors += data
        whole = self._errors.rfind(b"\n") + 1
        if not whole and len(self._errors) > _LONG_LINE:
            self._errors += b"\n"
            whole = len(self._errors)
        _pass_on(bytes(self._errors[:whole]))
        del self._errors[:whole]

    def processEnded(self, reason: Failure) -> None:
        if self._errors:
            _pass_on(bytes(self._errors) + b"\n")
        told = self._report.removeprefix(FAILED) if self._report.startswith(FAILED) else b""
        self._supervisor.worker_ended(self, told.decode("utf-8", "backslashreplace") or self._how(reason))
        self.ended.callback(None)

    def _how(self, reason: Failure) -> str:
        """It has not told why, so the reader needs to know where to look."""
        status: Any = reason.value
        how = f"killed by signal {status.signal}" if status.signal else f"status {status.exitCode}"
        if self.serving_since is not None:
            return how
        return (
            f"worker {self.number} (process {self.pid}) ended before it served: {how}; its last words, if any, are on "
            "standard error, and the kernel's log (dmesg) tells what was killed for want of memory"
        )


def _pass_on(lines: bytes) -> None:
    """At once, so that lines of several workers are never mixed up."""
    with suppress(OSError):
        LineFile(STANDARD_ERROR).write(lines)
