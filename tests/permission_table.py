"""Every operation of a session's filesystem and the verbs that it needs: one table for the matrix tests.

A row says what lies in the tree beforehand, and how to do the operation on a `Filesystem`. Tests over the wire take a
row's name, tree and verbs, and do the operation in their own words.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Operation:
    """`verbs` are those without any of which `run` raises PermissionDenied, and all that it needs."""

    name: str
    verbs: frozenset[str]
    run: Callable[[Filesystem], Any]
    tree: Tree = field(default_factory=dict)
    writes: bool = True


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


def _row(name: str, verbs: str, run: Callable[[Filesystem], Any], tree: Tree | None = None, **more: Any) -> Operation:
    return Operation(name, frozenset(verbs.split()), run, tree or {}, **more)


def _setstat(path: bytes, **changes: int) -> Callable[[Filesystem], None]:
    return lambda fs: fs.set_attributes(p(path), Attributes(**changes), link=path == b"/link")


_OWNER = {"uid": os.geteuid(), "gid": os.getegid()}

_file: Tree = {b"/file": CONTENT}
_directory: Tree = {b"/directory": DIRECTORY}
_full_directory: Tree = {b"/directory": DIRECTORY, b"/directory/file": CONTENT}
_link: Tree = {b"/file": CONTENT, b"/link": Link(b"file")}

OPERATIONS = (
    _row("realpath", "", lambda fs: fs.realpath(p(b"/directory/file")), _full_directory, writes=False),
    _row("stat", "list", lambda fs: fs.stat(p(b"/file")), _file, writes=False),
    _row("stat a directory", "list", lambda fs: fs.stat(p(b"/directory")), _directory, writes=False),
    _row("stat through a link", "list", lambda fs: fs.stat(p(b"/link")), _link, writes=False),
    _row("lstat", "list", lambda fs: fs.lstat(p(b"/link")), _link, writes=False),
    _row("scan", "list", _scan, _full_directory, writes=False),
    _row("readlink", "list", lambda fs: fs.readlink(p(b"/link")), _link, writes=False),
    _row("space", "list", lambda fs: fs.space(p(b"/file")), _file, writes=False),
    _row("read", "download", _with_file(OpenOptions(read=True), _read), _file, writes=False),
    _row("fstat", "download", _with_file(OpenOptions(read=True), lambda file: file.stat()), _file, writes=False),
    _row("upload", "upload", _with_file(OpenOptions(write=True, create=True, truncate=True), _write)),
    _row("upload exclusively", "upload", _with_file(OpenOptions(write=True, create=True, exclusive=True), _write)),
    _row("upload by appending", "upload", _with_file(OpenOptions(write=True, append=True, create=True), _append)),
    _row("upload and fstat", "upload", _with_file(OpenOptions(write=True, create=True), lambda file: file.stat())),
    _row(
        "upload and read back",
        "upload download",
        _with_file(OpenOptions(read=True, write=True, create=True), _write_and_read),
    ),
    _row("create for reading", "upload download", _with_file(OpenOptions(read=True, create=True), _read)),
    _row(
        "read with leave to create",
        "download",
        _with_file(OpenOptions(read=True, create=True), _read),
        _file,
        writes=False,
    ),
    _row(
        "upload through a dangling link",
        "upload",
        lambda fs: fs.open(p(b"/link"), OpenOptions(write=True, create=True)).close(),
        {b"/link": Link(b"file")},
    ),
    _row("overwrite", "overwrite", _with_file(OpenOptions(write=True, create=True, truncate=True), _write), _file),
    _row("write without create", "overwrite", _with_file(OpenOptions(write=True), _write), _file),
    _row("append", "overwrite", _with_file(OpenOptions(write=True, append=True, create=True), _append), _file),
    _row("read and write: write", "overwrite", _with_file(OpenOptions(read=True, write=True), _write), _file),
    _row(
        "read and write: read",
        "overwrite download",
        _with_file(OpenOptions(read=True, write=True), _read),
        _file,
        writes=False,
    ),
    _row(
        "ftruncate",
        "overwrite",
        _with_file(OpenOptions(write=True), lambda file: file.set_attributes(Attributes(size=1))),
        _file,
    ),
    _row(
        "fchmod",
        "download chmod",
        _with_file(OpenOptions(read=True), lambda file: file.set_attributes(Attributes(mode=0o600))),
        _file,
    ),
    _row(
        "fchown",
        "download chown",
        _with_file(OpenOptions(read=True), lambda file: file.set_attributes(Attributes(**_OWNER))),
        _file,
        writes=False,
    ),
    _row(
        "futimes",
        "download chtimes",
        _with_file(OpenOptions(read=True), lambda file: file.set_attributes(Attributes(atime=1, mtime=2))),
        _file,
    ),
    _row("mkdir", "create_dirs", lambda fs: fs.mkdir(p(b"/new"))),
    _row("rmdir", "delete_dirs", lambda fs: fs.rmdir(p(b"/directory")), _directory),
    _row("remove", "delete_files", lambda fs: fs.remove(p(b"/file")), _file),
    _row("remove a link", "delete_files", lambda fs: fs.remove(p(b"/link")), _link),
    _row("rename", "rename_files", lambda fs: fs.rename(p(b"/file"), p(b"/new"), replace=False), _file),
    _row("rename a link", "rename_files", lambda fs: fs.rename(p(b"/link"), p(b"/new"), replace=False), _link),
    _row(
        "rename a directory", "rename_dirs", lambda fs: fs.rename(p(b"/directory"), p(b"/n"), replace=False), _directory
    ),
    _row(
        "rename a full directory",
        "rename_dirs rename_files",
        lambda fs: fs.rename(p(b"/directory"), p(b"/n"), replace=False),
        _full_directory,
    ),
    _row(
        "rename over a file",
        "rename_files overwrite",
        lambda fs: fs.rename(p(b"/file"), p(b"/other"), replace=True),
        {**_file, b"/other": b"other"},
    ),
    _row(
        "rename over a link",
        "rename_files overwrite",
        lambda fs: fs.rename(p(b"/other"), p(b"/link"), replace=True),
        {**_link, b"/other": b"other"},
    ),
    _row(
        "rename over a directory",
        "rename_dirs overwrite delete_dirs",
        lambda fs: fs.rename(p(b"/directory"), p(b"/other"), replace=True),
        {**_directory, b"/other": DIRECTORY},
    ),
    _row(
        "rename with leave to replace",
        "rename_files",
        lambda fs: fs.rename(p(b"/file"), p(b"/new"), replace=True),
        _file,
    ),
    _row("symlink", "create_symlinks", lambda fs: fs.symlink(b"file", p(b"/link")), _file),
    _row("hard link", "create_symlinks upload", lambda fs: fs.link(p(b"/file"), p(b"/new")), _file),
    _row("setstat of nothing", "list", _setstat(b"/file"), _file, writes=False),
    _row("truncate", "overwrite", _setstat(b"/file", size=1), _file),
    _row("chmod", "chmod", _setstat(b"/file", mode=0o600), _file),
    _row("chmod a directory", "chmod", _setstat(b"/directory", mode=0o700), _directory),
    _row("chown", "chown", _setstat(b"/file", **_OWNER), _file, writes=False),
    _row("chown a link itself", "chown", _setstat(b"/link", **_OWNER), _link, writes=False),
    _row("utimes", "chtimes", _setstat(b"/file", atime=1, mtime=2), _file),
    _row("utimes of a directory", "chtimes", _setstat(b"/directory", atime=1, mtime=2), _directory),
    _row("utimes of a link itself", "chtimes", _setstat(b"/link", atime=1, mtime=2), _link),
    _row("chmod and utimes", "chmod chtimes", _setstat(b"/file", mode=0o600, atime=1, mtime=2), _file),
)
