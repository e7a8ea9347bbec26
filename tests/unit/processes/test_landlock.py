"""What is different in a box without namespaces."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from conchgo.errors import InvalidArgument, Unsupported
from conchgo.processes.boxes import EVENTS, Ids
from conchgo.processes.interface import Job
from conchgo.processes.landlock import governed
from tests.unit.processes.boxing import Runner, path, place


def test_the_tree_is_where_it_begins(under_landlock: Runner, top: bytes) -> None:
    with closing(place((b"/a/repo", top, True))) as where:
        assert under_landlock.boxes.path(where, path(b"/a/repo")) == b"."
        assert under_landlock.boxes.path(where, path(b"/a/repo/b/c")) == b"./b/c"
        ran = under_landlock.python(where, "open('made', 'w').close()")

    assert (ran.status, ran.error) == (0, b"")
    made = os.stat(top + b"/made")
    assert (made.st_uid, made.st_gid) == under_landlock.who.owner


def test_read_only_places(under_landlock: Runner, top: bytes) -> None:
    with closing(place((b"/repo", top, False))) as where:
        ran = under_landlock.python(where, "open('made', 'w')")

    assert b"Permission denied" in ran.error
    assert os.listdir(top) == []


def test_files_and_events_beside_it(under_landlock: Runner, top: bytes, runs: bytes) -> None:
    settings, events = under_landlock.boxes.file(b"settings"), under_landlock.boxes.file(EVENTS)
    script = f"""
import os
print(open({settings!r}).read())
# As some programs do, which follow links by themselves.
directory, name = {settings!r}.rsplit(b"/", 1)
print(open(os.readlink(directory) + b"/" + name).read())
for text in "one ", "two":
    with open({events!r}, "a") as file:
        file.write(text)
try:
    open({settings!r}, "w")
except OSError as error:
    print(error.strerror)
"""
    with closing(place((b"/repo", top, True))) as where:
        ran = under_landlock.python(where, script, files={settings: b"ours"}, events=True)

    assert (ran.output, ran.events) == (b"ours\nours\nPermission denied\n", b"one two")
    assert os.listdir(runs) == []
    assert os.listdir(top) == []


def test_what_can_not_be_shown_is_refused(under_landlock: Runner, top: bytes, runs: bytes) -> None:
    prepare = under_landlock.boxes.prepare
    two = place((b"/repo", top, True), (b"/repo/folder", None, False))
    with closing(two), pytest.raises(Unsupported, match="folders"):
        prepare(Job(two, [b"python3"]), None)
    with closing(place((b"/repo", top, True))) as where:
        for change in ({"empty": [b"./hooks"]}, {"files": {b"./config": b""}}, {"files": {b"/etc/x": b""}}):
            with pytest.raises(Unsupported, match="without user namespaces"):
                prepare(Job(where, [b"python3"], **change), Ids(1, 1))  # type: ignore[arg-type]
        with pytest.raises(Unsupported, match="not a program"):
            prepare(Job(where, [b"evil"]), None)
    with closing(place((b"/repo", None, True))) as where, pytest.raises(InvalidArgument):
        prepare(Job(where, [b"python3"]), None)
    assert os.listdir(runs) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="of root servers only")
def test_nobody_is_root(under_landlock: Runner, top: bytes) -> None:
    with closing(place((b"/repo", top, True))) as where:
        for ids in (None, Ids(0, 5), Ids(5, 0)):
            with pytest.raises(Unsupported, match="uid"):
                under_landlock.boxes.prepare(Job(where, [b"python3"]), ids)


@pytest.mark.skipif(os.geteuid() != 0, reason="of root servers only")
def test_who_has_no_way_to_the_directory_is_told_so(under_landlock: Runner, top: bytes) -> None:
    if under_landlock.who.unprivileged:
        pytest.skip("the server itself has none")
    os.chmod(os.path.dirname(top), 0o700)
    with closing(place((b"/repo", top, True))) as where:
        ran = under_landlock.python(where, "print('ran')")

    assert (ran.status, ran.output) == (1, b"")
    assert ran.error == b"conchgo-box: the user's uid has no way to the directory: Permission denied\n"


def test_rights_are_those_that_the_kernel_knows() -> None:
    assert governed(3) == (0x7FFF,)
    assert governed(4) == (0x7FFF, 3)
    assert governed(5) == (0xFFFF, 3)
    assert governed(7) == (0xFFFF, 3, 3)
