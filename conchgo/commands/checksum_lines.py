"""The lines of md5sum and its like, as coreutils writes and reads them."""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_ESCAPED: Final = re.compile(r"\\(.?)", re.DOTALL)
_MEANINGS: Final = {"\\": "\\", "n": "\n", "r": "\r"}
_PLAIN: Final = re.compile(r"[ \t]*(\\?)([0-9a-fA-F]+)[ \t](.+)", re.DOTALL)
_TAGGED: Final = re.compile(r"[ \t]*(\\?)([A-Za-z0-9]+) ?\((.+)\)[ \t]*=[ \t]*([0-9a-fA-F]+)", re.DOTALL)


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
        name = _escaped(name)
    text = f"{tag} ({name}) = {digest}" if tag else f"{digest} {'*' if binary else ' '}{name}"
    return os.fsencode(mark + text) + (b"\0" if zero else b"\n")


def outcome(name: str, word: str) -> bytes:
    """What is printed of a file that was checked: its name is escaped only where it would take more than a line."""
    shown = "\\" + _escaped(name) if "\n" in name else name
    return os.fsencode(f"{shown}: {word}\n")


def _escaped(name: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in name)


class Parser:
    """Reads the lines of check files: of coreutils, with or without `--tag`, and of BSD's `-r` (one space).

    Lines with one space and with two don't mix, as with coreutils: the first one of either kind decides, so that a name
    that begins with a space is not taken for another one.
    """

    def __init__(self, tag: str, digits: int) -> None:
        self._tag = tag
        self._digits = digits
        self._one_space: bool | None = None

    def line(self, text: bytes) -> Line | None:
        """A line without its end; None where it is none for this algorithm."""
        content = os.fsdecode(text).removesuffix("\r")
        if found := _TAGGED.fullmatch(content):
            mark, tag, name, digest = found.groups()
            if tag != self._tag:
                return None
        elif found := _PLAIN.fullmatch(content):
            mark, digest, name = found.groups()
        else:
            return None
        if len(digest) != self._digits:
            return None
        if found.re is _PLAIN:
            marked = name[0] in " *" and len(name) > 1
            if self._one_space is None:
                self._one_space = not marked
            if not self._one_space:
                if not marked:
                    return None
                name = name[1:]
        if mark:
            try:
                name = _ESCAPED.sub(lambda match: _MEANINGS[match[1]], name)
            except KeyError:
                return None
        return Line(digest.lower(), name)
