import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from conchgo.auth.credentials import IPasswordLogin, PasswordLogin, PublicKeyLogin
from conchgo.errors import Failure
from conchgo.ssh.settings import SSHSettings
from conchgo.ssh.userauth import MAX_WAITING, QUERY_DELAY
from tests.ssh_client import connect
from tests.ssh_server import HOST_KEY, Gate, make_factory

from .test_signatures import SK_ECDSA, SK_ED25519, SecurityKey

PEER = IPv4Address("TCP", "192.0.2.1", 5000)
SERVICE_ACCEPT, FAILURE, SUCCESS, BANNER, PK_OK = 6, 51, 52, 53, 60
PROTOCOL_ERROR, NO_MORE_METHODS = 2, 14
LIST = NS(b"publickey,password") + b"\0"

ED25519 = Key(ed25519.Ed25519PrivateKey.generate())
RSA = Key(rsa.generate_private_key(65537, 2048))


class Login:
    """A client that has asked for ssh-userauth, with everything around it."""

    def __init__(self, *keys: Key, host_keys: tuple[Key, ...] = (HOST_KEY,), **settings: object) -> None:
        self.clock = Clock()
        self.gate = Gate(*keys)
        self.events = []
        self.factory = make_factory(
            self.clock, self.gate, settings=SSHSettings(**settings), events=self.events, host_keys=host_keys
        )
        self.client, self.wire = connect(self.factory, peer=PEER)
        self.client.request_userauth()
        self.pump()

    def pump(self, seconds: float = 0) -> None:
        self.wire.pump()
        self.clock.advance(seconds)
        self.wire.pump()

    @property
    def answers(self) -> list[int]:
        return [number for number in self.client.numbers if number >= 50]


def test_a_password() -> None:
    login = Login()
    login.client.password(b"alice", b"secret")
    login.pump()

    assert login.answers == [SUCCESS]
    assert login.gate.asked == [PasswordLogin("alice", b"secret", "192.0.2.1")]
    assert login.gate.minds == [login.wire.server]
    assert login.wire.server.avatar is login.gate.avatar
    assert login.events == []


@pytest.mark.parametrize("key", [ED25519, RSA, Key(ec.generate_private_key(ec.SECP521R1()))])
def test_a_key_asked_for_and_then_used(key) -> None:
    login = Login(key)
    algorithm = b"rsa-sha2-512" if key is RSA else key.sshType()
    blob = key.public().blob()
    login.client.query_key(b"alice", algorithm, blob)
    login.pump()
    assert login.client.received(PK_OK) == [NS(algorithm) + NS(blob)]

    login.client.sign_in(b"alice", key, algorithm)
    login.pump()
    assert login.answers == [PK_OK, SUCCESS]
    assert [asked.proven for asked in login.gate.asked] == [False, True]


@pytest.mark.parametrize("algorithm", [SK_ED25519, SK_ECDSA])
@pytest.mark.parametrize("touched", [True, False])
def test_a_security_key_needs_its_touch(algorithm, touched) -> None:
    login = Login()
    key = SecurityKey(algorithm)
    login.gate.blobs.add(key.blob)
    message = login.client.signed_message(b"alice", algorithm, key.blob)
    login.client.publickey(b"alice", algorithm, key.blob, key.sign(message, flags=int(touched)))
    login.pump(1)

    assert login.answers == [SUCCESS if touched else FAILURE]
    assert bool(login.gate.asked) == touched


def test_a_sha1_signature_in_a_sha2_request_is_refused_before_the_portal() -> None:
    login = Login(RSA)
    blob = RSA.public().blob()
    signature = RSA.sign(login.client.signed_message(b"alice", b"rsa-sha2-256", blob), b"ssh-rsa")
    login.client.publickey(b"alice", b"rsa-sha2-256", blob, signature)
    login.client.sign_in(b"alice", RSA, b"ssh-rsa")
    login.pump(1)
    login.pump(1)

    assert login.answers == [FAILURE, FAILURE]
    assert login.gate.asked == []


