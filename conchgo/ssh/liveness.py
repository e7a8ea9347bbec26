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

#: How often a watch looks within its time at least, which is late by no more than one look.
LOOKS: Final = 8


class Watch:
    """Calls `still` for every `seconds` in a row in which `state` has not changed; 0 seconds watch nothing."""

    __slots__ = ("_silence", "_state", "connection", "seconds")

    def __init__(self, connection: Connection, seconds: float) -> None:
        self.connection = connection
        self.seconds = seconds

    def begin(self) -> None:
        self._state = self.state()
        self._silence = 0.0

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

    def look(self, elapsed: float) -> None:
        """So many seconds after the last look."""
        state = self.state()
        if state != self._state:
            self._state, self._silence = state, 0.0
            return
        before, self._silence = self._silence, self._silence + elapsed
        times = self._silence // self.seconds
        if times > before // self.seconds:
            self.still(int(times))


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
        self.connection.transport.terminate(f"idle for {self.seconds:g} s")


class Watches:
    """All watches of one connection, on one timer: of every session a timer takes 400 bytes."""

    __slots__ = ("_connection", "_timer", "_watches")
    _log = Logger()

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._watches = tuple(watch for watch in (Keepalive(connection), IdleTimeout(connection)) if watch.seconds)
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        for watch in self._watches:
            watch.begin()
        self._wait()

    def stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    @property
    def _interval(self) -> float:
        return min(watch.seconds for watch in self._watches) / LOOKS

    def _wait(self) -> None:
        if self._watches:
            self._timer = self._connection.transport.factory.clock.callLater(self._interval, self._look)

    def _look(self) -> None:
        self._wait()
        try:
            for watch in self._watches:
                watch.look(self._interval)
        except Exception:
            self.stop()
            self._log.failure("{address}: a watch failed", address=self._connection.transport.address)
            self._connection.transport.loseConnection()
