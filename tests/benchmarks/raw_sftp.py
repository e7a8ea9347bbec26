"""An SFTP client that costs next to nothing: packets on the pipes of `ssh -s`, made before the clock runs."""

from __future__ import annotations

import os
import struct
import subprocess
import time
from types import TracebackType
from typing import Final, Self

from tests.benchmarks.offers import PATIENCE
from tests.benchmarks.openssh import subsystem
from tests.benchmarks.servers import Server

_FXP_INIT: Final = 1
_FXP_STAT: Final = 17
_FXP_ATTRS: Final = 105
#: Requests on their way at once: far from filling a pipe.
_AHEAD: Final = 100


class RawSftp:
    """Logged in, by OpenSSH's ssh."""

    def __init__(self, server: Server) -> None:
        self._process = subprocess.Popen(
            subsystem(server), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._out, self._in = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._buffer = b""

    def __enter__(self) -> Self:
        os.write(self._out, struct.pack(">IBI", 5, _FXP_INIT, 3))
        self._replies()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def stat(self, path: str) -> float:
        """Seconds for one STAT and its answer."""
        request = _stat(1, path)
        before = time.perf_counter()
        os.write(self._out, request)
        (kind,) = self._replies()
        elapsed = time.perf_counter() - before
        _expect(kind)
        return elapsed

    def stats(self, path: str, count: int) -> float:
        """Seconds for so many STATs, of which 100 are on their way at once."""
        requests = [_stat(number, path) for number in range(count)]
        before = time.perf_counter()
        os.write(self._out, b"".join(requests[:_AHEAD]))
        sent, answered = min(_AHEAD, count), 0
        while answered < count:
            kinds = self._replies()
            answered += len(kinds)
            more = min(answered + _AHEAD, count)
            if more > sent:
                os.write(self._out, b"".join(requests[sent:more]))
                sent = more
        elapsed = time.perf_counter() - before
        _expect(kinds[-1])
        return elapsed

    def _replies(self) -> list[int]:
        """The types of all packets that are there, at least one."""
        kinds: list[int] = []
        buffer = self._buffer
        while not kinds:
            data = os.read(self._in, 65536)
            if not data:
                complaint = self._process.communicate()[1].decode(errors="replace").strip()
                raise RuntimeError(f"ssh ended: {complaint}")
            buffer += data
            at = 0
            while len(buffer) - at > 4:
                end = at + 4 + int.from_bytes(buffer[at : at + 4], "big")
                if end > len(buffer):
                    break
                kinds.append(buffer[at + 4])
                at = end
            buffer = buffer[at:]
        self._buffer = buffer
        return kinds


def _stat(number: int, path: str) -> bytes:
    name = path.encode()
    body = struct.pack(">BII", _FXP_STAT, number, len(name)) + name
    return struct.pack(">I", len(body)) + body


def _expect(kind: int) -> None:
    if kind != _FXP_ATTRS:
        raise RuntimeError(f"STAT was answered with a packet of type {kind}, not with attributes")
