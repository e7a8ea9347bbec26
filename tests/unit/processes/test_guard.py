from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from conchgo.errors import Cancelled, InvalidArgument
from conchgo.processes import guard as guard_module
from conchgo.processes.guard import Tolls
from conchgo.processes.interface import Ending
from conchgo.processes.toll import Toll
from conchgo.quota.bandwidth import Bucket
from conchgo.quota.throttles import Way
from conchgo.quota.transfers import Allowance, Direction, MemoryTransferCounter, TransferLimits
from tests.unit.processes.guarding import Channel, Run, running_reactor, toll

PYTHON = sys.executable.encode()


def pipes_to_others() -> int:
    """Of the reactor's own pipes both ends are here."""
    targets: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            targets[os.readlink(f"/proc/self/fd/{number}")] += 1
    return sum(count == 1 for target, count in targets.items() if target.startswith("pipe:"))


class GuardTests(TestCase):
    def setUp(self) -> Deferred[None]:
        self.patch(guard_module, "_TELL", 0.05)
        self.patch(guard_module, "_KILL", 0.5)
        self.before = pipes_to_others()
        return running_reactor()

    def tearDown(self) -> None:
        self.assertEqual(pipes_to_others(), self.before)

    async def test_joins_a_program_with_its_client(self) -> None:
        data = random.randbytes(3_000_000)
        run = Run(b"cat")
        for start in range(0, len(data), 32768):
            run.send(data[start : start + 32768])
        run.end()
        self.assertEqual(await run.done, Ending(0, None))
        self.assertEqual(run.channel.output, data)
        self.assertEqual(run.channel.taken, len(data))

    async def test_standard_error_is_apart(self) -> None:
        run = Run(b"sh", b"-c", b"echo out; echo err >&2; exit 3")
        self.assertEqual(await run.done, Ending(3, None))
        self.assertEqual((run.channel.output, run.channel.errors), (b"out\n", b"err\n"))

    async def test_a_signal_is_told(self) -> None:
        self.assertEqual(await Run(b"sh", b"-c", b"kill -SEGV $$").done, Ending(None, 11))

    async def test_a_client_that_takes_no_output_stops_the_program(self) -> None:
        channel = Channel(most=100_000)
        run = Run(b"dd", b"if=/dev/zero", b"bs=64k", b"count=64", b"status=none", channel=channel)
        await channel.bell.until(lambda: channel.congested)
        await deferLater(reactor, 0.05)  # type: ignore[arg-type]
        self.assertLess(len(channel.output), 300_000)
        self.assertTrue(run.guard.waits)
        channel.most = 2**62
        run.console.drained()
        self.assertEqual(await run.done, Ending(0, None))
        self.assertEqual(len(channel.output), 64 * 65536)

    async def test_a_program_that_reads_nothing_stops_the_client(self) -> None:
        slow = Run(PYTHON, b"-c", b"import time, sys; sys.stdin.buffer.read(1); time.sleep(60)")
        for _ in range(32):
            slow.send(bytes(65536))
        await slow.channel.bell.until(lambda: slow.channel.taken > 0)
        await deferLater(reactor, 0.05)  # type: ignore[arg-type]
        self.assertLess(slow.channel.taken, 1_000_000)
        slow.guard.stop("enough")
        ending = await slow.done
        self.assertEqual((ending.signal, ending.reason), (15, "enough"))
        self.assertEqual(slow.boxes.signals, ["TERM"])

    async def test_who_does_not_end_is_killed(self) -> None:
        run = Run(b"sh", b"-c", b"trap '' TERM; echo on; while :; do sleep 1; done")
        await run.channel.bell.until(lambda: bool(run.channel.output))
        run.guard.stop("it must")
        ending = await run.done
        self.assertEqual((ending.signal, ending.reason), (9, "it must"))
        self.assertEqual(run.boxes.signals, ["TERM", "KILL"])

    async def test_a_client_that_leaves_takes_the_program_along(self) -> None:
        run = Run(b"cat")
        run.send(b"some")
        await run.channel.bell.until(lambda: bool(run.channel.output))
        run.console.connection_lost()
        await self.assertFailure(run.done, Cancelled)
        self.assertEqual(run.boxes.signals, [])

    async def test_a_program_that_closes_its_input_loses_nobody(self) -> None:
        run = Run(b"sh", b"-c", b"exec <&-; echo closed; sleep 0.05; echo done")
        await run.channel.bell.until(lambda: bool(run.channel.output))
        for _ in range(40):
            run.send(bytes(65536))
        self.assertEqual(await run.done, Ending(0, None))
        self.assertEqual(run.channel.output, b"closed\ndone\n")
        self.assertEqual(run.channel.taken, 40 * 65536)

    async def test_a_pipe_that_outlives_the_program_is_not_waited_for(self) -> None:
        self.patch(guard_module, "_REST", 0.05)
        run = Run(b"sh", b"-c", b"sleep 30 & echo $!")
        self.assertEqual(await run.done, Ending(0, None))
        os.kill(int(run.channel.output), 9)

    async def test_a_slow_client_gets_all_that_an_ended_program_has_left(self) -> None:
        self.patch(guard_module, "_REST", 0.05)
        for wire in (None, ShoutingWire()):
            channel = Channel(most=1000)
            run = Run(b"head", b"-c", b"200000", b"/dev/zero", channel=channel, wire=wire)
            await channel.bell.until(lambda channel=channel: channel.congested)
            await deferLater(reactor, 0.3)  # type: ignore[arg-type]
            channel.most = 2**62
            run.console.drained()
            self.assertEqual(await run.done, Ending(0, None))
            self.assertEqual(channel.output.count(0), 200_000)

    async def test_a_client_that_leaves_after_the_end_is_not_waited_for(self) -> None:
        channel = Channel(most=1000)
        run = Run(b"head", b"-c", b"200000", b"/dev/zero", channel=channel)
        await channel.bell.until(lambda: channel.congested)
        await deferLater(reactor, 0.1)  # type: ignore[arg-type]
        run.console.connection_lost()
        await self.assertFailure(run.done, Cancelled)

    async def test_so_does_a_client_with_little_bandwidth(self) -> None:
        way = Way(Bucket(1_000_000), Allowance("alice", Direction.DOWNLOAD, MemoryTransferCounter()))
        run = Run(b"head", b"-c", b"200000", b"/dev/zero", tolls=Tolls(toll(), toll(way)))
        self.assertEqual(await run.done, Ending(0, None))
        self.assertEqual(len(run.channel.output), 200_000)

    async def test_a_program_that_computes_does_not_wait(self) -> None:
        run = Run(PYTHON, b"-c", b"while True: pass")
        while run.guard.waits:
            await deferLater(reactor, 0.05)  # type: ignore[arg-type]
        run.guard.stop("enough")
        await run.done

    async def test_time_is_over(self) -> None:
        ending = await Run(b"sleep", b"60", seconds=0.05).done
        self.assertEqual(ending, Ending(None, 15, "it has taken longer than 0.05 seconds"))

    async def test_a_program_that_is_not_there(self) -> None:
        ending = await Run(b"/nowhere/cat").done
        self.assertNotEqual(ending.status, 0)

    async def test_what_makes_the_box_is_not_heard(self) -> None:
        run = Run(b"sh", b"-c", b"printf 'bwr' >&2; sleep 0.02; printf 'ap: /srv/secret\\nmine\\n' >&2; exit 1")
        ending = await run.done
        self.assertEqual(run.channel.errors, b"mine\n")
        self.assertEqual(ending.reason, "the program could not be started")

    async def test_a_program_gets_no_descriptor_but_its_own(self) -> None:
        run = Run(b"ls", b"/proc/self/fd")
        await run.done
        self.assertEqual(run.channel.output.split(), [b"0", b"1", b"2", b"3"])

    async def test_a_wire_speaks_both_ways(self) -> None:
        wire = ShoutingWire()
        run = Run(b"sh", b"-c", b"cat; echo event >&3; echo oops >&2", wire=wire, events=True)
        run.send(b"ping")
        run.end()
        await run.done
        self.assertIn(b"PING", run.channel.output)
        self.assertIn(b"BYE", run.channel.output)
        self.assertEqual(run.channel.errors, b"error: oops\n")
        self.assertEqual(wire.heard, [b"event\n", b""])

    async def test_a_wire_that_makes_no_sense_of_it_ends_the_program(self) -> None:
        run = Run(b"cat", wire=RefusingWire())
        run.send(b"nonsense")
        self.assertEqual((await run.done).reason, "this makes no sense")

    async def test_the_lease_is_the_limit_of_every_file(self) -> None:
        lease = FakeLease(100_000)
        script = (
            b"import os,sys; sys.stdin.read(1); f=open(sys.argv[1],'wb',0); f.write(bytes(99000)); f.write(bytes(9000))"
        )
        path = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "file")
        run = Run(PYTHON, b"-c", script, os.fsencode(path), lease=lease)
        run.send(b"x")
        run.end()
        await run.done
        self.assertLessEqual(os.path.getsize(path), 100_000)

    async def test_more_than_the_lease_ends_the_program(self) -> None:
        lease = FakeLease(100)
        run = Run(b"sh", b"-c", b"echo 200 >&3; sleep 60", wire=SpendingWire(lease), lease=lease, events=True)
        self.assertEqual((await run.done).reason, "quota exceeded")

    async def test_a_transfer_quota_ends_the_program(self) -> None:
        for direction in Direction:
            counter = MemoryTransferCounter()
            limits = TransferLimits(upload=1000) if direction is Direction.UPLOAD else TransferLimits(download=1000)
            run = Run(b"cat", tolls=tolls(counter, limits))
            run.send(bytes(900))
            await run.channel.bell.until(lambda run=run: len(run.channel.output) == 900)
            run.send(bytes(200))
            self.assertIn("data transfer left", (await run.done).reason or "")

    async def test_bandwidth_is_waited_for(self) -> None:
        bucket = Bucket(100_000)
        way = Way(bucket, Allowance("alice", Direction.UPLOAD, MemoryTransferCounter()))
        run = Run(b"cat", tolls=Tolls(toll(way), toll()))
        run.send(bytes(30_000))
        run.end()
        self.assertEqual(await run.done, Ending(0, None))
        self.assertTrue(bucket.owes)

    async def test_random_ends_leave_nothing(self) -> None:
        chance = random.Random(7)
        for number in range(30):
            run = Run(b"sh", b"-c", b"cat & wait; cat /dev/zero | head -c 300000")
            run.send(bytes(chance.randrange(200_000)))
            await deferLater(reactor, chance.random() * 0.02)  # type: ignore[arg-type]
            if number % 3 == 0:
                run.console.connection_lost()
            elif number % 3 == 1:
                run.guard.stop("so")
            elif run.pid is not None and not run.done.called:
                run.boxes.kill(run.pid)
            try:
                await run.done
            except Cancelled:
                pass


