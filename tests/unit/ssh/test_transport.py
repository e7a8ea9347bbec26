import socket
import struct
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from twisted.conch.ssh.common import MP, NS
from twisted.conch.ssh.keys import Key
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from zope.interface import directlyProvides

from conchgo import __version__
from conchgo.ssh.algorithms import ALGORITHM_SETS
from conchgo.ssh.conch_private import GROUP14_PRIME
from conchgo.ssh.keyexchange import MAX_KEXINIT
from conchgo.ssh.packets import Sealer
from conchgo.ssh.transport import CLOSE_TIMEOUT, MAX_MESSAGES_BEFORE_LOGIN, MAX_UNREAD
from tests.ssh_client import RawClient, Wire, channel_data, connect, log_in, start
from tests.ssh_server import HOST_KEY, Echo, make_factory

PEER = IPv4Address("TCP", "192.0.2.1", 5000)
PROTOCOL_ERROR = 2
KEY_EXCHANGE_FAILED = 3
SERVICE_NOT_AVAILABLE = 7
BY_APPLICATION = 11


def stranger(factory) -> tuple[object, StringTransport]:
    """A connection whose peer sends bytes of its own."""
    transport = factory.buildProtocol(PEER)
    socket = StringTransport(peerAddress=PEER, lenient=True)
    transport.makeConnection(socket)
    return transport, socket


def with_algorithms(**names: bytes) -> RawClient:
    client = RawClient()
    for attribute, name in names.items():
        setattr(client, attribute, [name])
    return client


# Names on the wire


def test_the_version_is_our_own(factory) -> None:
    _, socket = stranger(factory)

    assert socket.value().startswith(b"SSH-2.0-conchgo_" + __version__.encode() + b"\r\n")
    assert b"Twisted" not in socket.value()


@pytest.mark.parametrize("name", ALGORITHM_SETS)
def test_exactly_the_set_is_offered(clock, gate, name) -> None:
    algorithms = ALGORITHM_SETS[name]
    host_keys = (HOST_KEY, Key(rsa.generate_private_key(65537, 2048)))
    client, _ = connect(make_factory(clock, gate, algorithms=algorithms, host_keys=host_keys))

    lists, rest = [], client.otherKexInitPayload[17:]
    for _ in range(10):
        size = struct.unpack(">L", rest[:4])[0]
        lists.append(tuple(rest[4 : 4 + size].split(b",")))
        rest = rest[4 + size :]
    assert lists == [
        (*algorithms.key_exchanges, b"kex-strict-s-v00@openssh.com", b"ext-info-s"),
        (b"ssh-ed25519", b"rsa-sha2-512", b"rsa-sha2-256"),
        algorithms.ciphers,
        algorithms.ciphers,
        algorithms.macs,
        algorithms.macs,
        (b"none",),
        (b"none",),
        (b"",),
        (b"",),
    ]


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
@pytest.mark.parametrize("kex", ALGORITHM_SETS["compatible"].key_exchanges[1:])
def test_every_key_exchange_works(factory, kex) -> None:
    client, _ = connect(factory, with_algorithms(supportedKeyExchanges=kex))

    assert client.key_exchanges == 1
    assert client.kexAlg == kex


@pytest.mark.parametrize("cipher", [b"aes128-ctr", b"aes192-ctr", b"aes256-ctr"])
@pytest.mark.parametrize("mac", [b"hmac-sha2-256", b"hmac-sha2-512"])
def test_what_conchs_own_client_knows_works(factory, cipher, mac) -> None:
    client, wire = connect(factory, with_algorithms(supportedCiphers=cipher, supportedMACs=mac))
    client.request_userauth()
    wire.pump()

    assert client.numbers == [7, 6]


@pytest.mark.parametrize(
    "make", [lambda: ec.generate_private_key(ec.SECP384R1()), lambda: rsa.generate_private_key(65537, 2048)]
)
def test_every_host_key_signs(clock, gate, make) -> None:
    key = Key(make())
    factory = make_factory(clock, gate, host_keys=(key,))
    client, _ = connect(factory, with_algorithms(supportedPublicKeys=factory.host_signatures[0]))

    assert client.key_exchanges == 1


