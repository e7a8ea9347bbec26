"""Whatever is done to storages with quotas, the ledger knows what a look at all files finds."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from functools import partial
from itertools import cycle
from tempfile import mkdtemp
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from conchgo.errors import Cancelled, ConchgoError, QuotaExceeded
from conchgo.paths import VirtualPath
from conchgo.quota.books import total
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.quota.tally import Tally
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.local import LocalStorage
from conchgo.vfs.metering.metered import Metered
from conchgo.vfs.scan import count

A, B = ("user:a", Limits(400, 6, ("folder:f",))), ("user:b", Limits(300, 5, ("folder:f",)))

#: What two users have: a home, a folder that both have in their quotas, and one with limits of its own.
CHARGES = {
    "a's home": Charge("user:a", (A,)),
    "f of a": Charge("folder:f", (A, ("folder:f", Limits()))),
    "own": Charge("folder:g", (("folder:g", Limits(150, 3)),)),
    "b's home": Charge("user:b", (B,)),
    "f of b": Charge("folder:f", (("folder:f", Limits()), B)),
}

#: Files move between the mounts of one session.
SESSIONS = (("a's home", "f of a", "own"), ("b's home", "f of b"))

STORAGES = sorted({charge.storage for charge in CHARGES.values()})

mounts = st.sampled_from(list(CHARGES))
two_mounts = st.sampled_from([(one, two) for session in SESSIONS for one in session for two in session if one != two])
paths = st.sampled_from([b"/a", b"/b", b"/d/a", b"/d/b"]).map(VirtualPath.parse)
directories = st.sampled_from([b"/d", b"/e"]).map(VirtualPath.parse)
names = paths | directories
sizes = st.integers(0, 200)


def found(root: str) -> Usage:
    """Regular files below a directory, an inode once."""
    inodes = {}
    for top, _, files in os.walk(root):
        for name in files:
            seen = os.lstat(os.path.join(top, name))
            if stat.S_ISREG(seen.st_mode):
                inodes[seen.st_ino] = seen.st_size
    return Usage(sum(inodes.values()), len(inodes))


class OneByOne(Tally):
    """Gives one directory at a time, so that a scan can be interrupted everywhere."""

    def pending(self, count: int) -> Any:
        return super().pending(1)


class Sessions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.top = mkdtemp()
        self.plain: dict[str, LocalStorage] = {}
        self.metered: dict[str, Metered] = {}
        self.ledger: Any = None
        self.scans: Any = None
        #: By whom each was opened.
        self.files: list[tuple[str, Any]] = []
        self.scan: tuple[str, Any, Tally] | None = None
        self.domains = cycle(STORAGES)
        for name in STORAGES:
            os.mkdir(f"{self.top}/{name}")
            self.plain[name] = LocalStorage(f"{self.top}/{name}".encode())
        self.serve()

    def serve(self) -> None:
        """Begin to count."""
        ledger = self.ledger = self.scans = MemoryLedger()
        for domain in STORAGES:
            ledger.count(domain, Usage(0, 0))
        self.mount()

    def mount(self) -> None:
        self.metered = {
            name: Metered(self.plain[charge.storage], self.ledger, charge) for name, charge in CHARGES.items()
        }

    def used(self, domain: str) -> Usage | None:
        return self.ledger.usage(domain)

    def patiently(self, work: Any) -> Any:
        """Nobody else is there to wait for."""
        return work()

    def teardown(self) -> None:
        for _, file in self.files:
            file.close()
        if self.scan is not None:
            self.scan[2].close()
        for storage in self.plain.values():
            storage.close()
        shutil.rmtree(self.top)

    @initialize()
    def begin(self) -> None:
        for mount in "a's home", "f of b", "own", "b's home":
            self.metered[mount].mkdir(VirtualPath.parse(b"/d"))
            for path, size in (b"/a", 10), (b"/d/b", 20):
                file = self.patiently(partial(self._made, self.metered[mount], VirtualPath.parse(path)))
                self.files.append((mount, file))
                self.patiently(partial(file.append, memoryview(bytes(size))))

    def _made(self, storage: Metered, path: VirtualPath) -> Any:
        return storage.open(path, read=True, write=True, create=Create.NEW)

    def found(self) -> dict[str, Usage]:
        return {name: found(f"{self.top}/{name}") for name in STORAGES}

    def attempt(self, mount: str, work: Any) -> Any:
        """Nobody passes his own limits; what they refuse changes nothing."""
        before = self.found()
        try:
            return self.patiently(work)
        except QuotaExceeded:
            assert before == self.found()
        except ConchgoError:
            pass
        finally:
            after = self.found()
            for domain, limits in CHARGES[mount].domains:
                was, used = (total(seen[each] for each in (domain, *limits.beside)) for seen in (before, after))
                assert limits.size is None or used.size <= max(limits.size, was.size)
                assert limits.files is None or used.files <= max(limits.files, was.files)
        return None

    @rule(mount=mounts, path=paths, create=st.sampled_from(Create), truncate=st.booleans())
    def open(self, mount: str, path: VirtualPath, create: Create, truncate: bool) -> None:
        file = self.attempt(
            mount,
            lambda: self.metered[mount].open(
                path, read=True, write=True, create=create, truncate=truncate and create is Create.NEVER
            ),
        )
        if file:
            self.files.append((mount, file))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), offset=sizes, length=sizes, now=st.booleans())
    def write(self, data: st.DataObject, offset: int, length: int, now: bool) -> None:
        mount, file = data.draw(st.sampled_from(self.files))
        write = file.pwritev_now if now else file.pwritev
        self.attempt(
            mount, lambda: write([memoryview(bytes(length // 2)), memoryview(bytes(length - length // 2))], offset)
        )

    @precondition(lambda self: self.files)
    @rule(data=st.data(), length=sizes)
    def append(self, data: st.DataObject, length: int) -> None:
        mount, file = data.draw(st.sampled_from(self.files))
        self.attempt(mount, lambda: file.append(memoryview(bytes(length))))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), size=sizes)
    def resize(self, data: st.DataObject, size: int) -> None:
        mount, file = data.draw(st.sampled_from(self.files))
        self.attempt(mount, lambda: file.set_attributes(Attributes(size=size, mtime=1)))

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        mount, file = data.draw(st.sampled_from(self.files))
        self.files.remove((mount, file))
        file.close()

    @rule(mount=mounts, path=names, size=sizes)
    def truncate(self, mount: str, path: VirtualPath, size: int) -> None:
        self.attempt(mount, lambda: self.metered[mount].set_attributes(path, Attributes(size=size)))

    @rule(mount=mounts, path=names)
    def remove(self, mount: str, path: VirtualPath) -> None:
        self.attempt(mount, lambda: self.metered[mount].remove(path))

    @rule(mount=mounts, old=names, new=names, replace=st.booleans())
    def rename(self, mount: str, old: VirtualPath, new: VirtualPath, replace: bool) -> None:
        self.attempt(mount, lambda: self.metered[mount].rename(old, new, replace=replace))

    @rule(pair=two_mounts, old=names, new=names, replace=st.booleans())
    def rename_to(self, pair: tuple[str, str], old: VirtualPath, new: VirtualPath, replace: bool) -> None:
        source, target = (self.metered[mount] for mount in pair)
        self.attempt(pair[1], lambda: source.rename_to(old, target, new, replace=replace))

    @rule(mount=mounts, existing=names, new=names)
    def link(self, mount: str, existing: VirtualPath, new: VirtualPath) -> None:
        self.attempt(mount, lambda: self.metered[mount].link(existing, new))

    @rule(mount=mounts, path=names)
    def symlink(self, mount: str, path: VirtualPath) -> None:
        self.attempt(mount, lambda: self.metered[mount].symlink(b"a", path))

    @rule(mount=mounts, path=directories)
    def mkdir(self, mount: str, path: VirtualPath) -> None:
        self.attempt(mount, lambda: self.metered[mount].mkdir(path))

    @rule(mount=mounts, path=directories)
    def rmdir(self, mount: str, path: VirtualPath) -> None:
        self.attempt(mount, lambda: self.metered[mount].rmdir(path))

    @rule(steps=st.integers(1, 8))
    def scan_on(self, steps: int) -> None:
        """There is always a scan that goes on, of one domain after the other, by a directory or more at a time."""
        if self.scan is None:
            domain = next(self.domains)
            self.scan = (domain, self.scans.begin(domain), OneByOne())
        domain, scan, tally = self.scan

        def seen(_seen: int, left: int) -> None:
            nonlocal steps
            steps -= 1
            if not steps:
                raise Cancelled

        with suppress(Cancelled):
            count(scan, {domain: self.plain[domain]}, tally, self.patiently, seen)
            tally.close()
            self.scan = None

    @invariant()
    def the_ledger_is_exact(self) -> None:
        assert {domain: self.used(domain) for domain in STORAGES} == self.found()


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
