"""What ssh-audit thinks of a server with its defaults: no fail, and no warning but those that have a reason here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import checkout_environment, conchgo
from tests.interop.service import PASSWORD, USERNAME
from tests.stories.processes import running

_NOT_POST_QUANTUM = "does not provide protection against post-quantum attacks"

#: Algorithm and warning, with the reason why it stays.
ALLOWED_WARNINGS = {
    ("curve25519-sha256", _NOT_POST_QUANTUM): "for clients without mlkem768x25519-sha256, which is preferred",
    ("curve25519-sha256@libssh.org", _NOT_POST_QUANTUM): "the same exchange under its older name",
}

#: Beginnings of notes, with the reason why they stay.
ALLOWED_NOTES = {
    "Be aware that, while this target properly supports the strict key exchange method": "on clients that are not "
    "strict, who would lose chacha20-poly1305@openssh.com; with an up-to-date client nothing can be cut off",
}


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The report on `conchgo portable`, which has the algorithms and the host keys that every server begins with."""
    (tmp_path / "home").mkdir()
    (tmp_path / "password").write_text(PASSWORD + "\n")
    ready = tmp_path / "ready"
    options = ["-d", tmp_path / "home", "-u", USERNAME, "--password-file", tmp_path / "password"]
    command = conchgo("portable", *map(str, [*options, "--ready-file", ready]))
    with running(command, tmp_path / "run", env=checkout_environment()) as process:
        port = json.loads(process.wait_for(ready, "}"))["port"]
        # The rate test counts connections that are refused at once too.
        tool = [sys.executable, "-m", "ssh_audit.ssh_audit", "--json", "--skip-rate-test", "--port", str(port)]
        done = subprocess.run([*tool, "127.0.0.1"], capture_output=True, text=True, timeout=60)
        yield json.loads(done.stdout)


def test_ssh_audit_finds_nothing_that_has_no_reason(audit: dict[str, Any]) -> None:
    rows = [row for kind in ("kex", "key", "enc", "mac") for row in audit[kind]]
    fails = [(row["algorithm"], text) for row in rows for text in row["notes"].get("fail", [])]
    warnings = {(row["algorithm"], text) for row in rows for text in row["notes"].get("warn", [])}

    assert fails == []
    assert warnings == set(ALLOWED_WARNINGS), "a warning is new, or one in the list is there no longer"
    assert audit["cves"] == []
    assert audit["recommendations"] == {}


def test_ssh_audit_notes_nothing_that_has_no_reason(audit: dict[str, Any]) -> None:
    unexplained = [note for note in audit["additional_notes"] if not note.startswith(tuple(ALLOWED_NOTES))]

    assert unexplained == []


def test_ssh_audit_looked_at_everything(audit: dict[str, Any]) -> None:
    """Else the tests above would be pleased with a server that it did not understand."""
    assert audit["banner"]["protocol"] == "2.0"
    assert {"kex-strict-s-v00@openssh.com", "mlkem768x25519-sha256"} <= {row["algorithm"] for row in audit["kex"]}
    assert {"ssh-ed25519", "rsa-sha2-512"} <= {row["algorithm"] for row in audit["key"]}
    assert len(audit["enc"]) == 6
    assert len(audit["mac"]) == 2
    assert all(row["notes"] for kind in ("kex", "key", "enc", "mac") for row in audit[kind])
