"""What a row of the tables of requests is made of: how arguments are read, and how results become replies."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from conchgo.edge.stream import Buffer
from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import Reader

#: A whole packet, or one in two parts.
Reply: TypeAlias = bytes | tuple[bytes, Buffer]


class Handles(enum.Enum):
    """What the leading arguments of a request are, besides paths and numbers."""

    NONE = 0
    FILE = 1
    DIRECTORY = 2
    ANY = 3
    TWO_FILES = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of request.

    `parse` reads the arguments; `serve` does the work, called with the server and the arguments, handles replaced by
    what they stand for; `reply` makes the answer from the request's id and what `serve` returned. `needs` names the
    permission verbs that may be asked (by `conchgo.vfs`), and `writes` whether the request changes anything:
    documentation is made from these two.
    """

    name: str
    parse: Callable[[Reader], tuple[Any, ...]]
    serve: Callable[..., Any]
    reply: Callable[[int, Any], Reply]
    handles: Handles = Handles.NONE
    writes: bool = False
    needs: tuple[str, ...] = ()
    #: What an extension says in VERSION.
    version: bytes = b""


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a NAME reply; `attributes` is encoded ATTRS."""

    filename: bytes
    longname: bytes
    attributes: bytes


def ok(request_id: int, _: object) -> bytes:
    return codec.success(request_id)


def attrs(request_id: int, encoded: bytes) -> bytes:
    return codec.packet(c.FXP_ATTRS, request_id, encoded)


def data(request_id: int, found: Buffer) -> Reply:
    return codec.data(request_id, found) if found else codec.status(request_id, c.FX_EOF, "end of file")


def names(request_id: int, found: Sequence[Name]) -> bytes:
    if not found:
        return codec.status(request_id, c.FX_EOF, "end of directory")
    body = b"".join(codec.string(name.filename) + codec.string(name.longname) + name.attributes for name in found)
    return codec.packet(c.FXP_NAME, request_id, codec.uint32(len(found)) + body)


def one_name(request_id: int, path: bytes) -> bytes:
    """A NAME with one path, and without attributes, as REALPATH and READLINK answer."""
    return names(request_id, [Name(path, path, codec.stat_attributes(None))])


def handle(request_id: int, name: bytes) -> bytes:
    return codec.packet(c.FXP_HANDLE, request_id, codec.string(name))


def extended(request_id: int, body: bytes) -> bytes:
    return codec.packet(c.FXP_EXTENDED_REPLY, request_id, body)


def one_string(reader: Reader) -> tuple[bytes]:
    """One path or one handle."""
    return (reader.string(),)


def two_strings(reader: Reader) -> tuple[bytes, bytes]:
    return reader.string(), reader.string()


def string_and_attributes(reader: Reader) -> tuple[Any, ...]:
    return reader.string(), reader.attributes()
