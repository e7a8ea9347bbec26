"""What the daemon's log tells of each file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Bytes of one message, without its escapes; what is longer is cut off, its newline too (`rwrite` in rsync's log.c).
_MESSAGE: Final = 2047
#: Bytes of a line that are kept: all of a message may be escapes.
_MOST: Final = 4 * (_MESSAGE + 1)
#: Operation, what is itemized of it, the file's length, its path.
_LINE: Final = re.compile(rb"(send|recv|del\.) (.{11}) (-?\d+) (.*)", re.DOTALL)
_UNIT: Final = re.compile(rb"\\#(\d{3})|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """What was done to one file.

    `operation` is `send`, `recv` or `del.`; `item` as rsync's --itemize-changes has it; `path` is within the module,
    and None where it was too long to be logged.
    """

    operation: bytes
    item: bytes
    size: int
    path: bytes | None

    @property
    def is_new(self) -> bool:
        return self.item[2:3] == b"+"

    @property
    def is_file(self) -> bool:
        return self.item[1:2] == b"f"


class LogReader:
    """Reads the log as it comes, in pieces of any size.

    The client can have lines written there too, of any text: but not with the mark, which it can't guess.
    """

    def __init__(self, mark: bytes) -> None:
        self._mark = mark + b" "
        self._data = b""

    def read(self, data: bytes) -> Iterator[Line]:
        """The lines that are whole now; an empty piece is the end."""
        self._data += data
        while True:
            _, mark, message = self._data.partition(self._mark)
            if not mark:
                # The mark may have begun.
                self._data = self._data[-len(self._mark) :]
                return
            content, rest = self._cut(message)
            if rest is None and data and len(message) < _MOST:
                self._data = mark + message
                return
            self._data = rest or b""
            line = _LINE.fullmatch(content)
            if line is not None:
                whole = len(self._mark) + len(content) < _MESSAGE
                yield Line(line[1], line[2], int(line[3]), line[4] if whole else None)

    def _cut(self, message: bytes) -> tuple[bytes, bytes | None]:
        """A message without its escapes, and what follows it: None where its end is not there yet."""
        content = bytearray()
        for unit in _UNIT.finditer(message):
            if unit[0] == b"\n":
                return bytes(content), message[unit.end() :]
            content += bytes([int(unit[1], 8) & 0xFF]) if unit[1] else unit[0]
            if len(self._mark) + len(content) == _MESSAGE:
                return bytes(content), message[unit.end() :]
        return bytes(content), None
