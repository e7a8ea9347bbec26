"""Where the bytes of all connections arrive, to be dealt with at once: each keeps only the packet that was cut off."""

from __future__ import annotations

from typing import Final

#: As OpenSSH's PACKET_MAX_SIZE; the RFC asks for at least 35,000.
MAX_PACKET: Final = 256 * 1024
#: Bytes read at once.
RECEIVE: Final = 256 * 1024
#: Where that makes much more work than its bytes do (packets of 32 bytes, or what comes out a thousandfold by
#: decompression): nobody else's turn comes before it is done.
RECEIVE_LITTLE: Final = RECEIVE // 16
#: Packets that are smaller than this on average cost more by their number than by their bytes.
SMALL_PACKET: Final = 512
#: Room for the beginning of a packet, less than all of the largest with its length and tag.
_CUT_OFF: Final = MAX_PACKET + 128


class ReceiveBuffer:
    """One for each server. What comes is in `view` from `start` on; the bytes before may be written over."""

    start: Final = _CUT_OFF

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_CUT_OFF + RECEIVE))
        #: Where to read into.
        self.room = self.view[_CUT_OFF:]

    def load(self, data: bytes) -> int:
        """Put bytes there that came by another way, as many of them as go in; their count."""
        count = min(len(data), RECEIVE)
        self.room[:count] = data[:count]
        return count
