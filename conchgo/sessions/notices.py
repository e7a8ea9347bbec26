"""The program for what this server has not: it says one line and ends."""

from __future__ import annotations

from conchgo.edge.stream import Buffer, Stream


class Notice:
    """A `Program` that writes a line to standard error and exits."""

    busy = False

    def __init__(self, line: str, status: int) -> None:
        self._line = line
        self._status = status

    def started(self, stream: Stream) -> None:
        # A terminal in raw mode needs the carriage return, nothing else minds it.
        stream.write_error(self._line.encode() + b"\r\n")
        self._stream = stream
        stream.exit(self._status)

    def data_received(self, data: Buffer) -> None:
        self._stream.consumed(len(data))

    def input_ended(self) -> None:
        """It has said all it has to say."""

    def drained(self) -> None:
        """One line never waits."""

    def connection_lost(self) -> None:
        """It holds nothing."""
