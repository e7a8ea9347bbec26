"""Writes to a file in memory that would have to wait all the same: for a lock, or for a ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from conchgo.edge.pieces import Pieces
from conchgo.errors import NotBefore, QuotaExceeded
from conchgo.events.bus import Bus
from conchgo.events.records import Origin
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.sftp import constants as c
from conchgo.sftp.server import ServedFile
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount, View, compose
from tests.unit.sftp.harness import ALL, ME, LaterRunner, fast_server

_HOME = Charge("user:ada", (("user:ada", Limits(100)),))


class Home:
    """A quota of 100 bytes on memory."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.ledger = MemoryLedger()
        self.ledger.count("user:ada", Usage(0, 0))
        self.runner = LaterRunner()
        view = View(
            {ROOT: Mount(self.storage, _HOME)}, ALL, ME, Origin("ada", "1", "127.0.0.1"), Bus(), ledger=self.ledger
        )
        files = compose(view)
        self.server = fast_server(files, self.runner)
        opened: Any = self.server.open(b"/file", c.FXF_WRITE | c.FXF_READ | c.FXF_CREAT, Attributes())
        self.file: ServedFile = opened if not isinstance(opened, Deferred) else self.done(opened)

    def done(self, answer: Any) -> Any:
        """What comes of it when the thread has worked."""
        found: list[Any] = []
        answer.addBoth(found.append)
        self.runner.do_all()
        return found[0]

    def write(self, offset: int, data: bytes) -> Any:
        return self.file.write(offset, Pieces([data]), more=False)

    def content(self) -> bytes:
        file = self.storage.open(VirtualPath.parse(b"/file"), read=True, write=False, create=Create.NEVER)
        return file.pread(1000, 0)


@pytest.fixture
def home() -> Home:
    return Home()


def test_what_takes_no_wait_takes_no_thread(home: Home) -> None:
    assert home.write(0, b"at once") is None
    assert home.runner.jobs == []
    assert home.content() == b"at once"
    assert home.ledger.usage("user:ada") == (7, 1)


def test_who_finds_the_file_held_goes_to_a_thread(home: Home) -> None:
    other = home.storage.open(VirtualPath.parse(b"/file"), read=True, write=False, create=Create.NEVER)
    with other.exclusively():
        answer = home.write(0, b"later")
        assert isinstance(answer, Deferred)
        assert home.content() == b""
    assert home.done(answer) is None
    assert home.content() == b"later"


def test_what_does_not_fit_is_refused_at_once(home: Home) -> None:
    assert home.write(0, bytes(99)) is None
    with pytest.raises(QuotaExceeded):
        home.write(99, b"12")
    assert len(home.content()) == 99


def test_who_must_wait_for_time_goes_on_behind_the_others(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    change = home.ledger.change

    def busy(*_: object, **__: object) -> None:
        raise NotBefore(0)

    monkeypatch.setattr(home.ledger, "change", busy)
    answer = home.write(0, b"later")
    assert isinstance(answer, Deferred)
    monkeypatch.setattr(home.ledger, "change", change)
    assert home.done(answer) is None
    assert home.content() == b"later"


def test_of_writes_that_go_together_those_stay_that_fit(home: Home) -> None:
    """They are tried together, and then each for itself."""
    other = home.storage.open(VirtualPath.parse(b"/file"), read=True, write=False, create=Create.NEVER)
    answers: list[Any] = []
    tell: list[Callable[[Any], Any]] = []
    with other.exclusively():
        for offset, size in (0, 50), (50, 40), (90, 20), (90, 10):
            answers.append(home.write(offset, bytes([offset + 1]) * size))
    outcomes: list[Any] = [None] * len(answers)
    for number, answer in enumerate(answers):
        tell.append(lambda result, number=number: outcomes.__setitem__(number, result))
        answer.addBoth(tell[-1])
    home.runner.do_all()
    assert [getattr(outcome, "type", outcome) for outcome in outcomes] == [None, None, QuotaExceeded, None]
    assert home.content() == bytes([1]) * 50 + bytes([51]) * 40 + bytes([91]) * 10
    assert home.ledger.usage("user:ada") == (100, 1)
