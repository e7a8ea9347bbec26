from __future__ import annotations

import click
import pytest

from conchgo.cli.patterns import replaced, rule
from conchgo.errors import InvalidArgument


def test_a_rule_is_written_as_sftpgo_takes_it() -> None:
    assert rule("/dir::*.jpg, *.png,") == ("/dir", ["*.jpg", "*.png"])
    assert rule("/::a::b") == ("/", ["a::b"])
    assert rule("") is None
    for text in ("/dir", "/dir:*.jpg", "dir::*.jpg", "::*", "/dir::", "/dir:: ,"):
        with pytest.raises(click.BadParameter, match=r"write it as /dir::"):
            rule(text)


def test_rules_of_one_directory_are_put_together() -> None:
    allowed = replaced("allowed_patterns", [], [("/a", ["x"]), None, ("/a", ["y"]), ("/b", ["z"])])
    assert allowed == [
        {"path": "/a", "allowed_patterns": ["x", "y"]},
        {"path": "/b", "allowed_patterns": ["z"]},
    ]
    assert replaced("denied_patterns", allowed, [("/a", ["d"])]) == [
        {"path": "/a", "allowed_patterns": ["x", "y"], "denied_patterns": ["d"], "deny_policy": 0},
        {"path": "/b", "allowed_patterns": ["z"], "denied_patterns": []},
    ]


def test_a_directory_has_one_policy() -> None:
    hidden = replaced("hidden_patterns", [], [("/a", ["x"])])
    assert hidden == [{"path": "/a", "denied_patterns": ["x"], "deny_policy": 1}]
    with pytest.raises(InvalidArgument, match=r"filters\.file_patterns: /a"):
        replaced("denied_patterns", hidden, [("/a", ["y"])])
