"""Checks what a client shows against the accounts (a checker of twisted.cred)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.conch.error import ValidPublicKey
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred, inlineCallbacks
from zope.interface import implementer

from conchgo.accounts.limits import login_refusal
from conchgo.accounts.model import User
from conchgo.accounts.store import AccountStore
from conchgo.auth import passwords, public_keys
from conchgo.auth.credentials import IPasswordLogin, IPublicKeyLogin, Login, PasswordLogin, PublicKeyLogin
from conchgo.edge.pools import Runner
from conchgo.errors import LoginRefused


@implementer(ICredentialsChecker)
class Checker:
    """Users of an AccountStore, by password or public key.

    Looking up happens in `database`, hashing in `passwords`, both on behalf of the client's address, so that a flood
    from one address does not keep others waiting. `now` gives seconds since the epoch.
    """

    credentialInterfaces = (IPasswordLogin, IPublicKeyLogin)

    def __init__(self, store: AccountStore, database: Runner, passwords: Runner, now: Callable[[], float]) -> None:
        self._store = store
        self._database = database
        self._passwords = passwords
        self._now = now

    def requestAvatarId(self, credentials: PasswordLogin | PublicKeyLogin) -> Deferred[Login]:  # type: ignore[override]
        """The login that these credentials give.

        Fails with LoginRefused, whose `reason` is for the log; with ValidPublicKey, where a key would do but is not
        proven; or with Failure or Busy, where nobody could tell.
        """
        if isinstance(credentials, PasswordLogin):
            return self._by_password(credentials)
        return self._by_public_key(credentials)

    @inlineCallbacks
    def _by_password(self, shown: PasswordLogin) -> Generator[Deferred[Any], Any, Login]:
        user: User | None = yield self._database.run(shown.ip, self._store.user, shown.username)
        reason: str | None = yield self._passwords.run(shown.ip, _password_refusal, user, shown.password)
        return self._admitted(user, reason, "password", shown.ip)

    @inlineCallbacks
    def _by_public_key(self, shown: PublicKeyLogin) -> Generator[Deferred[Any], Any, Login]:
        user: User | None = yield self._database.run(shown.ip, self._store.user, shown.username)
        login = self._admitted(user, _key_refusal(user, shown.blob), "publickey", shown.ip)
        if not shown.proven:
            raise ValidPublicKey
        return login

    def _admitted(self, user: User | None, reason: str | None, method: str, ip: str) -> Login:
        """The rules are asked last and for whatever was shown: a refused user's good key looks like a bad one."""
        if user is None:
            raise LoginRefused("there is no such user")
        reason = reason or login_refusal(user, method, ip, self._now())
        if reason:
            raise LoginRefused(reason)
        return Login(user, method, ip)


def _password_refusal(user: User | None, password: bytes) -> str | None:
    """Every way through here hashes once."""
    stored = user.password if user else ""
    reason = passwords.problem(stored) if stored else "the user has no password"
    if reason:
        passwords.dummy_verify(password)
        return reason
    return None if passwords.verify(stored, password) else "wrong password"


def _key_refusal(user: User | None, blob: bytes) -> str | None:
    if user and public_keys.matches(user.public_keys, blob):
        return None
    return f"the key {public_keys.fingerprint(blob)} is not the user's"
