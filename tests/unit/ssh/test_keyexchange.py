"""Strict key exchange, and new keys in time: the exact order of messages, over a wire in memory."""

import struct
from dataclasses import replace

import pytest
from twisted.conch.ssh.common import NS
from twisted.internet.address import IPv4Address

from conchgo.ssh.ciphers import CIPHERS, MACS, needs_mac
from conchgo.ssh.keyexchange import MAX_WAITING, MAX_WAITING_BYTES
from conchgo.ssh.packets import Sealer
from conchgo.ssh.wire import ProtocolViolation
from tests.ssh_client import ModernClient, RawClient, Wire, channel_data, connect, log_in, start
from tests.ssh_server import Echo, Gate, Recorder

PEER = IPv4Address("TCP", "192.0.2.1", 5000)
PROTOCOL_ERROR, KEY_EXCHANGE_FAILED, MAC_ERROR = 2, 3, 5
DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, EXT_INFO, KEXINIT, NEWKEYS = 1, 2, 3, 4, 7, 20, 21
PING, PONG = 192, 193

#: Messages that RFC 4253 lets come at any time, with what they hold.
ANYTIME = {IGNORE: NS(b"anything"), DEBUG: b"\0" + NS(b"text") + NS(b""), UNIMPLEMENTED: bytes(4)}
anytime = pytest.mark.parametrize("number", ANYTIME)

STRICT, MARKER = b"kex-strict-c-v00@openssh.com", b"kex-strict-s-v00@openssh.com"

#: Every cipher with every MAC that it needs.
PAIRS = [(cipher, mac) for cipher in CIPHERS for mac in (MACS if needs_mac(cipher) else (b"hmac-sha2-256",))]
pairs = pytest.mark.parametrize(("cipher", "mac"), PAIRS)


@pytest.fixture
def gate():
    gate = Gate()
    gate.avatar.make = Echo
    return gate


@pytest.fixture
def limited(factory):
    """Gives the server other limits."""

    def limit(**limits: float):
        factory.settings = replace(factory.settings, **limits)
        return factory

    return limit


class Interrupted(ModernClient):
    """Sends one more message at one point of its first key exchange."""

    def __init__(self, number: int, *, before: int, strict: bool) -> None:
        super().__init__(strict=strict)
        self._number, self._before = number, before

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        if messageType == self._before and not self.key_exchanges:
            super().sendPacket(self._number, ANYTIME[self._number])
        super().sendPacket(messageType, payload)


# Strict key exchange: messages


@anytime
@pytest.mark.parametrize("before", [KEXINIT, 30, NEWKEYS])
def test_a_strict_client_sends_nothing_else_before_or_in_the_first_exchange(factory, number, before) -> None:
    client, wire = connect(factory, Interrupted(number, before=before, strict=True))

    assert client.disconnect[0] == PROTOCOL_ERROR
    assert wire.closed


@anytime
@pytest.mark.parametrize("before", [KEXINIT, 30, NEWKEYS])
def test_another_client_may(factory, number, before) -> None:
    client, _ = log_in(factory, client=Interrupted(number, before=before, strict=False))

    assert client.disconnect is None
    assert client.numbers == [7, 6, 52]


@anytime
def test_a_strict_client_may_after_the_first_exchange(factory, number) -> None:
    client, wire = connect(factory, ModernClient())
    client.sendPacket(number, ANYTIME[number])
    client.sendKexInit()
    client.sendPacket(number, ANYTIME[number])
    wire.pump()

    assert (client.disconnect, client.key_exchanges) == (None, 2)


def test_any_number_of_messages_before_the_first_exchange_is_too_much(factory) -> None:
    """Not even 2^32 of them, after which a sequence number is 0 again."""
    client = ModernClient()
    wire = Wire(factory.buildProtocol(PEER), client, PEER)
    wire.client_socket.clear()
    wire.server.dataReceived(b"SSH-2.0-patient\r\n")
    wire.server._opener._sequence = 0xFFFFFFFF
    client.transport.write(bytes(client.sealer.seal(bytes([IGNORE]) + ANYTIME[IGNORE])))
    assert wire.server._opener.last_sequence == 0xFFFFFFFE
    client.transport.write(bytes(client.sealer.seal(client.ourKexInitPayload)))
    wire.pump()

    assert client.disconnect[0] == PROTOCOL_ERROR


