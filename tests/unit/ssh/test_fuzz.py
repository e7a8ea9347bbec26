"""Whatever a client sends, in whatever order: an answer or a clean end, never a trace in the log."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs

from tests.ssh_client import connect, log_in, start
from tests.ssh_server import Gate, make_factory

number = st.integers(0, 3) | st.sampled_from([10, 2**31, 2**32 - 1])
words = st.sampled_from([b"session", b"exec", b"shell", b"subsystem", b"sftp", b"env", b"echo", b"pty-req"])
field = st.one_of(
    number.map(lambda value: struct.pack(">L", value)),
    (st.binary(max_size=20) | words).map(NS),
    st.sampled_from([b"\0", b"\1"]),
    st.binary(max_size=6),
)
payload = st.lists(field, max_size=6).map(b"".join)


def traces(logs) -> list[str]:
    return [str(event["log_failure"]) for event in logs if "log_failure" in event]


@settings(deadline=None, max_examples=150)
@given(messages=st.lists(st.tuples(st.integers(1, 255) | st.sampled_from([80, 90, 93, 94, 96, 97, 98]), payload)))
def test_a_session(messages) -> None:
    with capturedLogs() as logs:
        factory = make_factory(Clock(), Gate())
        client, wire = log_in(factory)
        start(client, wire, (b"exec", NS(b"echo")))
        start(client, wire)
        for kind, data in messages:
            client.send_now(kind, data)
            wire.pump()
        wire.lose()

    assert not traces(logs)
    assert not factory.transports
    assert wire.server.factory.portal.realm.avatar.logouts == 1


@settings(deadline=None, max_examples=150)
@given(messages=st.lists(st.tuples(st.sampled_from([5, 7, 20, 21, 30, 50, 50, 50, 60, 80]), payload), max_size=6))
def test_a_login(messages) -> None:
    with capturedLogs() as logs:
        clock = Clock()
        factory = make_factory(clock, Gate())
        client, wire = connect(factory)
        client.request_userauth()
        for kind, data in messages:
            client.send_now(kind, data)
            wire.pump()
            clock.advance(1)
        wire.lose()

    assert not traces(logs)
    assert factory.startups.count == 0
    assert clock.getDelayedCalls() == []


@settings(deadline=None, max_examples=200)
@given(data=st.lists(st.binary(max_size=200), max_size=5))
@pytest.mark.parametrize("start_", [b"", b"SSH-2.0-fuzz\r\n"])
def test_bytes(start_, data) -> None:
    with capturedLogs() as logs:
        factory = make_factory(Clock(), Gate())
        transport = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1))
        transport.makeConnection(StringTransport(lenient=True))
        for piece in (start_, *data):
            transport.dataReceived(piece)
        transport.connectionLost()

    assert not traces(logs)
