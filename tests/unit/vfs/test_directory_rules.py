"""Rules per directory: which of them decides where an operation touches two, and what a refusal tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conchgo.errors import AlreadyExists, NotFound, PermissionDenied
from conchgo.storage.interface import Attributes
from conchgo.vfs.interface import Filesystem, OpenOptions
from tests.permission_table import DIRECTORY, Link, prepare, snapshot
from tests.unit.vfs.helpers import ALL, CREATE, READ, WRITE, View, get, names, outcome, p, put, view

NOTHING: tuple[str, ...] = ()


def test_the_deepest_rule_decides(storage: Any) -> None:
    prepare(storage, {b"/a": DIRECTORY, b"/a/b": DIRECTORY, b"/a/b/c": DIRECTORY, b"/a/b/c/file": b"deep"})
    fs = view(storage, {"/": ["list"], "/a": NOTHING, "/a/b/c": ALL})
    assert names(fs, b"/") == {b"a"}
    for hidden in (b"/a", b"/a/b"):
        with pytest.raises(PermissionDenied):
            fs.scan(p(hidden))
    assert names(fs, b"/a/b/c") == {b"file"}
    assert get(fs, b"/a/b/c/file") == b"deep"
    with pytest.raises(PermissionDenied):
        fs.rmdir(p(b"/a/b/c"))


def test_a_glob_decides_for_the_directories_that_it_matches(storage: Any) -> None:
    prepare(storage, {b"/home": DIRECTORY, b"/home/x-in": DIRECTORY, b"/home/y": DIRECTORY})
    fs = view(storage, {"/": ["list"], "/home/*-in": ["upload"], "/home/y": ["download"]})
    put(fs, b"/home/x-in/new", b"data")
    with pytest.raises(PermissionDenied):
        fs.open(p(b"/home/x-in/new"), READ)
    with pytest.raises(PermissionDenied):
        fs.open(p(b"/home/y/new"), CREATE)


MOVES: dict[str, tuple[str, Callable[[Filesystem, bytes, bytes], None]]] = {
    "rename": ("rename_files", lambda fs, old, new: fs.rename(p(old), p(new), replace=False)),
    "symlink": ("create_symlinks", lambda fs, old, new: fs.symlink(old, p(new))),
    "hard link": ("create_symlinks", lambda fs, old, new: fs.link(p(old), p(new))),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("denied", ["/from", "/to"])
def test_both_ends_must_allow(storage: Any, move: str, denied: str) -> None:
    prepare(storage, {b"/from": DIRECTORY, b"/from/file": b"1", b"/to": DIRECTORY})
    before = snapshot(storage)
    verb, run = MOVES[move]
    everything_else = {"list", "download", "upload", "overwrite", "chmod", "chown", "chtimes", "copy"}
    rules = {"/": ALL, "/from": everything_else | {verb}, "/to": everything_else | {verb}}
    with pytest.raises(PermissionDenied):
        run(view(storage, {**rules, denied: everything_else}), b"/from/file", b"/to/file")
    assert snapshot(storage) == before
    run(view(storage, rules), b"/from/file", b"/to/file")


@pytest.mark.parametrize("verb", ["list", "download", "overwrite", "chmod", "chown", "chtimes"])
def test_a_hard_link_grants_nothing_that_the_file_had_not(storage: Any, verb: str) -> None:
    prepare(storage, {b"/from": DIRECTORY, b"/from/file": b"1", b"/to": DIRECTORY})
    linking = {"create_symlinks", "upload"}
    # The rule of the file's directory, a rule that names the file, and both kinds where the link comes to lie.
    for rules in (
        {"/": ["copy"], "/from": linking, "/to": linking | {verb}},
        {"/": ["copy"], "/from": linking | {verb}, "/from/file": linking, "/to": linking | {verb}},
        {"/": ["copy"], "/from": linking, "/from/file": linking | {verb}, "/to": linking | {verb}},
        {"/": ["copy"], "/from": linking, "/to": linking, "/to/file": {verb}},
        {"/": ["copy"], "/from": linking, "/to": linking | {verb}, "/to/file": NOTHING},
    ):
        with pytest.raises(PermissionDenied):
            view(storage, rules).link(p(b"/from/file"), p(b"/to/file"))
    view(storage, {"/": ["copy"], "/from": linking | {verb}, "/to": linking}).link(p(b"/from/file"), p(b"/to/file"))


TREE = {
    b"/top": DIRECTORY,
    b"/top/d": DIRECTORY,
    b"/top/d/inner": DIRECTORY,
    b"/top/d/inner/file": b"1",
}


@pytest.mark.parametrize(
    ("inner", "allowed"),
    [
        (["*"], True),
        (["rename"], True),
        (["rename_files"], True),
        (["rename_dirs"], False),
        (["list", "download"], False),
        ([], False),
    ],
)
def test_a_directory_moves_only_where_each_entry_below_may(storage: Any, inner: list[str], allowed: bool) -> None:
    prepare(storage, TREE)
    before = snapshot(storage)
    fs = view(storage, {"/": ALL, "/top/*/inner": inner})
    result = outcome(lambda: fs.rename(p(b"/top/d"), p(b"/moved"), replace=False))
    assert result is None if allowed else result is PermissionDenied
    assert (snapshot(storage) == before) != allowed


def test_a_directory_moves_only_where_the_rules_at_its_new_place_allow_each_entry(storage: Any) -> None:
    prepare(storage, TREE)
    with pytest.raises(PermissionDenied):
        view(storage, {"/": ALL, "/moved/inner": ["upload"]}).rename(p(b"/top/d"), p(b"/moved"), replace=False)
    view(storage, {"/": ALL, "/moved/other": ["upload"]}).rename(p(b"/top/d"), p(b"/moved"), replace=False)


def test_a_forbidden_directory_is_not_made_readable_by_another_name(storage: Any) -> None:
    prepare(storage, {b"/secret": DIRECTORY, b"/secret/file": b"1"})
    fs = view(storage, {"/": ALL, "/secret": NOTHING})
    with pytest.raises(PermissionDenied):
        fs.rename(p(b"/secret"), p(b"/open"), replace=False)
    fs.symlink(b"secret", p(b"/link"))
    for attempt in (lambda: fs.scan(p(b"/link")), lambda: fs.open(p(b"/link/file"), READ)):
        with pytest.raises(PermissionDenied):
            attempt()


def test_a_link_below_a_directory_that_moves_is_moved_not_followed(storage: Any) -> None:
    prepare(storage, {**TREE, b"/top/d/link": Link(b"/secret"), b"/secret": DIRECTORY, b"/secret/file": b"1"})
    view(storage, {"/": ALL, "/secret": NOTHING}).rename(p(b"/top/d"), p(b"/moved"), replace=False)
    assert storage.readlink(p(b"/moved/link")) == b"/secret"


def test_a_rename_looks_only_where_rules_differ(storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a rename that is refused in the end kept a thread busy for as long as the tree is large."""
    tree = [b"/d", b"/d/wide", b"/d/wide/deep", b"/d/x", b"/d/x/y", b"/d/x/y/file"]
    prepare(storage, dict.fromkeys(tree, DIRECTORY))
    scanned = []
    scan = storage.scan
    monkeypatch.setattr(storage, "scan", lambda path: scanned.append(bytes(path)) or scan(path))
    fs = view(storage, {"/": ALL, "/d/x/y": NOTHING})
    assert outcome(lambda: fs.rename(p(b"/d"), p(b"/e"), replace=False)) is PermissionDenied
    assert scanned == [b"/d", b"/d/x", b"/d/x/y"]


