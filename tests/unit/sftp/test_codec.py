"""Between bytes and values, both ways, and what a packet that ends too early does."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import Malformed, Reader
from conchgo.vfs.interface import Attributes, FileStat, Space

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)


@st.composite
def attributes(draw: st.DrawFn) -> Attributes:
    owner = draw(st.none() | st.tuples(u32, u32)) or (None, None)
    times = draw(st.none() | st.tuples(u32, u32)) or (None, None)
    mode = draw(st.none() | st.integers(0, 0o7777))
    return Attributes(draw(st.none() | u64), *owner, mode, *times)


@given(u32, u64, st.binary(max_size=300))
def test_fields_come_back_in_their_order(small: int, large: int, text: bytes) -> None:
    reader = Reader(codec.uint32(small) + codec.string(text) + codec.uint64(large) + b"rest")
    assert (reader.uint32(), reader.string(), reader.uint64(), reader.rest()) == (small, text, large, b"rest")
    assert reader.rest() == b""


@given(attributes(), st.binary(max_size=20))
def test_attributes_come_back_and_no_byte_more_is_taken(asked: Attributes, rest: bytes) -> None:
    reader = Reader(codec.attributes(asked) + rest)
    assert reader.attributes() == asked
    assert reader.rest() == rest


@given(attributes(), st.data())
def test_attributes_cut_anywhere_are_malformed(asked: Attributes, data: st.DataObject) -> None:
    whole = codec.attributes(asked)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Malformed):
        Reader(whole[:cut]).attributes()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    for read in (Reader.uint32, Reader.uint64, Reader.string, Reader.attributes):
        try:
            read(Reader(data))
        except Malformed:
            pass


@given(st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=5))
def test_extended_attributes_are_passed_over(pairs: list[tuple[bytes, bytes]]) -> None:
    packed = b"".join(codec.string(name) + codec.string(value) for name, value in pairs)
    reader = Reader(codec.uint32(c.ATTR_EXTENDED) + codec.uint32(len(pairs)) + packed + b"next")
    assert reader.attributes() == Attributes()
    assert reader.rest() == b"next"


def test_a_count_of_extended_attributes_is_not_believed() -> None:
    with pytest.raises(Malformed):
        Reader(codec.uint32(c.ATTR_EXTENDED) + b"\xff\xff\xff\xff").attributes()


def test_the_file_type_of_a_mode_is_not_asked_for() -> None:
    asked = Reader(codec.uint32(c.ATTR_PERMISSIONS) + codec.uint32(stat.S_IFCHR | 0o4755)).attributes()
    assert asked.mode == 0o4755


@given(size=u64, owner=st.tuples(u32, u32), mode=u32, times=st.tuples(u32, u32))
def test_a_stat_is_told_whole(size: int, owner: tuple[int, int], mode: int, times: tuple[int, int]) -> None:
    reader = Reader(codec.stat_attributes(FileStat(mode, size, *owner, *times)))
    assert reader.uint32() == 0x0F
    assert (reader.uint64(), reader.uint32(), reader.uint32()) == (size, *owner)
    assert (reader.uint32(), reader.uint32(), reader.uint32()) == (mode, *times)
    assert reader.rest() == b""


@pytest.mark.parametrize(
    ("time", "told"), [(-1, 0), (0, 0), (2**31, 2**31), (2**32 - 1, 2**32 - 1), (2**32, 2**32 - 1)]
)
def test_times_that_version_3_cannot_tell_are_the_nearest_that_it_can(time: int, told: int) -> None:
    found = Reader(codec.stat_attributes(FileStat(0o100644, 1, 2, 3, time, time))).attributes()
    assert (found.atime, found.mtime) == (told, told)


def test_an_unknown_stat_has_no_attributes() -> None:
    assert codec.stat_attributes(None) == b"\0\0\0\0"


def test_a_status_on_the_wire() -> None:
    assert codec.status(7, c.FX_FAILURE, "no") == (b"\0\0\0\x13\x65\0\0\0\x07\0\0\0\x04\0\0\0\x02no\0\0\0\0")


def test_a_text_that_is_no_utf_8_still_makes_a_status() -> None:
    assert b"\\udcff" in codec.status(1, c.FX_FAILURE, "bad \udcff")


def test_statvfs_on_the_wire() -> None:
    found = Space(1, 2, 3, 4, 5, 6, 7, 8, -1, read_only=True, name_max=255)
    reader = Reader(codec.space(found))
    assert [reader.uint64() for _ in range(11)] == [1, 2, 3, 4, 5, 6, 7, 8, 2**64 - 1, 3, 255]
    assert reader.rest() == b""


@pytest.mark.parametrize(
    ("count", "taken"), [(0, True), (128, True), (129, False), (32_000, False), (2**32 - 1, False)]
)
def test_extended_attributes_are_passed_over_but_not_without_end(count: int, taken: bool) -> None:
    pairs = (codec.string(b"") * 2) * min(count, 32_000)
    reader = Reader(codec.uint32(c.ATTR_EXTENDED) + codec.uint32(count) + pairs)
    if taken:
        assert reader.attributes() == Attributes()
    else:
        with pytest.raises(Malformed, match="too many"):
            reader.attributes()
