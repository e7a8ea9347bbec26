"""Programs without a box, and a channel that is a client: for what is tested of the guard."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.edge.bell import Bell
from conchgo.edge.console import Console
from conchgo.edge.pools import Inline
from conchgo.edge.waiting import Waits
from conchgo.paths import ROOT, VirtualPath
from conchgo.processes.boxes import Spawn
from conchgo.processes.guard import Guard, Tolls
from conchgo.processes.interface import Access, Ending, Job, Place
from conchgo.processes.toll import Toll
from conchgo.quota.throttles import Way
from conchgo.storage.interface import Kind


class NoBoxes:
    """Runs programs as they are, each in a session of its own."""

    composes = True

    def __init__(self) -> None:
        self.signals: list[str] = []
        self.pids: list[int] = []

    def missing(self, program: bytes) -> str | None:
        return None

    def path(self, place: Place, path: VirtualPath) -> bytes:
        return bytes(path)

    def file(self, name: bytes) -> bytes:
        return b"/dev/fd/3"

    def prepare(self, job: Job, ids: object) -> Spawn:
        descriptors: Mapping[int, int] = {}
        events = None
        if job.events:
            events, written = os.pipe2(os.O_CLOEXEC)
            descriptors = {3: written}
        return Spawn([b"/usr/bin/setsid", *job.arguments], dict(job.environment), descriptors, events)

    def terminate(self, pid: int) -> None:
        self.signals.append("TERM")
        os.kill(pid, signal.SIGTERM)

    def kill(self, pid: int) -> None:
        self.signals.append("KILL")
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


class Channel:
    """A `Stream`: what a client gets; it takes `most` bytes until it is told to go on."""

    terminal = False

    def __init__(self, most: int = 2**62) -> None:
        self.most = most
        self.output = bytearray()
        self.errors = bytearray()
        self.taken = 0
        self.bell = Bell()

    @property
    def congested(self) -> bool:
        return len(self.output) >= self.most

    def write(self, *data: bytes) -> None:
        self.output += b"".join(data)
        self.bell.ring()

    def reserve(self, count: int) -> list[memoryview]:
        self._room = bytearray(count)
        return [memoryview(self._room)[:64], memoryview(self._room)[64:]]

    def commit(self, count: int) -> None:
        self.output += self._room[:count]
        self.bell.ring()

    def write_error(self, data: bytes) -> None:
        self.errors += data
        self.bell.ring()

    def consumed(self, count: int) -> None:
        self.taken += count
        self.bell.ring()

    def exit(self, status: int) -> None:
        raise AssertionError("a guard ends no channel")

    def linger(self) -> None:
        pass

    def exit_by_signal(self, name: bytes) -> None:
        raise AssertionError("a guard ends no channel")


def a_job(*arguments: bytes, **fields: Any) -> Job:
    place = Place(ROOT, ROOT, Kind.DIRECTORY, Access.READ, (), Permissions({ROOT: ["*"]}), FilePatterns({}))
    return Job(place, arguments, {b"PATH": b"/usr/bin:/bin"}, **fields)


def toll(way: Way | None = None) -> Toll:
    return Toll(way, Inline(), "alice", Waits(reactor))  # type: ignore[arg-type]


def free() -> Tolls:
    """Nothing is limited."""
    return Tolls(toll(), toll())


def running_reactor() -> Deferred[None]:
    """For the end of `setUp`: a test that waits for this runs within the reactor.

    Trial starts it when a test first waits. A program that has ended by then would end the test within the start, and
    the next one's reactor would not hear of programs that end.
    """
    return deferLater(reactor, 0)  # type: ignore[arg-type]


class Run:
    """A program at work."""

    def __init__(
        self,
        *arguments: bytes,
        channel: Channel | None = None,
        tolls: Tolls | None = None,
        wire: Any = None,
        lease: Any = None,
        **fields: Any,
    ) -> None:
        self.channel = channel or Channel()
        self.console = Console(self.channel)
        self.boxes = NoBoxes()
        job = a_job(*arguments, **fields)
        self.guard = Guard(reactor, self.boxes, tolls or free(), wire, lease, job.file_size)
        spawn = self.boxes.prepare(job, None)
        self.done: Deferred[Ending] = Deferred.fromCoroutine(self.guard.run(spawn, self.console, job.seconds))
        self.pid = self.guard._pid

    def send(self, data: bytes) -> None:
        self.console.data_received(data)

    def end(self) -> None:
        self.console.input_ended()