@pytest.mark.parametrize(
    "names",
    [
        {"supportedKeyExchanges": b"diffie-hellman-group14-sha1"},
        {"supportedKeyExchanges": b"diffie-hellman-group-exchange-sha256"},
        {"supportedPublicKeys": b"ssh-rsa"},
        {"supportedCiphers": b"aes128-cbc"},
        {"supportedCiphers": b"none"},
        {"supportedMACs": b"hmac-sha1"},
        {"supportedMACs": b"none"},
        {"supportedCompressions": b"zlib"},
        {"supportedCompressions": b"zlib@openssh.com"},
    ],
)
def test_old_algorithms_are_not_negotiated(clock, gate, names) -> None:
    host_keys = (HOST_KEY, Key(rsa.generate_private_key(65537, 2048)))
    client, wire = connect(make_factory(clock, gate, host_keys=host_keys), with_algorithms(**names))

    assert client.key_exchanges == 0
    assert client.disconnect[0] == KEY_EXCHANGE_FAILED
    assert wire.closed


def test_ext_info_names_what_user_keys_may_sign_with(factory) -> None:
    client, _ = connect(factory)
    (info,) = client.received(7)

    signatures = NS(b"server-sig-algs") + NS(b",".join(factory.algorithms.user_signatures))
    others = NS(b"ping@openssh.com") + NS(b"0") + NS(b"publickey-hostbound@openssh.com") + NS(b"0")
    assert struct.unpack(">L", info[:4]) == (3,)
    assert info[4:] == signatures + others
    assert b"rsa-sha2-512" in info
    assert b"ssh-rsa" not in info
    assert client.numbers == [7]


def test_no_ext_info_for_who_did_not_ask(factory) -> None:
    client = RawClient()
    client._EXT_INFO_C = b"nothing"
    connect(factory, client)

    assert client.key_exchanges == 1
    assert client.messages == []


# Before the version


def test_a_version_may_come_byte_by_byte_and_without_cr(factory) -> None:
    transport, socket = stranger(factory)
    for byte in b"SSH-2.0-old client\n":
        transport.dataReceived(bytes([byte]))

    assert transport.gotVersion
    assert transport.otherVersionString == b"SSH-2.0-old client"
    assert not socket.disconnecting


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00", b"\0", b"SSH\n", b"SSH-2.0-" + b"x" * 300, b"S" * 255, b"\n" * 9],
)
def test_garbage_before_the_version_ends_it_at_once(clock, factory, garbage) -> None:
    transport, socket = stranger(factory)
    transport.dataReceived(garbage)
    socket.clear()
    transport.dataReceived(b"SSH-2.0-late\r\n" * 1000)

    assert socket.disconnecting
    assert socket.value() == b""
    assert not transport._opener.held


@pytest.mark.parametrize("version", [b"SSH-1.5-old\r\n", b"SSH-3.0-new\r\n", b"SSH-\r\n"])
def test_other_versions_are_refused(factory, version) -> None:
    transport, socket = stranger(factory)
    transport.dataReceived(version)

    assert socket.disconnecting


# Deadlines


@pytest.mark.parametrize("sent", [b"", b"SSH-2.0-half", b"SSH-2.0-slow\r\n", b"SSH-2.0-slow\r\n\0\0\0\x1c\x04"])
def test_half_a_handshake_is_closed_in_time(clock, factory, sent) -> None:
    transport, socket = stranger(factory)
    transport.dataReceived(sent)

    clock.advance(119)
    assert not socket.disconnecting
    clock.advance(1)
    assert socket.disconnecting
    assert not socket.disconnected
    clock.advance(CLOSE_TIMEOUT)
    assert socket.disconnected


def test_half_a_login_is_closed_in_time(clock, factory) -> None:
    client, wire = connect(factory)
    client.request_userauth()
    wire.pump()
    clock.advance(120)
    wire.pump()

    assert client.disconnect == (BY_APPLICATION, b"the login took too long")
    assert wire.closed
    assert not clock.getDelayedCalls()


def test_who_is_logged_in_may_stay(clock, factory) -> None:
    _, wire = log_in(factory)
    clock.advance(factory.settings.rekey_seconds - 1)
    wire.pump()

    assert not wire.closed
    wire.lose()
    assert not clock.getDelayedCalls()


def test_a_peer_that_does_not_take_the_disconnect_is_aborted(clock, factory) -> None:
    client, wire = log_in(factory)
    wire.hold_close = True
    client.sendPacket(90, b"malformed")
    wire.pump()

    assert not wire.server_socket.disconnected
    clock.advance(CLOSE_TIMEOUT)
    assert wire.server_socket.disconnected


