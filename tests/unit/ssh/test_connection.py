import struct

import pytest
from twisted.conch.ssh.common import NS
from twisted.internet.task import Clock

from conchgo.ssh.settings import SSHSettings
from tests.ssh_client import channel_data, log_in, start
from tests.ssh_server import Gate, make_factory

OPEN, CONFIRMED, REFUSED, ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST = 90, 91, 92, 93, 94, 95, 96, 97, 98
PROHIBITED, CONNECT_FAILED, UNKNOWN_TYPE, SHORTAGE = 1, 2, 3, 4
PROTOCOL_ERROR = 2


@pytest.fixture
def session():
    return log_in(make_factory(Clock(), Gate(), settings=SSHSettings(max_channels=3)))


def refusals(client) -> list[tuple[int, int]]:
    """Channel number of the client, and reason code, of every refused channel."""
    return [struct.unpack(">LL", payload[:8]) for payload in client.received(REFUSED)]


def test_a_channel_is_confirmed_with_our_window(session) -> None:
    client, wire = session
    client.open_session(number=77)
    wire.pump()

    assert client.received(CONFIRMED) == [struct.pack(">LLLL", 77, 0, 2 * 1024 * 1024, 32768)]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (b"direct-tcpip", PROHIBITED),
        (b"forwarded-tcpip", PROHIBITED),
        (b"x11", PROHIBITED),
        (b"direct-streamlocal@openssh.com", PROHIBITED),
        (b"tun@openssh.com", UNKNOWN_TYPE),
        (b"", UNKNOWN_TYPE),
        (b"\xff", UNKNOWN_TYPE),
    ],
)
def test_only_sessions(session, kind, code) -> None:
    client, wire = session
    details = NS(b"localhost") + struct.pack(">L", 22) + NS(b"localhost") + struct.pack(">L", 22)
    client.sendPacket(OPEN, NS(kind) + struct.pack(">LLL", 5, 2**21, 2**15) + details)
    wire.pump()

    assert refusals(client) == [(5, code)]
    assert not wire.closed


def test_several_at_once_but_not_too_many(session) -> None:
    client, wire = session
    for number in range(4):
        client.open_session(number=number)
    wire.pump()
    assert len(client.received(CONFIRMED)) == 3
    assert refusals(client) == [(3, SHORTAGE)]

    client.send_channel(CLOSE, 1)
    client.open_session(number=9)
    wire.pump()
    assert len(client.received(CONFIRMED)) == 4


def test_a_channel_that_only_we_closed_still_counts(session) -> None:
    client, wire = session
    for _ in range(3):
        start(client, wire, (b"shell", b""))
    client.open_session(number=9)
    wire.pump()

    assert len(client.received(CLOSE)) == 3
    assert refusals(client) == [(9, SHORTAGE)]


@pytest.mark.parametrize("max_packet", [0, 1, 255])
def test_absurd_packet_sizes(session, max_packet) -> None:
    client, wire = session
    client.open_session(number=5, max_packet=max_packet)
    wire.pump()

    assert refusals(client) == [(5, CONNECT_FAILED)]


def test_channels_do_not_mix(session) -> None:
    client, wire = session
    first, second = (start(client, wire, (b"exec", NS(b"echo"))) for _ in range(2))
    client.send_channel(DATA, second, NS(b"two"))
    client.send_channel(CLOSE, first)
    client.send_channel(DATA, second, NS(b"more"))
    wire.pump()

    assert (first, second) == (0, 1)
    assert channel_data(client) == b"twomore"


@pytest.mark.parametrize("number", [ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST])
@pytest.mark.parametrize("channel", [1, 0xFFFFFFFF])
def test_an_unknown_channel_is_the_clients_fault(session, number, channel) -> None:
    client, wire = session
    start(client, wire)
    client.send_channel(number, channel, NS(b"x") + NS(b"x"))
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR
    assert b"unknown channel" in client.disconnect[1]


@pytest.mark.parametrize("number", [ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST])
def test_a_closed_channel_is_unknown(session, number) -> None:
    client, wire = session
    channel = start(client, wire)
    client.send_channel(CLOSE, channel)
    client.send_channel(number, channel, NS(b"x") + NS(b"x"))
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR


@pytest.mark.parametrize("number", [ADJUST, DATA, EXTENDED, EOF, REQUEST])
def test_what_crosses_our_close_is_no_fault(session, number) -> None:
    client, wire = session
    channel = start(client, wire, (b"shell", b""))
    assert client.received(CLOSE)
    details = {ADJUST: bytes(4), DATA: NS(b"x"), EXTENDED: bytes(4) + NS(b"x"), EOF: b"", REQUEST: NS(b"exec") + b"\1"}
    client.send_channel(number, channel, details[number])
    client.send_channel(CLOSE, channel)
    wire.pump()

    assert not wire.closed
    assert not client.received(100)
    assert wire.server.service.channels == {}


@pytest.mark.parametrize("number", [CONFIRMED, REFUSED])
def test_answers_to_what_was_not_asked(session, number) -> None:
    client, wire = session
    client.sendPacket(number, bytes(20))
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR


@pytest.mark.parametrize("number", [81, 82, 99, 100])
def test_answers_that_mean_nothing(session, number) -> None:
    client, wire = session
    client.sendPacket(number, bytes(4))
    wire.pump()

    assert not wire.closed
    assert client.numbers[-1] == 52


@pytest.mark.parametrize(
    "name", [b"keepalive@openssh.com", b"tcpip-forward", b"no-more-sessions@openssh.com", b"\xff", b""]
)
def test_global_requests_are_refused_quietly(session, name) -> None:
    client, wire = session
    client.sendPacket(80, NS(name) + b"\1" + NS(b"localhost") + bytes(4))
    client.sendPacket(80, NS(name) + b"\0")
    wire.pump()

    assert client.received(82) == [b""]
    assert not wire.closed


def test_an_unknown_message_is_not_implemented(session) -> None:
    client, wire = session
    client.sendPacket(127, b"payload")
    client.sendPacket(194, b"payload")
    wire.pump()

    assert len(client.received(3)) == 2


def test_a_ping_comes_back(session) -> None:
    client, wire = session
    client.sendPacket(192, NS(b"any bytes"))
    wire.pump()

    assert client.received(193) == [NS(b"any bytes")]
