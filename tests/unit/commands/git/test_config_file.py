from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conchgo.commands.git.config_file import Variable, variables
from conchgo.errors import InvalidArgument
from tests.programs import require_program


def read(content: bytes) -> list[Variable]:
    return list(variables(content))


def read_by_git(content: bytes) -> list[Variable] | None:
    """None where it can't."""
    environment = {"GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent"}
    command = [require_program("git"), "config", "--no-includes", "--file", "-", "--list", "--null"]
    done = subprocess.run(command, input=content, capture_output=True, env=environment)
    if done.returncode:
        return None
    found = (item.partition(b"\n") for item in done.stdout.split(b"\0")[:-1])
    return [(key, value if newline else None) for key, newline, value in found]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"[core]\n\tbare = true\n", [(b"core.bare", b"true")]),
        (b"\xef\xbb\xbf[CORE]\r\nFileMode=false\r\n", [(b"core.filemode", b"false")]),
        (b"[core] bare", [(b"core.bare", None)]),
        (b"[core]bare=", [(b"core.bare", b"")]),
        (b'[tar "Evil.x"] command = sh -c "id; id" # evil', [(b"tar.Evil.x.command", b"sh -c id; id")]),
        (b"[a.B]\nc=d;e\n; f = g\n# h = i", [(b"a.b.c", b"d")]),
        (b'[a "\\"\\\\\\x"]b=c', [(b'a."\\x.b', b"c")]),
        (b'[a]\nb = " c  "d\\\n e\\tf\\\\\n', [(b"a.b", b" c  d e\tf\\")]),
        (b"[a]\nb = c\\", [(b"a.b", b"c")]),
        (b"[a]\nb = one\nb = two\n[c]\n[a]\nb", [(b"a.b", b"one"), (b"a.b", b"two"), (b"a.b", None)]),
    ],
)
def test_it_is_read_as_git_reads_it(content: bytes, expected: list[Variable]) -> None:
    assert read(content) == read_by_git(content) == expected


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[core", 1),
        (b'[core]\nbare = "true\n', 2),
        (b"[core]\n\n\nbare true\n", 4),
        (b"[core]\n1bare = true\n", 2),
        (b"[core]\nbare = \\x\n", 2),
        (b'[core "a\nb"]\n', 1),
        (b"[core] = true", 1),
    ],
)
def test_what_makes_no_sense_is_told_with_its_line(content: bytes, line: int) -> None:
    assert read_by_git(content) is None
    with pytest.raises(InvalidArgument, match=f"line {line}$"):
        read(content)


def test_a_nul_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="NUL"):
        read(b"[core]\nbare = true\0false\n")


_PIECES = [
    b"[core]",
    b'[a "b c"]',
    b"[a.B]",
    b"bare",
    b"=",
    b'"',
    b"\\",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"#",
    b";",
    b"x",
    b"n",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=20).map(b"".join))
def test_whatever_it_is_git_reads_the_same(content: bytes) -> None:
    expected = read_by_git(content)
    if expected is None:
        with pytest.raises(InvalidArgument):
            read(content)
    else:
        assert read(content) == expected


def test_a_long_one_takes_no_long_time() -> None:
    """The time is not looked at: what is not linear would take hours."""
    for piece in (b'"', b"\\", b"a = ", b"[", b"\\\n", b" ", b'[a "', b"[]", b"#\n"):
        content = b"[a]\nb = " + piece * (2**18 // len(piece))
        try:
            read(content)
        except InvalidArgument:
            pass