# Order of messages


def test_userauth_only_after_the_key_exchange(factory) -> None:
    client = RawClient()
    wire = Wire(factory.buildProtocol(PEER), client, PEER)
    client.send_now(5, NS(b"ssh-userauth"))
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR
    assert 6 not in client.numbers


@pytest.mark.parametrize("number", [5, 50, 90])
def test_nothing_before_the_key_exchange(factory, number) -> None:
    transport, socket = stranger(factory)
    transport.dataReceived(b"SSH-2.0-hasty\r\n" + Sealer().seal(bytes([number]) + NS(b"ssh-userauth")))

    assert socket.disconnecting
    assert transport.service is None


def test_userauth_is_started_only_once(factory) -> None:
    client, wire = connect(factory)
    client.request_userauth()
    wire.pump()
    service = wire.server.service
    client.request_userauth()
    wire.pump()

    assert wire.server.service is service


def test_no_service_is_started_after_the_login(factory, gate) -> None:
    client, wire = log_in(factory)
    client.request_userauth()
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR
    assert gate.avatar.logouts == 1


@pytest.mark.parametrize("name", [b"ssh-connection", b"", b"other"])
def test_no_other_service_before_the_login(factory, name) -> None:
    client, wire = connect(factory)
    client.sendPacket(5, NS(name))
    wire.pump()

    assert client.disconnect[0] == SERVICE_NOT_AVAILABLE


@pytest.mark.parametrize("number", [80, 90, 94, 98, 127, 193, 255])
@pytest.mark.parametrize("asked", [False, True])
def test_nothing_of_a_session_before_the_login(factory, number, asked) -> None:
    client, wire = connect(factory)
    if asked:
        client.request_userauth()
    client.sendPacket(number, NS(b"session") + bytes(12))
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR


@pytest.mark.parametrize("asked", [False, True])
def test_a_ping_before_the_login_is_answered_and_counts(factory, asked) -> None:
    client, wire = connect(factory)
    if asked:
        client.request_userauth()
    client.sendPacket(192, NS(b"any bytes"))
    wire.pump()
    assert client.received(193) == [NS(b"any bytes")]

    for _ in range(MAX_MESSAGES_BEFORE_LOGIN):
        client.sendPacket(192, NS(b""))
    wire.pump()
    assert client.disconnect == (PROTOCOL_ERROR, b"too many messages before the login")


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\1", NS(b"x") + b"y"])
def test_a_malformed_ping_ends_the_connection(factory, payload) -> None:
    client, wire = connect(factory)
    client.sendPacket(192, payload)
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR


@pytest.mark.parametrize("authenticated", [False, True])
def test_no_ping_during_a_key_exchange(factory, authenticated) -> None:
    client, wire = log_in(factory) if authenticated else connect(factory)
    client.sendKexInit()
    client.send_now(192, NS(b""))
    wire.pump()

    assert client.received(193) == []
    assert client.disconnect[0] == PROTOCOL_ERROR


def test_no_ping_before_the_key_exchange(factory) -> None:
    client = RawClient()
    client.sendKexInit = lambda: client.send_now(192, NS(b""))
    connect(factory, client)

    assert client.received(193) == []
    assert client.disconnect[0] == PROTOCOL_ERROR


def test_authentication_without_its_service(factory, gate) -> None:
    client, wire = connect(factory)
    client.password(b"alice", b"secret")
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR
    assert gate.asked == []


def test_nothing_is_processed_after_a_disconnect(factory, gate) -> None:
    client, wire = connect(factory)
    client.request_userauth()
    client.sendPacket(1, struct.pack(">L", 11) + NS(b"bye") + NS(b""))
    client.password(b"alice", b"secret")
    wire.pump()

    assert gate.asked == []
    assert wire.closed
    assert client.disconnect is None


def test_a_program_gets_nothing_after_a_disconnect(factory, gate) -> None:
    client, wire = log_in(factory)
    channel = start(client, wire, (b"exec", NS(b"anything")))
    client.sendPacket(1, struct.pack(">L", 11) + NS(b"bye") + NS(b""))
    client.send_channel(94, channel, NS(b"too late"))
    wire.pump()

    assert gate.avatar.programs[0].input == b""


