from __future__ import annotations

import pytest

from conchgo.accounts.model import FilePattern
from conchgo.accounts.patterns import FilePatterns, Verdict
from conchgo.errors import InvalidArgument
from conchgo.paths import VirtualPath

ALLOW, DENY, HIDE = Verdict.ALLOW, Verdict.DENY, Verdict.HIDE


def patterns(*given: tuple[str, str, str, int]) -> FilePatterns:
    """Path, allowed and denied globs with blanks between, policy."""
    return FilePatterns.parse(
        FilePattern(path, tuple(allowed.split()), tuple(denied.split()), policy)
        for path, allowed, denied, policy in given
    )


def verdict(rules: FilePatterns, path: str) -> Verdict:
    return rules.verdict(VirtualPath.parse(path.encode()))


@pytest.mark.parametrize(
    ("allowed", "denied", "path", "expected"),
    [
        ("*.jpg", "", "/a.jpg", ALLOW),
        ("*.jpg", "", "/a.png", DENY),
        ("", "*.exe", "/a.exe", DENY),
        ("", "*.exe", "/A.EXE", DENY),
        ("", "*.exe", "/a", ALLOW),
        ("good*", "*.exe", "/good.exe", ALLOW),
        ("good*", "*.exe", "/bad.exe", DENY),
        ("good*", "*.exe", "/neither", DENY),
        ("", "*", "/", ALLOW),
        ("", "*", "/a", DENY),
    ],
)
def test_an_allowed_match_wins_and_a_list_of_allowed_denies_the_rest(
    allowed: str, denied: str, path: str, expected: Verdict
) -> None:
    assert verdict(patterns(("/", allowed, denied, 0)), path) is expected
    assert verdict(patterns(("/", allowed, denied, 1)), path) is (HIDE if expected is DENY else expected)


def test_the_nearest_directory_with_patterns_decides_alone() -> None:
    rules = patterns(("/", "", "*.exe", 0), ("/a/b", "", "*.jpg", 0))
    assert verdict(rules, "/x.exe") is DENY
    assert verdict(rules, "/a/x.exe") is DENY
    assert verdict(rules, "/a/c/d/e/x.exe") is DENY
    assert verdict(rules, "/a/b/x.exe") is ALLOW
    assert verdict(rules, "/a/b/x.jpg") is DENY
    assert verdict(rules, "/a/b/c/d/x.jpg") is DENY
    assert verdict(rules, "/a/bb/x.jpg") is ALLOW


def test_a_directory_is_a_name_in_the_one_above_it() -> None:
    rules = patterns(("/a", "*.jpg", "", 1))
    assert verdict(rules, "/a") is ALLOW
    assert verdict(rules, "/a/b") is HIDE


def test_what_lies_in_a_hidden_directory_is_hidden() -> None:
    rules = patterns(("/", "", "secret", 1), ("/secret/open", "*", "", 0), ("/a", "x", "", 1))
    assert verdict(rules, "/secret") is HIDE
    assert verdict(rules, "/Secret/x/y") is HIDE
    assert verdict(rules, "/secret/open/x") is HIDE
    assert verdict(rules, "/b/c/secret/d") is HIDE
    assert verdict(rules, "/a/b/x") is HIDE
    assert verdict(rules, "/a/x/y") is HIDE
    assert verdict(rules, "/a/x/x") is ALLOW
    assert rules.hides(VirtualPath.parse(b"/secret/x"))
    assert not rules.hides(VirtualPath.parse(b"/open"))


def test_what_lies_in_a_denied_directory_is_not_denied() -> None:
    rules = patterns(("/", "", "secret", 0))
    assert verdict(rules, "/secret") is DENY
    assert verdict(rules, "/secret/x") is ALLOW
    assert not rules.hides(VirtualPath.parse(b"/secret"))


@pytest.mark.parametrize("policy", [0, 1])
def test_a_choice_of_names_does_not_hold_further_down(policy: int) -> None:
    rules = patterns(("/a", "public*", "*", policy))
    refusal = HIDE if policy else DENY
    assert verdict(rules, "/a/public") is ALLOW
    assert verdict(rules, "/a/public1/x") is ALLOW
    assert verdict(rules, "/a/public/x/y") is ALLOW
    assert verdict(rules, "/a/other") is refusal
    assert verdict(rules, "/a/other/x") is refusal
    assert verdict(rules, "/a/other/x/public") is (HIDE if policy else ALLOW)


