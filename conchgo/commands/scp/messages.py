"""The lines of scp: C and D with mode, size and name, T with times, E; and the answers 0, 1 and 2."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from conchgo.errors import InvalidArgument
from conchgo.paths import escaped, is_plain_name

#: The answers: all is well; a warning in a line of text, and on we go; an error in a line of text, and the end.
OK: Final = b"\0"
WARNING: Final = 1
ERROR: Final = 2

_FILE: Final = re.compile(rb"([CD])([0-7]{4,5}) ([0-9]{1,19}) (.+)", re.DOTALL)
_TIMES: Final = re.compile(rb"T([0-9]{1,18}) [0-9]{1,6} ([0-9]{1,18}) [0-9]{1,6}")
_MOST: Final = 2**63 - 1
#: A newline in a name, as OpenSSH's scp sends it (vis(3) with VIS_NL).
_NEWLINE: Final = b"\\^J"


class Times(NamedTuple):
    """Seconds since the epoch."""

    mtime: int
    atime: int


class Header(NamedTuple):
    """A file that follows, or a directory that begins. `size` is bytes, of a directory it means nothing."""

    is_directory: bool
    mode: int
    size: int
    name: bytes


def parsed_header(line: bytes) -> Header:
    """A line C or D.

    Raises:
        InvalidArgument: it is none, its size is out of range, or its name is not a plain one.
    """
    found = _FILE.fullmatch(line)
    if found is None or int(found[3]) > _MOST:
        raise InvalidArgument(f"unexpected line: {_shown(line)}")
    kind, mode, size, name = found.groups()
    if not is_plain_name(name):
        raise InvalidArgument(f"unexpected filename: {_shown(name)}")
    return Header(kind == b"D", int(mode, 8) & 0o7777, int(size), name)


def is_printable(name: bytes) -> bool:
    """Whether there is no control character in it."""
    return not any(byte < 32 or byte == 127 for byte in name)


def parsed_times(line: bytes) -> Times:
    """A line T. Raises InvalidArgument."""
    found = _TIMES.fullmatch(line)
    if found is None:
        raise InvalidArgument(f"unexpected line: {_shown(line)}")
    return Times(int(found[1]), int(found[2]))


def header(is_directory: bool, mode: int, size: int, name: bytes) -> bytes:
    kind = b"D" if is_directory else b"C"
    return kind + b"%04o %d " % (mode & 0o7777, size) + name.replace(b"\n", _NEWLINE) + b"\n"


def times(mtime: int, atime: int) -> bytes:
    return b"T%d 0 %d 0\n" % (max(mtime, 0), max(atime, 0))


def answer(kind: int, text: str) -> bytes:
    """A warning or an error, as clients print it."""
    return bytes((kind,)) + b"scp: " + text.encode("utf-8", "surrogateescape") + b"\n"


def _shown(raw: bytes) -> str:
    return escaped(raw[:100])
