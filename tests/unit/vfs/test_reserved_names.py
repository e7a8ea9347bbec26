"""Names of the server's own: for a session they are not there, and it can't make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conchgo.errors import DirectoryNotEmpty, NotFound, PermissionDenied
from conchgo.storage.interface import Attributes
from conchgo.vfs.interface import Filesystem
from tests.permission_table import DIRECTORY, Link, prepare, snapshot
from tests.unit.test_reserved import OURS, THEIRS
from tests.unit.vfs.helpers import CREATE, READ, WRITE, View, names, outcome, p

TRIES: dict[str, tuple[type[Exception], Callable[[Filesystem, bytes], Any]]] = {
    "stat": (NotFound, lambda fs, name: fs.stat(p(name))),
    "lstat": (NotFound, lambda fs, name: fs.lstat(p(name))),
    "open": (NotFound, lambda fs, name: fs.open(p(name), READ)),
    "write": (PermissionDenied, lambda fs, name: fs.open(p(name), WRITE)),
    "create": (PermissionDenied, lambda fs, name: fs.open(p(name), CREATE)),
    "scan": (NotFound, lambda fs, name: fs.scan(p(name))),
    "mkdir": (PermissionDenied, lambda fs, name: fs.mkdir(p(name))),
    "rmdir": (NotFound, lambda fs, name: fs.rmdir(p(name))),
    "remove": (NotFound, lambda fs, name: fs.remove(p(name))),
    "rename": (NotFound, lambda fs, name: fs.rename(p(name), p(b"/taken"), replace=True)),
    "rename onto": (PermissionDenied, lambda fs, name: fs.rename(p(b"/file"), p(name), replace=True)),
    "setstat": (NotFound, lambda fs, name: fs.set_attributes(p(name), Attributes(size=0))),
    "lsetstat": (NotFound, lambda fs, name: fs.set_attributes(p(name), Attributes(mtime=1, atime=1), link=True)),
    "readlink": (NotFound, lambda fs, name: fs.readlink(p(name))),
    "symlink at": (PermissionDenied, lambda fs, name: fs.symlink(b"file", p(name))),
    "symlink to": (NotFound, lambda fs, name: fs.symlink(name, p(b"/taken"))),
    "link": (NotFound, lambda fs, name: fs.link(p(name), p(b"/taken"))),
    "link at": (PermissionDenied, lambda fs, name: fs.link(p(b"/file"), p(name))),
    "space": (NotFound, lambda fs, name: fs.space(p(name))),
}


@pytest.mark.parametrize(("error", "attempt"), TRIES.values(), ids=TRIES)
@pytest.mark.parametrize("there", ["a file", "a directory", "nothing"])
def test_no_operation_reaches_or_makes_one_or_tells_whether_it_is_there(
    storage: Any, error: type[Exception], attempt: Callable[[Filesystem, bytes], Any], there: str
) -> None:
    tree = {
        "a file": {b"/d/.conchgo-x": b"half an upload"},
        "a directory": {b"/d/.conchgo-x": DIRECTORY, b"/d/.conchgo-x/below": b""},
        "nothing": {},
    }[there]
    prepare(storage, {b"/d": DIRECTORY, **tree, b"/file": b"mine", b"/into": Link(b"d")})
    before = snapshot(storage)
    for name in (b"/d/.conchgo-x", b"/d/.conchgo-x/below", b"/into/.conchgo-x"):
        with pytest.raises(error):
            attempt(View(storage).fs, name)
    assert snapshot(storage) == before


@pytest.mark.parametrize("attempt", ["stat", "open", "scan", "setstat", "space"])
def test_a_link_to_one_leads_nowhere(storage: Any, attempt: str) -> None:
    prepare(storage, {b"/.conchgo-x": b"", b"/to": Link(b".conchgo-x"), b"/dangling": Link(b"nothing")})
    fs = View(storage).fs
    assert fs.realpath(p(b"/to")) == p(b"/to")
    _, run = TRIES[attempt]
    assert outcome(lambda: run(fs, b"/to")) is outcome(lambda: run(fs, b"/dangling")) is NotFound
    with pytest.raises(PermissionDenied):
        fs.readlink(p(b"/to"))


def test_they_are_not_listed(storage: Any) -> None:
    prepare(storage, {b"/d": DIRECTORY, **{b"/d/" + name: b"" for name in (*OURS, *THEIRS)}})
    fs = View(storage).fs
    assert names(fs, b"/d") == set(THEIRS)
    # They go with the directory where it goes, and keep it from being removed.
    fs.rename(p(b"/d"), p(b"/e"), replace=False)
    assert storage.lstat(p(b"/e/.conchgo-upload-1"))
    for name in THEIRS:
        fs.remove(p(b"/e/" + name))
    with pytest.raises(DirectoryNotEmpty):
        fs.rmdir(p(b"/e"))
