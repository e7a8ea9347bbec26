"""A program's standard error, without what was said by what makes its box."""

from __future__ import annotations

from typing import Final

from conchgo.paths import escaped
from conchgo.processes.boxes import BOX_MESSAGES

#: Bytes of a line of the box's that are kept.
_MOST: Final = 1024


class ErrorLines:
    """Passes on what it is given as soon as it is clear that it is in no line of the box's."""

    def __init__(self) -> None:
        #: The beginning of a line of which that is not clear yet.
        self._held = b""
        #: A line of the box's whose end has not come.
        self._own: bytes | None = None
        self._at_start = True
        self._lines: list[str] = []

    def add(self, data: bytes) -> bytes:
        """What of it is the program's; no data is the end."""
        kept = bytearray()
        left, self._held = self._held + data, b""
        while left:
            line, newline, left = left.partition(b"\n")
            if self._at_start and not newline and data and any(known.startswith(line) for known in BOX_MESSAGES):
                self._held = line
                break
            if self._at_start and line.startswith(BOX_MESSAGES):
                self._own = b""
            self._at_start = bool(newline)
            if self._own is None:
                kept += line + newline
                continue
            self._own = (self._own + line)[:_MOST]
            if newline:
                self._end_own()
        if not data:
            self._end_own()
        return bytes(kept)

    def of_the_box(self) -> list[str]:
        """Its lines since the last call."""
        lines, self._lines = self._lines, []
        return lines

    def _end_own(self) -> None:
        if self._own is not None:
            self._lines.append(escaped(self._own))
            self._own = None
