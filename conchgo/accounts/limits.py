"""Who may log in: pure rules over a user, asked after its credentials were found good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from conchgo.accounts.enforcement import unenforced
from conchgo.accounts.model import User
from conchgo.accounts.networks import is_in, parsed
from conchgo.accounts.validation import PASSWORD_OVER_SSH, SSH_LOGIN_METHODS

_SINGLE_STEP: Final = frozenset(method for method in SSH_LOGIN_METHODS if "+" not in method)


def login_refusal(user: User, method: str, ip: str, now: float) -> str | None:
    """Why the user may not log in with `method` ("password", "publickey") from `ip` at `now`, or None where it may.

    `now` is seconds since the epoch. The reason is for the log, never for the client.
    """
    for rule in _RULES:
        reason = rule(user, method, ip, now)
        if reason:
            return reason
    return None


def _status(user: User, method: str, ip: str, now: float) -> str | None:
    return None if user.status == 1 else "the user is disabled"


def _expiration(user: User, method: str, ip: str, now: float) -> str | None:
    return "the user has expired" if 0 < user.expiration_date <= now * 1000 else None


def _protocol(user: User, method: str, ip: str, now: float) -> str | None:
    return "the protocol SSH is denied to the user" if "SSH" in user.filters.denied_protocols else None


def _login_method(user: User, method: str, ip: str, now: float) -> str | None:
    denied = {"password" if name == PASSWORD_OVER_SSH else name for name in user.filters.denied_login_methods}
    if denied >= _SINGLE_STEP:
        return "the user must log in with several methods, which is not supported yet"
    return f"the login method {method} is denied to the user" if method in denied else None


def _address(user: User, method: str, ip: str, now: float) -> str | None:
    """An allowed match wins, then a denied one; where there is a list of allowed addresses, all others are denied."""
    allowed, denied = user.filters.allowed_ip, user.filters.denied_ip
    if not allowed and not denied:
        return None
    try:
        address = parsed(ip)
        if is_in(address, allowed):
            return None
        refused = is_in(address, denied) or bool(allowed)
    except ValueError:
        return "the client's address or an address rule of the user cannot be read"
    return "the user may not log in from this address" if refused else None


def _enforcement(user: User, method: str, ip: str, now: float) -> str | None:
    fields = unenforced(user)
    if not fields:
        return None
    return f"the user has settings that are not enforced yet: {', '.join(fields)}; unset them to let it in"


_RULES: Final[tuple[Callable[[User, str, str, float], str | None], ...]] = (
    _status,
    _expiration,
    _protocol,
    _login_method,
    _address,
    _enforcement,
)
