"""File patterns: what is denied can be seen and no more, what is hidden is not there, and no way leads around."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conchgo.accounts.model import FilePattern
from conchgo.errors import DirectoryNotEmpty, NotFound, PermissionDenied
from conchgo.storage.interface import Attributes, Create
from conchgo.vfs.interface import Filesystem, OpenOptions
from tests.permission_table import (
    DIRECTORY,
    IF_DENIED,
    IF_HIDDEN,
    OPERATIONS,
    Answer,
    Link,
    Operation,
    prepare,
    snapshot,
)
from tests.unit.vfs.helpers import CREATE, READ, WRITE, View, get, names, outcome, p, put

DENY, HIDE = 0, 1
ERRORS = {Answer.REFUSED: PermissionDenied, Answer.MISSING: NotFound}

TOUCHED = [
    pytest.param(operation, name, id=f"{operation.name}: {name.decode()}")
    for operation in OPERATIONS
    for name in operation.touches
]


def filtered(storage: Any, *patterns: FilePattern) -> Filesystem:
    return View(storage, patterns=patterns).fs


def deny(path: str, *globs: str) -> FilePattern:
    return FilePattern(path, denied_patterns=globs)


def hide(path: str, *globs: str) -> FilePattern:
    return FilePattern(path, denied_patterns=globs, deny_policy=HIDE)


@pytest.mark.parametrize(("operation", "name"), TOUCHED)
@pytest.mark.parametrize("policy", [DENY, HIDE])
def test_each_operation_is_held_to_the_patterns(storage: Any, operation: Operation, name: bytes, policy: int) -> None:
    prepare(storage, operation.tree)
    before = snapshot(storage)
    # In capitals, for the case makes no difference.
    view = View(storage, patterns=[FilePattern("/", (), (name[1:].decode().upper(),), policy)])
    answer = (IF_HIDDEN if policy == HIDE else IF_DENIED)[operation.touches[name]]
    if answer == Answer.DONE:
        operation.run(view.fs)
        return
    with pytest.raises(ERRORS[answer]):
        operation.run(view.fs)
    assert snapshot(storage) == before
    assert any(event.status == "refused" for event in view.events) == (answer is Answer.REFUSED)


@pytest.mark.parametrize(("operation", "name"), TOUCHED)
def test_what_is_hidden_cannot_be_told_from_what_is_missing(
    make_storage: Any, operation: Operation, name: bytes
) -> None:
    """The same answer, and the same text, whether something is there, nothing, or a directory."""
    others = {path: what for path, what in operation.tree.items() if not path.startswith(name)}
    answers = set()
    for there in ({name: b""}, {name: DIRECTORY}, {}):
        storage = make_storage()
        prepare(storage, {**others, **there})
        with pytest.raises((PermissionDenied, NotFound)) as caught:
            operation.run(filtered(storage, hide("/", name[1:].decode())))
        answers.add((caught.type, str(caught.value)))
    assert len(answers) == 1


def test_below_a_hidden_directory_everything_is_hidden_whatever_is_allowed_there(storage: Any) -> None:
    prepare(storage, {b"/a": DIRECTORY, b"/a/.git": DIRECTORY, b"/a/.git/d": DIRECTORY, b"/a/.git/d/file.txt": b"x"})
    fs = filtered(storage, hide("/", ".git"), FilePattern("/a/.git/d", ("*",)))
    before = snapshot(storage)
    for path in (b"/a/.git", b"/a/.git/d", b"/a/.git/d/file.txt", b"/a/.git/d/missing", b"/a/.git/missing/d"):
        for attempt in (fs.stat, fs.lstat, fs.scan, fs.remove, fs.rmdir, fs.readlink, fs.space):
            with pytest.raises(NotFound):
                attempt(p(path))
        for made in (
            lambda path: fs.mkdir(p(path)),
            lambda path: put(fs, path),
            lambda path: fs.symlink(b"x", p(path)),
        ):
            with pytest.raises(PermissionDenied):
                made(path)
        assert fs.realpath(p(path)) == p(path)
    assert names(fs, b"/a") == set()
    assert snapshot(storage) == before


def test_a_directory_of_a_denied_name_is_no_obstacle_on_the_way_to_what_is_allowed(storage: Any) -> None:
    prepare(storage, {b"/docs": DIRECTORY, b"/docs/a.txt": b"text", b"/docs/a.exe": b""})
    fs = filtered(storage, FilePattern("/", allowed_patterns=("*.txt",)))
    assert names(fs, b"/") == {b"docs"}
    assert names(fs, b"/docs") == {b"a.txt", b"a.exe"}
    assert get(fs, b"/docs/a.txt") == b"text"
    for attempt in (
        lambda: fs.open(p(b"/docs/a.exe"), READ),
        lambda: fs.mkdir(p(b"/docs/sub")),
        lambda: fs.rmdir(p(b"/docs")),
        lambda: fs.rename(p(b"/docs"), p(b"/docs.txt"), replace=False),
    ):
        with pytest.raises(PermissionDenied):
            attempt()


def test_the_nearest_directory_decides(storage: Any) -> None:
    prepare(storage, {b"/in": DIRECTORY, b"/in/free": DIRECTORY})
    fs = filtered(storage, deny("/", "*.exe"), FilePattern("/in/free", ("*.exe",)), hide("/in", "*.tmp"))
    put(fs, b"/in/x.exe")
    put(fs, b"/in/free/x.exe")
    for refused in (b"/x.exe", b"/in/x.tmp", b"/in/free/x.txt"):
        with pytest.raises(PermissionDenied):
            put(fs, refused)


def test_names_that_are_no_text_are_judged_too(storage: Any) -> None:
    prepare(storage, {b"/caf\xe9.EXE": b"", b"/\xff\xfe": b"", b"/a\nb.exe": b""})
    fs = filtered(storage, hide("/", "*.exe"))
    assert names(fs, b"/") == {b"\xff\xfe"}
    for name in (b"/caf\xe9.EXE", b"/a\nb.exe", b"/\xff.exe", b"/x.\xc5\xbfexe.exe"):
        assert outcome(fs.open, p(name), READ) is NotFound
        assert outcome(put, fs, name) is PermissionDenied


# Links.

LINKED = {
    b"/real.exe": b"program",
    b"/real.txt": b"text",
    b"/dir": DIRECTORY,
    b"/dir/below.txt": b"below",
    b"/dir/below.exe": b"",
}


def test_a_link_of_an_allowed_name_gives_nothing_that_its_target_does_not(storage: Any) -> None:
    prepare(storage, {**LINKED, b"/l.txt": Link(b"real.exe"), b"/d.txt": Link(b"/dir"), b"/m.txt": Link(b"l.txt")})
    fs = filtered(storage, deny("/", "*.exe"))
    before = snapshot(storage)
    assert fs.stat(p(b"/m.txt")) == fs.stat(p(b"/real.exe"))
    for path in (b"/l.txt", b"/m.txt", b"/d.txt/below.exe"):
        for attempt in (
            lambda path: fs.open(p(path), READ),
            lambda path: fs.open(p(path), CREATE),
            lambda path: fs.set_attributes(p(path), Attributes(size=0)),
        ):
            with pytest.raises(PermissionDenied):
                attempt(path)
    assert get(fs, b"/d.txt/below.txt") == b"below"
    with pytest.raises(PermissionDenied):
        fs.link(p(b"/d.txt/below.exe"), p(b"/taken.txt"))
    with pytest.raises(PermissionDenied):
        fs.rename(p(b"/d.txt/below.exe"), p(b"/taken.txt"), replace=False)
    assert snapshot(storage) == before


def test_a_link_of_a_denied_name_leads_nowhere(storage: Any) -> None:
    prepare(storage, {**LINKED, b"/l.exe": Link(b"real.txt"), b"/d.exe": Link(b"dir"), b"/to": Link(b"d.exe")})
    fs = filtered(storage, deny("/", "*.exe"))
    before = snapshot(storage)
    for path in (b"/l.exe", b"/d.exe", b"/d.exe/below.txt", b"/to", b"/to/below.txt"):
        for attempt in (
            fs.stat,
            fs.scan,
            fs.space,
            lambda path: fs.open(path, READ),
            lambda path: fs.open(path, WRITE),
            lambda path: fs.set_attributes(path, Attributes(size=0)),
        ):
            with pytest.raises(PermissionDenied):
                attempt(p(path))
        assert fs.realpath(p(path)) == p(path)
    for attempt in (
        lambda: fs.mkdir(p(b"/d.exe/new")),
        lambda: fs.remove(p(b"/d.exe/below.txt")),
        lambda: fs.rename(p(b"/d.exe/below.txt"), p(b"/new"), replace=True),
        lambda: fs.rename(p(b"/real.txt"), p(b"/d.exe/new"), replace=True),
        lambda: fs.link(p(b"/real.txt"), p(b"/to/new")),
        lambda: fs.symlink(b"x", p(b"/to/new")),
        lambda: put(fs, b"/to/new"),
    ):
        with pytest.raises(PermissionDenied):
            attempt()
    assert fs.lstat(p(b"/l.exe"))
    assert snapshot(storage) == before


def test_a_link_of_a_hidden_name_leads_nowhere(storage: Any) -> None:
    prepare(
        storage, {**LINKED, b"/.l": Link(b"real.txt"), b"/.d": Link(b"dir"), b"/to": Link(b".d"), b"/x": Link(b".m")}
    )
    fs = filtered(storage, hide("/", ".*"))
    for path in (b"/.l", b"/.d", b"/.d/below.txt", b"/to", b"/to/below.txt", b"/x", b"/x/below.txt"):
        for attempt in (fs.stat, fs.scan, fs.space, lambda path: fs.open(path, READ)):
            with pytest.raises(NotFound):
                attempt(p(path))
        assert fs.realpath(p(path)) == p(path)


@pytest.mark.parametrize("make", [deny, hide])
def test_the_name_that_is_asked_counts_beside_the_one_where_a_link_leads(storage: Any, make: Any) -> None:
    """Denied as it is asked, allowed where the link leads; and the other way round."""
    tree = {b"/free": DIRECTORY, b"/free/x.exe": b"program", b"/free/x.txt": b"", b"/in": Link(b"free")}
    prepare(storage, {**tree, b"/free/out": Link(b".."), b"/y.exe": b"", b"/y.txt": b"text"})
    fs = filtered(storage, make("/", "*.exe"), FilePattern("/free", ("*.exe", "out")))
    before = snapshot(storage)
    assert get(fs, b"/free/x.exe") == b"program"
    refusals = (PermissionDenied, NotFound)
    for path in (b"/in/x.exe", b"/in/x.txt", b"/free/out/y.exe", b"/free/out/y.txt"):
        for attempt in (
            lambda path: fs.open(path, READ),
            lambda path: fs.open(path, CREATE),
            fs.remove,
            lambda path: fs.rename(path, p(b"/free/taken.exe"), replace=False),
            lambda path: fs.rename(p(b"/free/x.exe"), path, replace=True),
            lambda path: fs.link(path, p(b"/free/taken.exe")),
            lambda path: fs.set_attributes(path, Attributes(size=0)),
        ):
            with pytest.raises(refusals):
                attempt(p(path))
    assert snapshot(storage) == before
    # Who may not read by the name asked is not let in by the permissions of the place either.
    rules = {"/": ("list",), "/free": ("*",)}
    with pytest.raises(refusals):
        get(View(storage, rules, patterns=[make("/", "*.exe"), FilePattern("/free", ("*.exe",))]).fs, b"/in/x.exe")


@pytest.mark.parametrize("target", [b"x/../real.txt", b".git/../real.txt", b".git/../.git/../real.txt"])
def test_a_dot_dot_behind_a_hidden_name_tells_nothing(make_storage: Any, target: bytes) -> None:
    """Whatever is hidden there: a directory, a link that leads elsewhere, or nothing."""
    answers = set()
    for there in ({}, {b"/.git": DIRECTORY}, {b"/.git": Link(b"dir/deeper")}, {b"/.git": Link(b".git")}):
        storage = make_storage()
        prepare(storage, {**LINKED, b"/dir/deeper": DIRECTORY, b"/dir/real.txt": b"wrong", **there})
        storage.symlink(target, p(b"/l"))
        fs = filtered(storage, hide("/", ".*"))
        answers.add((outcome(get, fs, b"/l"), outcome(fs.realpath, p(b"/l")), fs.stat(p(b"/l")).size))
    assert answers == {(b"text", p(b"/real.txt"), 4)}


@pytest.mark.parametrize(
    "target",
    [
        b".git",
        b"dir/.git/x",
        b"./.git",
        b".git/..",
        b".git/../dir",
        b"dir/../dir/.git/../../dir",
        b"../../.git",
        b"/.git",
    ],
)
def test_readlink_names_nothing_hidden(storage: Any, target: bytes) -> None:
    prepare(storage, {b"/.git": DIRECTORY, b"/dir": DIRECTORY, b"/dir/.git": DIRECTORY, b"/l": Link(target)})
    assert View(storage).fs.readlink(p(b"/l")).endswith(target.lstrip(b"./"))
    told = outcome(lambda: filtered(storage, hide("/", ".git")).readlink(p(b"/l")))
    # In virtual words where it leads to what is there to see.
    assert told in (PermissionDenied, b"/", b"/dir")


def test_readlink_is_bounded_work(storage: Any) -> None:
    target = b"dir/../" * 580 + b"dir"
    prepare(storage, {b"/dir": DIRECTORY, b"/l": Link(target)})
    assert filtered(storage, hide("/", ".git")).readlink(p(b"/l")) == b"/dir"


# Moving.


def test_a_hard_link_gives_a_denied_file_no_allowed_name(storage: Any) -> None:
    prepare(storage, {**LINKED})
    fs = filtered(storage, deny("/", "*.exe"))
    for existing, new in ((b"/real.exe", b"/taken.txt"), (b"/real.txt", b"/taken.exe")):
        with pytest.raises(PermissionDenied):
            fs.link(p(existing), p(new))
    fs.link(p(b"/real.txt"), p(b"/second.txt"))


MOVES = {
    "out of the pattern's reach": (b"/a/d", b"/b/d", deny("/a", "*.exe")),
    "into its reach": (b"/b/e", b"/a/e", deny("/a", "*.exe")),
    "between patterns": (b"/a/d", b"/b/d", deny("/a", "*.exe"), deny("/b", "*.com")),
    "out of hiding": (b"/a/d", b"/b/d", hide("/a", "*.exe")),
    "into hiding": (b"/a/d", b"/b/d", deny("/a", "*.exe"), hide("/b", "*.exe")),
    "with the pattern's directory": (b"/a", b"/c", deny("/a", "*.exe")),
    "with a deeper pattern's directory": (b"/a", b"/c", deny("/a/d", "*.exe")),
    "to where a deeper pattern will hold": (b"/b", b"/c", deny("/c/e", "*.exe")),
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_directory_does_not_move_to_where_other_patterns_hold(storage: Any, move: Any) -> None:
    old, new, *patterns = move
    tree = {b"/a": DIRECTORY, b"/a/d": DIRECTORY, b"/a/d/x.exe": b"", b"/b": DIRECTORY, b"/b/e": DIRECTORY}
    prepare(storage, tree)
    before = snapshot(storage)
    fs = filtered(storage, *patterns)
    for replace in (False, True):
        with pytest.raises(PermissionDenied):
            fs.rename(p(old), p(new), replace=replace)
    assert snapshot(storage) == before


@pytest.mark.parametrize("glob", ["*.exe", "x.*"])
@pytest.mark.parametrize("make", [deny, hide])
def test_a_directory_takes_its_content_along_where_the_same_patterns_hold(storage: Any, make: Any, glob: str) -> None:
    prepare(storage, {b"/a": DIRECTORY, b"/a/d": DIRECTORY, b"/a/d/x.exe": b"", b"/b": DIRECTORY, b"/y.exe": b""})
    fs = filtered(storage, make("/", glob), deny("/elsewhere", "*"))
    fs.rename(p(b"/a/d"), p(b"/b/e"), replace=False)
    assert storage.lstat(p(b"/b/e/x.exe"))
    assert outcome(lambda: fs.open(p(b"/b/e/x.exe"), READ)) in (PermissionDenied, NotFound)


def test_a_directory_moves_to_where_a_choice_of_names_leaves_it_free(storage: Any) -> None:
    prepare(storage, {b"/a": DIRECTORY, b"/a/chosen": DIRECTORY, b"/b": DIRECTORY, b"/b/d": DIRECTORY})
    fs = filtered(storage, FilePattern("/a", ("chosen",), ("*",)))
    fs.rename(p(b"/b/d"), p(b"/a/chosen/d"), replace=False)
    with pytest.raises(PermissionDenied):
        fs.rename(p(b"/a/chosen/d"), p(b"/a/d"), replace=False)


def test_a_file_moves_to_where_its_name_is_allowed(storage: Any) -> None:
    prepare(storage, {b"/a": DIRECTORY, b"/b": DIRECTORY, b"/a/x.exe": b"", b"/a/x.txt": b"", b"/l.txt": Link(b"a")})
    fs = filtered(storage, deny("/b", "*.exe"))
    with pytest.raises(PermissionDenied):
        fs.rename(p(b"/a/x.exe"), p(b"/b/x.exe"), replace=False)
    fs.rename(p(b"/a/x.txt"), p(b"/b/x.txt"), replace=False)
    fs.rename(p(b"/l.txt"), p(b"/b/l.txt"), replace=False)
    assert names(fs, b"/b") == {b"x.txt", b"l.txt"}


def test_renaming_over_a_hidden_name_tells_nothing(make_storage: Any) -> None:
    answers = set()
    for there in ({}, {b"/.x": b"hidden"}, {b"/.x": DIRECTORY}, {b"/.x": DIRECTORY, b"/.x/y": b""}):
        for replace in (False, True):
            storage = make_storage()
            prepare(storage, {b"/file": b"", **there})
            fs = filtered(storage, hide("/", ".*"))
            answers.add(outcome(fs.rename, p(b"/file"), p(b"/.x"), replace=replace))
            assert fs.stat(p(b"/file"))
    assert answers == {PermissionDenied}


def test_a_directory_with_hidden_names_is_not_empty(storage: Any) -> None:
    prepare(storage, {b"/d": DIRECTORY, b"/d/.x": b""})
    fs = filtered(storage, hide("/", ".*"))
    assert names(fs, b"/d") == set()
    with pytest.raises(DirectoryNotEmpty):
        fs.rmdir(p(b"/d"))


def test_a_folder_of_a_hidden_name_is_hidden_with_all_that_is_in_it(make_storage: Any) -> None:
    home, folder = make_storage(), make_storage()
    prepare(folder, {b"/file": b"text"})
    fs = View(home, folders={b"/way/folder": folder}, patterns=[hide("/", "way")]).fs
    assert names(fs, b"/") == set()
    for path in (b"/way", b"/way/folder", b"/way/folder/file"):
        for attempt in (fs.stat, fs.scan, fs.space):
            with pytest.raises(NotFound):
                attempt(p(path))
    assert names(View(home, folders={b"/way/folder": folder}, patterns=[deny("/", "*")]).fs, b"/way/folder") == {
        b"file"
    }


def test_what_is_open_is_judged_when_it_is_opened(storage: Any) -> None:
    prepare(storage, {b"/a": DIRECTORY, b"/a/x.txt": b"text"})
    fs = filtered(storage, deny("/", "*.exe"))
    with pytest.raises(PermissionDenied):
        fs.open(p(b"/a/x.exe"), OpenOptions(read=True, create=True))
    file = fs.open(p(b"/a/x.txt"), READ)
    assert file.pread(10, 0) == b"text"
    file.close()


def test_at_once_is_held_to_the_same(storage: Any) -> None:
    prepare(storage, {b"/x.exe": b"", b"/.conchgo-x": b""})
    fs = filtered(storage, hide("/", "*.exe")).at_once
    assert fs is not None
    for path in (b"/x.exe", b"/.conchgo-x"):
        with pytest.raises(NotFound):
            fs.stat(p(path))


@pytest.mark.parametrize("call", ["lstat", "open", "scan", "mkdir", "set_attributes"])
def test_a_denied_link_that_comes_at_the_last_moment_leads_nowhere(storage: Any, call: str) -> None:
    """Between the look at the name and the work: a directory on the way becomes a link."""
    prepare(storage, {b"/d.exe": DIRECTORY, b"/d.exe/x": b"", b"/d.exe/d": DIRECTORY, b"/to": DIRECTORY, b"/to/x": b""})
    fs = filtered(storage, deny("/", "*.exe"))
    work: dict[str, Callable[[], Any]] = {
        "lstat": lambda: fs.stat(p(b"/d.exe/x")),
        "open": lambda: fs.open(p(b"/d.exe/x"), READ),
        "scan": lambda: fs.scan(p(b"/d.exe/d")),
        "mkdir": lambda: fs.mkdir(p(b"/d.exe/new")),
        "set_attributes": lambda: fs.set_attributes(p(b"/d.exe/x"), Attributes(size=9)),
    }
    storage.open(p(b"/d.exe/y"), read=False, write=True, create=Create.NEW).close()
    method = getattr(storage, call)

    def swapped(*args: Any, **kwargs: Any) -> Any:
        setattr(storage, call, method)
        storage.rename(p(b"/d.exe"), p(b"/was"), replace=False)
        storage.symlink(b"to", p(b"/d.exe"))
        return method(*args, **kwargs)

    setattr(storage, call, swapped)
    with pytest.raises(PermissionDenied):
        work[call]()
    assert storage.lstat(p(b"/to/x")).size == 0