def test_a_choice_is_of_the_names_of_its_own_directory() -> None:
    rules = patterns(("/a", "public", "*", 0), ("/z/z/z/z", "x", "", 0))
    assert verdict(rules, "/a/public/x") is ALLOW
    assert verdict(rules, "/a/other/public/x") is DENY


def test_only_a_star_that_comes_first_chooses() -> None:
    rules = patterns(("/a", "public", "x *", 0))
    assert verdict(rules, "/a/public/y") is DENY


def test_patterns_below_a_chosen_name_hold() -> None:
    rules = patterns(("/", "public", "*", 0), ("/public/in", "", "*.exe", 0))
    assert verdict(rules, "/public/x.exe") is ALLOW
    assert verdict(rules, "/public/in/x.exe") is DENY


def test_directories_are_alike_where_every_name_is_judged_alike_in_and_below_them() -> None:
    rules = patterns(("/a", "", "*.exe", 1), ("/a/b", "", "*.com", 0), ("/c", "public*", "*", 0))

    def alike(one: str, other: str) -> bool:
        paths = VirtualPath.parse(one.encode()), VirtualPath.parse(other.encode())
        assert rules.alike_below(*paths) == rules.alike_below(*reversed(paths))
        return rules.alike_below(*paths)

    assert alike("/x", "/y/z")
    assert alike("/a/x", "/a/y/z")
    assert alike("/a/b/x", "/a/b/y/z")
    assert alike("/c/public1", "/c/public2/x")
    assert alike("/c/public", "/x")
    for one, other in (("/a/x", "/x"), ("/a", "/x"), ("/a/b/x", "/a/x"), ("/a/b", "/a/x"), ("/c", "/x")):
        assert not alike(one, other)


def test_one_answer_serves_a_listing() -> None:
    rules = patterns(("/a", "", "*.exe", 1))
    rule = rules.in_directory(VirtualPath.parse(b"/a/b"))
    assert [rule.verdict(name) for name in (b"x", b"x.exe", b"\xff.EXE")] == [ALLOW, HIDE, HIDE]


@pytest.mark.parametrize("policy", [0, 1])
def test_what_is_remembered_is_bounded_and_deep_paths_are_answered(policy: int) -> None:
    rules = patterns(("/a", "", "*.exe", policy))
    for number in range(3000):
        assert verdict(rules, f"/a/{number}/x") is ALLOW
        assert verdict(rules, "/a" + "/b" * 2000 + f"/{number % 10}/x.exe") is not ALLOW
    assert 0 < len(rules._cache) <= 1024
    assert max(map(len, rules._cache)) < 100


@pytest.mark.parametrize(
    ("pattern", "field"),
    [
        (FilePattern("a", denied_patterns=("*",)), "number 2: path"),
        (FilePattern("/a/", denied_patterns=("*",)), "number 2: path"),
        (FilePattern("/a/../b", denied_patterns=("*",)), "number 2: path"),
        (FilePattern("/\0", denied_patterns=("*",)), "number 2: path"),
        (FilePattern("/x", denied_patterns=("*.exe",)), "number 2: there are other patterns for /x already"),
        (FilePattern("/a"), "number 2: there is neither"),
        (FilePattern("/a", denied_patterns=("*",), deny_policy=2), "number 2: deny_policy"),
        (FilePattern("/a", denied_patterns=("*", "[")), "number 2: denied_patterns"),
        (FilePattern("/a", allowed_patterns=("a/b",)), "number 2: allowed_patterns"),
        (FilePattern("/a", allowed_patterns=("",)), "number 2: allowed_patterns"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(pattern: FilePattern, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        FilePatterns.parse([FilePattern("/x", ("*",)), pattern])
    assert caught.value.text.startswith(f"filters.file_patterns: {field}")
    assert caught.value.text.isprintable()
