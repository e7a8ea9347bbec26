from __future__ import annotations

import pytest

from conchgo.accounts.globs import is_glob, matcher


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("*.jpg", "a.jpg .jpg A.JPG a\nb.jpg", "a.jpeg ajpg a.jpg.exe"),
        ("*.JPG", "a.jpg", "a.png"),
        ("?", "a ä", "aa"),
        ("[a-c]x", "ax Bx", "dx"),
        ("[^a-c]x", "dx ^x", "ax"),
        ("[!a-c]x", "dx !x", "ax"),
        ("[[]x", "[x", "x"),
        (r"\*\?\[\]\\\!\^a", r"*?[]\!^a", "xxxxxxxa"),
        ("a.b", "a.b", "axb"),
        ("(a|b)+", "(a|b)+", "a"),
        (r"a\]", "a]", "a"),
        ("*Σ", "xΣ xς", "x"),
        ("ÄÖ*", "äöx", "aox"),
    ],
)
def test_a_glob_matches_whole_names_whatever_their_case(glob: str, matching: str, other: str) -> None:
    assert is_glob(glob)
    matches = matcher([glob])
    for name in matching.split(" "):
        assert matches(name.encode())
    for name in other.split(" "):
        assert not matches(name.encode())


def test_any_of_several_globs_may_match() -> None:
    matches = matcher(["*.jpg", "b?"])
    assert matches(b"x.jpg")
    assert matches(b"b1")
    assert not matches(b"x.jpgb1")
    assert not matcher([])(b"")


def test_names_need_not_be_utf_8() -> None:
    assert matcher(["*.jpg"])(b"\xff\xfe.jpg")
    assert matcher(["?.jpg"])(b"\xff.jpg")
    assert matcher([b"\xff.jpg".decode("utf-8", "surrogateescape")])(b"\xff.jpg")


@pytest.mark.parametrize(
    "glob", ["", "[", "[]", "[a", "a]", "[a-]", "[-a]", "[!]", "[^]", "\\", "a/b", "[/]", "[[:alpha:]]", "[a\\]]"]
)
def test_what_is_no_glob(glob: str) -> None:
    assert not is_glob(glob)


def test_no_name_takes_long() -> None:
    """A translation that tries every way to split the name would not end."""
    assert not matcher(["*a" * 30 + "b"])(b"a" * 255)
    assert not is_glob("[" + "a" * 10_000)
