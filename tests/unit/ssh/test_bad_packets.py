"""Packets that no client of good will sends, under real keys: the RFC's code, and nothing after them is looked at.

They are made by asyncssh's ciphers, so that nothing of ours decides what is a bad packet.
"""

import itertools
import struct

import pytest
from asyncssh.encryption import get_encryption, get_encryption_params
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from conchgo.ssh.ciphers import CIPHERS, MACS, needs_mac
from conchgo.ssh.receive_buffer import MAX_PACKET
from tests.ssh_client import ModernClient, Wire, channel_data, connect, log_in, start
from tests.ssh_server import Echo, Gate, make_factory

PROTOCOL_ERROR, MAC_ERROR, BY_APPLICATION = 2, 5, 11
DISCONNECT, DATA, PING, PONG = 1, 94, 192, 193

#: Every cipher with every MAC that it needs.
PAIRS = [(cipher, mac) for cipher in CIPHERS for mac in (MACS if needs_mac(cipher) else (b"hmac-sha2-256",))]
pairs = pytest.mark.parametrize(("cipher", "mac"), PAIRS)

#: More than any packet needs to be whole, whatever its length says.
FILLER = bytes(MAX_PACKET + 1024)


class Heard(Echo):
    """An echo that knows what it got."""

    def data_received(self, data: bytes) -> None:
        self.input += data
        super().data_received(data)


class Attack:
    """A logged-in client with a command, the packets that it can make, and what became of them.

    Packets begin anew with keys that nobody has used: strict key exchange makes their sequence numbers count from 0.
    """

    def __init__(self, cipher: bytes, mac: bytes) -> None:
        self.gate = Gate()
        self.gate.avatar.make = Heard
        self.factory = make_factory(Clock(), self.gate)
        self.client, self.wire = log_in(self.factory, client=ModernClient(cipher, mac))
        self.channel = start(self.client, self.wire, (b"exec", NS(b"anything")))
        self.client.sendKexInit()
        self.wire.pump()
        iv, key, mac_key = self.client.nextEncryptions.outgoing_keys
        key_size, iv_size, self.block, mac_key_size, _, etm = get_encryption_params(cipher, mac)
        self.block = max(self.block, 8)
        self.length_apart = etm or not needs_mac(cipher)
        self._encryption = get_encryption(cipher, key[:key_size], iv[:iv_size], mac, mac_key[:mac_key_size], etm)
        self._sequence = 0

    def packet(self, payload: bytes, *, padding: int | None = None, length: int | None = None) -> bytes:
        """A packet that is right but for what is given: what the padding's length says, what the packet's says."""
        unpadded = len(payload) + (1 if self.length_apart else 5)
        right = self.block - unpadded % self.block
        right += self.block if right < 4 else 0
        body = bytes([right if padding is None else padding]) + payload + bytes(right)
        data, tag = self._encryption.encrypt_packet(
            self._sequence, struct.pack(">L", len(body) if length is None else length), body
        )
        self._sequence += 1
        return data + tag

    def ping(self, text: bytes = b"after") -> bytes:
        return self.packet(bytes([PING]) + NS(text))

    def data(self, data: bytes) -> bytes:
        return self.packet(bytes([DATA]) + struct.pack(">L", self.channel) + NS(data))

    def send(self, *packets: bytes) -> None:
        """In one segment."""
        with capturedLogs() as logs:
            self.wire.server.dataReceived(b"".join(packets))
            self.wire.pump()
        assert [event for event in logs if "log_failure" in event] == []

    @property
    def done(self) -> list[bytes]:
        """Pings that were answered, and what the program got."""
        return [*self.client.received(PONG), *filter(None, [self.gate.avatar.programs[0].input])]

    def assert_ended(self, *codes: int) -> None:
        assert self.client.disconnect is not None
        assert self.client.disconnect[0] in codes
        assert self.wire.closed
        assert self.gate.avatar.programs[0].calls == ["started", "connection_lost"]
        assert self.gate.avatar.logouts == 1


@pairs
def test_what_another_makes_is_understood(cipher, mac) -> None:
    """Else the others would prove nothing."""
    attack = Attack(cipher, mac)
    attack.send(attack.ping(b"one"), attack.data(b"two"), attack.ping(b"three"))

    assert attack.client.received(PONG) == [NS(b"one"), NS(b"three")]
    assert channel_data(attack.client) == b"two"


@pytest.mark.parametrize("at", [5, 20, -1], ids=["padding length", "payload", "tag"])
@pairs
def test_a_changed_packet_is_a_mac_error(cipher, mac, at) -> None:
    attack = Attack(cipher, mac)
    changed = bytearray(attack.data(b"changed on the way"))
    changed[at] ^= 1
    attack.send(bytes(changed), attack.ping(), attack.data(b"after"))

    attack.assert_ended(MAC_ERROR)
    assert attack.done == []


