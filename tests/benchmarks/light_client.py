"""Many SFTP sessions from one process, and a client that never reads.

    python -m tests.benchmarks.light_client hold PORT USERNAME KEY COUNT
    python -m tests.benchmarks.light_client flood PORT USERNAME KEY PATH

`hold` opens sessions and keeps them; `flood` opens a file, reads nothing more from its socket, and sends READs as long
as the window of its channel allows. Both print a line when that is done, and end with their standard input.
"""

from __future__ import annotations

import resource
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import MSG_DISCONNECT
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.task import cooperate
from twisted.python.failure import Failure

from tests.ssh_client import ModernClient

#: Logins under way at once: fewer than any server allows.
_AT_ONCE: Final = 8
_FXP_INIT: Final = 1
_FXP_OPEN: Final = 3
_FXP_READ: Final = 5
_FXP_HANDLE: Final = 102
_FXF_READ: Final = 1
_READ_SIZE: Final = 32768
#: A window that is never the reason why a server stops sending.
_ENDLESS: Final = 2**31 - 1


class LightClient(ModernClient):
    """Logs in and opens SFTP. `opened` fires with the client itself at the first answer to INIT."""

    def __init__(self, username: bytes, key: Key) -> None:
        super().__init__(b"aes128-gcm@openssh.com", b"hmac-sha2-256-etm@openssh.com")
        self._username, self._key = username, key
        self.opened: Deferred[LightClient] = Deferred()
        self.answered: Deferred[bytes] = Deferred()
        self.channel = self.window = 0

    def connectionSecure(self) -> None:
        self.request_userauth()

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        step = _STEPS.get(messageNum)
        if step is None:
            super().dispatchMessage(messageNum, payload)
            self.messages.clear()
        else:
            step(self, payload)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._fail(RuntimeError("the server closed the connection"))

    def send_packet(self, body: bytes) -> None:
        """An SFTP packet."""
        self.send_channel(94, self.channel, NS(struct.pack(">I", len(body)) + body))
        self.window -= len(body) + 4

    def _service_accepted(self, payload: bytes) -> None:
        self.sign_in(self._username, self._key)

    def _logged_in(self, payload: bytes) -> None:
        self.open_session(window=_ENDLESS)

    def _channel_open(self, payload: bytes) -> None:
        _, self.channel, self.window = struct.unpack(">LLL", payload[:12])
        self.channel_request(self.channel, b"subsystem", NS(b"sftp"))

    def _subsystem_started(self, payload: bytes) -> None:
        self.send_packet(struct.pack(">BI", _FXP_INIT, 3))

    def _data(self, payload: bytes) -> None:
        if not self.opened.called:
            self.opened.callback(self)
        elif not self.answered.called:
            self.answered.callback(payload[8:])

    def _refused(self, payload: bytes) -> None:
        self._fail(RuntimeError(f"the server refused a step: {payload!r}"))

    def _fail(self, error: Exception) -> None:
        if not self.opened.called:
            self.opened.errback(error)


#: What happens when a message comes (RFC 4252 to 4254).
_STEPS: Final[dict[int, Callable[[Any, bytes], None]]] = {
    MSG_DISCONNECT: LightClient._refused,
    6: LightClient._service_accepted,
    51: LightClient._refused,
    52: LightClient._logged_in,
    91: LightClient._channel_open,
    92: LightClient._refused,
    94: LightClient._data,
    99: LightClient._subsystem_started,
    100: LightClient._refused,
}


class _Factory(ClientFactory):
    noisy = False

    def __init__(self, client: LightClient) -> None:
        self._client = client

    def buildProtocol(self, address: object) -> LightClient:
        self._client.factory = self
        return self._client

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._client.opened.errback(reason)


def _connected(port: int, username: str, key: Key) -> Deferred[LightClient]:
    client = LightClient(username.encode(), key)
    reactor.connectTCP("127.0.0.1", port, _Factory(client))
    return client.opened


def _hold(port: int, username: str, key: Key, count: str) -> None:
    def connect() -> Iterator[Deferred[LightClient]]:
        for _ in range(int(count)):
            yield _connected(port, username, key)

    work = connect()
    lanes = [cooperate(work).whenDone() for _ in range(_AT_ONCE)]
    gatherResults(lanes, consumeErrors=True).addCallbacks(lambda _: _say("open"), _give_up)


def _flood(port: int, username: str, key: Key, path: str) -> None:
    def open_file(client: LightClient) -> None:
        client.answered.addCallback(lambda answer: flood(client, answer)).addErrback(_give_up)
        name = NS(path.encode())
        client.send_packet(struct.pack(">BI", _FXP_OPEN, 1) + name + struct.pack(">II", _FXF_READ, 0))

    def flood(client: LightClient, answer: bytes) -> None:
        # The packet's length, type and number, then the handle as a string.
        kind, handle = answer[4], answer[9:]
        if kind != _FXP_HANDLE:
            raise RuntimeError(f"OPEN was answered with a packet of type {kind}, not with a handle")
        socket: Any = client.transport
        socket.pauseProducing()
        request = struct.pack(">BI", _FXP_READ, 2) + handle + struct.pack(">QI", 0, _READ_SIZE)
        count = client.window // (len(request) + 4)
        for _ in range(count):
            client.send_packet(request)
        _say(str(count))

    _connected(port, username, key).addCallback(open_file).addErrback(_give_up)


def _say(line: str) -> None:
    print(line, flush=True)


def _give_up(failure: Failure) -> None:
    print(failure.getErrorMessage(), file=sys.stderr, flush=True)
    reactor.stop()


class _UntilInputEnds(Protocol):
    def connectionLost(self, reason: Failure | None = None) -> None:
        if reactor.running:
            reactor.stop()


_MODES: Final = {"hold": _hold, "flood": _flood}


def main(mode: str, port: str, username: str, key: str, argument: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    StandardIO(_UntilInputEnds())
    private = Key.fromString(Path(key).read_bytes())
    reactor.callWhenRunning(_MODES[mode], int(port), username, private, argument)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