def test_a_strict_client_may_guess(factory) -> None:
    """The packet after a wrong guess belongs to the exchange."""

    class Guessing(ModernClient):
        def sendPacket(self, messageType: int, payload: bytes) -> None:
            first = messageType == KEXINIT and not self.key_exchanges
            if first:
                payload = payload[:-5] + b"\1\0\0\0\0"
                self.ourKexInitPayload = bytes([KEXINIT]) + payload
            super().sendPacket(messageType, payload)
            if first:
                self.transport.write(bytes(self.sealer.seal(bytes([30]) + NS(b"wrong"))))

    client, _ = log_in(factory, client=Guessing())

    assert client.numbers == [7, 6, 52]


def test_the_end_may_come_at_any_time(factory) -> None:
    client = ModernClient()
    wire = Wire(factory.buildProtocol(PEER), client, PEER)
    client.sendPacket(DISCONNECT, struct.pack(">L", 11) + NS(b"bye") + NS(b""))
    wire.pump()

    assert wire.closed
    assert client.disconnect is None


# Strict key exchange: sequence numbers


@pairs
def test_sequence_numbers_begin_again_with_every_new_keys_in_both_directions(factory, cipher, mac) -> None:
    client, wire = log_in(factory, client=ModernClient(cipher, mac))
    for round_ in range(2, 5):
        client.sendKexInit()
        wire.pump()
        assert client.key_exchanges == round_
        assert (client.sealer._sequence, wire.server._opener._sequence) == (0, 0)
        assert (client.opener._sequence, wire.server._sealer._sequence) == (0, 0)
        client.sendPacket(PING, NS(b"%d" % round_))
        client.sendPacket(8, b"unknown")
        wire.pump()
        assert client.received(PONG)[-1] == NS(b"%d" % round_)
        # What is unknown is named by the number that it has since the last NEWKEYS.
        assert client.received(UNIMPLEMENTED)[-1] == struct.pack(">L", 1)


def test_without_it_sequence_numbers_go_on(factory) -> None:
    client, wire = log_in(factory, client=ModernClient(strict=False))
    client.sendKexInit()
    wire.pump()
    client.sendPacket(8, b"unknown")
    wire.pump()

    # KEXINIT, ECDH_INIT, NEWKEYS, SERVICE_REQUEST, USERAUTH_REQUEST, and the first three again.
    assert client.received(UNIMPLEMENTED) == [struct.pack(">L", 8)]


@pairs
def test_what_was_recorded_before_new_keys_is_worth_nothing_after_them(factory, cipher, mac) -> None:
    client, wire = log_in(factory, client=ModernClient(cipher, mac))
    client.sendPacket(PING, NS(b"again"))
    recorded = wire.client_socket.value()
    client.sendKexInit()
    wire.pump()
    wire.server.dataReceived(recorded)
    wire.pump()

    assert client.disconnect is not None
    assert client.received(PONG) == [NS(b"again")]


def names_of(kexinit: bytes) -> list[bytes]:
    size = int.from_bytes(kexinit[17:21], "big")
    return kexinit[21 : 21 + size].split(b",")


def test_the_marker_stands_in_the_first_kexinit_only(factory) -> None:
    client, wire = connect(factory, ModernClient())
    assert names_of(client.otherKexInitPayload)[-2:] == [MARKER, b"ext-info-s"]

    client.sendKexInit()
    wire.pump()
    assert client.key_exchanges == 2
    assert MARKER not in names_of(client.otherKexInitPayload)


def test_a_marker_that_comes_late_changes_nothing(factory) -> None:
    client, wire = log_in(factory, client=ModernClient(strict=False))
    client.strict, client.sessionID, session = True, None, client.sessionID
    client.sendKexInit()
    client.strict, client.sessionID = False, session
    wire.pump()
    client.sendPacket(PING, NS(b"hello"))
    wire.pump()

    assert STRICT in names_of(client.ourKexInitPayload)
    assert client.received(PONG) == [NS(b"hello")]


# Terrapin, CVE-2023-48795


def ignore_without_keys() -> bytes:
    """What somebody on the way can make while nothing is encrypted."""
    return bytes(Sealer().seal(bytes([IGNORE]) + ANYTIME[IGNORE]))


def terrapin_on_the_server(factory, *, strict: bool) -> tuple[ModernClient, Wire]:
    """Insert an IGNORE before the client's NEWKEYS, and drop its first packet under the new keys, an EXT_INFO."""
    client = ModernClient(strict=strict)
    wire = Wire(factory.buildProtocol(PEER), client, PEER)
    wire.client_socket.write(ignore_without_keys())
    wire.pump()
    client.sendPacket(EXT_INFO, bytes(4))
    assert bool(wire.client_socket.value()) != strict
    wire.client_socket.clear()
    return client, wire


