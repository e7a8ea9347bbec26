"""A property: whatever is asked, two trees that differ only in what is hidden answer alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from conchgo.accounts.model import FilePattern
from conchgo.accounts.patterns import FilePatterns
from conchgo.storage.interface import Attributes, Kind
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.filtered import Names
from conchgo.vfs.interface import FileStat, Filesystem
from tests.permission_table import DIRECTORY, Directory, Link, prepare
from tests.unit.vfs.helpers import CREATE, READ, View, get, names, outcome, p, put


def hide(path: str, *globs: str) -> FilePattern:
    return FilePattern(path, denied_patterns=globs, deny_policy=1)


PATTERNS: Sequence[tuple[FilePattern, ...]] = (
    (hide("/", "*.key"),),
    (FilePattern("/", allowed_patterns=("a", "b", "c"), deny_policy=1),),
    (hide("/", "*.key"), FilePattern("/a", denied_patterns=("b",))),
    (hide("/a", "*.key"), hide("/", "x.key")),
    (FilePattern("/", ("a", "b"), ("*",), 1), hide("/b", "x.key")),
)

#: All trees begin with these, so that most paths lead somewhere.
COMMON = {b"/a": DIRECTORY, b"/a/b": DIRECTORY, b"/b": DIRECTORY, b"/b/c": b"content", b"/c": Link(b"a")}

NAMES = st.sampled_from([b"a", b"b", b"c", b"x.key", b"X.KEY", b".conchgo-x"])
PATHS = st.lists(NAMES, max_size=3).map(lambda parts: b"/" + b"/".join(parts))
SPOTS = st.sampled_from(
    [b"/x.key", b"/a/x.key", b"/a/b/x.key", b"/b/x.key", b"/b/.conchgo-x", b"/x.key/a", b"/a/x.key/b"]
)
TARGETS = st.builds(
    lambda top, steps: top + b"/".join(steps),
    st.sampled_from([b"", b"/"]),
    st.lists(st.sampled_from([b"a", b"b", b"x.key", b".."]), min_size=1, max_size=4),
)
THINGS = st.one_of(st.just(b"content"), st.just(DIRECTORY), st.builds(Link, TARGETS))
VISIBLE = st.dictionaries(PATHS, THINGS, max_size=4)
HIDDEN = st.dictionaries(SPOTS | PATHS, THINGS, max_size=5)

OPERATIONS: dict[str, Callable[[Filesystem, bytes, bytes], Any]] = {
    "stat": lambda fs, path, _: seen(fs.stat(p(path))),
    "lstat": lambda fs, path, _: seen(fs.lstat(p(path))),
    "list": lambda fs, path, _: names(fs, path),
    "realpath": lambda fs, path, _: fs.realpath(p(path)),
    "readlink": lambda fs, path, _: fs.readlink(p(path)),
    "space": lambda fs, path, _: fs.space(p(path)).block_size,
    "read": lambda fs, path, _: get(fs, path),
    "open": lambda fs, path, _: fs.open(p(path), READ).close(),
    "write": lambda fs, path, _: put(fs, path, b"new"),
    "create": lambda fs, path, _: fs.open(p(path), CREATE).close(),
    "mkdir": lambda fs, path, _: fs.mkdir(p(path)),
    "rmdir": lambda fs, path, _: fs.rmdir(p(path)),
    "remove": lambda fs, path, _: fs.remove(p(path)),
    "truncate": lambda fs, path, _: fs.set_attributes(p(path), Attributes(size=1)),
    "chmod": lambda fs, path, _: fs.set_attributes(p(path), Attributes(mode=0o700)),
    "rename": lambda fs, path, other: fs.rename(p(path), p(other), replace=False),
    "replace": lambda fs, path, other: fs.rename(p(path), p(other), replace=True),
    "link": lambda fs, path, other: fs.link(p(path), p(other)),
    "symlink": lambda fs, path, other: fs.symlink(other[1:], p(path)),
}

REQUESTS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), PATHS | SPOTS, PATHS | SPOTS), min_size=1, max_size=12
)


def seen(stat: FileStat) -> tuple[Any, ...]:
    """What is told of a name. The size and links of a directory may tell that there is more in it than is listed."""
    return stat.kind, stat.mode, 0 if stat.kind is Kind.DIRECTORY else stat.size


def tree_of(patterns: tuple[FilePattern, ...], visible: Any, hidden: Any) -> MemoryStorage:
    """What is hidden of the one and what is not of the other; no directory is empty, for that could be told."""
    storage = MemoryStorage(clock=lambda: 0.0)
    hides = Names(FilePatterns.parse(patterns)).hides
    for tree, wanted in ((COMMON | visible, False), (hidden, True)):
        for path in sorted(tree):
            if path != b"/" and hides(p(path)) is wanted:
                outcome(prepare, storage, {path: tree[path]})
                if isinstance(tree[path], Directory):
                    outcome(prepare, storage, {path + b"/.conchgo-always": b""})
    return storage


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PATTERNS), VISIBLE, HIDDEN, HIDDEN, REQUESTS)
def test_what_is_hidden_makes_no_difference(
    patterns: tuple[FilePattern, ...], visible: Any, hidden: Any, other: Any, requests: Any
) -> None:
    one, two = (View(tree_of(patterns, visible, secret), patterns=patterns).fs for secret in (hidden, other))
    for name, path, second in requests:
        told = [outcome(OPERATIONS[name], fs, path, second) for fs in (one, two)]
        assert told[0] == told[1]
