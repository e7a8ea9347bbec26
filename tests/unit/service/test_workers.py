"""The main process: which worker is started when, and what is passed on of what they say."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from conchgo.service.handover import ORDERS, REPORTS
from conchgo.service.load import Load
from conchgo.service.settings import Settings
from conchgo.service.workers import Supervisor, WorkerProcess

KILLED = Failure(ProcessTerminated(signal=signal.SIGKILL))
FAILED = Failure(ProcessTerminated(1))


class Port:
    addressFamily = 2

    def __init__(self) -> None:
        self.reads = True
        self.open = True

    def getHost(self) -> str:
        return "somewhere"

    def fileno(self) -> int:
        return 77

    def stopReading(self) -> None:
        self.reads = False

    def stopListening(self) -> None:
        self.open = False


class Endpoint:
    def __init__(self, port: Port) -> None:
        self.port = port

    def listen(self, factory: object) -> Deferred[Port]:
        return succeed(self.port)


class Process:
    """In place of a process, as its transport."""

    def __init__(self, protocol: WorkerProcess, descriptors: dict[int, Any]) -> None:
        self.protocol, self.descriptors = protocol, descriptors
        self.signals: list[int] = []
        self.pid: int | None = 4000
        protocol.makeConnection(self)  # type: ignore[arg-type]

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        assert descriptor == ORDERS
        self.orders = data

    def signalProcess(self, number: int) -> None:
        self.signals.append(number)


class Reactor(Clock):
    """A clock that starts processes."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Process] = []
        self.fails = False

    def callWhenRunning(self, call: Callable[..., object], *arguments: object) -> None:
        self.callLater(0, call, *arguments)

    def spawnProcess(self, protocol: Any, program: str, arguments: list[str], env: Any, childFDs: Any) -> Process:
        if self.fails:
            raise OSError(11, "Resource temporarily unavailable")
        self.started.append(Process(protocol, childFDs))
        return self.started[-1]


