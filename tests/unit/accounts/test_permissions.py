from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conchgo.accounts.permissions import VERBS, Permissions
from conchgo.errors import InvalidArgument
from conchgo.paths import ROOT, VirtualPath


def path(text: str) -> VirtualPath:
    return VirtualPath.parse(text.encode())


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("/", {"list"}),
        ("/other/deep", {"list"}),
        ("/a", {"upload"}),
        ("/a/x/y", {"upload"}),
        ("/a/b", set()),
        ("/a/b/c", set()),
        ("/ab", {"list"}),
        ("/g/anything", {"chmod"}),
        ("/g/anything/below", {"chmod"}),
        ("/g/exact", {"chown"}),
        ("/g/ex", {"chtimes"}),
        ("/g", {"list"}),
    ],
)
def test_the_deepest_rule_replaces_those_above(at: str, expected: set[str]) -> None:
    rules = {
        "/": ["list"],
        "/a": ["upload"],
        "/a/b": [],
        "/g/*": ["chmod"],
        "/g/exact": ["chown"],
        "/g/e?": ["chtimes"],
    }
    permissions = Permissions.parse(rules)
    assert permissions.verbs(path(at)) == expected


def test_the_longest_then_the_first_glob_wins_in_whatever_order_they_are_written() -> None:
    rules = {"/": ["list"], "/a*": ["chmod"], "/ab*": ["chown"], "/?b*": ["chtimes"]}
    for order in (rules, dict(reversed(rules.items()))):
        permissions = Permissions.parse(order)
        assert permissions.verbs(path("/abc")) == {"chtimes"}
        assert permissions.verbs(path("/axc")) == {"chmod"}


def test_a_wildcard_stays_within_one_component() -> None:
    permissions = Permissions.parse({"/": ["list"], "/a/*/c": ["upload"]})
    assert permissions.verbs(path("/a/b/c")) == {"upload"}
    assert permissions.verbs(path("/a/b/b/c")) == {"list"}


def test_names_that_are_not_utf8_match_byte_for_byte() -> None:
    permissions = Permissions.parse({"/": ["list"], "/a\udcff": ["upload"], "/b?": ["chmod"]})
    assert permissions.verbs(VirtualPath((b"a\xff",))) == {"upload"}
    assert permissions.verbs(VirtualPath((b"b\xfe", b"x"))) == {"chmod"}
    assert permissions.verbs(VirtualPath((b"a\xfe",))) == {"list"}


@pytest.mark.parametrize(
    ("verbs", "expected"),
    [
        (["*"], VERBS),
        (["*", "list"], VERBS),
        (["delete"], {"delete", "delete_files", "delete_dirs"}),
        (["rename"], {"rename", "rename_files", "rename_dirs"}),
        (["delete_files"], {"delete_files"}),
    ],
)
def test_a_wide_verb_includes_the_narrow_ones(verbs: list[str], expected: frozenset[str]) -> None:
    permissions = Permissions.parse({"/": verbs})
    assert permissions.verbs(ROOT) == expected
    assert {verb for verb in VERBS if permissions.allows(verb, path("/x"))} == expected


def test_without_a_rule_nothing_is_allowed() -> None:
    permissions = Permissions({path("/a"): ["list"]})
    assert permissions.verbs(ROOT) == frozenset()
    assert permissions.verbs(path("/a/b")) == {"list"}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({}, '"/" must have'),
        ({"/": []}, '"/" must have'),
        ({"/a": ["list"]}, '"/" must have'),
        ({"/": ["fly"]}, 'unknown verb "fly"'),
        ({"/": ["list"], "/a": ["LIST"]}, "/a: unknown verb"),
        ({"/": ["list"], "a": ["list"]}, "as /a"),
        ({"/": ["list"], "/a/": ["list"]}, "as /a"),
        ({"/": ["list"], "/a/../b": ["list"]}, "as /b"),
        ({"/": ["list"], "//": ["list"]}, "as /"),
        ({"/": ["list"], "": ["list"]}, "as /"),
        ({"/": ["list"], "/a\0": ["list"]}, "NUL"),
        ({"/": ["list"], "/\ud800": ["list"]}, "no path"),
        ({"/": ["list"], "/" + "a" * 5000: ["list"]}, "longer than"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InvalidArgument, match="permissions") as caught:
        Permissions.parse(rules)
    assert message in caught.value.text
    assert "\n" not in caught.value.text


NAMES = st.sampled_from([b"a", b"ab", b"b", b"*", b"a*", b"?", b"[ab]", b"\xff", b"a.b"])
PATHS = st.lists(NAMES, max_size=4).map(lambda names: VirtualPath(tuple(names)))
RULES = st.dictionaries(PATHS, st.sets(st.sampled_from(["list", "upload", "chmod"])), max_size=6)


def naive_verbs(rules: dict[VirtualPath, set[str]], at: VirtualPath) -> set[str]:
    """The rule as the documentation has it, tried key by key."""

    def matches(key: VirtualPath, candidate: VirtualPath) -> bool:
        return len(key.parts) == len(candidate.parts) and all(
            name == pattern or fnmatch.fnmatchcase(name.decode("latin-1"), pattern.decode("latin-1"))
            for name, pattern in zip(candidate.parts, key.parts, strict=True)
        )

    for depth in range(len(at.parts), -1, -1):
        ancestor = VirtualPath(at.parts[:depth])
        found = [key for key in rules if matches(key, ancestor)]
        if found:
            return rules[min(found, key=lambda key: (key != ancestor, -len(bytes(key)), bytes(key)))]
    return set()


@given(rules=RULES, at=PATHS)
def test_resolution_agrees_with_a_naive_one(rules: dict[VirtualPath, set[str]], at: VirtualPath) -> None:
    permissions = Permissions(rules)
    assert permissions.verbs(at) == naive_verbs(rules, at)
    assert permissions.verbs(at) == naive_verbs(rules, at), "the second answer comes from the cache"


@given(rules=RULES, at=PATHS)
def test_resolution_does_not_depend_on_the_order_of_the_rules(
    rules: dict[VirtualPath, set[str]], at: VirtualPath
) -> None:
    assert Permissions(rules).verbs(at) == Permissions(dict(reversed(rules.items()))).verbs(at)


@given(rules=RULES, at=PATHS, below=st.lists(NAMES, min_size=1, max_size=3))
def test_other_verbs_below_are_announced(
    rules: dict[VirtualPath, set[str]], at: VirtualPath, below: list[bytes]
) -> None:
    permissions = Permissions(rules)
    deeper = VirtualPath((*at.parts, *below))
    if permissions.verbs(deeper) != permissions.verbs(at):
        assert permissions.has_rules_below(at)


def test_rules_below_are_seen_by_components_and_through_globs() -> None:
    permissions = Permissions.parse({"/": ["*"], "/a/b": ["list"], "/g*/x": ["list"]})
    assert permissions.has_rules_below(ROOT)
    assert permissions.has_rules_below(path("/a"))
    assert permissions.has_rules_below(path("/gg"))
    assert not permissions.has_rules_below(path("/a/b"))
    assert not permissions.has_rules_below(path("/ab"))


def test_the_cache_is_bounded_and_stays_right() -> None:
    permissions = Permissions.parse({"/": ["list"], "/a": ["upload"]})
    for number in range(1500):
        assert permissions.verbs(path(f"/a/{number}")) == {"upload"}
        assert permissions.verbs(path(f"/b/{number}")) == {"list"}
    assert len(permissions._cache) <= 1024
