from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from conchgo.accounts.limits import login_refusal
from conchgo.accounts.model import Filters, User

NOW = 1_700_000_000.0


def refusal(method: str = "password", ip: str = "192.0.2.7", user: dict[str, Any] | None = None, **filters: Any) -> str:
    alice = dataclasses.replace(User("alice", "/srv/alice"), filters=Filters(**filters), **(user or {}))
    return login_refusal(alice, method, ip, NOW) or ""


def test_a_plain_user_gets_in_from_anywhere() -> None:
    for ip in ("192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7", "fe80::1%eth0", "nonsense"):
        assert refusal(ip=ip) == ""


def test_disabled_and_expired_users_stay_out() -> None:
    assert "disabled" in refusal(user={"status": 0})
    assert "disabled" in refusal(user={"status": 2})
    assert "expired" in refusal(user={"expiration_date": int(NOW * 1000)})
    assert "expired" in refusal(user={"expiration_date": 1})
    assert refusal(user={"expiration_date": int(NOW * 1000) + 1}) == ""


def test_a_denied_protocol_is_ours_only_if_it_is_ssh() -> None:
    assert "SSH" in refusal(denied_protocols=("SSH",))
    assert refusal(denied_protocols=("FTP", "DAV", "HTTP")) == ""


@pytest.mark.parametrize(
    ("denied", "password", "publickey"),
    [
        ((), True, True),
        (("password",), False, True),
        (("password-over-SSH",), False, True),
        (("publickey",), True, False),
        (("keyboard-interactive", "publickey+password", "TLSCertificate"), True, True),
        (("password", "publickey"), False, False),
        (("password", "publickey", "keyboard-interactive"), False, False),
        (("password-over-SSH", "publickey", "keyboard-interactive"), False, False),
    ],
)
def test_denied_login_methods(denied: tuple[str, ...], password: bool, publickey: bool) -> None:
    assert (refusal("password", denied_login_methods=denied) == "") is password
    assert (refusal("publickey", denied_login_methods=denied) == "") is publickey


def test_a_user_for_whom_only_several_steps_are_left_is_told_so_in_the_log() -> None:
    denied = ("password", "publickey", "keyboard-interactive")
    assert "several methods" in refusal("publickey", denied_login_methods=denied)


@pytest.mark.parametrize(
    ("allowed", "denied", "ip", "expected"),
    [
        ((), ("192.0.2.0/24",), "192.0.2.7", False),
        ((), ("192.0.2.0/24",), "192.0.3.7", True),
        (("192.0.2.0/24",), (), "192.0.2.7", True),
        (("192.0.2.0/24",), (), "192.0.3.7", False),
        (("192.0.2.7/32",), ("192.0.2.0/24",), "192.0.2.7", True),
        (("192.0.2.7/32",), ("192.0.2.0/24",), "192.0.2.8", False),
        (("192.0.2.7",), (), "192.0.2.7", True),
        (("192.0.2.0/24",), (), "::ffff:192.0.2.7", True),
        ((), ("192.0.2.0/24",), "::ffff:192.0.2.7", False),
        (("192.0.2.0/24",), (), "2001:db8::1", False),
        (("2001:db8::/32",), (), "2001:db8::1", True),
        ((), ("fe80::/10",), "fe80::1%eth0", False),
        ((), ("192.0.2.0/24",), "", False),
        ((), ("192.0.2.0/24",), "unix", False),
        ((), ("nonsense",), "192.0.2.7", False),
        (("nonsense",), (), "192.0.2.7", False),
    ],
)
def test_address_rules(allowed: tuple[str, ...], denied: tuple[str, ...], ip: str, expected: bool) -> None:
    assert (refusal(ip=ip, allowed_ip=allowed, denied_ip=denied) == "") is expected


def test_settings_that_are_not_enforced_keep_the_user_out_by_name() -> None:
    reason = refusal(user={"extra": {"groups": ["x"]}}, extra={"access_time": ["x"]})
    assert "groups, filters.access_time" in reason