def test_a_rename_does_not_overwrite_without_the_right(storage: Any) -> None:
    prepare(storage, {b"/new": b"1", b"/old": b"2"})
    fs = view(storage, {"/": {"list", "rename", "upload", "download"}})
    with pytest.raises(PermissionDenied):
        fs.rename(p(b"/new"), p(b"/old"), replace=True)
    with pytest.raises(AlreadyExists):
        fs.rename(p(b"/new"), p(b"/old"), replace=False)
    assert (get(fs, b"/new"), get(fs, b"/old")) == (b"1", b"2")


def test_a_handle_for_both_reads_only_with_download(storage: Any) -> None:
    prepare(storage, {b"/file": b"secret"})
    file = view(storage, {"/": ["overwrite"]}).open(p(b"/file"), OpenOptions(read=True, write=True))
    file.pwritev([memoryview(b"S")], 0)
    into = bytearray(6)
    for read in (lambda: file.pread(6, 0), lambda: file.preadv([memoryview(into)], 0)):
        with pytest.raises(PermissionDenied):
            read()
    file.close()
    assert into == bytes(6)
    assert get(View(storage).fs, b"/file") == b"Secret"


def test_a_handle_for_reading_changes_nothing(storage: Any) -> None:
    prepare(storage, {b"/file": b"data"})
    file = View(storage).fs.open(p(b"/file"), READ)
    for write in (
        lambda: file.pwritev([memoryview(b"S")], 0),
        lambda: file.append(memoryview(b"S")),
        lambda: file.set_attributes(Attributes(size=0)),
    ):
        with pytest.raises(PermissionDenied):
            write()
    file.close()
    assert get(View(storage).fs, b"/file") == b"data"