def test_a_signature_of_another_session_is_refused() -> None:
    login, other = Login(ED25519), Login(ED25519)
    blob = ED25519.public().blob()
    signature = ED25519.sign(other.client.signed_message(b"alice", b"ssh-ed25519", blob))
    login.client.publickey(b"alice", b"ssh-ed25519", blob, signature)
    login.pump(1)

    assert login.answers == [FAILURE]


def test_a_signature_for_another_user_is_refused() -> None:
    login = Login(ED25519)
    blob = ED25519.public().blob()
    signature = ED25519.sign(login.client.signed_message(b"alicf", b"ssh-ed25519", blob))
    login.client.publickey(b"alice", b"ssh-ed25519", blob, signature)
    login.pump(1)

    assert login.answers == [FAILURE]


# Refusals look alike


BAD_LOGINS = {
    "wrong password": (b"alice", b"password", b"\0" + NS(b"wrong")),
    "unknown user": (b"nobody", b"password", b"\0" + NS(b"secret")),
    "100 KB password": (b"alice", b"password", b"\0" + NS(b"p" * 100_000)),
    "empty password": (b"alice", b"password", b"\0" + NS(b"")),
    "a password to change": (b"alice", b"password", b"\1" + NS(b"secret") + NS(b"new")),
    "long user name": (b"a" * 256, b"password", b"\0" + NS(b"secret")),
    "user name that is not UTF-8": (b"\xff", b"password", b"\0" + NS(b"secret")),
    "no such method": (b"alice", b"keyboard-interactive", NS(b"") + NS(b"")),
    "unknown algorithm": (b"alice", b"publickey", b"\1" + NS(b"ssh-dss") + NS(NS(b"ssh-dss")) + NS(b"sig")),
    "broken key": (b"alice", b"publickey", b"\1" + NS(b"ssh-ed25519") + NS(NS(b"ssh-ed25519")) + NS(b"sig")),
    "bad signature": (
        b"alice",
        b"publickey",
        b"\1" + NS(b"ssh-ed25519") + NS(ED25519.public().blob()) + NS(NS(b"ssh-ed25519") + NS(b"x" * 64)),
    ),
}


@pytest.mark.parametrize("name", BAD_LOGINS)
def test_every_refusal_is_the_same_at_the_same_time(name) -> None:
    username, method, details = BAD_LOGINS[name]
    login = Login(ED25519)
    login.client.userauth(username, method, details)
    login.pump(0.999)
    assert login.answers == []

    login.pump(0.002)
    assert login.client.messages[-1] == (FAILURE, LIST)
    assert login.wire.server.auth_failures == 1


@pytest.mark.parametrize("username", [b"a" * 256, b"\xff", b"a" * 100_000])
def test_the_portal_is_not_asked_for_impossible_names(username) -> None:
    login = Login(ED25519)
    login.client.password(username, b"secret")
    login.pump(1)
    login.client.query_key(username, b"ssh-ed25519", ED25519.public().blob())
    login.pump(1)

    assert login.answers == [FAILURE, FAILURE]
    assert login.gate.asked == []
    assert len(login.events[0].origin.username) < 1100


@pytest.mark.parametrize("error", [UnauthorizedLogin(), RuntimeError("the database is gone"), KeyError("x")])
def test_errors_of_the_portal_look_like_refusals_and_are_logged(error) -> None:
    login = Login()
    login.gate.broken = error
    with capturedLogs() as logs:
        login.client.password(b"alice", b"secret")
        login.pump(0.999)
        assert login.answers == []
        login.pump(0.001)

    assert login.answers == [FAILURE]
    traces = [event for event in logs if "log_failure" in event]
    assert bool(traces) == (not isinstance(error, UnauthorizedLogin))


def test_what_is_known_to_be_wrong_is_told_to_administrators_in_words() -> None:
    login = Login()
    login.gate.broken = Failure("the home directory can't be opened: not a directory")
    with capturedLogs() as logs:
        login.client.password(b"alice", b"secret")
        login.pump(1)

    assert login.client.messages[-1] == (FAILURE, LIST)
    assert [event.reason for event in login.events] == ["the home directory can't be opened: not a directory"]
    assert {event["reason"] for event in logs if "reason" in event} == {login.events[0].reason}
    assert not [event for event in logs if "log_failure" in event]


