"""git's configuration files (git-config(1), "Syntax"), read as git reads them; nothing is included from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from conchgo.errors import InvalidArgument

#: Bytes of a repository's configuration. What is larger is no configuration.
MAX_SIZE: Final = 256 * 1024

_BLANK: Final = re.compile(rb"(?:[ \t\r\n]|[#;][^\n]*)*+")
_SECTION: Final = re.compile(rb'\[([A-Za-z0-9.-]*+)(?:[ \t\r]++"((?:[^"\\\n]|\\[^\n])*+)")?\]')
_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9-]*+[ \t]*+")
_VALUE: Final = re.compile(rb'((?:[^"\\\n#;]|\\[\\"tbn\n]|"(?:[^"\\\n]|\\[\\"tbn\n])*+")*+)(?:[#;][^\n]*+)?\n')
_PIECE: Final = re.compile(rb'(")|\\([\\"tbn\n])|([ \t\r])|[^"\\ \t\r]++')
_ESCAPES: Final = {b"t": b"\t", b"b": b"\b", b"n": b"\n", b"\n": b""}

#: A key in lower letters, but for what stands in quotes, and its value; None where there is not even a `=`.
Variable = tuple[bytes, bytes | None]


def variables(content: bytes) -> Iterator[Variable]:
    """All that a file sets, in its order.

    Raises:
        InvalidArgument: git would not read it either; or there is a NUL in it, where git's programs differ.
    """
    if b"\0" in content:
        raise InvalidArgument("the repository's config has a NUL in it")
    # A backslash may be the last of the file: the first newline belongs to it.
    text = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n") + b"\n\n"
    section, position = b"", 0
    while (position := _end(_BLANK, text, position)) < len(text):
        header = _SECTION.match(text, position)
        if header is not None:
            section = header[1].lower() + b"."
            if header[2] is not None:
                section += re.sub(rb"\\(.)", rb"\1", header[2]) + b"."
            position = header.end()
            continue
        end = _end(_NAME, text, position)
        key = section + text[position:end].rstrip(b" \t").lower()
        if text.startswith(b"\n", end):
            yield key, None
            position = end
            continue
        value = _VALUE.match(text, end + 1) if text.startswith(b"=", end) else None
        if end == position or value is None:
            line = text.count(b"\n", 0, position) + 1
            raise InvalidArgument(f"the repository's config makes no sense in line {line}")
        yield key, _plain(value[1])
        position = value.end()


def _end(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    found = pattern.match(text, start)
    return start if found is None else found.end()


def _plain(value: bytes) -> bytes:
    """Without quotes and escapes, and without the spaces around it."""
    plain = bytearray()
    quoted, spaces = False, 0
    for piece in _PIECE.finditer(value):
        quote, escape, space = piece.groups()
        if space and not quoted:
            spaces += bool(plain)
            continue
        plain += b" " * spaces
        spaces = 0
        if quote:
            quoted = not quoted
        else:
            plain += piece[0] if escape is None else _ESCAPES.get(escape, escape)
    return bytes(plain)