def test_nothing_is_processed_after_our_disconnect(factory, gate) -> None:
    client, wire = connect(factory)
    client.request_userauth()
    client.sendPacket(90, b"")
    client.password(b"alice", b"secret")
    wire.pump()

    assert gate.asked == []
    assert len(client.received(1)) == 1


def test_an_unknown_message_is_answered_with_its_own_number(factory) -> None:
    client, wire = connect(factory)
    client.sendPacket(2, NS(b"ignored"))
    client.sendPacket(3, b"")
    client.sendPacket(4, b"\1")
    client.sendPacket(8, b"what?")
    wire.pump()
    # KEXINIT 0, ECDH_INIT 1, NEWKEYS 2, then those above.
    assert client.received(3) == [struct.pack(">L", 6)]
    assert not wire.closed


@pytest.mark.parametrize("number", [5, 20, 30, 50, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99])
def test_malformed_messages_end_the_connection_quietly(factory, number) -> None:
    client, wire = log_in(factory)
    with capturedLogs() as logs:
        client.sendPacket(number, b"\0\0\0\xff")
        wire.pump()

    assert [event for event in logs if "log_failure" in event] == []
    assert wire.closed == (number not in (50, 99))
    if wire.closed:
        assert client.disconnect[0] == PROTOCOL_ERROR


def test_an_empty_packet_ends_the_connection(factory) -> None:
    transport, socket = stranger(factory)
    transport.dataReceived(b"SSH-2.0-empty\r\n" + struct.pack(">LB", 12, 11) + bytes(11))

    assert socket.disconnecting


def test_what_is_our_fault_is_logged_with_its_trace(factory, gate) -> None:
    client, wire = log_in(factory)
    wire.server.service.packetReceived = None
    with capturedLogs() as logs:
        client.open_session()
        wire.pump()

    assert [event for event in logs if "log_failure" in event]
    assert client.disconnect == (BY_APPLICATION, b"internal error")


def test_a_changed_packet_is_a_mac_error(factory) -> None:
    client, wire = connect(factory)
    client.request_userauth()
    data = bytearray(wire.client_socket.value())
    data[-1] ^= 1
    wire.client_socket.clear()
    wire.client_socket.write(bytes(data))
    wire.pump()

    assert client.disconnect == (5, b"bad MAC")


def test_no_secret_is_ever_logged(factory) -> None:
    with capturedLogs() as logs:
        client, wire = connect(factory)
        client.request_userauth()
        client.password(b"alice", b"hunter2-wrong")
        client.password(b"alice", b"hunter2-again")
        wire.pump()
        factory.clock.pump([1] * 3)
        client.password(b"alice", b"secret")
        wire.pump()
        factory.clock.advance(1)
        client.password(b"alice", b"hunter2-late")
        client.sendPacket(61, b"hunter2-unknown")
        client.sendPacket(200, b"hunter2-unknown")
        wire.pump()

    assert "hunter2" not in repr(logs)


# The key exchange


def kex_attack(factory, client: RawClient, number: int, payload: bytes) -> tuple[RawClient, Wire]:
    """Both KEXINITs went over the wire; the client's next message is another than it would be."""
    wire = Wire(factory.buildProtocol(PEER), client, PEER)
    client.sendPacket, real = lambda *_: None, client.sendPacket
    wire.pump()
    client.sendPacket = real
    client.send_now(number, payload)
    wire.pump()
    return client, wire


@pytest.mark.parametrize("value", [bytes(32), b"\1" + bytes(31), b"", b"x" * 31, b"x" * 33])
def test_bad_points_of_x25519(factory, value) -> None:
    with capturedLogs() as logs:
        client, _ = kex_attack(factory, RawClient(), 30, NS(value))

    assert client.disconnect[0] == KEY_EXCHANGE_FAILED
    assert [event for event in logs if "log_failure" in event] == []


@pytest.mark.parametrize("value", [b"", b"\x04" + bytes(64), b"\x04" + b"\x01" * 64, b"\x02" + b"\x01" * 31, b"\0"])
def test_bad_points_of_the_nist_curves(factory, value) -> None:
    client = with_algorithms(supportedKeyExchanges=b"ecdh-sha2-nistp256")
    kex_attack(factory, client, 30, NS(value))

    assert client.disconnect[0] == KEY_EXCHANGE_FAILED


