"""How SFTP version 3 looks on the wire: plain functions between bytes and values, no I/O."""

from __future__ import annotations

import struct
from typing import Final

from conchgo.edge.pieces import NOTHING, Pieces
from conchgo.edge.stream import Buffer
from conchgo.sftp import constants as c
from conchgo.vfs.interface import Attributes, FileStat, Space

_UINT32: Final = struct.Struct(">I")
_UINT64: Final = struct.Struct(">Q")
_ATTRS: Final = struct.Struct(">IQIIIII")
_HEADER: Final = struct.Struct(">IBI")
_DATA: Final = struct.Struct(">IBII")
_UINT32_MAX: Final = 0xFFFFFFFF
DATA_HEAD: Final = _DATA.size


#: Extended attributes of one request; no client is known that sends any, and passing over 32,000 of them takes time.
_MAX_EXTENDED: Final = 128


class Malformed(Exception):
    """A packet ends too early or holds what it can't."""


class Reader:
    """Takes fields off a packet, in their order. Every method raises Malformed where the packet ends too early.

    Of a packet in two parts, all fields but the data of a WRITE are in the first.
    """

    __slots__ = ("_data", "_position", "_rest")

    def __init__(self, data: bytes, position: int = 0, rest: Pieces = NOTHING) -> None:
        self._data = data
        self._position = position
        self._rest = rest

    def uint32(self) -> int:
        return self._take(_UINT32)

    def uint64(self) -> int:
        return self._take(_UINT64)

    def string(self) -> bytes:
        length = self._take(_UINT32)
        start = self._position
        self._position = start + length
        if self._position > len(self._data):
            raise Malformed("a string runs over the packet's end")
        return self._data[start : self._position]

    def data(self) -> Pieces:
        """A string that is bulk data, and may be in several pieces; nothing is copied."""
        length = self.uint32()
        first = memoryview(self._data)[self._position : self._position + length]
        self._position += len(first)
        missing = length - len(first)
        if missing > len(self._rest):
            raise Malformed("a string runs over the packet's end")
        # Some clients (pkg/sftp, for a last part of a file) send more than they count.
        return Pieces([first, *self._rest.first(missing)])

    def attributes(self) -> Attributes:
        """ATTRS, section 5; extended attributes are passed over."""
        flags = self.uint32()
        size = self.uint64() if flags & c.ATTR_SIZE else None
        uid, gid = (self.uint32(), self.uint32()) if flags & c.ATTR_UIDGID else (None, None)
        mode = self.uint32() & 0o7777 if flags & c.ATTR_PERMISSIONS else None
        atime, mtime = (self.uint32(), self.uint32()) if flags & c.ATTR_ACMODTIME else (None, None)
        if flags & c.ATTR_EXTENDED:
            count = self.uint32()
            if count > _MAX_EXTENDED:
                raise Malformed("too many extended attributes")
            for _ in range(2 * count):
                self.string()
        return Attributes(size, uid, gid, mode, atime, mtime)

    def rest(self) -> bytes:
        """Everything that is left."""
        value = self._data[self._position :]
        self._position = len(self._data)
        return value

    def _take(self, field: struct.Struct) -> int:
        try:
            (value,) = field.unpack_from(self._data, self._position)
        except struct.error:
            raise Malformed("the packet ends too early") from None
        self._position += field.size
        number: int = value
        return number


def string(value: bytes) -> bytes:
    return _UINT32.pack(len(value)) + value


def uint32(value: int) -> bytes:
    return _UINT32.pack(value)


def uint64(value: int) -> bytes:
    return _UINT64.pack(value)


def packet(kind: int, request_id: int, body: bytes) -> bytes:
    """A whole packet that answers a request (or makes one)."""
    return _HEADER.pack(len(body) + 5, kind, request_id) + body


def data_head(request_id: int, count: int) -> bytes:
    """DATA, section 7, up to its `count` bytes of data: DATA_HEAD bytes."""
    return _DATA.pack(count + 9, c.FXP_DATA, request_id, count)


def data(request_id: int, content: Buffer) -> tuple[bytes, Buffer]:
    """DATA in two parts: what is read from a file is not copied."""
    return data_head(request_id, len(content)), content


def status(request_id: int, code: int, text: str) -> bytes:
    """STATUS, section 7; the language tag is empty."""
    return packet(
        c.FXP_STATUS, request_id, uint32(code) + string(text.encode("utf-8", "backslashreplace")) + string(b"")
    )


_SUCCESS: Final = uint32(c.FX_OK) + string(b"success") + string(b"")


def success(request_id: int) -> bytes:
    """STATUS, of what was done."""
    return packet(c.FXP_STATUS, request_id, _SUCCESS)


def stat_attributes(stat: FileStat | None) -> bytes:
    """What a stat found, as ATTRS; no attribute at all where it found nothing out."""
    if stat is None:
        return uint32(0)
    return _ATTRS.pack(
        c.ATTR_SIZE | c.ATTR_UIDGID | c.ATTR_PERMISSIONS | c.ATTR_ACMODTIME,
        stat.size,
        stat.uid & _UINT32_MAX,
        stat.gid & _UINT32_MAX,
        stat.mode & _UINT32_MAX,
        seconds(stat.atime),
        seconds(stat.mtime),
    )


def attributes(changes: Attributes) -> bytes:
    """Attributes of a request, as ATTRS: the inverse of `Reader.attributes`."""
    flags = 0
    body = b""
    if changes.size is not None:
        flags |= c.ATTR_SIZE
        body += uint64(changes.size)
    if changes.uid is not None and changes.gid is not None:
        flags |= c.ATTR_UIDGID
        body += uint32(changes.uid) + uint32(changes.gid)
    if changes.mode is not None:
        flags |= c.ATTR_PERMISSIONS
        body += uint32(changes.mode)
    if changes.atime is not None and changes.mtime is not None:
        flags |= c.ATTR_ACMODTIME
        body += uint32(changes.atime) + uint32(changes.mtime)
    return uint32(flags) + body


def space(found: Space) -> bytes:
    """The reply of statvfs@openssh.com (OpenSSH PROTOCOL, 4.4): eleven uint64; flag 1 is read-only, 2 is nosuid."""
    return struct.pack(
        ">11Q",
        found.block_size,
        found.fragment_size,
        found.blocks,
        found.blocks_free,
        found.blocks_available,
        found.files,
        found.files_free,
        found.files_available,
        found.filesystem_id & 0xFFFFFFFFFFFFFFFF,
        (1 if found.read_only else 0) | 2,
        found.name_max,
    )


def seconds(time: int) -> int:
    """A time as version 3 can tell it: 32 bits without sign."""
    return min(max(time, 0), _UINT32_MAX)
