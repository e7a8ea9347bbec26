"""Links: where they lead, who decides what may be done there, and that no chain or swap of them gets around it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from conchgo.errors import (
    AlreadyExists,
    Busy,
    InvalidPath,
    NotADirectory,
    NotFound,
    PermissionDenied,
    TooManyLinks,
)
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.interface import Filesystem, Kind, OpenOptions
from tests.permission_table import DIRECTORY, Link, prepare, snapshot
from tests.unit.vfs.helpers import ALL, CREATE, READ, View, get, names, outcome, p, put, view

NOTHING: tuple[str, ...] = ()
CREATE_ONLY = OpenOptions(write=True, create=True)

FORBIDDEN = {b"/open": DIRECTORY, b"/secret": DIRECTORY, b"/secret/file": b"secret", b"/secret/d": DIRECTORY}
RULES = {"/": ALL, "/secret": NOTHING}

THROUGH: list[Callable[[Filesystem], Any]] = [
    lambda fs: fs.stat(p(b"/open/in/file")),
    lambda fs: fs.lstat(p(b"/open/in/file")),
    lambda fs: fs.scan(p(b"/open/in")),
    lambda fs: fs.scan(p(b"/open/in/d")),
    lambda fs: fs.open(p(b"/open/in/file"), READ),
    lambda fs: fs.open(p(b"/open/in/file"), CREATE),
    lambda fs: fs.open(p(b"/open/in/new"), CREATE),
    lambda fs: fs.mkdir(p(b"/open/in/new")),
    lambda fs: fs.rmdir(p(b"/open/in/d")),
    lambda fs: fs.remove(p(b"/open/in/file")),
    lambda fs: fs.rename(p(b"/open/in/file"), p(b"/open/taken"), replace=True),
    lambda fs: fs.rename(p(b"/open/mine"), p(b"/open/in/file"), replace=True),
    lambda fs: fs.set_attributes(p(b"/open/in/file"), Attributes(size=0)),
    lambda fs: fs.set_attributes(p(b"/open/in/d"), Attributes(mode=0o777)),
    lambda fs: fs.symlink(b"x", p(b"/open/in/new")),
    lambda fs: fs.link(p(b"/open/in/file"), p(b"/open/taken")),
    lambda fs: fs.link(p(b"/open/mine"), p(b"/open/in/new")),
    lambda fs: fs.space(p(b"/open/in/file")),
]


@pytest.mark.parametrize(
    "target", [b"/secret", b"../secret", b"../../../secret", b"/open/../secret/.", b"d/..//../secret"]
)
@pytest.mark.parametrize("made", ["before", "by rename"])
def test_a_link_into_a_forbidden_directory_leads_nowhere(storage: Any, target: bytes, made: str) -> None:
    prepare(storage, {**FORBIDDEN, b"/open/mine": b"mine", b"/open/d": DIRECTORY})
    fs = view(storage, RULES)
    if made == "before":
        storage.symlink(target, p(b"/open/in"))
    else:
        storage.symlink(target, p(b"/open/d/in"))
        fs.rename(p(b"/open/d/in"), p(b"/open/in"), replace=False)
    before = snapshot(storage)
    for request in THROUGH:
        with pytest.raises(PermissionDenied):
            request(fs)
    assert snapshot(storage) == before


def test_a_link_out_of_a_forbidden_directory_is_decided_where_it_leads(storage: Any) -> None:
    prepare(storage, {**FORBIDDEN, b"/open/file": b"open", b"/secret/out": Link(b"/open/file")})
    fs = view(storage, RULES)
    assert get(fs, b"/secret/out") == b"open"
    for request in (fs.lstat, fs.readlink, fs.remove):
        with pytest.raises(PermissionDenied):
            request(p(b"/secret/out"))


def test_a_write_through_a_dangling_link_lands_at_its_target_and_asks_there(storage: Any) -> None:
    prepare(storage, {b"/up": DIRECTORY, b"/ro": DIRECTORY, b"/l": Link(b"up/new"), b"/m": Link(b"/ro/new")})
    fs = view(storage, {"/": ["list"], "/up": ["upload"], "/ro": ["list", "overwrite", "download"]})
    put(fs, b"/l", b"data")
    assert storage.lstat(p(b"/up/new")).size == 4
    assert storage.lstat(p(b"/l")).kind is Kind.LINK
    with pytest.raises(PermissionDenied):
        put(fs, b"/m")
    assert snapshot(storage).keys() == {b"/up", b"/up/new", b"/ro", b"/l", b"/m"}
    # Now that something is there, upload does no longer.
    with pytest.raises(PermissionDenied):
        put(fs, b"/l")


def test_a_target_that_climbs_out_stays_at_the_root(storage: Any) -> None:
    prepare(
        storage, {b"/d": DIRECTORY, b"/file": b"mine", b"/d/l": Link(b"../../../../file"), b"/abs": Link(b"/../file")}
    )
    fs = View(storage).fs
    assert get(fs, b"/d/l") == get(fs, b"/abs") == b"mine"
    storage.symlink(b"../../../etc/passwd", p(b"/d/out"))
    with pytest.raises(NotFound):
        fs.stat(p(b"/d/out"))


def test_an_absolute_target_starts_at_the_virtual_root(tmp_path: Any) -> None:
    from conchgo.storage.local import LocalStorage

    outside = tmp_path / "outside"
    outside.write_bytes(b"outside")
    root = tmp_path / "root"
    root.mkdir()
    os.symlink(outside, root / "real")
    os.symlink(tmp_path, root / "up")
    storage = LocalStorage(bytes(root))
    fs = View(storage).fs
    for attempt in (
        lambda: fs.open(p(b"/real"), READ),
        lambda: fs.stat(p(b"/real")),
        lambda: fs.scan(p(b"/up")),
        lambda: fs.open(p(b"/up/outside"), READ),
        lambda: fs.open(p(b"/real"), CREATE),
        lambda: fs.mkdir(p(b"/up/new")),
        lambda: fs.rename(p(b"/up/outside"), p(b"/in"), replace=True),
        lambda: fs.link(p(b"/up/outside"), p(b"/in")),
        lambda: fs.set_attributes(p(b"/real"), Attributes(size=0)),
    ):
        with pytest.raises(NotFound):
            attempt()
    storage.close()
    assert outside.read_bytes() == b"outside"
    assert sorted(os.listdir(tmp_path)) == ["outside", "root"]


def chain(storage: Any, count: int) -> bytes:
    """The name of the first of so many links, the last of which leads to a file."""
    prepare(storage, {b"/end": b"end"} | {b"/l%d" % n: Link(b"l%d" % (n - 1)) for n in range(2, count + 1)})
    storage.symlink(b"end", p(b"/l1"))
    return b"/l%d" % count


def test_forty_links_are_followed_and_no_more(storage: Any) -> None:
    chain(storage, 41)
    fs = View(storage).fs
    assert get(fs, b"/l40") == b"end"
    assert fs.realpath(p(b"/l40")) == p(b"/end")
    for attempt in (lambda: fs.stat(p(b"/l41")), lambda: fs.open(p(b"/l41"), READ), lambda: fs.space(p(b"/l41"))):
        with pytest.raises(TooManyLinks):
            attempt()
    assert fs.realpath(p(b"/l41")) == p(b"/l41")


def test_forty_links_on_each_of_two_paths_are_followed_and_no_more(storage: Any) -> None:
    prepare(storage, {b"/d": DIRECTORY, b"/d/file": b"1"})
    prepare(storage, {b"/l1": Link(b"d")} | {b"/l%d" % n: Link(b"l%d" % (n - 1)) for n in range(2, 42)})
    fs = View(storage).fs
    fs.rename(p(b"/l40/file"), p(b"/l40/new"), replace=False)
    assert names(fs, b"/d") == {b"new"}
    for old, new in ((b"/l41/new", b"/d/x"), (b"/d/new", b"/l41/x")):
        with pytest.raises(TooManyLinks):
            fs.rename(p(old), p(new), replace=False)
        with pytest.raises(TooManyLinks):
            fs.link(p(old), p(new))


LOOPS = {
    "to itself": {b"/x": Link(b"x")},
    "to each other": {b"/x": Link(b"/y"), b"/y": Link(b"x")},
    "into itself": {b"/x": Link(b"x/deeper")},
    "through its parent": {b"/d": DIRECTORY, b"/d/x": Link(b"../d/x"), b"/x": Link(b"d/x")},
    "with dots behind links": {b"/x": Link(b"y/../x"), b"/y": Link(b".")},
    "growing": {b"/x": Link(b"x/../x/../x")},
    "a long one": {b"/x": Link(b"x/../" * 800 + b"x")},
}


@pytest.mark.parametrize("tree", LOOPS.values(), ids=LOOPS.keys())
def test_a_circle_ends_with_an_error(storage: Any, tree: Any) -> None:
    prepare(storage, {**tree, b"/file": b""})
    fs = View(storage).fs
    before = snapshot(storage)
    for attempt in (
        lambda: fs.stat(p(b"/x")),
        lambda: fs.lstat(p(b"/x/below")),
        lambda: fs.scan(p(b"/x")),
        lambda: fs.open(p(b"/x"), READ),
        lambda: fs.open(p(b"/x"), CREATE),
        lambda: fs.mkdir(p(b"/x/new")),
        lambda: fs.remove(p(b"/x/new")),
        lambda: fs.rename(p(b"/x/new"), p(b"/z"), replace=True),
        lambda: fs.rename(p(b"/file"), p(b"/x/new"), replace=True),
        lambda: fs.link(p(b"/file"), p(b"/x/new")),
        lambda: fs.symlink(b"y", p(b"/x/new")),
        lambda: fs.readlink(p(b"/x/new")),
        lambda: fs.set_attributes(p(b"/x"), Attributes(size=0)),
        lambda: fs.space(p(b"/x")),
    ):
        with pytest.raises(TooManyLinks):
            attempt()
    assert fs.realpath(p(b"/x/a/b")) == p(b"/x/a/b")
    assert snapshot(storage) == before


class Counting(MemoryStorage):
    """Counts how often it is asked anything."""

    asked = 0

    def lstat(self, path: Any) -> Any:
        self.asked += 1
        return super().lstat(path)

    def readlink(self, path: Any) -> bytes:
        self.asked += 1
        return super().readlink(path)


DOUBLING = {b"/l0": Link(b".")} | {b"/l%d" % n: Link(b"l%d/../l%d" % (n - 1, n - 1)) for n in range(1, 60)}
CLIMBING = {b"/d": DIRECTORY} | {
    b"/l%d" % n: Link(b"d/../" * 800 + (b"l%d" % (n - 1) if n else b"missing")) for n in range(39)
}


@pytest.mark.parametrize(("tree", "path"), [(DOUBLING, b"/l59"), (CLIMBING, b"/l38")], ids=["doubling", "climbing"])
@pytest.mark.parametrize(
    "request_",
    [
        lambda fs, path: fs.stat(path),
        lambda fs, path: fs.rename(path / b"x", path / b"y", replace=True),
        lambda fs, path: fs.realpath(p(bytes(path) + b"/x" * 1900)),
    ],
    ids=["stat", "rename", "realpath"],
)
def test_the_work_of_one_request_is_bounded(tree: Any, path: bytes, request_: Any) -> None:
    storage = Counting()
    prepare(storage, tree)
    outcome(lambda: request_(View(storage).fs, p(path)))
    # Two paths, forty links or `..` behind a name on each, and at most four looks at one.
    assert storage.asked < 2 * 40 * 4


def test_a_dot_dot_behind_a_link_leaves_the_directory_where_it_leads(storage: Any) -> None:
    prepare(
        storage,
        {
            b"/a": DIRECTORY,
            b"/a/b": DIRECTORY,
            b"/a/file": b"in a",
            b"/file": b"at the root",
            b"/to-b": Link(b"a/b"),
            b"/l": Link(b"to-b/../file"),
            b"/m": Link(b"a/b/../../file"),
        },
    )
    fs = View(storage).fs
    assert get(fs, b"/l") == b"in a"
    assert get(fs, b"/m") == b"at the root"
    # What the client sends is cleaned before anything is looked at.
    assert get(fs, b"/to-b/../file") == b"at the root"


def test_the_last_link_is_meant_itself_or_followed(storage: Any) -> None:
    prepare(
        storage, {b"/d": DIRECTORY, b"/f": b"four", b"/lf": Link(b"f"), b"/ld": Link(b"d"), b"/lx": Link(b"nothing")}
    )
    fs = View(storage).fs
    assert fs.lstat(p(b"/lf")).kind is Kind.LINK
    assert fs.readlink(p(b"/lf")) == b"f"
    assert fs.stat(p(b"/lf")).size == 4
    assert names(fs, b"/ld") == set()
    fs.space(p(b"/lf"))
    fs.set_attributes(p(b"/lf"), Attributes(size=2))
    assert fs.stat(p(b"/f")).size == 2
    fs.set_attributes(p(b"/lf"), Attributes(atime=5, mtime=6), link=True)
    assert (fs.lstat(p(b"/lf")).mtime, fs.stat(p(b"/lf")).mtime == 6) == (6, False)
    with pytest.raises(AlreadyExists):
        fs.mkdir(p(b"/lx"))
    with pytest.raises(AlreadyExists):
        fs.symlink(b"f", p(b"/lx"))
    with pytest.raises(NotADirectory):
        fs.rmdir(p(b"/ld"))
    with pytest.raises(AlreadyExists):
        fs.link(p(b"/f"), p(b"/lx"))
    fs.rename(p(b"/ld"), p(b"/moved"), replace=False)
    assert fs.readlink(p(b"/moved")) == b"d"
    fs.rename(p(b"/f"), p(b"/lx"), replace=True)
    assert fs.lstat(p(b"/lx")).kind is Kind.FILE
    fs.remove(p(b"/moved"))
    assert names(fs, b"/") == {b"d", b"lf", b"lx"}


def test_a_hard_link_to_a_link_is_one_more_link(storage: Any) -> None:
    prepare(storage, {b"/f": b"four", b"/l": Link(b"f")})
    fs = View(storage).fs
    fs.link(p(b"/l"), p(b"/m"))
    assert fs.readlink(p(b"/m")) == b"f"


def before_call(storage: Any, name: str, happens: Callable[[], object], *, times: int = 1) -> None:
    """Somebody else does something just before the next `times` calls of a method: a race without threads."""
    method = getattr(storage, name)
    left = [times]

    def called(*args: Any, **kwargs: Any) -> Any:
        if left[0]:
            left[0] -= 1
            happens()
        return method(*args, **kwargs)

    setattr(storage, name, called)


def link_in_place_of(storage: Any, path: bytes, target: bytes) -> Callable[[], None]:
    rename, symlink = storage.rename, storage.symlink

    def swap() -> None:
        rename(p(path), p(path + b"-was"), replace=True)
        symlink(target, p(path))

    return swap


def below_secret(storage: Any) -> dict[bytes, object]:
    return {path: what for path, what in snapshot(storage).items() if path.startswith(b"/secret")}


#: The storage's call before which it happens, where, and the request.
SWAPPED: dict[str, tuple[str, bytes, Callable[[Filesystem], Any]]] = {
    "open": ("open", b"/open/x", lambda fs: fs.open(p(b"/open/x"), READ)),
    "overwrite": ("open", b"/open/x", lambda fs: fs.open(p(b"/open/x"), CREATE)),
    "truncate": ("set_attributes", b"/open/x", lambda fs: fs.set_attributes(p(b"/open/x"), Attributes(size=0))),
    "chmod": ("set_attributes", b"/open/x", lambda fs: fs.set_attributes(p(b"/open/x"), Attributes(mode=0o777))),
    "stat": ("lstat", b"/open/x", lambda fs: fs.stat(p(b"/open/x"))),
    "stat below": ("lstat", b"/open/d", lambda fs: fs.stat(p(b"/open/d/file"))),
    "open below": ("open", b"/open/d", lambda fs: fs.open(p(b"/open/d/file"), READ)),
    "create below": ("open", b"/open/d", lambda fs: fs.open(p(b"/open/d/new"), CREATE)),
    "scan": ("scan", b"/open/d", lambda fs: fs.scan(p(b"/open/d"))),
    "mkdir below": ("mkdir", b"/open/d", lambda fs: fs.mkdir(p(b"/open/d/new"))),
    "rmdir below": ("rmdir", b"/open/d", lambda fs: fs.rmdir(p(b"/open/d/d"))),
    "remove below": ("remove", b"/open/d", lambda fs: fs.remove(p(b"/open/d/file"))),
    "symlink below": ("symlink", b"/open/d", lambda fs: fs.symlink(b"y", p(b"/open/d/new"))),
    "readlink below": ("readlink", b"/open/d", lambda fs: fs.readlink(p(b"/open/d/link"))),
    "space below": ("space", b"/open/d", lambda fs: fs.space(p(b"/open/d/file"))),
    "rename from": ("rename", b"/open/d", lambda fs: fs.rename(p(b"/open/d/file"), p(b"/open/y"), replace=True)),
    "rename to": ("rename", b"/open/d", lambda fs: fs.rename(p(b"/open/mine"), p(b"/open/d/file"), replace=True)),
    "link from": ("link", b"/open/d", lambda fs: fs.link(p(b"/open/d/file"), p(b"/open/y"))),
    "link to": ("link", b"/open/d", lambda fs: fs.link(p(b"/open/mine"), p(b"/open/d/new"))),
}


@pytest.mark.parametrize(("call", "place", "request_"), SWAPPED.values(), ids=SWAPPED.keys())
def test_a_link_that_comes_at_the_last_moment_grants_nothing(
    storage: Any, call: str, place: bytes, request_: Callable[[Filesystem], Any]
) -> None:
    mine = {b"/open/mine": b"", b"/open/x": b"", b"/open/d": DIRECTORY, b"/open/d/file": b"", b"/open/d/d": DIRECTORY}
    prepare(storage, {**FORBIDDEN, b"/secret/link": Link(b"file"), **mine, b"/open/d/link": Link(b"file")})
    before = below_secret(storage)
    target = b"/secret/file" if place == b"/open/x" else b"/secret"
    before_call(storage, call, link_in_place_of(storage, place, target))
    with pytest.raises(PermissionDenied):
        request_(view(storage, RULES))
    assert storage.readlink(p(place)) == target
    assert below_secret(storage) == before


def test_a_link_in_place_of_a_directory_that_is_moved_is_moved_itself(storage: Any) -> None:
    prepare(storage, {**FORBIDDEN, b"/open/d": DIRECTORY, b"/open/d/file": b""})
    before_call(storage, "scan", link_in_place_of(storage, b"/open/d", b"/secret"))
    # Because of the rule below, what is in the directory is looked at first.
    view(storage, {**RULES, "/open/d/deeper": NOTHING}).rename(p(b"/open/d"), p(b"/moved"), replace=False)
    assert storage.readlink(p(b"/moved")) == b"/secret"


def test_a_link_that_goes_at_the_last_moment_is_looked_at_again(storage: Any) -> None:
    prepare(storage, {b"/l": Link(b"target"), b"/file": b"four"})
    before_call(storage, "readlink", lambda: storage.rename(p(b"/file"), p(b"/l"), replace=True))
    assert View(storage).fs.stat(p(b"/l")).size == 4


def test_links_that_are_swapped_in_again_and_again_come_to_an_end(storage: Any) -> None:
    """Each try of a rename meets a new link."""
    prepare(storage, {b"/d0": DIRECTORY, b"/d0/file": b"", **{b"/e%d" % n: DIRECTORY for n in range(100)}})
    rename = storage.rename
    turn = iter(range(100))

    def swap() -> None:
        number = next(turn)
        rename(p(b"/d%d" % number), p(b"/d%d" % (number + 1)), replace=True)
        storage.symlink(b"d%d" % (number + 1), p(b"/d%d" % number))

    before_call(storage, "rename", swap, times=100)
    with pytest.raises(TooManyLinks):
        View(storage).fs.rename(p(b"/d0/file"), p(b"/d0/new"), replace=True)


def test_a_file_that_comes_and_goes_while_it_is_opened_is_opened_or_given_up(storage: Any) -> None:
    fs = View(storage).fs
    storage_open = storage.open

    def swap() -> None:
        """There where it shall be new, gone where it shall be there."""
        if outcome(lambda: storage.lstat(p(b"/file"))) is NotFound:
            storage_open(p(b"/file"), read=False, write=True, create=Create.NEW).close()
        else:
            storage.remove(p(b"/file"))

    before_call(storage, "open", swap, times=6)
    fs.open(p(b"/file"), CREATE).close()
    storage.remove(p(b"/file"))
    before_call(storage, "open", swap, times=1000)
    with pytest.raises(Busy):
        fs.open(p(b"/file"), CREATE)


# What is told of links.


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (b"file", b"file"),
        (b"../open/file", b"../open/file"),
        (b"missing/../x", b"missing/../x"),
        (b"/open/file", b"/open/file"),
        (b"/open/../open/file", b"/open/file"),
        (b"../../../open/file", b"/open/file"),
        (b"/open", b"/open"),
    ],
)
def test_a_target_in_view_is_told(storage: Any, target: bytes, told: bytes) -> None:
    prepare(storage, {**FORBIDDEN, b"/open/file": b"", b"/open/l": Link(target)})
    assert view(storage, RULES).readlink(p(b"/open/l")) == told


@pytest.mark.parametrize(
    "target", [b"/etc/passwd", b"../../etc/passwd", b"/secret/file", b"/missing", b"/srv/users/alice/open/file"]
)
def test_a_target_out_of_view_is_not_told(storage: Any, target: bytes) -> None:
    prepare(storage, {**FORBIDDEN, b"/open/file": b"", b"/open/l": Link(target)})
    fs = view(storage, RULES)
    with pytest.raises(PermissionDenied) as refused:
        fs.readlink(p(b"/open/l"))
    assert target.decode() not in refused.value.text
    assert fs.realpath(p(b"/open/l/below")) == p(b"/open/l/below")


def test_realpath_tells_where_visible_links_lead(storage: Any) -> None:
    prepare(
        storage,
        {
            b"/d": DIRECTORY,
            b"/d/e": DIRECTORY,
            b"/d/file": b"",
            b"/to-e": Link(b"d/e"),
            b"/d/e/up": Link(b".."),
            b"/dangling": Link(b"d/missing"),
        },
    )
    fs = View(storage).fs
    for asked, told in (
        (b"/", b"/"),
        (b"/to-e", b"/d/e"),
        (b"/to-e/up", b"/d"),
        (b"/to-e/up/file", b"/d/file"),
        (b"/to-e/up/new/deeper", b"/d/new/deeper"),
        (b"/d/file/below", b"/d/file/below"),
        (b"/dangling", b"/dangling"),
        (b"/missing/./x/../y", b"/missing/y"),
    ):
        assert fs.realpath(p(asked)) == p(told), asked


def test_realpath_answers_who_may_not_list_with_the_name_that_he_gave(storage: Any) -> None:
    prepare(
        storage, {**FORBIDDEN, b"/secret/out": Link(b"/open"), b"/open/in": Link(b"/secret/d"), b"/l": Link(b"open")}
    )
    fs = view(storage, {"/": ["download"], "/open": ["list"]})
    for path in (b"/secret/out", b"/secret/out/x", b"/open/in", b"/open/in/x", b"/l", b"/missing"):
        assert fs.realpath(p(path)) == p(path)


def test_a_link_is_made_byte_for_byte_or_not_at_all(storage: Any) -> None:
    fs = View(storage).fs
    for target in (b"x", b"\xff\n\\", b"a//b/./../c/", b"x" * 4000):
        fs.symlink(target, p(b"/l"))
        assert storage.readlink(p(b"/l")) == target
        fs.remove(p(b"/l"))
    for bad in (b"", b"a\0b", b"x" * 5000):
        with pytest.raises(InvalidPath):
            fs.symlink(bad, p(b"/l"))
    assert names(fs, b"/") == set()


def test_a_link_needs_the_right_where_its_target_leads_by_its_words(storage: Any) -> None:
    prepare(storage, {b"/from": DIRECTORY, b"/to": DIRECTORY})
    fs = view(storage, {"/": ["list"], "/from": ["create_symlinks"]})
    for target in (b"/to/x", b"../to/x", b"../x", b"/x", b"../../../to/x"):
        with pytest.raises(PermissionDenied):
            fs.symlink(target, p(b"/from/l"))
    fs.symlink(b"../to/../from/x", p(b"/from/l"))
