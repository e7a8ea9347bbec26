from __future__ import annotations

import os
import tempfile
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from conchgo.accounts.permissions import Permissions
from conchgo.edge.console import Console
from conchgo.edge.filesystem_work import FilesystemWork
from conchgo.edge.pools import Pool
from conchgo.errors import Cancelled, PermissionDenied, QuotaExceeded
from conchgo.events.bus import Bus
from conchgo.events.records import Event, Origin
from conchgo.paths import ROOT, VirtualPath
from conchgo.processes import guard as guard_module
from conchgo.processes.interface import Access, Ending, Job, Place
from conchgo.processes.running import Running
from conchgo.processes.session import Machinery, SessionProcesses
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.sessions.runner import SessionRunner
from conchgo.storage.local import LocalStorage
from conchgo.vfs.compose import Mount, View, compose
from conchgo.vfs.interface import Identity
from conchgo.vfs.uploads.rules import UploadRules
from tests.unit.processes.guarding import Channel, NoBoxes, running_reactor

HOME = "user:alice"


class SessionProcessesTests(TestCase):
    """With programs that are in no box, but are told where their directory is."""

    def setUp(self) -> Deferred[None]:
        self.patch(guard_module, "_TELL", 0.05)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.home = directory.name
        self.pool = Pool(reactor, "disk", 2)  # type: ignore[arg-type]
        self.addCleanup(self.pool.stop)
        self.running = Running()
        self.runner = SessionRunner(self.pool)
        self.ledger = MemoryLedger()
        self.ledger.count(HOME, Usage(0, 0))
        self.events: list[Event] = []
        self.channel = Channel()
        self.console = Console(self.channel)
        self.processes = self.session()
        return running_reactor()

    def session(self, limit: int | None = 1000, max_size: int | None = None, verbs: str = "*") -> SessionProcesses:
        storage = LocalStorage(os.fsencode(self.home))
        self.addCleanup(storage.close)
        view = View(
            {ROOT: Mount(storage, Charge(HOME, ((HOME, Limits(limit)),)))},
            Permissions.parse({"/": [verbs]}),
            Identity("alice", 0, 0),
            Origin("alice", "1", "127.0.0.1"),
            Bus(self.events.append),
            uploads=UploadRules(max_size=max_size),
            ledger=self.ledger,
        )
        self.work = FilesystemWork(compose(view), self.runner, "alice", reactor)  # type: ignore[arg-type]
        machinery = Machinery(NoBoxes(), self.running, reactor, 60)
        return SessionProcesses(machinery, view, self.runner, None, self.work)

    async def ran(self, script: str, access: Access = Access.WRITE, **fields: Any) -> Ending:
        """As a command does it."""
        place = await self.processes.place(ROOT, access)
        lease = None
        try:
            lease = await self.processes.lease(place)
            return await self.processes.run(self.job(place, script, **fields), self.console, None, lease)
        finally:
            await self.processes.finish(place, lease)

    def job(self, place: Place, script: str, **fields: Any) -> Job:
        directory = f"/proc/{os.getpid()}/fd/{place.binds[0].descriptor}"
        environment = {b"PATH": b"/usr/bin:/bin"}
        return Job(place, (b"sh", b"-c", f"cd {directory} && {script}".encode()), environment, **fields)

    def used(self) -> Usage | None:
        return self.ledger.usage(HOME)

    async def test_a_program_writes_and_all_is_counted_before_its_end_is_told(self) -> None:
        self.assertEqual(await self.ran("printf 12345 > file; echo done"), Ending(0, None))
        self.assertEqual(self.used(), (5, 1))
        self.assertEqual(self.channel.output, b"done\n")

    async def test_the_quota_is_a_limit_of_what_is_written(self) -> None:
        # Outside of a box the limit comes when the program runs already.
        ending = await self.ran("until [ $(ulimit -f) != unlimited ]; do :; done; head -c 2000 /dev/zero > file")
        self.assertNotEqual((ending.status, ending.signal), (0, None))
        self.assertLessEqual(os.path.getsize(os.path.join(self.home, "file")), 1000)

    async def test_so_is_the_largest_upload(self) -> None:
        self.processes = self.session(limit=None, max_size=100)
        place = await self.processes.place(ROOT, Access.WRITE)
        prepared: list[Job] = []
        self.patch(NoBoxes, "prepare", lambda boxes, job, ids: prepared.append(job) or 1 / 0)
        await self.assertFailure(
            Deferred.fromCoroutine(self.processes.run(self.job(place, "true", file_size=5000), self.console)),
            ZeroDivisionError,
        )
        await self.processes.finish(place, None)
        self.assertEqual((prepared[0].file_size, prepared[0].seconds), (100, 60))

    async def test_nothing_is_leased_to_read(self) -> None:
        place = await self.processes.place(ROOT, Access.READ)
        self.assertIsNone(await self.processes.lease(place))
        await self.processes.finish(place, None)

    async def test_there_is_no_room(self) -> None:
        self.ledger.count(HOME, Usage(1000, 1))
        await self.assertFailure(Deferred.fromCoroutine(self.ran("true")), QuotaExceeded)
        self.assertEqual(await self.ran("ls", Access.READ), Ending(0, None))

    async def test_a_refusal_is_told_and_nothing_stays(self) -> None:
        self.processes = self.session(verbs="list")
        await self.assertFailure(Deferred.fromCoroutine(self.ran("true")), PermissionDenied)
        self.assertEqual([event.status for event in self.events], ["refused"])
        idle: list[str] = []
        self.runner.when_idle(lambda: idle.append("idle"))
        await deferLater(reactor, 0)  # type: ignore[arg-type]
        self.assertEqual(idle, ["idle"])

    async def test_a_client_that_leaves_is_counted_all_the_same(self) -> None:
        ended = Deferred.fromCoroutine(self.ran("printf 12345 > file; echo on; cat"))
        await self.channel.bell.until(lambda: bool(self.channel.output))
        idle: list[str] = []
        self.work.cancel()
        self.console.connection_lost()
        self.runner.when_idle(lambda: idle.append("idle"))
        self.assertEqual(idle, [])
        await self.assertFailure(ended, Cancelled)
        self.assertEqual(self.used(), (5, 1))
        await deferLater(reactor, 0)  # type: ignore[arg-type]
        self.assertEqual(idle, ["idle"])
        await self.assertFailure(Deferred.fromCoroutine(self.processes.place(ROOT, Access.READ)), Cancelled)

    async def test_the_service_waits_for_the_end(self) -> None:
        await self.running.stop()
        ended = Deferred.fromCoroutine(self.ran("printf 12345 > file; echo on; cat"))
        await self.channel.bell.until(lambda: bool(self.channel.output))
        self.assertEqual(len(self.running), 1)
        await self.running.stop()
        self.assertEqual(self.used(), (5, 1))
        self.assertEqual((await ended).reason, "the service is shutting down")
        self.assertEqual(len(self.running), 0)

    async def test_what_becomes_of_files_is_told(self) -> None:
        self.processes.tell("close", VirtualPath((b"a",)), bytes_written=5)
        self.processes.tell("remove", VirtualPath((b"b",)), reason="no")
        self.assertEqual(
            [(event.action, event.status, event.bytes_written, event.reason) for event in self.events],
            [("close", "ok", 5, None), ("remove", "failed", None, "no")],
        )
