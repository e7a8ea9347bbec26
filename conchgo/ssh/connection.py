"""The connection service (RFC 4254): several session channels over one transport, and nothing else."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_GLOBAL_REQUEST,
    MSG_REQUEST_FAILURE,
    MSG_REQUEST_SUCCESS,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    OPEN_RESOURCE_SHORTAGE,
    OPEN_UNKNOWN_CHANNEL_TYPE,
)
from twisted.conch.ssh.service import SSHService
from twisted.logger import Logger

from conchgo.ssh.channel import FlowChannel
from conchgo.ssh.hostkey_proof import PROOF, HostKeyProofs
from conchgo.ssh.liveness import Watches
from conchgo.ssh.session import Programs, SessionChannel
from conchgo.ssh.wire import ProtocolViolation, Reader

if TYPE_CHECKING:
    from conchgo.ssh.transport import ServerTransport

#: A packet costs as much as hundreds of its bytes: no client of good will asks for smaller ones.
MIN_REMOTE_PACKET: Final = 256

#: The message's number, the channel's, and a count of bytes.
_TRANSFER_HEAD: Final = struct.Struct(">BLL")

_FORWARDING: Final = frozenset({b"direct-tcpip", b"forwarded-tcpip", b"direct-streamlocal@openssh.com", b"x11"})


class _Unavailable(Exception):
    """No channel: a reason code of RFC 4254, section 5.1, and a text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Connection(SSHService):
    """Opens session channels for the transport's avatar, and shares the socket fairly between them.

    A channel stays known until both sides have closed it, so a message for an unknown one is the peer's fault.
    """

    name = b"ssh-connection"
    transport: ServerTransport
    _log = Logger()

    def __init__(self) -> None:
        self.channels: dict[int, SessionChannel] = {}
        #: The next channel's.
        self.localChannelID = 0

    def serviceStarted(self) -> None:
        self._watches = Watches(self)
        self._watches.start()
        self._proofs = HostKeyProofs(self.transport)
        self._proofs.announce()

    def serviceStopped(self) -> None:
        self._watches.stop()
        for channel in list(self.channels.values()):
            self.channelClosed(channel)

    @property
    def writable(self) -> bool:
        """Whether channel data may be sent now."""
        return self.transport.writable

    def pause(self) -> None:
        """The socket is full, or a key exchange has begun."""
        for channel in self.channels.values():
            channel.congested = True

    def resume(self) -> None:
        """The connection is `writable` again: channels go on by turns."""
        turns = deque(self.channels.values())
        while turns:
            channel = turns.popleft()
            if channel.send_some():
                turns.append(channel)
        for channel in list(self.channels.values()):
            channel.settle()

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        handle = _HANDLERS.get(messageNum)
        if handle is None:
            self.transport.sendUnimplemented()
        else:
            handle(self, Reader(packet))

    def terminate(self) -> None:
        """The server ends all that runs here."""
        for channel in list(self.channels.values()):
            channel.terminate()

    def channelClosed(self, channel: FlowChannel) -> None:
        """Both sides have closed it, or the connection is gone."""
        if self.channels.pop(channel.id, None) is None:
            return
        channel.localClosed = channel.remoteClosed = True
        channel.closed()
        if not self.channels:
            self.transport.factory.connection_idle(self.transport)

    def _global_request(self, fields: Reader) -> None:
        """All but one are refused; the answer is all that a keepalive wants."""
        name, want_reply = fields.string(), fields.boolean()
        if want_reply:
            proof = self._proofs.prove(fields) if name == PROOF else None
            self.transport.sendPacket(MSG_REQUEST_FAILURE if proof is None else MSG_REQUEST_SUCCESS, proof or b"")

    def _open(self, fields: Reader) -> None:
        kind, remote_id, window, max_packet = fields.string(), fields.uint32(), fields.uint32(), fields.uint32()
        try:
            self._check_open(kind, max_packet)
        except _Unavailable as refusal:
            self.transport.sendPacket(
                MSG_CHANNEL_OPEN_FAILURE,
                struct.pack(">LL", remote_id, refusal.code) + NS(refusal.text) + NS(b""),
            )
            return
        channel = SessionChannel(self, cast(Programs, self.transport.avatar), remote_id, window, max_packet)
        channel.id = self.localChannelID
        self.localChannelID += 1
        self.channels[channel.id] = channel
        self.transport.sendPacket(
            MSG_CHANNEL_OPEN_CONFIRMATION,
            struct.pack(">4L", remote_id, channel.id, channel.localWindowSize, channel.localMaxPacket),
        )

    def _check_open(self, kind: bytes, max_packet: int) -> None:
        if kind in _FORWARDING:
            raise _Unavailable(OPEN_ADMINISTRATIVELY_PROHIBITED, "forwarding is not offered")
        if kind != b"session":
            raise _Unavailable(OPEN_UNKNOWN_CHANNEL_TYPE, "unknown channel type")
        if self.transport.factory.draining:
            raise _Unavailable(OPEN_ADMINISTRATIVELY_PROHIBITED, "the server is shutting down")
        if max_packet < MIN_REMOTE_PACKET:
            raise _Unavailable(OPEN_CONNECT_FAILED, f"maximum packet size below {MIN_REMOTE_PACKET} bytes")
        if len(self.channels) >= self.transport.factory.settings.max_channels:
            raise _Unavailable(OPEN_RESOURCE_SHORTAGE, "too many open channels")

    def _channel(self, fields: Reader) -> SessionChannel:
        return self._channel_of(fields.uint32())

    def _channel_of(self, number: int) -> SessionChannel:
        channel = self.channels.get(number)
        if channel is None:
            raise ProtocolViolation(f"message for unknown channel {number}")
        return channel

    def transfer_message(self, payload: bytes) -> None:
        """A whole CHANNEL_DATA or CHANNEL_WINDOW_ADJUST: in a transfer these are all there is."""
        if len(payload) < _TRANSFER_HEAD.size:
            raise ProtocolViolation("malformed message: it ends too early")
        kind, number, count = _TRANSFER_HEAD.unpack_from(payload)
        channel = self._channel_of(number)
        is_data = kind == MSG_CHANNEL_DATA
        if len(payload) != _TRANSFER_HEAD.size + (count if is_data else 0):
            raise ProtocolViolation("malformed message: its length is wrong")
        if is_data:
            channel.receive(memoryview(payload)[_TRANSFER_HEAD.size :])
        else:
            channel.add_window(count)

    def _extended_data(self, fields: Reader) -> None:
        channel, _, data = self._channel(fields), fields.uint32(), fields.string()
        fields.end()
        channel.receive_extended(data)

    def _eof(self, fields: Reader) -> None:
        self._channel(fields).receive_eof()

    def _close(self, fields: Reader) -> None:
        self._channel(fields).receive_close()

    def _request(self, fields: Reader) -> None:
        channel, name, want_reply = self._channel(fields), fields.string(), fields.boolean()
        channel.request(name, want_reply, fields)

    def _unasked(self, fields: Reader) -> None:
        raise ProtocolViolation("an answer to a channel that was not opened")

    def _ignored(self, fields: Reader) -> None:
        """Answers to requests that wanted none."""


_HANDLERS: Final[dict[int, Callable[[Connection, Reader], None]]] = {
    MSG_GLOBAL_REQUEST: Connection._global_request,
    MSG_REQUEST_SUCCESS: Connection._ignored,
    MSG_REQUEST_FAILURE: Connection._ignored,
    MSG_CHANNEL_OPEN: Connection._open,
    MSG_CHANNEL_OPEN_CONFIRMATION: Connection._unasked,
    MSG_CHANNEL_OPEN_FAILURE: Connection._unasked,
    MSG_CHANNEL_EXTENDED_DATA: Connection._extended_data,
    MSG_CHANNEL_EOF: Connection._eof,
    MSG_CHANNEL_CLOSE: Connection._close,
    MSG_CHANNEL_REQUEST: Connection._request,
    MSG_CHANNEL_SUCCESS: Connection._ignored,
    MSG_CHANNEL_FAILURE: Connection._ignored,
}
