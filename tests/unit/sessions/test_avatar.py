from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from twisted.conch.interfaces import ISession, ISFTPServer
from twisted.internet.task import Clock

from conchgo.accounts.model import User
from conchgo.commands.command import OK, Call, Command
from conchgo.commands.settings import DEFAULTS, CommandSettings, GitSettings
from conchgo.commands.table import enabled
from conchgo.edge.pools import Inline
from conchgo.edge.stream import Program
from conchgo.errors import Failure
from conchgo.events.bus import Bus
from conchgo.events.records import Origin
from conchgo.paths import ROOT
from conchgo.sessions.attendance import SECOND_LOOK, Attendance
from conchgo.sessions.avatar import Avatar
from conchgo.sessions.registry import Registry
from conchgo.sessions.roll import MemoryRoll
from conchgo.sessions.runner import SessionRunner
from conchgo.sftp.adapter import FilesystemAdapter
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount, View, compose
from tests.unit.sessions.helpers import WrittenStream
from tests.unit.vfs.helpers import IDENTITY, ORIGIN, Permissions


class Session:
    """An avatar, and what it says."""

    def __init__(
        self,
        commands: Mapping[str, Command] | None = None,
        settings: CommandSettings = DEFAULTS,
        **fields: Any,
    ) -> None:
        self.refused: list[tuple[str, str]] = []
        self.ran: list[tuple[object, ...]] = []
        self.registry = Registry(1024)
        self.clock = Clock()
        self.roll = MemoryRoll()
        runner = SessionRunner(Inline())
        self.avatar = Avatar(
            User("alice", "/srv/alice", **fields),
            Origin("alice", "connection-1", "192.0.2.7"),
            runner=runner,
            registry=self.registry,
            attendance=Attendance(self.roll, Inline(), self.clock),
            reactor=self.clock,
            refuse=lambda action, reason: self.refused.append((action, reason)),
            commands=enabled(None) if commands is None else commands,
            settings=settings,
            processes=None,
            ran=lambda *told: self.ran.append(told[:3]),
        )
        everything = Permissions.parse({"/": ["*"]})
        filesystem = compose(View({ROOT: Mount(MemoryStorage())}, everything, IDENTITY, ORIGIN, Bus()))
        self.avatar.files = FilesystemAdapter(self.avatar, filesystem, runner, "alice")


def run(program: Program | None) -> WrittenStream:
    assert program is not None
    stream = WrittenStream()
    program.started(stream)
    return stream


def test_a_shell_is_one_friendly_line() -> None:
    session = Session()
    stream = run(session.avatar.shell())
    assert stream.errors == b"Hi alice! This is a file server without a shell: use sftp, or scp.\r\n"
    assert (stream.output, stream.status) == (b"", 1)
    assert session.refused == [("shell", "there is no shell")]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"rm -rf /", "rm"),
        (b"  ls\t-l", "ls"),
        (b"", "an empty command"),
        (b" \n ", "an empty command"),
        (b"\x1b]0;owned\x07 x", "\\x1b]0;owned\\x07"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"x" * 30000, "x" * 64),
    ],
)
def test_a_command_is_not_found(line: bytes, name: str) -> None:
    session = Session()
    stream = run(session.avatar.command(line, {}))
    assert stream.status == 127
    assert stream.output == b""
    assert stream.errors.decode() == f"{name}: not enabled on this server. `help` lists what is.\r\n"
    assert session.refused == [("exec", f"{name}: not enabled")]


@pytest.mark.parametrize("name", [b"", b"SFTP", b"sftp ", b"netconf", b"x" * 30000])
def test_an_unknown_subsystem_is_none(name: bytes) -> None:
    session = Session()
    assert session.avatar.subsystem(name) is None
    ((action, reason),) = session.refused
    assert (action, reason[:18]) == ("exec", "unknown subsystem ")
    assert len(reason) < 100
    assert len(session.registry) == 0


