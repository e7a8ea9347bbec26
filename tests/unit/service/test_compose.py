"""The composition root: what the configuration says reaches the parts that it is for."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor

from conchgo.service.compose import compose
from conchgo.service.errors import StartError
from conchgo.service.server import Server
from conchgo.service.settings import Settings

MACS = "hmac-sha2-256-etm@openssh.com, hmac-sha2-512-etm@openssh.com, hmac-sha2-256, hmac-sha2-512"


def composed(directory: Path, monkeypatch: pytest.MonkeyPatch, **sections: Any) -> Server:
    """The server of these settings; the process keeps its umask."""
    monkeypatch.setattr("conchgo.service.compose.os.umask", lambda mask: None)
    sections.setdefault("service", {})["state_directory"] = "state"
    return compose(reactor, Settings(**sections).anchored(str(directory)))


def test_every_limit_of_ssh_reaches_the_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "banner").write_text("Members only\n")
    limits = {
        "login_grace_time": 7.0,
        "max_auth_tries": 8,
        "max_startups": 9,
        "max_startups_per_host": 10,
        "max_channels": 11,
        "failure_delay": 12.0,
        "rekey_bytes": 2**20,
        "client_alive_interval": 13.0,
        "client_alive_count_max": 14,
        "idle_timeout": 15.0,
    }
    ssh = {**limits, "banner_file": str(tmp_path / "banner"), "algorithms": "compatible"}
    factory = composed(tmp_path, monkeypatch, ssh=ssh)._parts.factory
    for name, value in limits.items():
        assert getattr(factory.settings, name) == value
    assert factory.settings.banner == b"Members only\n"
    assert b"ecdh-sha2-nistp256" in factory.algorithms.key_exchanges


def test_the_algorithms_that_are_listed_reach_the_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = {"ciphers": ["aes256-ctr"], "host_key_algorithms": ["rsa-sha2-512", "ecdsa-sha2-nistp256"]}
    factory = composed(tmp_path, monkeypatch, ssh=ssh)._parts.factory
    assert factory.algorithms.ciphers == (b"aes256-ctr",)
    assert factory.host_signatures == (b"rsa-sha2-512",)


def test_the_state_is_made_and_is_not_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = composed(tmp_path, monkeypatch)
    state = tmp_path / "state"
    assert {path.name for path in state.iterdir()} >= {"conchgo.db", "host_keys", "users", "audit.log"}
    for name in (".", "conchgo.db", "host_keys", "users", "audit.log"):
        assert stat.S_IMODE((state / name).stat().st_mode) & 0o007 == 0, name
    assert sorted(server._parts.factory.privateKeys) == [b"ssh-ed25519", b"ssh-rsa"]
    assert server._parts.grace_time == 30


def test_no_audit_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert composed(tmp_path, monkeypatch, log={"audit_file": ""})._parts.audit is None


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"ssh": {"banner_file": "missing"}}, "ssh.banner_file: {state}/missing: No such file or directory"),
        ({"log": {"audit_file": "a/b"}}, "log.audit_file: {state}/a/b: No such file or directory"),
        (
            {"users": {"base_directory": "conchgo.db"}},
            "users.base_directory: {state}/conchgo.db cannot be made: File exists",
        ),
        ({"ssh": {"host_key_directory": "conchgo.db"}}, "ssh.host_key_directory: {state}/conchgo.db: File exists"),
        ({"ssh": {"macs": ["hmac-md5", "a"]}}, "ssh.macs: 'hmac-md5' is not known; known are " + MACS),
        (
            {"ssh": {"host_key_algorithms": ["ecdsa-sha2-nistp256"]}},
            "ssh.host_key_algorithms: none of these is for a host key that is there (ssh-ed25519, ssh-rsa)",
        ),
        ({"ssh": {"listen": ["nonsense:1"]}}, "ssh.listen: 'nonsense:1': Unknown endpoint type: 'nonsense'"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sections: dict[str, Any], line: str
) -> None:
    with pytest.raises(StartError) as caught:
        composed(tmp_path, monkeypatch, **sections)
    assert str(caught.value) == line.format(state=tmp_path / "state")
