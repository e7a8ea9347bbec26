"""A tree of several storages answers as one storage does, but where a mount would move or a link would cross."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conchgo.errors import AlreadyExists, ConchgoError, CrossStorage, PermissionDenied, Unsupported
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.interface import Attributes, Create, FileStat, Kind, Storage
from conchgo.storage.local import LocalStorage
from conchgo.vfs.metering.metered import Metered
from conchgo.vfs.mount_table import MountTable
from conchgo.vfs.mounted import Mounted
from tests.contract.storage.test_equivalence import comparable
from tests.unit.vfs.helpers import p

MOUNTS = [p(b"/m"), p(b"/m/a/n"), p(b"/v/w")]
WAYS = [p(b"/m/a"), p(b"/v")]
KEPT = {*MOUNTS, *WAYS}

_tops = st.sampled_from([b"", b"", b"/m", b"/m/a", b"/m/a/n", b"/v", b"/v/w"])
_inner = st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=3).map(lambda names: b"".join(b"/" + n for n in names))
paths = st.builds(lambda top, inner: p(top + inner), _tops, _inner)
#: Where something is at the start, or can be made.
busy = st.builds(
    lambda directory, name: p(directory + name),
    st.sampled_from([b"/a", b"/m/b", b"/m/a/n/c", b"/v/w/a"]),
    st.sampled_from([b"", b"/a", b"/b", b"/b", b"/c"]),
)
others = paths.filter(lambda path: path not in KEPT and not path.is_root)


def mount_of(path: VirtualPath) -> VirtualPath:
    """Of a path, found without any cleverness."""
    return max((point for point in [ROOT, *MOUNTS] if path.is_within(point)), key=lambda point: len(point.parts))


def said(call: Callable[[], Any]) -> Any:
    try:
        return comparable(call())
    except ConchgoError as error:
        return comparable(error)


class Trees(RuleBasedStateMachine):
    """Every rule does one thing to both trees, or sees that it is refused."""

    @initialize()
    def make(self) -> None:
        self.directory = os.fsencode(tempfile.mkdtemp())
        self.storages = []
        for name in (b"one", b"home", b"m", b"n", b"w"):
            os.mkdir(os.path.join(self.directory, name))
            self.storages.append(LocalStorage(os.path.join(self.directory, name)))
        self.one, self.home, team, nested, far = self.storages
        storages = {ROOT: self.home, **dict(zip(MOUNTS, (team, nested, far), strict=True))}
        self.many = Mounted(self.wrapped(storages), MountTable(storages))
        for path in (b"/m", b"/m/a", b"/m/a/n", b"/v", b"/v/w"):
            self.one.mkdir(p(path))
        # As they are made at a login.
        team.mkdir(p(b"/a"))
        self.home.mkdir(p(b"/v"))
        for path in (b"/a", b"/m/b", b"/m/a/n/c", b"/v/w/a"):
            self.mkdir(p(path))
            self.create(p(path + b"/b"))
        self.symlink(p(b"/m/b"), p(b"/m/c"))

    def wrapped(self, storages: Mapping[VirtualPath, LocalStorage]) -> Mapping[VirtualPath, Storage]:
        return storages

    def teardown(self) -> None:
        for storage in self.storages:
            storage.close()
        shutil.rmtree(self.directory)

    def both(self, call: Callable[[Any], Any]) -> None:
        assert said(lambda: call(self.one)) == said(lambda: call(self.many))

    def refused(self, call: Callable[[Any], Any], *kinds: type[ConchgoError]) -> None:
        assert said(lambda: call(self.many)) in kinds

    @rule(path=paths)
    def lstat(self, path: VirtualPath) -> None:
        self.both(lambda storage: storage.lstat(path))

    @rule(path=paths)
    def scan(self, path: VirtualPath) -> None:
        def entries(storage: Any) -> Any:
            listing = storage.scan(path)
            try:
                return sorted((comparable(entry) for entry in listing), key=lambda row: row[0])
            finally:
                listing.close()

        self.both(entries)

    @rule(path=paths | busy)
    def create(self, path: VirtualPath) -> None:
        def made(storage: Any) -> None:
            file = storage.open(path, read=False, write=True, create=Create.NEW)
            file.pwritev([memoryview(bytes(path))], 0)
            file.close()

        self.both(made)

    @rule(path=paths)
    def read(self, path: VirtualPath) -> None:
        def content(storage: Any) -> bytes:
            file = storage.open(path, read=True, write=False, create=Create.NEVER)
            data: bytes = file.pread(100, 0)
            file.close()
            return data

        self.both(content)

    @rule(path=paths)
    def mkdir(self, path: VirtualPath) -> None:
        self.both(lambda storage: storage.mkdir(path))

    @rule(path=paths, way=st.sampled_from(["rmdir", "remove"]))
    def remove(self, path: VirtualPath, way: str) -> None:
        if path in KEPT:
            self.refused(lambda storage: getattr(storage, way)(path), PermissionDenied, Unsupported)
        elif not path.is_root:
            self.both(lambda storage: getattr(storage, way)(path))

    @rule(old=paths | busy | busy, new=paths | busy | busy, replace=st.booleans())
    def rename(self, old: VirtualPath, new: VirtualPath, replace: bool) -> None:
        if not old.is_root and not new.is_root and KEPT & {old, new}:
            self.refused(lambda storage: storage.rename(old, new, replace=replace), PermissionDenied, Unsupported)
        elif self.says_why(old, new):
            self.both(lambda storage: storage.rename(old, new, replace=replace))
        elif self.may_leave(old) or mount_of(old) == mount_of(new):
            # Of two reasons against it the one or the other may be told.
            self.both(lambda storage: said(lambda: storage.rename(old, new, replace=replace)) is None)

    def says_why(self, old: VirtualPath, new: VirtualPath) -> bool:
        """Whether a rename is refused for the same reason."""
        return mount_of(old) == mount_of(new) or old.is_root or new.is_root

    def may_leave(self, path: VirtualPath) -> bool:
        """Whether it can be moved to another storage."""
        return True

    @rule(written=paths, path=others)
    def symlink(self, written: VirtualPath, path: VirtualPath) -> None:
        if written in MOUNTS:
            self.refused(lambda storage: storage.symlink(bytes(written), path), PermissionDenied)
        elif mount_of(written) != mount_of(path):
            self.refused(lambda storage: storage.symlink(bytes(written), path), CrossStorage)
        else:
            self.both(lambda storage: storage.symlink(bytes(written), path))

    @rule(path=paths)
    def readlink(self, path: VirtualPath) -> None:
        self.both(lambda storage: storage.readlink(path))

    @rule(existing=others, new=paths)
    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        if new in KEPT:
            self.refused(lambda storage: storage.link(existing, new), AlreadyExists)
        elif mount_of(existing) != mount_of(new):
            self.refused(lambda storage: storage.link(existing, new), CrossStorage)
        else:
            self.both(lambda storage: storage.link(existing, new))

    @rule(path=paths, mode=st.sampled_from([0o700, 0o755]), link=st.booleans())
    def chmod(self, path: VirtualPath, mode: int, link: bool) -> None:
        if path in MOUNTS:
            self.refused(
                lambda storage: storage.set_attributes(path, Attributes(mode=mode), link=link), PermissionDenied
            )
        else:
            self.both(lambda storage: storage.set_attributes(path, Attributes(mode=mode), link=link))

    @rule(path=paths)
    def space(self, path: VirtualPath) -> None:
        self.both(lambda storage: storage.space(path).name_max)

    @invariant()
    def the_mounts_are_there(self) -> None:
        if hasattr(self, "many"):
            for point, storage in zip(MOUNTS, self.storages[2:], strict=True):
                assert self.many.lstat(point).identity == storage.lstat(ROOT).identity


class CountedTrees(Trees):
    """Each storage has a domain of its own, in which is counted what lies there, wherever it came from."""

    def wrapped(self, storages: Mapping[VirtualPath, LocalStorage]) -> Mapping[VirtualPath, Storage]:
        self.ledger = MemoryLedger()
        for point in storages:
            self.ledger.count(str(point), Usage(0, 0))
        return {point: Metered(storage, self.ledger, _charge(str(point))) for point, storage in storages.items()}

    def says_why(self, old: VirtualPath, new: VirtualPath) -> bool:
        return False

    def may_leave(self, path: VirtualPath) -> bool:
        """Not with several names: one would be left in the other domain."""
        try:
            stat = self.one.lstat(path)
        except ConchgoError:
            return True
        if stat.kind is Kind.DIRECTORY:
            return all(stat.nlink == 1 for stat in _regular_files(self.one, path))
        return stat.nlink == 1

    @invariant()
    def all_is_counted_where_it_lies(self) -> None:
        if hasattr(self, "many"):
            for point, storage in zip([ROOT, *MOUNTS], self.storages[1:], strict=True):
                sizes = {stat.identity: stat.size for stat in _regular_files(storage, ROOT)}
                assert self.ledger.usage(str(point)) == (sum(sizes.values()), len(sizes))


def _charge(name: str) -> Charge:
    return Charge(name, ((name, Limits(2**40, 2**20)),))


def _regular_files(storage: LocalStorage, directory: VirtualPath) -> Iterator[FileStat]:
    with closing(storage.scan(directory)) as listing:
        entries = [(entry.name, entry.stat) for entry in listing if entry.stat is not None]
    for name, stat in entries:
        if stat.kind is Kind.FILE:
            yield stat
        elif stat.kind is Kind.DIRECTORY:
            yield from _regular_files(storage, directory / name)


bounded = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
TestTrees = Trees.TestCase
TestTrees.settings = bounded
TestCountedTrees = CountedTrees.TestCase
TestCountedTrees.settings = bounded
