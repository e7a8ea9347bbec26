"""Wildcards that ask for more than a server should do."""

from __future__ import annotations

import pytest

from conchgo.errors import Failure
from conchgo.paths import VirtualPath
from conchgo.vfs import globbing
from conchgo.vfs.globbing import Expansion, parsed_pattern
from conchgo.vfs.interface import Filesystem
from tests.unit.commands.running import filesystem, put

p = VirtualPath.parse


def expanded(files: Filesystem, pattern: bytes, start: bytes = b"/") -> list[VirtualPath]:
    expansion = Expansion(files, parsed_pattern(pattern, p(start)))
    try:
        while expansion.step():
            pass
    finally:
        expansion.close()
    return expansion.found


@pytest.fixture
def files():
    files = filesystem()
    for number in range(10):
        put(files, b"/%d" % number, b"")
        files.symlink(b".", p(b"/to%d" % number))
    return files


def test_links_lead_to_no_more_names_than_a_list_should_hold(files, monkeypatch) -> None:
    monkeypatch.setattr(globbing, "_MOST", 300)
    assert len(expanded(files, b"/to*/*")) == 200
    with pytest.raises(Failure, match="more than 300 names match"):
        expanded(files, b"/to*/to*/*")


def test_links_lead_to_no_more_work_than_a_thread_should_do(files, monkeypatch) -> None:
    monkeypatch.setattr(globbing, "_MOST_SEEN", 1000)
    assert expanded(files, b"/to*/nothing*") == [p(b"/to*/nothing*")]
    with pytest.raises(Failure, match="fewer wildcards"):
        expanded(files, b"/to*/to*/nothing*")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (b"\\*", [b"/d*/*"]),
        (b"*", [b"/d*/*", b"/d*/[a]", b"/d*/ab"]),
        (b"[a]", [b"/d*/[a]"]),
        (b"[a]*", [b"/d*/ab"]),
        (b"\\[*", [b"/d*/[a]"]),
        (b"[^*[]*", [b"/d*/ab"]),
        (b"../d\\**/a?", [b"/d*/ab"]),
        (b"..//*/ab", [b"/d*/ab", b"/dd/ab"]),
        (b"/d?/ab", [b"/d*/ab", b"/dd/ab"]),
        (b"nothing[", [b"/d*/nothing["]),
        (b"no\\*thing*", [b"/d*/no*thing*"]),
        (b"/", [b"/"]),
    ],
)
def test_what_is_escaped_stands_for_itself(pattern: bytes, names: list[bytes]) -> None:
    """In the directory where the session starts nothing is a wildcard either."""
    files = filesystem()
    for path in (b"/d*/*", b"/d*/[a]", b"/d*/ab", b"/dd/ab"):
        if files.peek(p(path).parent) is None:
            files.mkdir(p(path).parent)
        put(files, path, b"")
    assert expanded(files, pattern, b"/d*") == [p(name) for name in names]


def test_a_large_directory_is_read_in_steps_and_left_half_way(monkeypatch) -> None:
    monkeypatch.setattr(globbing, "_BATCH", 10)
    files = filesystem()
    for number in range(35):
        put(files, b"/%02d" % number, b"")
    expansion = Expansion(files, p(b"/*"))
    assert [expansion.step() for _ in range(4)] == [True] * 4
    assert expansion.found == []
    expansion.close()
    assert len(expanded(files, b"/*")) == 35
