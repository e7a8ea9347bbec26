import pytest
from twisted.conch.ssh.common import NS
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.ssh_client import channel_data, log_in, numbers_of, start
from tests.ssh_server import Recorder, Say, make_factory

DATA, EXTENDED, EOF, CLOSE, REQUEST, OK, FAILED = 94, 95, 96, 97, 98, 99, 100


@pytest.fixture
def session(gate):
    return log_in(make_factory(Clock(), gate))


@pytest.mark.parametrize("request_", [(b"exec", NS(b"ls")), (b"shell", b""), (b"subsystem", NS(b"sftp"))])
def test_a_program_is_started_after_the_reply(session, gate, request_) -> None:
    gate.avatar.make = lambda: Say(b"hello")
    client, wire = session
    start(client, wire, request_)

    assert numbers_of(client, OK, EXTENDED, EOF, REQUEST, CLOSE) == [OK, EXTENDED, EOF, REQUEST, CLOSE]
    assert client.received(REQUEST)[0][-1] == 3


def test_a_shell_gets_its_line_even_with_a_terminal(session) -> None:
    client, wire = session
    start(client, wire, (b"pty-req", NS(b"xterm") + bytes(16) + NS(b"")), (b"shell", b""))

    assert client.received(FAILED) == []
    assert channel_data(client, EXTENDED) == b"this is a file server\r\n"


@pytest.mark.parametrize("second", [(b"exec", NS(b"ls")), (b"shell", b""), (b"subsystem", NS(b"sftp"))])
def test_one_program_for_one_channel(session, gate, second) -> None:
    client, wire = session
    start(client, wire, (b"exec", NS(b"ls")), second)

    assert numbers_of(client, OK, FAILED) == [OK, FAILED]
    assert len(gate.avatar.programs) == 1


def test_an_unknown_subsystem_fails_and_another_may_follow(session, gate) -> None:
    client, wire = session
    start(client, wire, (b"subsystem", NS(b"unknown")), (b"subsystem", NS(b"sftp")))

    assert numbers_of(client, OK, FAILED) == [FAILED, OK]
    assert gate.avatar.programs[0].calls == ["started"]


def test_a_program_that_cannot_be_made_fails_and_is_logged(session, gate) -> None:
    def broken() -> None:
        raise RuntimeError("no program")

    gate.avatar.make = broken
    client, wire = session
    with capturedLogs() as logs:
        start(client, wire, (b"exec", NS(b"ls")))

    assert numbers_of(client, OK, FAILED) == [FAILED]
    assert [event for event in logs if "log_failure" in event]
    assert not wire.closed


@pytest.mark.parametrize("method", ["started", "data_received", "input_ended"])
def test_a_program_that_breaks_ends_its_own_channel_only(session, gate, method) -> None:
    class Broken(Recorder):
        pass

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    setattr(Broken, method, fail)
    gate.avatar.make = Broken
    client, wire = session
    with capturedLogs() as logs:
        channel = start(client, wire, (b"exec", NS(b"ls")))
        client.send_channel(DATA, channel, NS(b"data"))
        client.send_channel(EOF, channel)
        wire.pump()

    assert numbers_of(client, EOF, REQUEST, CLOSE) == [EOF, REQUEST, CLOSE]
    assert client.received(REQUEST)[0][-1] == 1
    assert len([event for event in logs if "log_failure" in event]) == 1
    assert not wire.closed


def test_a_program_that_breaks_at_the_end_disturbs_nobody(session, gate) -> None:
    class Broken(Recorder):
        def connection_lost(self) -> None:
            raise RuntimeError("a bug")

    gate.avatar.make = Broken
    client, wire = session
    start(client, wire, (b"exec", NS(b"ls")))
    start(client, wire, (b"exec", NS(b"echo")))
    with capturedLogs():
        wire.lose()

    assert gate.avatar.programs[1].calls == ["started", "connection_lost"]
    assert gate.avatar.logouts == 1


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        (b"GIT_PROTOCOL", b"version=2", True),
        (b"GIT_PROTOCOL", b"version=2:x", False),
        (b"GIT_PROTOCOL", b"version=2\n", False),
        (b"GIT_PROTOCOL", b"version=" + b"2" * 1000, False),
        (b"LANG", b"C.UTF-8", False),
        (b"LD_PRELOAD", b"/tmp/x.so", False),
    ],
)
def test_the_environment_is_what_we_know_and_the_rest_fails_quietly(session, gate, name, value, taken) -> None:
    client, wire = session
    with capturedLogs() as logs:
        start(client, wire, (b"env", NS(name) + NS(value)), (b"exec", NS(b"git-upload-pack")))

    assert numbers_of(client, OK, FAILED) == [OK if taken else FAILED, OK]
    assert gate.avatar.environments == [{name: value} if taken else {}]
    assert logs == []


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (b"window-change", OK),
        (b"signal", OK),
        (b"x11-req", FAILED),
        (b"auth-agent-req@openssh.com", FAILED),
        (b"eow@openssh.com", FAILED),
        (b"exit-status", FAILED),
        (b"", FAILED),
        (b"\xff\x00", FAILED),
        (b"data_received", FAILED),
    ],
)
@pytest.mark.parametrize("want_reply", [True, False])
def test_other_requests(session, name, answer, want_reply) -> None:
    client, wire = session
    channel = start(client, wire)
    client.channel_request(channel, name, bytes(16), want_reply=want_reply)
    wire.pump()

    assert numbers_of(client, OK, FAILED) == [answer] * want_reply
    assert not wire.closed


@pytest.mark.parametrize("name", [b"exec", b"subsystem", b"env"])
def test_malformed_requests_end_the_connection(session, gate, name) -> None:
    client, wire = session
    channel = start(client, wire)
    client.channel_request(channel, name, b"\0\0\0\xff")
    wire.pump()

    assert client.disconnect[0] == 2
    assert gate.avatar.programs == []


def test_a_start_without_reply_is_a_start(session, gate) -> None:
    client, wire = session
    channel = start(client, wire)
    client.channel_request(channel, b"exec", NS(b"ls"), want_reply=False)
    wire.pump()

    assert numbers_of(client, OK, FAILED) == []
    assert gate.avatar.programs[0].calls == ["started"]
