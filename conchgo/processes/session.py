"""The programs of one session: places by its view, room in its quotas, boxes and a guard."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from twisted.logger import Logger

from conchgo.edge.console import Console
from conchgo.edge.filesystem_work import FilesystemWork
from conchgo.edge.pools import Runner
from conchgo.edge.waiting import Waits
from conchgo.errors import Cancelled
from conchgo.events.records import Event
from conchgo.paths import VirtualPath
from conchgo.processes.baselines import Baselines
from conchgo.processes.boxes import Boxes, Ids, Spawn
from conchgo.processes.guard import Guard, Tolls
from conchgo.processes.interface import Access, Ending, Job, Place, Wire
from conchgo.processes.leases import ProgramLease, areas
from conchgo.processes.places import Places
from conchgo.processes.running import Running
from conchgo.processes.system import Lease
from conchgo.processes.toll import Toll
from conchgo.quota.throttles import Way
from conchgo.vfs.compose import View

N = TypeVar("N", int, float)

_log = Logger()


class Holder(Runner, Protocol):
    """A session's runner, that can be told that there is more to come, though nothing works just now."""

    def hold(self) -> None: ...
    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Machinery:
    """What all sessions share. `seconds` is what a program has at most (None: any number)."""

    boxes: Boxes
    running: Running
    reactor: Any
    seconds: float | None = None
    baselines: Baselines = field(default_factory=Baselines)


class SessionProcesses:
    """A `Processes`, for one command of a session. `ids` are whom the user's programs run as, where that is set."""

    def __init__(
        self,
        machinery: Machinery,
        view: View,
        runner: Holder,
        ids: Ids | None,
        work: FilesystemWork,
    ) -> None:
        self._boxes = machinery.boxes
        self._running = machinery.running
        self._reactor = machinery.reactor
        self._seconds = machinery.seconds
        self._baselines = machinery.baselines
        self._view = view
        self._work = work
        self._runner = runner
        self._ids = ids
        self._owner = view.origin.username
        self._places = Places(view, work.filesystem)

    @property
    def max_file_size(self) -> int | None:
        return self._view.uploads.max_size

    @property
    def composes(self) -> bool:
        return self._boxes.composes

    async def place(self, path: VirtualPath, access: Access) -> Place:
        self._check()
        self._runner.hold()
        self._running.begin()
        try:
            return await self._work.hop(self._places.find, path, access)
        except BaseException:
            self._let_go()
            raise

    def path(self, place: Place, virtual: VirtualPath) -> bytes:
        return self._boxes.path(place, virtual)

    def file(self, name: bytes) -> bytes:
        return self._boxes.file(name)

    async def lease(self, place: Place, want: int | None = None) -> Lease | None:
        self._check()
        paid, ledger = areas(place, self._view), self._view.ledger
        if not paid or ledger is None:
            return None
        lease = ProgramLease(ledger, self._baselines, paid, want)
        try:
            await self._work.hop(lease.begin)
        except BaseException:
            await self._runner.run(self._owner, lease.settle)
            raise
        return lease

    async def run(self, job: Job, console: Console, wire: Wire | None = None, lease: Lease | None = None) -> Ending:
        self._check()
        size = _least(job.file_size, self.max_file_size, None if lease is None else lease.left)
        job = replace(job, file_size=size, seconds=_least(job.seconds, self._seconds))
        spawn = await self._work.hop(self._boxes.prepare, job, self._ids)
        if console.gone:
            _drop(spawn)
            raise Cancelled
        guard = Guard(self._reactor, self._boxes, self._tolls(), wire, lease, job.file_size)
        with self._running.guarded(guard):
            return await guard.run(spawn, console, job.seconds)

    async def finish(self, place: Place, lease: Lease | None) -> None:
        try:
            if lease is not None:
                await self._runner.run(self._owner, lease.settle)
        except Exception:
            _log.failure("what a program wrote could not be counted")
        finally:
            place.close()
            self._let_go()

    def tell(
        self,
        action: str,
        path: VirtualPath,
        *,
        bytes_read: int | None = None,
        bytes_written: int | None = None,
        reason: str | None = None,
    ) -> None:
        self._view.bus.publish(
            Event(
                action,
                self._view.origin,
                status="ok" if reason is None else "failed",
                path=path,
                bytes_read=bytes_read,
                bytes_written=bytes_written,
                reason=reason,
            )
        )

    def _check(self) -> None:
        if self._work.cancelled:
            raise Cancelled

    def _let_go(self) -> None:
        self._runner.release()
        self._running.end()

    def _tolls(self) -> Tolls:
        throttle = self._view.throttle
        upload, download = (None, None) if throttle is None else (throttle.upload, throttle.download)
        return Tolls(self._toll(upload), self._toll(download))

    def _toll(self, way: Way | None) -> Toll:
        return Toll(way, self._runner, self._owner, Waits(self._reactor))


def _least(*limits: N | None) -> N | None:
    """None is no limit."""
    return min((limit for limit in limits if limit is not None), default=None)


def _drop(spawn: Spawn) -> None:
    """It is not started after all."""
    spawn.close()
    spawn.finished()
    if spawn.events is not None:
        os.close(spawn.events)
