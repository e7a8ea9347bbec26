"""The lines of md5sum and its like, as coreutils writes and reads them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_ESCAPED: Final = re.compile(r"\\(.?)", re.DOTALL)
_MEANINGS: Final = {"\\": "\\", "n": "\n", "r": "\r"}
_PLAIN: Final = re.compile(r"[ \t]*(\\?)([0-9a-fA-F]+) [ *](.+)", re.DOTALL)
_TAGGED: Final = re.compile(r"(\\?)([A-Za-z0-9]+) \((.+)\) = ([0-9a-fA-F]+)", re.DOTALL)


class Line(NamedTuple):
    """What a check file says of one file."""

    digest: str
    name: str


def line(digest: str, name: str, *, binary: bool = False, tag: str | None = None, zero: bool = False) -> bytes:
    """What is printed of one file. A name with a newline or a backslash is escaped, and a backslash begins the line.

    With `tag` (the algorithm's name) in BSD's form; with `zero` nothing is escaped, and a NUL ends the line.
    """
    mark = ""
    if not zero and any(character in name for character in _ESCAPES):
        mark = "\\"
        name = "".join(_ESCAPES.get(character, character) for character in name)
    text = f"{tag} ({name}) = {digest}" if tag else f"{digest} {'*' if binary else ' '}{name}"
    return (mark + text).encode("utf-8", "surrogateescape") + (b"\0" if zero else b"\n")


def parsed(text: bytes, tag: str, digits: int) -> Line | None:
    """A line of a check file, without its end; None where it is none for this algorithm."""
    content = text.decode("utf-8", "surrogateescape").removesuffix("\r")
    if found := _TAGGED.fullmatch(content):
        mark, algorithm, name, digest = found.groups()
        if algorithm != tag:
            return None
    elif found := _PLAIN.fullmatch(content):
        mark, digest, name = found.groups()
    else:
        return None
    if len(digest) != digits:
        return None
    if mark:
        try:
            name = _ESCAPED.sub(lambda match: _MEANINGS[match[1]], name)
        except KeyError:
            return None
    return Line(digest.lower(), name)