@pytest.mark.parametrize("size", [0, 1215, 1216, 1217])
def test_bad_values_of_the_hybrid(factory, size) -> None:
    server = factory.buildProtocol(PEER)
    socket = StringTransport()
    server.makeConnection(socket)
    hybrid = b"mlkem768x25519-sha256"
    lists = (hybrid, b"ssh-ed25519", *[b"aes128-ctr"] * 2, *[b"hmac-sha2-256"] * 2, *[b"none"] * 2, b"", b"")
    server.gotVersion = True
    server.otherVersionString = b"SSH-2.0-x"
    server.ssh_KEXINIT(bytes(16) + b"".join(map(NS, lists)) + bytes(5))
    assert server.kexAlg == hybrid
    server.dataReceived(Sealer().seal(b"\x1e" + NS(b"\xff" * size)))

    assert socket.disconnecting


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
@pytest.mark.parametrize("offset", ["0", "1", "p - 1", "p", "2 ** 40000"])
def test_bad_values_of_finite_fields(factory, offset) -> None:
    client = with_algorithms(supportedKeyExchanges=b"diffie-hellman-group14-sha256")
    kex_attack(factory, client, 30, MP(eval(offset, {"p": GROUP14_PRIME})))

    assert client.disconnect[0] == KEY_EXCHANGE_FAILED


@pytest.mark.parametrize("number", [20, 21, 31, 32, 33, 34, 49])
def test_other_messages_than_the_one_that_is_due(factory, number) -> None:
    client, _ = kex_attack(factory, RawClient(), number, struct.pack(">LLL", 1024, 2048, 8192))

    assert client.disconnect[0] == PROTOCOL_ERROR


@pytest.mark.parametrize("number", [5, 50, 90])
def test_nothing_else_in_between(factory, number) -> None:
    client, _ = kex_attack(factory, RawClient(), number, NS(b"ssh-userauth"))

    assert client.disconnect[0] == PROTOCOL_ERROR


@pytest.mark.parametrize("number", [21, 30])
def test_no_key_exchange_without_its_start(factory, number) -> None:
    client, wire = connect(factory)
    client.send_now(number, NS(bytes(32)) if number == 30 else b"")
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR


@pytest.mark.parametrize(("guess", "right"), [(b"curve25519-sha256", False), (b"mlkem768x25519-sha256", True)])
def test_a_guess(clock, gate, guess, right) -> None:
    """RFC 4253, section 7: the packet that follows a wrong guess is ignored, after a right one it is taken."""

    class Guessing(RawClient):
        def sendPacket(self, messageType: int, payload: bytes) -> None:
            if messageType == 20 and not self.key_exchanges:
                payload = payload[:-5] + b"\1\0\0\0\0"
                self.ourKexInitPayload = b"\x14" + payload
            super().sendPacket(messageType, payload)
            if messageType == 20 and not right:
                self.send_now(34, b"the guess")

    factory = make_factory(clock, gate)
    client = Guessing()
    if right:
        # Conch's client lacks the hybrid, so let the server prefer what the client can do.
        factory.algorithms = replace(factory.algorithms, key_exchanges=(b"curve25519-sha256",))
    connect(factory, client)

    assert client.key_exchanges == 1


def test_newkeys_with_data(factory) -> None:
    client = RawClient()
    client.sendPacket, send = lambda number, data: send(number, b"x" if number == 21 else data), client.sendPacket
    connect(factory, client)

    assert client.disconnect[0] == PROTOCOL_ERROR


def test_the_client_may_rekey(factory, gate) -> None:
    client, wire = log_in(factory)
    gate.avatar.make = Echo
    channel = start(client, wire, (b"exec", NS(b"anything")))
    for round_ in range(5):
        client.sendKexInit()
        wire.pump()
        client.send_channel(94, channel, NS(b"%d" % round_))
        wire.pump()

    assert client.key_exchanges == 6
    assert channel_data(client) == b"01234"
    assert len(client.received(7)) == 1


def test_output_waits_while_keys_are_exchanged(factory, gate) -> None:
    client, wire = log_in(factory)
    start(client, wire, (b"exec", NS(b"anything")))
    (program,) = gate.avatar.programs
    client.sendKexInit()
    wire._carry(wire.client_socket, wire.server)
    assert program.stream.congested
    program.stream.write(b"x" * 100)
    assert program.stream.pending_output == 100

    wire.pump()
    assert channel_data(client) == b"x" * 100
    assert not program.stream.congested
    assert program.calls == ["started", "drained"]