def test_work_that_takes_longer_than_the_delay_shows_no_more_than_that() -> None:
    login = Login()
    login.gate.pending = []
    login.client.password(b"alice", b"secret")
    login.pump(1.4)
    login.gate.pending[0].errback(UnauthorizedLogin())
    login.pump(0.59)
    assert login.answers == []

    login.pump(0.02)
    assert login.answers == [FAILURE]


@pytest.mark.parametrize(
    ("algorithm", "blob"),
    [(b"ssh-ed25519", Key(ed25519.Ed25519PrivateKey.generate()).public().blob()), (b"ssh-dss", b"x"), (b"", b"")],
    ids=["another key", "an old kind", "nothing"],
)
def test_a_query_is_refused_soon_and_free_of_charge(algorithm, blob) -> None:
    login = Login(ED25519)
    login.client.query_key(b"alice", algorithm, blob)
    login.pump(QUERY_DELAY - 0.001)
    assert login.answers == []
    login.pump(0.002)

    assert login.client.messages[-1] == (FAILURE, LIST)
    assert login.wire.server.auth_failures == 0
    assert login.events == []


def test_none_is_answered_at_once_and_free_of_charge() -> None:
    login = Login()
    login.client.userauth(b"alice", b"none")
    login.pump()

    assert login.client.messages[-1] == (FAILURE, LIST)
    assert login.wire.server.auth_failures == 0
    assert login.gate.asked == []


# What is counted


@pytest.mark.parametrize("way", ["password", "signature", "both"])
def test_six_failures_are_enough(way) -> None:
    login = Login()
    for attempt in range(6):
        if way == "password" or (way == "both" and attempt % 2):
            login.client.password(b"alice", b"wrong")
        else:
            login.client.sign_in(b"alice", ED25519)
        login.pump(1)

    assert login.answers == [FAILURE] * 5
    assert login.client.disconnect[0] == NO_MORE_METHODS
    assert login.wire.closed
    assert login.factory.startups.count == 0


def test_twenty_queries_are_enough() -> None:
    login = Login()
    for _ in range(21):
        login.client.query_key(b"alice", b"ssh-ed25519", ED25519.public().blob())
        login.pump(QUERY_DELAY)

    assert login.answers == [FAILURE] * 20
    assert login.client.disconnect[0] == NO_MORE_METHODS
    assert len(login.gate.asked) == 20


def test_a_flood_of_attempts_is_worked_off_one_at_a_time_and_then_cut_off() -> None:
    login = Login()
    login.gate.pending = []
    for _ in range(MAX_WAITING + 1):
        login.client.password(b"alice", b"secret")
    login.pump()
    assert len(login.gate.asked) == 1
    assert not login.wire.closed

    login.client.password(b"alice", b"secret")
    login.pump()
    assert login.client.disconnect[0] == PROTOCOL_ERROR
    assert len(login.gate.asked) == 1


def test_the_service_may_be_asked_for_before_every_try() -> None:
    """Paramiko does so. What was counted stays counted."""
    login = Login()
    for _ in range(5):
        login.client.request_userauth()
        login.client.password(b"alice", b"wrong")
        login.pump(1)
    login.client.request_userauth()
    login.client.password(b"bob", b"wrong")
    login.pump(1)

    assert login.answers == [FAILURE] * 5
    assert len(login.client.received(SERVICE_ACCEPT)) == 7
    assert login.wire.server.auth_failures == 5
    assert login.client.disconnect[0] == PROTOCOL_ERROR


def test_waiting_requests_follow_each_other() -> None:
    login = Login(ED25519)
    login.client.userauth(b"alice", b"none")
    login.client.password(b"alice", b"wrong")
    login.client.query_key(b"alice", b"ssh-ed25519", ED25519.public().blob())
    login.client.sign_in(b"alice", ED25519)
    login.pump()
    assert login.answers == [FAILURE]

    login.pump(1)
    assert login.answers == [FAILURE, FAILURE, PK_OK, SUCCESS]


