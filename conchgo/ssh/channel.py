"""The flow of one channel (RFC 4254, section 5): windows both ways, what waits to be sent, and the end."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import (
    EXTENDED_DATA_STDERR,
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_WINDOW_ADJUST,
)
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from conchgo.edge.stream import Buffer
from conchgo.ssh.output import OutputQueue
from conchgo.ssh.packet_buffer import MAX_DATA
from conchgo.ssh.patience import Patience
from conchgo.ssh.wire import ProtocolViolation

if TYPE_CHECKING:
    from conchgo.ssh.connection import Connection

WINDOW: Final = 2 * 1024 * 1024
#: So much is consumed before the window is opened again: on a long way what waits for that is missing.
GRANT: Final = WINDOW // 16
#: Output that waits: above the first a channel is congested, below the second no longer.
HIGH_WATER: Final = 1024 * 1024
LOW_WATER: Final = HIGH_WATER // 2
#: Seconds for which a channel that lingers takes input after its end.
LINGER: Final = 10.0
#: Most replies are not longer.
_LITTLE: Final = 512
#: Bytes that a channel sends before it is the next one's turn.
TURN: Final = 8 * MAX_DATA
#: From so many bytes on, data is encrypted where it lies; less is copied, and its buffer is of use at once.
_WORTH_A_BUFFER: Final = 8 * 1024
_MAX_WINDOW: Final = 0xFFFFFFFF
#: No reply is wanted, no core was dumped, the text is in no language.
_TERMINATED: Final = NS(b"exit-signal") + b"\0" + NS(b"TERM") + b"\0" + NS(b"the server ended it") + NS(b"")


class FlowChannel(SSHChannel):
    """A channel that is a `conchgo.edge.stream.Stream`; what runs on it is a subclass's matter.

    The receive window is opened by `consumed` only: what the program has not dealt with is never more than WINDOW.
    """

    name = b"session"
    conn: Connection  # type: ignore[assignment]
    id: int  # type: ignore[assignment]
    _log = Logger()
    # Few channels ever set these: idle ones shall be light.
    _lingers = False
    _end_told = False
    _lingering: IDelayedCall | None = None

    def __init__(self, conn: Connection, remote_id: int, remote_window: int, remote_max_packet: int) -> None:
        super().__init__(WINDOW, MAX_DATA, remote_window, min(remote_max_packet, MAX_DATA), conn)  # type: ignore[arg-type]
        self.remote_id = remote_id
        self.congested = not conn.writable
        self._output = OutputQueue(conn.transport.factory.buffers)
        self._consumed = 0
        self._granted = WINDOW + remote_window
        self._patience = Patience(conn.transport.factory.clock, remote_window, self._flush)
        #: The request that tells of the program's end (RFC 4254, 6.10).
        self._exit: bytes | None = None
        self._input_ended = False

    # For the program

    def write(self, *data: Buffer) -> None:
        if self._takes_output and not self._sends_at_once(data):
            self._write(data, None)

    def reserve(self, count: int) -> list[memoryview]:
        return self._output.reserve(count)

    def commit(self, count: int) -> None:
        self._output.commit(count if self._takes_output else 0)
        self._flush()

    def write_error(self, data: bytes) -> None:
        self._write((data,), EXTENDED_DATA_STDERR)

    def consumed(self, count: int) -> None:
        self._consumed = min(self._consumed + count, self.localWindowSize - self.localWindowLeft)
        if self._consumed >= GRANT and not (self._input_ended or self.localClosed):
            self.localWindowLeft += self._consumed
            self._granted += self._consumed
            self._send(MSG_CHANNEL_WINDOW_ADJUST, struct.pack(">L", self._consumed))
            self._consumed = 0

    def exit(self, status: int) -> None:
        self._end(NS(b"exit-status") + b"\0" + struct.pack(">L", status & 0xFFFFFFFF))

    def exit_by_signal(self, name: bytes) -> None:
        self._end(NS(b"exit-signal") + b"\0" + NS(name) + b"\0" + NS(b"") + NS(b""))

    def linger(self) -> None:
        self._lingers = True

    def terminate(self) -> None:
        """The server ends what runs: exit-signal and close at once (RFC 4254, 6.10). Output that waits is dropped."""
        if not self.localClosed:
            self._output.clear()
            if not self._end_told:
                self._send(MSG_CHANNEL_REQUEST, _TERMINATED)
            self.send_close()

    @property
    def _takes_output(self) -> bool:
        return self._exit is None and not self.localClosed

    # For the connection

    @property
    def pending_output(self) -> int:
        """Bytes that wait for the peer's window or for the socket."""
        return self._output.size

    @property
    def moved(self) -> int:
        """Bytes of data that went either way so far: the windows tell, nothing is counted per message."""
        return self._granted - self.localWindowLeft - self.remoteWindowLeft

    def add_window(self, count: int) -> None:
        if self.remoteWindowLeft + count > _MAX_WINDOW:
            raise ProtocolViolation("a channel's window was opened beyond 2^32 - 1 bytes")
        self.remoteWindowLeft += count
        self._granted += count
        self._patience.window_opened()
        if self._output:
            self._flush()

    def receive(self, data: Buffer) -> None:
        """Count `data` against the window, and give it to the program if one runs."""
        self._count(data)
        if self._lingers and self._exit is not None:
            self.consumed(len(data))
        elif not self._input_ended and self._takes_output:
            self.data_received(data)

    def receive_extended(self, data: Buffer) -> None:
        """A client has no standard error to send: ignored, and its window given back."""
        self._count(data)
        self.consumed(len(data))

    def receive_eof(self) -> None:
        if not self._input_ended:
            self._input_ended = True
            if self._exit is None:
                self.input_ended()
            elif self._end_told:
                self.send_close()

    def receive_close(self) -> None:
        """The peer takes no more: what waits is dropped, our CLOSE answers its own (RFC 4254, section 5.3)."""
        self._output.clear()
        self.remoteClosed = True
        self.send_close()

    def send_close(self) -> None:
        if not self.localClosed:
            self._send(MSG_CHANNEL_CLOSE, b"")
            self.localClosed = True
            self._stop_lingering()
        if self.remoteClosed:
            self.conn.channelClosed(self)

    def send_some(self) -> bool:
        """Send some of what waits, if there is something that may go; whether it was so."""
        output, transport = self._output, self.conn.transport
        turn = TURN
        while turn > 0 and output.size and self.remoteWindowLeft and transport.writable:
            first = output.first
            fields: tuple[int, ...] = (MSG_CHANNEL_DATA, self.remote_id)
            if first.extended is not None:
                fields = (MSG_CHANNEL_EXTENDED_DATA, self.remote_id, first.extended)
            count = min(len(first), self.remoteWindowLeft, self.remoteMaxPacket)
            if count < min(len(first), self.remoteMaxPacket) and self._patience.waits():
                break
            if _WORTH_A_BUFFER <= len(first) == count and self.remoteMaxPacket == MAX_DATA:
                waiting = output.size
                transport.send_buffers(fields, output.pop(min(self.remoteWindowLeft, max(turn, count))))
                count = waiting - output.size
            else:
                transport.send_data(fields, output.take(count))
            self.remoteWindowLeft -= count
            turn -= count
        if turn < TURN:
            transport.rekey_if_due()
        return turn < TURN

    def settle(self) -> None:
        """After output went or the socket's state changed: end the channel, or tell the program how things are."""
        if self._exit is not None:
            if not (self._output or self.localClosed or self._end_told):
                self._end_told = True
                self._send(MSG_CHANNEL_EOF, b"")
                self._send(MSG_CHANNEL_REQUEST, self._exit)
                if self._lingers and not self._input_ended:
                    self._lingering = self.conn.transport.factory.clock.callLater(LINGER, self.send_close)
                else:
                    self.send_close()
        elif self._output.held > HIGH_WATER or not self.conn.writable:
            self.congested = True
        elif self.congested and self._output.held < LOW_WATER:
            self.congested = False
            self.drained()

    def closed(self) -> None:
        """Both sides have closed it, or the connection is gone."""
        self._patience.end()
        self._stop_lingering()

    # For subclasses

    def data_received(self, data: Buffer) -> None:
        """Input from the peer, to be reported by `consumed`."""

    def input_ended(self) -> None:
        """The peer sent EOF."""

    def drained(self) -> None:
        """`congested` became false."""

    def _sends_at_once(self, data: Sequence[Buffer]) -> bool:
        """Send the little that most replies are without a buffer, where nothing waits before it."""
        count = sum(map(len, data))
        most = min(_LITTLE, self.remoteMaxPacket, self.remoteWindowLeft)
        if self._output.size or not 0 < count <= most or not self.conn.writable:
            return False
        self.remoteWindowLeft -= count
        self.conn.transport.send_data((MSG_CHANNEL_DATA, self.remote_id), b"".join(data))
        self.conn.transport.rekey_if_due()
        return True

    def _end(self, request: bytes) -> None:
        if self._exit is None:
            self._exit = request
            if self._lingers:
                self.consumed(WINDOW)
            self._flush()

    def _stop_lingering(self) -> None:
        if self._lingering is not None and self._lingering.active():
            self._lingering.cancel()

    def _write(self, data: Sequence[Buffer], extended: int | None) -> None:
        if self._takes_output:
            for part in data:
                self._output.append(part, extended)
            self._flush()

    def _flush(self) -> None:
        while self.send_some():
            pass
        self.settle()

    def _count(self, data: Buffer) -> None:
        if len(data) > self.localMaxPacket or len(data) > self.localWindowLeft:
            raise ProtocolViolation("more channel data than the window or the packet size allows")
        self.localWindowLeft -= len(data)

    def _send(self, number: int, payload: bytes) -> None:
        self.conn.transport.sendPacket(number, struct.pack(">L", self.remote_id) + payload)
