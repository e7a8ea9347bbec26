from __future__ import annotations

import pytest

from conchgo.errors import AlreadyExists, PermissionDenied, Unsupported
from conchgo.paths import ROOT
from conchgo.vfs.mount_table import ONLY_ROOT, MountTable
from tests.unit.vfs.helpers import outcome, p

POINTS = [ROOT, p(b"/a"), p(b"/a/b/c"), p(b"/x/y")]
TABLE = MountTable(POINTS, [p(b"/a/pin/ned"), ROOT], shared=POINTS[1:3])


@pytest.mark.parametrize(
    ("path", "point"),
    [
        (b"/", b"/"),
        (b"/ab", b"/"),
        (b"/a", b"/a"),
        (b"/a/b", b"/a"),
        (b"/a/b/cd", b"/a"),
        (b"/a/b/c", b"/a/b/c"),
        (b"/a/b/c/a/b/c", b"/a/b/c"),
        (b"/x", b"/"),
        (b"/x/yz", b"/"),
        (b"/x/y/z", b"/x/y"),
    ],
)
def test_the_deepest_mount_on_the_way(path: bytes, point: bytes) -> None:
    assert TABLE.point(p(path)) == p(point)


def test_names_that_lead_to_mounts() -> None:
    found = {path: set(TABLE.names(p(path))) for path in (b"/", b"/a", b"/a/b", b"/a/b/c", b"/x", b"/x/y", b"/z")}
    assert found == {
        b"/": {b"a", b"x"},
        b"/a": {b"b"},
        b"/a/b": {b"c"},
        b"/a/b/c": set(),
        b"/x": {b"y"},
        b"/x/y": set(),
        b"/z": set(),
    }


def test_ways_and_folders() -> None:
    paths = [b"/", b"/a", b"/a/b", b"/a/b/c", b"/x", b"/x/y", b"/x/y/z", b"/a/pin"]
    assert [path for path in paths if TABLE.is_way(p(path))] == [b"/a/b", b"/x"]
    assert [path for path in paths if TABLE.is_folder(p(path))] == [b"/a", b"/a/b/c", b"/x/y"]
    assert TABLE.number(p(b"/a/b")) != TABLE.number(p(b"/x"))


@pytest.mark.parametrize(
    ("path", "move", "make"),
    [
        (b"/", None, None),
        (b"/a", PermissionDenied, AlreadyExists),
        (b"/a/b", Unsupported, AlreadyExists),
        (b"/a/b/c", PermissionDenied, AlreadyExists),
        (b"/a/pin", Unsupported, None),
        (b"/a/pin/ned", PermissionDenied, None),
        (b"/a/pin/ned/x", None, None),
        (b"/x", Unsupported, AlreadyExists),
        (b"/x/y/z", None, None),
        (b"/ab", None, None),
    ],
)
def test_what_must_stay(path: bytes, move: type[Exception] | None, make: type[Exception] | None) -> None:
    assert outcome(lambda: TABLE.refuse_to_move(p(path))) is move
    assert outcome(lambda: TABLE.refuse_to_move(p(b"/free"), p(path))) is move
    assert outcome(lambda: TABLE.refuse_to_make(p(path))) is make


@pytest.mark.parametrize(
    ("link", "target", "may"),
    [
        (b"/l", b"/a/b/c", True),
        (b"/a/l", b"/a/b", True),
        (b"/a/l", b"/a", True),
        (b"/a/l", b"/", False),
        (b"/a/l", b"/ab", False),
        (b"/a/l", b"/a/b/c", False),
        (b"/a/b/c/l", b"/a", False),
        (b"/x/y/l", b"/a", True),
    ],
)
def test_links_of_what_is_shared_stay_there(link: bytes, target: bytes, may: bool) -> None:
    assert TABLE.may_lead(p(link), p(target)) is may


def test_without_folders_there_is_nothing_to_say() -> None:
    assert ONLY_ROOT.point(p(b"/a/b")) == ROOT
    assert not ONLY_ROOT.names(ROOT)
    assert not ONLY_ROOT.is_way(ROOT)
    ONLY_ROOT.refuse_to_move(ROOT, p(b"/a"))
    assert ONLY_ROOT.may_lead(p(b"/a"), p(b"/b"))