def test_a_command_hears_what_the_client_has_set_and_what_is_configured() -> None:
    heard: list[Call] = []

    async def hear(call: Call) -> int:
        heard.append(call)
        return OK

    settings = CommandSettings(git=GitSettings(create_on_push=True))
    session = Session({"hear": Command("hear", "", "", (), False, False, hear)}, settings)
    run(session.avatar.command(b"hear", {b"GIT_PROTOCOL": b"version=2"}))
    assert [(call.environment, call.settings) for call in heard] == [({b"GIT_PROTOCOL": b"version=2"}, settings)]


def test_sftp_greets_and_is_counted_until_its_channel_is_gone() -> None:
    session = Session()
    program = session.avatar.subsystem(b"sftp")
    stream = run(program)
    assert program is not None
    assert len(session.registry) == 1
    program.data_received(b"\0\0\0\5\1\0\0\0\3")
    assert stream.output[4:9] == b"\2\0\0\0\3"
    program.connection_lost()
    assert len(session.registry) == 0
    assert session.refused == []


def test_all_channels_of_a_user_share_what_he_may_hold_open() -> None:
    """One user who opened every descriptor that the process has kept all others from logging in."""
    session = Session()
    opened = 0
    for _ in range(3):
        program = session.avatar.subsystem(b"sftp")
        stream = run(program)
        assert program is not None
        program.data_received(b"\0\0\0\5\1\0\0\0\3")
        stream.output = b""
        for _ in range(100):
            program.data_received(b"\0\0\0\x0a\x0b\0\0\0\7\0\0\0\1/")
        opened += stream.output.count(b"\x66\0\0\0\7")
    # Directories, of two descriptors each: a quarter of 1024.
    assert opened == 128
    assert not session.registry.handles.has_room("alice")
    assert session.registry.handles.has_room("bob")


def test_a_session_too_many_is_told_and_the_others_go_on() -> None:
    session = Session(max_sessions=2)
    first, second = (session.avatar.subsystem(b"sftp") for _ in range(2))
    for program in (first, second):
        run(program)
        program.data_received(b"\0\0\0\5\1\0\0\0\3")  # type: ignore[union-attr]
    third = session.avatar.subsystem(b"sftp")
    stream = run(third)
    assert stream.status is None
    session.clock.advance(SECOND_LOOK)
    assert stream.status == 1
    assert stream.errors == b"Too many open sessions: 2 allowed. Close one first.\r\n"
    assert session.refused == [("exec", "too many open sessions: 2 allowed")]
    third.connection_lost()  # type: ignore[union-attr]
    assert len(session.registry) == 2
    first.connection_lost()  # type: ignore[union-attr]
    again = session.avatar.subsystem(b"sftp")
    stream = run(again)
    again.data_received(b"\0\0\0\5\1\0\0\0\3")  # type: ignore[union-attr]
    assert stream.output[4:9] == b"\2\0\0\0\3"


def test_who_cannot_be_counted_does_not_get_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> bool:
        raise Failure("the database failed: it is away")

    session = Session(max_sessions=2)
    monkeypatch.setattr(session.roll, "reserve", fail)
    stream = run(session.avatar.subsystem(b"sftp"))
    assert stream.status == 1
    assert stream.errors == b"The server can't tell how many sessions are open. Try again later.\r\n"
    reason = "the open sessions could not be counted: the database failed: it is away"
    assert session.refused == [("exec", reason)]
    assert len(session.registry) == 0


def test_a_channel_that_comes_while_the_service_ends_ends_too() -> None:
    session = Session()
    session.registry.drain()
    stream = run(session.avatar.subsystem(b"sftp"))
    assert stream.status == 0


def test_it_is_asked_for_files_and_nothing_else() -> None:
    avatar = Session().avatar
    assert ISFTPServer(avatar) is avatar.files
    assert ISession(avatar, None) is None
    with pytest.raises(TypeError):
        ISession(avatar)