def test_a_violation_that_waited_ends_the_connection() -> None:
    login = Login()
    login.client.password(b"alice", b"wrong")
    login.client.password(b"bob", b"wrong")
    login.pump(1)

    assert login.client.disconnect[0] == PROTOCOL_ERROR


@pytest.mark.parametrize(("username", "service"), [(b"bob", b"ssh-connection"), (b"alice", b"ssh-other")])
def test_the_user_does_not_change(username, service) -> None:
    login = Login()
    login.client.userauth(b"alice", b"none")
    login.client.userauth(username, b"none", service=service)
    login.pump()

    assert login.client.disconnect[0] == PROTOCOL_ERROR


def test_an_unknown_service_ends_the_connection() -> None:
    login = Login()
    login.client.userauth(b"alice", b"password", b"\0" + NS(b"secret"), service=b"ssh-userauth")
    login.pump()

    assert login.client.disconnect[0] == 7
    assert login.gate.asked == []


@pytest.mark.parametrize(
    ("method", "details"),
    [
        (b"password", b""),
        (b"password", b"\0"),
        (b"password", b"\0\0\0\0\xff"),
        (b"password", b"\0" + NS(b"secret") + b"more"),
        (b"publickey", b""),
        (b"publickey", b"\1" + NS(b"ssh-ed25519") + NS(b"blob")),
        (b"publickey", b"\0" + NS(b"ssh-ed25519") + NS(b"blob") + NS(b"signature")),
    ],
)
def test_a_malformed_request_ends_the_connection(method, details) -> None:
    login = Login()
    login.client.userauth(b"alice", method, details)
    with capturedLogs() as logs:
        login.pump()

    assert login.client.disconnect[0] == PROTOCOL_ERROR
    assert login.gate.asked == []
    assert [event for event in logs if "log_failure" in event] == []


def test_messages_of_other_methods_are_not_implemented() -> None:
    login = Login()
    login.client.sendPacket(61, struct.pack(">L", 0))
    login.pump()

    assert login.client.numbers[-1] == 3


# Events


def test_every_counted_failure_is_published() -> None:
    login = Login()
    login.client.password(b"nobody\n\xff", b"wrong")
    login.pump(1)
    login.client.sign_in(b"nobody\n\xff", ED25519)
    login.pump(1)

    assert [(event.action, event.status, event.method) for event in login.events] == [
        ("login", "refused", "password"),
        ("login", "refused", "publickey"),
    ]
    origin = login.events[0].origin
    assert (origin.username, origin.ip, origin.protocol) == ("nobody\\n\\xff", "192.0.2.1", "SSH")
    assert origin.session == login.wire.server.connection_id
    assert login.events[0].reason == "the user name is not UTF-8"


def test_refused_queries_are_published_where_nothing_else_lets_the_client_in() -> None:
    login = Login(ED25519)
    login.client.query_key(b"alice", b"ssh-ed25519", Key(ed25519.Ed25519PrivateKey.generate()).public().blob())
    login.pump(QUERY_DELAY)
    login.client.query_key(b"alice", b"ssh-ed25519", ED25519.public().blob())
    login.pump()
    assert login.answers == [FAILURE, PK_OK]
    assert login.events == []
    login.wire.lose()

    (event,) = login.events
    assert (event.action, event.status, event.method, event.reason) == ("login", "refused", "publickey", "wrong")
    assert event.origin.username == "alice"


def test_a_login_that_succeeds_tells_nothing_of_the_keys_tried_before() -> None:
    login = Login(ED25519)
    login.client.query_key(b"alice", b"ssh-ed25519", Key(ed25519.Ed25519PrivateKey.generate()).public().blob())
    login.pump(QUERY_DELAY)
    login.client.sign_in(b"alice", ED25519)
    login.pump()
    login.wire.lose()

    assert login.answers == [FAILURE, SUCCESS]
    assert login.events == []


