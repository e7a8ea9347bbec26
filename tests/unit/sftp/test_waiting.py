"""Requests that must wait for time to pass: in order, without a thread, and only as long as their client is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from twisted.internet.task import Clock

from conchgo.edge.pools import Inline
from conchgo.edge.waiting import PatientRunner, Waits
from conchgo.errors import NotBefore
from conchgo.events.bus import Bus
from conchgo.events.records import Event
from conchgo.paths import VirtualPath
from conchgo.sftp import constants as c
from conchgo.sftp import extensions
from conchgo.sftp.adapter import FilesystemAdapter
from conchgo.sftp.codec import string, uint32, uint64
from conchgo.sftp.conch_server import ConchServer
from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.storage.memory import MemoryStorage
from conchgo.storage.memory_file import MemoryFile
from tests.unit.sftp.harness import NO_ATTRIBUTES, Client, filesystem

READ, WRITE, CREATE = c.FXF_READ, c.FXF_WRITE, c.FXF_WRITE | c.FXF_CREAT


class Gate:
    """Lets nothing through before a time, and tells how much was tried."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.at = 0.0
        self.tried: list[str] = []
        self.passed: list[str] = []
        #: So many go through, then it is shut for a second.
        self.portion = 10**9

    def shut(self, seconds: float, portion: int = 10**9) -> None:
        self.at = self.clock.seconds() + seconds
        self.portion = portion
        self.tried.clear()
        self.passed.clear()

    def ask(self, what: str) -> None:
        self.tried.append(what)
        if self.clock.seconds() < self.at:
            raise NotBefore(self.at)
        self.passed.append(what)
        self.portion -= 1
        if not self.portion:
            self.at, self.portion = self.clock.seconds() + 1, 1


class GatedFile(MemoryFile):
    gate: Gate
    at_once: bool
    log: list[str]

    @property
    def immediate(self) -> bool:
        return self.at_once

    def preadv_now(self, views: Sequence[memoryview], offset: int) -> int | None:
        self.gate.ask(f"read {offset}")
        return super().preadv_now(views, offset)

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        self.gate.ask(f"write {offset} {sum(map(len, views))}")
        super().pwritev(views, offset)

    def append(self, data: memoryview, *, most: int | None = None) -> None:
        self.gate.ask(f"append {data.nbytes}")
        super().append(data, most=most)

    def close_now(self) -> bool:
        return False

    def close(self) -> None:
        self.gate.ask("close")
        self.log.append("closed")
        super().close()

    def abandon(self) -> None:
        self.log.append("abandoned")
        super().close()


class GatedStorage(MemoryStorage):
    """Memory whose opens, reads, writes and closes may have to wait."""

    def __init__(self, gate: Gate, *, at_once: bool, log: list[str]) -> None:
        super().__init__()
        self.how = {"gate": gate, "at_once": at_once, "log": log}
        self.gate = gate

    def open(self, path: VirtualPath, **how: Any) -> GatedFile:
        self.gate.ask("open")
        file = super().open(path, **how)
        file.__class__ = GatedFile
        vars(file).update(self.how)
        return file


