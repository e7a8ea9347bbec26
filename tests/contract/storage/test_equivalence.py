"""Memory and local directories answer the same to any history of operations."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conchgo.errors import ConchgoError
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import Attributes, Create, Entry, FileStat, Kind
from conchgo.storage.links import LinkEncountered
from conchgo.storage.memory import MemoryStorage
from tests.contract.storage.helpers import backends, old_kernel, p

names = st.sampled_from([b"a", b"b", b"c"])
#: Most of these are there at the start or soon, so that much goes well.
paths = st.sampled_from([p(b"/" + raw) for raw in b"a b c b/a b/b b/c c/a b/b/a b/c/a".split()] + [ROOT])
changes = st.builds(
    Attributes,
    size=st.none() | st.integers(-1, 12),
    mode=st.none() | st.none() | st.sampled_from([0o700, 0o744, 0o755]),
    mtime=st.none() | st.integers(0, 2**31),
)


def comparable(found: Any) -> Any:
    """What must be the same: not times, owners, numbers, nor what a file system says of its directories' sizes."""
    if isinstance(found, FileStat):
        kind = found.kind
        if kind is Kind.DIRECTORY:
            return kind, found.mode & 0o7777
        return kind, found.size, found.nlink, kind is Kind.LINK or found.mode & 0o7777
    if isinstance(found, Entry):
        return found.name, comparable(found.stat)
    if isinstance(found, LinkEncountered):
        return LinkEncountered, found.link, found.target, found.rest
    return type(found) if isinstance(found, ConchgoError) else found


class Storages(RuleBasedStateMachine):
    """Every rule does one thing to both storages."""

    backend = "local"

    @initialize()
    def make(self) -> None:
        self.patch = pytest.MonkeyPatch()
        if self.backend == "local-walk":
            old_kernel(self.patch)
        self.directory = os.fsencode(tempfile.mkdtemp())
        self.memory = MemoryStorage()
        self.local = backends[self.backend].make(self.directory)
        self.create(p(b"/a"), b"data")
        self.mkdir(p(b"/b"))
        self.link(p(b"/a"), p(b"/b/a"))
        self.symlink(ROOT, p(b"/b/b"))

    def teardown(self) -> None:
        self.local.close()
        self.patch.undo()
        shutil.rmtree(self.directory)

    def both(self, call: Callable[[Any], Any]) -> None:
        def outcome(storage: Any) -> Any:
            try:
                return comparable(call(storage))
            except ConchgoError as error:
                return comparable(error)

        assert outcome(self.memory) == outcome(self.local)

    @rule(path=paths, data=st.binary(max_size=8))
    def create(self, path: VirtualPath, data: bytes) -> None:
        def call(storage: Any) -> None:
            file = storage.open(path, read=False, write=True, create=Create.NEW)
            file.pwritev([memoryview(data)], 0)
            file.close()

        self.both(call)

    @rule(
        path=paths, read=st.booleans(), truncate=st.booleans(), offset=st.integers(-1, 12), data=st.binary(max_size=4)
    )
    def write(self, path: VirtualPath, read: bool, truncate: bool, offset: int, data: bytes) -> None:
        def call(storage: Any) -> Any:
            file = storage.open(path, read=read, write=True, create=Create.NEVER, truncate=truncate)
            try:
                file.append(memoryview(data))
                file.pwritev([memoryview(data), memoryview(b"!")], offset)
                return file.pread(100, 0)
            finally:
                file.close()

        self.both(call)

    @rule(path=paths, length=st.integers(-1, 12), offset=st.integers(-1, 12))
    def read(self, path: VirtualPath, length: int, offset: int) -> None:
        def call(storage: Any) -> Any:
            file = storage.open(path, read=True, write=False, create=Create.NEVER)
            try:
                buffer = bytearray(6)
                return file.preadv([memoryview(buffer)], max(offset, 0)), buffer, file.pread(length, offset)
            finally:
                file.close()

        self.both(call)

    @rule(path=paths)
    def mkdir(self, path: VirtualPath) -> None:
        self.both(lambda storage: storage.mkdir(path))

    @rule(path=paths)
    def rmdir(self, path: VirtualPath) -> None:
        self.both(lambda storage: storage.rmdir(path))

    @rule(path=paths)
    def remove(self, path: VirtualPath) -> None:
        self.both(lambda storage: storage.remove(path))

    @rule(old=paths, new=paths, replace=st.booleans())
    def rename(self, old: VirtualPath, new: VirtualPath, replace: bool) -> None:
        self.both(lambda storage: storage.rename(old, new, replace=replace))

    @rule(written=paths, path=paths)
    def symlink(self, written: VirtualPath, path: VirtualPath) -> None:
        self.both(lambda storage: storage.symlink(bytes(written), path))

    @rule(path=paths)
    def readlink(self, path: VirtualPath) -> None:
        self.both(lambda storage: storage.readlink(path))

    @rule(existing=paths, new=paths)
    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        self.both(lambda storage: storage.link(existing, new))

    @rule(path=paths, asked=changes, link=st.booleans())
    def set_attributes(self, path: VirtualPath, asked: Attributes, link: bool) -> None:
        def call(storage: Any) -> Any:
            storage.set_attributes(path, asked, link=link)
            return asked.mtime is None or storage.lstat(path).mtime

        self.both(call)

    @rule(name=names)
    def add_special(self, name: bytes) -> None:
        path = p(name)
        if name not in {entry.name for entry in self.memory.scan(ROOT)}:
            self.memory.add_special(path)
            backends[self.backend].add_special(self.local, self.directory, path)

    @rule(path=paths)
    def space(self, path: VirtualPath) -> None:
        self.both(lambda storage: storage.space(path).name_max)

    @rule(path=paths)
    def lstat(self, path: VirtualPath) -> None:
        self.both(lambda storage: path.is_root or storage.lstat(path))

    @rule(path=paths)
    def scan(self, path: VirtualPath) -> None:
        self.both(self.listing(path))

    @invariant()
    def the_roots_look_the_same(self) -> None:
        self.both(self.listing(ROOT))

    def listing(self, path: VirtualPath) -> Callable[[Any], Any]:
        def call(storage: Any) -> Any:
            listing = storage.scan(path)
            try:
                return sorted(map(comparable, listing), key=lambda row: row[0])
            finally:
                listing.close()

        return call


class StoragesOnAnOldKernel(Storages):
    backend = "local-walk"


class StoragesAskedAtOnce(Storages):
    backend = "local-at-once"


class MountedStorages(Storages):
    backend = "mounted"


bounded = settings(max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
TestStorages = Storages.TestCase
TestStorages.settings = bounded
TestStoragesOnAnOldKernel = StoragesOnAnOldKernel.TestCase
TestStoragesOnAnOldKernel.settings = bounded
TestStoragesAskedAtOnce = StoragesAskedAtOnce.TestCase
TestStoragesAskedAtOnce.settings = bounded
TestMountedStorages = MountedStorages.TestCase
TestMountedStorages.settings = bounded
