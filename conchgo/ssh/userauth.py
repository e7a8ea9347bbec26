"""The login (RFC 4252): who asks is counted, answered one request at a time, and learns nothing from a refusal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twisted.conch.error import ValidPublicKey
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.transport import (
    DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
)
from twisted.conch.ssh.userauth import (
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_PK_OK,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
    SSHUserAuthServer,
)
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from conchgo.accounts.naming import MAX_NAME
from conchgo.auth.credentials import IPasswordLogin, IPublicKeyLogin, PasswordLogin, PublicKeyLogin
from conchgo.errors import ConchgoError, LoginRefused
from conchgo.events.records import Event, Origin
from conchgo.paths import escaped
from conchgo.ssh.signatures import load_user_key, verify_signature
from conchgo.ssh.wire import ProtocolViolation, Reader

if TYPE_CHECKING:
    from conchgo.ssh.transport import ServerTransport

#: After how many seconds "that key would not do" leaves: a client with ten keys should not wait long.
QUERY_DELAY: Final = 0.05
MAX_WAITING: Final = 4

#: What a portal's checkers take, and what its method is called on the wire.
METHOD_NAMES: Final = {IPublicKeyLogin: b"publickey", IPasswordLogin: b"password"}

#: publickey, but what is signed names the host key too (OpenSSH PROTOCOL, 3.1). EXT_INFO tells of it, no list does.
HOSTBOUND: Final = b"publickey-hostbound-v00@openssh.com"


@dataclass(frozen=True, slots=True)
class _Request:
    username: bytes
    service: bytes
    method: bytes
    details: bytes
    arrived: float

    @classmethod
    def parse(cls, packet: bytes, arrived: float) -> _Request:
        fields = Reader(packet)
        return cls(fields.string(), fields.string(), fields.string(), fields.rest(), arrived)

    @property
    def listed_method(self) -> bytes:
        """The method by the name that the server lists."""
        return b"publickey" if self.method == HOSTBOUND else self.method

    @property
    def is_query(self) -> bool:
        """Whether it only asks if a public key would do (RFC 4252, section 7)."""
        return self.listed_method == b"publickey" and self.details[:1] == b"\0"

    def shown(self, field: bytes) -> str:
        return escaped(field[:MAX_NAME])


class UserAuth(SSHUserAuthServer):
    """The ssh-userauth service of one connection; its counters live on the transport."""

    transport: ServerTransport
    _log = Logger()

    def serviceStarted(self) -> None:
        self.portal = self.transport.factory.portal
        offered = set(self.portal.listCredentialsInterfaces())
        self._methods = [name for interface, name in METHOD_NAMES.items() if interface in offered]
        self._identity: tuple[bytes, bytes] | None = None
        self._waiting: deque[_Request] = deque()
        self._busy = False
        self._stopped = False
        self._answer: IDelayedCall | None = None
        self._refused_queries: list[Event] = []

    def serviceStopped(self) -> None:
        """Told when the login succeeded, and when the connection is gone.

        A client does not sign with a key that was refused when it asked: where nothing else let it in, the refused
        queries are all that tells why. A login that succeeds with the third key tells nothing of the other two.
        """
        if not self.transport.authenticated:
            for event in self._refused_queries:
                self._tell(event)
        self._refused_queries.clear()
        self._stopped = True
        self._waiting.clear()
        if self._answer is not None and self._answer.active():
            self._answer.cancel()

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        if messageNum == MSG_USERAUTH_REQUEST:
            self.ssh_USERAUTH_REQUEST(packet)
        else:
            self.transport.sendUnimplemented()

    def ssh_USERAUTH_REQUEST(self, packet: bytes) -> None:
        if len(self._waiting) >= MAX_WAITING:
            raise ProtocolViolation("too many authentication requests at once")
        self._waiting.append(_Request.parse(packet, self.transport.factory.clock.seconds()))
        self._next()

    def _next(self) -> None:
        try:
            while self._waiting and not self._busy and not self.transport.ended:
                self._busy = True
                self._handle(self._waiting.popleft())
        except ProtocolViolation as violation:
            self.transport.sendDisconnect(violation.code, violation.text)

    def _handle(self, request: _Request) -> None:
        self._check_identity(request)
        if request.method == b"none":
            self._send_failure()
            return
        if request.is_query:
            self.transport.key_queries += 1
            if self.transport.key_queries > self.transport.factory.settings.max_key_queries:
                raise ProtocolViolation("too many keys tried", DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE)
        self.transport.login_in_work = True
        login: Deferred[Any] = maybeDeferred(self._login, request)
        login.addBoth(self._worked)
        login.addCallbacks(self._succeeded, self._refused, callbackArgs=(request,), errbackArgs=(request,))
        login.addErrback(self._broken)

    def _check_identity(self, request: _Request) -> None:
        """Who logs in, and for what, is said once (as OpenSSH has it)."""
        identity = (request.username, request.service)
        if self._identity is None:
            self._identity = identity
            banner = self.transport.factory.settings.banner
            if banner:
                self.transport.sendPacket(MSG_USERAUTH_BANNER, NS(banner) + NS(b""))
        if identity != self._identity:
            raise ProtocolViolation("the user name or service changed during the login")
        if request.service != b"ssh-connection":
            raise ProtocolViolation("no such service", DISCONNECT_SERVICE_NOT_AVAILABLE)

    # From a request to credentials

    def _login(self, request: _Request) -> Any:
        if request.listed_method not in self._methods:
            raise LoginRefused("the method is not offered")
        credentials = _CREDENTIALS[request.method](self, request, Reader(request.details))
        return self.portal.login(credentials, self.transport, IConchUser)

    def _password(self, request: _Request, fields: Reader) -> PasswordLogin:
        changes = fields.boolean()
        password = fields.string()
        if changes:
            raise LoginRefused("a password cannot be changed here")
        fields.end()
        return PasswordLogin(_username(request), password, self.transport.address)

    def _publickey(self, request: _Request, fields: Reader) -> PublicKeyLogin:
        signed, algorithm, blob = fields.boolean(), fields.string(), fields.string()
        host_key = fields.string() if request.method == HOSTBOUND else None
        signature = fields.string() if signed else b""
        fields.end()
        username = _username(request)
        if host_key is not None and host_key != self.transport.host_key:
            raise LoginRefused("the client means another server: the host key is not that of the key exchange")
        key = load_user_key(algorithm, blob, self.transport.factory.algorithms.user_signatures)
        if signed:
            message = b"".join(
                (
                    NS(self.transport.sessionID or b""),
                    bytes((MSG_USERAUTH_REQUEST,)),
                    NS(request.username),
                    NS(request.service),
                    NS(request.method),
                    b"\1",
                    NS(algorithm),
                    NS(blob),
                    NS(host_key) if host_key is not None else b"",
                )
            )
            verify_signature(key, algorithm, signature, message)
        return PublicKeyLogin(username, blob, self.transport.address, proven=signed)

    # From a result to an answer

    def _worked(self, result: Any) -> Any:
        self.transport.login_in_work = False
        if self._stopped:
            self.transport.factory.login_ended(self.transport)
        return result

    def _succeeded(self, result: tuple[Any, Any, Callable[[], None]], request: _Request) -> None:
        _, avatar, logout = result
        if self._stopped or self.transport.ended:
            logout()
        elif request.is_query:
            logout()
            raise AssertionError("the portal let somebody in without a signature")
        else:
            self.transport.sendPacket(MSG_USERAUTH_SUCCESS, b"")
            self.transport.login_succeeded(avatar, logout)

    def _refused(self, failure: Failure, request: _Request) -> None:
        reason = self._reason(failure)
        if not request.is_query:
            self.transport.auth_failures += 1
            self._tell(self._refusal(request, reason))
        if self._stopped or self.transport.ended:
            return
        if request.is_query and failure.check(ValidPublicKey):
            fields = Reader(request.details[1:])
            self.transport.sendPacket(MSG_USERAUTH_PK_OK, NS(fields.string()) + NS(fields.string()))
            self._answered()
            return
        delay = QUERY_DELAY if request.is_query else self.transport.factory.settings.failure_delay
        if request.is_query:
            self._refused_queries.append(self._refusal(request, reason))
        clock = self.transport.factory.clock
        self._answer = clock.callLater(_remaining(clock.seconds() - request.arrived, delay), self._send_failure)

    def _reason(self, failure: Failure) -> str:
        """Why, for administrators; what is the client's or our own fault does not end in a mere refusal."""
        if isinstance(failure.value, LoginRefused):
            return failure.value.reason
        if isinstance(failure.value, ConchgoError):
            reason = failure.value.text
            self._log.error("{address}: the login failed: {reason}", address=self.transport.address, reason=reason)
            return reason
        if failure.check(UnauthorizedLogin):
            return "the credentials are wrong"
        if failure.check(ProtocolViolation):
            failure.raiseException()
        self._log.failure("{address}: the login failed", failure, address=self.transport.address)
        return "internal error"

    def _refusal(self, request: _Request, reason: str) -> Event:
        origin = Origin(
            request.shown(request.username), self.transport.connection_id, self.transport.address, protocol="SSH"
        )
        return Event("login", origin, "refused", method=request.shown(request.listed_method), reason=reason)

    def _tell(self, refusal: Event) -> None:
        """To the audit, and to the log, which is there without one too."""
        self.transport.factory.bus.publish(refusal)
        self._log.info(
            "{address}: login of {username} refused: {reason}",
            address=self.transport.address,
            username=refusal.origin.username,
            reason=refusal.reason,
        )

    def _send_failure(self) -> None:
        if self.transport.auth_failures >= self.transport.factory.settings.max_auth_tries:
            self.transport.sendDisconnect(DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, "too many authentication failures")
            return
        self.transport.sendPacket(MSG_USERAUTH_FAILURE, NS(b",".join(self._methods)) + b"\0")
        self._answered()

    def _answered(self) -> None:
        self._busy = False
        self._next()

    def _broken(self, failure: Failure) -> None:
        if isinstance(failure.value, ProtocolViolation):
            self.transport.sendDisconnect(failure.value.code, failure.value.text)
            return
        self._log.failure("{address}: the login broke", failure, address=self.transport.address)
        self.transport.loseConnection()


_CREDENTIALS: Final[dict[bytes, Callable[[UserAuth, _Request, Reader], Any]]] = {
    b"password": UserAuth._password,
    b"publickey": UserAuth._publickey,
    HOSTBOUND: UserAuth._publickey,
}


def _username(request: _Request) -> str:
    if len(request.username) > MAX_NAME:
        raise LoginRefused(f"a user name of {len(request.username)} bytes")
    try:
        return request.username.decode("utf-8")
    except UnicodeDecodeError:
        raise LoginRefused("the user name is not UTF-8")


def _remaining(elapsed: float, delay: float) -> float:
    """How long until the next multiple of `delay`: work that took longer than one delay shows no more than that."""
    return delay - elapsed % delay if delay > 0 else 0
