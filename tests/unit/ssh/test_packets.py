import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conchgo.ssh.ciphers import CIPHERS, MACS, needs_mac, protection
from conchgo.ssh.output import OutputQueue
from conchgo.ssh.packet_buffer import MAX_DATA, BufferPool
from conchgo.ssh.packets import Sealer
from conchgo.ssh.receive_buffer import MAX_PACKET
from conchgo.ssh.wire import ProtocolViolation
from tests.ssh_client import BytesOpener

KEYS = (b"i" * 64, b"k" * 64, b"m" * 64)

#: Every cipher with every MAC that it needs.
PAIRS = [(cipher, mac) for cipher in CIPHERS for mac in (MACS if needs_mac(cipher) else (b"",))]
pairs = pytest.mark.parametrize(("cipher", "mac"), PAIRS)


def keyed(cipher: bytes = b"aes256-ctr", mac: bytes = b"hmac-sha2-512"):
    """A sealer and an opener with the same keys."""
    sealer, opener = Sealer(), BytesOpener()
    sealer.use(protection(cipher, mac, KEYS, sealing=True), reset_sequence=False)
    opener.use(protection(cipher, mac, KEYS, sealing=False), reset_sequence=False)
    return sealer, opener


def plain(payload: bytes, padding: int, length: int | None = None) -> bytes:
    body = bytes([padding]) + payload + b"p" * padding
    return struct.pack(">L", len(body) if length is None else length) + body


@settings(deadline=None)
@given(payloads=st.lists(st.binary(min_size=1, max_size=300), max_size=5), cut=st.integers(1, 50))
@pairs
def test_what_is_sealed_is_opened_however_the_bytes_arrive(cipher, mac, payloads, cut) -> None:
    sealer, opener = keyed(cipher, mac)
    data = b"".join(sealer.seal(payload) for payload in payloads)
    opened = []
    for start in range(0, len(data), cut):
        opener.feed(data[start : start + cut])
        while (payload := opener.next()) is not None:
            opened.append(payload)

    assert opened == payloads


@pytest.mark.parametrize("size", range(1, 40))
def test_packets_are_whole_blocks_with_four_bytes_of_padding_at_least(size) -> None:
    packet = Sealer().seal(b"x" * size)

    assert len(packet) % 8 == 0
    assert packet[4] >= 4
    assert len(packet) >= 16


@pytest.mark.parametrize("length", [0, 4, 11, 13, MAX_PACKET + 4, 0xFFFFFFFF])
def test_an_impossible_length_is_refused_at_once(length) -> None:
    opener = BytesOpener()
    opener.feed(struct.pack(">L", length) + b"\x04" + b"x" * 11)

    with pytest.raises(ProtocolViolation, match="packet length"):
        opener.next()


@pytest.mark.parametrize("padding", [0, 3, 11, 12, 255])
def test_padding_is_four_bytes_at_least_and_leaves_a_message(padding) -> None:
    opener = BytesOpener()
    opener.feed(struct.pack(">LB", 12, padding) + b"x" * 11)

    with pytest.raises(ProtocolViolation, match="padding"):
        opener.next()


def test_most_padding_leaves_one_byte() -> None:
    opener = BytesOpener()
    opener.feed(plain(b"\x02", 10))

    assert opener.next() == b"\x02"


@pytest.mark.parametrize("at", [0, 5, 20, -1])
@pairs
def test_a_changed_byte_is_noticed(cipher, mac, at) -> None:
    sealer, opener = keyed(cipher, mac)
    packet = bytearray(sealer.seal(b"hello, this is a message"))
    packet[at] ^= 1
    # A changed length may make the opener wait for more: as much as a packet can have.
    opener.feed(bytes(packet) + bytes(MAX_PACKET))

    with pytest.raises(ProtocolViolation):
        opener.next()


def test_a_repeated_packet_is_noticed() -> None:
    sealer, opener = keyed()
    packet = sealer.seal(b"once")
    opener.feed(packet + packet)
    opener.next()

    with pytest.raises(ProtocolViolation):
        opener.next()


def test_sequence_numbers_wrap_after_32_bits() -> None:
    sealer, opener = keyed()
    sealer._sequence = opener._sequence = 0xFFFFFFFF

    for payload in (b"last", b"first"):
        opener.feed(sealer.seal(payload))
        assert opener.next() == payload
    assert opener.last_sequence == 0


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 50_000), min_size=1, max_size=4), extended=st.sampled_from([None, 1]))
@pairs
def test_what_is_sealed_where_it_lies_is_the_same_on_the_wire_as_message_by_message(
    cipher, mac, sizes, extended
) -> None:
    """The fast way and the simple one: the same messages, however the data came."""
    sealer, opener = keyed(cipher, mac)
    plain_sealer, _ = keyed(cipher, mac)
    sealer._padding = plain_sealer._padding = b"p" * 32
    fields = (94, 7) if extended is None else (95, 7, extended)
    head = bytes(fields[:1]) + b"".join(struct.pack(">L", field) for field in fields[1:])
    queue = OutputQueue(BufferPool())
    for number, size in enumerate(sizes):
        queue.append(bytes([number]) * size, extended)
    buffers = queue.pop(queue.size)
    parts = [bytes(buffer.view[buffer.start : buffer.end]) for buffer in buffers]
    packets = [bytes(packet) for packet in sealer.seal_buffers(buffers, fields)]

    for part, packet in zip(parts, packets, strict=True):
        message = head + struct.pack(">L", len(part)) + part
        assert packet == plain_sealer.seal(message)
        opener.feed(packet)
        assert opener.next() == message
        assert opener.next() is None
    assert (sealer.packets, sealer.bytes) == (plain_sealer.packets, plain_sealer.bytes)
    assert sealer.packets == -(-sum(sizes) // MAX_DATA)
