"""The peer's messages, read field by field (RFC 4251, section 5), and the one error for breaking the rules."""

from __future__ import annotations

from twisted.conch.ssh.transport import DISCONNECT_PROTOCOL_ERROR


class ProtocolViolation(Exception):
    """The peer broke the protocol: the connection ends with DISCONNECT `code` (RFC 4253, section 11.1) and `text`."""

    def __init__(self, text: str, code: int = DISCONNECT_PROTOCOL_ERROR) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Reader:
    """Takes the fields of one message, from the front. Everything raises ProtocolViolation where they are not there."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def raw(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        if self._at > len(self._data):
            raise ProtocolViolation("malformed message: it ends too early")
        return self._data[start : self._at]

    def byte(self) -> int:
        return self.raw(1)[0]

    def boolean(self) -> bool:
        return self.byte() != 0

    def uint32(self) -> int:
        return int.from_bytes(self.raw(4), "big")

    def string(self) -> bytes:
        return self.raw(self.uint32())

    def rest(self) -> bytes:
        """Whatever is left."""
        return self.raw(len(self._data) - self._at)

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise ProtocolViolation("malformed message: there is more than its fields")
