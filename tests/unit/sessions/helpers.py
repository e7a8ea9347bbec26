"""The two sides of a channel, written down."""

from __future__ import annotations

from conchgo.edge.stream import Buffer, Stream


class WrittenStream:
    """A `Stream` that keeps what a program says."""

    congested = False

    def __init__(self) -> None:
        self.output = b""
        self.errors = b""
        self.input_consumed = 0
        self.status: int | None = None

    def write(self, *data: Buffer) -> None:
        assert self.status is None
        self.output += b"".join(data)

    def write_error(self, data: bytes) -> None:
        assert self.status is None
        self.errors += data

    def consumed(self, count: int) -> None:
        self.input_consumed += count

    def exit(self, status: int) -> None:
        assert self.status is None
        self.status = status


class WrittenProgram:
    """A `Program` that keeps what its channel tells it, and can be drained."""

    busy = False

    def __init__(self) -> None:
        self.told: list[str] = []

    def started(self, stream: Stream) -> None:
        self.told.append("started")

    def data_received(self, data: bytes) -> None:
        self.told.append(f"data {data!r}")

    def input_ended(self) -> None:
        self.told.append("input ended")

    def drained(self) -> None:
        self.told.append("drained")

    def connection_lost(self) -> None:
        self.told.append("lost")

    def drain(self) -> None:
        self.told.append("drain")