def test_an_exclusive_upload_never_opens_what_is_there(storage: Any) -> None:
    prepare(storage, {b"/file": b"data"})
    exclusive = OpenOptions(write=True, create=True, exclusive=True, truncate=True)
    with pytest.raises(PermissionDenied):
        view(storage, {"/": ["overwrite"]}).open(p(b"/file"), exclusive)
    for verbs in (["upload"], ALL):
        with pytest.raises(AlreadyExists):
            view(storage, {"/": verbs}).open(p(b"/file"), exclusive)
    assert get(View(storage).fs, b"/file") == b"data"


def test_an_exclusive_open_for_reading_makes_the_file(storage: Any) -> None:
    exclusive = OpenOptions(read=True, create=True, exclusive=True)
    View(storage).fs.open(p(b"/lock"), exclusive).close()
    with pytest.raises(AlreadyExists):
        View(storage).fs.open(p(b"/lock"), exclusive)


def test_an_exclusive_upload_does_not_follow_a_link(storage: Any) -> None:
    prepare(storage, {b"/up": DIRECTORY, b"/ro": DIRECTORY, b"/link": Link(b"up/new"), b"/ro/link": Link(b"/up/new")})
    exclusive = OpenOptions(write=True, create=True, exclusive=True)
    fs = view(storage, {"/": ALL, "/ro": ["list"]})
    assert outcome(lambda: fs.open(p(b"/link"), exclusive)) is AlreadyExists
    assert outcome(lambda: fs.open(p(b"/ro/link"), exclusive)) is PermissionDenied
    assert names(fs, b"/up") == set()


def test_upload_does_not_replace_and_overwrite_does_not_create(storage: Any) -> None:
    prepare(storage, {b"/there": b"data"})
    uploader, overwriter = view(storage, {"/": ["upload"]}), view(storage, {"/": ["overwrite"]})
    for options in (CREATE, WRITE, OpenOptions(write=True, create=True), OpenOptions(write=True, truncate=True)):
        with pytest.raises(PermissionDenied):
            uploader.open(p(b"/there"), options)
    put(uploader, b"/new", b"mine")
    with pytest.raises(PermissionDenied):
        put(overwriter, b"/missing")
    put(overwriter, b"/there", b"other")
    assert get(View(storage).fs, b"/there") == b"other"


def test_one_can_look_after_an_own_upload_without_list(storage: Any) -> None:
    fs = view(storage, {"/": ["upload"]})
    file = fs.open(p(b"/new"), CREATE)
    file.pwritev([memoryview(b"four")], 0)
    assert file.stat().size == 4
    file.set_attributes(Attributes(size=2))
    with pytest.raises(PermissionDenied):
        file.set_attributes(Attributes(mtime=1, atime=1))
    file.close()
    with pytest.raises(PermissionDenied):
        fs.stat(p(b"/new"))


def test_a_mode_is_for_who_may_chmod(storage: Any) -> None:
    view(storage, {"/": ["upload", "create_dirs"]}).open(p(b"/plain"), OpenOptions(write=True, create=True, mode=0o600))
    view(storage, {"/": ["upload", "create_dirs"]}).mkdir(p(b"/d-plain"), 0o700)
    View(storage).fs.open(p(b"/asked"), OpenOptions(write=True, create=True, mode=0o4640)).close()
    View(storage).fs.mkdir(p(b"/d-asked"), 0o2750)
    modes = {name: storage.lstat(p(name)).mode & 0o7777 for name in (b"/plain", b"/d-plain", b"/asked", b"/d-asked")}
    assert modes == {b"/plain": 0o644, b"/d-plain": 0o755, b"/asked": 0o640, b"/d-asked": 0o750}


def test_nobody_makes_a_set_user_id_file(storage: Any) -> None:
    prepare(storage, {b"/file": b"#!/bin/sh"})
    fs = View(storage).fs
    fs.set_attributes(p(b"/file"), Attributes(mode=0o6755))
    assert storage.lstat(p(b"/file")).mode & 0o7777 == 0o755
    file = fs.open(p(b"/file"), WRITE)
    file.set_attributes(Attributes(mode=0o6711))
    file.close()
    assert storage.lstat(p(b"/file")).mode & 0o7777 == 0o711


ROOT_REQUESTS: list[Callable[[Filesystem], Any]] = [
    lambda fs: fs.rmdir(p(b"/")),
    lambda fs: fs.remove(p(b"/")),
    lambda fs: fs.rename(p(b"/"), p(b"/d/x"), replace=True),
    lambda fs: fs.rename(p(b"/d"), p(b"/"), replace=True),
    lambda fs: fs.symlink(b"d", p(b"/")),
    lambda fs: fs.link(p(b"/"), p(b"/x")),
    lambda fs: fs.link(p(b"/file"), p(b"/")),
    lambda fs: fs.rmdir(p(b"/up")),
    lambda fs: fs.mkdir(p(b"/")),
    lambda fs: fs.open(p(b"/"), CREATE),
]


