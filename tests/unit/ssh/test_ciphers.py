"""Packets as asyncssh makes and reads them, byte for byte; and nothing of a changed packet is ever used."""

import struct

import pytest
from asyncssh.encryption import get_encryption, get_encryption_params
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from conchgo.ssh.algorithms import ALGORITHM_SETS
from conchgo.ssh.ciphers import CIPHERS, MACS, AESGCMProtection, BadTag, Plain, needs_mac, protection
from conchgo.ssh.packets import Sealer
from tests.ssh_client import BytesOpener

#: IV, cipher key and MAC key, longer than any algorithm needs, as Conch gives them.
KEYS = (bytes(range(128)), bytes(range(100, 228)), bytes(range(128))[::-1])

#: Every cipher with every MAC that it needs.
PAIRS = [(cipher, mac) for cipher in CIPHERS for mac in (MACS if needs_mac(cipher) else (b"",))]
AUTHENTICATED_FIRST = [(cipher, mac) for cipher, mac in PAIRS if mac in (b"", *[m for m in MACS if b"-etm@" in m])]
pairs = pytest.mark.parametrize(("cipher", "mac"), PAIRS)

#: In order: a stream cipher goes on from packet to packet. From one block to more than one block of ChaCha20's.
SIZES = (16, 64, 80, 32, 32 * 1024 + 32, 16)
SEQUENCES = (0, 1, 2, 0xFFFFFFFE, 0xFFFFFFFF, 0)


def made(cipher: bytes, mac: bytes, *, sealing: bool):
    return protection(cipher, mac, KEYS, sealing=sealing)


def of_asyncssh(cipher: bytes, mac: bytes):
    iv, key, mac_key = KEYS
    key_size, iv_size, _, mac_key_size, _, etm = get_encryption_params(cipher, mac)
    return get_encryption(cipher, key[:key_size], iv[:iv_size], mac, mac_key[:mac_key_size], etm)


def packet_for(protection, padded: int, *, padding: int = 4) -> bytes:
    """A packet without its tag, of `padded` bytes in whole blocks (the length among them or not)."""
    body = bytes([padding]) + bytes(i & 0xFF for i in range(padded - 1 - (0 if protection.aligned_from else 4)))
    return struct.pack(">L", len(body)) + body


def sealed(protection, packet: bytes, sequence: int) -> bytes:
    buffer = bytearray(packet + bytes(protection.tag))
    protection.seal(memoryview(buffer), 0, len(packet), sequence)
    return bytes(buffer)


def opened(protection, data: bytes | bytearray, sequence: int) -> bytes:
    """The packet without its tag, its length in the clear."""
    buffer = bytearray(data)
    length = protection.length(memoryview(buffer), 0, sequence)
    protection.open(memoryview(buffer), 0, len(buffer) - protection.tag, sequence)
    return struct.pack(">L", length) + bytes(buffer[4 : len(buffer) - protection.tag])


@pytest.mark.parametrize("name", ALGORITHM_SETS)
def test_whatever_is_offered_is_known(name) -> None:
    assert set(ALGORITHM_SETS[name].ciphers) <= set(CIPHERS)
    assert set(ALGORITHM_SETS[name].macs) <= set(MACS)


@pairs
def test_what_we_seal_is_what_asyncssh_makes(cipher, mac) -> None:
    ours, theirs = made(cipher, mac, sealing=True), of_asyncssh(cipher, mac)
    for size, sequence in zip(SIZES, SEQUENCES, strict=True):
        packet = packet_for(ours, size)
        data, tag = theirs.encrypt_packet(sequence, packet[:4], packet[4:])
        assert sealed(ours, packet, sequence) == data + tag


@pairs
def test_what_asyncssh_makes_is_opened(cipher, mac) -> None:
    ours, theirs = made(cipher, mac, sealing=False), of_asyncssh(cipher, mac)
    for size, sequence in zip(SIZES, SEQUENCES, strict=True):
        packet = packet_for(ours, size)
        data, tag = theirs.encrypt_packet(sequence, packet[:4], packet[4:])
        assert opened(ours, data + tag, sequence) == packet


def test_without_keys_a_packet_stays_as_it_is() -> None:
    packet = packet_for(Plain(), 32)

    assert sealed(Plain(), packet, 7) == packet
    assert opened(Plain(), packet, 7) == packet


@pairs
def test_every_changed_byte_is_noticed(cipher, mac) -> None:
    """Length, padding length, payload, padding and tag: each byte is authenticated."""
    size = 32
    data = sealed(made(cipher, mac, sealing=True), packet_for(made(cipher, mac, sealing=True), size), 5)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x80
        with pytest.raises(BadTag):
            opened(made(cipher, mac, sealing=False), changed, 5)


