from __future__ import annotations

import subprocess

import pytest

from conchgo.auth.apr1 import apr1
from tests.programs import require_program


@pytest.mark.parametrize("password", ["a", "é", "0123456789abcde", "0123456789abcdef", "0123456789abcdef0", "x" * 100])
@pytest.mark.parametrize("salt", ["abcdefgh", "xy", "./"])
def test_it_hashes_as_openssl_does(password: str, salt: str) -> None:
    command = [require_program("openssl"), "passwd", "-apr1", "-salt", salt, password]
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert f"$apr1${salt}${apr1(password.encode(), salt.encode())}" == expected


def test_it_hashes_as_apache_does() -> None:
    """The example of the documentation of python-aprmd5, which calls Apache's own library."""
    assert apr1(b"foo", b"mYJd83wW") == "IO.6aK3G0d4mHxcImhPX50"