@pytest.mark.parametrize("request_", ROOT_REQUESTS)
def test_the_root_stays(storage: Any, request_: Callable[[Filesystem], Any]) -> None:
    prepare(storage, {b"/d": DIRECTORY, b"/file": b"", b"/up": Link(b"..")})
    before = snapshot(storage)
    assert outcome(lambda: request_(View(storage).fs)) is not None
    assert snapshot(storage) == before


#: What may lie at a path in a directory where one may do nothing.
KINDS = {
    "missing": {},
    "file": {b"/no/x": b"content"},
    "directory": {b"/no/x": DIRECTORY},
    "full directory": {b"/no/x": DIRECTORY, b"/no/x/y": b"", b"/no/x/z": DIRECTORY},
    "link to a sibling": {b"/no/y": b"", b"/no/x": Link(b"y")},
    "link to a directory": {b"/no/y": DIRECTORY, b"/no/x": Link(b"y")},
    "dangling link": {b"/no/x": Link(b"y")},
    "link to itself": {b"/no/x": Link(b"x")},
    "links in a circle": {b"/no/x": Link(b"y"), b"/no/y": Link(b"../no/x")},
    "link to a long path": {b"/no/x": Link(b"y/" * 2000)},
}

REQUESTS: dict[str, Callable[[Filesystem, bytes], Any]] = {
    "stat": lambda fs, path: fs.stat(p(path)),
    "lstat": lambda fs, path: fs.lstat(p(path)),
    "realpath": lambda fs, path: fs.realpath(p(path)),
    "scan": lambda fs, path: fs.scan(p(path)),
    "read": lambda fs, path: fs.open(p(path), READ),
    "write": lambda fs, path: fs.open(p(path), WRITE),
    "create": lambda fs, path: fs.open(p(path), CREATE),
    "create exclusively": lambda fs, path: fs.open(p(path), OpenOptions(write=True, create=True, exclusive=True)),
    "mkdir": lambda fs, path: fs.mkdir(p(path)),
    "rmdir": lambda fs, path: fs.rmdir(p(path)),
    "remove": lambda fs, path: fs.remove(p(path)),
    "rename from": lambda fs, path: fs.rename(p(path), p(b"/yes/new"), replace=True),
    "rename to": lambda fs, path: fs.rename(p(b"/yes/file"), p(path), replace=True),
    "setstat nothing": lambda fs, path: fs.set_attributes(p(path), Attributes()),
    "truncate": lambda fs, path: fs.set_attributes(p(path), Attributes(size=0)),
    "chmod": lambda fs, path: fs.set_attributes(p(path), Attributes(mode=0)),
    "utimes of a link": lambda fs, path: fs.set_attributes(p(path), Attributes(atime=0, mtime=0), link=True),
    "readlink": lambda fs, path: fs.readlink(p(path)),
    "readlink to it": lambda fs, path: fs.readlink(p(b"/yes/link")),
    "symlink at": lambda fs, path: fs.symlink(b"/yes/file", p(path)),
    "symlink to": lambda fs, path: fs.symlink(path, p(b"/yes/new")),
    "link from": lambda fs, path: fs.link(p(path), p(b"/yes/new")),
    "link to": lambda fs, path: fs.link(p(b"/yes/file"), p(path)),
    "space": lambda fs, path: fs.space(p(path)),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("path", [b"/no/x", b"/no/x/y", b"/no/x/z/deep", b"/yes/in/x", b"/yes/in/x/y"])
def test_missing_and_forbidden_look_the_same(make_storage: Callable[[], Any], name: str, path: bytes) -> None:
    told = {}
    for kind, tree in KINDS.items():
        storage = make_storage()
        prepare(storage, {b"/yes": DIRECTORY, b"/yes/file": b"", b"/no": DIRECTORY, **tree})
        prepare(storage, {b"/yes/in": Link(b"/no"), b"/yes/link": Link(path)})
        view = View(storage, {"/": ALL, "/no": NOTHING})
        result = outcome(lambda view=view: REQUESTS[name](view.fs, path))  # type: ignore[misc]
        told[kind] = (result, [(event.status, event.reason) for event in view.events])
    assert len(set(map(repr, told.values()))) == 1, told
    answered = told["file"][0]
    if name == "realpath":
        # Where /no lies may be known, for "/" may be listed.
        assert answered == p(path.replace(b"/yes/in", b"/no"))
    elif name != "symlink to":
        # (A link may be made to a path that leads through another one: what it says then decides nothing.)
        assert answered is PermissionDenied


def test_who_may_list_hears_the_truth(storage: Any) -> None:
    fs = view(storage, {"/": ["list"]})
    for name in ("stat", "lstat", "scan", "setstat nothing", "readlink", "space"):
        assert outcome(lambda name=name: REQUESTS[name](fs, b"/missing")) is NotFound, name  # type: ignore[misc]
