"""Two sessions upload, rename, remove and vanish as they like: every file is whole, all is counted, nothing stays."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from conchgo.accounts.permissions import Permissions
from conchgo.errors import ConchgoError
from conchgo.events.bus import Bus
from conchgo.paths import ROOT
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.interface import Attributes, Create, Kind
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount, View, compose
from conchgo.vfs.interface import OpenOptions
from conchgo.vfs.metering.metered import Metered
from conchgo.vfs.uploads.rules import UploadMode, UploadRules
from conchgo.vfs.uploads.temporaries import PREFIX, Temporaries, is_replacing
from conchgo.vfs.walk import walk
from tests.unit.vfs.helpers import IDENTITY, ORIGIN, p

HOME = "user:ada"
FILES = 3
CHARGE = Charge(HOME, ((HOME, Limits(60, FILES)),))

paths = st.sampled_from([p(path) for path in (b"/a", b"/b", b"/d/a", b"/d/b", b"/e/a")])
directories = st.sampled_from([p(b"/d"), p(b"/e"), p(b"/g")])
sessions = st.integers(0, 1)


class Upload:
    """An open one: each writes a letter of its own, so that what it made is known again."""

    def __init__(self, file: Any, letter: bytes) -> None:
        self.file = file
        self.letter = letter
        self.size = 0


class Uploading(RuleBasedStateMachine):
    mode = UploadMode.ATOMIC
    opened = Bundle("opened")

    @initialize()
    def make(self) -> None:
        self.plain = MemoryStorage()
        self.ledger = MemoryLedger()
        self.ledger.count(HOME, Usage(0, 0))
        storage, rules = Metered(self.plain, self.ledger, CHARGE), UploadRules(self.mode, 40, Temporaries())
        view = View({ROOT: Mount(storage)}, Permissions.parse({"/": ["*"]}), IDENTITY, ORIGIN, Bus(), uploads=rules)
        self.sessions = [compose(view), compose(view)]
        self.live: list[Upload] = []
        #: What uploads have become a file, or may have: their content.
        self.whole: set[bytes] = {b""}
        self.letters = iter(range(10**6))
        for path in (b"/d", b"/e"):
            self.plain.mkdir(p(path))

    @rule(target=opened, session=sessions, path=paths, exclusive=st.booleans(), readable=st.booleans())
    def open(self, session: int, path: Any, exclusive: bool, readable: bool) -> Any:
        options = OpenOptions(read=readable, write=True, create=True, truncate=True, exclusive=exclusive)
        try:
            file = self.sessions[session].open(path, options)
        except ConchgoError:
            return multiple()
        upload = Upload(file, b"%c" % (65 + next(self.letters) % 26))
        self.live.append(upload)
        return upload

    @rule(upload=opened, length=st.integers(0, 25), append=st.booleans())
    def write(self, upload: Upload, length: int, append: bool) -> None:
        data = memoryview(upload.letter * length)
        try:
            if append:
                upload.file.append(data)
            else:
                upload.file.pwritev([data], upload.size)
        except ConchgoError:
            return
        upload.size += length

    @rule(upload=consumes(opened))
    def close(self, upload: Upload) -> None:
        self.live.remove(upload)
        before = self.there()
        try:
            upload.file.close()
        except ConchgoError:
            assert self.there() == before
        else:
            self.whole.add(upload.letter * upload.size)

    @rule(upload=consumes(opened))
    def vanish(self, upload: Upload) -> None:
        self.live.remove(upload)
        before = self.there()
        upload.file.abandon()
        if self.mode is UploadMode.ATOMIC:
            assert self.there() == before
        else:
            self.whole.add(upload.letter * upload.size)

    @rule(session=sessions, old=paths, new=paths, replace=st.booleans())
    def rename(self, session: int, old: Any, new: Any, replace: bool) -> None:
        self.quietly(lambda: self.sessions[session].rename(old, new, replace=replace))

    @rule(session=sessions, old=directories, new=directories)
    def move(self, session: int, old: Any, new: Any) -> None:
        self.quietly(lambda: self.sessions[session].rename(old, new, replace=False))

    @rule(session=sessions, path=paths)
    def remove(self, session: int, path: Any) -> None:
        self.quietly(lambda: self.sessions[session].remove(path))

    @rule(session=sessions, path=paths, new=paths)
    def link(self, session: int, path: Any, new: Any) -> None:
        self.quietly(lambda: self.sessions[session].link(path, new))

    @rule(session=sessions, path=paths)
    def set_times(self, session: int, path: Any) -> None:
        self.quietly(lambda: self.sessions[session].set_attributes(path, Attributes(mtime=5)))

    @rule(session=sessions, path=paths)
    def look(self, session: int, path: Any) -> None:
        """What a session opens is what it sees. (Where the other one moved the directory, it still sees its upload.)"""
        try:
            size = self.sessions[session].stat(path).size
            file = self.sessions[session].open(path, OpenOptions(read=True))
        except ConchgoError:
            return
        assert len(file.pread(1000, 0)) == size
        file.close()

    @invariant()
    def what_is_there_is_whole_and_counted(self) -> None:
        assert self.there() <= self.whole
        found = {entry.stat.identity: entry.stat for _, entry in self.entries()}
        assert self.ledger.usage(HOME) == (sum(stat.size for stat in found.values()), len(found))
        assert all(stat.size <= 40 for stat in found.values())
        own = {entry.stat.identity for _, entry in self.entries() if not is_replacing(entry.name)}
        assert len(own) <= FILES

    def teardown(self) -> None:
        for upload in self.live:
            upload.file.abandon()
        # What somebody else moved away meanwhile is swept by who looks there.
        for directory in (b"/", b"/d", b"/e", b"/g"):
            self.quietly(lambda: list(self.sessions[0].scan(p(directory))))  # noqa: B023
        assert not [entry for _, entry in self.entries() if entry.name.startswith(PREFIX)]

    def entries(self) -> Any:
        return [(path, entry) for path, entry in walk(self.plain) if entry.stat and entry.stat.kind is Kind.FILE]

    def there(self) -> set[bytes]:
        """The contents of all files but temporaries."""
        contents = set()
        for directory, entry in self.entries():
            if not entry.name.startswith(PREFIX):
                file = self.plain.open(directory / entry.name, read=True, write=False, create=Create.NEVER)
                contents.add(bytes(file.pread(1000, 0)))
                file.close()
        return contents

    def quietly(self, work: Any) -> None:
        with suppress(ConchgoError):
            work()


class Resumable(Uploading):
    mode = UploadMode.RESUME


TestAtomic = Uploading.TestCase
TestAtomic.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestResume = Resumable.TestCase
TestResume.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
