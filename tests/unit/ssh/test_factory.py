from twisted.conch.ssh.common import NS
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs

from conchgo.ssh.factory import LOG_INTERVAL
from conchgo.ssh.settings import SSHSettings
from tests.ssh_client import connect, log_in, start
from tests.ssh_server import Gate, make_factory

CLOSE, REFUSED, REQUEST = 97, 92, 98


def idle(factory, host: str):
    """One more connection from `host`; None if it is refused."""
    transport = factory.buildProtocol(IPv4Address("TCP", host, 1))
    if transport is not None:
        transport.makeConnection(StringTransport(lenient=True))
    return transport


def test_a_thousand_idle_connections_are_few_and_others_get_in() -> None:
    clock = Clock()
    factory = make_factory(clock, Gate())
    with capturedLogs() as logs:
        accepted = [transport for _ in range(1000) if (transport := idle(factory, "192.0.2.1"))]

    assert len(accepted) == 20 == factory.startups.count == len(factory.transports)
    assert len(logs) == 1
    client, _ = log_in(factory)
    assert 52 in client.numbers


def test_idle_connections_from_everywhere_are_bounded_too_and_closed_in_time() -> None:
    clock = Clock()
    factory = make_factory(clock, Gate())
    accepted = [transport for i in range(1000) if (transport := idle(factory, f"10.0.{i % 250}.1"))]
    assert len(accepted) == 100

    clock.pump([120, 5])
    assert all(transport.transport.disconnected for transport in accepted)
    for transport in accepted:
        transport.connectionLost()
    assert factory.startups.count == 0
    assert not factory.transports
    assert idle(factory, "192.0.2.1")


def test_ipv6_hosts_are_counted_by_their_network() -> None:
    factory = make_factory(Clock(), Gate(), settings=SSHSettings(max_startups_per_host=2))
    accepted = [factory.buildProtocol(IPv6Address("TCP", f"2001:db8::{i}", 1)) for i in range(9)]

    assert len([transport for transport in accepted if transport]) == 2


def test_who_is_logged_in_does_not_count() -> None:
    factory = make_factory(Clock(), Gate(), settings=SSHSettings(max_startups=1))
    sessions = [log_in(factory) for _ in range(5)]

    assert factory.startups.count == 0
    for _, wire in sessions:
        wire.lose()
    assert factory.startups.count == 0


def test_refused_connections_are_logged_now_and_then() -> None:
    clock = Clock()
    factory = make_factory(clock, Gate(), settings=SSHSettings(max_startups=0))
    with capturedLogs() as logs:
        for _ in range(50):
            idle(factory, "192.0.2.1")
        clock.advance(LOG_INTERVAL)
        idle(factory, "192.0.2.1")

    assert [event["count"] for event in logs] == [1, 50]


def test_the_address_is_that_of_the_socket() -> None:
    factory = make_factory(Clock(), Gate())

    assert factory.buildProtocol(IPv6Address("TCP", "::ffff:192.0.2.9", 1)).address == "192.0.2.9"
    assert factory.buildProtocol(None).address == ""


# The end of the service


def test_draining_lets_running_channels_finish() -> None:
    gate = Gate()
    factory = make_factory(Clock(), gate)
    stranger, stranger_wire = connect(factory)
    idler, idler_wire = log_in(factory)
    client, wire = log_in(factory)
    channel = start(client, wire, (b"exec", NS(b"long work")))
    done = []
    factory.drain().addCallback(done.append)
    for each in (stranger_wire, idler_wire, wire):
        each.pump()

    assert stranger.disconnect
    assert idler.disconnect
    assert not client.disconnect
    assert idle(factory, "192.0.2.1") is None
    client.open_session(number=5)
    wire.pump()
    assert client.received(REFUSED)
    assert not done

    gate.avatar.programs[0].stream.exit(0)
    client.send_channel(CLOSE, channel)
    wire.pump()
    assert client.disconnect
    assert done == [None]


def test_draining_nothing_is_done_at_once() -> None:
    done = []
    make_factory(Clock(), Gate()).drain().addCallback(done.append)

    assert done == [None]


def test_everybody_is_told_at_the_end() -> None:
    gate = Gate()
    factory = make_factory(Clock(), gate)
    client, wire = log_in(factory)
    start(client, wire, (b"exec", NS(b"long work")))
    client.open_session(number=7)
    wire.pump()
    done = []
    factory.drain().addCallback(done.append)
    factory.disconnect_all()
    wire.pump()

    # What was cut off ended by a signal (RFC 4254, section 6.10), and by no status.
    signal = NS(b"exit-signal") + b"\0" + NS(b"TERM") + b"\0" + NS(b"the server ended it") + NS(b"")
    assert client.messages[-3:-1] == [(REQUEST, bytes(4) + signal), (CLOSE, bytes(4))]
    assert client.disconnect == (11, b"the server is shutting down")
    assert gate.avatar.programs[0].calls == ["started", "connection_lost"]
    assert done == [None]


def test_who_is_not_logged_in_yet_is_told_too() -> None:
    factory = make_factory(Clock(), Gate())
    stranger, wire = connect(factory)
    factory.disconnect_all()
    wire.pump()

    assert stranger.disconnect == (11, b"the server is shutting down")