class Supervising(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Reactor()
        self.failures: list[str] = []
        self.told: list[str] = []
        self.port = Port()
        settings = Settings(service={"workers": 2, "grace_time": 5})
        self.patch(os, "_exit", lambda status: self.told.append(f"exit {status}"))
        self.supervisor = Supervisor(
            self.reactor, settings, ("a key",), {"place": Endpoint(self.port)}, self.failures.append  # type: ignore[dict-item]
        )  # fmt: skip
        for number in (signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.supervisor.privilegedStartService()
        self.supervisor.startService()
        self.addCleanup(lambda: os.close(self.supervisor._memory))
        self.reactor.advance(0)

    def serve(self, *numbers: int) -> None:
        for number in numbers:
            self.reactor.started[number].protocol.childDataReceived(REPORTS, b"ready")

    def end(self, number: int, why: Failure) -> None:
        self.reactor.started[number].pid = None
        self.reactor.started[number].protocol.processEnded(why)

    def test_they_accept_and_the_main_process_does_not(self) -> None:
        self.assertFalse(self.port.reads)
        first, second = self.reactor.started
        self.assertEqual(first.descriptors[5], 77)
        self.assertEqual([process.orders[:11] for process in (first, second)], [b'{"number":0', b'{"number":1'])

    def test_one_that_cannot_start_is_the_end(self) -> None:
        self.serve(0)
        self.reactor.started[1].protocol.childDataReceived(REPORTS, b"failed: database.url: ")
        self.reactor.started[1].protocol.childDataReceived(REPORTS, "nö".encode())
        self.end(1, FAILED)
        self.end(0, FAILED)
        # One reason is enough.
        self.assertEqual(self.failures, ["database.url: nö"])
        self.reactor.advance(100)
        self.assertEqual(len(self.reactor.started), 2)

    def test_one_that_ends_is_replaced_sooner_than_one_that_ends_again_and_again(self) -> None:
        self.serve(0, 1)
        pauses = []
        for _ in range(8):
            count, before = len(self.reactor.started), self.reactor.seconds()
            self.end(-1, KILLED)
            while len(self.reactor.started) == count:
                self.reactor.advance(0.5)
            pauses.append(self.reactor.seconds() - before)
        self.assertEqual(pauses, [0.5, 1, 2, 4, 8, 16, 30, 30])
        self.serve(-1)
        self.reactor.advance(60)
        self.end(-1, KILLED)
        self.reactor.advance(0.5)
        self.assertEqual(len(self.reactor.started), 11)
        self.assertEqual(self.failures, [])

    def test_a_system_without_room_for_a_process_is_asked_again(self) -> None:
        self.serve(0, 1)
        self.reactor.fails = True
        self.end(0, KILLED)
        self.reactor.advance(0.5)
        self.reactor.fails = False
        self.reactor.advance(1)
        self.assertEqual(len(self.reactor.started), 3)
        self.assertEqual(self.failures, [])

    def test_the_end_waits_for_all_and_starts_none(self) -> None:
        self.serve(0, 1)
        self.end(0, KILLED)
        ended = self.supervisor.stopService()
        self.assertFalse(self.port.open)
        self.assertEqual(self.reactor.started[1].signals, [signal.SIGTERM])
        self.assertNoResult(ended)
        self.end(1, Failure(ProcessDone(0)))
        self.successResultOf(ended)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(len(self.reactor.started), 2)

    def test_one_that_ends_before_it_served_is_named(self) -> None:
        self.serve(0)
        self.end(1, KILLED)
        (failure,) = self.failures
        self.assertIn("worker 1 (process 4000) ended before it served", failure)
        self.assertIn("killed by signal 9", failure)
        self.assertIn("dmesg", failure)

    def let_beat(self, number: int, seconds: int) -> None:
        """Time passes, in which only worker `number` moves."""
        load = Load(self.supervisor._memory, 2)
        for _ in range(seconds):
            load.beat(number)
            self.reactor.advance(1)

    def test_one_that_hangs_is_told_ended_and_at_last_killed(self) -> None:
        self.serve(0, 1)
        with capturedLogs() as told:
            self.let_beat(0, 30)
            self.assertEqual([event["log_level"] for event in told], [LogLevel.error])
            self.assertEqual((told[0]["number"], told[0]["pid"]), (1, 4000))
            self.assertEqual(self.reactor.started[1].signals, [])
            self.let_beat(0, 30)
        self.assertEqual(self.reactor.started[1].signals, [signal.SIGABRT])
        self.let_beat(0, 10)
        self.assertEqual(self.reactor.started[1].signals, [signal.SIGABRT, signal.SIGKILL])
        self.assertEqual(self.reactor.started[0].signals, [])
        self.end(1, KILLED)
        self.let_beat(0, 100)
        self.assertEqual(len(self.reactor.started), 3)
        # What takes its place may take its time to start.
        self.assertEqual(self.reactor.started[2].signals, [])

    def test_one_that_moves_again_is_left_alone(self) -> None:
        self.serve(0, 1)
        with capturedLogs() as told:
            self.let_beat(0, 50)
            self.let_beat(1, 20)
            self.let_beat(0, 50)
        self.assertEqual([event["log_level"] for event in told], [LogLevel.error, LogLevel.info, LogLevel.error])
        self.assertEqual([process.signals for process in self.reactor.started], [[], []])

    def test_a_main_process_that_got_no_time_ends_nobody(self) -> None:
        self.serve(0, 1)
        self.reactor.advance(3600)
        self.assertEqual([process.signals for process in self.reactor.started], [[], []])

    def test_one_that_does_not_end_is_killed_after_the_grace_time(self) -> None:
        self.serve(0, 1)
        self.supervisor.stopService()
        self.reactor.advance(14.9)
        self.assertEqual(self.reactor.started[0].signals, [signal.SIGTERM])
        self.reactor.advance(0.1)
        self.assertEqual(self.reactor.started[0].signals, [signal.SIGTERM, signal.SIGKILL])

    def test_the_second_signal(self) -> None:
        self.supervisor.stopService()
        signal.raise_signal(signal.SIGINT)
        self.assertEqual(self.told, [f"exit {128 + signal.SIGINT}"])


def test_lines_of_several_workers_are_not_mixed_up(capfd: pytest.CaptureFixture[str]) -> None:
    class Told:
        def worker_ended(self, worker: WorkerProcess, reason: str) -> None:
            print(reason)

        def worker_serves(self, worker: WorkerProcess) -> None:
            worker.serving_since = 0

    first, second = (WorkerProcess(number, Told()) for number in range(2))  # type: ignore[arg-type]
    first.childDataReceived(REPORTS, b"ready")
    first.childDataReceived(2, b'{"a')
    second.childDataReceived(2, b'{"b": 1}\n{"b')
    first.childDataReceived(2, b'": 1}\n')
    first.childDataReceived(2, b"Fatal error")
    second.childDataReceived(2, b'": 2}\n')
    first.processEnded(KILLED)
    output = capfd.readouterr()
    assert output.err == '{"b": 1}\n{"a": 1}\n{"b": 2}\nFatal error\n'
    assert output.out == "killed by signal 9\n"
    # What has no end is not kept for ever.
    for _ in range(17):
        second.childDataReceived(2, b"x" * 2**16)
    assert len(capfd.readouterr().err) > 2**20
