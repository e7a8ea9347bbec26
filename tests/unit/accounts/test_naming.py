from __future__ import annotations

import pytest

from conchgo.accounts.naming import is_name, shown


@pytest.mark.parametrize("name", ["a", "Alice", "a.b-c_d~e", "alice@example.org", "a+b", "...", "x" * 255, "007"])
def test_usernames(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "a\n", "a\0", "é", "\udc80", "a\\b", "%username%", "x" * 256, "a:b", "$x"]
)
def test_no_usernames(name: str) -> None:
    assert not is_name(name)


def test_whatever_is_shown_stays_on_one_short_line() -> None:
    assert shown("a\n\x1b[31m\ud800é") == r"a\n\x1b[31m\xed\xa0\x80é"
    assert shown("/\udcff") == r"/\xff"
    assert len(shown("x" * 100_000)) == 255
