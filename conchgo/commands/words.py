"""A command line as the words of a POSIX shell: quotes and backslashes mean what they mean there, nothing else does.

Not by shlex, which does not tell what was quoted: wildcards stand for themselves there.
"""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

from conchgo.commands.command import UsageError

#: Bytes of a command line.
MAX_COMMAND: Final = 64 * 1024

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | '(?P<single>[^']*)'
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | \\(?P<escaped>.)
    | (?P<plain>[^ \t\r\n'"\\]+)""",
    re.VERBOSE | re.DOTALL,
)
#: What a backslash escapes within double quotes (POSIX, Shell Command Language, 2.2.3).
_IN_DOUBLE: Final = re.compile(r"\\([$`\"\\\n])")
_SPECIAL: Final = re.compile(r"([*?\[\\])")


class Word(NamedTuple):
    """A word, and the same as a pattern: a backslash is before each wildcard that was quoted, and each backslash."""

    text: str
    pattern: str


def words(line: bytes) -> list[Word]:
    """The words of a line. Bytes that are not UTF-8 are kept (os.fsdecode), `#` is a character like any other.

    Raises:
        UsageError: a quotation has no end, or the line is longer than MAX_COMMAND.
    """
    if len(line) > MAX_COMMAND:
        raise UsageError(f"the command line is longer than {MAX_COMMAND} bytes: use several")
    found: list[Word] = []
    begun: list[tuple[str, bool]] = []
    text, at = os.fsdecode(line), 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            what = "escaped character" if text[at] == "\\" else "closing quotation"
            raise UsageError(f"cannot read the command line: no {what}")
        at = token.end()
        if token.lastgroup != "space":
            begun.append(_part(token))
        elif begun:
            found.append(_word(begun))
            begun = []
    return [*found, _word(begun)] if begun else found


def _part(token: re.Match[str]) -> tuple[str, bool]:
    """What is meant, and whether it was quoted."""
    kind = token.lastgroup or ""
    text = token[kind]
    if kind == "double":
        text = _IN_DOUBLE.sub(lambda escaped: escaped[1].strip("\n"), text)
    elif kind == "escaped":
        # A line that goes on.
        text = text.strip("\n")
    return text, kind != "plain"


def _word(parts: list[tuple[str, bool]]) -> Word:
    pattern = "".join(_SPECIAL.sub(r"\\\1", text) if quoted else text for text, quoted in parts)
    return Word("".join(text for text, _ in parts), pattern)
