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
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.quota.tally import Tally
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.local import LocalStorage
from conchgo.vfs.metered import Metered
from conchgo.vfs.scan import count

#: Storage to the domains that pay for it: a home, a folder in the user's quota, and one with limits of its own.
CHARGES = {
    "home": Charge("user:a", (("user:a", Limits(400, 6)),)),
    "included": Charge("folder:f", (("user:a", Limits(400, 6)), ("folder:f", Limits()))),
    "own": Charge("folder:g", (("folder:g", Limits(150, 3)),)),
}

#: Domain to the storages that are charged to it.
DOMAINS = {"user:a": ("home", "included"), "folder:f": ("included",), "folder:g": ("own",)}

storages = st.sampled_from(list(CHARGES))
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
        self.files: list[Any] = []
        self.scan: tuple[str, Any, Tally] | None = None
        self.domains = cycle(DOMAINS)
        for name in CHARGES:
            os.mkdir(f"{self.top}/{name}")
            self.plain[name] = LocalStorage(f"{self.top}/{name}".encode())
        self.serve()

    def serve(self) -> None:
        """Begin to count."""
        ledger = self.ledger = self.scans = MemoryLedger()
        for domain in DOMAINS:
            ledger.count(domain, Usage(0, 0))
        self.metered = {name: Metered(self.plain[name], self.ledger, charge) for name, charge in CHARGES.items()}

    def used(self, domain: str) -> Usage | None:
        return self.ledger.usage(domain)

    def patiently(self, work: Any) -> Any:
        """Nobody else is there to wait for."""
        return work()

    def teardown(self) -> None:
        for file in self.files:
            file.close()
        if self.scan is not None:
            self.scan[2].close()
        for storage in self.plain.values():
            storage.close()
        shutil.rmtree(self.top)

    @initialize()
    def begin(self) -> None:
        for storage in self.metered.values():
            storage.mkdir(VirtualPath.parse(b"/d"))
            for path, size in (b"/a", 10), (b"/d/b", 20):
                self.files.append(self.patiently(partial(self._made, storage, VirtualPath.parse(path))))
                self.patiently(partial(self.files[-1].append, memoryview(bytes(size))))

    def _made(self, storage: Metered, path: VirtualPath) -> Any:
        return storage.open(path, read=True, write=True, create=Create.NEW)

    def attempt(self, work: Any) -> Any:
        """What fails changes nothing but what the invariant sees."""
        before = {name: found(f"{self.top}/{name}") for name in CHARGES}
        try:
            return self.patiently(work)
        except QuotaExceeded:
            assert before == {name: found(f"{self.top}/{name}") for name in CHARGES}
        except ConchgoError:
            pass
        return None

    @rule(storage=storages, path=paths, create=st.sampled_from(Create), truncate=st.booleans())
    def open(self, storage: str, path: VirtualPath, create: Create, truncate: bool) -> None:
        file = self.attempt(
            lambda: self.metered[storage].open(
                path, read=True, write=True, create=create, truncate=truncate and create is Create.NEVER
            )
        )
        if file:
            self.files.append(file)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), offset=sizes, length=sizes, now=st.booleans())
    def write(self, data: st.DataObject, offset: int, length: int, now: bool) -> None:
        file = data.draw(st.sampled_from(self.files))
        write = file.pwritev_now if now else file.pwritev
        self.attempt(lambda: write([memoryview(bytes(length // 2)), memoryview(bytes(length - length // 2))], offset))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), length=sizes)
    def append(self, data: st.DataObject, length: int) -> None:
        file = data.draw(st.sampled_from(self.files))
        self.attempt(lambda: file.append(memoryview(bytes(length))))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), size=sizes)
    def resize(self, data: st.DataObject, size: int) -> None:
        file = data.draw(st.sampled_from(self.files))
        self.attempt(lambda: file.set_attributes(Attributes(size=size, mtime=1)))

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(self.files))
        self.files.remove(file)
        file.close()

    @rule(storage=storages, path=names, size=sizes)
    def truncate(self, storage: str, path: VirtualPath, size: int) -> None:
        self.attempt(lambda: self.metered[storage].set_attributes(path, Attributes(size=size)))

    @rule(storage=storages, path=names)
    def remove(self, storage: str, path: VirtualPath) -> None:
        self.attempt(lambda: self.metered[storage].remove(path))

    @rule(storage=storages, old=names, new=names, replace=st.booleans())
    def rename(self, storage: str, old: VirtualPath, new: VirtualPath, replace: bool) -> None:
        self.attempt(lambda: self.metered[storage].rename(old, new, replace=replace))

    @rule(storage=storages, old=names, other=storages, new=names, replace=st.booleans())
    def rename_to(self, storage: str, old: VirtualPath, other: str, new: VirtualPath, replace: bool) -> None:
        if other != storage:
            self.attempt(lambda: self.metered[storage].rename_to(old, self.metered[other], new, replace=replace))

    @rule(storage=storages, existing=names, new=names)
    def link(self, storage: str, existing: VirtualPath, new: VirtualPath) -> None:
        self.attempt(lambda: self.metered[storage].link(existing, new))

    @rule(storage=storages, path=names)
    def symlink(self, storage: str, path: VirtualPath) -> None:
        self.attempt(lambda: self.metered[storage].symlink(b"a", path))

    @rule(storage=storages, path=directories)
    def mkdir(self, storage: str, path: VirtualPath) -> None:
        self.attempt(lambda: self.metered[storage].mkdir(path))

    @rule(storage=storages, path=directories)
    def rmdir(self, storage: str, path: VirtualPath) -> None:
        self.attempt(lambda: self.metered[storage].rmdir(path))

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

        storages = {name: self.plain[name] for name in DOMAINS[domain]}
        with suppress(Cancelled):
            count(scan, storages, tally, self.patiently, seen)
            tally.close()
            self.scan = None

    @invariant()
    def the_ledger_is_exact_and_no_limit_is_passed(self) -> None:
        domains: dict[str, Usage] = {}
        for name, charge in CHARGES.items():
            here = found(f"{self.top}/{name}")
            for domain, _ in charge.domains:
                size, files = domains.get(domain, Usage(0, 0))
                domains[domain] = Usage(size + here.size, files + here.files)
        assert {domain: self.used(domain) for domain in domains} == domains
        limits = {domain: limits for charge in CHARGES.values() for domain, limits in charge.domains}
        for domain, used in domains.items():
            assert used.size <= (limits[domain].size or used.size)
            assert used.files <= (limits[domain].files or used.files)


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
