"""Whether the peer still lives, and whether anything still happens: looked at now and then, so a message costs nothing.

Of a connection that is logged in; before, `login_grace_time` is the bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import MSG_GLOBAL_REQUEST
from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

if TYPE_CHECKING:
    from conchgo.ssh.connection import Connection

#: How often a watch looks within its time, which is late by no more than one look.
LOOKS: Final = 8


class Watch:
    """Calls `still` for every `seconds` in a row in which `state` has not changed; 0 seconds watch nothing.

    Two are there for every connection: a timer is all that they need (a LoopingCall and its Deferred take 600 bytes).
    """

    __slots__ = ("_state", "_timer", "_unchanged", "connection", "seconds")
    _log = Logger()

    def __init__(self, connection: Connection, seconds: float) -> None:
        self.connection = connection
        self.seconds = seconds
        self._unchanged = 0
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        if self.seconds:
            self._state = self.state()
            self._wait()

    def stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def state(self) -> object:
        """Whatever is unequal to itself once something has happened."""
        raise NotImplementedError

    def still(self, times: int) -> None:
        """Nothing has happened for `times` times `seconds`."""
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """Bytes that a full socket has not taken: how they get fewer shows that the peer reads. Only our own tells."""
        transport = self.connection.transport
        return 0 if transport.writable else getattr(transport.transport, "waiting", 0)

    def _wait(self) -> None:
        self._timer = self.connection.transport.factory.clock.callLater(self.seconds / LOOKS, self._look)

    def _look(self) -> None:
        self._wait()
        try:
            self._compare()
        except Exception:
            self.stop()
            self._log.failure("{address}: a watch failed", address=self.connection.transport.address)
            self.connection.transport.loseConnection()

    def _compare(self) -> None:
        state = self.state()
        if state != self._state:
            self._state, self._unchanged = state, 0
            return
        self._unchanged += 1
        times, rest = divmod(self._unchanged, LOOKS)
        if not rest:
            self.still(times)


class Keepalive(Watch):
    """Asks a silent peer for a sign of life, a few times, then drops it (sshd's ClientAliveInterval and CountMax).

    Every message of the peer is a sign. Where no question may be sent now (the socket is full, keys are exchanged) it
    is left out and counts as unanswered: so they do not pile up, and no peer escapes by not reading. But one that
    empties a full socket, however slowly, lives.
    """

    __slots__ = ("_count_max",)

    def __init__(self, connection: Connection) -> None:
        settings = connection.transport.factory.settings
        super().__init__(connection, settings.client_alive_interval)
        self._count_max = settings.client_alive_count_max

    def state(self) -> object:
        return self.connection.transport.received, self.waiting

    def still(self, times: int) -> None:
        transport = self.connection.transport
        if times > self._count_max:
            text = f"the client does not answer: nothing came for {times * self.seconds:g} s"
            transport.sendDisconnect(DISCONNECT_BY_APPLICATION, text)
        elif transport.writable:
            transport.sendPacket(MSG_GLOBAL_REQUEST, NS(b"keepalive@openssh.com") + b"\1")


class IdleTimeout(Watch):
    """Ends a connection on which nothing happens: no data moves, no channel comes, asks or goes, no program is at work.

    Keepalives of either side, ignored messages, pings and new keys are nothing, and so is output that waits for a peer
    that does not read.
    """

    __slots__ = ()

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, connection.transport.factory.settings.idle_timeout)

    def state(self) -> object:
        channels = self.connection.channels.values()
        if any(channel.busy for channel in channels):
            return object()
        moved = [(channel.id, channel.moved, channel.requests) for channel in channels]
        return self.connection.localChannelID, moved, self.waiting

    def still(self, times: int) -> None:
        self.connection.transport.sendDisconnect(DISCONNECT_BY_APPLICATION, f"idle for {self.seconds:g} s")
