"""A session's filesystem over a real storage, and what it told the bus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from conchgo.accounts.model import FilePattern
from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.errors import ConchgoError
from conchgo.events.bus import Bus
from conchgo.events.records import Event, Origin
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Charge, Ledger
from conchgo.vfs.compose import Mount, compose
from conchgo.vfs.compose import View as Composition
from conchgo.vfs.filtered import Names
from conchgo.vfs.interface import Filesystem, Identity, OpenOptions
from conchgo.vfs.mount_table import MountTable
from conchgo.vfs.uploads.rules import UploadRules

p = VirtualPath.parse

ORIGIN = Origin("alice", "session-1", "192.0.2.1")
IDENTITY = Identity("alice", 1000, 1000)
ALL = ("*",)

READ = OpenOptions(read=True)
WRITE = OpenOptions(write=True)
CREATE = OpenOptions(write=True, create=True, truncate=True)


@dataclass
class View:
    """What one user sees: rules are a map of directory to verbs, folders one of paths to what is mounted there."""

    storage: Any
    rules: Mapping[str, Iterable[str]] = field(default_factory=lambda: {"/": ALL})
    folders: Mapping[bytes, Any] = field(default_factory=dict)
    patterns: Iterable[FilePattern] = ()
    events: list[Event] = field(default_factory=list)
    uploads: UploadRules = field(default_factory=UploadRules)
    ledger: Ledger | None = None
    charge: Charge | None = None
    charges: Mapping[bytes, Charge] = field(default_factory=dict)

    @property
    def fs(self) -> Filesystem:
        bus = Bus(self.events.append)
        folders = {p(path): Mount(storage, self.charges.get(path)) for path, storage in self.folders.items()}
        mounts = {p(b"/"): Mount(self.storage, self.charge), **folders}
        table = MountTable(mounts, shared=folders)
        permissions, names = Permissions.parse(self.rules), Names(FilePatterns.parse(self.patterns))
        view = Composition(mounts, permissions, IDENTITY, ORIGIN, bus, table=table, names=names)
        return compose(replace(view, uploads=self.uploads, ledger=self.ledger))


def view(storage: Any, rules: Mapping[str, Iterable[str]]) -> Filesystem:
    return View(storage, rules).fs


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the call returned, or the type of what it raised."""
    try:
        return call(*args, **kwargs)
    except ConchgoError as error:
        return type(error)


def put(fs: Filesystem, path: bytes, data: bytes = b"") -> None:
    file = fs.open(p(path), CREATE)
    file.pwritev([memoryview(data)], 0)
    file.close()


def get(fs: Filesystem, path: bytes) -> bytes:
    file = fs.open(p(path), READ)
    try:
        return file.pread(1000, 0)
    finally:
        file.close()


def names(fs: Filesystem, path: bytes) -> set[bytes]:
    listing = fs.scan(p(path))
    try:
        return {entry.name for entry in listing}
    finally:
        listing.close()
