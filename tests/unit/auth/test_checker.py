from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import bcrypt
from twisted.conch.error import ValidPublicKey
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import TestCase
from zope.interface import Interface, implementer
from zope.interface.verify import verifyObject

from conchgo.accounts.memory import MemoryAccountStore
from conchgo.accounts.model import Filters, User
from conchgo.auth.checker import Checker
from conchgo.auth.credentials import Login, PasswordLogin, PublicKeyLogin
from conchgo.edge.pools import Inline
from conchgo.errors import Failure, LoginRefused
from tests import keys

IP = "192.0.2.7"
KEY = keys.ed25519_line(1)
HASH = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
ALICE = User("alice", "/srv/alice", password=HASH, public_keys=(keys.ed25519_line(2), KEY))


class NotingRunner(Inline):
    """Does the work at once and notes on whose behalf."""

    def __init__(self) -> None:
        self.owners: list[str] = []

    def run(self, owner: str, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        self.owners.append(owner)
        return super().run(owner, work, *args, **kwargs)


def checker(*users: User, now: float = 0.0) -> Checker:
    return Checker(MemoryAccountStore(users), Inline(), Inline(), lambda: now)


def password(given: bytes = b"correct horse", name: str = "alice") -> PasswordLogin:
    return PasswordLogin(name, given, IP)


def key(line: str = KEY, *, proven: bool = True, name: str = "alice") -> PublicKeyLogin:
    return PublicKeyLogin(name, keys.blob(line), IP, proven)


class LoginTests(TestCase):
    def refusal(self, credentials: PasswordLogin | PublicKeyLogin, *users: User) -> str:
        refused = self.failureResultOf(checker(*users).requestAvatarId(credentials), LoginRefused).value
        self.assertEqual(str(refused), "permission denied")
        return refused.reason

    def test_it_is_a_checker_for_twisted_cred(self) -> None:
        @implementer(IRealm)
        class Realm:
            def requestAvatar(self, avatarId: object, mind: object, *interfaces: Any) -> Any:
                return succeed((interfaces[0], avatarId, lambda: None))

        self.assertTrue(verifyObject(ICredentialsChecker, checker()))
        portal = Portal(Realm(), [checker(ALICE)])
        for credentials, method in ((password(), "password"), (key(), "publickey")):
            avatar = self.successResultOf(portal.login(credentials, None, Interface))[1]
            self.assertEqual(avatar, Login(ALICE, method, IP))

    def test_a_wrong_password(self) -> None:
        for given in (b"Correct horse", b"", b"\0", b"correct horse\0", b"x" * 73, b"x" * 100_000):
            self.assertEqual(self.refusal(password(given), ALICE), "wrong password")

    def test_an_unknown_user(self) -> None:
        for name in ("bob", "", "alice\0", "\udc80", "x" * 100_000):
            self.assertEqual(self.refusal(password(name=name), ALICE), "there is no such user")
            self.assertEqual(self.refusal(key(name=name), ALICE), "there is no such user")

    def test_a_user_without_a_password_has_none_that_fits(self) -> None:
        nobody = dataclasses.replace(ALICE, password="")
        for given in (b"", b"x"):
            self.assertEqual(self.refusal(password(given), nobody), "the user has no password")

    def test_a_hash_that_cannot_be_read_is_named_in_the_log(self) -> None:
        self.assertIn("no known format", self.refusal(password(), dataclasses.replace(ALICE, password="plain")))
        self.assertIn("damaged", self.refusal(password(), dataclasses.replace(ALICE, password=HASH[:-1])))

    def test_every_refused_password_costs_one_hash(self) -> None:
        users = (ALICE, User("keys", "/srv"), User("broken", "/srv", password=HASH[:-1]))
        costs: list[str] = []
        self.patch(bcrypt, "checkpw", lambda given, stored: bool(costs.append(stored)))
        for name in ("alice", "keys", "broken", "nobody"):
            costs.clear()
            self.refusal(password(name=name), *users)
            self.assertEqual(len(costs), 1, name)

    def test_an_unknown_key(self) -> None:
        for proven in (True, False):
            reason = self.refusal(key(keys.ed25519_line(3), proven=proven), ALICE)
            self.assertIn("SHA256:", reason)

    def test_a_good_key_without_proof_asks_for_it(self) -> None:
        self.failureResultOf(checker(ALICE).requestAvatarId(key(proven=False)), ValidPublicKey)

    def test_the_rules_refuse_a_good_key_before_and_after_its_proof(self) -> None:
        for user, reason in (
            (dataclasses.replace(ALICE, status=0), "disabled"),
            (dataclasses.replace(ALICE, filters=Filters(denied_ip=("192.0.2.0/24",))), "address"),
            (dataclasses.replace(ALICE, filters=Filters(denied_login_methods=("publickey",))), "publickey"),
            (dataclasses.replace(ALICE, extra={"groups": ["x"]}), "groups"),
        ):
            for proven in (True, False):
                self.assertIn(reason, self.refusal(key(proven=proven), user))

    def test_the_rules_refuse_a_good_password(self) -> None:
        for user, reason in (
            (dataclasses.replace(ALICE, status=0), "disabled"),
            (dataclasses.replace(ALICE, filters=Filters(denied_login_methods=("password",))), "password"),
            (dataclasses.replace(ALICE, extra={"groups": ["x"]}), "groups"),
        ):
            self.assertIn(reason, self.refusal(password(), user))

    def test_expiration_looks_at_the_clock_of_each_login(self) -> None:
        user, clock = dataclasses.replace(ALICE, expiration_date=10_000), [9.0]
        watched = Checker(MemoryAccountStore([user]), Inline(), Inline(), lambda: clock[0])
        self.successResultOf(watched.requestAvatarId(password()))
        clock[0] = 10.0
        self.failureResultOf(watched.requestAvatarId(password()), LoginRefused)

    def test_a_changed_password_counts_at_the_next_login(self) -> None:
        store = MemoryAccountStore([ALICE])
        watched = Checker(store, Inline(), Inline(), lambda: 0.0)
        self.successResultOf(watched.requestAvatarId(password()))
        store.update(dataclasses.replace(ALICE, password=""))
        self.failureResultOf(watched.requestAvatarId(password()), LoginRefused)

    def test_work_is_done_for_the_clients_address(self) -> None:
        database, hashing = NotingRunner(), NotingRunner()
        watched = Checker(MemoryAccountStore([ALICE]), database, hashing, lambda: 0.0)
        self.successResultOf(watched.requestAvatarId(password()))
        self.successResultOf(watched.requestAvatarId(key()))
        self.assertEqual((database.owners, hashing.owners), ([IP, IP], [IP]))

    def test_a_store_that_fails_is_no_refusal(self) -> None:
        class Broken(MemoryAccountStore):
            def user(self, username: str) -> User | None:
                raise Failure("the database failed")

        watched = Checker(Broken(), Inline(), Inline(), lambda: 0.0)
        self.failureResultOf(watched.requestAvatarId(password()), Failure)
        self.failureResultOf(watched.requestAvatarId(key()), Failure)