def terrapin_on_the_client(factory, *, strict: bool) -> tuple[ModernClient, Wire]:
    """Insert an IGNORE before the server's NEWKEYS, and drop its first packet under the new keys, an EXT_INFO."""
    client = ModernClient(strict=strict)
    wire = Wire(factory.buildProtocol(PEER), client, PEER)
    wire.server_socket.write(ignore_without_keys())
    wire._carry(wire.server_socket, client)
    wire._carry(wire.client_socket, wire.server)
    assert wire.server._sealer.packets == 1
    sent = wire.server_socket.value()
    wire.server_socket.clear()
    end = 0
    for _ in (31, NEWKEYS):
        end += 4 + int.from_bytes(sent[end : end + 4], "big")
    client.dataReceived(sent[:end])
    assert client.key_exchanges == 1
    return client, wire


def test_terrapin_on_the_server_is_noticed_at_the_inserted_ignore(factory) -> None:
    client, _ = terrapin_on_the_server(factory, strict=True)

    assert client.disconnect[0] == PROTOCOL_ERROR
    assert client.key_exchanges == 0


def test_terrapin_on_the_client_is_noticed_at_the_next_packet(factory) -> None:
    """Even by a client that overlooks the IGNORE: numbers begin again with the keys, so one is missing."""
    client, wire = terrapin_on_the_client(factory, strict=True)
    client.request_userauth()
    with pytest.raises(ProtocolViolation):
        wire.pump()


@pytest.mark.parametrize("attack", [terrapin_on_the_server, terrapin_on_the_client])
def test_terrapin_is_not_noticed_by_who_is_not_strict(factory, attack) -> None:
    """What the two tests above defend against is real."""
    client, wire = attack(factory, strict=False)
    client.request_userauth()
    wire.pump()

    assert client.numbers[-1] == 6
    assert (EXT_INFO in client.numbers) == (attack is terrapin_on_the_server)


# New keys in time: when


@pairs
def test_new_keys_after_so_many_bytes_received(limited, gate, cipher, mac) -> None:
    client, wire = log_in(limited(rekey_bytes=100_000), client=ModernClient(cipher, mac))
    gate.avatar.make = Recorder
    channel = start(client, wire, (b"exec", NS(b"anything")))
    for _ in range(30):
        client.send_channel(94, channel, NS(b"x" * 32_000))
        wire.pump()

    assert gate.avatar.programs[0].input == b"x" * 960_000
    assert 7 <= client.key_exchanges <= 11
    assert client.disconnect is None


def sends_much(factory, gate, cipher: bytes, mac: bytes, *, asked: bool) -> ModernClient:
    """Nearly a megabyte from a program; the client sends a PING now and then, or nothing but what an exchange needs."""
    client, wire = log_in(factory, client=ModernClient(cipher, mac))
    gate.avatar.make = Recorder
    start(client, wire, (b"exec", NS(b"anything")), window=0xFFFFFFFF)
    for _ in range(30):
        gate.avatar.programs[0].stream.write(b"x" * 32_000)
        if asked:
            client.sendPacket(PING, NS(b""))
        wire.pump()
    assert channel_data(client) == b"x" * 960_000
    return client


@pairs
def test_new_keys_after_so_many_bytes_sent(limited, gate, cipher, mac) -> None:
    client = sends_much(limited(rekey_bytes=100_000), gate, cipher, mac, asked=True)

    assert 7 <= client.key_exchanges <= 11


def test_new_keys_after_so_many_bytes_sent_even_if_nothing_comes(limited, gate) -> None:
    client = sends_much(limited(rekey_bytes=100_000), gate, *PAIRS[0], asked=False)

    assert 7 <= client.key_exchanges <= 11


@pytest.mark.parametrize("number", [IGNORE, PING])
def test_new_keys_after_so_many_packets(limited, number) -> None:
    client, wire = log_in(limited(rekey_packets=100))
    for _ in range(1000):
        client.sendPacket(number, NS(b""))
        wire.pump()

    assert 9 <= client.key_exchanges <= 11