def test_data_while_the_client_exchanges_keys_is_its_fault(factory) -> None:
    client, wire = log_in(factory)
    channel = start(client, wire, (b"exec", NS(b"echo")))
    client.sendKexInit()
    client.send_now(94, struct.pack(">L", channel) + NS(b"too early"))
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR


def test_a_stranger_may_exchange_keys_twice(factory) -> None:
    client, wire = connect(factory)
    client.sendKexInit()
    wire.pump()
    assert client.key_exchanges == 2

    client.sendKexInit()
    wire.pump()
    assert client.disconnect[0] == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "message",
    [(2, NS(b"")), (7, bytes(4)), (50, NS(b"alice") + NS(b"ssh-connection") + NS(b"none"))],
    ids=["IGNORE", "EXT_INFO", "none"],
)
def test_a_stranger_cannot_keep_the_server_reading(factory, message) -> None:
    client, wire = connect(factory)
    client.request_userauth()
    for _ in range(MAX_MESSAGES_BEFORE_LOGIN - 10):
        client.sendPacket(*message)
        wire.pump()
    assert client.disconnect is None

    for _ in range(10):
        client.sendPacket(*message)
    wire.pump()
    assert client.disconnect[0] == PROTOCOL_ERROR


@pytest.mark.parametrize(("spare", "refused"), [(0, False), (-1, True)])
def test_a_hundred_thousand_algorithms_are_not_compared(factory, spare, refused) -> None:
    transport, socket = stranger(factory)
    lists = [b"curve25519-sha256", b"ssh-ed25519", *[b"aes128-ctr"] * 2, *[b"hmac-sha2-256"] * 2, *[b"none"] * 2, b""]
    body = bytes(16) + b"".join(map(NS, lists))
    body += NS(b"," * (MAX_KEXINIT - len(body) - 9 - spare)) + bytes(5)
    transport.dataReceived(b"SSH-2.0-x\r\n" + Sealer().seal(bytes([20]) + body))

    assert socket.disconnecting is refused


def test_a_user_may_send_what_he_likes(factory) -> None:
    client, wire = log_in(factory)
    for _ in range(MAX_MESSAGES_BEFORE_LOGIN + 1):
        client.sendPacket(2, NS(b""))
    wire.pump()

    assert client.disconnect is None


def test_our_direction_has_new_keys_as_soon_as_we_said_so(factory) -> None:
    """Between our NEWKEYS and the client's, a DISCONNECT of ours must be readable."""
    client = RawClient()
    wire = Wire(factory.buildProtocol(PEER), client, PEER)
    client._EXT_INFO_C = b"nothing"
    client.sendPacket, send = lambda number, payload: number == 21 or send(number, payload), client.sendPacket
    wire.pump()
    wire.server.loseConnection()
    wire.pump()

    assert client.key_exchanges == 1

    assert client.disconnect[0] == BY_APPLICATION


# Who vanished


def test_a_client_that_vanished_is_missed_in_two_minutes(factory) -> None:
    """Else its sessions counted, and its files stayed open, for more than two hours."""
    wire = StringTransport(peerAddress=PEER, lenient=True)
    with socket.socket() as tcp:
        wire.getHandle = lambda: tcp
        wire.setTcpNoDelay = lambda on: tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, on)
        wire.setTcpKeepAlive = lambda on: tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, on)
        directlyProvides(wire, ITCPTransport)
        factory.buildProtocol(PEER).makeConnection(wire)

        idle, interval, count = (
            tcp.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert idle + interval * count == 120


# Who asks and does not read


def test_replies_that_nobody_reads_end_the_connection(factory) -> None:
    client, wire = log_in(factory)
    wire.fill()
    asked = 0
    while not wire.server_socket.disconnected:
        client.sendPacket(80, NS(b"keepalive@openssh.com") + b"\1")
        wire._carry(wire.client_socket, wire.server)
        asked += 1
        assert asked < MAX_UNREAD

    assert wire.server.ended
    assert len(wire.server_socket.value()) < MAX_UNREAD + 1000


def test_reading_in_between_is_enough(factory) -> None:
    client, wire = log_in(factory)
    for _ in range(3):
        wire.fill()
        for _ in range(MAX_UNREAD // 100):
            client.sendPacket(80, NS(b"keepalive@openssh.com") + b"\1")
        wire._carry(wire.client_socket, wire.server)
        wire.empty()

    assert not wire.server.ended
