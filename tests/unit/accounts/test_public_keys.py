from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from conchgo.accounts.public_keys import parse
from conchgo.errors import InvalidArgument
from tests import keys
from tests.programs import require_program


@pytest.mark.parametrize(
    "line",
    [
        keys.ed25519_line(),
        keys.ecdsa_line(ec.SECP256R1()),
        keys.ecdsa_line(ec.SECP384R1()),
        keys.ecdsa_line(ec.SECP521R1()),
        keys.rsa_line(2048),
        keys.sk_ed25519_line(),
        keys.sk_ecdsa_line(),
    ],
    ids=lambda line: line.split()[0],
)
@pytest.mark.parametrize("tail", ["", " me@home", "  two words\n", "\r\n"])
def test_every_kind_of_key_is_read(line: str, tail: str) -> None:
    key = parse(line + tail)
    assert key.kind == line.split()[0]
    assert key.blob == keys.blob(line)
    assert key.comment == tail.strip()


def test_the_fingerprint_is_the_one_that_ssh_keygen_shows(tmp_path: Path) -> None:
    ssh_keygen = require_program("ssh-keygen")
    line = keys.ed25519_line()
    (tmp_path / "key.pub").write_text(line)
    shown = subprocess.run([ssh_keygen, "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    assert parse(line).fingerprint == shown.stdout.split()[1]


ED25519 = keys.ed25519_line()
WORD = ED25519.split()[1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "one line"),
        (" \n ", "one line"),
        (f"{ED25519}\n{ED25519}", "one line"),
        ("nonsense", "no public key"),
        ("# comment", "no public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        ("ssh-ed25519", "damaged"),
        ("ssh-ed25519 AAAA", "says otherwise"),
        ("ssh-ed25519 !!!!", "damaged"),
        (f"ssh-ed25519 {WORD[:-8]}", "damaged"),
        (f"ssh-ed25519 {base64.b64encode(keys.blob(ED25519) + b'x').decode()}", "damaged"),
        (f"ssh-rsa {WORD}", "says otherwise"),
        (f"ssh-ed25519 {WORD}é", "damaged"),
        (f'command="x" {ED25519}', "options"),
        (f'from="10.0.0.0/8",no-pty {ED25519}', "options"),
        (f'command="a b" {ED25519} me', "options"),
        ("ssh-dss AAAAB3NzaC1kc3M=", "ssh-dss are not taken"),
        (f"ssh-ed25519-cert-v01@openssh.com {WORD}", "not taken"),
    ],
)
def test_anything_else_is_refused_with_its_reason(line: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(line)
    assert message in caught.value.text
    assert "\n" not in caught.value.text


@pytest.mark.parametrize("bits", [1024, 8200])
def test_an_rsa_key_that_no_login_takes_is_refused(bits: int) -> None:
    key = rsa.RSAPublicNumbers(65537, (1 << bits - 1) + 1).public_key()
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    with pytest.raises(InvalidArgument, match=f"{bits} bits"):
        parse(line)
