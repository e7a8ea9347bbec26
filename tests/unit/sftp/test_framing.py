"""Packets cut from bytes that come in any pieces."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conchgo.sftp import constants as c
from conchgo.sftp.framing import Framer, Oversized, Unframeable

packets = st.lists(st.binary(min_size=5, max_size=60), max_size=8)


def framed(packet: bytes) -> bytes:
    return struct.pack(">I", len(packet)) + packet


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(at)]


def taken(framer: Framer) -> list[bytes]:
    found = []
    while (packet := framer.next_packet()) is not None:
        found.append(packet.head + bytes(packet.rest))
    return found


@given(packets, st.lists(st.integers(0, 10_000), max_size=12))
def test_the_same_packets_come_out_however_they_came_in(sent: list[bytes], cuts: list[int]) -> None:
    framer = Framer()
    got = []
    for piece in pieces_of(b"".join(map(framed, sent)), cuts):
        assert framer.feed(piece) == 0
        got += taken(framer)
    assert got == sent
    assert not framer.has_partial


@given(st.integers(c.MAX_PACKET + 1, c.MAX_PACKET + 5000), packets, st.lists(st.integers(0, 2**20), max_size=12))
def test_an_oversized_packet_is_passed_over_in_any_pieces(length: int, after: list[bytes], cuts: list[int]) -> None:
    framer = Framer()
    large = struct.pack(">IBI", length, c.FXP_WRITE, 99) + bytes(length - 5)
    got: list[bytes] = []
    refused: list[Oversized] = []
    passed_over = 0
    for piece in pieces_of(large + b"".join(map(framed, after)), cuts):
        passed_over += framer.feed(piece)
        while True:
            try:
                got += taken(framer)
                break
            except Oversized as error:
                refused.append(error)
    assert got == after
    assert [error.request_id for error in refused] == [99]
    assert passed_over + refused[0].size == len(large)


def test_the_largest_packet_is_taken_and_one_byte_more_is_not() -> None:
    framer = Framer()
    framer.feed(framed(bytes(c.MAX_PACKET)))
    assert taken(framer) == [bytes(c.MAX_PACKET)]
    framer.feed(framed(bytes(c.MAX_PACKET + 1)))
    with pytest.raises(Oversized):
        framer.next_packet()


def test_the_largest_length_of_all_holds_nothing_back() -> None:
    framer = Framer()
    framer.feed(struct.pack(">IBI", 0xFFFFFFFF, c.FXP_WRITE, 5))
    with pytest.raises(Oversized):
        framer.next_packet()
    for _ in range(100):
        assert framer.feed(bytes(32768)) == 32768
        assert framer.next_packet() is None
    assert len(framer._input) == 0
    assert framer.has_partial


@pytest.mark.parametrize("length", range(5))
def test_a_packet_without_room_for_type_and_id_is_no_sftp(length: int) -> None:
    framer = Framer()
    framer.feed(framed(bytes(length)))
    with pytest.raises(Unframeable):
        framer.next_packet()


def test_it_is_not_asked_again_until_a_packet_is_whole() -> None:
    framer = Framer()
    packet = struct.pack(">IBI", 1000, c.FXP_WRITE, 7) + bytes(995)
    for cut in (2, 4, 500, 1003):
        framer = Framer()
        framer.feed(packet[:cut])
        assert framer.next_packet() is None
        assert framer.ready == (cut < 4), "the length is not known yet"
        framer.feed(packet[cut:])
        assert framer.ready
        assert framer.next_packet() is not None
        assert framer.ready
