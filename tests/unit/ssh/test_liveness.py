from __future__ import annotations

import struct

import pytest
from twisted.conch.ssh.common import NS
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from conchgo.ssh.liveness import LOOKS, Watch
from conchgo.ssh.settings import SSHSettings
from tests.ssh_client import RawClient, Socket, Wire, channel_data, log_in, start
from tests.ssh_server import Gate, Recorder, make_factory

IGNORE, GLOBAL_REQUEST, SUCCESS, FAILURE, ADJUST, DATA, CLOSE, REQUEST = 2, 80, 81, 82, 93, 94, 97, 98
BY_APPLICATION = 11
PING, PONG = 192, 193

#: Looks are at whole seconds.
INTERVAL, IDLE = 80, 800
QUESTION = NS(b"keepalive@openssh.com") + b"\1"


class Session:
    """A client that is logged in, and the server's clock."""

    def __init__(self, **settings: float) -> None:
        self.clock = Clock()
        self.gate = Gate()
        values = {"client_alive_interval": 0, "idle_timeout": 0, **settings}
        self.factory = make_factory(self.clock, self.gate, settings=SSHSettings(**values))
        self.client: RawClient
        self.wire: Wire
        self.client, self.wire = log_in(self.factory)

    @property
    def transport(self):
        return self.wire.server

    @property
    def questions(self) -> int:
        return sum(payload == QUESTION for payload in self.client.received(GLOBAL_REQUEST))

    def pass_time(self, seconds: int) -> None:
        """In steps of a second, and bytes are carried after each."""
        for _ in range(seconds):
            self.clock.advance(1)
            self.wire.pump()


# Keepalives


def alive(**settings: float) -> Session:
    return Session(client_alive_interval=INTERVAL, client_alive_count_max=3, **settings)


def test_a_silent_client_is_asked_once_each_interval_and_dropped_after_the_last() -> None:
    session = alive()
    session.pass_time(INTERVAL - 1)
    assert session.questions == 0

    session.pass_time(1)
    assert session.questions == 1
    session.pass_time(2 * INTERVAL)
    assert session.questions == 3
    session.pass_time(INTERVAL - 1)
    assert not session.wire.closed

    with capturedLogs() as logs:
        session.pass_time(1)
    assert session.wire.closed
    text = b"the client does not answer: nothing came for 320 s"
    assert session.client.disconnect == (BY_APPLICATION, text)
    assert [event["text"] for event in logs if "text" in event] == [text.decode()]
    assert session.questions == 3


@pytest.mark.parametrize(
    ("number", "payload"),
    [
        (FAILURE, b""),
        (SUCCESS, b""),
        (IGNORE, NS(b"")),
        (PING, NS(b"")),
        (3, bytes(4)),
        (GLOBAL_REQUEST, NS(b"x") + b"\0"),
    ],
)
def test_any_message_is_a_sign_of_life(number, payload) -> None:
    session = alive()
    for _ in range(5):
        session.pass_time(3 * INTERVAL)
        session.client.sendPacket(number, payload)
        session.wire.pump()
    session.pass_time(3 * INTERVAL)

    assert not session.wire.closed


