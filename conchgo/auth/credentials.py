"""What a client shows to get in (twisted.cred credentials), and what it gets when it may."""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted.cred.credentials import ICredentials
from zope.interface import Interface, implementer

from conchgo.accounts.model import User


class IPasswordLogin(ICredentials):
    """A user's name and password."""


class IPublicKeyLogin(ICredentials):
    """A user's name and public key, with or without proof that the client holds the private one."""


class ILogin(Interface):
    """An authenticated user: the avatar id that the checkers give to the realm."""


@implementer(IPasswordLogin)
@dataclass(frozen=True, slots=True)
class PasswordLogin:
    username: str
    password: bytes = field(repr=False)
    ip: str


@implementer(IPublicKeyLogin)
@dataclass(frozen=True, slots=True)
class PublicKeyLogin:
    """`proven` is whether a signature was verified; without one a good key ends in twisted.conch's ValidPublicKey."""

    username: str
    blob: bytes
    ip: str
    proven: bool


@implementer(ILogin)
@dataclass(frozen=True, slots=True)
class Login:
    """`method` is "password" or "publickey"."""

    user: User
    method: str
    ip: str
