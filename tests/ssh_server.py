"""The smallest server that lets somebody in: a portal with one user, and programs that tests can hold on to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.error import ValidPublicKey
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.keys import Key
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from conchgo.auth.credentials import IPasswordLogin, IPublicKeyLogin, PasswordLogin, PublicKeyLogin
from conchgo.edge.stream import Stream
from conchgo.errors import LoginRefused
from conchgo.events.bus import Bus
from conchgo.events.records import Event
from conchgo.ssh.algorithms import ALGORITHM_SETS, AlgorithmSet
from conchgo.ssh.factory import ServerFactory
from conchgo.ssh.settings import SSHSettings

#: An ed25519 key that only tests know.
HOST_KEY = Key(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


_SETTINGS = SSHSettings()


class Recorder:
    """A program that writes down what happens to it, and does nothing."""

    busy = False

    def __init__(self) -> None:
        self.stream: Stream
        self.calls: list[str] = []
        self.input = b""

    def started(self, stream: Stream) -> None:
        self.stream = stream
        self.calls.append("started")

    def data_received(self, data: bytes) -> None:
        self.input += data

    def input_ended(self) -> None:
        self.calls.append("input_ended")

    def drained(self) -> None:
        self.calls.append("drained")

    def connection_lost(self) -> None:
        self.calls.append("connection_lost")


class Echo(Recorder):
    """Gives back what it gets, as fast as it is taken, and ends with status 0."""

    def __init__(self) -> None:
        super().__init__()
        self._due = 0
        self._ended = False

    def data_received(self, data: bytes) -> None:
        self.stream.write(data)
        self._due += len(data)
        self._settle()

    def input_ended(self) -> None:
        self._ended = True
        self._settle()

    def drained(self) -> None:
        self._settle()

    def _settle(self) -> None:
        if not self.stream.congested:
            due, self._due = self._due, 0
            self.stream.consumed(due)
        if self._ended:
            self.stream.exit(0)


class Say(Recorder):
    """Says one line on standard error, and ends with status 3, before anything else can happen."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self._text = text

    def started(self, stream: Stream) -> None:
        super().started(stream)
        stream.write_error(self._text)
        stream.exit(3)


@implementer(IConchUser)
class Avatar:
    """Every command is a Recorder (kept in `programs`), but "echo" and whatever `make` gives."""

    def __init__(self) -> None:
        self.programs: list[Any] = []
        self.environments: list[Mapping[bytes, bytes]] = []
        self.make: Callable[[], Any] = Recorder
        self.logouts = 0

    def subsystem(self, name: bytes) -> Any:
        return self._started(Echo() if name == b"echo" else self.make()) if name in (b"sftp", b"echo") else None

    def command(self, line: bytes, environment: Mapping[bytes, bytes]) -> Any:
        self.environments.append(environment)
        return self._started(Echo() if line == b"echo" else self.make())

    def shell(self) -> Any:
        return self._started(Say(b"this is a file server\r\n"))

    def logout(self) -> None:
        self.logouts += 1

    def _started(self, program: Any) -> Any:
        self.programs.append(program)
        return program


@implementer(IRealm, ICredentialsChecker)
class Gate:
    """Realm and checker in one: alice enters with `secret` or one of `keys`. A list `pending` holds logins back."""

    credentialInterfaces = (IPasswordLogin, IPublicKeyLogin)

    def __init__(self, *keys: Key) -> None:
        self.blobs = {key.public().blob() for key in keys}
        self.avatar = Avatar()
        self.asked: list[Any] = []
        self.minds: list[Any] = []
        self.pending: list[Deferred[None]] | None = None
        self.broken: Exception | None = None

    def requestAvatarId(self, credentials: Any) -> Any:
        self.asked.append(credentials)
        if self.broken:
            raise self.broken
        if isinstance(credentials, PublicKeyLogin):
            good = credentials.blob in self.blobs
            if good and not credentials.proven:
                raise ValidPublicKey
        else:
            assert isinstance(credentials, PasswordLogin)
            good = credentials.password == b"secret"
        if credentials.username != "alice" or not good:
            raise LoginRefused("wrong")
        if self.pending is None:
            return "alice"
        held: Deferred[None] = Deferred()
        self.pending.append(held)
        return held.addCallback(lambda _: "alice")

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        self.minds.append(mind)
        return IConchUser, self.avatar, self.avatar.logout


def make_factory(
    clock: IReactorTime,
    gate: Gate,
    *,
    algorithms: AlgorithmSet = ALGORITHM_SETS["compatible"],
    settings: SSHSettings = _SETTINGS,
    events: list[Event] | None = None,
    host_keys: tuple[Key, ...] = (HOST_KEY,),
) -> ServerFactory:
    bus = Bus(events.append) if events is not None else Bus()
    portal = Portal(gate, [gate])
    return ServerFactory(portal, host_keys, bus=bus, algorithms=algorithms, settings=settings, clock=clock)
