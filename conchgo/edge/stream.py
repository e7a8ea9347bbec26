"""What a program (the SFTP engine, a command) and its channel are to each other."""

from __future__ import annotations

from typing import Final, Protocol

Buffer = bytes | bytearray | memoryview

#: So many bytes of what `Stream.reserve` gives are in its first view: enough for a reply's head.
FIRST_VIEW: Final = 64


class Stream(Protocol):
    """A channel, as the program at its server end sees it. Calls come from the reactor thread only."""

    @property
    def congested(self) -> bool:
        """Whether more output waits than the peer and the socket take: write no more until `Program.drained`."""
        ...

    @property
    def terminal(self) -> bool:
        """Whether somebody looks: the peer has a terminal."""
        ...

    def write(self, *data: Buffer) -> None:
        """Send to the peer's standard output. Always taken; look at `congested` before making more."""
        ...

    def reserve(self, count: int) -> list[memoryview]:
        """Room for the next `count` bytes of output, where they will be encrypted: bulk data that is not copied.

        The caller fills some of it (the first view has FIRST_VIEW bytes at least) and calls `commit` at once.
        """
        ...

    def commit(self, count: int) -> None:
        """Send the first `count` of the reserved bytes; 0 gives them all back."""
        ...

    def write_error(self, data: bytes) -> None:
        """Send to the peer's standard error."""
        ...

    def consumed(self, count: int) -> None:
        """So many bytes of input are done with: the peer may send as many more."""
        ...

    def exit(self, status: int) -> None:
        """After all output: end of file, exit-status, close (RFC 4254, 6.10). Later writes are dropped."""
        ...

    def linger(self) -> None:
        """Take what the peer still sends after the end, and drop it, until he ends it or for some seconds.

        The end is told at once, but who writes before he reads would never come to read it (rsync does).
        """
        ...

    def exit_by_signal(self, name: bytes) -> None:
        """The same with exit-signal; `name` is without SIG."""
        ...


class Program(Protocol):
    """What runs on a channel."""

    @property
    def busy(self) -> bool:
        """Whether work goes on that the client waits for: then its connection is not idle, though no byte moves.

        Waiting for input, or for a client that takes no output, is not work.
        """
        ...

    def started(self, stream: Stream) -> None: ...

    def data_received(self, data: Buffer) -> None:
        """Input from the peer, which nobody will change.

        What is not yet reported by `Stream.consumed` is bounded by the receive window.
        """
        ...

    def input_ended(self) -> None:
        """The peer sent end of file; the program finishes its work and calls `Stream.exit`."""
        ...

    def drained(self) -> None:
        """The stream is congested no longer."""
        ...

    def connection_lost(self) -> None:
        """The channel is gone, in whatever way; called once, last. Release everything now."""
        ...