def test_an_idle_client_that_answers_is_asked_again_and_again() -> None:
    session = alive()
    for count in range(1, 10):
        session.pass_time(INTERVAL + INTERVAL // LOOKS + 1)
        assert session.questions == count
        session.client.sendPacket(FAILURE, b"")
        session.wire.pump()


def test_who_is_not_silent_is_not_asked() -> None:
    session = alive()
    channel = start(session.client, session.wire, (b"exec", NS(b"anything")))
    for _ in range(50):
        session.pass_time(INTERVAL // 3)
        session.client.send_channel(DATA, channel, NS(b"x"))
        session.wire.pump()

    assert session.questions == 0


def test_no_question_waits_for_a_socket_that_is_full() -> None:
    session = alive()
    session.wire.fill()
    before = len(session.wire.server_socket.value())
    session.pass_time(3 * INTERVAL)
    assert len(session.wire.server_socket.value()) == before
    assert session.questions == 0

    session.pass_time(INTERVAL)
    assert session.transport.ended


def test_who_empties_a_full_socket_slowly_lives_as_long_as_it_does() -> None:
    session = alive()
    session.wire.server_socket.waiting = 1000
    session.wire.fill()
    for _ in range(10):
        session.pass_time(3 * INTERVAL)
        session.wire.server_socket.waiting -= 1
    assert not session.transport.ended

    session.pass_time(4 * INTERVAL + INTERVAL // LOOKS)
    assert session.transport.ended


def test_no_question_waits_for_a_key_exchange_and_who_is_silent_there_is_dropped() -> None:
    session = Session(client_alive_interval=LOOKS, client_alive_count_max=3)
    session.wire.client.dispatchMessage = lambda *_: None
    session.transport._rekey()
    session.wire.pump()
    session.pass_time(4 * LOOKS - 1)
    assert session.transport.exchanging
    assert session.transport._blockedByKeyExchange == []
    assert not session.transport.ended

    session.pass_time(1)
    assert session.transport.ended


def test_new_keys_are_a_sign_of_life() -> None:
    session = alive()
    for _ in range(3):
        session.pass_time(3 * INTERVAL + INTERVAL // 2)
        session.transport._rekey()
        session.wire.pump()
    session.pass_time(3 * INTERVAL)

    assert session.client.key_exchanges == 4
    assert not session.wire.closed


def test_nobody_is_asked_before_the_login() -> None:
    clock = Clock()
    factory = make_factory(clock, Gate(), settings=SSHSettings(client_alive_interval=1, login_grace_time=120))
    transport = factory.buildProtocol(None)
    client = RawClient()
    wire = Wire(transport, client)
    wire.pump()
    for _ in range(100):
        clock.advance(1)
        wire.pump()

    assert client.received(GLOBAL_REQUEST) == []
    assert not wire.closed


# Idle connections


def idle(**settings: float) -> Session:
    return Session(idle_timeout=IDLE, **settings)


def run(session: Session) -> int:
    """A channel with a program that does nothing."""
    return start(session.client, session.wire, (b"exec", NS(b"anything")))


@pytest.mark.parametrize("with_channel", [False, True])
def test_a_connection_on_which_nothing_happens_ends(with_channel) -> None:
    session = idle()
    if with_channel:
        run(session)
    session.pass_time(IDLE - 1)
    assert not session.wire.closed

    with capturedLogs() as logs:
        session.pass_time(IDLE // LOOKS + 1)
    assert session.wire.closed
    assert session.client.disconnect == (BY_APPLICATION, b"idle for 800 s")
    # A program that did not end by itself ended by a signal.
    assert [payload[4:19] for payload in session.client.received(REQUEST)] == with_channel * [NS(b"exit-signal")]
    assert [event["text"] for event in logs if "text" in event] == ["idle for 800 s"]
    assert session.gate.avatar.logouts == 1


def _data_in(session: Session, channel: int) -> None:
    session.client.send_channel(DATA, channel, NS(b"x"))


def _data_out(session: Session, channel: int) -> None:
    session.gate.avatar.programs[channel].stream.write(b"x")


def _request(session: Session, channel: int) -> None:
    session.client.channel_request(channel, b"unknown")


def _open(session: Session, channel: int) -> None:
    session.client.open_session(number=7)


def _open_and_close(session: Session, channel: int) -> None:
    number = session.transport.service.localChannelID
    session.client.open_session(number=7)
    session.client.send_channel(CLOSE, number)


@pytest.mark.parametrize("happening", [_data_in, _data_out, _request, _open, _open_and_close])
def test_what_happens_on_channels_keeps_it(happening) -> None:
    session = idle()
    channel = run(session)
    for _ in range(5):
        session.pass_time(IDLE - 1)
        happening(session, channel)
        session.wire.pump()
    session.pass_time(IDLE - 1)

    assert not session.wire.closed


def test_a_close_keeps_it() -> None:
    session = idle()
    channel = run(session)
    session.pass_time(IDLE - 1)
    session.client.send_channel(CLOSE, channel)
    session.wire.pump()
    session.pass_time(IDLE - 1)

    assert not session.wire.closed


@pytest.mark.parametrize("size", [2**20, 2**20 + 1, 2**21])
def test_as_much_data_as_opens_the_window_again_is_seen(size) -> None:
    session = idle()
    channel = run(session)
    for _ in range(5):
        session.pass_time(IDLE - 1)
        for _ in range(0, size, 2**15):
            session.client.send_channel(DATA, channel, NS(bytes(min(size, 2**15))))
        session.wire.pump()
        stream = session.gate.avatar.programs[channel].stream
        stream.consumed(size)
        assert session.wire.server.service.channels[channel].localWindowLeft > 2**20 - 1
    session.pass_time(IDLE - 1)

    assert not session.wire.closed


@pytest.mark.parametrize(
    ("number", "payload"),
    [
        (IGNORE, NS(b"x")),
        (PING, NS(b"x")),
        (FAILURE, b""),
        (GLOBAL_REQUEST, QUESTION),
        (3, bytes(4)),
        (127, b"unknown"),
        (ADJUST, struct.pack(">LL", 0, 1)),
    ],
)
def test_what_is_nothing_does_not_keep_it(number, payload) -> None:
    session = idle()
    run(session)
    for _ in range(IDLE // 10):
        session.pass_time(10)
        session.client.sendPacket(number, payload)
        session.wire.pump()
    session.pass_time(IDLE // LOOKS)

    assert session.wire.closed
    assert b"idle" in session.client.disconnect[1]


@pytest.mark.parametrize("interval", [30, IDLE // 4, IDLE])
def test_keepalives_of_the_server_and_their_answers_do_not_keep_it(monkeypatch, interval) -> None:
    monkeypatch.setattr(Socket, "waiting", property(lambda socket: len(socket.value())), raising=False)
    session = idle(client_alive_interval=interval)
    answered = 0
    for _ in range(IDLE + IDLE // LOOKS):
        session.pass_time(1)
        if session.questions > answered:
            answered += 1
            session.client.sendPacket(FAILURE, b"")
            session.wire.pump()

    assert answered
    assert session.client.disconnect == (BY_APPLICATION, b"idle for 800 s")


def test_new_keys_do_not_keep_it() -> None:
    session = idle()
    run(session)
    for _ in range(IDLE // 100):
        session.pass_time(100)
        session.transport._rekey()
        session.wire.pump()
    session.pass_time(IDLE // LOOKS)

    assert session.client.key_exchanges > 3
    assert session.wire.closed


def test_work_without_bytes_keeps_it_until_it_is_done() -> None:
    session = idle()
    channel = run(session)
    program: Recorder = session.gate.avatar.programs[channel]
    program.busy = True
    session.pass_time(5 * IDLE)
    assert not session.wire.closed

    program.busy = False
    session.pass_time(IDLE - 1)
    assert not session.wire.closed
    session.pass_time(IDLE // LOOKS + 1)
    assert session.wire.closed


def test_output_that_waits_for_the_clients_window_does_not_keep_it() -> None:
    session = idle()
    channel = start(session.client, session.wire, (b"exec", NS(b"anything")), window=10)
    stream = session.gate.avatar.programs[channel].stream
    stream.write(bytes(1000))
    session.wire.pump()
    assert len(channel_data(session.client)) == 10
    session.pass_time(IDLE + IDLE // LOOKS)

    assert session.wire.closed


def test_a_window_that_opens_byte_by_byte_keeps_it_while_data_goes() -> None:
    session = idle()
    channel = start(session.client, session.wire, (b"exec", NS(b"anything")), window=10)
    session.gate.avatar.programs[channel].stream.write(bytes(13))
    for _ in range(3):
        session.pass_time(IDLE - 1)
        session.client.send_channel(ADJUST, channel, struct.pack(">L", 1))
        session.wire.pump()
    assert len(channel_data(session.client)) == 13
    session.pass_time(IDLE - 1)
    assert not session.wire.closed


def test_a_full_socket_keeps_it_only_while_it_empties() -> None:
    session = idle()
    session.wire.server_socket.waiting = 1000
    session.wire.fill()
    for _ in range(5):
        session.pass_time(IDLE - 1)
        session.wire.server_socket.waiting -= 1
    session.pass_time(IDLE - 1)
    assert not session.transport.ended

    session.pass_time(IDLE // LOOKS + 1)
    assert session.transport.ended


# Both


def test_nothing_is_watched_where_the_times_are_0() -> None:
    session = Session()
    session.pass_time(3000)

    assert session.questions == 0
    assert not session.wire.closed


def test_no_timer_is_left() -> None:
    session = alive(idle_timeout=IDLE)
    session.wire.lose()

    assert session.clock.getDelayedCalls() == []


def test_a_watch_that_breaks_ends_the_connection(monkeypatch) -> None:
    session = alive()
    monkeypatch.setattr(Watch, "waiting", property(lambda _: 1 / 0))
    session.wire.fill()
    with capturedLogs() as logs:
        session.pass_time(INTERVAL)

    assert session.transport.ended
    assert any("log_failure" in event for event in logs)
