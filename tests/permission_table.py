"""Every operation of a session's filesystem, the verbs that it needs, and what it does with which name.

A row says what lies in the tree beforehand, and how to do the operation on a `Filesystem`. Tests over the wire
(`doors`) take a row's name, tree, verbs and names, and do the operation in their own words.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conchgo.accounts.permissions import INCLUDES, VERBS
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import Attributes, Create, Kind
from conchgo.vfs.interface import Filesystem, OpenOptions

p = VirtualPath.parse

#: The verbs that stand for one thing each.
SINGLE_VERBS = frozenset(VERBS - INCLUDES.keys())

CONTENT = b"content"
NEW = b"new"


class Directory:
    """In a tree: a directory."""


@dataclass(frozen=True)
class Link:
    """In a tree: a symbolic link."""

    target: bytes


DIRECTORY = Directory()

#: Path to what is there: the content of a file, a directory, a link. Directories stand before what is in them.
Tree = Mapping[bytes, "bytes | Directory | Link"]


class Touch(enum.Enum):
    """What an operation does with a name that it is given or led to."""

    LOOK = "look"
    #: Look at it, led by a link.
    REACH = "reach"
    #: Read it, change it, take it away, follow it.
    USE = "use"
    #: Read it, and if it is a directory, all that is in there.
    TAKE = "take"
    #: Set nothing but its times.
    SET = "set"
    #: Make it, or write to it.
    MAKE = "make"
    #: The same, or if it is a directory, make something in there.
    PUT = "put"
    #: Make a link that leads to it.
    LEAD = "lead"
    #: Tell its name, which stands in a link.
    TELL = "tell"


class Answer(enum.Flag):
    """What comes of an operation, or what may."""

    DONE = enum.auto()
    REFUSED = enum.auto()
    MISSING = enum.auto()
    OVER_QUOTA = enum.auto()
    FAILED = enum.auto()


#: What comes of it where a pattern denies the name, where one hides it, and where a folder is mounted there.
IF_DENIED = {
    Touch.LOOK: Answer.DONE,
    Touch.REACH: Answer.DONE,
    Touch.USE: Answer.REFUSED,
    Touch.TAKE: Answer.REFUSED,
    Touch.SET: Answer.REFUSED,
    Touch.MAKE: Answer.REFUSED,
    Touch.PUT: Answer.REFUSED,
    Touch.LEAD: Answer.DONE,
    Touch.TELL: Answer.DONE,
}
IF_HIDDEN = {
    Touch.LOOK: Answer.MISSING,
    Touch.REACH: Answer.MISSING,
    Touch.USE: Answer.MISSING,
    Touch.TAKE: Answer.MISSING,
    Touch.SET: Answer.MISSING,
    Touch.MAKE: Answer.REFUSED,
    Touch.PUT: Answer.REFUSED,
    Touch.LEAD: Answer.MISSING,
    Touch.TELL: Answer.REFUSED,
}
IF_MOUNTED = {
    Touch.LOOK: Answer.DONE,
    # No link in a folder leads out of it.
    Touch.REACH: Answer.DONE | Answer.REFUSED,
    Touch.USE: Answer.REFUSED | Answer.FAILED,
    Touch.TAKE: Answer.DONE,
    Touch.SET: Answer.DONE,
    Touch.MAKE: Answer.REFUSED | Answer.FAILED,
    Touch.PUT: Answer.DONE,
    Touch.LEAD: Answer.REFUSED,
    Touch.TELL: Answer.DONE,
}


class Took(enum.Flag):
    """What an operation takes of a quota."""

    NOTHING = 0
    A_FILE = 1
    BYTES = 2


@dataclass(frozen=True)
class Row:
    """What is done at some door. `verbs` are those without any of which it is refused, and all that it needs.

    Where it is refused nothing has changed, if it is done as a `whole`.
    """

    name: str
    verbs: frozenset[str]
    touches: Mapping[bytes, Touch]
    tree: Tree
    writes: bool
    takes: Took
    whole: bool


def row(
    name: str,
    verbs: str,
    touches: str,
    tree: Tree,
    *,
    writes: bool = True,
    takes: Took = Took.NOTHING,
    whole: bool = True,
) -> Row:
    """`touches` is "what name", with commas between."""
    words = [touch.split() for touch in touches.split(",") if touch]
    touched = {b"/" + path.encode(): Touch(what) for what, path in words}
    return Row(name, frozenset(verbs.split()), touched, tree, writes, takes, whole)


@dataclass(frozen=True)
class Operation(Row):
    """What a `Filesystem` does."""

    run: Callable[[Filesystem], Any]


def prepare(storage: Any, tree: Tree) -> None:
    """Make the tree in a storage."""
    for path, what in tree.items():
        if isinstance(what, bytes):
            file = storage.open(p(path), read=False, write=True, create=Create.NEW)
            file.pwritev([memoryview(what)], 0)
            file.close()
        elif isinstance(what, Link):
            storage.symlink(what.target, p(path))
        else:
            storage.mkdir(p(path))


def snapshot(storage: Any, top: VirtualPath = ROOT) -> dict[bytes, object]:
    """All that is in a storage, to compare with a later look."""
    found: dict[bytes, object] = {}
    listing = storage.scan(top)
    for entry in listing:
        path = top / entry.name
        stat = storage.lstat(path)
        shape = (stat.mode, stat.uid, stat.gid, stat.mtime, stat.nlink)
        if stat.kind is Kind.DIRECTORY:
            found[bytes(path)] = shape
            found |= snapshot(storage, path)
        elif stat.kind is Kind.LINK:
            found[bytes(path)] = (shape, storage.readlink(path))
        else:
            found[bytes(path)] = (shape, read(storage, path))
    listing.close()
    return found


def read(storage: Any, path: VirtualPath) -> bytes:
    file = storage.open(path, read=True, write=False, create=Create.NEVER)
    try:
        data: bytes = file.pread(file.stat().size, 0)
        return data
    finally:
        file.close()


def _with_file(options: OpenOptions, use: Callable[[Any], Any]) -> Callable[[Filesystem], Any]:
    def run(fs: Filesystem) -> Any:
        file = fs.open(p(b"/file"), options)
        try:
            return use(file)
        finally:
            file.close()

    return run


def _write(file: Any) -> None:
    file.pwritev([memoryview(NEW)], 0)


def _append(file: Any) -> None:
    file.append(memoryview(NEW))


def _read(file: Any) -> bytes:
    data: bytes = file.pread(100, 0)
    return data


def _write_and_read(file: Any) -> bytes:
    _write(file)
    return _read(file)


def _scan(fs: Filesystem) -> list[bytes]:
    listing = fs.scan(p(b"/directory"))
    try:
        return [entry.name for entry in listing]
    finally:
        listing.close()


def _row(
    name: str,
    verbs: str,
    touches: str,
    run: Callable[[Filesystem], Any],
    tree: Tree | None = None,
    writes: bool = True,
    takes: Took = Took.NOTHING,
    whole: bool = True,
) -> Operation:
    said = row(name, verbs, touches, tree or {}, writes=writes, takes=takes, whole=whole)
    return Operation(**vars(said), run=run)


def _setstat(path: bytes, **changes: int) -> Callable[[Filesystem], None]:
    return lambda fs: fs.set_attributes(p(path), Attributes(**changes), link=path == b"/link")


_OWNER = {"uid": os.geteuid(), "gid": os.getegid()}

_file: Tree = {b"/file": CONTENT}
_directory: Tree = {b"/directory": DIRECTORY}
_full_directory: Tree = {b"/directory": DIRECTORY, b"/directory/file": CONTENT}
_link: Tree = {b"/file": CONTENT, b"/link": Link(b"file")}

OPERATIONS = (
    _row("realpath", "", "", lambda fs: fs.realpath(p(b"/directory/file")), _full_directory, writes=False),
    _row("stat", "list", "look file", lambda fs: fs.stat(p(b"/file")), _file, writes=False),
    _row("stat a directory", "list", "look directory", lambda fs: fs.stat(p(b"/directory")), _directory, writes=False),
    _row("stat through a link", "list", "use link, reach file", lambda fs: fs.stat(p(b"/link")), _link, writes=False),
    _row("lstat", "list", "look link", lambda fs: fs.lstat(p(b"/link")), _link, writes=False),
    _row("scan", "list", "look directory", _scan, _full_directory, writes=False),
    _row("readlink", "list", "use link, tell file", lambda fs: fs.readlink(p(b"/link")), _link, writes=False),
    _row("space", "list", "look file", lambda fs: fs.space(p(b"/file")), _file, writes=False),
    _row("read", "download", "use file", _with_file(OpenOptions(read=True), _read), _file, writes=False),
    _row(
        "fstat",
        "download",
        "use file",
        _with_file(OpenOptions(read=True), lambda file: file.stat()),
        _file,
        writes=False,
    ),
    _row(
        "upload",
        "upload",
        "make file",
        _with_file(OpenOptions(write=True, create=True, truncate=True), _write),
        takes=Took.A_FILE | Took.BYTES,
    ),
    _row(
        "upload exclusively",
        "upload",
        "make file",
        _with_file(OpenOptions(write=True, create=True, exclusive=True), _write),
        takes=Took.A_FILE | Took.BYTES,
    ),
    _row(
        "upload by appending",
        "upload",
        "make file",
        _with_file(OpenOptions(write=True, append=True, create=True), _append),
        takes=Took.A_FILE | Took.BYTES,
    ),
    _row(
        "upload and fstat",
        "upload",
        "make file",
        _with_file(OpenOptions(write=True, create=True), lambda file: file.stat()),
        takes=Took.A_FILE,
    ),
    _row(
        "upload and read back",
        "upload download",
        "make file",
        _with_file(OpenOptions(read=True, write=True, create=True), _write_and_read),
        takes=Took.A_FILE | Took.BYTES,
        whole=False,
    ),
    _row(
        "create for reading",
        "upload download",
        "make file",
        _with_file(OpenOptions(read=True, create=True), _read),
        takes=Took.A_FILE,
    ),
    _row(
        "read with leave to create",
        "download",
        "make file",
        _with_file(OpenOptions(read=True, create=True), _read),
        _file,
        writes=False,
    ),
    _row(
        "upload through a dangling link",
        "upload",
        "make link, make file",
        lambda fs: fs.open(p(b"/link"), OpenOptions(write=True, create=True)).close(),
        {b"/link": Link(b"file")},
        takes=Took.A_FILE,
    ),
    _row(
        "overwrite",
        "overwrite",
        "make file",
        _with_file(OpenOptions(write=True, create=True, truncate=True), _write),
        _file,
    ),
    _row("write without create", "overwrite", "make file", _with_file(OpenOptions(write=True), _write), _file),
    _row(
        "append",
        "overwrite",
        "make file",
        _with_file(OpenOptions(write=True, append=True, create=True), _append),
        _file,
        takes=Took.BYTES,
    ),
    _row(
        "read and write: write", "overwrite", "make file", _with_file(OpenOptions(read=True, write=True), _write), _file
    ),
    _row(
        "read and write: read",
        "overwrite download",
        "make file",
        _with_file(OpenOptions(read=True, write=True), _read),
        _file,
        writes=False,
    ),
    _row(
        "ftruncate",
        "overwrite",
        "make file",
        _with_file(OpenOptions(write=True), lambda file: file.set_attributes(Attributes(size=1))),
        _file,
    ),
    _row(
        "fchmod",
        "download chmod",
        "use file",
        _with_file(OpenOptions(read=True), lambda file: file.set_attributes(Attributes(mode=0o600))),
        _file,
    ),
    _row(
        "fchown",
        "download chown",
        "use file",
        _with_file(OpenOptions(read=True), lambda file: file.set_attributes(Attributes(**_OWNER))),
        _file,
        writes=False,
    ),
    _row(
        "futimes",
        "download chtimes",
        "use file",
        _with_file(OpenOptions(read=True), lambda file: file.set_attributes(Attributes(atime=1, mtime=2))),
        _file,
    ),
    _row("mkdir", "create_dirs", "make new", lambda fs: fs.mkdir(p(b"/new"))),
    _row("rmdir", "delete_dirs", "use directory", lambda fs: fs.rmdir(p(b"/directory")), _directory),
    _row("remove", "delete_files", "use file", lambda fs: fs.remove(p(b"/file")), _file),
    _row("remove a link", "delete_files", "use link", lambda fs: fs.remove(p(b"/link")), _link),
    _row(
        "rename",
        "rename_files",
        "use file, make new",
        lambda fs: fs.rename(p(b"/file"), p(b"/new"), replace=False),
        _file,
    ),
    _row(
        "rename a link",
        "rename_files",
        "use link, make new",
        lambda fs: fs.rename(p(b"/link"), p(b"/new"), replace=False),
        _link,
    ),
    _row(
        "rename a directory",
        "rename_dirs",
        "use directory, make n",
        lambda fs: fs.rename(p(b"/directory"), p(b"/n"), replace=False),
        _directory,
    ),
    _row(
        "rename a full directory",
        "rename_dirs rename_files",
        "use directory, make n",
        lambda fs: fs.rename(p(b"/directory"), p(b"/n"), replace=False),
        _full_directory,
    ),
    _row(
        "rename over a file",
        "rename_files overwrite",
        "use file, make other",
        lambda fs: fs.rename(p(b"/file"), p(b"/other"), replace=True),
        {**_file, b"/other": b"other"},
    ),
    _row(
        "rename over a link",
        "rename_files overwrite",
        "use other, make link",
        lambda fs: fs.rename(p(b"/other"), p(b"/link"), replace=True),
        {**_link, b"/other": b"other"},
    ),
    _row(
        "rename over a directory",
        "rename_dirs overwrite delete_dirs",
        "use directory, make other",
        lambda fs: fs.rename(p(b"/directory"), p(b"/other"), replace=True),
        {**_directory, b"/other": DIRECTORY},
    ),
    _row(
        "rename with leave to replace",
        "rename_files",
        "use file, make new",
        lambda fs: fs.rename(p(b"/file"), p(b"/new"), replace=True),
        _file,
    ),
    _row("symlink", "create_symlinks", "make link, lead file", lambda fs: fs.symlink(b"file", p(b"/link")), _file),
    _row(
        "hard link", "create_symlinks upload", "use file, make new", lambda fs: fs.link(p(b"/file"), p(b"/new")), _file
    ),
    _row("setstat of nothing", "list", "set file", _setstat(b"/file"), _file, writes=False),
    _row("truncate", "overwrite", "use file", _setstat(b"/file", size=1), _file),
    _row("chmod", "chmod", "use file", _setstat(b"/file", mode=0o600), _file),
    _row("chmod a directory", "chmod", "use directory", _setstat(b"/directory", mode=0o700), _directory),
    _row("chown", "chown", "use file", _setstat(b"/file", **_OWNER), _file, writes=False),
    _row("chown a link itself", "chown", "use link", _setstat(b"/link", **_OWNER), _link, writes=False),
    _row("utimes", "chtimes", "set file", _setstat(b"/file", atime=1, mtime=2), _file),
    _row("utimes of a directory", "chtimes", "set directory", _setstat(b"/directory", atime=1, mtime=2), _directory),
    _row("utimes of a link itself", "chtimes", "use link", _setstat(b"/link", atime=1, mtime=2), _link),
    _row("chmod and utimes", "chmod chtimes", "use file", _setstat(b"/file", mode=0o600, atime=1, mtime=2), _file),
)