def test_connections_have_names_of_their_own() -> None:
    assert Login().wire.server.connection_id != Login().wire.server.connection_id


# Banner, methods, the end


def test_the_banner_comes_before_the_first_answer_and_once() -> None:
    login = Login(banner=b"be nice\r\n")
    assert login.answers == []
    login.client.userauth(b"alice", b"none")
    login.client.password(b"alice", b"secret")
    login.pump()

    assert login.answers == [BANNER, FAILURE, SUCCESS]
    assert login.client.received(BANNER) == [NS(b"be nice\r\n") + NS(b"")]


def test_only_what_the_portal_takes_is_offered(monkeypatch) -> None:
    monkeypatch.setattr(Gate, "credentialInterfaces", Gate.credentialInterfaces[1:])
    login = Login()
    login.client.userauth(b"alice", b"none")
    login.client.password(b"alice", b"secret")
    login.pump(1)

    assert login.client.received(FAILURE) == [NS(b"publickey") + b"\0"] * 2
    assert login.gate.asked == []
    assert login.events[0].reason == "the method is not offered"


def test_after_success_everything_of_the_login_is_ignored() -> None:
    login = Login()
    login.client.password(b"alice", b"secret")
    login.client.password(b"alice", b"again")
    login.client.sendPacket(50, b"malformed")
    login.client.sendPacket(61, b"")
    login.pump(5)

    assert login.answers == [SUCCESS]
    assert login.client.numbers[-1] == SUCCESS
    assert len(login.gate.asked) == 1
    assert not login.wire.closed


def test_a_login_that_comes_too_late_is_logged_out() -> None:
    login = Login()
    login.gate.pending = []
    login.client.password(b"alice", b"secret")
    login.pump()
    login.wire.lose()
    assert login.gate.avatar.logouts == 0

    login.gate.pending[0].callback(None)
    assert login.gate.avatar.logouts == 1
    assert not login.factory.transports


def test_guesses_whose_clients_leave_at_once_pile_up_no_further_than_connections_do() -> None:
    """Each of them is still hashed, and every honest client of that address would wait behind them."""
    login = Login(max_startups_per_host=3)
    login.gate.pending = []
    login.client.password(b"alice", b"secret")
    login.pump()
    login.wire.lose()
    for _ in range(2):
        client, wire = connect(login.factory, peer=PEER)
        client.request_userauth()
        client.password(b"alice", b"secret")
        wire.pump()
        wire.lose()
    assert len(login.gate.pending) == login.factory.startups.count == 3
    assert login.factory.buildProtocol(PEER) is None

    for held in login.gate.pending:
        held.callback(None)
    assert login.factory.startups.count == 0
    assert login.gate.avatar.logouts == 3


def test_a_guess_is_published_though_its_client_left() -> None:
    login = Login()
    login.gate.pending = []
    login.client.password(b"alice", b"secret")
    login.pump()
    login.wire.lose()
    login.gate.pending[0].errback(UnauthorizedLogin())

    assert [(event.action, event.status) for event in login.events] == [("login", "refused")]
    assert login.factory.startups.count == 0


def test_a_login_after_the_deadline_is_logged_out() -> None:
    login = Login()
    login.wire.hold_close = True
    login.gate.pending = []
    login.client.password(b"alice", b"secret")
    login.pump(120)
    login.gate.pending[0].callback(None)
    login.pump()

    assert login.answers == []
    assert login.gate.avatar.logouts == 1
    login.wire.lose()
    assert login.gate.avatar.logouts == 1


def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind() -> None:
    login = Login()
    login.client.password(b"alice", b"wrong")
    login.client.password(b"alice", b"wrong")
    login.pump()
    login.wire.lose()

    assert login.clock.getDelayedCalls() == []
    assert login.factory.startups.count == 0