def test_the_limit_counts_what_the_keys_in_force_protected(limited) -> None:
    client, wire = log_in(limited(rekey_packets=100))
    for _ in range(50):
        client.sendPacket(IGNORE, NS(b""))
    client.sendKexInit()
    wire.pump()
    for _ in range(80):
        client.sendPacket(IGNORE, NS(b""))
    wire.pump()

    assert client.key_exchanges == 2


def test_new_keys_after_so_long(clock, factory) -> None:
    client, wire = log_in(factory)
    for exchanges in range(2, 5):
        clock.advance(factory.settings.rekey_seconds - 1)
        wire.pump()
        assert client.key_exchanges == exchanges - 1
        clock.advance(1)
        wire.pump()
        assert client.key_exchanges == exchanges


def test_the_time_begins_again_with_the_clients_new_keys(clock, factory) -> None:
    client, wire = log_in(factory)
    clock.advance(factory.settings.rekey_seconds - 1)
    client.sendKexInit()
    wire.pump()
    clock.advance(factory.settings.rekey_seconds - 1)
    wire.pump()

    assert client.key_exchanges == 2


@pytest.mark.parametrize("kex", [b"curve25519-sha256", b"diffie-hellman-group14-sha256"])
def test_what_an_exchange_needed_is_gone_after_it(clock, factory, kex) -> None:
    """Payloads and keys are kilobytes of every idle connection."""
    client = RawClient()
    client.supportedKeyExchanges = [kex]
    _, wire = log_in(factory, client=client)
    leftovers = {"ourKexInitPayload", "otherKexInitPayload", "ecPub", "dhSecretKey", "dhSecretKeyPublicMP"}
    leftovers |= {"nextEncryptions", "currentEncryptions"}
    for exchanges in (1, 2):
        assert client.key_exchanges == exchanges
        assert not leftovers & vars(wire.server).keys()
        clock.advance(factory.settings.rekey_seconds)
        wire.pump()


# New keys in time: what may come meanwhile


def half_rekeyed(clock, factory, client: RawClient | None = None) -> tuple[RawClient, Wire, int]:
    """Logged in, with one program; the server's KEXINIT is on its way."""
    client, wire = log_in(factory, client=client or ModernClient())
    channel = start(client, wire, (b"exec", NS(b"anything")))
    clock.advance(factory.settings.rekey_seconds)
    assert wire.server.exchanging
    return client, wire, channel


def test_both_sides_at_once_make_one_exchange(clock, factory) -> None:
    client, wire, channel = half_rekeyed(clock, factory)
    client.sendKexInit()
    wire.pump()
    client.send_channel(94, channel, NS(b"hello"))
    wire.pump()

    assert client.key_exchanges == 2
    assert channel_data(client) == b"hello"
    assert client.disconnect is None


def test_what_the_client_sends_before_its_own_kexinit_is_taken(clock, factory) -> None:
    client, wire, channel = half_rekeyed(clock, factory)
    client.send_channel(94, channel, NS(b"before"))
    client.sendPacket(PING, NS(b"ping"))
    client.open_session(number=7)
    wire._carry(wire.client_socket, wire.server)
    assert channel_data(client) == b""

    wire.pump()
    assert client.key_exchanges == 2
    assert channel_data(client) == b"before"
    assert client.received(PONG) == [NS(b"ping")]
    assert len(client.received(91)) == 2


def test_a_channel_that_is_opened_meanwhile_works_afterwards(clock, factory, gate) -> None:
    client, wire, _ = half_rekeyed(clock, factory)
    client.open_session(number=7)
    client.channel_request(1, b"exec", NS(b"anything"))
    client.send_channel(94, 1, NS(b"hello"))
    client.send_channel(96, 1)
    wire._carry(wire.client_socket, wire.server)
    assert gate.avatar.programs[1].stream.congested

    wire.pump()
    assert channel_data(client) == b"hello"
    assert len(client.received(97)) == 1


def test_nothing_of_ours_is_sent_between_our_kexinit_and_our_newkeys(clock, factory, gate) -> None:
    client, wire, channel = half_rekeyed(clock, factory)
    wire._carry(wire.server_socket, Sink())
    client.send_channel(94, channel, NS(b"x" * 1000))
    client.sendPacket(PING, NS(b""))
    client.sendPacket(80, NS(b"keepalive@openssh.com") + b"\1")
    gate.avatar.programs[0].stream.write_error(b"error")
    gate.avatar.programs[0].stream.exit(0)
    wire._carry(wire.client_socket, wire.server)

    assert wire.server_socket.value() == b""


class Sink:
    def dataReceived(self, data: bytes) -> None:
        """Lost on the way."""


