"""What is answered without a thread, and that nobody sees whether it was."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from conchgo.accounts.permissions import Permissions
from conchgo.errors import NotFound
from conchgo.events.bus import Bus
from conchgo.events.records import Event
from conchgo.sftp import codec, filesystem_server
from conchgo.sftp import constants as c
from conchgo.sftp.codec import string, uint32
from conchgo.storage import local_file
from conchgo.storage.local import LocalStorage
from conchgo.vfs.interface import Attributes
from tests.contract.storage.helpers import descriptors
from tests.unit.sftp.harness import NO_ATTRIBUTES, Client, Reply, fast_server, filesystem

RULES = {"/": ["*"], "/shut": ["upload"], "/seen": ["list"]}


class CountingRunner:
    """Counts how often a thread would have been used."""

    def __init__(self) -> None:
        self.count = 0

    def run(self, owner: str, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        self.count += 1
        return maybeDeferred(work, *args, **kwargs)


class Session:
    """A client, and what was told of it."""

    def __init__(self, storage: LocalStorage) -> None:
        self.storage = storage
        self.events: list[Event] = []
        self.runner = CountingRunner()
        files = filesystem(storage, Permissions.parse(RULES), bus=Bus(self.events.append))  # type: ignore[arg-type]
        self.client = Client(fast_server(files, self.runner))

    def threads(self, work: Callable[[], Any]) -> int:
        before = self.runner.count
        work()
        return self.runner.count - before

    def told(self) -> list[tuple[str, str, bytes]]:
        found = [(event.action, event.status, bytes(event.path or b"")) for event in self.events]
        self.events.clear()
        return found


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    made = tmp_path / "root"
    (made / "dir" / "deep").mkdir(parents=True)
    (made / "shut").mkdir()
    (made / "seen").mkdir()
    for name in ("file", "dir/file", "shut/file", "seen/file"):
        (made / name).write_bytes(b"data")
    (made / "link").symlink_to("dir/file")
    (made / "way").symlink_to("dir")
    (made / "round").symlink_to("round")
    (made / "into").symlink_to("shut/file")
    (made / "nowhere").symlink_to("missing")
    os.mkfifo(made / "fifo")
    os.utime(made / "file", (1, 2))
    return bytes(made)


@pytest.fixture
def storage(root: bytes) -> Iterator[LocalStorage]:
    before = descriptors()
    made = LocalStorage(root)
    if made.at_once is None:
        pytest.skip("the kernel can't be asked for what it has cached, or the tests' directory is on no disk")
    yield made
    made.close()
    assert descriptors() == before


@pytest.fixture
def session(storage: LocalStorage) -> Session:
    return Session(storage)


def would_wait(storage: LocalStorage, patch: pytest.MonkeyPatch) -> None:
    """Nothing is cached, or somebody else changes the tree all the time."""

    def fail(*_arguments: object) -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    patch.setattr(storage.at_once, "_pin", fail)
    patch.setattr(storage.at_once, "_open", fail)


def open_(session: Session, path: bytes, flags: int = c.FXF_READ) -> Reply:
    return session.client.ask(c.FXP_OPEN, string(path), uint32(flags), NO_ATTRIBUTES)


def test_looks_need_no_thread(session: Session) -> None:
    client = session.client
    assert session.threads(lambda: client.stat(b"/dir/file").attributes) == 0
    assert session.threads(lambda: client.ask(c.FXP_LSTAT, string(b"/dir/file")).attributes) == 0
    assert session.threads(lambda: client.ask(c.FXP_LSTAT, string(b"/link")).attributes) == 0
    assert session.threads(lambda: client.ask(c.FXP_REALPATH, string(b"dir/deep/../file")).path) == 0


def test_a_cached_file_is_opened_read_and_looked_at_without_a_thread(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = local_file.time.time()
    monkeypatch.setattr(local_file.time, "time", lambda: now + 100)
    client = session.client

    def work() -> None:
        handle = client.open(b"/dir/file", c.FXF_READ)
        assert client.read(handle, 0, 100).data == b"data"
        assert client.ask(c.FXP_FSTAT, string(handle)).attributes.size == 4
        assert client.close(handle).code == c.FX_OK

    assert session.threads(work) == 0
    assert session.told() == [("open", "ok", b"/dir/file"), ("close", "ok", b"/dir/file")]


def test_changes_are_made_in_a_thread(session: Session) -> None:
    client = session.client
    assert session.threads(lambda: client.ask(c.FXP_MKDIR, string(b"/new"), NO_ATTRIBUTES)) == 1
    assert session.threads(lambda: client.ask(c.FXP_REMOVE, string(b"/file"))) == 1
    assert session.threads(lambda: client.open(b"/dir/file", c.FXF_WRITE | c.FXF_TRUNC)) == 1
    assert session.threads(lambda: client.open(b"/dir/new", c.FXF_WRITE | c.FXF_CREAT)) == 1
    client.engine.connection_lost()


def test_where_the_answer_must_be_waited_for_it_is_the_same(
    session: Session, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = session.client.stat(b"/dir/file")
    would_wait(storage, monkeypatch)

    def work() -> None:
        assert session.client.stat(b"/dir/file").body == at_once.body

    assert session.threads(work) == 1


PATHS = (
    b"/ /dir /dir/file /link /way/file /way/missing /nowhere /round /round/x /into /missing /missing/x /file/x /fifo "
    b"/shut /shut/file /shut/missing /seen/file /seen/missing /dir/../file"
).split()

REQUESTS: dict[str, Callable[[Session, bytes], Reply]] = {
    "stat": lambda session, path: session.client.stat(path),
    "lstat": lambda session, path: session.client.ask(c.FXP_LSTAT, string(path)),
    "realpath": lambda session, path: session.client.ask(c.FXP_REALPATH, string(path)),
    "readlink": lambda session, path: session.client.ask(c.FXP_READLINK, string(path)),
    "open": lambda session, path: open_(session, path),
    "open and create": lambda session, path: open_(session, path, c.FXF_WRITE | c.FXF_CREAT | c.FXF_EXCL),
    "opendir": lambda session, path: session.client.ask(c.FXP_OPENDIR, string(path)),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", REQUESTS)
def test_answers_and_audit_do_not_tell_where_it_was_asked(
    session: Session, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, name: str, path: bytes
) -> None:
    def seen(session: Session) -> tuple[int, bytes, list[tuple[str, str, bytes]]]:
        reply = REQUESTS[name](session, path)
        if name == "open and create":
            session.client.ask(c.FXP_REMOVE, string(path)) if reply.kind == c.FXP_HANDLE else None
        session.client.engine.connection_lost()
        return reply.kind, reply.body, session.told()

    other = Session(storage)
    for _ in range(2):  # the second time, what was missing is known to be missing
        first = seen(Session(storage))
    would_wait(storage, monkeypatch)

    assert first == seen(other)


def test_a_refusal_is_told_once(session: Session, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [("stat", "refused", b"/shut/file")]
    assert session.threads(lambda: session.client.stat(b"/shut/file")) == 0
    assert session.told() == expected
    would_wait(storage, monkeypatch)

    assert session.threads(lambda: session.client.stat(b"/shut/file")) == 1
    assert session.told() == expected


def test_a_short_listing_takes_one_thread(session: Session) -> None:
    client = session.client

    def work() -> None:
        handle = client.ask(c.FXP_OPENDIR, string(b"/dir")).handle
        names = [name for name, _, _ in client.ask(c.FXP_READDIR, string(handle)).names]
        assert sorted(names) == [b".", b"..", b"deep", b"file"]
        assert client.ask(c.FXP_READDIR, string(handle)).code == c.FX_EOF
        assert client.ask(c.FXP_READDIR, string(handle)).code == c.FX_EOF
        assert client.close(handle).code == c.FX_OK

    assert session.threads(work) == 1
    assert session.told() == [("list", "ok", b"/dir")]


@pytest.mark.parametrize("count", [5, 8, 9, 20])
def test_a_long_listing_is_whole(session: Session, root: bytes, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(filesystem_server, "NAMES_PER_REPLY", 10)
    for number in range(count):
        os.mknod(root + b"/dir/deep/%d" % number)
    client = session.client
    handle = client.ask(c.FXP_OPENDIR, string(b"/dir/deep")).handle
    names: list[bytes] = []
    while (reply := client.ask(c.FXP_READDIR, string(handle))).kind == c.FXP_NAME:
        names += [name for name, _, _ in reply.names]

    assert sorted(names) == sorted([b".", b"..", *(b"%d" % number for number in range(count))])
    assert client.close(handle).code == c.FX_OK


def test_a_listing_that_breaks_says_so_when_it_is_read(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_arguments: object) -> None:
        raise NotFound

    monkeypatch.setattr(filesystem_server, "longname", gone)
    client = session.client
    handle = client.ask(c.FXP_OPENDIR, string(b"/dir")).handle

    assert client.ask(c.FXP_READDIR, string(handle)).code == c.FX_NO_SUCH_FILE
    assert client.close(handle).code == c.FX_OK


def test_a_size_is_set_in_a_thread_wherever_the_file_is(
    session: Session, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is cut off a large file has to be freed, also in memory."""
    handle = session.client.open(b"/dir/file", c.FXF_WRITE)
    for handles in session.client.engine._handles._handles.values():
        handles.opened._file.immediate = True  # type: ignore[union-attr]

    def change(changes: Attributes) -> Callable[[], Any]:
        return lambda: session.client.ask(c.FXP_FSETSTAT, string(handle), codec.attributes(changes))

    assert session.threads(change(Attributes(atime=1, mtime=1))) == 0
    assert session.threads(change(Attributes(size=1))) == 1
    session.client.close(handle)
