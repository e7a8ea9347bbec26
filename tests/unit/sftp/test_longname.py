"""The line beside a name, which old clients show and some parse."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from conchgo.sftp.longname import longname
from conchgo.vfs.interface import FileStat, Identity

ME = Identity("ada", 1000, 1001)
NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC).timestamp()
LINE = re.compile(
    rb"(?P<mode>[-dlp?][-rwxsStT]{9}) +(?P<links>\d+|\?) (?P<owner>\S+) +(?P<group>\S+) +(?P<size>\d+|\?) +"
    rb"(?P<when>[A-Z][a-z]{2} [ \d]\d (?:\d\d:\d\d| \d{4})|\?) (?P<name>.*)",
    re.DOTALL,
)


def stat(mode: int = 0o100644, uid: int = 1000, gid: int = 1001, mtime: float = NOW, **more: int) -> FileStat:
    return FileStat(mode, more.get("size", 5), uid, gid, 0, int(mtime), more.get("nlink", 1))


def test_as_openssh_writes_it() -> None:
    when = datetime(2025, 6, 3, 9, 7, tzinfo=UTC).timestamp()
    assert longname(b"a b", stat(0o100640, mtime=when, size=123, nlink=2), ME, NOW) == (
        b"-rw-r-----    2 ada      ada           123 Jun  3 09:07 a b"
    )


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (0o040755, b"drwxr-xr-x"),
        (0o120777, b"lrwxrwxrwx"),
        (0o010600, b"prw-------"),
        (0o104755, b"-rwsr-xr-x"),
        (0o000644, b"?rw-r--r--"),
    ],
)
def test_the_mode_in_letters(mode: int, told: bytes) -> None:
    assert longname(b"x", stat(mode), ME, NOW).startswith(told + b" ")


def test_owners_are_the_sessions_own_user_or_numbers() -> None:
    root = LINE.fullmatch(longname(b"x", stat(uid=0, gid=0), ME, NOW))
    own = LINE.fullmatch(longname(b"x", stat(), ME, NOW))
    assert root
    assert own
    assert (root["owner"], root["group"]) == (b"0", b"0")
    assert (own["owner"], own["group"]) == (b"ada", b"ada")


@pytest.mark.parametrize(
    ("mtime", "told"),
    [
        (NOW, b"Jun 15 12:00"),
        (NOW - 181 * 86400, b"Dec 16 12:00"),
        (NOW - 183 * 86400, b"Dec 14  2024"),
        (NOW + 60, b"Jun 15  2025"),
        (0, b"Jan  1  1970"),
        (-1, b"Jan  1  1970"),
        (2**32, b"Feb  7  2106"),
        (2**62, b"Feb  7  2106"),
    ],
)
def test_recent_times_have_hours_others_a_year_and_none_is_too_far_off(mtime: float, told: bytes) -> None:
    found = LINE.fullmatch(longname(b"x", stat(mtime=mtime), ME, NOW))
    assert found
    assert found["when"] == told


def test_what_is_not_known_is_a_question_mark_in_the_same_columns() -> None:
    line = longname(b"secret", None, ME, NOW)
    assert LINE.fullmatch(line)
    assert line.index(b"secret") == longname(b"secret", stat(), ME, NOW).index(b"secret")


def test_names_are_kept_byte_for_byte() -> None:
    name = b"\xff\\ \n\x1b[31m"
    assert longname(name, stat(), ME, NOW).endswith(b" " + name)


def test_large_numbers_and_long_names_stay_apart() -> None:
    line = longname(b"x", stat(size=2**63 - 1), Identity("a" * 40, 1000, 1001), NOW)
    found = LINE.fullmatch(line)
    assert found
    assert (found["owner"], found["size"]) == (b"a" * 40, b"9223372036854775807")