def test_a_login_that_is_decided_meanwhile_is_told_afterwards(clock, factory, gate) -> None:
    client, wire = connect(factory, ModernClient())
    gate.pending = []
    client.request_userauth()
    client.password(b"alice", b"secret")
    wire.pump()
    clock.advance(factory.settings.login_grace_time - 1)
    client.sendKexInit()
    wire._carry(wire.client_socket, wire.server)
    gate.pending[0].callback(None)
    assert wire.server.authenticated
    assert 52 not in client.numbers

    wire.pump()
    assert client.numbers[-1] == 52
    assert start(client, wire, (b"exec", NS(b"anything"))) == 0


def test_messages_of_ours_that_wait_are_counted(clock, factory) -> None:
    client, wire, _ = half_rekeyed(clock, factory)
    for _ in range(MAX_WAITING):
        client.sendPacket(PING, NS(b""))
    wire._carry(wire.client_socket, wire.server)
    assert not wire.server.ended

    client.sendPacket(PING, NS(b""))
    wire._carry(wire.client_socket, wire.server)
    assert wire.server.ended
    wire.pump()
    assert client.disconnect[0] == PROTOCOL_ERROR
    assert client.received(PONG) == []


def test_messages_of_ours_that_wait_are_weighed(clock, factory) -> None:
    client, wire, _ = half_rekeyed(clock, factory)
    for _ in range(MAX_WAITING_BYTES // 32_768 + 1):
        assert not wire.server.ended
        client.sendPacket(PING, NS(b"x" * 32_764))
        wire._carry(wire.client_socket, wire.server)

    assert wire.server.ended
    assert sum(len(payload) for _, payload in wire.server._blockedByKeyExchange) <= MAX_WAITING_BYTES


def test_what_waited_for_one_exchange_does_not_count_for_the_next(clock, factory) -> None:
    client, wire, _ = half_rekeyed(clock, factory)
    for _ in range(5):
        client.sendPacket(PING, NS(b"x" * (MAX_WAITING_BYTES // 5)))
        wire.pump()
        clock.advance(factory.settings.rekey_seconds)

    assert len(client.received(PONG)) == 5
    assert client.disconnect is None


def test_a_program_that_says_too_much_meanwhile_is_not_told_by_an_exception(clock, factory, gate) -> None:
    """`consumed` is called at any time; what it makes the server send must not raise into the program."""
    client, wire, channel = half_rekeyed(clock, factory)
    wire.server._blockedByKeyExchange.extend([(93, b"")] * MAX_WAITING)
    client.send_channel(97, channel)
    wire._carry(wire.client_socket, wire.server)

    assert wire.server.ended


def test_other_algorithms_may_be_agreed_on_with_new_keys(factory) -> None:
    client, wire = log_in(factory, client=ModernClient())
    for count, (cipher, mac) in enumerate(PAIRS, 2):
        client.supportedCiphers, client.supportedMACs = [cipher], [mac]
        client.sendKexInit()
        wire.pump()
        client.sendPacket(PING, NS(cipher))
        wire.pump()
        assert client.key_exchanges == count
        assert client.received(PONG)[-1] == NS(cipher)


def test_a_full_socket_keeps_programs_back_after_an_exchange(clock, factory, gate) -> None:
    client, wire, _ = half_rekeyed(clock, factory)
    wire.fill()
    wire.pump()
    assert client.key_exchanges == 2
    assert gate.avatar.programs[0].stream.congested

    wire.empty()
    assert not gate.avatar.programs[0].stream.congested


# New keys in time: who does not go along


class Halting(ModernClient):
    """Does not send what is in `withheld`."""

    withheld: tuple[int, ...] = ()

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        if messageType not in self.withheld:
            super().sendPacket(messageType, payload)


@pytest.mark.parametrize(
    ("begins", "withheld"),
    [
        ("server", (KEXINIT, 30, NEWKEYS)),
        ("server", (30, NEWKEYS)),
        ("server", (NEWKEYS,)),
        ("client", (30, NEWKEYS)),
        ("client", (NEWKEYS,)),
    ],
)
def test_who_does_not_finish_an_exchange_is_dropped(clock, factory, gate, begins, withheld) -> None:
    client, wire = log_in(factory, client=Halting())
    start(client, wire, (b"exec", NS(b"anything")))
    client.withheld = withheld
    if begins == "client":
        client.sendKexInit()
    else:
        clock.advance(factory.settings.rekey_seconds)
    wire.pump()
    clock.advance(factory.settings.login_grace_time - 1)
    assert not wire.server.ended
    clock.advance(1)

    assert wire.server.ended
    assert wire.server_socket.disconnecting
    wire.lose()
    assert gate.avatar.programs[0].calls[-1] == "connection_lost"
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("withheld", [(KEXINIT, 30, NEWKEYS), (30, NEWKEYS), (NEWKEYS,)])
def test_the_first_exchange_is_part_of_the_login_and_of_its_time(clock, factory, withheld) -> None:
    client = Halting()
    client.withheld = withheld
    _, wire = connect(factory, client)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(factory.settings.login_grace_time - 1)
    assert not wire.server.ended
    clock.advance(1)

    assert wire.server.ended
    wire.lose()
    assert clock.getDelayedCalls() == []


def test_a_slow_peer_has_its_time_again_with_each_exchange(clock, factory) -> None:
    client, wire, _ = half_rekeyed(clock, factory)
    clock.advance(factory.settings.login_grace_time - 1)
    wire.pump()
    clock.advance(factory.settings.login_grace_time)
    wire.pump()

    assert client.key_exchanges == 2
    assert client.disconnect is None


@pytest.mark.parametrize("steps", range(7))
@pytest.mark.parametrize("by_client", [False, True])
def test_no_timer_is_left_wherever_the_connection_is_lost(clock, factory, steps, by_client) -> None:
    client, wire = log_in(factory, client=ModernClient())
    if by_client:
        client.sendKexInit()
    else:
        clock.advance(factory.settings.rekey_seconds)
    for step in range(steps):
        if step % 2:
            wire._carry(wire.client_socket, wire.server)
        else:
            wire._carry(wire.server_socket, client)
    wire.lose()

    assert clock.getDelayedCalls() == []


def test_no_timer_is_left_where_the_last_packet_was_one_too_many(clock, limited) -> None:
    client, wire = log_in(limited(rekey_packets=10))
    for _ in range(20):
        client.sendPacket(IGNORE, NS(b""))
    client.sendPacket(DISCONNECT, struct.pack(">L", 11) + NS(b"bye") + NS(b""))
    wire.pump()

    assert wire.closed
    assert clock.getDelayedCalls() == []


def test_a_stranger_gets_one_exchange_more_and_no_other(limited) -> None:
    """However many packets it sends."""
    client, wire = connect(limited(rekey_packets=20))
    exchanges = 0
    for _ in range(200):
        client.sendPacket(IGNORE, NS(b""))
        wire.pump()
        exchanges = max(exchanges, client.key_exchanges)

    assert exchanges == 2
    assert client.disconnect == (PROTOCOL_ERROR, b"too many key exchanges before the login")


def test_a_stranger_that_made_its_exchange_may_still_log_in(factory) -> None:
    client, wire = connect(factory, ModernClient())
    client.sendKexInit()
    wire.pump()
    client.request_userauth()
    client.password(b"alice", b"secret")
    wire.pump()

    assert client.key_exchanges == 2
    assert client.numbers[-1] == 52


# New keys in the middle of everything


@pairs
def test_an_echo_is_whole_while_keys_change_all_the_time(clock, limited, cipher, mac) -> None:
    """By bytes, by time and by the client, in both directions, with what is on its way cut anywhere."""
    client, wire = log_in(limited(rekey_bytes=30_000), client=ModernClient(cipher, mac))
    channel = start(client, wire, (b"exec", NS(b"anything")))
    sent = b""
    for round_ in range(60):
        data = bytes([round_]) * (round_ * 331 % 32_768 + 1)
        client.send_channel(94, channel, NS(data))
        sent += data
        if round_ % 7 == 0 and client._keyExchangeState == client._KEY_EXCHANGE_NONE:
            client.sendKexInit()
        if round_ % 5 == 0 and wire.server.others_may_come and not wire.server.exchanging:
            clock.advance(3600)
        carry_some(wire, 4_001 * round_ % 49_000)
    wire.pump()

    assert client.disconnect is None
    assert channel_data(client) == sent
    assert client.key_exchanges >= 15


def carry_some(wire: Wire, count: int) -> None:
    """So many bytes each way; the others stay on the way."""
    for source, target in ((wire.client_socket, wire.server), (wire.server_socket, wire.client)):
        data = source.value()
        source.clear()
        target.dataReceived(data[:count])
        later = source.value()
        source.clear()
        source.write(data[count:] + later)