class FakeLease:
    def __init__(self, left: int) -> None:
        self.left: int | None = left
        self.files_left: int | None = None

    def spent(self, size: int, files: int) -> None:
        assert self.left is not None
        self.left -= size

    def share(self, lower: Callable[[], None]) -> None:
        """Nobody waits."""


class ShoutingWire:
    """Says everything louder, and something of its own."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def from_client(self, data: Any) -> tuple[Sequence[Any], Sequence[Any]]:
        return [bytes(data).upper()], [b"<"]

    def client_ended(self) -> tuple[Sequence[Any], Sequence[Any]]:
        return [b"BYE"], [b">"]

    def from_program(self, data: Any) -> tuple[Sequence[Any], Sequence[Any]]:
        return [], [b"[", data, b"]"]

    def error(self, data: bytes) -> bytes:
        return b"error: " + data

    def events(self, data: bytes) -> None:
        self.heard.append(data)


class SpendingWire(ShoutingWire):
    def __init__(self, lease: FakeLease) -> None:
        super().__init__()
        self.lease = lease

    def events(self, data: bytes) -> None:
        if data:
            self.lease.spent(int(data), 1)


class RefusingWire(ShoutingWire):
    def from_client(self, data: Any) -> tuple[Sequence[Any], Sequence[Any]]:
        raise InvalidArgument("this makes no sense")


def tolls(counter: MemoryTransferCounter, limits: TransferLimits) -> Tolls:
    def limited(direction: Direction) -> Toll:
        allowance = Allowance("alice", direction, counter)
        allowance.limit(limits)
        return toll(Way(Bucket(), allowance))

    return Tolls(limited(Direction.UPLOAD), limited(Direction.DOWNLOAD))