def test_a_portal_that_lets_in_without_a_signature_is_not_believed() -> None:
    login = Login(ED25519)
    login.gate.requestAvatarId = lambda credentials: "alice"
    with capturedLogs() as logs:
        login.client.query_key(b"alice", b"ssh-ed25519", ED25519.public().blob())
        login.pump()

    assert SUCCESS not in login.answers
    assert login.wire.closed
    assert login.gate.avatar.logouts == 1
    assert [event for event in logs if "log_failure" in event]


def test_the_avatar_is_logged_out_once() -> None:
    login = Login()
    login.client.password(b"alice", b"secret")
    login.pump()
    assert login.gate.avatar.logouts == 0
    login.wire.lose()

    assert login.gate.avatar.logouts == 1


def test_credentials_do_not_show_the_password() -> None:
    assert "secret" not in repr(PasswordLogin("alice", b"secret", ""))
    assert PublicKeyLogin("alice", b"", "", proven=False) != PublicKeyLogin("alice", b"", "", proven=True)


# publickey-hostbound-v00@openssh.com (OpenSSH PROTOCOL, 3.1)

HOSTBOUND = b"publickey-hostbound-v00@openssh.com"


def hostbound(login: Login, key: Key, host_key: bytes, signed_host_key: bytes | None = None, **changes: bytes) -> None:
    """Log in as alice; the signature names `signed_host_key`."""
    algorithm, blob = key.sshType(), key.public().blob()
    signed = login.client.signed_message(b"alice", algorithm, blob, changes.get("signed_method", HOSTBOUND))
    signature = key.sign(signed + NS(host_key if signed_host_key is None else signed_host_key))
    details = b"\1" + NS(algorithm) + NS(blob) + NS(host_key) + NS(signature)
    login.client.userauth(b"alice", changes.get("method", HOSTBOUND), details)
    login.pump()


def test_a_login_that_is_bound_to_our_host_key() -> None:
    login = Login(ED25519)
    host_key, blob = HOST_KEY.public().blob(), ED25519.public().blob()
    login.client.userauth(b"alice", HOSTBOUND, b"\0" + NS(b"ssh-ed25519") + NS(blob) + NS(host_key))
    login.pump()
    assert login.client.received(PK_OK) == [NS(b"ssh-ed25519") + NS(blob)]

    hostbound(login, ED25519, host_key)
    assert login.answers == [PK_OK, SUCCESS]
    assert [asked.proven for asked in login.gate.asked] == [False, True]


def test_it_is_bound_to_the_key_of_the_first_exchange() -> None:
    """A server may have several; that another one belongs to it too is not enough."""
    other = Key(rsa.generate_private_key(65537, 2048))
    login = Login(ED25519, host_keys=(HOST_KEY, other))
    hostbound(login, ED25519, other.public().blob())
    login.pump(1)

    assert login.answers == [FAILURE]
    assert login.gate.asked == []
    (refusal,) = login.events
    assert refusal.method == "publickey"
    assert refusal.reason == "the client means another server: the host key is not that of the key exchange"


@pytest.mark.parametrize(
    "changes",
    [
        {"signed_host_key": Key(ed25519.Ed25519PrivateKey.generate()).public().blob()},
        {"signed_host_key": b""},
        {"signed_method": b"publickey"},
    ],
)
def test_a_signature_for_somebody_else_is_wrong(changes) -> None:
    login = Login(ED25519)
    hostbound(login, ED25519, HOST_KEY.public().blob(), **changes)
    login.pump(1)

    assert login.answers == [FAILURE]
    assert login.gate.asked == []


def test_a_host_key_does_not_belong_into_a_plain_public_key_login() -> None:
    login = Login(ED25519)
    hostbound(login, ED25519, HOST_KEY.public().blob(), method=b"publickey")

    assert login.client.disconnect[0] == PROTOCOL_ERROR


def test_it_is_not_listed_and_not_offered_where_keys_are_not(monkeypatch) -> None:
    monkeypatch.setattr(Gate, "credentialInterfaces", (IPasswordLogin,))
    login = Login(ED25519)
    hostbound(login, ED25519, HOST_KEY.public().blob())
    login.pump(1)

    assert login.client.received(FAILURE) == [NS(b"password") + b"\0"]