@pairs
def test_a_bad_tag_is_said_as_the_rfc_says(cipher, mac) -> None:
    data = sealed(made(cipher, mac, sealing=True), packet_for(made(cipher, mac, sealing=True), 32), 0)
    with pytest.raises(BadTag) as caught:
        opened(made(cipher, mac, sealing=False), data[:-1] + bytes([data[-1] ^ 1]), 0)

    assert (caught.value.code, caught.value.text) == (5, "bad MAC")


@pytest.mark.parametrize(("cipher", "mac"), AUTHENTICATED_FIRST)
def test_a_packet_with_a_bad_tag_leaves_nothing_decrypted(cipher, mac) -> None:
    sealing, opening = made(cipher, mac, sealing=True), made(cipher, mac, sealing=False)
    packet = packet_for(sealing, 64)
    buffer = bytearray(sealed(sealing, packet, 0))
    buffer[-1] ^= 1
    opening.length(memoryview(buffer), 0, 0)
    with pytest.raises(BadTag):
        opening.open(memoryview(buffer), 0, len(packet), 0)

    assert not any(packet[at : at + 8] in buffer for at in range(4, len(packet) - 8))


@pairs
@pytest.mark.parametrize("padding", [0, 255])
def test_a_bad_tag_comes_before_bad_padding(cipher, mac, padding) -> None:
    """Whoever changes packets must not learn anything about their padding."""
    sealing, opener = made(cipher, mac, sealing=True), BytesOpener()
    data = bytearray(sealed(sealing, packet_for(sealing, 32, padding=padding), 0))
    data[-1] ^= 1
    opener.use(made(cipher, mac, sealing=False), reset_sequence=True)
    opener.feed(bytes(data))

    with pytest.raises(BadTag):
        opener.next()


@pairs
def test_a_packet_is_good_in_its_own_place_only(cipher, mac) -> None:
    """Neither repeated, nor left out, nor out of order."""
    sealing = made(cipher, mac, sealing=True)
    first, second = (sealed(sealing, packet_for(sealing, 32), sequence) for sequence in (0, 1))

    opening = made(cipher, mac, sealing=False)
    with pytest.raises(BadTag):
        opened(opening, second, 0)
    opening = made(cipher, mac, sealing=False)
    opened(opening, first, 0)
    with pytest.raises(BadTag):
        opened(opening, first, 1)


@pairs
def test_the_same_packet_never_looks_the_same(cipher, mac) -> None:
    sealing = made(cipher, mac, sealing=True)
    packets = {sealed(sealing, packet_for(sealing, 32), sequence)[4:] for sequence in range(50)}

    assert len(packets) == 50


@pytest.mark.parametrize("key", [16, 32])
def test_the_invocation_counter_of_gcm_wraps_and_leaves_the_fixed_field(key) -> None:
    """RFC 5647, section 7.1: 4 bytes that stay, 8 that count, whatever the sequence number is."""
    start = (2**64 - 2).to_bytes(8, "big")
    sealing, opening = (AESGCMProtection(bytes(key), b"\xff" * 4 + start) for _ in range(2))
    packet = packet_for(sealing, 32)
    for counter in (2**64 - 2, 2**64 - 1, 0, 1):
        nonce = b"\xff" * 4 + counter.to_bytes(8, "big")
        data = sealed(sealing, packet, 77)
        assert data == packet[:4] + AESGCM(bytes(key)).encrypt(nonce, packet[4:], packet[:4])
        assert opened(opening, data, 99) == packet


def test_chacha20_counts_by_sequence_numbers_only() -> None:
    name = b"chacha20-poly1305@openssh.com"
    one, other = made(name, b"", sealing=True), made(name, b"", sealing=True)
    packet = packet_for(one, 40)
    for sequence in (3, 1, 0xFFFFFFFF, 2):
        sealed(one, packet, sequence)

    assert sealed(one, packet, 1) == sealed(other, packet, 1)


def test_the_length_of_chacha20_has_a_key_of_its_own() -> None:
    name, (iv, key, mac_key) = b"chacha20-poly1305@openssh.com", KEYS
    changed = key[:32] + bytes(32)
    sealings = [protection(name, b"", (iv, key, mac_key), sealing=True) for key in (key, changed)]
    one, other = (sealed(sealing, packet_for(sealing, 40), 0) for sealing in sealings)

    assert one[:4] != other[:4]
    assert one[4:-16] == other[4:-16]


@pairs
@pytest.mark.parametrize("size", [1, 2, 3, 100, 32 * 1024, 256 * 1024 - 64])
def test_padding_is_whole_blocks_for_every_cipher(cipher, mac, size) -> None:
    sealer, opener, protection = Sealer(), BytesOpener(), made(cipher, mac, sealing=True)
    sealer.use(protection, reset_sequence=True)
    opener.use(made(cipher, mac, sealing=False), reset_sequence=True)
    packet = sealer.seal(b"x" * size)
    opener.feed(packet)

    assert (len(packet) - protection.tag - protection.aligned_from) % protection.block == 0
    assert opener.next() == b"x" * size