@pairs
def test_a_changed_length_is_never_taken(cipher, mac) -> None:
    """It may be out of range, or ask for more than comes, or move the tag."""
    for bit in range(32):
        attack = Attack(cipher, mac)
        changed = bytearray(attack.data(b"changed on the way"))
        changed[bit // 8] ^= 1 << bit % 8
        attack.send(bytes(changed), attack.ping(), FILLER)

        attack.assert_ended(PROTOCOL_ERROR, MAC_ERROR)
        assert attack.done == []


@pytest.mark.parametrize("padding", [0, 1, 3, 250, 255])
@pairs
def test_bad_padding_under_a_good_mac(cipher, mac, padding) -> None:
    """RFC 4253, section 6: four bytes at least, and they leave a message."""
    attack = Attack(cipher, mac)
    attack.send(attack.packet(bytes([PING]) + NS(b"bad"), padding=padding), attack.ping())

    attack.assert_ended(PROTOCOL_ERROR)
    assert b"padding" in attack.client.disconnect[1]
    assert attack.done == []


@pytest.mark.parametrize("length", [0, 1, 4, 17, MAX_PACKET + 1, MAX_PACKET + 16, 2**31, 2**32 - 1])
@pairs
def test_a_length_out_of_range_is_refused_before_the_packet_is_there(cipher, mac, length) -> None:
    attack = Attack(cipher, mac)
    attack.send(attack.packet(bytes([PING]) + NS(b"bad"), length=length)[:16])

    attack.assert_ended(PROTOCOL_ERROR)
    assert b"length" in attack.client.disconnect[1]
    attack.send(attack.ping())
    assert attack.done == []


def sequences(attack: Attack) -> dict[str, list[bytes]]:
    first, second, third = (attack.ping(text) for text in (b"1", b"2", b"3"))
    return {
        "left out": [second, third],
        "left out later": [first, third],
        "repeated": [first, first, second],
        "swapped": [first, third, second],
    }


@pytest.mark.parametrize("what", ["left out", "left out later", "repeated", "swapped"])
@pairs
def test_packets_count(cipher, mac, what) -> None:
    attack = Attack(cipher, mac)
    packets = sequences(attack)[what]
    attack.send(*packets, FILLER)

    # Where the length is encrypted, it is another one at another place.
    attack.assert_ended(MAC_ERROR, *(() if attack.length_apart and b"chacha" not in cipher else (PROTOCOL_ERROR,)))
    assert attack.client.received(PONG) == ([] if what == "left out" else [NS(b"1")])


@pairs
def test_nothing_behind_the_clients_disconnect_is_done(cipher, mac) -> None:
    attack = Attack(cipher, mac)
    attack.send(
        attack.packet(bytes([DISCONNECT]) + struct.pack(">L", BY_APPLICATION) + NS(b"bye") + NS(b"")),
        attack.ping(),
        attack.data(b"after"),
    )
    attack.send(attack.ping(), attack.data(b"after"))

    assert attack.client.disconnect is None
    assert attack.wire.closed
    assert attack.done == []
    assert attack.gate.avatar.programs[0].calls == ["started", "connection_lost"]


@pairs
def test_nothing_behind_our_disconnect_is_done(cipher, mac) -> None:
    attack = Attack(cipher, mac)
    attack.wire.hold_close = True
    attack.send(attack.packet(bytes([90])), attack.ping(), attack.data(b"after"))
    attack.send(attack.ping(), attack.data(b"after"))
    attack.wire.lose()

    attack.assert_ended(PROTOCOL_ERROR)
    assert len(attack.client.received(DISCONNECT)) == 1
    assert attack.done == []


# However it arrives


def fed(wire: Wire, data: bytes, cuts: list[int]) -> None:
    """To the server, cut at these places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start_, end in itertools.pairwise(places):
        wire.server.dataReceived(data[start_:end])


@settings(deadline=None, max_examples=60)
@given(
    pair=st.sampled_from(PAIRS),
    sizes=st.lists(st.integers(1, 32_768) | st.integers(1, 100), min_size=1, max_size=6),
    cuts=st.lists(st.integers(0, 200_000), max_size=40),
)
def test_packets_arrive_in_any_pieces(pair, sizes, cuts) -> None:
    attack = Attack(*pair)
    contents = [bytes([number]) * size for number, size in enumerate(sizes)]
    fed(attack.wire, b"".join(map(attack.data, contents)) + attack.ping(), cuts)
    attack.wire.pump()

    assert channel_data(attack.client) == b"".join(contents)
    assert attack.client.received(PONG) == [NS(b"after")]


@settings(deadline=None, max_examples=60)
@given(pair=st.sampled_from(PAIRS), cuts=st.lists(st.integers(0, 2_000), max_size=40), strict=st.booleans())
def test_new_keys_are_in_force_from_the_next_byte_on(pair, cuts, strict) -> None:
    """The client's NEWKEYS and all of its login in one flow, cut anywhere."""
    gate = Gate()
    client, wire = connect(make_factory(Clock(), gate), ModernClient(*pair, strict=strict))
    client.sendKexInit()
    while client.key_exchanges < 2:
        wire._carry(wire.client_socket, wire.server)
        wire._carry(wire.server_socket, wire.client)
    client.request_userauth()
    client.password(b"alice", b"secret")
    client.open_session()
    data = wire.client_socket.value()
    wire.client_socket.clear()
    assert len(data) > 100
    fed(wire, data, cuts)
    wire.pump()

    assert client.numbers == [7, 6, 52, 91]
