from __future__ import annotations

import pytest

from conchgo.auth.public_keys import matches
from tests import keys

ALICE, BOB = keys.ed25519_line(1), keys.ed25519_line(2)


def test_a_key_on_any_line_matches() -> None:
    for line in (ALICE, f"{ALICE} comment", f"  {ALICE}\n"):
        assert matches([BOB, line], keys.blob(ALICE))


@pytest.mark.parametrize(
    "lines", [[], [BOB], ["", "nonsense"], [f'command="x" {ALICE}'], [f"no-pty {ALICE}"], [ALICE.replace("ssh-", "#")]]
)
def test_otherwise_nothing_matches(lines: list[str]) -> None:
    assert not matches(lines, keys.blob(ALICE))


@pytest.mark.parametrize("blob", [b"", b"\0", keys.blob(ALICE)[:-1], keys.blob(ALICE) + b"\0", b"x" * 100_000])
def test_the_whole_key_must_be_shown(blob: bytes) -> None:
    assert not matches([ALICE], blob)


def test_a_weak_key_that_got_into_the_store_matches_nothing() -> None:
    assert not matches([keys.rsa_line(1024)], keys.blob(keys.rsa_line(1024)))