class CountingRunner(Inline):
    """Counts the ways to a thread."""

    count = 0

    def run(self, owner: str, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        return super().run(owner, work, *args, **kwargs)


class Session:
    """A client whose files wait at a gate."""

    def __init__(self, *, at_once: bool) -> None:
        self.gate = Gate()
        self.closes: list[str] = []
        self.events: list[Event] = []
        storage = GatedStorage(self.gate, at_once=at_once, log=self.closes)
        self.files = filesystem(storage, bus=Bus(self.events.append))  # type: ignore[arg-type]
        self.runner = CountingRunner()
        rows = extensions.by_name(extensions.FILESYSTEM)
        clock = self.gate.clock
        self.client = Client(FilesystemServer(self.files, self.runner, "ada", rows, clock, clock.seconds))
        self.client.create(b"/f", bytes(range(100)))
        self.handle = self.client.open(b"/f", READ | WRITE)
        self.closes.clear()
        self.events.clear()

    def read(self, number: int) -> int:
        return self.client.send(c.FXP_READ, string(self.handle), uint64(10 * number), uint32(10))

    def write(self, number: int, handle: bytes | None = None) -> int:
        data = string(bytes([number]) * 10)
        return self.client.send(c.FXP_WRITE, string(handle or self.handle), uint64(10 * number), data)

    def passes(self, seconds: float) -> list[tuple[int, int]]:
        """What comes meanwhile: ids and kinds."""
        self.gate.clock.advance(seconds)
        return [(reply.request_id, reply.kind) for reply in self.client.replies()]

    @property
    def idle(self) -> bool:
        return not self.gate.clock.getDelayedCalls()


@pytest.fixture(params=[True, False], ids=["immediate", "threads"])
def session(request: pytest.FixtureRequest) -> Session:
    return Session(at_once=request.param)


def test_an_open_waits_and_what_comes_after_it_keeps_its_order(session: Session) -> None:
    session.gate.shut(5)
    opening = session.client.send(c.FXP_OPEN, string(b"/new"), uint32(CREATE), NO_ATTRIBUTES)
    looking = session.client.send(c.FXP_STAT, string(b"/new"))
    assert session.passes(4.9) == []
    assert session.passes(0.1) == [(opening, c.FXP_HANDLE), (looking, c.FXP_ATTRS)]
    assert session.idle
    assert [event.action for event in session.events] == ["open"], "it is told of once"


def test_of_many_reads_that_wait_only_the_first_is_tried_and_no_thread_waits(session: Session) -> None:
    session.gate.shut(5)
    ids = [session.read(number) for number in range(8)]
    tried, ways = len(session.gate.tried), session.runner.count
    assert set(session.gate.tried) == {"read 0"}
    assert session.passes(4) == []
    assert (len(session.gate.tried), session.runner.count) == (tried, ways)

    assert session.passes(1) == [(number, c.FXP_DATA) for number in ids]
    assert session.runner.count == ways
    assert session.idle


def test_reads_go_on_one_by_one_and_the_later_ones_hold_no_data(session: Session) -> None:
    session.gate.shut(1, portion=1)
    ids = [session.read(number) for number in range(4)]
    for request_id in ids:
        assert session.passes(1) == [(request_id, c.FXP_DATA)]
    assert session.idle


def test_a_stat_that_comes_after_a_read_that_waits_is_done_and_its_reply_comes_in_order(session: Session) -> None:
    session.gate.shut(5)
    reading = session.read(0)
    making = session.client.send(c.FXP_MKDIR, string(b"/made"), NO_ATTRIBUTES)
    assert session.passes(0) == []
    assert session.files.stat(VirtualPath.parse(b"/made"))
    assert session.passes(5) == [(reading, c.FXP_DATA), (making, c.FXP_STATUS)]


def test_writes_wait_and_are_not_consumed_until_then(session: Session) -> None:
    session.gate.shut(5)
    consumed = session.client.stream.consumed_bytes
    ids = [session.write(number) for number in range(4)]
    assert session.passes(4) == []
    assert session.client.stream.consumed_bytes == consumed

    assert session.passes(1.1) == [(number, c.FXP_STATUS) for number in ids]
    assert session.client.stream.consumed_bytes == session.client.sent
    assert session.client.content(b"/f")[:40] == b"".join(bytes([number]) * 10 for number in range(4))
    assert session.idle


def test_a_read_of_what_is_written_waits_for_the_write_and_close_for_both(session: Session) -> None:
    session.gate.shut(5, portion=1)
    ids = [
        session.write(1),
        session.read(1),
        session.client.send(c.FXP_CLOSE, string(session.handle)),
        session.client.send(c.FXP_STAT, string(b"/f")),
    ]
    came = [session.passes(seconds) for seconds in (4, 1, 1, 1)]
    assert [request_id for replies in came for request_id, _ in replies] == ids
    assert came[0] == []
    assert session.closes == ["closed"]
    assert session.idle


def test_appended_data_keeps_its_order(session: Session) -> None:
    handle = session.client.open(b"/log", CREATE | c.FXF_APPEND)
    session.gate.shut(5, portion=1)
    ids = [session.write(number, handle) for number in range(3)]
    came = [session.passes(seconds) for seconds in (5, 1, 1)]
    assert came == [[(number, c.FXP_STATUS)] for number in ids]
    session.gate.shut(0)
    assert session.client.content(b"/log") == b"".join(bytes([number]) * 10 for number in range(3))


def test_a_failure_is_no_reason_for_a_wait_to_be_told(session: Session) -> None:
    session.gate.shut(1)
    session.write(0)
    session.read(5)
    session.passes(2)
    closing = session.client.send(c.FXP_CLOSE, string(session.handle))
    assert session.passes(0) == [(closing, c.FXP_STATUS)]
    assert [(event.action, event.status) for event in session.events] == [("close", "ok")]


@pytest.mark.parametrize("what", ["open", "reads", "writes", "append", "close"])
def test_nothing_waits_for_a_client_that_is_gone(session: Session, what: str) -> None:
    log = session.client.open(b"/log", CREATE | c.FXF_APPEND)
    session.gate.shut(5)
    match what:
        case "open":
            session.client.send(c.FXP_OPEN, string(b"/new"), uint32(CREATE), NO_ATTRIBUTES)
        case "reads":
            for number in range(5):
                session.read(number)
        case "writes":
            for number in range(5):
                session.write(number)
        case "append":
            for number in range(5):
                session.write(number, log)
        case "close":
            session.client.send(c.FXP_CLOSE, string(session.handle))
    assert not session.idle
    session.client.engine.connection_lost()
    assert session.idle
    assert session.closes == ["abandoned", "abandoned"]
    tried = len(session.gate.tried)
    assert session.passes(10) == []
    assert len(session.gate.tried) == tried


def test_writes_that_went_together_are_answered_as_far_as_they_are_done() -> None:
    """The thread has two of four when it must wait: these are answered, and not written again."""
    session = Session(at_once=False)
    session.gate.shut(0.5)
    first = session.write(0)
    later = [session.write(number) for number in (2, 4, 6, 8)]
    session.gate.portion = 3
    assert session.passes(0.5) == [(number, c.FXP_STATUS) for number in (first, *later[:2])]
    assert session.passes(0.9) == []
    assert session.passes(0.1) == [(later[2], c.FXP_STATUS)]
    assert session.passes(1) == [(later[3], c.FXP_STATUS)]
    assert session.gate.passed == [f"write {offset} 10" for offset in (0, 20, 40, 60, 80)]
    assert session.idle


def test_copying_waits_too(session: Session) -> None:
    target = session.client.open(b"/copy", CREATE)
    session.gate.shut(3)
    fields = string(session.handle) + uint64(0) + uint64(0) + string(target) + uint64(0)
    copying = session.client.send(c.FXP_EXTENDED, string(b"copy-data"), fields)
    assert session.passes(2) == []
    assert session.passes(1) == [(copying, c.FXP_STATUS)]
    assert session.files.stat(VirtualPath.parse(b"/copy")).size == 100


def test_the_generic_way_waits_too() -> None:
    """The same filesystem behind Conch's interface."""
    session = Session(at_once=True)
    clock = session.gate.clock
    waits = Waits(clock, clock.seconds)
    adapter = FilesystemAdapter(object(), session.files, PatientRunner(session.runner, waits), "ada")
    session.client = Client(ConchServer(adapter))
    session.handle = session.client.open(b"/f", READ | WRITE)
    session.gate.shut(2)
    ids = [session.write(0), session.client.send(c.FXP_OPEN, string(b"/new"), uint32(CREATE), NO_ATTRIBUTES)]
    assert session.passes(1) == []
    assert [request_id for request_id, _ in session.passes(1)] == ids
    assert session.idle

    session.gate.shut(2)
    session.client.send(c.FXP_CLOSE, string(session.handle))
    waits.cancel()
    assert session.closes == ["abandoned"]
    assert session.idle
